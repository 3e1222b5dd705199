"""Pixels of every depth and type: those that state their white are scaled by it, the others refused by name."""

import io
from pathlib import Path

import numpy as np
import pytest
from odd_pictures import in_bits, png, tiff
from PIL import Image

from edgecnn.errors import DataError
from edgecnn.onboard import preprocessing

SHARES = np.linspace(0, 1, 9)[None].repeat(4, 0)  # (4, 9): a ramp from black to white
ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def ramp(white: float, kind: str) -> np.ndarray:
    return (SHARES * white).round().astype(kind) if kind[0] != "f" else (SHARES * white).astype(kind)


def colours(white: float, kind: str) -> np.ndarray:
    return np.stack([ramp(white, kind)] * 3, axis=-1)


def row(data: bytes, channels: int = 1) -> list[int]:
    return preprocessing.decode(data, height=4, width=9, channels=channels)[1, :, 0].tolist()


def is_a_ramp(data: bytes, off: int = 1) -> bool:
    exact = SHARES[1] * 255
    return all(np.abs(np.array(row(data, channels)) - exact).max() <= off for channels in (1, 3))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        row(data)
    assert caught.value.hint == "save it as 8 or 16 bits a channel"
    return caught.value.sentence.removeprefix(f"Cannot read a picture of {len(data)} bytes: ")


# --- a white that is stated


@ORDERS
def test_a_tiff_of_16_bits_is_scaled_by_its_white(order: str) -> None:
    assert is_a_ramp(tiff(ramp(65535, "u2"), order))
    assert is_a_ramp(tiff(colours(65535, "u2"), order))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_compressed_tiff_of_16_bits_is_scaled_by_its_white(compression: str) -> None:
    assert is_a_ramp(encoded(Image.fromarray(ramp(65535, "u2")), "tiff", compression=compression))


def test_a_tiff_of_12_bits_is_scaled_by_its_white() -> None:
    pixels = ramp(4095, "u2")
    assert is_a_ramp(tiff(pixels, bits=12, data=in_bits(pixels, 12)))


@pytest.mark.parametrize("bits", [2, 4])
def test_a_tiff_of_few_greys_is_scaled_by_its_white(bits: int) -> None:
    pixels = ramp(2**bits - 1, "u1")
    assert row(tiff(pixels, bits=bits, data=in_bits(pixels, bits))) == (pixels[1] * (255 // (2**bits - 1))).tolist()


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_in_a_tiff_white_may_be_zero(kind: str) -> None:
    white = np.iinfo(kind).max
    assert is_a_ramp(tiff(white - ramp(white, kind), photometric=0))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_is_scaled_by_its_white(bits: int) -> None:
    assert is_a_ramp(png(ramp(2**bits - 1, "u2"), bits))
    assert is_a_ramp(png(colours(2**bits - 1, "u2"), bits))


@pytest.mark.parametrize("white", [100, 255, 1023, 4095, 65535])
def test_a_pgm_is_scaled_by_the_white_it_declares(white: int) -> None:
    pixels = ramp(white, ">u2" if white > 255 else "u1")
    words = " ".join(map(str, pixels.ravel().tolist())).encode()
    assert is_a_ramp(b"P5 9 4 %d\n" % white + pixels.tobytes(), off=2)
    assert is_a_ramp(b"P2 9 4 %d\n" % white + words + b"\n", off=2)
    assert is_a_ramp(b"P6 9 4 %d\n" % white + pixels.repeat(3, axis=1).tobytes(), off=2)


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "RGBA", "LA", "CMYK"])
def test_a_tiff_of_another_colour_space_becomes_grey_and_rgb(mode: str) -> None:
    grey = Image.fromarray(ramp(255, "u1"))
    image = grey.convert("RGB" if mode in ("CMYK", "LAB", "YCbCr") else mode)
    if mode == "LAB":
        image = Image.merge("LAB", [grey, *[Image.new("L", (9, 4), 128)] * 2])
        # L* 50 is the middle to the eye, sRGB 119.
        assert row(encoded(image, "tiff"))[4] == pytest.approx(119, abs=1)
    else:
        assert is_a_ramp(encoded(image.convert(mode), "tiff"), off=2)


