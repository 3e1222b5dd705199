"""A picture of any size becomes the same bytes in training and on a device, by every mode."""

import contextlib
import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgecnn.data import _decoded
from edgecnn.errors import PlanError
from edgecnn.onboard import preprocessing
from edgecnn.records import resizing
from edgecnn.records.resizing import CROP, Resizing

Pixels = npt.NDArray[np.uint8]

SIDES = st.integers(1, 60)
TARGETS = st.sampled_from([64, 96, 128, 160, 224]) | st.integers(1, 40)
RESIZINGS = st.one_of(
    st.builds(Resizing, share=st.floats(0.05, 1), draft=st.booleans()),
    st.builds(Resizing, mode=st.just("squash"), draft=st.booleans()),
    st.builds(Resizing, mode=st.just("letterbox"), fill=st.integers(0, 255), draft=st.booleans()),
)

# What the program of a bundle does to a picture, in a process that cannot import torch.
DEVICE = """
import json, sys
sys.modules["torch"] = None
from pathlib import Path
from edgecnn.common import config
from edgecnn.onboard import preprocessing
from edgecnn.records.artifact import Preprocessing
for line in sys.stdin:
    card, picture = json.loads(line)
    size = config.build(Preprocessing, card, "a card")
    pixels = preprocessing.decode(
        Path(picture), height=size.height, width=size.width, channels=size.channels, resizing=size.resizing
    )
    print(pixels.tobytes().hex(), flush=True)
"""


