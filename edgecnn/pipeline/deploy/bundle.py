"""A bundle is everything that a device needs to run one model, in a handful of files (`runner.contents`).

The same model and the same sources give the same bytes, so a device can keep a bundle by its digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn import __version__
from edgecnn.common import documents, escapes, files
from edgecnn.common.documents import Unreadable
from edgecnn.errors import ModelFileError, OutputError, RunError, UsageError
from edgecnn.formats.onnx import saturation
from edgecnn.onboard import archive, golden, runtimes, unknown
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.contents import Manifest
from edgecnn.records import artifact as artifacts
from edgecnn.records import exported, model_files, settling, verdicts
from edgecnn.records.artifact import Artifact
from edgecnn.records.run import is_run, open_run

LONGEST_NAME = 100
"""The longest name of a bundle; a file's may have 255 bytes, and units and temporary files have longer ones."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle in memory."""

    name: str
    """The name of its folder: the run's, or the model file's without its suffix."""
    artifact: Artifact
    runtime: str
    files: Mapping[str, bytes]
    """The content of each file by its name; the manifest is among them."""

    packages: tuple[str, ...]
    """The distributions that a device needs."""
    signature: Mapping[str, bytes] = field(default_factory=dict)
    """What `signing.sign` adds: the signed document and its signature, by their names; empty for an unsigned bundle."""

    def archive(self, signed: bool = True) -> bytes:
        """Pack all files into one zip archive, uncompressed, for what is large is compressed already.

        Without its signature a bundle is the same bytes however often it is signed.
        """
        stream = io.BytesIO()
        held = {**self.files, **(self.signature if signed else {})}
        files.reproducible_zip(stream, sorted(held.items()), compressed=False)
        return stream.getvalue()

    def write(self, folder: Path) -> None:
        """Write all files into a folder, the manifest last, for without it a folder is not a bundle.

        Raises OutputError if the folder holds something else than a bundle.
        """
        files.make_folder(folder)
        held = {**self.files, **self.signature}
        strange = sorted({path.name for path in folder.iterdir()} - {name.partition("/")[0] for name in held})
        if strange and not (folder / contents.MANIFEST).is_file():
            raise OutputError(f"{folder} holds {strange[0]}, which is no part of a bundle.", "name an empty --output")
        (folder / contents.MANIFEST).unlink(missing_ok=True)
        for name in strange:
            if (folder / name).is_file():
                (folder / name).unlink()
        for name in sorted(held, key=lambda name: name == contents.MANIFEST):
            files.make_folder((folder / name).parent)
            files.write_bytes(folder / name, held[name])


def make(artifact: Artifact, strict: bool = False) -> Bundle:
    """Make the bundle of an exported file, with the golden vectors beside it.

    Args:
        artifact: The exported file.
        strict: Whether a file whose check cannot tell is refused; otherwise it is a warning.

    Raises:
        GateFailed: The file failed its check.
        Undecided: The file's check cannot tell, and `strict` is set.
        RunError: The golden vectors are missing.
        ModelFileError: No runtime of a board reads the file's format.
    """
    if artifact.verdict is not None:
        checked = [verdicts.gate(artifact.name, artifact.verdict)]
        settling.settle(checked, strict, "export it again", "more test pictures would tell: export it again with them")
    readers = runtimes.for_format(artifact.description.format)
    runtime = next((name for name in readers if runtimes.get(name).ON_BOARDS), None)
    if runtime is None:
        raise ModelFileError(f"No runtime of a board reads the format {artifact.description.format!r}.")
    name = _name_of(artifact)
    packages = ("numpy", "pillow", runtimes.get(runtime).PACKAGE)
    card = artifacts.card_path(artifact.path)
    held = {
        artifact.name: artifact.path.read_bytes(),
        **{place: (artifact.path.parent / place).read_bytes() for place in model_files.files_beside(artifact.path)},
        card.name: card.read_bytes(),
        contents.LABELS: "".join(f"{escapes.line(label)}\n" for label in artifact.labels).encode(),
        contents.GOLDEN: _golden(artifact),
        contents.PROGRAM: archive.runner(),
        contents.README: _readme(artifact, name, runtime, packages).encode(),
    }
    manifest = Manifest(
        bundle_version=contents.BUNDLE_VERSION,
        name=name,
        model=artifact.name,
        runtime=runtime,
        files={key: hashlib.sha256(data).hexdigest() for key, data in sorted(held.items())},
        saturating_layers=len(saturation.exposure(artifact.path).layers) if runtime == "onnxruntime" else 0,
    )
    held[contents.MANIFEST] = documents.to_file(dataclasses.asdict(manifest), Path(contents.MANIFEST)).encode()
    return Bundle(name=name, artifact=artifact, runtime=runtime, packages=packages, files=held)


