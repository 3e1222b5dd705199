"""The commands in the order and the groups in which `edgecnn --help` lists them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Make a model": ("init", "train", "import", "export", "run"),
    "Use it": ("predict", "deploy"),
    "Measure and check it": ("bench", "eval", "compare", "verify", "selftest", "inspect", "doctor"),
    "Study": ("duel", "lesson", "report"),
    "Around": ("list", "board", "push", "pull"),
}


class GroupedCommands(TyperGroup):
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
