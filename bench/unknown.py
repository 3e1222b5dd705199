"""Measure what nets say to pictures of other things; makes bench/results/unknown.json.

    python bench/unknown.py pictures cifar10-jpeg.tar.xz pictures
    edgecnn train RECIPE --data PHOTOS --repeats 3        for each net, some with -s data.others=pictures/seen;
                                                          then export every seed's run to int8 TFLite
    python bench/unknown.py measure runs/FIRST runs/SECOND ... --pictures pictures -o bench/results/unknown.json

`pictures` writes what the nets are asked about, 200 of each: digits, shapes, and photographs of CIFAR-10 of five kinds;
and 300 of its training photographs of five other kinds, for the class "none of these". Each int8 TFLite file is
calibrated on the validation pictures of its run, and asked once about the test pictures and the others, by every score.
Beside them stands a score that a board cannot have for nothing: the distance of the features before the last layer from
those of the training pictures (Lee et al., 2018, arXiv:1807.03888), of the float net.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import record
import torch
import zoo
from PIL import Image
from torch import nn

from edgecnn import data, nets
from edgecnn.common import console, files, stats
from edgecnn.data import digits, shapes
from edgecnn.errors import EdgecnnError
from edgecnn.nets import inference
from edgecnn.onboard import picture_files, preprocessing, tensors, unknown
from edgecnn.pipeline.calibrate import calibrate, thresholds
from edgecnn.pipeline.calibrate.calibrate import Wish
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train import seen
from edgecnn.records.artifact import Artifact, Preprocessing
from edgecnn.records.certainty import Score
from edgecnn.records.labels import NONE_OF_THESE
from edgecnn.records.run import Run

Pixels = npt.NDArray[np.uint8]

COUNT = 200
SEEN_KINDS = ("airplane", "cat", "frog", "ship", "truck")
SEEN_OF_EACH = 60
OTHERS = ("digits", "shapes", "cifar")
KEPT = (95.0, 92.0)
"""Shares of known pictures that are to be answered, in percent."""
RISKS = (10.0, 2.0)
"""The largest shares of wrong answers, in percent, that validation is asked to promise."""
SHRINKAGE = 1e-2
"""What is added to the features' covariance, as a share of its mean variance."""


