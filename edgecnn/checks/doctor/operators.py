"""Examines whether runtimes have what a file needs: custom operators, opset and IR version."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.checks.doctor.finding import Finding
from edgecnn.errors import EdgecnnError, MissingPackage
from edgecnn.formats import Outline
from edgecnn.formats.onnx import versions as _onnx_versions
from edgecnn.onboard import runtimes
from edgecnn.records.artifact import Description


@dataclass(frozen=True, kw_only=True)
class Here:
    """The runtime installed here, and whether it loads the file."""

    package: str
    version: str | None
    """The runtime's version; None if it is not installed."""
    refusal: str | None
    """The runtime's error; None if it loads the file, or was not asked."""

    @property
    def loads(self) -> bool:
        return self.version is not None and self.refusal is None

    @property
    def words(self) -> str:
        return f"{self.package} {self.version}"


def ask(path: Path, description: Description, graph: Outline) -> Here:
    """Load the file in the first runtime that reads its format, but only if there is a doubt, since that takes time."""
    runtime = runtimes.get(runtimes.for_format(description.format)[0])
    try:
        runtime.import_engine()
        version = importlib.metadata.version(runtime.PACKAGE)
    except (MissingPackage, importlib.metadata.PackageNotFoundError):
        return Here(package=runtime.PACKAGE, version=None, refusal=None)
    spec, refusal = description.input, None
    if not graph.foreign and not _is_newer(graph, version):
        return Here(package=runtime.PACKAGE, version=version, refusal=None)
    try:
        session = runtime.open_session(path, num_threads=1)
        if len(graph.inputs) == 1:
            session.load(np.zeros(spec.shape, spec.dtype))  # a file with open sizes is built at its first input
    except EdgecnnError as error:
        refusal = error.sentence
    except TypeError:  # the file loads, but NumPy lacks the type to feed it
        pass
    return Here(package=runtime.PACKAGE, version=version, refusal=refusal)


def _is_newer(graph: Outline, version: str) -> bool:
    """Return whether an ONNX file needs a later release than the runtime, as far as releases are known."""
    if graph.opset is None or graph.ir_version is None:
        return False
    needed = _onnx_versions.needed(graph.opset, graph.ir_version)
    return needed is None or _onnx_versions.released(version) < needed


def findings(graph: Outline, here: Here) -> Iterator[Finding]:
    """Report custom operators, and whether the runtime here has them."""
    if not graph.foreign:
        return
    names = ", ".join(graph.foreign)
    if here.version is None:
        evidence = f"{names}: custom ones, and there is no {here.package} here to ask whether it has them"
        yield Finding(level="note", subject="operators", evidence=evidence, mend=f"pip install {here.package}")
    elif here.refusal is None:
        yield Finding(level="ok", subject="operators", evidence=f"{names}: custom ones, and {here.words} has them")
    elif missing := [name for name in graph.foreign if name.rpartition(".")[2] in here.refusal]:
        mend = "export without them, or bring the library that has them to the device"
        evidence = f"{', '.join(missing)}: {here.words} does not have them by itself"
        yield Finding(level="wrong", subject="operators", evidence=evidence, mend=mend)
    else:
        evidence = f"{names}: custom ones; {here.words} refuses the file before it says whether it has them"
        yield Finding(level="note", subject="operators", evidence=evidence)


def versions(graph: Outline, here: Here, board: Mapping[str, str] | None) -> Iterator[Finding]:
    """Report the opset and IR version of an ONNX file, and what reads it here, on the board and elsewhere."""
    if graph.opset is None or graph.ir_version is None:
        return
    needed = _onnx_versions.needed(graph.opset, graph.ir_version)
    facts = f"opset {graph.opset}, IR {graph.ir_version}"
    if needed is None:
        evidence = f"{facts}: newer than every ONNX Runtime known here"
        if here.loads:
            yield Finding(level="note", subject="runtime", evidence=f"{evidence}, and {here.words} reads it")
            return
        mend = "export it with an older opset"
        yield Finding(level="wrong" if here.version else "warn", subject="runtime", evidence=evidence, mend=mend)
        return
    if graph.opset < _onnx_versions.OLDEST_OPSET:
        evidence = f"{facts}: ONNX Runtime promises to read opset {_onnx_versions.OLDEST_OPSET} and newer"
        mend = "write it anew: onnx.version_converter.convert_version(model, 13)"
        yield Finding(level="note", subject="runtime", evidence=evidence, mend=mend)
        return
    least = _onnx_versions.dotted(needed)
    evidence = f"{facts}: read by ONNX Runtime {least} and newer"
    board_version = (board or {}).get("onnxruntime")
    for place, version, reads in (("here", here.version, here.loads), ("the board", board_version, False)):
        if version is None:
            continue
        if not reads and _onnx_versions.released(version) < needed:
            mend = f"install onnxruntime>={least}, or write it for {version} (`edgecnn export --onnx-for`)"
            evidence = f"{facts}, and {place} has {version}"
            yield Finding(level="wrong", subject="runtime", evidence=evidence, mend=mend)
            return
        evidence += f"; {place} has {version}"
    too_old = [python for python, oldest in _onnx_versions.OLDEST_WHEEL.items() if oldest < needed]
    if too_old:
        mend = "fine for boards that are kept up to date; else export it with an older opset"
        evidence += f". A board's Python {_onnx_versions.dotted(too_old[0])} may have one that is older"
        yield Finding(level="note", subject="runtime", evidence=evidence, mend=mend)
    else:
        yield Finding(level="ok", subject="runtime", evidence=f"{evidence}. Any that Python 3.11 can install will do")