def name_of(target: str) -> str:
    """Return the name on a board of a run, of a model file, or of a bundle that is named itself.

    A run has the name under which its files were exported, also if its folder was renamed since. Raises UsageError if
    its files have several.
    """
    path = Path(target)
    if is_run(path):
        run = open_run(path)
        names = sorted({_name_of(card) for card in exported.cards(run)}) or [_safe(run.name)]
        if len(names) > 1:
            raise UsageError(
                f"The files of {path} were exported under {len(names)} names.", f"name one of them: {', '.join(names)}"
            )
        return names[0]
    if path.is_file():
        card = artifacts.read_card(path)
        return _name_of(card) if card else _safe(path.stem)
    return _safe(target)


def _name_of(artifact: Artifact) -> str:
    """Return the name of an exported file's bundle."""
    return _safe(artifact.run or artifact.path.stem)


def _golden(artifact: Artifact) -> bytes:
    """Read the golden vectors of a file, and write them as the bundle's. Raises RunError if there are none."""
    source = artifact.path.with_name(contents.GOLDEN)
    try:
        images, outputs = golden.read(source, artifact.name, artifact)
        sound = golden.read_sound(source, artifact)
    except Unreadable as error:
        raise RunError(f"{source} has no golden vectors of {artifact.name}: {error}.", "export it again") from error
    stream = io.BytesIO()
    held: dict[str, Any] = {"images": images, "outputs": outputs}
    if sound is not None:
        held |= {golden.SOUND: sound[0], golden.SOUND_PLACE: np.array(sound[1])}
    np.savez(stream, **held)
    return stream.getvalue()


def _safe(name: str) -> str:
    """Make a name that is safe for a folder and for a systemd unit."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".-")[:LONGEST_NAME] or "model"


def _doubts(artifact: Artifact, word: str) -> str:
    """Return what a bundle's README says of pictures, or whatever the `word` is, that the model does not know."""
    if not unknown.rule_of(artifact).is_active:
        return ""
    return (
        f'\nIt answers "unknown" to a {word} that it should not judge; `classify` and `serve` with --unknown off judge'
        " every one.\n"
    )


def _readme(artifact: Artifact, name: str, runtime: str, packages: tuple[str, ...]) -> str:
    card, size = artifact.description, artifact.preprocessing
    asked = f"pictures of {size.width} x {size.height} ({size.colour_order})"
    word, example = "picture", "picture.jpg"
    camera = "\n    python3 edgecnn.pyz classify --camera         takes one with picamera2"
    if artifact.sound is not None:
        asked = f"sounds of {artifact.sound.seconds:g} s (WAV; {artifact.sound.words()})"
        word, example, camera = "sound", "sound.wav  ", ""
    checked = ""
    if artifact.verdict is not None:
        v = artifact.verdict
        checked = (
            f"It answers {v.top1_percent:.2f} % [{v.top1_low_percent:.2f}, {v.top1_high_percent:.2f}] of {v.n:,} test"
            f" {word}s\nright (95 % Wilson interval).\n"
        )
    return f"""{name}: {artifact.name}

Precision {card.precision}, {card.bytes:,} bytes, for {asked}, \
{len(artifact.labels)} classes.
{checked}
It needs Python 3.11 or newer on a 64-bit system, and three packages:

    python3 -m venv env && env/bin/pip install {" ".join(packages)}

(`edgecnn deploy --board` brings them along; there `./run` stands for `python3 edgecnn.pyz`.)

    python3 edgecnn.pyz classify {example}      a line of JSON a {word}; folders and - (stdin) too{camera}
    python3 edgecnn.pyz selftest                  the same answers here as where it was exported?
    python3 edgecnn.pyz bench                     how fast is it here?
    python3 edgecnn.pyz serve                     http://127.0.0.1:8080: POST /classify, GET /healthz, GET /metrics
{_doubts(artifact, word)}
{artifact.name}.json says how a {word} becomes the input tensor; {contents.MANIFEST} has the sha256 of every file.
Runtime: {runtime}. Made by edgecnn {__version__}.
"""
