"""Folders of pictures as people have them, each with something of its own; made on the spot, small and the same."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def photograph(seed: int, width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Blobs of colour with a shape in front of them: no two seeds look alike."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((width, height))
    draw = ImageDraw.Draw(image)
    left, top = (int(rng.integers(0, max(1, side // 2))) for side in (width, height))
    draw.ellipse((left, top, left + width // 3, top + height // 3), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image.convert(mode)


def classes(root: Path, names: Iterable[str], count: int, suffix: str = ".png", **how: int | str) -> Path:
    """`count` photographs in each of `root/NAME`."""
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for index in range(count):
            photograph(1000 * label + index, **how).save(root / name / f"{chr(97 + index % 26)}-{index}{suffix}")  # type: ignore[arg-type]
    return root


def thirty_a_class(root: Path) -> None:
    classes(root, ("daisy", "poppy", "tulip"), 30, ".jpg")


def digits(root: Path) -> None:
    classes(root, map(str, range(10)), 6, width=8, height=8, mode="L")


def hands(root: Path) -> None:
    classes(root, ("left hand", "right hand"), 12)


def two_hundred_classes(root: Path) -> None:
    classes(root, (f"kind of bird {chr(97 + n // 20)}{chr(97 + n % 20)}" for n in range(200)), 3, width=12, height=12)


def grey_as_colour(root: Path) -> None:
    classes(root, ("nut", "bolt"), 12, mode="L")
    for path in root.rglob("*.png"):
        Image.open(path).convert("RGB").save(path.with_suffix(".jpg"), quality=95)
        path.unlink()


def one_pixel_high(root: Path) -> None:
    classes(root, ("noise", "tone"), 12, width=64, height=1)


def frames(root: Path) -> None:
    """Five clips of each class, of six frames that hardly differ."""
    for label, name in enumerate(("jump", "walk")):
        (root / name).mkdir(parents=True)
        for clip in range(5):
            scene = photograph(100 * label + clip, 60, 48).filter(ImageFilter.GaussianBlur(1))
            for frame in range(6):
                scene.crop((frame, 0, frame + 48, 48)).save(root / name / f"{name}{clip}_frame{frame:04}.jpg")


def some_broken(root: Path) -> None:
    classes(root, ("cat", "dog"), 20)
    for path in sorted(root.rglob("*.png"))[:3]:
        path.write_bytes(path.read_bytes()[:200])
    (root / "cat" / "notes.txt").write_text("no picture")


def mostly_broken(root: Path) -> None:
    classes(root, ("cat", "dog"), 8)
    for path in sorted(root.rglob("*.png"))[::2]:
        path.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")


def transparent_and_deep(root: Path) -> None:
    classes(root, ("apple", "pear"), 10, mode="RGBA")
    for path in sorted((root / "pear").iterdir()):
        deep = np.asarray(Image.open(path).convert("L"), dtype=np.uint16) * 257
        Image.fromarray(deep).save(path)


def split_already(root: Path) -> None:
    for number, (split, count) in enumerate((("train", 12), ("val", 3), ("test", 4))):
        for label, name in enumerate(("cat", "dog")):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                photograph(10_000 * number + 1000 * label + index).save(root / split / name / f"{index}.png")


def with_a_leak(root: Path) -> None:
    split_already(root)
    shutil.copy(root / "train" / "cat" / "0.png", root / "test" / "cat" / "again.png")


def one_class(root: Path) -> None:
    classes(root, ("cat",), 8)


def a_single_picture(root: Path) -> None:
    classes(root, ("cat", "dog"), 8)
    classes(root, ("emu",), 1)


def empty(root: Path) -> None:
    root.mkdir()


def no_classes(root: Path) -> None:
    root.mkdir()
    for index in range(5):
        photograph(index).save(root / f"{index}.png")


TRAINED: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (
        thirty_a_class, digits, hands, two_hundred_classes, grey_as_colour, one_pixel_high, frames, some_broken,
        transparent_and_deep, split_already, with_a_leak,
    )
}  # fmt: skip
"""Folders that can be learnt from."""
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "one class": (one_class, "has one class only ('cat')"),
    "a class of one picture": (a_single_picture, "Class 'emu' has 1 picture; to train, to validate and to test"),
    "empty": (empty, "holds no class folders"),
    "no classes": (no_classes, "holds no class folders"),
    "mostly broken": (mostly_broken, "8 of 16 pictures cannot be read. The first: Cannot read "),
}
"""Folders that cannot, and what is said of them."""


def as_list(root: Path) -> Path:
    """A list of photographs that lie beside it."""
    classes(root, ("cat", "dog"), 8)
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (root / "pets.csv").write_text("\n".join(["path,label", *rows, ""]))
    return root / "pets.csv"


def as_hugging_face(root: Path) -> Path:
    """A folder with a table of its pictures."""
    classes(root / "all", ("cat", "dog"), 8)
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (root / "metadata.csv").write_text("\n".join(["file_name,label", *rows, ""]))
    return root


def as_shard(root: Path) -> Path:
    """A WebDataset shard."""
    root.mkdir()
    with tarfile.open(root / "pets-000.tar", "w") as archive:
        for index in range(16):
            encoded = io.BytesIO()
            photograph(index).save(encoded, "PNG")
            for name, content in (
                (f"{index:03}.png", encoded.getvalue()),
                (f"{index:03}.cls", str(index % 2).encode()),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return root / "pets-000.tar"


def as_parquet(root: Path) -> Path:
    """A Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    root.mkdir()
    encoded = []
    for index in range(16):
        stream = io.BytesIO()
        photograph(index).save(stream, "PNG")
        encoded.append({"bytes": stream.getvalue(), "path": f"{index}.png"})
    table = pa.table({"image": encoded, "label": [["cat", "dog"][index % 2] for index in range(16)]})
    parquet.write_table(table, root / "pets.parquet")
    return root / "pets.parquet"


KEPT = {make.__name__: make for make in (as_list, as_hugging_face, as_shard, as_parquet)}
"""Other ways to keep pictures."""
