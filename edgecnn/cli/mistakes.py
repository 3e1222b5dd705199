"""Errors about a mistyped command line: a sentence that names the word, and a hint with the nearest known one."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import Any

import typer

from edgecnn.errors import UsageError, closest

# The parser's error class. Newer Typer bundles its own Click, so catching click.UsageError would miss it.
PARSER_ERROR: type[Any] = typer.BadParameter.__mro__[1]

PROGRAM = "edgecnn"

ELSEWHERE = {
    "classify": "predict", "infer": "predict", "detect": "predict",
    "test": "eval", "validate": "eval", "val": "eval",
    "convert": "export", "quantize": "export", "quantise": "export",
    "profile": "bench", "time": "bench", "serve": "deploy", "fit": "train", "download": "pull", "upload": "push",
}  # fmt: skip
"""What other tools call a command of ours."""

ONE_FILE = "all files of a run are taken; name one, as in RUN/artifacts/NAME-int8.onnx"
ON_THE_CPU = "model files run on the CPU, as on a board; `train` takes --device"
WITHOUT = {
    **{f"{verb} --precision": ONE_FILE for verb in ("bench", "eval", "verify", "selftest")},
    **{f"{verb} --format": ONE_FILE for verb in ("bench", "eval", "verify", "selftest")},
    **{f"{verb} --device": ON_THE_CPU for verb in ("export", "bench", "eval", "verify", "selftest", "predict")},
}
"""What to do where a command has no option of a name that others have, because it would make no sense there."""
ON_BOARDS = ("classify", "selftest", "bench", "serve")
"""The commands of a bundle's own program (`edgecnn.onboard.runner.cli`)."""


def unknown_command(word: str, context: Any) -> UsageError:
    """Return the error for a word that is no command; `context` is the parser's, of the group that was asked."""
    group, names = context.command_path, list(context.command.commands)
    close = closest(word, [*names, *ELSEWHERE]) if context.parent is None else closest(word, names)
    close = ELSEWHERE.get(close or "", close)
    listed = f"`{group} --help` lists all"
    hint = f"did you mean `{group} {close}`? {listed}" if close else listed
    return UsageError(f"There is no command {word!r}.", hint)


def of_the_parser(error: Any) -> UsageError:
    """Return what the parser refused, as an error of ours."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else PROGRAM
    listed = f"`{command} --help` lists all"
    option = getattr(error, "option_name", None)
    if option is None or not hasattr(error, "possibilities"):
        return UsageError(error.format_message(), listed.replace("lists all", "shows how"))
    if hint := WITHOUT.get(f"{command.removeprefix(f'{PROGRAM} ')} {option}"):
        return UsageError(f"`{command}` has no option {option}.", hint)
    own = [name for parameter in context.command.params for name in parameter.opts] if context else []
    sentence = f"`{command}` has no option {option}."
    if close := closest(option.lstrip("-"), (name.lstrip("-") for name in own if name.startswith("--"))):
        return UsageError(sentence, f"did you mean --{close}? {listed}")
    others = _having(option, context) if context else []
    if not others:
        return UsageError(sentence, listed)
    if context.parent is None:
        return UsageError(sentence, f"write it behind a command, as in `{PROGRAM} {others[0]} {option}`; {listed}")
    return UsageError(sentence, f"{', '.join(f'`{name}`' for name in others)} would take it; {listed}")


def _having(option: str, context: Any) -> list[str]:
    """Return the commands that have an option."""
    commands = getattr(context.find_root().command, "commands", {})
    return [name for name, command in commands.items() if any(option in parameter.opts for parameter in command.params)]


def refuse_a_boards_words(words: Sequence[str]) -> None:
    """Refuse what a deployed model's own program `run` takes on a board, where `edgecnn run` is called instead.

    Raises:
        UsageError: A word is a command of that program, or a picture.
    """
    for word in words:
        if word in ON_BOARDS or (mimetypes.guess_type(word)[0] or "").startswith("image/"):
            raise UsageError(
                f"`{PROGRAM} run` trains, exports and benches recipes, and {word!r} is none; "
                "the program `run` of a deployed model is another one, on its board.",
                f"`{PROGRAM} predict RUN PICTURE` classifies here, `ssh BOARD edgecnn/NAME/run classify PICTURE` there",
            )
