"""Files that people keep among their pictures but that are not read, told by their suffix or first bytes."""

from __future__ import annotations

from dataclasses import dataclass

HEIF_PACKAGE = "pillow-heif"


@dataclass(frozen=True)
class Foreign:
    """A kind of files that are not read, and what to do with them."""

    name: str
    """What a file holds, as in "it holds a HEIC picture"."""
    suffixes: tuple[str, ...]
    mend: str
    starts: tuple[tuple[int, bytes], ...] = ()
    """(offset, bytes) pairs, each of which tells the kind by itself."""


def _brands(*names: str) -> tuple[tuple[int, bytes], ...]:
    """Return how an ISO base media file (ISO/IEC 14496-12) of these major brands begins."""
    return tuple((4, f"ftyp{name}".encode()) for name in names)


CONVERT = "convert them to JPEG"
KINDS = (
    Foreign(
        "a HEIC picture",
        (".heic", ".heif", ".hif"),
        f"pip install {HEIF_PACKAGE}, or {CONVERT}",
        _brands("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"),
    ),
    Foreign("an AVIF picture", (".avif",), f"pip install -U pillow, or {CONVERT}", _brands("avif", "avis")),
    Foreign("a JPEG XL picture", (".jxl",), CONVERT, ((0, b"\xff\x0a"), (4, b"JXL "))),
    Foreign("a JPEG 2000 picture", (".jp2", ".j2k", ".jpf", ".jpx"), CONVERT, ((4, b"jP  "), (0, b"\xff\x4f\xff\x51"))),
    Foreign(
        "a raw photo",
        (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw"),
        CONVERT,
        _brands("crx "),
    ),
    Foreign("an SVG drawing", (".svg", ".svgz"), CONVERT, ((0, b"<svg"),)),
    Foreign("a Photoshop file", (".psd", ".psb"), CONVERT, ((0, b"8BPS"),)),
    Foreign("a PDF", (".pdf",), CONVERT, ((0, b"%PDF"),)),
    Foreign(
        "a picture of a format that is not read",
        (".tga", ".ico", ".icns", ".pcx", ".dds", ".dib", ".eps", ".xcf", ".dcm", ".mpo"),
        CONVERT,
    ),
    Foreign(
        "a picture of float pixels",
        (".pfm", ".exr", ".hdr"),
        "save them as 8 or 16 bits a channel",
        ((0, b"PF\n"), (0, b"\x76\x2f\x31\x01"), (0, b"#?RADIANCE")),
    ),
    Foreign(
        "arrays", (".npy", ".npz", ".mat", ".h5", ".fits", ".nii"), "save each picture as PNG", ((0, b"\x93NUMPY"),)
    ),
    Foreign(
        "a film",
        (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".3gp", ".mpg", ".mpeg", ".wmv"),
        "save single frames as JPEG",
        ((4, b"ftyp"), (8, b"AVI "), (0, b"\x1aE\xdf\xa3")),
    ),
    Foreign(
        "a sound",
        (".wav", ".wave", ".mp3", ".flac", ".ogg", ".m4a"),
        "ask a model of sounds about them, which --data speech:FOLDER trains",
        ((8, b"WAVE"), (0, b"ID3"), (0, b"fLaC"), (0, b"OggS")),
    ),
    Foreign("an archive", (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"), "unpack them", ((0, b"PK\x03\x04"),)),
    Foreign("a web page", (), "download the picture itself", ((0, b"<!doctype"), (0, b"<html"))),
    Foreign("a pointer of Git LFS", (), "git lfs pull", ((0, b"version https://git-lfs"),)),
)
"""All kinds; where several begin alike, the narrowest stands first."""

BY_SUFFIX = {suffix: kind for kind in KINDS for suffix in kind.suffixes}

HEAD_BYTES = 64


def recognise(head: bytes) -> Foreign | None:
    """Recognise the kind of a file by its first HEAD_BYTES; None if it is none of KINDS."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for kind in KINDS:
        for offset, start in kind.starts:
            if head[offset:].startswith(start) or (start[:1] == b"<" and text.startswith(start)):
                return kind
    return None
