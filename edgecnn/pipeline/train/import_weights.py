"""`edgecnn import`: a net and weights that somebody trained elsewhere in, a Run out, which every command takes."""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from edgecnn import data, nets
from edgecnn.common import console, files, stats
from edgecnn.common.escapes import say
from edgecnn.data import Split, Splits
from edgecnn.errors import DataError, ModelFileError, PlanError, RunError, UsageError
from edgecnn.nets import code, counts, culprit, inference, renormalised
from edgecnn.pipeline.train import seen, weights_file
from edgecnn.records import environment, labels, plans
from edgecnn.records.foreign import Number
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import WEIGHTS, Imported, Run, write_facts

HEAD = "# Imported: the net and the data are what they say; nothing was trained, so the rest stands for nothing.\n\n"
ZERO_TO_ONE = (0.0, 255.0)
"""(mean, std) of pixels that are divided by 255 and no more, as torchvision's ToTensor does."""


@dataclass(frozen=True, kw_only=True)
class TrainedWeights:
    """A file of weights, and the facts about them that the file does not hold."""

    weights: Path
    mean: Number | None = None
    """Taken off a pixel of 0..255, one for all channels or one for each; None: nobody says."""
    std: Number | None = None
    classes: Sequence[str] = ()
    """The names of the net's outputs in their order; empty for the data set's order."""


def import_weights(recipe: Recipe, trained: TrainedWeights, folder: Path) -> Run:
    """Make a run in `folder` of the recipe's net with somebody's weights, its accuracy measured on the recipe's data.

    Nothing in the file of weights is executed. The outputs are put into the order of the data set's classes.

    Raises:
        RunError: The folder is not free.
        PlanError: The net cannot be made, or the numbers are not those of pixels of 0..255.
        ModelFileError: The file does not hold the net's weights.
        DataError: The classes are not the data set's.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not empty.", "choose another folder with --output")
    code.allow(recipe.net.name)
    splits = data.load(recipe.data)
    shape, classes = splits.train.input_shape, splits.train.classes
    mean, std = _normalisation(trained, shape[0])
    net = nets.build(recipe.net, shape, len(classes)).eval()
    own = weights_file.fitted(weights_file.read(trained.weights), net.state_dict(), trained.weights)
    net.load_state_dict(dict(own.tensors))
    said = list(own.said)
    if trained.classes:
        net, moved = _in_order(net, trained.classes, classes, shape)
        said += moved
    if code.is_code(recipe.net.name):
        culprit.require_exportable(net, shape)
    digest = files.sha256(trained.weights)
    imported = Imported(file=trained.weights.name, sha256=digest, said=tuple(said), mean=mean, std=std)
    return _written(_measured(recipe, net, splits, imported, folder), net, splits)


def show(run: Run) -> None:
    """Print where the run is and how right it is; what was done to the weights goes to stderr."""
    imported = run.imported
    assert imported is not None
    for sentence in imported.said:
        console.note(f"{imported.file}: {sentence}")
    parts = {
        "validation": (run.validation_top1_percent, run.validation_n),
        "test": (imported.test_top1_percent, imported.test_n),
    }
    intervals = {name: stats.wilson(round(percent * n / 100), n) for name, (percent, n) in parts.items()}
    chance = 100 / len(run.labels)
    if intervals["test"].low_percent <= chance:
        console.warn(
            f"{run.name} is right no more often than chance, {chance:.1f} %: were the pixels (--mean, --std), the "
            "order of the classes (--classes) or the size of the pictures others when it was trained?"
        )
    console.note(
        "which pictures the weights have learnt is not known: if test pictures were among them, test tells too much"
    )
    say(f"{run.folder}  " + "  ".join(f"{name} top-1 {told}  n {parts[name][1]}" for name, told in intervals.items()))


def _normalisation(trained: TrainedWeights, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (mean, std), each one number or one a channel."""
    if trained.mean is None and trained.std is None:
        console.note(
            "nobody says how pixels were normalised: 0..255 is taken to have been divided by 255 (--mean, --std)"
        )
    mean, std = (
        fallback if value is None else value
        for value, fallback in zip((trained.mean, trained.std), ZERO_TO_ONE, strict=True)
    )
    numbers = [value if isinstance(value, tuple) else (value,) for value in (mean, std)]
    for option, values in zip(("--mean", "--std"), numbers, strict=True):
        if len(values) not in (1, channels):
            raise UsageError(f"{option} has {len(values)} numbers, and a picture {channels} channels.")
    if any(0 < abs(number) < 1 for values in numbers for number in values):
        scaled = (",".join(f"{255 * number:.6g}" for number in values) for values in numbers)
        raise PlanError(
            "--mean and --std are of pixels from 0 to 255, and these are of pixels from 0 to 1.",
            "as {} {} {} {}".format("--mean", next(scaled), "--std", next(scaled)),
        )
    return numbers[0], numbers[1]


