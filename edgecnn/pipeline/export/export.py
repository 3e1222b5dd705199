"""`edgecnn export`: turn a Run into Artifacts, each described and checked against the run.

runs/<name>/artifacts/
    <name>-<precision>.<onnx|tflite>    the files; what is not the default is named: `-full`, `-dotprod`, `-uint8io`
    <file>.json                         the card of each, with the verdict of its check
    labels.txt                          one class per line
    calibration.json                    which training pictures the int8 ranges come from
    golden.npz                          test pictures and the exact output tensor of every file
    rescue.json, .md, .png              with --rescue: what each rung of the ladder gained, and what it costs

Everything is written to a hidden folder first, which replaces artifacts/ in one step once it is complete and checked. A
failure, or a kill at any moment, changes nothing.
"""

from __future__ import annotations

import dataclasses
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import formats, nets
from edgecnn.common import arrays, console, escapes, files, locks, scratch
from edgecnn.common.documents import Unreadable
from edgecnn.data import Split, Splits
from edgecnn.errors import RunError, UsageError
from edgecnn.nets import code
from edgecnn.onboard import golden as golden_file
from edgecnn.onboard import sounds, tensors
from edgecnn.pipeline.export import check, float_layers, switch
from edgecnn.pipeline.export import exportable as quantize
from edgecnn.pipeline.export.exportable import Exportable
from edgecnn.pipeline.export.rescue import ladder, price_list
from edgecnn.pipeline.export.rescue import show as present
from edgecnn.pipeline.export.rescue.price_list import PriceList
from edgecnn.pipeline.train import seen
from edgecnn.records import artifact as artifacts
from edgecnn.records import exported, labels, settling, verdicts, zoo
from edgecnn.records.artifact import Artifact, Description
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import EXPORT_LOCK, Run
from edgecnn.records.sound import FrontEnd

GOLDEN = 32
"""How many test pictures and their outputs accompany the files."""


def export(run: Run, plan: ExportPlan) -> list[Artifact]:
    """Write, describe and check every file of the plan; with `rescue`, int8 is what the ladder chooses.

    Raises:
        EnvironmentUnfit: A format cannot be written here; it is raised before any work.
        UsageError: The run is one of the installed zoo.
        RunError: The data set is not the run's, or the run's weights have changed.
    """
    if zoo.is_installed(run.folder):
        raise UsageError(
            f"{zoo.named(run.folder)} is part of an installed package, where nothing is written.",
            f"mkdir -p runs && cp -r {shlex.quote(str(run.folder))} runs && edgecnn export runs/{run.name}",
        )
    for name in plan.format:
        formats.get(name).check()
    plan = _with_last_epochs(plan, run)
    splits = seen.splits_of(run, plan.only_unseen)
    if not labels.same(splits.test.classes, run.labels) or splits.test.input_shape != tuple(run.input_shape):
        raise RunError(
            f"The data set {run.recipe.data.name!r} is not the one {run.name} was trained on.",
            "its classes or its picture size differ",
        )
    check.require_as_trained(run, splits.validation)
    with locks.held(run.folder / EXPORT_LOCK, "export"), switch.renewed(run.artifacts) as folder:
        calibrated = {card.name for card in exported.cards(run) if card.certainty is not None}
        if "int8" in plan.precision:
            seen.add(run, splits, learns="qat" in plan.rungs or plan.rescue != "off")
        exportable, prices = _prepared(run, splits, plan)
        if exportable.observed is not None and code.is_code(run.recipe.net.name):
            float_layers.say(float_layers.layers(exportable.observed))
        reference = check.reference_logits(run, splits.test.images)
        made_files: list[Artifact] = []
        values: dict[str, npt.NDArray[Any]] = {}
        for precision in plan.precision:
            for name in plan.format:
                with console.stage(f"{name} {precision} written"):
                    draft = quantize.write(exportable, name, precision, plan, folder, "draft")
                made_files.append(_named(draft, run, plan))
                values[made_files[-1].name] = check.outputs(made_files[-1], splits.test.images)
        made_files = [_checked(artifact, made_files, values, splits.test, reference, plan) for artifact in made_files]
        for artifact in made_files:
            artifacts.write_card(artifact)
        _write_companions(exportable, made_files, values, splits.test, folder)
        if prices is not None:
            _write_prices(prices, made_files, folder)
    if forgotten := sorted(calibrated & {artifact.name for artifact in made_files}):
        console.warn(f"{forgotten[0]} is new, and not calibrated any more: edgecnn calibrate {run.folder}")
    return [dataclasses.replace(artifact, path=run.artifacts / artifact.name) for artifact in made_files]


def _with_last_epochs(plan: ExportPlan, run: Run) -> ExportPlan:
    """Add the rung that the run's recipe asks for, unless the plan names rungs or looks for some."""
    if not run.recipe.qat_epochs or plan.rungs or plan.rescue != "off" or "int8" not in plan.precision:
        return plan
    return dataclasses.replace(plan, rungs={"qat": {"epochs": run.recipe.qat_epochs}})


