"""Archives of strangers: what their members are, and that nothing in them leads out, back or on for ever."""

import contextlib
import io
import struct
import tarfile
from collections import Counter
from pathlib import Path

import kept_pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data import _tar
from edgecnn.errors import DataError

MEMBERS = {"a/1.jpg": b"one", "a/1.cls": b"0", "a/2.jpg": bytes(2000), "a/2.cls": b"1"}


def read(path: Path) -> tuple[dict[str, bytes], Counter[str]]:
    """Return the archive's contents, by its members' places in the file, and what was left out."""
    left_out: Counter[str] = Counter()
    content = path.read_bytes()
    return {
        member.name: content[member.start : member.start + member.size_bytes] for member in _tar.members(path, left_out)
    }, left_out


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in caught.value.sentence
    return caught.value.sentence


def header(name: bytes, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """One header whose size may be anything, below zero too, as GNU tar writes what octal digits cannot say."""
    info = tarfile.TarInfo(name.decode())
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 4 + struct.pack(">q", size) if size < 0 else b"\x80" + size.to_bytes(11)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_are_found_where_their_bytes_lie(tmp_path: Path, form: int) -> None:
    names = {**MEMBERS, f"{'long/' * 15}é.jpg": b"deep"}
    with tarfile.open(tmp_path / "x.tar", "w", format=form) as archive:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert read(tmp_path / "x.tar") == (names, Counter())


def test_links_devices_and_files_with_holes_are_counted_and_folders_are_not(tmp_path: Path) -> None:
    kinds = (
        tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.GNUTYPE_SPARSE,
        tarfile.DIRTYPE,
    )  # fmt: skip
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for number, kind in enumerate(kinds):
            info = tarfile.TarInfo(f"{number}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert read(tmp_path / "x.tar") == ({}, Counter({_tar.LINK: 2, _tar.SPECIAL: 3, _tar.SPARSE: 1}))


def test_a_link_may_claim_any_size(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(header(b"a.jpg", 1 << 40, tarfile.SYMTYPE) + bytes(1024))
    assert read(tmp_path / "x.tar") == ({}, Counter({_tar.LINK: 1}))


def test_a_name_that_leads_out_is_a_name_only(tmp_path: Path) -> None:
    names = {"/etc/passwd.jpg": b"a", "../../x.jpg": b"b"}
    assert read(kept_pictures.write_tar(tmp_path / "x.tar", names))[0] == names
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


@pytest.mark.parametrize("size", [-1, -512, -1024, -(1 << 40)])
def test_a_size_below_zero_does_not_lead_back(tmp_path: Path, size: int) -> None:
    (tmp_path / "x.tar").write_bytes(header(b"a.jpg", 0) + header(b"b.jpg", size) + bytes(1024))
    assert refused(tmp_path / "x.tar").startswith(f"{tmp_path}/x.tar cannot be read: ")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("size", [1 << 40, (1 << 62) - 1])
def test_a_size_of_gigabytes_takes_no_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    (tmp_path / "x.tar").write_bytes(header(b"a.jpg", 0) + header(b"b.jpg", size, kind) + bytes(1024))
    assert refused(tmp_path / "x.tar").startswith(f"{tmp_path}/x.tar cannot be read: ")


def test_a_chain_of_headers_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes((header(b"a", 1, tarfile.GNUTYPE_LONGNAME) + b"x" * 512) * 3000 + bytes(1024))
    assert refused(tmp_path / "x.tar").startswith(f"{tmp_path}/x.tar cannot be read: ")


@pytest.mark.parametrize("kept", [100, 700, 1600, 3000])
def test_an_archive_that_was_cut_short_is_not_half_read(tmp_path: Path, kept: int) -> None:
    path = kept_pictures.write_tar(tmp_path / "x.tar", MEMBERS)
    path.write_bytes(path.read_bytes()[:kept])
    assert refused(path).startswith(f"{path} cannot be read: ")


def test_an_archive_that_ends_between_two_members_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kept_pictures.write_tar(tmp_path / "x.tar", MEMBERS)
    path.write_bytes(path.read_bytes()[:2048])
    assert list(read(path)[0]) == ["a/1.jpg", "a/1.cls"]
    assert f"warning: {path} has no mark at its end: was it cut short?\n" == capsys.readouterr().err


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    path = kept_pictures.write_tar(tmp_path / "x.tar", MEMBERS)
    content = bytearray(path.read_bytes())
    content[1030] ^= 1
    path.write_bytes(content)
    assert refused(path) == f"{path} cannot be read: the header at byte 1,024 is damaged."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\x1f\x8b\x08rest", "it is packed by gzip"),
        (b"PK\x03\x04" + bytes(60), "it is the first part of a zip archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "it is a PNG picture"),
    ],
)
def test_what_is_no_archive_is_told_by_its_content(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    assert refused(tmp_path / "x.tar") == f"{tmp_path}/x.tar cannot be read: {reason}."


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 6143), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_ends_in_members_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    path = kept_pictures.write_tar(tmp_path_factory.getbasetemp() / "damaged.tar", MEMBERS)
    content = bytearray(path.read_bytes())
    for place, value in damage:
        content[place] = value
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert all(len(held) <= len(content) for held in read(path)[0].values())
