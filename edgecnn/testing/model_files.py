"""The conformance checks of a format, on the files that it writes, and of a runtime, on a file that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import formats
from edgecnn.common import files, scratch
from edgecnn.errors import ModelFileError
from edgecnn.onboard import runtimes, tensors
from edgecnn.records.foreign import assumed_preprocessing
from edgecnn.records.plans import ExportPlan
from edgecnn.testing import samples
from edgecnn.testing._asserting import refused, require

NOT_MODELS = (b"", b"not a model", bytes(range(256)) * 8)


def writes_what_it_then_describes(name: str) -> None:
    writer = formats.get(name)
    writer.check()
    with scratch.folder() as folder:
        path = folder / f"net{writer.SUFFIX}"
        writer.write(_source(folder), "fp32", ExportPlan(name="test"), path)
        said = writer.describe(path)
        taken = formats.name_of(path)
        require(taken == said.format == name, f"{name} writes what is taken for {taken}")
        require(said.sha256 == files.sha256(path), f"{name} describes another file than it wrote")
        require(said.precision == "fp32", f"{name} was asked for fp32 and wrote {said.precision}")
        require(said.labels == samples.CLASSES, f"{name} keeps no labels inside, or others")
        require(said.output.shape == (1, len(samples.CLASSES)), f"{name}: its output is {said.output.shape}")
        require(said == writer.describe(path), f"{name} describes one file in two ways")


def writes_the_same_bytes_twice(name: str) -> None:
    writer = formats.get(name)
    with scratch.folder() as folder:
        source, paths = _source(folder), [folder / f"{number}{writer.SUFFIX}" for number in range(2)]
        for path in paths:
            writer.write(source, "fp32", ExportPlan(name="test"), path)
        require(paths[0].read_bytes() == paths[1].read_bytes(), f"{name} writes other bytes the second time")


def refuses_what_is_no_model(name: str) -> None:
    writer = formats.get(name)
    with scratch.folder() as folder:
        path = folder / f"file{writer.SUFFIX}"
        for content in NOT_MODELS:
            path.write_bytes(content)
            with refused(ModelFileError, path.name, f"{name}: a file of {len(content)} bytes that are no model"):
                writer.describe(path)


def answers_the_same_in_three_steps_as_in_one(name: str, model: Path) -> None:
    x = encoded(model)
    session = runtimes.get(name).open_session(model, 1)
    session.load(x)
    session.invoke()
    session.invoke()
    once = runtimes.get(name).open_session(model, 1)(x)
    require(np.array_equal(session.fetch(), once), f"{name}: load, invoke and fetch give another output than a call")


def copies_its_inputs_and_outputs(name: str, model: Path) -> None:
    x = encoded(model)
    session = runtimes.get(name).open_session(model, 1)
    expected = session(x)
    mine = x.copy()
    session.load(mine)
    mine[:] = 0  # after loading, the caller's array is the caller's again
    session.invoke()
    first = session.fetch()
    require(np.array_equal(first, expected), f"{name} reads the caller's array after it was loaded")
    session(np.zeros_like(x))
    require(np.array_equal(first, expected), f"{name} changes an output that it has handed out")


def refuses_what_it_cannot_read(name: str, model: Path) -> None:
    with scratch.folder() as folder:
        path = folder / f"broken{model.suffix}"
        for content in NOT_MODELS:
            path.write_bytes(content)
            with refused(ModelFileError, "broken", f"{name}: a file of {len(content)} bytes that are no model"):
                runtimes.get(name).open_session(path, 1)
        with refused(ModelFileError, "", f"{name}: a file that is not there"):
            runtimes.get(name).open_session(folder / "nowhere", 1)


def encoded(model: Path, seed: int = 1) -> npt.NDArray[Any]:
    """Return one random picture as the input tensor of a model file."""
    spec = formats.describe(model).input
    size = assumed_preprocessing(spec)
    shape = (1, size.height, size.width, size.channels)
    picture = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return tensors.encode(picture, spec, size)


def _source(folder: Path) -> formats.Source:
    from edgecnn import nets
    from edgecnn.pipeline.export.exportable import Exportable

    run = samples.run("mlp", folder / "mlp")
    return Exportable(run, files.sha256(run.weights), nets.restore(run), None, None)


FORMAT_CHECKS: tuple[Callable[[str], None], ...] = (
    writes_what_it_then_describes,
    writes_the_same_bytes_twice,
    refuses_what_is_no_model,
)
RUNTIME_CHECKS: tuple[Callable[[str, Path], None], ...] = (
    answers_the_same_in_three_steps_as_in_one,
    copies_its_inputs_and_outputs,
    refuses_what_it_cannot_read,
)
