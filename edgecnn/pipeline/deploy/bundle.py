"""A bundle: everything a device needs to run one model, in a handful of files. `runner.contents` names them.

The same model and the same sources give the same bytes, so a device can keep a bundle by its digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn import __version__, formats
from edgecnn.common import documents, escapes, files
from edgecnn.common.documents import Unreadable
from edgecnn.errors import ModelFileError, OutputError, RunError, UsageError
from edgecnn.formats.onnx import saturation
from edgecnn.onboard import archive, golden, runtimes
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.contents import Manifest
from edgecnn.records import artifact, model_files, settling, verdicts
from edgecnn.records.artifact import Artifact
from edgecnn.records.run import Run, is_run, open_run

LONGEST_NAME = 100
"""A file's may have 255 bytes, which a unit's and a temporary one's add to."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle in memory."""

    name: str
    """Of its folder: the run's, or the model file's without its ending."""
    artifact: Artifact
    runtime: str
    files: Mapping[str, bytes]
    """By name, the manifest among them."""

    packages: tuple[str, ...]
    """The distributions a device needs."""

    def archive(self) -> bytes:
        """All files as one zip; what is large in it is packed already."""
        stream = io.BytesIO()
        files.reproducible_zip(stream, sorted(self.files.items()), compressed=False)
        return stream.getvalue()

    def write(self, folder: Path) -> None:
        """Write all files into `folder`, the manifest last: without it a folder is no bundle.

        Raises OutputError if the folder holds other things than a bundle.
        """
        files.make_folder(folder)
        strange = sorted({path.name for path in folder.iterdir()} - {name.partition("/")[0] for name in self.files})
        if strange and not (folder / contents.MANIFEST).is_file():
            raise OutputError(f"{folder} holds {strange[0]}, which is no part of a bundle.", "name an empty --output")
        (folder / contents.MANIFEST).unlink(missing_ok=True)
        for name in strange:
            if (folder / name).is_file():
                (folder / name).unlink()
        for name in sorted(self.files, key=lambda name: name == contents.MANIFEST):
            files.make_folder((folder / name).parent)
            files.write_bytes(folder / name, self.files[name])


def make(one: Artifact, strict: bool = False) -> Bundle:
    """The bundle of an exported file, with the golden vectors that stand beside it.

    Raises GateFailed for a file that failed its check, RunError if its golden vectors are missing; with `strict`
    Undecided for one whose check cannot tell, which is a warning otherwise.
    """
    if one.verdict is not None:
        checked = [verdicts.gate(one.name, one.verdict)]
        settling.settle(checked, strict, "export it again", "more test pictures would tell: export it again with them")
    readers = runtimes.for_format(one.description.format)
    runtime = next((name for name in readers if runtimes.get(name).ON_BOARDS), None)
    if runtime is None:
        raise ModelFileError(f"No runtime of a board reads the format {one.description.format!r}.")
    name = _name_of(one)
    packages = ("numpy", "pillow", runtimes.get(runtime).PACKAGE)
    card = artifact.card_path(one.path)
    held = {
        one.name: one.path.read_bytes(),
        **{place: (one.path.parent / place).read_bytes() for place in model_files.beside(one.path)},
        card.name: card.read_bytes(),
        contents.LABELS: "".join(f"{escapes.line(label)}\n" for label in one.labels).encode(),
        contents.GOLDEN: _golden(one),
        contents.PROGRAM: archive.runner(),
        contents.README: _readme(one, name, runtime, packages).encode(),
    }
    manifest = Manifest(
        bundle_version=contents.BUNDLE_VERSION,
        name=name,
        model=one.name,
        runtime=runtime,
        files={key: hashlib.sha256(data).hexdigest() for key, data in sorted(held.items())},
        saturating_layers=len(saturation.exposure(one.path).layers) if runtime == "onnxruntime" else 0,
    )
    held[contents.MANIFEST] = documents.to_file(dataclasses.asdict(manifest), Path(contents.MANIFEST)).encode()
    return Bundle(name=name, artifact=one, runtime=runtime, packages=packages, files=held)


