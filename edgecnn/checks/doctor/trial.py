"""Tries hypotheses of what is fed: the tensors, the model's answers, and how two hypotheses compare."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgecnn.checks.doctor.images import Album
from edgecnn.checks.doctor.mistakes import STAGES, Mistake
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.common import stats
from edgecnn.onboard import tensors
from edgecnn.records.artifact import Preprocessing

Hypothesis = tuple[Mistake, ...]
"""At most one mistake per stage; () is the assumed way."""

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class TrialAnswers:
    """The model's answers under one hypothesis."""

    classes: npt.NDArray[np.int64]
    """(N,), -1 where an output is not finite."""
    probabilities: npt.NDArray[np.float32]
    """(N, K), the softmax of the logits."""
    digest: str
    """Digest of all input tensors; hypotheses with the same digest cannot be told apart."""


@dataclass
class Laboratory:
    """Tries hypotheses on one model and one set of images, each once."""

    model: ExaminedModel
    album: Album
    preprocessing: Preprocessing
    _done: dict[Hypothesis, TrialAnswers] = field(default_factory=dict)
    _by_digest: dict[str, TrialAnswers] = field(default_factory=dict)

    def answers(self, hypothesis: Hypothesis) -> TrialAnswers:
        """Return the model's answers under a hypothesis."""
        if hypothesis not in self._done:
            tensors = self._tensors(hypothesis)
            digest = hashlib.sha256(np.ascontiguousarray(tensors).tobytes()).hexdigest()
            if digest not in self._by_digest:
                self._by_digest[digest] = self._run(tensors, digest)
            self._done[hypothesis] = self._by_digest[digest]
        return self._done[hypothesis]

    def _tensors(self, hypothesis: Hypothesis) -> npt.NDArray[np.generic]:
        step = {mistake.stage: mistake.apply for mistake in hypothesis}
        pixels = self.album.pixels(step.get("read"), step.get("size"))
        if "pixels" in step:
            pixels = np.ascontiguousarray(step["pixels"](pixels))
        spec = self.model.description.input
        if "range" in step:
            return np.asarray(step["range"](pixels, spec))
        # The model converts the layout itself, as it does for the tensors of a mistake.
        return np.asarray(tensors.encode(pixels, dataclasses.replace(spec, layout="NHWC"), self.preprocessing))

    def _run(self, tensors: npt.NDArray[np.generic], digest: str) -> TrialAnswers:
        parts = [self.model.logits(tensors[i : i + BATCH]) for i in range(0, len(tensors), BATCH)]
        logits = np.concatenate(parts).astype(np.float64)  # (N, K)
        finite = np.nan_to_num(logits, nan=-np.inf, posinf=1e30, neginf=-1e30)
        powers = np.exp(finite - finite.max(1, keepdims=True))
        return TrialAnswers(
            classes=np.where(np.isfinite(logits).all(1), finite.argmax(1), -1),
            probabilities=(powers / powers.sum(1, keepdims=True)).astype(np.float32),
            digest=digest,
        )


@dataclass(frozen=True, kw_only=True)
class Target:
    """The answers to explain: the true classes, or those a device gave."""

    classes: npt.NDArray[np.int64]
    """(N,), the classes to explain."""
    scores: npt.NDArray[np.float64] | None = None
    """(N,), a device's scores of its classes; None without."""
    place: tuple[int, ...] | None = None
    """The class that each of the model's outputs stands for; None if the order is as stated."""

    def hits(self, answers: TrialAnswers) -> npt.NDArray[np.bool_]:
        """Return which images are answered as in the target, (N,)."""
        place = np.arange(answers.probabilities.shape[1]) if self.place is None else np.array(self.place)
        predicted = np.where(answers.classes >= 0, place[answers.classes], -1)
        return np.asarray(predicted == self.classes)

    def distance(self, answers: TrialAnswers) -> npt.NDArray[np.float64]:
        """Return how far the score of the target's class is from the device's, (N,); 0 or 1 without scores."""
        if self.scores is None:
            return (~self.hits(answers)).astype(np.float64)
        columns = self.classes if self.place is None else np.argsort(np.array(self.place))[self.classes]
        return np.asarray(np.abs(answers.probabilities[np.arange(len(columns)), columns] - self.scores))

    def compare(self, a: TrialAnswers, b: TrialAnswers) -> tuple[int, int, float]:
        """Compare two hypotheses by the exact McNemar test; with scores that is a sign test.

        Returns:
            (images that b fits better, images that b fits worse, p-value).
        """
        before, after = self.distance(a), self.distance(b)
        gained, lost = int((after < before - 1e-6).sum()), int((after > before + 1e-6).sum())
        return gained, lost, stats.mcnemar_exact(gained, lost)


def with_one(hypothesis: Hypothesis, mistake: Mistake) -> Hypothesis:
    """Return the hypothesis with a mistake added, which replaces another of its stage."""
    others = [other for other in hypothesis if other.stage != mistake.stage]
    return tuple(sorted((*others, mistake), key=lambda other: STAGES.index(other.stage)))


def words(hypothesis: Sequence[Mistake]) -> str:
    """Return a hypothesis as a phrase."""
    return " and ".join(mistake.words for mistake in hypothesis) or "as assumed"
