"""Fashion-MNIST, 28 x 28 grayscale: 60,000 + 10,000 images of clothing (H. Xiao, K. Rasul, R. Vollgraf, 2017, MIT).

A file on disk is verified by the sha256 of its idx content, not of the .gz around it: Debian repacks the files without
name and time in the gzip header, and otherwise they are the authors'. (With the name and the time of 2017-08-31 put
back, Debian's files have the md5 that the authors publish. A download is verified by the sha256 of the .gz before it is
unpacked, which is that of the same bytes.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common.cache import data_folder
from edgecnn.data import Split, _fetch
from edgecnn.data._fetch import Content

LICENCE = "MIT (Zalando SE)"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}

SITE = "https://fashion-mnist.s3.eu-central-1.amazonaws.com"
"""The authors' storage; their web site serves the same files over plain http."""
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FILES = {
    "train-images-idx3-ubyte": (
        ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
        Content("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47_040_016),
    ),
    "train-labels-idx1-ubyte": (
        ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        Content("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    ),
    "t10k-images-idx3-ubyte": (
        ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
        Content("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    ),
    "t10k-labels-idx1-ubyte": (
        ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
        Content("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
    ),
}
"""sha256 and bytes of every .gz file as it is published, and of its content."""
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
    """Load the training and the test split, uint8 (N, 28, 28, 1).

    Args:
        path: a folder with the four .gz files. Without it, each is looked for in the data folder and in the Debian
            package dataset-fashion-mnist, and else downloaded from the authors' storage.

    Raises:
        DataError: a file is missing or broken.
        EnvironmentUnfit: it cannot be downloaded.
    """
    return _split("train", path), _split("t10k", path)


def _split(part: str, path: str) -> Split:
    images = parse_idx(_content(f"{part}-images-idx3-ubyte", path))  # (N, H, W)
    labels = parse_idx(_content(f"{part}-labels-idx1-ubyte", path))  # (N,)
    return Split(images[..., np.newaxis], labels.astype(np.int64), CLASSES)


def _content(name: str, path: str) -> bytes:
    (sha256, size), content = FILES[name]
    source = _fetch.Download(f"{SITE}/{name}.gz", sha256, size, content)
    if path:
        hint = "the option path names the folder of the four Fashion-MNIST .gz files"
        return _fetch.read(source, Path(path).expanduser() / source.name, hint)
    folder = data_folder() / "fashion-mnist"
    hint = f"on Debian: apt install dataset-fashion-mnist; elsewhere put {source.name} into {folder}"
    return _fetch.read_or_download(source, folder, hint, DEBIAN_FOLDER)


def parse_idx(content: bytes) -> npt.NDArray[np.uint8]:
    """Parse an idx file of bytes: two zeros, the type 8, the rank, big-endian sizes, then the values.

    The format is described at the foot of Y. LeCun's MNIST page.
    """
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], dtype=">u4").tolist()
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
