"""`edgecnn list` and the groups of `edgecnn --help`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from checkout import ROOT

from edgecnn import cli
from edgecnn.cli import groups, listing
from edgecnn.common import plugins
from edgecnn.errors import UsageError


def test_everything_is_listed_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    listing.list_names()
    lines = capsys.readouterr().out.splitlines()
    assert [line.removesuffix(":") for line in lines if not line.startswith(" ")] == list(listing.KINDS)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("kind", listing.KINDS)
def test_every_name_has_a_caption(kind: str) -> None:
    captions = listing.KINDS[kind]()
    assert captions
    assert all(caption.strip() and "\n" not in caption for caption in captions.values())


@pytest.mark.parametrize(
    ("kind", "package"),
    [("nets", "edgecnn.nets.architectures"), ("data", "edgecnn.data"), ("formats", "edgecnn.formats")],
)
def test_plugins_are_listed_by_their_names(kind: str, package: str) -> None:
    assert tuple(listing.KINDS[kind]()) == plugins.own_names(package)


def test_one_kind_is_told_in_whole_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    listing.list_names("nets")
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.endswith("...") or len(line) > 80]


def test_the_list_as_json_maps_kinds_to_names_to_captions(capsys: pytest.CaptureFixture[str]) -> None:
    listing.list_names("zoo", as_json=True)
    table = json.loads(capsys.readouterr().out)
    assert table["zoo"]["zoo:fashion-10k"].startswith("fashion-mnist: int8 ")


def test_an_unknown_kind_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="'netz'") as caught:
        listing.list_names("netz")
    assert "did you mean 'nets'" in (caught.value.hint or "")


def test_listing_loads_no_net() -> None:
    code = "import sys; from edgecnn.cli import listing; listing.list_names(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_every_command_is_in_one_group() -> None:
    from typer.main import get_command

    names = [name for group in groups.GROUPS.values() for name in group]
    assert sorted(names) == sorted(get_command(cli.app).commands)  # type: ignore[attr-defined]
