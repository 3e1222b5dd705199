"""One walk for training, doctor and runner: what is read, and what is left out and counted."""

import os
from pathlib import Path

import data_samples
import numpy as np
import pytest
from PIL import Image

from edgecnn.checks.doctor import images
from edgecnn.data import folder
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files, preprocessing
from edgecnn.onboard.runner import asked

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


@pytest.fixture
def no_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation whose Pillow has no plug-in for HEIC."""
    here = tuple(name for name in preprocessing.formats() if name != "HEIF")
    monkeypatch.setattr(preprocessing, "formats", lambda: here)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def picture(path: Path, kind: str | None = None, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data_samples.picture(seed).save(path, kind)
    return path


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in picture_files.walk(root).pictures]


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "A.JPG", "a.jpeg"])
def test_jpeg_has_many_suffixes(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name, "jpeg")
    assert names(tmp_path) == [name]


def test_avif_is_read_where_pillow_reads_it(tmp_path: Path) -> None:
    if "AVIF" not in preprocessing.formats():
        pytest.skip("this Pillow reads no AVIF")
    picture(tmp_path / "a.avif")
    assert names(tmp_path) == ["a.avif"]
    assert preprocessing.decode(tmp_path / "a.avif", height=12, width=12, channels=3).any()


@pytest.mark.parametrize("name", ["IMG_0001", "frame.0001", "photo.jpg?size=large", "photo.jpg~"])
def test_a_name_without_a_suffix_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name, "png")
    put(tmp_path / "LICENSE", b"You may do so.")
    assert names(tmp_path) == [name]
    assert picture_files.walk(tmp_path).left_out == {"without a suffix": 1}


LEFT_OUT = {
    "._a.jpg": "._*",
    ".DS_Store": ".DS_Store",
    "Thumbs.db": "Thumbs.db",
    ".hidden.jpg": "hidden",
    "raw.DNG": ".dng",
    "raw.cr2": ".cr2",
    "raw.nef": ".nef",
    "raw.arw": ".arw",
    "a.jxl": ".jxl",
    "a.svg": ".svg",
    "a.psd": ".psd",
    "a.mp4": ".mp4",
    "a.mov": ".mov",
    "labels.txt": ".txt",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg": "@eaDir",
    "__MACOSX/a.jpg": "__MACOSX",
    ".ipynb_checkpoints/a.jpg": ".ipynb_checkpoints",
    ".thumbnails/a.jpg": ".thumbnails",
    "thumbnails/a.jpg": "thumbnails",
}


@pytest.mark.parametrize(("name", "kind"), LEFT_OUT.items())
def test_what_is_no_picture_is_counted_by_kind(tmp_path: Path, name: str, kind: str) -> None:
    put(tmp_path / "deep" / name)
    assert picture_files.walk(tmp_path) == picture_files.Listing((), {kind: 1})  # type: ignore[arg-type]


def test_empty_files_pipes_and_linked_folders_are_counted(tmp_path: Path) -> None:
    put(tmp_path / "empty.jpg", b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "up").symlink_to("..")
    assert picture_files.walk(tmp_path).left_out == {"empty": 1, "pipe or device": 1, "link to a folder": 1}


def test_a_dangling_link_stays_for_whoever_reads_it_to_name(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    assert names(tmp_path) == ["gone.jpg"]


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/2.png", "c.png", "a/10.png"):
        picture(tmp_path / name)
    assert names(tmp_path) == ["a/10.png", "a/2.png", "b/1.png", "c.png"]


def test_a_folder_that_is_given_may_be_hidden_itself(tmp_path: Path) -> None:
    picture(tmp_path / ".cache" / "a.png")
    assert names(tmp_path / ".cache") == ["a.png"]


def test_kinds_are_told_with_what_to_do_the_most_first() -> None:
    told = picture_files.told({"._*": 3, ".heic": 1200, ".nef": 2, ".psd": 5, ".txt": 4})
    assert told == (
        "1,200 .heic (pip install pillow-heif, or convert them to JPEG), 5 .psd and 2 .nef (convert them to JPEG),"
        " 4 .txt, 3 ._*"
    )


@pytest.mark.usefixtures("no_heif")
class TestPhonePictures:
    """Three classes of which most pictures are .heic and .jfif."""

    @pytest.fixture
    def phone(self, tmp_path: Path) -> Path:
        for label, name in enumerate(("ripe", "rotten", "unripe")):
            for i in range(2):
                picture(tmp_path / name / f"scan{i}.jpg", seed=10 * label + i)
                picture(tmp_path / name / f"download ({i}).jfif", "jpeg", seed=100 + 10 * label + i)
                put(tmp_path / name / f"IMG_{i:04}.HEIC", HEIC)
        put(tmp_path / "ripe" / "._scan0.jpg")
        return tmp_path

    LINE = "left out 6 .heic (pip install pillow-heif, or convert them to JPEG), 1 ._* in "

    def test_training_reads_what_it_can_and_says_what_it_leaves_out(
        self, phone: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        train, test = folder.load(str(phone))
        assert len(train) + len(test) == 12
        assert f"warning: {self.LINE}{phone}\n" in capsys.readouterr().err

    def test_doctor_and_runner_list_the_same(self, phone: Path) -> None:
        walked = picture_files.walk(phone)
        shown = images.labelled(phone, limit=100)
        assert len(walked.pictures) == 12
        assert shown.pictures == walked.pictures
        assert shown.left_out == walked.left_out
        assert asked.sources(str(phone)) == walked

    def test_a_class_of_nothing_but_heic_is_refused_by_that_name(self, phone: Path) -> None:
        for path in picture_files.walk(phone / "ripe").pictures:
            path.unlink()
        with pytest.raises(DataError) as caught:
            folder.load(str(phone))
        holds = "holds no pictures that can be read here, only 2 .heic, 1 ._*."
        assert caught.value.sentence == f"The class folder {phone / 'ripe'} {holds}"
        assert caught.value.hint == "pip install pillow-heif, or convert them to JPEG"
        with pytest.raises(DataError, match=r"only 2 \.heic"):
            asked.sources(str(phone / "ripe"))
        with pytest.raises(DataError, match=r"only 2 \.heic"):
            images.labelled(phone / "ripe", limit=9)


def test_what_nobody_takes_for_a_picture_is_a_note_and_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_samples.class_folders(tmp_path)
    put(tmp_path / "cat" / "notes.txt")
    folder.load(str(tmp_path))
    assert f"\nleft out 1 .txt in {tmp_path}\n" in "\n" + capsys.readouterr().err


def test_a_systems_folder_is_no_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_samples.class_folders(tmp_path)
    put(tmp_path / "@eaDir" / "cat.jpg")
    put(tmp_path / "__MACOSX" / "cat" / "._000.png")
    assert folder.load(str(tmp_path))[0].classes == ("cat", "dog")
    assert "left out 1 @eaDir, 1 __MACOSX in" in capsys.readouterr().err
    assert images.labelled(tmp_path, limit=99).classes == ("cat", "dog")


def test_pictures_in_no_class_folder_are_said_to_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_samples.class_folders(tmp_path)
    for name in ("loose.png", "more.jpg"):
        picture(tmp_path / name)
    folder.load(str(tmp_path))
    line = f"warning: left out 2 pictures that lie in no class folder, {tmp_path / 'loose.png'} first\n"
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(("brightest", "is_said"), [(4095, True), (65535, False)])
def test_12_bits_in_files_of_16_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], brightest: int, is_said: bool
) -> None:
    data_samples.class_folders(tmp_path, count=10)
    for i in range(10):
        pixels = np.random.default_rng(i).integers(0, brightest + 1, (12, 12), dtype=np.uint16)
        Image.fromarray(pixels).save(tmp_path / "cat" / f"{i:03}.png")
    folder.load(str(tmp_path))
    assert ("10 of 20 pictures hold no value above 15 of 255" in capsys.readouterr().err) == is_said


def test_broken_pictures_that_are_left_out_are_not_called_dark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_samples.class_folders(tmp_path)
    for name in ("000.png", "001.png"):
        put(tmp_path / "cat" / name, b"no picture")
    folder.load(str(tmp_path), skip_broken=True)
    assert "of 255" not in capsys.readouterr().err


def test_pictures_of_an_iphone_are_read_with_the_plug_in(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    assert "HEIF" in preprocessing.formats()
    picture(tmp_path / "a.heic", "HEIF")
    assert names(tmp_path) == ["a.heic"]
    assert preprocessing.decode(tmp_path / "a.heic", height=12, width=12, channels=3).any()
