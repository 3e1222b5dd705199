"""Deciding about a picture by its logits: what each score is, and which rule says unknown."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
import small_bundles
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.errors import UsageError
from edgecnn.onboard import unknown
from edgecnn.onboard.unknown import Rule
from edgecnn.records.certainty import Score
from edgecnn.records.labels import NONE_OF_THESE

LOGITS = np.array([4.0, 1.0, 2.0], np.float32)
some_logits = arrays.arrays(np.float32, (7, 5), elements=st.floats(-60, 60, width=32))


@given(some_logits)
def test_each_score_is_its_formula(logits: npt.NDArray[np.float32]) -> None:
    powers = np.exp(logits.astype(np.float64))
    formulas = {
        "max-softmax": powers.max(1) / powers.sum(1), "max-logit": logits.max(1), "energy": np.log(powers.sum(1))
    }  # fmt: skip
    assert set(formulas) == set(unknown.SCORES)
    for name, expected in formulas.items():
        assert unknown.scores(logits, Rule(score=name)) == pytest.approx(expected, abs=1e-9)  # type: ignore[arg-type]


@given(some_logits, st.sampled_from(sorted(unknown.SCORES)))
def test_one_picture_and_many_have_the_same_scores(logits: npt.NDArray[np.float32], name: Score) -> None:
    rule = Rule(score=name, least_score=0.0, none_of_these=2)
    alone = [unknown.decide(row, rule).score for row in logits]
    assert unknown.scores(logits, rule).tolist() == alone


@given(some_logits)
def test_the_class_of_other_things_makes_no_picture_known(logits: npt.NDArray[np.float32]) -> None:
    rule = Rule(none_of_these=4)
    for name in unknown.SCORES:
        scored = dataclasses.replace(rule, score=name)
        louder = logits + np.array([0, 0, 0, 0, 5], np.float32)
        assert (unknown.scores(louder, scored) <= unknown.scores(logits, scored)).all()


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(), None),
        (Rule(score="max-logit", least_score=3.9), None),
        (Rule(score="max-logit", least_score=4.1), "unlike"),
        (Rule(least_share=0.8), None),
        (Rule(least_share=0.9), "unsure"),
        (Rule(least_share=0.8, temperature=2.0), "unsure"),
        (Rule(none_of_these=0), "none of these"),
        (Rule(none_of_these=1), None),
        (Rule(score="max-logit", least_score=4.1, least_share=0.9, none_of_these=1), "unlike"),
    ],
)
def test_a_picture_is_unknown_for_a_reason(rule: Rule, reason: str | None) -> None:
    assert unknown.decide(LOGITS, rule).reason == reason


def test_a_temperature_changes_shares_and_no_answer() -> None:
    plain, soft = (unknown.decide(LOGITS, Rule(temperature=t)).shares for t in (1.0, 3.0))
    assert plain.argmax() == soft.argmax()
    assert plain.max() > soft.max()


def test_the_card_says_when_and_a_user_may_say_otherwise() -> None:
    file = small_bundles.doubtful(score="max-logit", least_score=2.5, least_share=0.5)
    card = unknown.rule_of(file)
    assert (card.least_score, card.least_share, card.is_active) == (2.5, 0.5, True)
    assert not unknown.rule_of(file, "off").is_active
    assert unknown.rule_of(file, "off").temperature == card.temperature
    assert unknown.rule_of(file, "7.25") == dataclasses.replace(card, least_score=7.25)
    assert unknown.rule_of(file, -1.0).least_score == -1.0


@pytest.mark.parametrize("choice", ["", "of", "nan", "inf", "1 2"])
def test_what_is_no_choice_is_refused(choice: str) -> None:
    with pytest.raises(UsageError, match="does not say when to answer unknown"):
        unknown.rule_of(small_bundles.doubtful(), choice)


def test_a_class_of_other_things_is_unknown_without_a_calibration() -> None:
    file = dataclasses.replace(small_bundles.doubtful(), certainty=None, labels=("cat", NONE_OF_THESE, "owl"))
    assert unknown.rule_of(file) == Rule(none_of_these=1)
    assert not unknown.rule_of(file, "off").is_active
