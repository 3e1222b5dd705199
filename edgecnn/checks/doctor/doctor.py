"""The verb: what is wrong with this installation, with a model file, or with what a device feeds it.

installation.py    packages, platform, imports, tools
processor.py       what follows from the CPU's instruction set
file.py            a file: is it what its name says, and what fails or costs in it
preprocessing.py   labelled pictures or a device's answers: which preprocessing, or which mistake, explains them
mistakes.py        every mistake that is tried
ways/              how each mistake changes an image or the input tensor
saturation.py      sums of products that some CPUs cut off: in which layers, how often, and what that costs
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import data, formats
from edgecnn.checks.doctor import conclusions, device_log, file, images, installation, preprocessing, saturation
from edgecnn.checks.doctor import on_board as there
from edgecnn.checks.doctor.examination import Examination
from edgecnn.checks.doctor.finding import Finding, wrong
from edgecnn.checks.doctor.images import Album, Labelled
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.checks.doctor.preprocessing import Diagnosis
from edgecnn.checks.doctor.trial import Target
from edgecnn.common import console, sizes
from edgecnn.data import Picture
from edgecnn.errors import DataError, EnvironmentUnfit, GateFailed, ModelFileError, UsageError
from edgecnn.records import artifact as artifacts
from edgecnn.records import foreign, labels, resolve
from edgecnn.records.artifact import Artifact, Description, class_count
from edgecnn.records.foreign import Known
from edgecnn.records.resolve import FilePath

LIMIT = 500
"""Pictures that are tried, of a folder with more."""


def doctor(
    path: FilePath | Artifact | None = None,
    *,
    pictures: FilePath | None = None,
    device_log: FilePath | None = None,
    board: str | None = None,
    limit: int = LIMIT,
    input_size: str | None = None,
) -> Examination:
    """Look for what is wrong with a model file of any make, with how it is fed, or with this installation.

    Args:
        path: The model file; without it the installation is examined.
        pictures: A folder of pictures, <class>/*, to find the preprocessing with that the file was trained for.
        device_log: A device's answers to these pictures, lines of picture,class[,score]; the mistake that explains
            them is looked for.
        board: Where to load and run the file besides this machine.
        limit: How many of the pictures to try.
        input_size: Sizes that the file leaves open, such as "1x3x224x224".

    Returns:
        The findings; `judge` raises for those that are wrong.

    Raises:
        UsageError: The file leaves its size open and `input_size` does not say it, or options are missing.
        ModelFileError: It is no model.
        DataError: Pictures or log cannot be used.
        LinkError: The board cannot be reached.

    Example:
        >>> examination = edgecnn.doctor("runs/tiny/artifacts/tiny-fp32.onnx")
        >>> [finding.subject for finding in examination.findings if finding.level == "wrong"]
        []
    """
    if path is None:
        if pictures or device_log or board or input_size:
            raise UsageError("These options are about a model file.", "edgecnn doctor FILE; edgecnn board doctor BOARD")
        return Examination(path=None, findings=tuple(installation.findings()))
    if device_log is not None and pictures is None:
        raise UsageError("--device-log needs the pictures it is about.", "name their folder with --pictures")
    if limit < 1:
        raise UsageError(f"--limit {limit} should be at least 1.")
    folder, log = (None if place is None else Path(place) for place in (pictures, device_log))
    return _file(resolve.path(path), folder, log, board, limit, input_size)


def judge(examination: Examination) -> None:
    """Raises GateFailed if something is wrong with a file, EnvironmentUnfit if with the installation."""
    failed = wrong(examination.findings)
    if not failed:
        return
    if examination.path is None:
        raise EnvironmentUnfit(
            f"{len(failed)} things are wrong with this installation, {failed[0].subject} first.", failed[0].mend
        )
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in failed))
    raise GateFailed(f"Something is wrong with {examination.path}: {subjects}.", failed[0].mend)


def _file(
    path: Path, pictures: Path | None, log: Path | None, board: str | None, limit: int, input_size: str | None
) -> Examination:
    description, findings = file.open_model(path, sizes.parse(input_size) if input_size is not None else ())
    formats.require_sizes(path, description)
    known = _known(path, description)
    artifact = known.artifact
    facts = None
    if board is not None:
        facts, on_board = there.look(artifact, board)
        findings += on_board
    description = dataclasses.replace(description, output=artifact.description.output)
    about_file = file.findings(path, description, facts.packages if facts else None)
    findings += [finding for finding in about_file if artifact.sound is None or finding.subject != "input scale"]
    if artifact.sound is not None:  # whose bytes are no pixels
        findings.append(Finding(level="ok", subject="front end", evidence=artifact.sound.words()))
    machines = saturation.machines(board, facts)
    exposed = list(saturation.findings(artifact, machines)) if description.format == "onnx" else []
    findings += exposed
    diagnosis = None
    if pictures is not None:
        diagnosis, about = _preprocessing(known, pictures, log, limit)
        findings += about
        if any(finding.level != "ok" for finding in exposed):
            findings += saturation.price(artifact, *_some(artifact, pictures, log is None), machines)
    return Examination(path=path, findings=tuple(findings), diagnosis=diagnosis)


def _preprocessing(known: Known, folder: Path, log: Path | None, limit: int) -> tuple[Diagnosis, list[Finding]]:
    """Diagnose the preprocessing from pictures. Raises DataError if they cannot be used."""
    artifact = known.artifact
    if artifact.sound is not None:
        raise DataError(
            f"{artifact.path} hears sounds, so --pictures is not about it.",
            "its card holds the front end; edgecnn eval",
        )
    if len(artifact.description.input.shape) != 4:
        raise DataError(f"{artifact.path} takes no picture: its input is {artifact.description.input.shape}.")
    shown = images.labelled(folder, limit if log is None else 1 << 40)
    data.say_left_out(shown.left_out, folder)
    if log is None:
        names, target = _classes(artifact, shown, folder)
        pictures: Sequence[Picture] = shown.pictures
    else:
        names = artifact.labels or shown.classes or tuple(map(str, range(class_count(artifact.description.output))))
        said = device_log.read(log, shown.pictures, names)
        pictures, target = said.pictures[:limit], Target(classes=said.called[:limit])
        if said.scores is not None:
            target = dataclasses.replace(target, scores=said.scores[:limit])
    model = ExaminedModel(artifact.path, artifact.description)
    laboratory = preprocessing.laboratory(model, pictures, artifact.preprocessing)
    diagnosis = preprocessing.diagnose(laboratory, target, names, of_device=log is not None)
    return diagnosis, list(conclusions.findings(diagnosis, known.whose))


def _some(
    artifact: Artifact, folder: Path, labelled: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64] | None]:
    """Return pictures (N, H, W, C), brought to size as they should be, and the true output of each, (N,), if known."""
    shown, size = images.labelled(folder, saturation.PICTURES), artifact.preprocessing
    pixels = Album(shown.pictures, size.height, size.width, size.channels, size.resizing).pixels(None, None)
    return pixels, _classes(artifact, shown, folder)[1].classes if labelled else None


def _classes(artifact: Artifact, shown: Labelled, folder: Path) -> tuple[Sequence[str], Target]:
    """Return (names of the outputs, the right output of every picture). Raises DataError if the two do not fit."""
    if not shown.classes or (shown.labels < 0).any():
        raise DataError(
            "Pictures of known classes are needed, each in the folder of its class.",
            "FOLDER/<class>/*.jpg; or --device-log with a device's answers",
        )
    count = class_count(artifact.description.output)
    if len(artifact.labels) == count:
        places = labels.places(shown.classes, artifact.labels, str(folder), artifact.name)
        return artifact.labels, Target(classes=np.array(places, dtype=np.int64)[shown.labels])
    if len(shown.classes) > count:
        raise DataError(f"There are {len(shown.classes)} class folders, {artifact.path} puts out {count} values.")
    console.warn("The class folders are taken in the order of their names: the file does not name its classes.")
    further = (f"output {number}" for number in range(len(shown.classes), count))
    return (*shown.classes, *further), Target(classes=shown.labels)


def _known(path: Path, description: Description) -> Known:
    """Return what is known of a file by its card if one fits, else by its content and a label file beside it."""
    try:
        card = artifacts.read_card(path)
    except ModelFileError:
        card = None  # `file` says what is wrong with it
    return foreign.carded(card) if card is not None else foreign.known(path, description)
