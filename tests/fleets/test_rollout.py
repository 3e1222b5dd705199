"""The rollout of a release to a group: the order of the boards, and when all of them go back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import UsageError
from edgecnn.fleets import rollout
from edgecnn.fleets.journal import BoardOutcome, FleetJournal
from edgecnn.fleets.rollout import Rollout
from edgecnn.pipeline.deploy.soak import SoakPlan

SOAK = SoakPlan(requests=200)


def outcome(board: str, errors: int = 0, requests: int = 200, exit_code: int = 0) -> BoardOutcome:
    numbers = {"requests": float(requests), "errors": float(errors)} if requests else {}
    return BoardOutcome(board=board, exit_code=exit_code, sentence="x", numbers=numbers)


def waves(count: int, canary: int, unreachable: set[int]) -> list[list[str]]:
    """The waves, where the unreachable boards give no answer."""
    kept = FleetJournal.__new__(FleetJournal)
    kept.outcomes = {}
    boards = [f"pi-{number}" for number in range(count)]
    result = []
    for wave in rollout.waves(boards, canary, kept):
        result.append(list(wave))
        for board in wave:
            code = 2 if int(board.removeprefix("pi-")) in unreachable else 0
            kept.outcomes[board] = outcome(board, exit_code=code)
    return result


def test_each_wave_is_twice_the_size_of_the_one_before() -> None:
    assert [len(wave) for wave in waves(20, 2, set())] == [2, 4, 8, 6]
    assert [len(wave) for wave in waves(20, 0, set())] == [20]


def test_another_board_steps_into_the_place_of_an_unreachable_canary() -> None:
    assert waves(8, 2, {0, 2})[:4] == [["pi-0", "pi-1"], ["pi-2"], ["pi-3"], ["pi-4", "pi-5", "pi-6", "pi-7"]]


@given(count=st.integers(0, 60), canary=st.integers(0, 70), unreachable=st.sets(st.integers(0, 59)))
def test_every_board_gets_its_turn_once_and_in_order(count: int, canary: int, unreachable: set[int]) -> None:
    boards = [board for wave in waves(count, canary, unreachable) for board in wave]
    assert boards == [f"pi-{number}" for number in range(count)]


def reason(outcomes: list[BoardOutcome], **how: float | bool) -> str | None:
    kept = FleetJournal.__new__(FleetJournal)
    kept.outcomes = {outcome.board: outcome for outcome in outcomes}
    return rollout.too_wrong(kept, Rollout(canary=1, soak=SOAK, **how))  # type: ignore[arg-type]


def test_more_errors_than_allowed_take_the_release_back_with_the_rate_and_its_interval() -> None:
    words = reason([outcome("a", 5), outcome("b", 0)])
    assert words is not None
    assert "5 of 400 requests answered wrongly, 1.25 % [0.54, 2.89], more than 1 %" in words


def test_a_rate_that_may_be_too_high_takes_it_back_only_when_strict() -> None:
    assert reason([outcome("a", 1)]) is None
    assert reason([outcome("a", 1)], strict=True) is not None
    assert reason([outcome("a", 0, 1000)], strict=True) is None  # at most 0.38 %


def test_a_board_that_failed_its_selftest_counts_as_one_that_answered_nothing_right() -> None:
    assert reason([outcome("a", 200, exit_code=1)]) is not None
    assert reason([outcome(f"b{number}") for number in range(200)] + [outcome("a", 200, exit_code=1)]) is None


def test_boards_that_nobody_could_ask_say_nothing() -> None:
    assert reason([outcome("a", requests=0, exit_code=2)]) is None


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"canary": 1}, "without requests"),
        ({"canary": -1, "soak": SOAK}, "number of boards"),
        ({"max_error_rate": 100.0}, "no share"),
        ({"max_error_rate": float("nan")}, "no share"),
    ],
)
def test_a_rollout_that_makes_no_sense_is_refused(how: dict[str, float], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Rollout(**how)  # type: ignore[arg-type]


def test_a_soak_is_a_number_of_requests_or_of_seconds() -> None:
    assert SoakPlan.parse("200") == SoakPlan(requests=200)
    assert SoakPlan.parse("30s") == SoakPlan(seconds=30.0)
    for text in ("", "0", "-1", "0s", "5m", "1e3", "4000s"):
        with pytest.raises(UsageError, match="no number of requests or seconds"):
            SoakPlan.parse(text)
