"""What `inspect` and `doctor` say of others' model files: how bench/results/foreign-files.json and .md are made.

    python -m pip download --no-deps -d WHEELS mediapipe==0.10.14 silero-vad rapidocr ...
    python bench/foreign_files.py WHEELS -o bench/results/foreign-files.json

Looked at is every .onnx and .tflite file inside the wheels and source archives of a folder, in the .task bundles inside
them, and beside the `onnx` package that is installed here (its backend's light models). Each is a run of `edgecnn
inspect` and one of `edgecnn doctor` in a process of its own; a file that leaves its input's size open is given one, and
the table says so. Whether what is called wrong is true is for a person to look at.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import record

from edgecnn import console, files
from edgecnn.errors import EdgecnnError

SUFFIXES = (".onnx", ".tflite")
LONGEST_S = 300
OPEN_SIDE, OPEN_LENGTH = 224, 16_000
"""What stands for an open height or width, and for an open length of something that is no picture."""


def members(archive: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """(path, content) of the files of a wheel, a source archive or a .task bundle."""
    if name.endswith((".whl", ".zip", ".task")):
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            for entry in opened.namelist():
                if entry.endswith((*SUFFIXES, ".task")):
                    yield entry, opened.read(entry)
    elif name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            for entry in opened.getmembers():
                content = opened.extractfile(entry) if entry.name.endswith((*SUFFIXES, ".task")) else None
                if content is not None:
                    yield entry.name, content.read()


def models(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(maker, path, content) of every model file."""
    for path in sorted(folder.iterdir()):
        maker = "-".join(path.name.split("-")[:2]).removesuffix(".tar.gz")
        for name, content in members(path.read_bytes(), path.name):
            if name.endswith(".task"):
                yield from ((maker, f"{name}/{inner}", part) for inner, part in members(content, name))
            else:
                yield maker, name, content
    import onnx

    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    for path in sorted(light.glob("*.onnx")):
        yield f"onnx-{onnx.__version__}", f"onnx/backend/test/data/light/{path.name}", path.read_bytes()


def ask(verb: str, path: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """(what `edgecnn VERB --json` answered, the seconds it took)."""
    command = [sys.executable, "-m", "edgecnn", verb, path.name, "--json", *options]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=path.parent, capture_output=True, encoding="utf-8", timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(command, 124, "", f"longer than {LONGEST_S} s")
    return done, time.perf_counter() - start


def size_of(described: dict[str, Any]) -> str | None:
    """A size for --input, where the file leaves its input's open; None where it does not."""
    shape = described["input"]["shape"]
    if all(shape) and not described["input"]["open"]:
        return None
    if not shape:
        return "1x3x224x224"
    length = OPEN_SIDE if len(shape) == 4 else OPEN_LENGTH
    return "x".join(str(size or (length if place else 1)) for place, size in enumerate(shape))


def look(path: Path) -> dict[str, Any]:
    """What both verbs say of one file."""
    inspect, _ = ask("inspect", path)
    given = size_of(json.loads(inspect.stdout)) if inspect.returncode == 0 else None
    size = ("--input", given) if given else ()
    doctor, seconds = ask("doctor", path, *size)
    if given:
        inspect, _ = ask("inspect", path, *size)
    described = json.loads(inspect.stdout) if inspect.returncode == 0 else {}
    findings = json.loads(doctor.stdout)["findings"] if doctor.stdout.startswith("{") else []
    return {
        "precision": described.get("precision"),
        "operators": described.get("operators"),
        "input": described.get("input"),
        "given_size": given,
        "inspect_exit": inspect.returncode,
        "doctor_exit": doctor.returncode,
        "doctor_s": round(seconds, 1),
        "traceback": "Traceback" in inspect.stderr + doctor.stderr,
        "said": _sentence(doctor.stderr),
        "findings": [one for one in findings if one["level"] != "ok"],
    }


def _sentence(stderr: str) -> str | None:
    """The error that ended a run, without its last lines' hint."""
    found = re.search(r"^error: (.*)$", stderr, re.MULTILINE)
    return found[1] if found else None


def rows(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The table for people."""
    table = []
    for one in results:
        wrong = [found["subject"] for found in one["findings"] if found["level"] == "wrong"]
        verdict = (
            "traceback" if one["traceback"] else ", ".join(wrong) or ("ok" if not one["doctor_exit"] else one["said"])
        )
        table.append([
            one["maker"], Path(one["file"]).name, f"{one['bytes'] / 1000:,.0f}", one["precision"] or "-",
            one["given_size"] or "its own", str(verdict), f"{one['doctor_s']:.1f}",
        ])  # fmt: skip
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    results: list[dict[str, Any]] = []
    known: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        for maker, name, content in models(asked.wheels):
            sha256 = hashlib.sha256(content).hexdigest()
            if sha256 in known:
                continue
            known.add(sha256)
            path = files.make_folder(Path(scratch, sha256[:12])) / Path(name).name
            path.write_bytes(content)
            results.append({"maker": maker, "file": name, "bytes": len(content), "sha256": sha256, **look(path)})
            console.note(f"{maker} {name}: {rows(results[-1:])[0][3:]}")
    sys.argv[1] = "WHEELS"
    record.write(asked.output, {"results": results})
    head = ("maker", "file", "kB", "precision", "input size", "doctor: wrong", "s")
    makers, wrong = {one["maker"] for one in results}, [one for one in results if one["doctor_exit"] == 1]
    tracebacks, slowest_s = sum(one["traceback"] for one in results), max(one["doctor_s"] for one in results)
    text = f"{len(results)} files of {len(makers)} makers, {tracebacks} tracebacks; doctor calls {len(wrong)} wrong. "
    text += f"The slowest took {slowest_s:.1f} s, beside other work.\n\n{console.markdown_table(head, rows(results))}"
    files.write_text(asked.output.with_suffix(".md"), text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        sys.exit(error.exit_code)