def write_pictures(archive: Path, folder: Path) -> None:
    """Write the pictures that nets are asked about, and those of the class "none of these"."""
    rng = np.random.default_rng(0)
    handwritten = digits.load()[0].load_all()
    _save(folder / "digits", handwritten[rng.permutation(len(handwritten))[:COUNT]])
    _save(folder / "shapes", shapes.load(count=COUNT, test=2)[0].load_all())
    for name in ("seen", "cifar"):
        files.make_folder(folder / name)
    counts: dict[tuple[str, str], int] = {}
    most = {"train": SEEN_OF_EACH, "test": COUNT // 5}
    with tarfile.open(archive) as packed:
        for member in packed:
            parts = member.name.split("/")
            if not member.isfile() or len(parts) != 3 or (parts[1] in SEEN_KINDS) != (parts[0] == "train"):
                continue
            role, kind, name = parts
            counts[role, kind] = counts.get((role, kind), 0) + 1
            stream = packed.extractfile(member)
            if counts[role, kind] <= most[role] and stream is not None:
                place = folder / ("seen" if role == "train" else "cifar") / f"{kind}_{name}"
                files.write_bytes(place, stream.read())


def _save(folder: Path, images: Pixels) -> None:
    files.make_folder(folder)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(folder / f"{number:04}.png")


def gather(folder: Path, pictures: Path) -> dict[str, Any]:
    """Return the answers of the seeds of one folder. Raises RunError without runs or without their int8 files."""
    runs = record.seeds(folder)
    recipe = runs[0].recipe
    with_features = recipe.learn == "all"  # a score from logits is enough for the others
    results = [measure(run, zoo.int8_file(run), pictures, with_features) for run in runs]
    return {
        "name": folder.name,
        "net": recipe.net.name,
        "start": recipe.start,
        "learn": recipe.learn,
        "has_others": NONE_OF_THESE in runs[0].labels,
        "input_shape": runs[0].input_shape,
        "bytes": zoo.int8_file(runs[0]).description.bytes,
        "seeds": [run.recipe.seed for run in runs],
        "results": results,
    }


def measure(run: Run, file: Artifact, pictures: Path, with_features: bool) -> dict[str, Any]:
    """Return what one int8 file says to the test pictures and to the others, by every score."""
    console.note(f"asking {run.folder}")
    splits = seen.splits_of(run)
    others = {name: _decoded(pictures / name, file.preprocessing) for name in OTHERS}
    validation, test = (calibrate.ask(file, split) for split in (splits.validation, splits.test))
    asked = {name: tensors.decode(check.outputs(file, images), file.description.output)
             for name, images in others.items()}  # fmt: skip
    table: dict[str, Any] = {"test_top1": _share(test.argmax(1) == splits.test.labels), "scores": {}}
    for score, keep in itertools.product(get_args(Score), KEPT):
        learnt = calibrate.learn(file, validation, splits.validation.labels, Wish(score=score, keep_percent=keep))
        known = dataclasses.replace(file, certainty=learnt)
        outlook = calibrate.stated(known, test, splits.test.labels)
        rule = unknown.rule_of(known)
        table["scores"][f"{score}, {keep:g}"] = {
            "least_score": learnt.least_score,
            "known_kept": dataclasses.asdict(outlook.answered),
            "unknown": {
                name: _share(sure.reason is not None for sure in calibrate.decide(logits, rule))
                for name, logits in asked.items()
            },
        }
    table |= {"temperature": learnt.temperature, "validation_n": learnt.validation_n}
    table |= {name: dataclasses.asdict(fit) for name, fit in (("before", outlook.before), ("after", outlook.after))}
    table["risks"] = [_risk(file, validation, test, splits, percent) for percent in RISKS]
    return table | ({"features": _by_features(run, splits, others)} if with_features else {})


def _risk(
    file: Artifact, validation: calibrate.Logits, test: calibrate.Logits, splits: data.Splits, percent: float
) -> dict[str, Any]:
    """Return what a promise of a risk is worth on the test pictures."""
    wish = Wish(max_risk_percent=percent)
    learnt = calibrate.learn(file, validation, splits.validation.labels, wish)
    outlook = calibrate.stated(dataclasses.replace(file, certainty=learnt), test, splits.test.labels)
    assert learnt.risk is not None
    return {
        **dataclasses.asdict(learnt.risk),
        "test_answered": dataclasses.asdict(outlook.answered),
        "test_wrong": dataclasses.asdict(outlook.wrong) if outlook.wrong else None,
    }


def _by_features(run: Run, splits: data.Splits, others: dict[str, Pixels]) -> dict[str, Any]:
    """Score pictures by the distance of their features from training's, with the same share of validation kept."""
    classes = len(run.labels) - (NONE_OF_THESE in run.labels)
    net = nets.restore(run)
    learnt = splits.train.take(np.flatnonzero(splits.train.labels < classes))
    features = _features(net, run, learnt.load_all())  # (N, F)
    means = np.stack([features[learnt.labels == k].mean(0) for k in range(classes)])
    rest = features - means[learnt.labels]
    covariance = rest.T @ rest / len(rest)
    covariance += SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    inverse = np.linalg.inv(covariance)

    def scores(images: Pixels) -> npt.NDArray[np.float64]:
        reached = _features(net, run, images)
        apart = [np.einsum("nf,fg,ng->n", reached - mean, inverse, reached - mean) for mean in means]
        return np.asarray(-np.min(apart, axis=0))

    known = [split.load_all()[split.labels < classes] for split in (splits.validation, splits.test)]
    threshold = thresholds.least_score(scores(known[0]), calibrate.KEEP_PERCENT)
    assert threshold is not None
    return {
        "known_kept": _share(scores(known[1]) >= threshold),
        "unknown": {name: _share(scores(images) < threshold) for name, images in others.items()},
    }


def _features(net: nn.Module, run: Run, images: Pixels) -> npt.NDArray[np.float64]:
    """Return the input of the last linear layer, (N, F)."""
    reached: list[torch.Tensor] = []
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    with last.register_forward_pre_hook(lambda _, inputs: reached.append(inputs[0])):
        inference.logits(net, images, run.mean, run.std)
    return np.asarray(torch.cat(reached).numpy(), dtype=np.float64)


def _decoded(folder: Path, size: Preprocessing) -> Pixels:
    """The pictures of a folder as a device has them, (N, H, W, C)."""
    decoded = [
        preprocessing.decode(path, height=size.height, width=size.width, channels=size.channels, resizing=size.resizing)
        for path in picture_files.walk(folder).pictures
    ]
    return np.stack(decoded)


def _share(hits: Iterable[bool] | npt.NDArray[np.bool_]) -> dict[str, Any]:
    correct = np.array(list(hits), dtype=bool)
    return dataclasses.asdict(stats.wilson(int(correct.sum()), len(correct)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True, dest="command")
    writing = commands.add_parser("pictures")
    writing.add_argument("archive", type=Path, help="CIFAR-10 as train/KIND/*.jpg and test/KIND/*.jpg in a .tar")
    writing.add_argument("folder", type=Path)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folders", type=Path, nargs="+", help="of `edgecnn train --repeats`, every run exported")
    measuring.add_argument("--pictures", type=Path, required=True)
    measuring.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        if options.command == "pictures":
            write_pictures(options.archive, options.folder)
        else:
            nets_asked = [gather(folder, options.pictures) for folder in options.folders]
            record.write(options.output, {"pictures": COUNT, "nets": nets_asked})
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
