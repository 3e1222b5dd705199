"""Whose turn it is when candidates are measured against each other; `test_bench` has the mean places."""

from edgecnn import boards


def test_the_second_round_of_a_pair_is_the_reverse_of_the_first() -> None:
    assert boards.in_turns("abc", 0) == ["a", "b", "c"]
    assert boards.in_turns("abc", 1) == ["c", "b", "a"]


def test_each_pair_of_rounds_begins_one_candidate_further_on() -> None:
    assert boards.in_turns("abc", 2) == ["b", "c", "a"]
    assert boards.in_turns("abc", 6) == ["a", "b", "c"]


def test_without_candidates_it_is_nobodys_turn() -> None:
    assert boards.in_turns("", 3) == []
