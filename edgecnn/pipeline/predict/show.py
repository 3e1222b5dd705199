"""Prints predictions: a table, or a line of JSON or CSV for each picture."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.common import console, documents, stats
from edgecnn.common.units import interval
from edgecnn.onboard.runner.classify import Classification
from edgecnn.pipeline.predict.predict import Prediction
from edgecnn.records import environment

FEWEST = 6
"""Pictures whose median has a 95 % interval by their order alone."""


def show(predictions: Sequence[Prediction], model: str) -> None:
    """Print a table of the pictures that were read, and on stderr the others and how long a picture took."""
    answered = [(prediction.picture, answer) for prediction in predictions if (answer := prediction.answer)]
    if answered:
        has_more = any(len(answer.top) > 1 for _, answer in answered)
        rows = [  # in place of its score, an unknown picture has the reason
            [
                name,
                answer.label,
                answer.unknown or _percent(answer.score),
                *([_others(_other_classes(answer))] if has_more else []),
            ]
            for name, answer in answered
        ]
        console.table(["picture", "class", "score", *(["then"] if has_more else [])], rows)
        if unknown := sum(answer.unknown is not None for _, answer in answered):
            console.note(
                f"{unknown:,} of {len(answered):,} pictures are unknown to it: --unknown off names their best class"
            )
        console.note(f"{model}: {_time(sorted(answer.ms for _, answer in answered))}")
    for prediction in predictions:
        if prediction.problem and len(predictions) > 1:  # one alone is the error that ends the command
            console.warn(prediction.problem.sentence)


def json_line(prediction: Prediction) -> str:
    """Return a prediction as a line of JSON, as a deployed model prints it."""
    if prediction.answer is None:
        sentence = prediction.problem.sentence if prediction.problem else ""
        return documents.to_json({"picture": prediction.picture, "error": sentence}, None, letters=True)
    return documents.to_json({"picture": prediction.picture, **prediction.answer.table()}, None, letters=True)


def csv_head(top: int) -> str:
    """Return the line that names the columns of `csv_line`."""
    ranks = (word for n in range(1, top + 1) for word in (f"label_{n}", f"score_{n}"))
    return console.csv_line(["picture", *ranks, "unknown", "error"])


def csv_line(prediction: Prediction, top: int) -> str:
    """Return a prediction as a line of CSV: the best classes with their scores, empty where there are fewer."""
    best = prediction.answer.top if prediction.answer else ()
    cells = [cell for label, score in best for cell in (label, score)]
    unknown = (prediction.answer.unknown if prediction.answer else None) or ""
    error = prediction.problem.sentence if prediction.problem else ""
    return console.csv_line([prediction.picture, *cells, *[""] * (2 * (top - len(best))), unknown, error])


def _other_classes(answer: Classification) -> Sequence[tuple[str, float]]:
    """Return the classes that come after the answer; all of them, if that is "unknown"."""
    return answer.top if answer.unknown else answer.top[1:]


def _time(times_ms: Sequence[float]) -> str:
    """Return how long a picture took from file to class, in sorted times, with the interval where it can be told."""
    machine = environment.machine_name(environment.here())
    if len(times_ms) < FEWEST:
        return f"{len(times_ms)} picture{'s' * (len(times_ms) != 1)} on {machine}"
    p50 = interval(stats.quantile(times_ms, 0.5), *stats.typical_interval(times_ms))
    return f"{p50} a picture from file to class, n {len(times_ms):,}, on {machine}"


def _others(top: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{label} {_percent(score)}" for label, score in top)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