def judge(made: Sequence[Artifact], strict: bool = False) -> None:
    """Apply the gate, once the files are written and shown.

    Raises:
        GateFailed: Files failed their check; the sentence names them all.
        Undecided: With `strict`, a check cannot tell; otherwise that is a warning.
    """
    settling.settle(
        [verdicts.gate(artifact.name, artifact.verdict) for artifact in made if artifact.verdict is not None],
        strict,
        "--rescue looks for what mends int8; a larger --max-drop accepts it",
        "more pictures would tell: a larger test split",
    )


def show_prices(run: Run) -> None:
    """Print the price list of the run's last rescue."""
    present.show(price_list.read(run.artifacts / price_list.FILE))


def file_name(run: Run, description: Description, plan: ExportPlan) -> str:
    """Return the name of a file, by the precision that it has, which may not be the one requested."""
    marks = [run.name, description.precision]
    of_onnx = description.format == "onnx"
    if description.precision.startswith("int8"):
        if plan.weight_range != "safe":
            marks.append(plan.weight_range)
        if of_onnx and plan.target != "any":
            marks.append(plan.target)
        if plan.io not in ("auto", "uint8" if of_onnx and plan.target == "any" else "int8"):
            marks.append(f"{plan.io}io")
    if of_onnx and plan.onnx_for:
        marks.append(f"ort{plan.onnx_for}")
    return "-".join(marks) + formats.get(description.format).SUFFIX


def _prepared(run: Run, splits: Splits, plan: ExportPlan) -> tuple[Exportable, PriceList | None]:
    if plan.rescue == "off":
        return quantize.prepare(run, splits, plan), None
    with scratch.folder() as work:
        chosen, prices = ladder.climb(run, splits, plan, work)
    return quantize.exportable(chosen, nets.restore(run)), prices


def _named(draft: Artifact, run: Run, plan: ExportPlan) -> Artifact:
    path = draft.path.rename(draft.path.with_name(file_name(run, draft.description, plan)))
    return dataclasses.replace(draft, path=path)


def _checked(
    artifact: Artifact,
    all_files: list[Artifact],
    values: dict[str, npt.NDArray[Any]],
    test: Split,
    reference: npt.NDArray[np.float32],
    plan: ExportPlan,
) -> Artifact:
    """Return the artifact with its verdict and, for an int8 file, its parity with the other format's file."""
    logits = tensors.decode(values[artifact.name], artifact.description.output)
    verdict = verdicts.judge(logits, reference, test.labels, plan.max_drop)
    others = (other for other in all_files if other.description.format != artifact.description.format)
    parities = (verdicts.parity(artifact, other, values[artifact.name], values[other.name]) for other in others)
    return dataclasses.replace(artifact, verdict=verdict, parity=next((p for p in parities if p is not None), None))


def _write_companions(
    model: Exportable, made: list[Artifact], values: dict[str, npt.NDArray[Any]], test: Split, folder: Path
) -> None:
    files.write_text(folder / "labels.txt", "".join(f"{escapes.line(label)}\n" for label in model.run.labels))
    if model.calibration is not None:
        files.write_json(folder / "calibration.json", model.calibration.manifest())
    chosen = np.unique(np.linspace(0, len(test) - 1, GOLDEN).astype(int))
    golden = {"images": test.images[chosen], "labels": test.labels[chosen]}
    golden |= _kept_golden(model.run.artifacts, golden["images"])
    golden |= _golden_sound(model.sound, golden["images"], test, chosen)
    golden |= {artifact.name: values[artifact.name][chosen] for artifact in made}
    stream = io.BytesIO()
    np.savez(stream, **golden)
    files.write_bytes(folder / "golden.npz", stream.getvalue())


def _golden_sound(
    front_end: FrontEnd | None, images: npt.NDArray[np.uint8], test: Split, chosen: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    """Return the samples of the first golden picture's sound that is a file, and that picture's place."""
    if front_end is None or test.files is None:
        return {}
    for place, index in enumerate(chosen.tolist()):
        if (path := Path(str(test.files[index]))).is_file():
            samples = sounds.samples_of(path, front_end.sample_rate_hz)
            pictures = sounds.heard(samples, front_end)
            if len(pictures) == 1 and np.array_equal(pictures[0], images[place]):
                return {golden_file.SOUND: samples, golden_file.SOUND_PLACE: np.array(place)}
    return {}


def _write_prices(prices: PriceList, made: list[Artifact], folder: Path) -> None:
    rescued = [artifact for artifact in made if artifact.description.precision.startswith("int8")]
    checked = dataclasses.replace(
        prices, verdicts={artifact.name: artifact.verdict for artifact in rescued if artifact.verdict is not None}
    )
    price_list.write(checked, folder / price_list.FILE)
    files.write_text(folder / price_list.PAGE, present.markdown(checked))
    present.draw(checked, folder / price_list.PICTURE)


def _kept_golden(folder: Path, images: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of files from earlier exports that still exist."""
    try:
        old = arrays.read(folder / "golden.npz")
    except Unreadable:
        return {}
    if not np.array_equal(old.get("images", []), images):
        return {}
    return {name: values for name, values in old.items() if (folder / name).is_file()}
