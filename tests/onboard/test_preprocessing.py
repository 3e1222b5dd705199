import io
import math
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecnn.errors import DataError
from edgecnn.onboard.preprocessing import decode, suffixes

Pixels = npt.NDArray[np.uint8]

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "png", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def same_size(data: bytes, channels: int = 3) -> Pixels:
    """Decoded without a resize."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    return decode(data, height=height, width=width, channels=channels)


@settings(deadline=None)
@given(SHAPES, st.integers(0, 99))
def test_a_lossless_picture_of_the_right_size_comes_back_as_it_was(shape: tuple[int, int], seed: int) -> None:
    pixels = noise(*shape, seed=seed)
    assert np.array_equal(same_size(encoded(Image.fromarray(pixels))), pixels)


# What the EXIF standard (CIPA DC-008) calls row 0 and column 0, put back to top and left.
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@settings(deadline=None)
@given(st.sampled_from(sorted(UPRIGHT)), SHAPES)
def test_exif_orientation_is_applied(orientation: int, shape: tuple[int, int]) -> None:
    stored = noise(*shape)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = UPRIGHT[orientation](stored)
    data = encoded(Image.fromarray(stored), exif=exif)
    assert np.array_equal(decode(data, height=upright.shape[0], width=upright.shape[1], channels=3), upright)


def test_grey_becomes_three_equal_channels() -> None:
    grey = noise(5, 7, 1)
    pixels = same_size(encoded(Image.fromarray(grey[..., 0])))
    assert np.array_equal(pixels, np.repeat(grey, 3, axis=2))


def test_colour_becomes_grey_by_the_luma_of_bt_601() -> None:
    colours = noise(9, 9)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    pixels = same_size(encoded(Image.fromarray(colours)), channels=1)
    assert pixels.shape == (9, 9, 1)
    assert np.abs(pixels[..., 0] - luma).max() < 1


def test_transparency_is_laid_on_black() -> None:
    pixels = noise(6, 6, 4)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    shown = same_size(encoded(Image.fromarray(pixels)))
    assert not shown[0].any()
    assert np.array_equal(shown[1], pixels[1, :, :3])
    expected = pixels[..., :3] * (pixels[..., 3:] / 255.0)
    assert np.abs(shown - expected).max() <= 1


def test_grey_with_transparency_is_laid_on_black() -> None:
    image = Image.fromarray(noise(4, 4, 2), mode=None).convert("LA")
    image.putalpha(0)
    assert not same_size(encoded(image)).any()


def test_a_palette_becomes_its_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 0), 1)
    assert same_size(encoded(image)).tolist() == [[[0, 0, 0], [10, 20, 30]]]


def test_the_transparent_colour_of_a_palette_is_laid_on_black() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 200, 200, 10, 20, 30])
    image.putpixel((1, 0), 1)
    assert same_size(encoded(image, transparency=0)).tolist() == [[[0, 0, 0], [10, 20, 30]]]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    red, green, blue = same_size(encoded(image, "jpeg", quality=100))[4, 4]
    assert red < 5
    assert green > 250
    assert blue > 250


def test_black_and_white_is_0_and_255() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert same_size(encoded(image), channels=1).ravel().tolist() == [0, 255]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_of_16_bits_the_upper_8_are_kept(kind: str) -> None:
    deep = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    assert same_size(encoded(Image.fromarray(deep), kind), channels=1).ravel().tolist() == [0, 0, 1, 128, 255]


def test_of_an_animation_the_first_frame_is_taken() -> None:
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    data = encoded(first, "gif", save_all=True, append_images=[second])
    assert same_size(data)[0, 0].tolist() == [255, 0, 0]


# --- the resize rule


def resized(pixels: Pixels, height: int, width: int) -> npt.NDArray[np.float64]:
    """RESIZE_RULE in floating point."""
    old_height, old_width = pixels.shape[:2]
    ratio = Fraction(width, height)
    crop_height = max(1, min(old_height, math.floor(old_width / ratio)))
    crop_width = max(1, min(old_width, math.floor(old_height * ratio)))
    top, left = (old_height - crop_height) // 2, (old_width - crop_width) // 2
    out = pixels[top : top + crop_height, left : left + crop_width].astype(np.float64)
    for axis, new in ((0, height), (1, width)):
        old = out.shape[axis]
        centres = (np.arange(new) + 0.5) * old / new
        reach = max(1.0, old / new)
        weights = np.clip(1 - np.abs(np.arange(old) + 0.5 - centres[:, None]) / reach, 0, None)
        weights /= weights.sum(axis=1, keepdims=True)
        out = np.moveaxis(np.tensordot(weights, out, axes=(1, axis)), 0, axis)
    return out


@settings(deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 24), st.integers(1, 24)))
def test_resizing_follows_the_stated_rule(old: tuple[int, int], new: tuple[int, int]) -> None:
    pixels = noise(*old)
    result = decode(encoded(Image.fromarray(pixels)), height=new[0], width=new[1], channels=3)
    # Pillow rounds to 8 bits after each axis.
    assert np.abs(result - resized(pixels, *new)).max() <= 1.01


def test_shrinking_averages_what_it_leaves_out() -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (64, 32))
    pixels = decode(encoded(Image.fromarray(stripes)), height=8, width=8, channels=1)
    # Taking every eighth pixel would give stripes of 0 or 255.
    assert np.abs(pixels.astype(int) - 127.5).max() < 5


def test_the_middle_of_an_oblong_is_kept() -> None:
    pixels = np.zeros((10, 30, 1), dtype=np.uint8)
    pixels[:, 10:20] = 255
    assert (decode(encoded(Image.fromarray(pixels[..., 0])), height=10, width=10, channels=1) == 255).all()


# --- what cannot be read


@settings(deadline=None)
@given(st.floats(0, 0.95))
def test_a_truncated_jpeg_is_named_and_refused(share: float) -> None:
    whole = encoded(Image.fromarray(noise(32, 32)), "jpeg")
    part = whole[: int(share * len(whole))]
    with pytest.raises(DataError, match=f"Cannot read a picture of {len(part)} bytes: .+"):
        decode(part, height=32, width=32, channels=3)


def test_a_broken_file_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(encoded(Image.fromarray(noise(32, 32)), "jpeg")[:-200])
    with pytest.raises(DataError, match=r"cat\.jpg.*truncated") as caught:
        decode(path, height=8, width=8, channels=3)
    assert caught.value.hint == "remove or replace it"
    assert caught.value.exit_code == 64


def test_a_missing_file_and_a_text_file_say_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file or directory"):
        decode(tmp_path / "none.png", height=8, width=8, channels=3)
    with pytest.raises(DataError, match="no picture format that Pillow knows"):
        decode(b"a shopping list", height=8, width=8, channels=3)


def test_a_decompression_bomb_is_refused() -> None:
    header = struct.pack(">4sIIBBBBB", b"IHDR", 50_000, 50_000, 8, 0, 0, 0, 0)
    data = encoded(Image.new("L", (1, 1)))
    bomb = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    with pytest.raises(DataError, match="50000 x 50000 pixels, 25,000,000 are allowed"):
        decode(bomb, height=8, width=8, channels=1)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much that it then reads
@settings(deadline=None)
@given(st.sampled_from(["png", "jpeg", "gif", "tiff", "bmp", "webp", "ppm"]), st.data())
def test_damaged_bytes_give_pixels_or_a_data_error(kind: str, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("png", "jpeg", "tiff", "webp") else {}
    damaged = bytearray(encoded(Image.fromarray(noise(9, 9)), kind, **options))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(damaged), height=8, width=8, channels=3)
    except DataError:
        return
    assert pixels.shape == (8, 8, 3)


def test_pictures_have_one_or_three_channels() -> None:
    with pytest.raises(DataError, match="1 or 3 channels, not 2"):
        decode(encoded(Image.new("L", (1, 1))), height=1, width=1, channels=2)


def test_suffixes_are_lower_case_and_known_to_pillow() -> None:
    Image.init()
    assert set(Image.registered_extensions()) >= set(suffixes())
