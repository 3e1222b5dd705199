"""The journal of a fleet: nothing that was done is lost, and only the same plan goes on."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import RunError, UsageError
from edgecnn.fleets import journal
from edgecnn.fleets.journal import BoardOutcome, FleetPlan

PLAN = FleetPlan(verb="bench", boards=("pi-1", "ssh://pi@pi-2", "pi-3"), subject="{}")


def done(board: str, exit_code: int = 0) -> BoardOutcome:
    return BoardOutcome(board=board, exit_code=exit_code, sentence="done", rows=(("a", "b"),), numbers={"errors": 1.0})


def test_what_was_kept_is_there_when_it_goes_on(tmp_path: Path) -> None:
    with journal.opened(tmp_path, PLAN, resume=False) as begun:
        begun.add(done("pi-1"))
        begun.note("going back", "too many errors")
    with journal.opened(tmp_path, PLAN, resume=True) as again:
        assert again.outcomes == {"pi-1": done("pi-1")}
        assert again.notes == {"going back": "too many errors"}


@given(cut=st.integers(0, 300))
def test_a_line_that_a_kill_has_cut_is_left_out(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with journal.opened(folder, PLAN, resume=False) as begun:
        begun.add(done("pi-1"))
        whole = (folder / journal.JOURNAL).read_bytes()
        begun.add(done("pi-3"))
    last = (folder / journal.JOURNAL).read_bytes()[len(whole) :]
    (folder / journal.JOURNAL).write_bytes(whole + last[: min(cut, len(last) - 1)])
    with journal.opened(folder, PLAN, resume=True) as again:
        assert set(again.outcomes) in ({"pi-1"}, {"pi-1", "pi-3"})  # all but the line break may have been written
        again.add(done("pi-3"))
    with journal.opened(folder, PLAN, resume=True) as third:
        assert set(third.outcomes) == {"pi-1", "pi-3"}


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (FleetPlan(verb="verify", boards=PLAN.boards, subject="{}"), "other command"),
        (FleetPlan(verb="bench", boards=("pi-1",), subject="{}"), "other boards"),
        (FleetPlan(verb="bench", boards=PLAN.boards, subject='{"rounds":3}'), "other options or files"),
    ],
)
def test_another_plan_does_not_go_on_with_it(tmp_path: Path, other: FleetPlan, word: str) -> None:
    with journal.opened(tmp_path, PLAN, resume=False):
        pass
    with pytest.raises(UsageError, match=word), journal.opened(tmp_path, other, resume=True):
        pass


def test_nothing_and_something_else_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"), journal.opened(tmp_path, PLAN, resume=True):
        pass
    (tmp_path / journal.JOURNAL).write_text("a letter\n")
    with pytest.raises(UsageError, match="no journal"), journal.opened(tmp_path, PLAN, resume=True):
        pass


def test_two_at_a_time_are_refused(tmp_path: Path) -> None:
    with (
        journal.opened(tmp_path, PLAN, resume=False),
        pytest.raises(RunError, match="at work"),
        journal.opened(tmp_path, PLAN, resume=True),
    ):
        pass


def test_beginning_anew_forgets_what_was_there(tmp_path: Path) -> None:
    with journal.opened(tmp_path, PLAN, resume=False) as begun:
        begun.add(done("pi-1"))
        begun.place("pi-1", ".json").write_text("{}")
    with journal.opened(tmp_path, PLAN, resume=False) as again:
        assert again.outcomes == {}
    assert not (tmp_path / "pi-1.json").exists()
    head = json.loads((tmp_path / journal.JOURNAL).read_text())
    assert head["plan"]["boards"] == list(PLAN.boards)


def test_what_boards_had_before_an_interruption_is_kept_when_the_same_begins_anew(tmp_path: Path) -> None:
    with journal.opened(tmp_path, PLAN, resume=False) as begun:
        begun.place("pi-1", ".before").write_text('{"release": "old"}')
    with journal.opened(tmp_path, PLAN, resume=False) as again:
        assert again.place("pi-1", ".before").read_text() == '{"release": "old"}'
    other = FleetPlan(verb="deploy", boards=PLAN.boards, subject="another bundle")
    with journal.opened(tmp_path, other, resume=False) as third:
        assert not third.place("pi-1", ".before").exists()


@given(boards=st.lists(st.text(min_size=1, max_size=120), unique=True, max_size=20))
def test_no_two_boards_share_a_file(boards: list[str]) -> None:
    stems = [journal.stem(board) for board in boards]
    assert len({*stems}) == len(stems)
    assert all(stem and "/" not in stem and not stem.startswith(".") and len(stem) < 100 for stem in stems)
