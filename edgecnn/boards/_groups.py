"""Groups of boards: a file @NAME.toml beside the boards' files lists the boards that `--board @NAME` stands for."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.boards import _named
from edgecnn.common import config
from edgecnn.errors import PlanError, UsageError, nearest

MARK = _named.GROUP_MARK


@dataclass(frozen=True, kw_only=True)
class BoardGroup:
    """Boards that a file lists."""

    boards: tuple[str, ...]
    """Names of boards, as `--board` takes them one by one."""
    notes: str = ""


def names() -> tuple[str, ...]:
    """Return the names of all groups, each with its mark, sorted."""
    return tuple(sorted(_named.group_files()))


def read(name: str) -> BoardGroup:
    """Read a group's file.

    Raises:
        UsageError: There is no such group; the hint lists the known ones.
        PlanError: The file has a mistake: no boards, one twice, a group, or this machine.
    """
    known = _named.group_files()
    if name not in known:
        hint = nearest(name, known) if known else f"{_named.folder()}/{name}.toml: boards = ['pi-1', 'ssh://pi@pi-2']"
        raise UsageError(f"There is no group of boards named {name!r}.", hint)
    path = known[name]
    group = config.build(BoardGroup, config.read(path), path.name)
    _require_sense(group, path.name)
    return group


def _require_sense(group: BoardGroup, source: str) -> None:
    if not group.boards:
        raise PlanError(f"{source} lists no boards.", "boards = ['pi-1', 'ssh://pi@pi-2']")
    for board in group.boards:
        if board.startswith(MARK):
            raise PlanError(f"{source} lists {board}: a group holds boards, not groups.", "list its boards here")
        if board == "local":
            raise PlanError(
                f"{source} lists this machine, which drives the others and cannot be measured meanwhile.",
                "leave 'local' out, and measure it by itself",
            )
    twice = [board for board in dict.fromkeys(group.boards) if group.boards.count(board) > 1]
    if twice:
        raise PlanError(f"{source} lists {twice[0]} twice.")
