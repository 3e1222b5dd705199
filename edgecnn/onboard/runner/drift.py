"""Counts that tell whether pictures have become others than those of training: unknown ones, classes and scores.

What is to be expected is in the model's card, if `edgecnn calibrate` has looked at its test pictures.
"""

from __future__ import annotations

from collections import Counter

from edgecnn.onboard.runner.classify import Classification
from edgecnn.onboard.runner.exposition import head, labels
from edgecnn.records.certainty import Certainty, Outlook


class Drift:
    """The answers of one model, counted. Whoever uses it sees to it that one thread does at a time."""

    def __init__(self, certainty: Certainty | None) -> None:
        self._outlook = certainty.outlook if certainty else None
        self._classes: Counter[str] = Counter()
        self._pictures = self._unknown = 0
        self._scores = 0.0

    def count(self, answer: Classification) -> None:
        """Count an answer: its class if it has one, or as unknown."""
        self._pictures += 1
        self._scores += answer.score
        if answer.unknown:
            self._unknown += 1
        else:
            self._classes[answer.label] += 1

    def lines(self) -> list[str]:
        """Return the counts, and what is expected of them."""
        lines = [
            *head("edgecnn_unknown_total", "counter", "Pictures answered with unknown."),
            f"edgecnn_unknown_total {self._unknown}",
            *head("edgecnn_answers_total", "counter", "Pictures answered with a class, by class."),
            *(f"edgecnn_answers_total{{{_class_label(name)}}} {self._classes[name]}" for name in sorted(self._classes)),
            *head("edgecnn_score", "summary", "The share of the best class, unknown pictures included."),
            f"edgecnn_score_sum {self._scores}",
            f"edgecnn_score_count {self._pictures}",
        ]
        return lines if self._outlook is None else [*lines, *_expected(self._outlook)]


def _expected(outlook: Outlook) -> list[str]:
    """Return what test pictures had, as gauges."""
    classes = outlook.class_percents
    return [
        *head("edgecnn_expected_unknown_ratio", "gauge", "Unknown pictures among the test pictures."),
        f"edgecnn_expected_unknown_ratio {1 - outlook.answered.percent / 100:.6g}",
        *head("edgecnn_expected_score", "gauge", "Mean share of the best class on the test pictures."),
        f"edgecnn_expected_score {outlook.mean_score:.6g}",
        *head("edgecnn_expected_answers_ratio", "gauge", "Each class among the answers to the test pictures."),
        *(
            f"edgecnn_expected_answers_ratio{{{_class_label(name)}}} {classes[name] / 100:.6g}"
            for name in sorted(classes)
        ),
    ]


def _class_label(name: str) -> str:
    return labels({"class": name})
