"""Fashion-MNIST, 28 x 28 grey: 60,000 + 10,000 articles of clothing (H. Xiao, K. Rasul, R. Vollgraf, 2017, MIT).

The sha256 is that of the idx content, not of the .gz around it: Debian repacks the gzip header without
name and time, so its files differ from the authors' in the header alone. (With the name and the time of
2017-08-31 put back, Debian's files have the md5 the authors publish; so the content below is theirs.)
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data import Split, _fetch
from edgecnn.data._places import data_folder

LICENCE = "MIT (Zalando SE)"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}

SITE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load(path: str = "") -> tuple[Split, Split]:
    """(train, test), uint8 (N, 28, 28, 1).

    path: a folder with the four .gz files, and no other place is tried. Without it: the data folder,
    the Debian package dataset-fashion-mnist, the authors' site, in this order.
    Raises DataError for a missing or broken file, EnvironmentUnfit if it cannot be downloaded.
    """
    return _split("train", path), _split("t10k", path)


def _split(part: str, path: str) -> Split:
    images = parse_idx(_content(f"{part}-images-idx3-ubyte", path))  # (N, H, W)
    labels = parse_idx(_content(f"{part}-labels-idx1-ubyte", path))  # (N,)
    return Split(images[..., np.newaxis], labels.astype(np.int64), CLASSES)


def _content(name: str, path: str) -> bytes:
    source = _fetch.Source(f"{SITE}/{name}.gz", SHA256[name], gzip.decompress)
    if path:
        hint = "the option path names the folder of the four Fashion-MNIST .gz files"
        return _fetch.read(source, Path(path).expanduser() / source.name, hint)
    folder = data_folder() / "fashion-mnist"
    hint = f"on Debian: apt install dataset-fashion-mnist; elsewhere put {source.name} into {folder}"
    return _fetch.read_or_download(source, folder, hint, DEBIAN_FOLDER)


def parse_idx(content: bytes) -> npt.NDArray[np.uint8]:
    """The array in an idx file of bytes: two zeros, the type 8, the rank, big-endian sizes, then the values.

    The format is stated at the foot of Y. LeCun's MNIST page.
    """
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], dtype=">u4").tolist()
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
