"""Groups of boards: a file @NAME.toml beside the boards' own."""

from pathlib import Path

import pytest

from edgecnn import boards
from edgecnn.checks.board import board as verb
from edgecnn.errors import PlanError, UsageError


@pytest.fixture(autouse=True)
def own_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own boards, which holds one board."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "edgecnn" / "boards"
    folder.mkdir(parents=True)
    (folder / "pi-1.toml").write_text('address = "pi@pi-1"\n')
    return folder


def test_a_group_stands_for_its_boards_each_once(own_boards: Path) -> None:
    (own_boards / "@shop.toml").write_text('boards = ["pi-1", "ssh://pi@pi-2"]\nnotes = "the tills"\n')
    assert boards.members(["@shop", "pi-1", "emulated:pi4"]) == ("pi-1", "ssh://pi@pi-2", "emulated:pi4")
    assert list(boards.groups()) == ["@shop"]
    assert "@shop" not in boards.named_boards()
    assert any(entry.board == "@shop" and "the tills" in entry.what for entry in verb.list_boards())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("boards = []", "lists no boards"),
        ('boards = ["pi-1", "pi-1"]', "lists pi-1 twice"),
        ('boards = ["@cellar"]', "holds boards, not groups"),
        ('boards = ["local"]', "cannot be measured meanwhile"),
        ('board = ["pi-1"]', "unknown key 'board'"),
    ],
)
def test_a_group_with_a_mistake_is_refused(own_boards: Path, text: str, sentence: str) -> None:
    (own_boards / "@shop.toml").write_text(text)
    with pytest.raises(PlanError, match=sentence):
        boards.members(["@shop"])


def test_a_group_of_boards_nobody_knows_is_refused_before_any_is_reached(own_boards: Path) -> None:
    (own_boards / "@shop.toml").write_text('boards = ["pi-1", "pi-l"]\n')
    with pytest.raises(UsageError, match="no board named 'pi-l'"):
        boards.members(["@shop"])


def test_a_group_nobody_knows_gets_the_known_ones(own_boards: Path) -> None:
    with pytest.raises(UsageError, match="no group of boards named '@shop'") as caught:
        boards.members(["@shop"])
    assert "@shop.toml" in (caught.value.hint or "")
    (own_boards / "@shop.toml").write_text('boards = ["pi-1"]\n')
    with pytest.raises(UsageError) as caught:
        boards.members(["@shpo"])
    assert "did you mean '@shop'" in (caught.value.hint or "")


def test_where_one_board_is_needed_a_group_is_refused() -> None:
    with pytest.raises(UsageError, match="group of boards, and one board is needed"):
        boards.find("@shop")
