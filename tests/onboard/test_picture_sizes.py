"""Too large a picture is refused before it is unpacked, and what is no regular file is never waited for."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import DataError
from edgecnn.onboard import picture_files, picture_sizes, preprocessing

SIDE = 96


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 96 x 96 are the largest that are unpacked whole."""
    monkeypatch.setattr(picture_sizes, "MAX_PIXELS", SIDE * SIDE)
    monkeypatch.setattr(picture_sizes, "MAX_WEBP_PIXELS", SIDE * SIDE)


def image(width: int, height: int) -> Image.Image:
    down, right = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack(
            [down * 255 // height, right * 255 // width, (down + right) % 256], -1, dtype=np.uint8, casting="unsafe"
        )
    )


def encoded(shown: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    shown.save(stream, kind, **options)
    return stream.getvalue()


def decoded(picture: Path | bytes) -> np.ndarray:
    return preprocessing.decode(picture, height=16, width=16, channels=3)


def resized(whole: Image.Image) -> np.ndarray:
    return np.asarray(whole.resize((16, 16), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "tiff", "webp", "ppm"])
def test_a_picture_beyond_the_limit_is_refused_by_name_and_one_at_it_is_read(kind: str, tmp_path: Path) -> None:
    decoded(encoded(image(SIDE, SIDE), kind))
    path = tmp_path / f"large.{kind}"
    path.write_bytes(encoded(image(SIDE, SIDE + 1), kind))
    with pytest.raises(DataError, match=rf"Cannot read {path}: it declares 96 x 97 pixels, 9,216 are allowed\.") as no:
        decoded(path)
    assert no.value.hint == "make it smaller"


def test_a_jpeg_at_the_limit_is_unpacked_whole() -> None:
    data = encoded(image(SIDE, SIDE), "jpeg")
    assert np.array_equal(decoded(data), resized(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(("side", "by"), [(SIDE + 1, 2), (2 * SIDE, 2), (2 * SIDE + 1, 4), (4 * SIDE, 4)])
def test_a_larger_jpeg_is_unpacked_at_the_half_or_the_quarter_that_fits(side: int, by: int) -> None:
    data = encoded(image(side, side), "jpeg")
    smaller = Image.open(io.BytesIO(data))
    smaller.draft(None, (side // by, side // by))
    smaller.load()
    assert smaller.size == (-(-side // by), -(-side // by))
    assert np.array_equal(decoded(data), resized(smaller))


def test_a_jpeg_that_a_quarter_does_not_make_small_enough_is_refused() -> None:
    with pytest.raises(DataError, match="385 x 384 pixels, 147,456 are allowed"):
        decoded(encoded(image(4 * SIDE + 1, 4 * SIDE), "jpeg"))


def test_a_jpeg_in_several_scans_is_in_memory_whole_and_so_not_read_smaller() -> None:
    decoded(encoded(image(SIDE, SIDE), "jpeg", progressive=True))
    with pytest.raises(DataError, match="97 x 96 pixels, 9,216 of a JPEG in several scans are allowed"):
        decoded(encoded(image(SIDE + 1, SIDE), "jpeg", progressive=True))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = encoded(image(SIDE, SIDE), "jpeg", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(DataError, match="its JPEG has more than the 100 scans that are read"):
        decoded(data[:-2] + last * 200 + data[-2:])


def test_what_a_phone_appends_to_a_jpeg_is_no_scan() -> None:
    for options in ({}, {"progressive": True}):
        data = encoded(image(SIDE, SIDE), "jpeg", **options)
        assert np.array_equal(decoded(data + b"\xff\xda\x00\x02" * 500), decoded(data))


def test_a_jpeg_of_several_pictures_is_bounded_as_any_other() -> None:
    second = image(SIDE, SIDE)
    data = encoded(image(2 * SIDE, 2 * SIDE), "mpo", save_all=True, append_images=[second])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert np.array_equal(decoded(data), decoded(encoded(image(2 * SIDE, 2 * SIDE), "jpeg")))


def test_the_device_may_ask_for_fewer_but_never_reads_a_jpeg_otherwise() -> None:
    data = encoded(image(2 * SIDE, 2 * SIDE), "jpeg")
    whole = preprocessing.decode(data, height=16, width=16, channels=3, max_pixels=4 * SIDE * SIDE)
    assert np.array_equal(whole, decoded(data))
    with pytest.raises(DataError, match="192 x 192 pixels, 36,863 are allowed"):
        preprocessing.decode(data, height=16, width=16, channels=3, max_pixels=4 * SIDE * SIDE - 1)


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "endless.jpg"):
        with pytest.raises(DataError, match=f"Cannot read {tmp_path / name}: it is a pipe or a device"):
            decoded(tmp_path / name)
        assert not preprocessing.is_picture(tmp_path / name)


def test_among_pictures_only_regular_files_count_and_links_to_them(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(encoded(image(8, 8), "png"))
    (tmp_path / "link.png").symlink_to("real.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.jpg"))
        listing = picture_files.walk(tmp_path)
    assert [path.name for path in listing.pictures] == ["link.png", "real.png"]
    assert listing.left_out == {"pipe or device": 3}


MEMORY = """
import sys
from pathlib import Path
from edgecnn.onboard import preprocessing
preprocessing.decode(Path(sys.argv[1]), height=32, width=32, channels=3)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_the_largest_pictures_fit_the_memory_that_is_promised(tmp_path: Path) -> None:
    large = Image.linear_gradient("L").resize((5000, 5000))
    clear, webp = Image.merge("RGBA", (large,) * 4), Image.linear_gradient("L").resize((5000, 2500))
    clear.save(tmp_path / "transparent.png", compress_level=1)
    Image.merge("CMYK", (large,) * 4).save(tmp_path / "scans.jpg", progressive=True)
    Image.merge("RGBA", (webp,) * 4).save(tmp_path / "transparent.webp", lossless=True, method=0)
    for path in sorted(tmp_path.iterdir()):
        done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert 100_000 < int(done.stdout) < 340_000  # kB, of which Python and NumPy have 34,000
