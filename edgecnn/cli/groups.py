"""The help of commands: `edgecnn --help` in groups, the help of each in sections with examples."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

from edgecnn.cli import mistakes, sections
from edgecnn.cli.examples import EXAMPLES
from edgecnn.common import console
from edgecnn.errors import UsageError

GROUPS = {
    "Make a model": ("init", "train", "plan", "sweep", "import", "export", "calibrate", "run"),
    "Use it": ("predict", "deploy"),
    "Measure and check it": ("data", "bench", "eval", "compare", "verify", "selftest", "inspect", "doctor"),
    "Study": ("duel", "lesson", "report"),
    "Around": ("list", "board", "push", "pull"),
}

QUIET_HELP = "Only warnings and errors on stderr."
VERBOSE_HELP = "More on stderr: decisions, stages, converters' words, tracebacks."


class Command(TyperCommand):
    """A command whose help has sections and examples, and that takes -q and -v behind its name as well as before."""

    def __init__(self, *arguments: Any, params: list[Any] | None = None, **facts: Any) -> None:
        super().__init__(*arguments, params=[*(params or ()), *_switches()], **facts)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, and the options by their section; Typer asks for it."""
        records: dict[str, list[tuple[str, str]]] = {title: [] for title in (sections.ARGUMENTS, *sections.SECTIONS)}
        for parameter in self.get_params(ctx):
            is_argument = parameter.param_type_name == "argument"
            title = sections.ARGUMENTS if is_argument else sections.title(str(self.name), parameter.opts)
            if record := parameter.get_help_record(ctx):
                records[title].append(record)
        for title in filter(records.get, records):
            with formatter.section(title):
                formatter.write_dl(records[title])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are typed; Typer asks for it."""
        if not (examples := EXAMPLES.get(ctx.command_path.removeprefix(f"{mistakes.PROGRAM} "))):
            return
        with formatter.section("Examples" if len(examples) > 1 else "Example"):
            for words, command in examples:
                formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in (f"# {words}", command)))


class CommandGroup(TyperGroup):
    """Commands of which an unknown one is answered with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called; Typer asks for it."""
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise mistakes.unknown_command(args[0], ctx)
        return super().resolve_command(ctx, args)


class GroupedCommands(CommandGroup):
    """The commands of edgecnn, listed by what they are for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands' names in the order of the groups; Typer asks for it."""
        return [name for names in GROUPS.values() for name in names]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group; Typer asks for it."""
        room = formatter.width - 6 - max(map(len, self.commands))
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(room)) for name in names])


def speak(quiet: bool, verbose: bool) -> None:
    """Set how much is told on stderr, for what stands before a command; what stands behind it adds to that.

    Raises:
        UsageError: Both are asked for.
    """
    console.be_quiet(quiet)
    console.be_verbose(verbose)
    _refuse_both()


def _switches() -> list[TyperOption]:
    """Return the options -q and -v of a command, which reach the console and not its function."""

    def switch(long: str, short: str, help: str, apply: Any) -> TyperOption:
        def heard(ctx: Any, parameter: Any, value: bool) -> None:
            if value and not ctx.resilient_parsing:
                apply(True)
                _refuse_both()

        return TyperOption(
            param_decls=[long, short], is_flag=True, default=False, expose_value=False, callback=heard, help=help,
        )  # fmt: skip

    return [
        switch("--quiet", "-q", QUIET_HELP, console.be_quiet),
        switch("--verbose", "-v", VERBOSE_HELP, console.be_verbose),
    ]


def _refuse_both() -> None:
    if console.is_quiet() and console.is_verbose():
        raise UsageError("--quiet and --verbose contradict each other.", "give one of them")
