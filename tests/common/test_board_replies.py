"""Replies of a board: a value of the shape it should have, or one sentence, whatever the board says."""

import contextlib
import json
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi import PI

from edgecnn.boards import _reply
from edgecnn.boards.ssh import board_facts, preflight
from edgecnn.boards.ssh.framing import Mark
from edgecnn.boards.ssh.link import CommandResult, Link
from edgecnn.common import replies
from edgecnn.common.replies import NotAReply
from edgecnn.errors import EdgecnnError, EnvironmentUnfit
from edgecnn.pipeline.deploy.installed import Installed, Status
from edgecnn.records import environment

values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FACTS = environment.to_table(environment.here())
STATUS = {"current": "b", "history": ["a", "b"], "releases": ["a", "b"], "models": {"a": {}}, "serving": {"5": "a"}}


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return not isinstance(value, str) or value.isprintable()


def sentence_of(act: Callable[[], Any], kind: type[Exception]) -> str | None:
    """Return the message of the exception of that kind and no other; None if none is raised."""
    try:
        act()
    except kind as error:
        return str(error)
    return None


def damaged(table: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """The table with one of its values, or all of it, replaced by anything."""
    key = data.draw(st.sampled_from([*table, ""]))
    return {**table, key: data.draw(values)} if key else data.draw(st.dictionaries(st.text(), values))


@given(values)
def test_json_is_a_table_of_printable_strings_and_finite_numbers_or_no_reply(value: Any) -> None:
    if said := sentence_of(lambda: replies.table(json.dumps(value)), NotAReply):
        assert said.isprintable()
    else:
        table = replies.table(json.dumps(value))
        json.dumps(table, allow_nan=False)
        assert is_plain(table)


@given(st.binary())
def test_any_bytes_are_a_table_or_no_reply(data: bytes) -> None:
    with contextlib.suppress(NotAReply):
        assert isinstance(replies.table(data), dict)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "deep"),
        ('{"a":' * 100_000, "deep"),
        ('{"a": NaN}', "NaN for a number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "too large"),
        ("[]", "a list, not a table"),
        ("", "Expecting value"),
        ("\0", "Expecting value"),
    ],
)
def test_what_is_no_reply_is_said_in_few_words(text: str, reason: str) -> None:
    with pytest.raises(NotAReply, match=reason):
        replies.table(text)


@given(st.text())
def test_words_of_a_board_are_one_printable_line(text: str) -> None:
    for line in (replies.plain(text), replies.last_line(text)):
        assert line.isprintable()
        assert len(line) <= replies.LONGEST_WORDS + 2


def test_a_line_without_end_is_cut() -> None:
    assert replies.plain("x" * 10_000_000).endswith("x …")


@given(st.text(), st.integers(-200, 400), st.text())
def test_any_words_of_a_worker_are_facts_or_one_sentence(stdout: str, returncode: int, stderr: str) -> None:
    with pytest.raises(EdgecnnError) as caught:
        _reply.facts(returncode, stdout, stderr)
    assert caught.value.sentence.isprintable()


@given(st.data())
def test_damaged_facts_are_facts_or_one_sentence(data: st.DataObject) -> None:
    line = json.dumps({"facts": damaged(FACTS, data)})
    if said := sentence_of(lambda: _reply.facts(0, line, ""), EnvironmentUnfit):
        assert said.isprintable()
    else:
        assert is_plain(environment.to_table(_reply.facts(0, line, "")))


@given(values, values, values)
def test_an_error_of_a_worker_is_one_of_ours(kind: Any, sentence: Any, hint: Any) -> None:
    line = json.dumps({"error": {"kind": kind, "sentence": sentence, "hint": hint}})
    with pytest.raises(EdgecnnError) as caught:
        _reply.facts(1, line, "")
    assert caught.value.sentence.isprintable()
    assert (caught.value.hint or "").isprintable()


@pytest.mark.parametrize("kind", ["EXIT_GATE", "nearest", "annotations", "difflib", "Exception", "__name__"])
def test_a_kind_of_error_that_is_none_of_ours_is_one_of_an_unfit_machine(kind: str) -> None:
    with pytest.raises(EnvironmentUnfit, match="words"):
        _reply.facts(1, json.dumps({"error": {"kind": kind, "sentence": "words", "hint": None}}), "")


lines = st.text(st.sampled_from(string.digits + " .:/-=xG²\x1b\n\u200bkB") | st.characters(), max_size=80)
PARTS = "arch kernel host user home cache bits libc os model cpuinfo memory disk load clock governor frequency"
PARTS += " temperature throttled tools pythons"


@given(st.dictionaries(st.sampled_from(PARTS.split()), lines))
def test_whatever_a_board_says_of_itself_is_read_and_judged(parts: dict[str, str]) -> None:
    facts = board_facts.parse("pi@pi", "".join(f"\n=={name}\n{body}" for name, body in parts.items()), 0.0)
    problems = preflight.problems(facts, ["numpy"], 1000)
    assert all(is_plain(problem.sentence) for problem in problems)
    assert all(map(is_plain, preflight.remarks(facts)))
    table = {**board_facts.to_table(facts), "home": "", "cache": ""}
    assert is_plain(table)
    json.dumps(table, allow_nan=False)
    assert (facts.home.isprintable() and facts.home.startswith("/")) or problems


@given(st.binary(), st.binary())
def test_an_answer_with_damaged_marks_is_one_or_none(body: bytes, tail: bytes) -> None:
    mark = Mark()
    answer = mark.answer(mark.text + body + mark.text + tail)
    assert answer is None or (0 <= answer[0] < 1000 and answer[1] == body)


class Saying(Link):
    """A link to a board that answers every command with the same words."""

    def __init__(self, stdout: bytes) -> None:
        super().__init__("pi@pi", ())
        self._stdout = stdout

    def run(self, *_: Any, **__: Any) -> CommandResult:
        return CommandResult(returncode=0, stdout=self._stdout, stderr="")


@given(st.data())
def test_damaged_words_about_releases_are_a_status_or_one_sentence(data: st.DataObject) -> None:
    said = json.dumps(damaged(STATUS, data)).encode()
    installed = Installed(Saying(said), PI, "animals")
    for ask in (installed.status, installed.tell, lambda: installed.switch("a"), lambda: installed.rollback("a")):
        if said := sentence_of(ask, EdgecnnError):  # type: ignore[assignment]
            assert said.isprintable()
        else:
            answer = ask()
            assert is_plain(vars(answer) if isinstance(answer, Status) else "")
