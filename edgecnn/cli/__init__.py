"""The command line: parse, call one verb, print. Heavy imports stay inside the commands.

Data goes to stdout, all else to stderr. Exit codes: 0 pass, 1 a gate failed, 2 inconclusive or
environment unfit, 3 a board of a group did not, 64 usage, 70 a bug of edgecnn.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from edgecnn import __version__
from edgecnn.cli import (
    boards,
    certainty,
    checks,
    completion,
    data,
    groups,
    hub,
    imports,
    listing,
    measuring,
    mistakes,
    models,
    planning,
    starting,
    studies,
    supervision,
    use,
)
from edgecnn.common import bugs, cache, console, utf8
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.pipeline.train import distributed

INTERRUPTED = 130

app = typer.Typer(
    cls=groups.GroupedCommands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a small CNN, export it to int8, and measure it where it will run.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"edgecnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=groups.QUIET_HELP)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=groups.VERBOSE_HELP)] = False,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Run a net's code that a run folder of others holds.")
    ] = False,
) -> None:
    groups.speak(quiet, verbose)
    if trust_code:
        from edgecnn.nets import code

        code.trust_all()
    team = distributed.here()
    if team.count > 1 and context.invoked_subcommand != "train":
        raise UsageError(
            f"`edgecnn {context.invoked_subcommand}` runs in one process, and torchrun has started {team.count}.",
            "only `edgecnn train` shares its work; start the others without torchrun",
        )
    if team.count > 1:
        distributed.heed_torchrun()
    if not team.is_leader:
        console.be_silent()


for command in (
    *(starting.init, planning.plan, models.train, models.export, models.run, measuring.bench, measuring.compare),
    *(certainty.calibrate, use.predict, boards.deploy),
    *(hub.push, hub.pull),
    *(checks.inspect, checks.verify, checks.selftest, checks.doctor),
    *(studies.sweep, studies.duel, studies.lesson, studies.report),
):
    app.command(cls=groups.Command)(command)
app.command("import", cls=groups.Command)(imports.import_weights)
app.command("eval", cls=groups.Command)(checks.evaluate)
app.command("list", cls=groups.Command)(listing.list_names)
app.add_typer(boards.board, name="board")
app.add_typer(data.data, name="data")


def main() -> None:
    """Run the command line: every error becomes one sentence, a hint and an exit code."""
    utf8.insist()
    # Without it PyTorch leaves a folder behind among the temporary files.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache.cache_folder() / "torchinductor"))
    try:
        if completion.ASKED in os.environ:
            completion.answer(_answer)
        elif distributed.here().count > 1:
            _answer()
        else:
            supervision.run(_answer)
    except EdgecnnError as error:  # raised by the supervision itself
        _tell(error)
        sys.exit(error.exit_code)


def _answer() -> None:
    """Parse the command line, call the verb, and exit with its code."""
    try:
        if (
            app(prog_name=mistakes.PROGRAM, standalone_mode=False) == INTERRUPTED
        ):  # Typer turns Ctrl-C into this return value
            raise KeyboardInterrupt
    except EdgecnnError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except mistakes.PARSER_ERROR as error:
        refused = mistakes.of_the_parser(error)
        _tell(refused)
        sys.exit(refused.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _tell(
            EdgecnnError(
                "Interrupted.",
                "--resume goes on with a training, a plan or a group of boards; a sweep goes on with the same words",
            )
        )
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        failure = bugs.explained(error)
        failure.__cause__ = error
        _tell(failure)
        sys.exit(failure.exit_code)


def _tell(error: EdgecnnError) -> None:
    """Print the error that ends this process; under torchrun only the first process to fail prints one."""
    if distributed.first_to_tell():
        if error.__traceback__ or error.__cause__:
            console.detail("".join(traceback.format_exception(error)).rstrip())
        console.error(error.sentence, error.hint)
