"""Examines the installation: platform, packages and their versions, imports, formats that can be written, tools.

The extras are those of the installed package's metadata. The proven set is constraints.txt, the versions that were
tested together; it lies at the top of a checkout, or in `_plans` of an installed package.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from edgecnn import formats
from edgecnn.boards.emulated import machine, tools, user_mode
from edgecnn.checks.doctor import processor
from edgecnn.checks.doctor.finding import Finding
from edgecnn.common import console, documents
from edgecnn.errors import EdgecnnError, EnvironmentUnfit
from edgecnn.records import environment

PROJECT = "edgecnn"
EXTRAS = {"": "bench, inspect and deploy", "train": "train and export", "micro": "write C arrays", "heif": "read HEIC"}
"""What each extra is needed for; "" stands for the base."""
IMPORTS = {
    "": ("numpy", "PIL", "onnx", "onnxruntime", "ai_edge_litert.interpreter"),
    "train": ("torch", "torchao", "litert_torch", "onnxscript", "sklearn", "matplotlib", "safetensors"),
}
BESIDE_TORCH = "torchvision"
"""A package that nothing here needs, but whose build, if it does not fit torch's, breaks what imports it."""
IMPORT_TIMEOUT_S = 300.0

TRY_IMPORTS = """
import importlib, json, sys
sys.stdout = sys.stderr
for name in sys.argv[1:]:
    print(json.dumps({"begun": name}), file=sys.__stdout__, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        said = (str(error).strip().splitlines() or [""])[-1]
        print(json.dumps({"failed": name, "why": f"{type(error).__name__}: {said}"}), file=sys.__stdout__, flush=True)
print(json.dumps({"done": True}), file=sys.__stdout__, flush=True)
"""


def findings() -> list[Finding]:
    """Return all findings: platform, processor, packages by extra, imports, formats, tools."""
    results = [_platform(), *processor.findings(environment.here())]
    present = _present_extras()
    for extra in present:
        results += _packages(extra)
    offered = _metadata_all("Provides-Extra")
    for extra, why in EXTRAS.items():
        if extra in offered and extra not in present:
            mend = f"pip install 'edgecnn[{extra}]', if you want to"
            results.append(Finding(level="note", subject=extra, evidence=f"not installed: cannot {why}", mend=mend))
    results += _proven_elsewhere()
    for extra in present:
        results += _imports(extra)
    results += [_writes(name) for name in formats.names()]
    arm_cores, x86_cores = (
        ", ".join(f"emulated:{name}" for name in names) for names in (machine.BOARDS, user_mode.CORES)
    )
    return [
        *results,
        _ssh(),
        _emulator(lambda: tools.require(tools.TO_BUILD), f"{arm_cores} can be made"),
        _emulator(user_mode.require, f"{x86_cores} can be asked"),
    ]


def proven() -> dict[str, str]:
    """Return package -> version of the proven set; {} if there is no constraints.txt."""
    package = Path(__file__).parents[2]
    for path in (package / "_plans" / "constraints.txt", package.parent / "constraints.txt"):
        if path.is_file():
            lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
            pairs = (line.split("==") for line in lines if "==" in line)
            return {_canonical(name): version for name, version in pairs}
    return {}


def _platform() -> Finding:
    """Compare the interpreter and the machine with those the runtimes have wheels for."""
    python, system, machine = platform.python_version(), platform.system(), platform.machine()
    here = f"Python {python}, {system} {machine}"
    if sys.maxsize < 2**32:
        mend = "install a 64-bit system and Python"
        evidence = f"{here}, 32 bits: NumPy's and both runtimes' wheels are for 64"
        return Finding(level="wrong", subject="platform", evidence=evidence, mend=mend)
    if system == "Linux" and platform.libc_ver()[0] != "glibc":
        mend = "take Debian, Ubuntu or another distribution with glibc"
        evidence = f"{here} without glibc, which both runtimes' wheels are built for"
        return Finding(level="wrong", subject="platform", evidence=evidence, mend=mend)
    needed = _metadata_text("Requires-Python")
    if needed and not _fits(needed, python):
        evidence = f"{here}: {PROJECT} needs Python {needed}, as does onnxruntime"
        return Finding(level="wrong", subject="platform", evidence=evidence, mend="make the environment with it")
    return Finding(level="ok", subject="platform", evidence=here)


def _present_extras() -> list[str]:
    """Return the base "" and every extra with at least one package installed that the base lacks."""
    return [extra for extra in EXTRAS if not extra or any(_version(name) for name, _ in _required(extra))]


def _packages(extra: str) -> Iterator[Finding]:
    """Report each package of an extra that is missing or untested, and in one finding all others."""
    known, fine = proven(), 0
    label = extra or "base"
    required = _required(extra)
    command = f"pip install '{PROJECT}{f'[{extra}]' if extra else ''}'"
    for name, specifier in required:
        version, tested = _version(name), known.get(_canonical(name))
        if version is None:
            evidence = f"{name} is missing: cannot {EXTRAS[extra]}"
            yield Finding(level="wrong", subject=label, evidence=evidence, mend=command)
        elif not _fits(specifier, version):
            evidence = f"{name} {version} is outside {specifier}"
            yield Finding(level="wrong", subject=label, evidence=evidence, mend=f"pip install '{name}{specifier}'")
        elif tested is not None and _differs(version, tested):
            evidence = f"{name} {version}; {tested} is proven"
            yield Finding(level="warn", subject=label, evidence=evidence, mend=f"pip install '{name}=={tested}'")
        else:
            fine += 1
    if not required:
        evidence = f"{PROJECT} is not installed as a package: nobody knows what it needs"
        yield Finding(level="wrong", subject=label, evidence=evidence, mend="pip install -e '.[train]'")
    elif fine:
        yield Finding(level="ok", subject=label, evidence=f"{fine} of {len(required)} packages as proven")


