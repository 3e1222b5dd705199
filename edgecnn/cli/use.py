"""The command that uses a model on this machine: predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import options as o
from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError


def predict(
    model: o.BUNDLED,
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Picture files, folders of them, or - for one on stdin.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="How many classes to tell.")] = 3,
    camera: Annotated[bool, typer.Option("--camera", help="Take a picture with picamera2.")] = False,
    save: Annotated[Path | None, typer.Option("--save", help="Copy the pictures into this folder, by class.")] = None,
    format: Annotated[str, typer.Option("--format", help="Which file of a run: tflite or onnx.")] = "tflite",
    precision: Annotated[str, typer.Option("--precision", help="The same: int8 or fp32.")] = "int8",
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    resize: o.RESIZE = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    logits: o.LOGITS = None,
    unknown: Annotated[
        str, typer.Option("--unknown", help="When to answer unknown: auto, off, or the least known score.")
    ] = "auto",
    num_threads: Annotated[int, typer.Option("--num-threads", min=1, help="Threads of the runtime.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each picture.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line of CSV for each picture.")] = False,
) -> None:
    """Say which classes a model sees in pictures."""
    if as_json and as_csv:
        raise UsageError("--json and --csv are two forms of one output.", "give one of them")
    from edgecnn.pipeline.predict import predict as verb
    from edgecnn.pipeline.predict import show
    from edgecnn.pipeline.predict.sorting import Sorter

    options = o.pictures(size, channels, mean, std, logits, resize)
    opened = verb.open_model(model, format, precision, options, num_threads, unknown)
    sorter = Sorter(save, opened.labels) if save else None
    predictions: list[verb.Prediction] = []
    if as_csv:
        say(show.csv_head(top_k))
    for prediction in verb.predict(opened, pictures or (), camera, top_k):
        predictions.append(prediction)
        if as_json or as_csv:
            say(show.json_line(prediction) if as_json else show.csv_line(prediction, top_k))
        if sorter:
            sorter.keep(prediction)
    if not (as_json or as_csv):
        show.show(predictions, opened.artifact.name)
    if save:
        console.note(f"{sum(p.answer is not None for p in predictions):,} pictures lie in {save} by class")
    verb.judge(predictions)
