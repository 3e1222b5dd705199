"""The verb behind `edgecnn board`."""

import json
from pathlib import Path

import pytest
import sshd
from lent import lending
from sshd import Sshd, board

from edgecnn import boards
from edgecnn.boards.ssh import remote
from edgecnn.checks.board import board as verb
from edgecnn.checks.board import show
from edgecnn.common import plugins
from edgecnn.errors import BoardUnfit, LinkError, PlanError, UsageError
from edgecnn.records import environment, plans

__all__ = ["board", "lending"]

NAME = "ssh://board"


@pytest.fixture(autouse=True)
def own_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own boards, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "edgecnn" / "boards"
    folder.mkdir(parents=True)
    return folder


def test_every_kind_and_every_named_board_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    show.show_list(verb.list_boards())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(plugins.own_names("edgecnn.boards")) + len(
        list((plans.folder(plans.Suite) / "boards").glob("*.toml"))
    )
    assert any(line.startswith("ssh://user@host[:port]") for line in lines)
    assert any(line.startswith("example ") and "pi@raspberrypi.local" in line for line in lines)
    show.show_list(verb.list_boards(), as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == len(lines)


def test_the_example_is_a_board_that_could_be_used() -> None:
    kind, address = boards.find("example")
    assert kind.__name__ == "edgecnn.boards.ssh"  # type: ignore[attr-defined]
    assert address == "example"


def test_a_name_nobody_knows_gets_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        boards.find("exampel")
    assert "did you mean 'example'" in (caught.value.hint or "")


def test_a_named_board_with_a_wrong_key_is_refused(own_boards: Path) -> None:
    (own_boards / "mine.toml").write_text('adress = "pi"\n')
    with pytest.raises(PlanError, match=r"mine\.toml has an unknown key 'adress'"):
        show.show_info(verb.info("mine"))


def test_a_named_board_may_ask_for_a_python(own_boards: Path) -> None:
    (own_boards / "mine.toml").write_text('address = "pi"\npython = "/opt/python/bin/python3"\n')
    assert boards.preferred_python("mine") == "/opt/python/bin/python3"
    assert boards.preferred_python("ssh://pi") is None
    assert list(boards.named_boards()) == ["example", "mine"]


def test_a_board_of_the_users_hides_the_shipped_one_of_its_name(own_boards: Path) -> None:
    (own_boards / "example.toml").write_text('address = "pi@mine"\n')
    assert boards.named_boards()["example"].address == "pi@mine"


@sshd.needed
def test_info_says_what_a_board_is(lending: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    show.show_info(verb.info(NAME), as_json=True)
    table = json.loads(capsys.readouterr().out)
    assert table["cache"] == str(lending.cache)
    assert table["userland_bits"] == 64
    show.show_info(verb.info(NAME))
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["cache", str(lending.cache)] for line in lines)
    assert lines[0].split(maxsplit=1) == ["machine", environment.machine_name(environment.here())]
    assert not lending.cache.exists()


def test_info_of_this_machine_needs_no_link(capsys: pytest.CaptureFixture[str]) -> None:
    show.show_info(verb.info("local"), as_json=True)
    assert json.loads(capsys.readouterr().out)["cores"] >= 1
    show.show_info(verb.info("local"))
    assert environment.machine_name(environment.here()) in capsys.readouterr().out.splitlines()[0]


@sshd.needed
def test_doctor_goes_all_the_way_to_a_running_worker(lending: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    lending.put_program("vcgencmd", "echo throttled=0x50005")
    show.show_checks(verb.doctor(NAME))
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "ok    nothing is in the way of a measurement"
    assert f"ok    {environment.machine_name(environment.here())}\n" in said.out
    assert "the worker runs there with" in said.out
    assert "under-voltage" in said.err


@sshd.needed
def test_doctor_names_everything_in_the_way(lending: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    lending.put_program("uname", '[ "$1" = -m ] && echo armv7l || exec /bin/uname "$@"')
    lending.put_program("getconf", '[ "$1" = LONG_BIT ] && echo 32 || echo glibc 2.24')
    with pytest.raises(BoardUnfit, match="32-bit"):
        show.show_checks(verb.doctor(NAME))
    out = capsys.readouterr().out
    assert [line[:2] for line in out.splitlines()] == ["ok", "no", "no"]
    assert not lending.cache.exists(), "something was copied"


@sshd.needed
def test_doctor_of_a_board_that_is_off(lending: Sshd) -> None:
    lending.stop()
    with pytest.raises(LinkError, match="cannot be reached"):
        show.show_checks(verb.doctor(NAME))


@sshd.needed
def test_clean_empties_the_cache_but_not_under_a_bench(lending: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    with remote.open_board(lending.destination, lending.options):
        with pytest.raises(BoardUnfit, match="in use by a bench"):
            show.show_cleaned(verb.clean(NAME))
        assert list(lending.cache.glob("files/*/worker.pyz"))
    (lending.cache / "files" / "x.part.1").write_bytes(bytes(2_000_000))  # a power cut left it
    show.show_cleaned(verb.clean(NAME))
    freed_mb = float(capsys.readouterr().out.split()[-3])
    assert freed_mb >= 2.0
    assert [path.name for path in lending.cache.iterdir()] == ["lock"]
    with remote.open_board(lending.destination, lending.options):
        assert list(lending.cache.glob("files/*/worker.pyz"))  # sent anew


@sshd.needed
def test_cleaning_a_board_that_was_never_used(lending: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    show.show_cleaned(verb.clean(NAME))
    assert "0.0 MB freed" in capsys.readouterr().out
    assert not lending.cache.exists()


def test_this_machine_has_nothing_to_clean() -> None:
    with pytest.raises(UsageError, match="without a link"):
        show.show_cleaned(verb.clean("local"))
