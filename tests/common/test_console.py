"""Console output that is held back is said once: by what follows, or by the error."""

import pytest

from edgecnn.common import console


def test_what_is_said_again_later_is_held_back(capsys: pytest.CaptureFixture[str]) -> None:
    with console.held_back():
        console.note("a note")
        console.warn("a warning")
    console.note("after it")
    assert capsys.readouterr().err == "after it\n"


def test_before_an_error_nothing_is_kept_back(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        console.note("a note")
        console.warn("a warning")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), console.held_back():
        fail()
    assert capsys.readouterr().err == "a note\nwarning: a warning\n"
