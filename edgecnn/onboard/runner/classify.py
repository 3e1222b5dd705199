"""From a picture to a class, by the steps of training: decode, resize, encode, run."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EnvironmentUnfit, MissingPackage, ModelFileError
from edgecnn.onboard import picture_files, preprocessing, runtimes, tensors
from edgecnn.onboard.picture_files import Listing
from edgecnn.records.artifact import Artifact

TOP = 5
STDIN = "-"


@dataclass(frozen=True, kw_only=True)
class Classification:
    """What a model answers to one picture."""

    top: tuple[tuple[str, float], ...]
    """(label, softmax of the dequantised logits) of the best classes, the best first."""
    ms: float
    """The time from the encoded bytes to this answer."""
    inference_ms: float
    """The runtime's share of that time."""

    @property
    def label(self) -> str:
        """The best class."""
        return self.top[0][0]

    @property
    def score(self) -> float:
        """The best class's share of the softmax."""
        return self.top[0][1]

    def table(self) -> dict[str, Any]:
        """Return the answer as JSON has it."""
        return {
            "label": self.label,
            "score": self.score,
            "top": [{"label": name, "score": value} for name, value in self.top],
            "ms": round(self.ms, 4),
        }


class Classifier:
    """A model file and its card, loaded once, for one thread at a time."""

    def __init__(self, file: Artifact, runtime: str, num_threads: int = 1, max_pixels: int | None = None) -> None:
        self._artifact = file
        self._max_pixels = max_pixels
        self._session = runtimes.get(runtime).open_session(file.path, num_threads, output=file.description.output.name)

    def __call__(self, picture: Path | bytes, top: int = TOP) -> Classification:
        """Classify a file, or the bytes of one. Raises DataError if it cannot be read."""
        size, start = self._artifact.preprocessing, time.perf_counter()
        pixels = preprocessing.decode(
            picture, height=size.height, width=size.width, channels=size.channels, max_pixels=self._max_pixels
        )
        return self.answer(pixels, start, top)

    def answer(self, pixels: npt.NDArray[np.uint8], start: float, top: int = TOP) -> Classification:
        """Return what the model says to uint8 (H, W, C) of its own size; `start` is when the picture came, in seconds.

        Raises ModelFileError if it answers with no numbers.
        """
        before = time.perf_counter()
        outputs = self.outputs(pixels[None])
        after = time.perf_counter()
        scores = softmax(tensors.decode(outputs, self._artifact.description.output))[0]  # (K,)
        if not np.isfinite(scores).all():
            raise ModelFileError(f"{self._artifact.path} answers with logits that are not numbers.")
        best = np.argsort(-scores, kind="stable")[:top]
        return Classification(
            top=tuple((self._artifact.labels[i], round(float(scores[i]), 6)) for i in best),
            ms=(time.perf_counter() - start) * 1e3,
            inference_ms=(after - before) * 1e3,
        )

    def outputs(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return the raw output tensors (N, ...) of uint8 images (N, H, W, C), which are run one at a time."""
        encoded = tensors.encode(images, self._artifact.description.input, self._artifact.preprocessing)
        return np.concatenate(list(runtimes.run_each(self._session, encoded)))


def preload() -> None:
    """Import everything that reading a picture may need, so that a server outlives its own files.

    By itself Pillow imports most of its readers with the first picture that needs them.
    """
    from PIL import (  # noqa: F401
        Image,
        ImageCms,
        ImageColor,
        ImageFile,
        ImageFilter,
        ImageOps,
        ImagePalette,
        MpoImagePlugin,
        TiffImagePlugin,
    )

    Image.init()
    preprocessing.formats()


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Compute exp(x) / sum(exp(x)) along the last axis, shifted by the largest logit so that nothing overflows."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sources(word: str) -> Listing:
    """List the files that a word of the command line names: itself, or the pictures below a folder.

    Raises DataError for a folder without pictures.
    """
    path = Path(word)
    if not path.is_dir():
        return Listing((path,))
    listing = picture_files.walk(path)
    if not listing.pictures:
        raise picture_files.none_in(word, listing)
    return listing


CAMERA = """
import io, sys
try:
    from picamera2 import Picamera2
except ImportError:
    sys.exit(3)
with Picamera2() as camera:
    camera.configure(camera.create_still_configuration())
    camera.start()
    picture = io.BytesIO()
    camera.capture_file(picture, format="jpeg")
sys.stdout.buffer.write(picture.getvalue())
"""
NO_PICAMERA2 = 3
CAMERA_TIMEOUT_S = 30.0


def photograph(python: str = sys.executable) -> bytes:
    """Take one JPEG with the camera. Raises MissingPackage or EnvironmentUnfit.

    That is done in a process of its own, without PYTHONPATH: picamera2 is the system's package and built for the
    system's NumPy, which need not be the one of this program.
    """
    try:
        done = subprocess.run([python, "-I", "-c", CAMERA], capture_output=True, timeout=CAMERA_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnfit(f"The camera gave no picture within {CAMERA_TIMEOUT_S:.0f} s.") from error
    if done.returncode == NO_PICAMERA2:
        missing = MissingPackage("picamera2", None, "Taking a picture with --camera")
        missing.hint = "sudo apt install python3-picamera2"
        raise missing
    if done.returncode or not done.stdout:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["picamera2 said nothing"])[-1]
        raise EnvironmentUnfit(
            f"The camera gave no picture: {last}.", "`rpicam-hello --list-cameras` shows what is there"
        )
    return done.stdout