def choose(target: Path, format_name: str, precision: str) -> Artifact:
    """The exported file to deploy: `target` itself, or the run's file of that format and precision.

    A run without a pure int8 file gives its `int8-mixed` one.
    """
    if not is_run(target):
        if target.is_dir():
            raise RunError(f"{target} is not a run folder: it holds no recipe.toml.", "name a run or a model file")
        if not target.is_file():
            raise UsageError(f"There is neither a run nor a file {target}.", "`edgecnn train` makes runs under runs/")
        found = artifact.read_card(target)
        if found is None:
            formats.describe(target)  # what is no model is named as what it is
            raise ModelFileError(f"{target} has no card, so nobody knows what it takes.", "deploy an exported file")
        return found
    run = open_run(target)
    cards = _cards(run)
    known = sorted({f"{card.description.format} {card.description.precision}" for card in cards})
    for wanted in (precision, f"{precision}-mixed"):
        fits = [c for c in cards if c.description.format == format_name and c.description.precision == wanted]
        if len(fits) > 1:
            names = ", ".join(str(card.path) for card in fits)
            raise UsageError(f"{run.name} has {len(fits)} files that fit.", f"name one of them: {names}")
        if fits:
            return fits[0]
    hint = f"it has: {', '.join(known)}" if known else f"edgecnn export {target}"
    raise UsageError(f"{run.name} has no {format_name} file in {precision}.", hint)


def name_of(target: str) -> str:
    """What a run, a model file, or a bundle by its name is called on a board.

    A run goes by the name its files were exported under, also in a folder that was renamed since. Raises UsageError
    where they have several.
    """
    path = Path(target)
    if is_run(path):
        run = open_run(path)
        names = sorted({_name_of(card) for card in _cards(run)}) or [_safe(run.name)]
        if len(names) > 1:
            raise UsageError(
                f"The files of {path} were exported under {len(names)} names.", f"name one of them: {', '.join(names)}"
            )
        return names[0]
    if path.is_file():
        card = artifact.read_card(path)
        return _name_of(card) if card else _safe(path.stem)
    return _safe(target)


def _name_of(one: Artifact) -> str:
    return _safe(one.run or one.path.stem)


def _cards(run: Run) -> list[Artifact]:
    return [card for path in run.exported() if path.suffix == ".json" and (card := _card(path)) is not None]


def _card(path: Path) -> Artifact | None:
    """The artifact of a card in a run's folder; None for another .json."""
    model = path.with_suffix("")
    return artifact.read_card(model) if model.is_file() else None


def _golden(one: Artifact) -> bytes:
    source = one.path.with_name(contents.GOLDEN)
    try:
        images, outputs = golden.read(source, one.name, one)
    except Unreadable as error:
        raise RunError(f"{source} has no golden vectors of {one.name}: {error}.", "export it again") from error
    stream = io.BytesIO()
    np.savez(stream, images=images, outputs=outputs)
    return stream.getvalue()


def _safe(name: str) -> str:
    """A name that is safe as a folder's and as a systemd unit's."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".-")[:LONGEST_NAME] or "model"


def _readme(one: Artifact, name: str, runtime: str, packages: tuple[str, ...]) -> str:
    card, size = one.description, one.preprocessing
    checked = ""
    if one.verdict is not None:
        v = one.verdict
        checked = (
            f"It answers {v.top1_percent:.2f} % [{v.top1_low_percent:.2f}, {v.top1_high_percent:.2f}] of {v.n:,} test"
            f" pictures\nright (95 % Wilson interval).\n"
        )
    return f"""{name}: {one.name}

Precision {card.precision}, {card.bytes:,} bytes, for pictures of {size.width} x {size.height} ({size.colour_order}), \
{len(one.labels)} classes.
{checked}
It needs Python 3.11 or newer on a 64-bit system, and three packages:

    python3 -m venv env && env/bin/pip install {" ".join(packages)}

(`edgecnn deploy --board` brings them along; there `./run` stands for `python3 edgecnn.pyz`.)

    python3 edgecnn.pyz classify picture.jpg      a line of JSON a picture; folders and - (stdin) too
    python3 edgecnn.pyz classify --camera         takes one with picamera2
    python3 edgecnn.pyz selftest                  the same answers here as where it was exported?
    python3 edgecnn.pyz bench                     how fast is it here?
    python3 edgecnn.pyz serve                     http://127.0.0.1:8080: POST /classify, GET /healthz, GET /metrics

{one.name}.json says how a picture becomes the input tensor; {contents.MANIFEST} has the sha256 of every file.
Runtime: {runtime}. Made by edgecnn {__version__}.
"""