def picture(height: int, width: int, seed: int = 0, coarse: int = 5) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (coarse, coarse, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def fitted(image: Image.Image, height: int, width: int, how: Resizing) -> Pixels:
    return preprocessing.fit(image, height=height, width=width, channels=3, resizing=how)


@pytest.fixture(scope="module")
def device() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", DEVICE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.close()


@settings(deadline=None, max_examples=150)
@given(SIDES, SIDES, TARGETS, TARGETS, st.sampled_from([1, 3]), RESIZINGS, st.sampled_from(["jpeg", "png"]))
def test_a_device_without_torch_makes_the_bytes_of_training(
    tmp_path_factory: pytest.TempPathFactory,
    device: subprocess.Popen[str],
    height: int,
    width: int,
    to_height: int,
    to_width: int,
    channels: int,
    how: Resizing,
    kind: str,
) -> None:
    path = tmp_path_factory.getbasetemp() / f"picture.{kind}"
    picture(height, width, seed=height * width).save(path, kind)
    trained = preprocessed_for_training(path, (to_height, to_width, channels), how)
    card = {
        "height": to_height, "width": to_width, "channels": channels, "colour_order": "RGB",
        "resize": how.rule, "resizing": dataclasses.asdict(how),
    }  # fmt: skip
    assert device.stdin is not None
    assert device.stdout is not None
    print(json.dumps([card, str(path)]), file=device.stdin, flush=True)
    assert bytes.fromhex(device.stdout.readline()) == trained.tobytes()


def preprocessed_for_training(path: Path, shape: tuple[int, int, int], how: Resizing) -> Pixels:
    """Return the pixels in the cache that a training reads from."""
    pixels, errors = _decoded._decode([path], shape, resizing.parse(str(how)))
    assert not errors
    return pixels[0]


@given(RESIZINGS)
def test_the_text_of_a_recipe_says_all_of_it(how: Resizing) -> None:
    assert resizing.parse(str(how)) == how


@given(SIDES, SIDES, TARGETS, TARGETS, RESIZINGS)
def test_parts_lie_inside_and_are_not_empty(
    width: int, height: int, to_width: int, to_height: int, how: Resizing
) -> None:
    for (left, top, right, bottom), (most_width, most_height) in (
        (how.box(width, height, to_width, to_height), (width, height)),
        (how.place(width, height, to_width, to_height), (to_width, to_height)),
    ):
        assert 0 <= left < right <= most_width
        assert 0 <= top < bottom <= most_height


@settings(deadline=None)
@given(SIDES, SIDES, TARGETS, TARGETS)
def test_a_squashed_picture_is_pillows_own_resize(height: int, width: int, to_height: int, to_width: int) -> None:
    image = picture(height, width)
    expected = np.asarray(image.resize((to_width, to_height), Image.Resampling.BILINEAR))
    assert np.array_equal(fitted(image, to_height, to_width, Resizing(mode="squash")), expected)


@pytest.mark.parametrize(("height", "width"), [(30, 60), (60, 30), (45, 45), (60, 20)])
@pytest.mark.parametrize("target", [(64, 64), (24, 32), (120, 160)])
def test_a_letterbox_holds_the_whole_picture_between_bars(height: int, width: int, target: tuple[int, int]) -> None:
    image, to_size = picture(height, width), target[::-1]
    ours = fitted(image, *target, Resizing(mode="letterbox", fill=114))
    inside = ImageOps.contain(image, to_size, Image.Resampling.BILINEAR)
    bars = ours.shape[0] * ours.shape[1] - inside.width * inside.height
    assert (ours == 114).all(axis=2).sum() >= bars
    theirs = np.asarray(ImageOps.pad(image, to_size, Image.Resampling.BILINEAR, color=(114, 114, 114)))
    assert np.abs(ours.astype(int) - theirs).mean() < 16  # the bars may lie one pixel further


def test_a_share_of_the_crop_is_its_centre() -> None:
    image = picture(80, 120)
    central = image.crop((25, 5, 95, 75))  # 87.5 % of 80 x 80
    assert np.array_equal(
        fitted(image, 32, 32, Resizing(share=0.875)), np.asarray(central.resize((32, 32), Image.Resampling.BILINEAR))
    )


def test_a_share_of_a_picture_that_has_the_size_already_is_still_taken() -> None:
    image = picture(32, 32)
    assert not np.array_equal(fitted(image, 32, 32, Resizing(share=0.5)), np.asarray(image))
    assert np.array_equal(fitted(image, 32, 32, CROP), np.asarray(image))


def test_the_rule_of_earlier_versions_is_a_crop_word_for_word() -> None:
    assert CROP.rule == (
        "the largest centred crop of the target's aspect ratio, in whole pixels rounded down, is resized by Pillow's"
        " BILINEAR: a triangle filter that reaches one target pixel to each side, or one source pixel when enlarging"
    )


def test_every_rule_has_words_of_its_own() -> None:
    texts = ["crop:draft", "crop", "crop:0.875", "crop:0.9", "squash", "letterbox", "letterbox:114"]
    assert len({resizing.parse(text).rule for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "text", ["", "stretch", "crop:", "crop:0", "crop:1.5", "squash:3", "letterbox:256", "letterbox:x", "crop:nan"]
)
def test_another_text_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(PlanError, match="no way to resize") as caught:
        resizing.parse(text)
    assert "letterbox:114" in str(caught.value.hint)


def test_a_size_is_one_number_or_height_and_width() -> None:
    assert resizing.sides(96) == (96, 96)
    assert resizing.sides(96, 128) == resizing.sides([96, 128]) == resizing.sides([96, 128], 128) == (96, 128)


@pytest.mark.parametrize(
    ("size", "width"),
    [(0, 0), (-3, 0), ([96], 0), ([1, 2, 3], 0), ([96, 0], 0), ([96, 1.5], 0), ("96", 0), ([96, 128], 64), (96, -1)],
)  # fmt: skip
def test_another_size_is_refused(size: object, width: int) -> None:
    with pytest.raises(PlanError, match="no size of a picture"):
        resizing.sides(size, width)


def test_grey_pictures_have_grey_bars() -> None:
    stream = io.BytesIO()
    Image.new("L", (8, 4), 200).save(stream, "png")
    how = Resizing(mode="letterbox", fill=9)
    pixels = preprocessing.decode(stream.getvalue(), height=8, width=8, channels=1, resizing=how)
    assert pixels[:, 0, 0].tolist() == [9, 9, 200, 200, 200, 200, 9, 9]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("how", ["crop", "squash", "letterbox:9"])
def test_a_draft_of_a_large_jpeg_is_nearly_the_whole_and_of_others_it_is_the_whole(how: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, decoded = picture(600, 900), {}
    for kind in ("jpeg", "png"):
        stream = io.BytesIO()
        image.save(stream, kind, exif=exif)
        for text in (how, f"{how}:draft"):
            rule = resizing.parse(text)
            decoded[kind, rule.draft] = preprocessing.decode(
                stream.getvalue(), height=48, width=64, channels=3, resizing=rule
            ).astype(int)
    assert np.array_equal(decoded["png", True], decoded["png", False])
    difference = np.abs(decoded["jpeg", True] - decoded["jpeg", False])
    assert 0 < difference.mean() < 2


def test_a_draft_leaves_two_pixels_for_each_of_the_target() -> None:
    draft = resizing.parse("squash:draft")
    sizes = [(127, 1000), (128, 1000), (256, 1000), (511, 1000), (512, 512), (4000, 3000)]
    assert [draft.reduction(*size, 32, 32) for size in sizes] == [1, 2, 4, 4, 8, 8]
    assert CROP.reduction(4000, 3000, 32, 32) == 1
