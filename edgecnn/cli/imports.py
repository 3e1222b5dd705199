"""The command that takes in weights that were trained elsewhere: import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli import completion, outputs
from edgecnn.cli import options as o
from edgecnn.common.escapes import say

if TYPE_CHECKING:
    from edgecnn.records.recipe import Recipe


def import_weights(
    net: Annotated[str, typer.Argument(help="A net by name, or code: path/to/file.py:Net, package.module:Net.")],
    weights: Annotated[Path, typer.Option("--weights", help="A .safetensors file, or a state_dict by torch.save.")],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="A data set's name, or pictures: a folder, .csv, .parquet, .tar.",
            autocompletion=completion.data_sets,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Run folder to write, as in runs/mine.")
    ],
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="The outputs' names in order: a,b,c, or a file of lines.")
    ] = None,
    settings: o.SET = None,
    as_json: o.JSON = False,
) -> None:
    """Make a run of weights that were trained elsewhere."""
    outputs.folder(output)
    recipe = _recipe(net, data, size, channels, settings, output)
    pixels = o.pictures(None, None, mean, std, None)
    named = _class_names(classes)
    from edgecnn.pipeline.train import import_weights as verb

    trained = verb.TrainedWeights(
        weights=weights,
        mean=pixels.mean if pixels else None,
        std=pixels.std if pixels else None,
        classes=named,
    )
    run = verb.import_weights(recipe, trained, output)
    if as_json:
        say((run.folder / "run.json").read_text(encoding="utf-8"), end="")
    else:
        verb.show(run)


def _recipe(
    net: str, data: str, size: str | None, channels: int | None, settings: list[str] | None, output: Path
) -> Recipe:
    """Return the recipe of a run whose weights were trained elsewhere: its net, its data, and no training."""
    from edgecnn.common import config
    from edgecnn.records import names, plans
    from edgecnn.records.recipe import Recipe

    names.require(output.name, "the name of --output")
    said = o.pictures(size, channels, None, None, None)
    table = config.table_of(plans.data_plan(data))
    if said and said.size:
        table |= {"size": said.size[0], "width": said.size[1]}
    if said and said.channels:
        table["channels"] = said.channels
    whole = config.override({"name": output.name, "net": {"name": net}, "data": table}, settings or [])
    return config.build(Recipe, whole, "the import")


def _class_names(text: str | None) -> tuple[str, ...]:
    """Return the names of --classes: a file of one name a line, or a list with commas; () without it."""
    from edgecnn.records import labels

    if not text:
        return ()
    return labels.read(Path(text)) if Path(text).is_file() else tuple(part.strip() for part in text.split(","))
