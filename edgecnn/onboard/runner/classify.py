"""Classify a picture or a sound by the steps of training: decode, resize, encode, run."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ModelFileError
from edgecnn.onboard import preprocessing, runtimes, sounds, tensors, unknown
from edgecnn.onboard.unknown import Reason
from edgecnn.records.artifact import Artifact

TOP = 5


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The answer of a model to one window of a sound."""

    start_s: float
    """The second at which the window begins."""
    label: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The answer of a model to one picture or sound."""

    top: tuple[tuple[str, float], ...]
    """(label, calibrated softmax of the dequantised logits) of the best classes, the best first."""
    ms: float
    """The time from the encoded bytes to this answer."""
    inference_ms: float
    """The runtime's share of that time."""
    known_score: float | None = None
    """How much the picture is like those of training, which the model's threshold is held against; None if the model
    answers every picture."""
    unknown: Reason | None = None
    """Why the picture is not answered; None if it is."""
    windows: tuple[Heard, ...] = ()
    """The answer to each window of a sound that is longer than the model hears at once; `top` has their means."""

    @property
    def label(self) -> str:
        """The best class, or "unknown"."""
        return unknown.UNKNOWN if self.unknown else self.top[0][0]

    @property
    def score(self) -> float:
        """The best class's share of the softmax."""
        return self.top[0][1]

    def table(self) -> dict[str, Any]:
        """Return the answer as JSON has it; why a picture is unknown is told by models that may say so."""
        doubt = {} if self.known_score is None else {"unknown": self.unknown, "known_score": round(self.known_score, 6)}
        return {
            "label": self.label,
            "score": self.score,
            **doubt,
            "top": [{"label": name, "score": value} for name, value in self.top],
            "ms": round(self.ms, 4),
            **({"windows": [dataclasses.asdict(window) for window in self.windows]} if self.windows else {}),
        }


class Classifier:
    """A model file and its card, loaded once, for one thread at a time."""

    def __init__(
        self,
        file: Artifact,
        runtime: str,
        num_threads: int = 1,
        max_pixels: int | None = None,
        choice: str | float = unknown.AUTO,
    ) -> None:
        """Open the model; `choice` says when it answers "unknown" (`unknown.rule_of`)."""
        self._artifact = file
        self._max_pixels = max_pixels
        self._rule = unknown.rule_of(file, choice)
        self._session = runtimes.get(runtime).open_session(file.path, num_threads, output=file.description.output.name)

    def __call__(self, picture: Path | bytes, top: int = TOP) -> Classification:
        """Classify a file, or the bytes of one. Raises DataError if it cannot be read."""
        size, start = self._artifact.preprocessing, time.perf_counter()
        if self._artifact.sound is not None:
            return self._listen(*sounds.windows(picture, self._artifact.sound), start, top)
        pixels = preprocessing.decode(
            picture,
            height=size.height,
            width=size.width,
            channels=size.channels,
            resizing=size.resizing,
            max_pixels=self._max_pixels,
        )
        return self.answer(pixels, start, top)

    def answer(self, pixels: npt.NDArray[np.uint8], start: float, top: int = TOP) -> Classification:
        """Return what the model says to uint8 (H, W, C) of its own size; `start` is when the picture came, in seconds.

        Raises ModelFileError if it answers with no numbers.
        """
        before = time.perf_counter()
        outputs = self.outputs(pixels[None])
        after = time.perf_counter()
        decision = unknown.decide(tensors.decode(outputs, self._artifact.description.output)[0], self._rule)
        shares = decision.shares  # (K,)
        if not np.isfinite(shares).all():
            raise ModelFileError(f"{self._artifact.path} answers with logits that are not numbers.")
        best = np.argsort(-shares, kind="stable")[:top]
        return Classification(
            top=tuple((self._artifact.labels[i], round(float(shares[i]), 6)) for i in best),
            ms=(time.perf_counter() - start) * 1e3,
            inference_ms=(after - before) * 1e3,
            known_score=decision.score,
            unknown=decision.reason,
        )

    def _listen(
        self, pictures: npt.NDArray[np.uint8], starts_s: tuple[float, ...], start: float, top: int
    ) -> Classification:
        """Return the answer to a sound, whose windows are uint8 (W, frames, columns, 1).

        Windows that are not answered do not count, unless none is.
        """
        if len(pictures) == 1:
            return self.answer(pictures[0], start, top)
        answers = [self.answer(window, start, len(self._artifact.labels)) for window in pictures]
        known = [answer for answer in answers if answer.unknown is None]
        scores = [dict(answer.top) for answer in known or answers]
        means = {name: sum(score[name] for score in scores) / len(scores) for name in self._artifact.labels}
        best = sorted(means, key=lambda name: -means[name])[:top]
        return Classification(
            top=tuple((name, round(means[name], 6)) for name in best),
            ms=(time.perf_counter() - start) * 1e3,
            inference_ms=sum(answer.inference_ms for answer in answers),
            known_score=max((a.known_score for a in answers if a.known_score is not None), default=None),
            unknown=None if known else answers[0].unknown,
            windows=tuple(
                Heard(start_s=round(second, 3), label=answer.label, score=answer.score)
                for second, answer in zip(starts_s, answers, strict=True)
            ),
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