def _proven_elsewhere() -> Iterator[Finding]:
    """Compare indirect dependencies with the proven set, in one finding."""
    known = proven()
    if not known:
        mend = "install from a checkout or a wheel"
        yield Finding(level="warn", subject="proven set", evidence="constraints.txt is not here", mend=mend)
        return
    direct = {_canonical(name) for extra in EXTRAS for name, _ in _required(extra)}
    installed = {name: version for name in known if name not in direct and (version := _version(name))}
    others = [
        f"{name} {version} ({known[name]})" for name, version in installed.items() if _differs(version, known[name])
    ]
    if others:
        evidence = f"{len(others)} of {len(installed)} further packages differ: {', '.join(others[:5])}"
        evidence += ", ..." if len(others) > 5 else ""
        mend = "pip install -c constraints.txt, if something fails"
        yield Finding(level="note", subject="proven set", evidence=evidence, mend=mend)
    else:
        yield Finding(level="ok", subject="proven set", evidence=f"{len(installed)} further packages as proven")


def _imports(extra: str) -> Iterator[Finding]:
    """Try to import the heavy packages in another process, since a wheel for another CPU kills it."""
    names = [name for name in IMPORTS.get(extra, ()) if find_spec(name.partition(".")[0])]
    if extra == "train" and find_spec(BESIDE_TORCH):
        names.append(BESIDE_TORCH)
    if not names:
        return
    console.note(f"importing {', '.join(names)} ...")
    failures = try_imports(names)
    for name, why in failures.items():
        package = name.partition(".")[0].replace("_", "-")
        mend = f"pip install --force-reinstall {package}"
        if name == BESIDE_TORCH:
            mend = f"pip uninstall {BESIDE_TORCH}: nothing here needs it"
        yield Finding(level="wrong", subject="import", evidence=f"{name} does not import: {why}", mend=mend)
    if not failures:
        yield Finding(level="ok", subject="import", evidence=", ".join(names))


def try_imports(names: Sequence[str]) -> dict[str, str]:
    """Return module -> reason for all modules that cannot be imported in a fresh process."""
    failures: dict[str, str] = {}
    remaining = list(names)
    while remaining:
        lines, ended = _import_all(remaining)
        failures |= {line["failed"]: line["why"] for line in lines if "failed" in line}
        if any("done" in line for line in lines):
            break
        begun = [line["begun"] for line in lines if "begun" in line]
        culprit = begun[-1] if begun else remaining[0]
        failures[culprit] = ended
        remaining = remaining[remaining.index(culprit) + 1 :]
    return failures


def _import_all(names: Sequence[str]) -> tuple[list[dict[str, str]], str]:
    """Return (the lines of the process, how it ended if it did not come to its end)."""
    command = [sys.executable, "-c", TRY_IMPORTS, *names]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=IMPORT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        text = error.stdout.decode() if isinstance(error.stdout, bytes) else ""
        return [documents.table(line) for line in text.splitlines()], f"it takes longer than {IMPORT_TIMEOUT_S:.0f} s"
    lines = [documents.table(line) for line in done.stdout.splitlines()]
    if done.returncode == -4:  # SIGILL
        return lines, "it is built for another CPU (illegal instruction)"
    return lines, f"its process ends with {done.returncode}"


def _writes(name: str) -> Finding:
    """Check whether a format can be written here."""
    try:
        formats.get(name).check()
    except EdgecnnError as error:
        return Finding(level="note", subject=f"write {name}", evidence=error.sentence, mend=error.hint)
    return Finding(
        level="ok", subject=f"write {name}", evidence="the converter is here and has a build for this machine"
    )


def _ssh() -> Finding:
    if shutil.which("ssh"):
        return Finding(level="ok", subject="ssh", evidence="boards can be reached")
    mend = "apt install openssh-client"
    return Finding(level="warn", subject="ssh", evidence="missing: no board can be reached", mend=mend)


def _emulator(require: Callable[[], None], evidence: str) -> Finding:
    try:
        require()
    except EnvironmentUnfit as error:
        return Finding(level="note", subject="emulator", evidence=error.sentence, mend=error.hint)
    return Finding(level="ok", subject="emulator", evidence=evidence)


def _required(extra: str) -> list[tuple[str, str]]:
    """Return (package, version specifier) of all that an extra adds on this platform; [] if not installed."""
    from packaging.requirements import Requirement

    required = []
    for text in _metadata_all("Requires-Dist"):
        requirement = Requirement(text)
        marker = requirement.marker
        of_base = marker is None or marker.evaluate({"extra": ""})
        is_added = of_base if not extra else not of_base and marker is not None and marker.evaluate({"extra": extra})
        if is_added and _canonical(requirement.name) != PROJECT:
            required.append((requirement.name, str(requirement.specifier)))
    return required


def _metadata_all(field: str) -> list[str]:
    try:
        return importlib.metadata.metadata(PROJECT).get_all(field) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _metadata_text(field: str) -> str:
    return next(iter(_metadata_all(field)), "")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _fits(specifier: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(version, prereleases=True)


def _differs(version: str, tested: str) -> bool:
    """Return whether a version is not the tested one; a local label such as +cpu does not count."""
    from packaging.version import Version

    return Version(version).public != Version(tested).public


def _canonical(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
