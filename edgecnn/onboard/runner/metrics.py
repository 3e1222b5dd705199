"""The counts of a server, in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from http import HTTPStatus

from edgecnn.onboard.runner.classify import Classification
from edgecnn.onboard.runner.contents import Contents
from edgecnn.onboard.runner.drift import Drift
from edgecnn.onboard.runner.exposition import head, labels

BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram, from 100 µs for a tiny net on a Pi 5 to 2.5 s for a large one on a Pi 3."""


class Metrics:
    """The counts of one server; any thread may use them."""

    def __init__(self, bundle: Contents) -> None:
        self._lock = threading.Lock()
        self.describe(bundle)
        self._requests: Counter[int] = Counter()
        self._inside = 0
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0

    def describe(self, bundle: Contents) -> None:
        """Set the bundle that answers from now on; what was counted of another's answers is forgotten."""
        with self._lock:
            self._info = {
                "model": bundle.artifact.name,
                "sha256": bundle.artifact.description.sha256,
                "runtime": bundle.manifest.runtime,
            }
            self._drift = Drift(bundle.artifact.certainty)

    def count(self, code: HTTPStatus) -> None:
        """Count an answered request."""
        with self._lock:
            self._requests[int(code)] += 1

    def enter(self) -> None:
        """Count a picture that begins to arrive, until `leave`."""
        with self._lock:
            self._inside += 1

    def leave(self) -> None:
        """Count a picture that has been answered."""
        with self._lock:
            self._inside -= 1

    def observe(self, answer: Classification) -> None:
        """Count an answer, and the time that the runtime took for it."""
        seconds = answer.inference_ms / 1e3
        with self._lock:
            self._buckets[bisect.bisect_left(BUCKETS_S, seconds)] += 1
            self._seconds += seconds
            self._drift.count(answer)

    def text(self) -> str:
        """Return all counts as /metrics gives them."""
        with self._lock:
            requests, buckets = dict(self._requests), list(self._buckets)
            inside, seconds = self._inside, self._seconds
            info, drift = labels(self._info), self._drift.lines()
        lines = [
            *head("edgecnn_model_info", "gauge", "The model that answers."),
            f"edgecnn_model_info{{{info}}} 1",
            *head("edgecnn_requests_total", "counter", "Requests answered, by status code."),
            *(f'edgecnn_requests_total{{code="{code}"}} {requests[code]}' for code in sorted(requests)),
            *head("edgecnn_queue_depth", "gauge", "Pictures that arrive, wait or are being classified."),
            f"edgecnn_queue_depth {inside}",
            *head("edgecnn_inference_seconds", "histogram", "The runtime's time for one picture."),
        ]
        total = 0
        for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], buckets, strict=True):
            total += count
            lines.append(f'edgecnn_inference_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"edgecnn_inference_seconds_sum {seconds}", f"edgecnn_inference_seconds_count {total}"]
        return "\n".join([*lines, *drift]) + "\n"