def _in_order(
    net: nn.Module, named: Sequence[str], classes: Sequence[str], shape: tuple[int, ...]
) -> tuple[nn.Module, list[str]]:
    """Return the net with its outputs in the order of the data set's classes, and what was done for it.

    The rows of its last layer change places. Which layer that is, is found by trying: the logits must be the same.
    """
    if len(named) != len(classes):
        raise DataError(f"--classes names {len(named)} classes, and the data set has {len(classes)}.")
    places = labels.places(classes, named, "the data set", "--classes")
    if places == list(range(len(classes))):
        return net, []
    pictures = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = net(pictures)[:, places]
        for name, layer in reversed(list(net.named_modules())):
            weight = getattr(layer, "weight", None)
            if not isinstance(weight, nn.Parameter) or weight.ndim < 2 or len(weight) != len(classes):
                continue
            changed = copy.deepcopy(net)
            inside = changed.get_submodule(name)
            for parameter in (inside.weight, getattr(inside, "bias", None)):
                if isinstance(parameter, nn.Parameter):
                    parameter.copy_(parameter[places].clone())
            if torch.allclose(changed(pictures), wanted, rtol=1e-4, atol=1e-5):
                return changed, [
                    f"the outputs of {name or 'the net'} were put into the order of the data set's classes"
                ]
    raise ModelFileError(
        "No last layer of this net is found whose outputs could change places.",
        "end it in an nn.Linear, or leave --classes out and name the folders so that they sort as its outputs do",
    )


def _measured(recipe: Recipe, net: nn.Module, splits: Splits, imported: Imported, folder: Path) -> Run:
    """Return the run, not yet written: what the net costs, and how right it is."""
    shape = splits.train.input_shape
    mean, std = renormalised.shared(imported.mean, imported.std)
    whole = renormalised.wrap(net, imported, mean, std, shape[0])
    size = counts.size(whole, shape)
    validation, test = (_top1(whole, part, mean, std) for part in (splits.validation, splits.test))
    return Run(
        folder=folder,
        recipe=recipe,
        input_shape=shape,
        labels=splits.train.classes,
        mean=mean,
        std=std,
        params=size.params,
        macs=size.macs,
        validation_top1_percent=validation,
        validation_n=len(splits.validation),
        train_seconds=0.0,
        imported=replace(imported, test_top1_percent=test, test_n=len(splits.test)),
    )


def _top1(net: nn.Module, part: Split, mean: float, std: float) -> float:
    logits = inference.logits(net, part.images, mean, std)
    if not logits.isfinite().all():
        raise ModelFileError(
            "With these weights the net gives logits that are not finite.", "--mean, --std: what was it fed?"
        )
    return 100 * (logits.argmax(1) == torch.from_numpy(part.labels)).float().mean().item()


def _written(run: Run, net: nn.Module, splits: Splits) -> Run:
    """Return the run, once all of its files are in its folder, which appears as a whole."""
    with _new_folder(run.folder) as folder:
        sha256 = code.keep(run.recipe.net.name, folder)
        files.write_text(folder / "recipe.toml", HEAD + plans.dump(run.recipe))
        files.write_json(folder / "environment.json", environment.to_table(environment.here()))
        digest = nets.store(net, folder / WEIGHTS)
        seen.record(folder, splits)
        run = replace(run, weights_sha256=digest, code_sha256=sha256)
        write_facts(replace(run, folder=folder))
    return run


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder` that takes its place when the block has ended well."""
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
    files.make_folder(draft)
    try:
        with files.saying_when_full(draft):
            yield draft
        draft.rename(folder)
    except OSError as error:
        raise RunError(f"Cannot write {folder}: {error.strerror or error}.", "choose another with --output") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
