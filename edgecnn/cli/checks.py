"""The commands that check: inspect, eval, verify, selftest, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import completion, fleets, outputs
from edgecnn.cli import options as o
from edgecnn.common import console, documents
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError


def inspect(
    target: Annotated[
        str,
        typer.Argument(
            help="A recipe, a run folder, zoo:NAME, or an .onnx or .tflite file.", autocompletion=completion.targets
        ),
    ],
    input: Annotated[
        str | None,
        typer.Option("--input", help="Sizes a file leaves open; of a net, height x width x channels priced dense."),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            "--board",
            help="Predict a file's cost there: a board that has a profile, or a profile (.json).",
            autocompletion=completion.boards,
        ),
    ] = None,
    settings: o.SET = None,
    as_json: o.JSON = False,
) -> None:
    """Show a net layer by layer, or what a model file says of itself."""
    from edgecnn.checks import inspect as verb

    result = verb.inspect(target, input_size=input if input is not None else (), board=board, settings=settings or ())
    if as_json:
        say(verb.to_json(result))
    else:
        verb.show(result)


def evaluate(
    target: o.TARGET_FILE,
    data: o.DATA = None,
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    resize: o.RESIZE = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    logits: o.LOGITS = None,
    limit: o.LIMIT = None,
    input: o.INPUT = None,
    only_unseen: o.ONLY_UNSEEN = False,
    min_class_recall: Annotated[
        float | None, typer.Option("--min-class-recall", help="Gate: smallest recall of any class in percent.")
    ] = None,
    strict: o.STRICT = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write the record and pictures into."),
    ] = None,
    as_json: o.JSON = False,
) -> None:
    """Say how right a model is class by class, how sure, and where it is wrong."""
    from edgecnn.checks.evaluate import evaluate as verb
    from edgecnn.checks.evaluate import show
    from edgecnn.records import evaluation

    outputs.folder(output)
    pictures = o.pictures(size, channels, mean, std, logits, resize)
    result = verb.evaluate(target, o.data_plan(data), limit, output, pictures, only_unseen, input)
    if as_json:
        say(documents.to_json(evaluation.to_table(result)))
    else:
        show.show(result)
    if result.folder:
        console.note(f"{result.folder / evaluation.FILE} holds all of it, the pictures lie beside it")
    verb.judge(result, min_class_recall, strict)


def verify(
    targets: o.TARGETS,
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board", help="Ask on this board too, or @GROUP; may be repeated.", autocompletion=completion.boards
        ),
    ] = None,
    data: o.DATA = None,
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    resize: o.RESIZE = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    logits: o.LOGITS = None,
    limit: o.LIMIT = None,
    input: o.INPUT = None,
    only_unseen: o.ONLY_UNSEEN = False,
    tolerance: Annotated[float, typer.Option("--tolerance", help="Of floats, relative to a layer's largest.")] = 1e-5,
    tolerance_lsb: Annotated[int, typer.Option("--tolerance-lsb", help="Of integers, in steps.")] = 0,
    max_drop: o.MAX_DROP = None,
    max_lsb: Annotated[int | None, typer.Option("--max-lsb", help="Gate: largest step between int8 files.")] = None,
    strict: o.STRICT = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write parity.json and flips into."),
    ] = None,
    jobs: fleets.JOBS = None,
    resume: fleets.RESUME = False,
    as_json: o.JSON = False,
) -> None:
    """Ask net, files, runtimes and boards the same pictures; name the first layer that differs."""
    from edgecnn.checks.verify import matrix, show
    from edgecnn.checks.verify import verify as parity
    from edgecnn.checks.verify.layers import Tolerance

    outputs.folder(output)
    plan = o.data_plan(data)
    allowed = Tolerance(lsb=tolerance_lsb, relative=tolerance)
    pictures = o.pictures(size, channels, mean, std, logits, resize)
    if board and fleets.is_group(board):
        from edgecnn.fleets import measuring

        limits = {"limit": limit, "tolerance": allowed, "only_unseen": only_unseen, "input_size": input}
        gates = {"max_drop": max_drop, "max_lsb": max_lsb, "strict": strict}
        task = measuring.verify(targets, plan, limit, allowed, pictures, only_unseen, input, gates)
        subject = measuring.subject(targets, data=plan, pictures=pictures, **limits, **gates)
        fleets.run(
            "verify", board, task, measuring.VERIFY_HEAD, subject,
            output=output, jobs=jobs, resume=resume, as_json=as_json,
        )  # fmt: skip
        return
    fleets.refuse_without_group(jobs=jobs, resume=resume)
    result = parity.verify(targets, board or [], plan, limit, allowed, output, pictures, only_unseen, input)
    if as_json:
        say(documents.to_json(matrix.to_table(result)))
    else:
        show.show(result)
    if result.folder:
        console.note(f"{result.folder / matrix.FILE} holds all of it, the flips lie beside it")
    parity.judge(result, max_drop, max_lsb, strict)


def selftest(
    target: o.BUNDLED,
    board: o.BOARD = None,
    golden: Annotated[Path | None, typer.Option("--golden", help="Vectors; golden.npz beside the file.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Make vectors of a file here, into this.")] = None,
    data: o.DATA = None,
    input: o.INPUT = None,
    size: o.SIZE = None,
    channels: o.CHANNELS = None,
    resize: o.RESIZE = None,
    mean: o.MEAN = None,
    std: o.STD = None,
    logits: o.LOGITS = None,
    as_json: o.JSON = False,
) -> None:
    """Replay golden vectors: the same answers as where the model was made?"""
    from edgecnn.checks import selftest as verb
    from edgecnn.records.environment import machine_name

    pictures = o.pictures(size, channels, mean, std, logits, resize)
    if record:
        if board or golden:
            raise UsageError("--record writes new vectors, on this machine.", "without --board and --golden")
        console.note(f"{record}: {verb.record(target, record, o.data_plan(data), pictures, input)} pictures")
        return
    result = verb.selftest(target, board or "local", golden, pictures, input)
    if as_json:
        say(documents.to_json(verb.to_table(result)))
    else:
        say(f"golden vectors, {result.board}\non {machine_name(result.environment)}")
        console.table(*verb.rows(result))
    verb.judge(result)


def doctor(
    file: Annotated[Path | None, typer.Argument(help="A model file of any make; none: the installation.")] = None,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Pictures: folder <class>/*, .csv, .parquet, .tar.")
    ] = None,
    device_log: Annotated[
        Path | None, typer.Option("--device-log", help="A device's answers: picture,class[,score].")
    ] = None,
    board: Annotated[
        str | None, typer.Option("--board", help="Load and run the file there too.", autocompletion=completion.boards)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Pictures to try.")] = 500,
    input: o.INPUT = None,
    as_json: o.JSON = False,
) -> None:
    """Say what is wrong with this installation, a model file, or its pictures."""
    from edgecnn.checks.doctor import doctor as verb
    from edgecnn.checks.doctor import examination, show

    result = verb.doctor(file, pictures=pictures, device_log=device_log, board=board, limit=limit, input_size=input)
    if as_json:
        say(examination.to_json(result))
    else:
        show.show(result)
    verb.judge(result)
