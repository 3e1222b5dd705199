"""Names of classes that speak against mirroring, and names that do not."""

import pytest

from edgecnn.pipeline.init import mirrors


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("left hand", "right hand"), "'left hand' names a side"),
        (("forward", "turnLeft"), "'turnLeft' names a side"),
        (("arrow_up", "stop"), "'arrow_up' names a side"),
        (("Links abbiegen", "Halt"), "'Links abbiegen' names a side"),
        (("hand_l", "hand_r"), "a mirror makes 'hand_l' 'hand_r'"),
        (("lane east", "lane west", "none"), "a mirror makes 'lane east' 'lane west'"),
        (("spin cw", "spin ccw"), "a mirror makes 'spin cw' 'spin ccw'"),
        (tuple("0123456789"), "'0' may be a digit or a letter"),
        (("one", "two", "many"), "'one' may be a digit or a letter"),
        (("A", "B", "del"), "'A' may be a digit or a letter"),
        (("digit 7", "blank"), "'digit 7' may be"),
        (("class3", "class4"), "'class3' may be"),
        (("upper_b", "lower_b"), "'upper_b' may be"),
        (("speed limit 30", "yield"), "'speed limit 30' may be"),
        (("犬", "猫"), "'犬' may be"),
    ],
)
def test_a_side_a_digit_or_a_letter_is_not_mirrored(classes: tuple[str, ...], words: str) -> None:
    reason = mirrors.forbidding(classes)
    assert reason is not None
    assert reason.startswith(words)


@pytest.mark.parametrize(
    "classes",
    [
        ("daisy", "poppy", "tulip"),
        ("bright", "dark"),
        ("boeing 747", "airbus a320"),
        ("n01440764", "n01443537"),
        ("one lane road", "bridge"),
        ("hand_r", "foot"),
        ("upper", "lower"),
        ("---", "+++"),
        ("beauty", "east wing"),
    ],
)
def test_other_names_do_not_speak_against_it(classes: tuple[str, ...]) -> None:
    assert mirrors.forbidding(classes) is None


def test_a_name_from_a_stranger_is_escaped() -> None:
    assert mirrors.forbidding(("left\u202e", "cat")) == "'left\\u202e' names a side, which a mirror swaps"
