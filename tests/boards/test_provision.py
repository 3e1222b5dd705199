"""Packages for a board, made here and sent once."""

import dataclasses
import importlib.metadata
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sshd
from pi import PI
from sshd import Sshd, board

from edgecnn.boards.ssh import board_cache, board_facts, link, provision
from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.errors import BoardUnfit, LinkError, MissingPackage

__all__ = ["board"]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This machine's cache, empty at first and shared by the tests, so that a wheel is fetched once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def of_this_machine(board: Sshd) -> BoardFacts:
    with link.connect(board.destination, board.options) as opened:
        return board_facts.read(opened, sys.executable)


def test_versions_are_the_ones_used_here_down_to_the_last_dependency() -> None:
    pins = provision.pinned(["ai-edge-litert", "pillow"])
    for name in ("ai-edge-litert", "numpy", "flatbuffers", "protobuf", "pillow"):
        assert pins[name] == importlib.metadata.version(name)
    assert "torch" not in pins
    assert provision.pinned(["numpy==1.0"]) == {"numpy": "1.0"}


def test_what_is_not_installed_here_needs_a_version() -> None:
    with pytest.raises(MissingPackage, match="no-such-package"):
        provision.pinned(["no-such-package"])


def test_every_manylinux_up_to_the_board_s_glibc_is_taken() -> None:
    tags = provision.platforms(dataclasses.replace(PI, glibc=(2, 28)))
    assert tags[0] == "manylinux_2_28_aarch64"
    assert "manylinux_2_17_aarch64" in tags
    assert "manylinux2014_aarch64" in tags
    assert not [tag for tag in tags if "2_29" in tag or "x86" in tag]


@sshd.needed
def test_numpy_arrives_works_and_is_sent_once(board: Sshd) -> None:
    facts = of_this_machine(board)
    assert facts.python is not None
    with link.connect(board.destination, board.options) as opened:
        site = provision.provision(opened, facts, ["numpy"])
        code = "import numpy; print(numpy.__version__, numpy.__file__, numpy.ones((2, 3)).sum())"
        argv = ["env", f"PYTHONPATH={site}", facts.python.path, "-S", "-s", "-P", "-c", code]
        version, place, total = opened.run(argv).stdout.decode().split()
        assert (version, total) == (importlib.metadata.version("numpy"), "6.0")
        assert Path(place).is_relative_to(site)
        stamp = Path(site).stat().st_mtime_ns
        assert provision.provision(opened, facts, ["numpy"]) == site
    assert Path(site).stat().st_mtime_ns == stamp
    assert Path(site).parent == board.cache / "folders"
    assert [path.name for path in (board.cache / "folders").iterdir()] == [Path(site).name]
    assert not (Path(site) / "bin").exists()


@sshd.needed
def test_the_same_wheels_make_the_same_bytes(board: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = of_this_machine(board)
    first = provision.site_archive(facts, ["iniconfig"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    second = provision.site_archive(facts, ["iniconfig"])
    assert first != second
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in second.read_bytes()


def test_a_version_without_a_wheel_is_named_with_the_board_it_is_missing_for() -> None:
    facts = dataclasses.replace(PI, glibc=(2, 36))
    with pytest.raises(
        BoardUnfit, match=r"no wheel of iniconfig==0\.0\.77 for pi@pi: Python 3\.11, aarch64, glibc 2\.36"
    ):
        provision.site_archive(facts, ["iniconfig==0.0.77"])
    assert not provision.archive_path(facts, ["iniconfig==0.0.77"]).exists()


def archive(folder: Path, size: int = 1000) -> Path:
    tree = folder / "tree"
    tree.mkdir(parents=True)
    (tree / "a.py").write_text("x = 1\n")
    (tree / "zeros").write_bytes(bytes(size))
    path = folder / "tree.zip"
    board_cache.pack(tree, path)
    return path


@sshd.needed
def test_no_room_is_said_before_anything_is_copied(board: Sshd, tmp_path: Path) -> None:
    path = archive(tmp_path)
    facts = dataclasses.replace(of_this_machine(board), disk_free_bytes=1000)
    with link.connect(board.destination, board.options) as opened, pytest.raises(BoardUnfit, match="0 MB free"):
        board_cache.BoardCache(opened, facts).unpack(path)
    assert not board.cache.exists()


@sshd.needed
def test_a_disk_that_fills_up_while_unpacking_leaves_no_half_folder(board: Sshd, tmp_path: Path) -> None:
    path = archive(tmp_path, 3_000_000)  # zeros: small as an archive, large unpacked
    facts = of_this_machine(board)
    board.limits.write_text("ulimit -f 1000\n")
    with link.connect(board.destination, board.options) as opened, pytest.raises(BoardUnfit, match="File too large"):
        board_cache.BoardCache(opened, facts).unpack(path)
    assert list((board.cache / "folders").iterdir()) == []
    board.limits.write_text("")
    with link.connect(board.destination, board.options) as opened:
        folder = board_cache.BoardCache(opened, facts).unpack(path)
    assert (Path(folder) / "zeros").stat().st_size == 3_000_000


@sshd.needed
def test_a_link_cut_while_a_folder_is_sent_leaves_none(board: Sshd, tmp_path: Path) -> None:
    path = archive(tmp_path)
    facts = of_this_machine(board)
    with link.connect(board.destination, board.options) as opened:
        there = board_cache.BoardCache(opened, facts)
        board.cut()
        with pytest.raises(LinkError, match="was cut"):
            there.unpack(path)
    assert not list(board.home.rglob("a.py"))
    with link.connect(board.destination, board.options) as opened:
        assert (Path(board_cache.BoardCache(opened, facts).unpack(path)) / "a.py").read_text() == "x = 1\n"


def test_a_packed_folder_has_the_same_bytes_whenever_it_was_written(tmp_path: Path) -> None:
    first, second = archive(tmp_path / "one"), archive(tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    assert zipfile.ZipFile(first).testzip() is None