@ORDERS
def test_grey_with_multiplied_transparency_is_read(order: str) -> None:
    pixels = np.stack([ramp(255, "u1"), np.full((4, 9), 255, "u1")], axis=-1)
    assert is_a_ramp(tiff(pixels, order, more={338: 1}))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_laid_on_black(bits: int) -> None:
    white = 2**bits - 1
    opaque, clear = (row(png(ramp(white, "u2"), bits, transparent)) for transparent in (None, white))
    assert opaque[-1] == 255
    assert clear == [0 if grey == 255 else grey for grey in opaque]


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff", "avif"])
def test_of_many_frames_the_first_is_taken(kind: str) -> None:
    if kind == "avif" and "AVIF" not in preprocessing.formats():
        pytest.skip("this Pillow reads no AVIF")
    first, second = Image.new("RGB", (9, 4), "red"), Image.new("RGB", (9, 4), "blue")
    data = encoded(first, kind, save_all=True, append_images=[second])
    pixel = preprocessing.decode(data, height=4, width=9, channels=3)[0, 0]
    assert pixel.tolist() == pytest.approx([255, 0, 0], abs=2)


# --- none that is stated


@ORDERS
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("f2", "16-bit float pixels have no stated white."),
        ("f4", "32-bit float pixels have no stated white."),
        ("f8", "64-bit float pixels have no stated white."),
        ("i1", "8-bit signed pixels have no stated white."),
        ("i2", "16-bit signed pixels have no stated white."),
        ("i4", "32-bit signed pixels have no stated white."),
        ("c8", "complex pixels have no stated white."),
        ("u4", "32-bit pixels are more than the 16 bits that are read."),
    ],
)
def test_pixels_without_a_stated_white_are_refused_by_name(kind: str, words: str, order: str) -> None:
    assert refused(tiff(SHARES.astype(kind), order)) == words
    assert refused(tiff(np.stack([SHARES.astype(kind)] * 3, axis=-1), order)) == words


@pytest.mark.parametrize("mode", ["F", "I"])
def test_what_pillow_saves_without_a_white_is_refused(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "depth.tif"
    Image.fromarray(ramp(255, "u1")).convert(mode).save(path)
    with pytest.raises(DataError, match=r"Cannot read .*depth\.tif: 32-bit (float|signed) pixels have no stated white"):
        preprocessing.decode(path, height=4, width=9, channels=1)


def test_a_float_map_is_refused_by_name() -> None:
    assert refused(b"Pf\n9 4\n-1.0\n" + ramp(1, "f4").tobytes()) == "32-bit float pixels have no stated white."
    with pytest.raises(DataError, match="it holds a picture of float pixels"):
        row(b"PF\n9 4\n-1.0\n" + colours(1, "f4").tobytes())


@ORDERS
def test_a_layout_that_pillow_reads_wrong_is_refused(order: str) -> None:
    assert "separate planes" in refused(tiff(colours(65535, "u2"), order, separate_planes=True))
    assert is_a_ramp(tiff(colours(255, "u1"), order, separate_planes=True))


def test_a_layout_that_pillow_does_not_know_is_named() -> None:
    five = np.stack([ramp(255, "u1")] * 5, axis=-1)
    assert refused(tiff(five)).startswith("Pillow does not know a TIFF of 8 + 8 + 8 + 8 + 8 bits a pixel")


# --- what a file with a picture's name may hold


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "a film"),
        (b"\xff\x0a\xfa\x7f", "a JPEG XL picture"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\n <!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\x93NUMPY\1\0", "arrays"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_what_is_no_picture_is_named_by_its_content(head: bytes, words: str) -> None:
    if "HEIF" in preprocessing.formats() and "HEIC" in words:
        pytest.skip("it is read here")
    with pytest.raises(DataError, match=f": it holds {words}") as caught:
        row(head + bytes(200))
    assert caught.value.hint != "remove or replace it"


def test_a_wrong_suffix_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "really a png.jpg"
    path.write_bytes(png(ramp(255, "u1"), 8))
    assert preprocessing.decode(path, height=4, width=9, channels=1)[1, :, 0].tolist() == ramp(255, "u1")[1].tolist()
