"""Drift in /metrics: unknown pictures, classes and scores, beside what test pictures had."""

from __future__ import annotations

from pathlib import Path

import small_bundles
from served import running

from edgecnn.common import stats
from edgecnn.onboard import unknown
from edgecnn.onboard.runner.classify import Classification
from edgecnn.onboard.runner.drift import Drift
from edgecnn.pipeline.deploy import bundle
from edgecnn.records import artifact
from edgecnn.records.certainty import Bootstrapped, Certainty, Fit, Outlook

ESTIMATE = Bootstrapped(value=1.0, low=0.5, high=2.0)
FIT = Fit(error_pp=ESTIMATE, loss=ESTIMATE)
OUTLOOK = Outlook(
    before=FIT, after=FIT, answered=stats.wilson(48, 50), mean_score=0.9, class_percents={"cat": 75.0, "owl": 25.0}
)  # fmt: skip


def certainty() -> Certainty:
    known = small_bundles.doubtful(outlook=OUTLOOK).certainty
    assert known is not None
    return known


def answered(label: str, score: float, reason: unknown.Reason | None = None) -> Classification:
    return Classification(top=((label, score),), ms=1.0, inference_ms=1.0, unknown=reason)


def test_answers_are_counted_by_class_and_unknown_ones_apart() -> None:
    drift = Drift(None)
    for label, score, reason in (("cat", 0.75, None), ("cat", 1.0, None), ('o"wl', 0.5, None), ("cat", 0.25, "unlike")):
        drift.count(answered(label, score, reason))  # type: ignore[arg-type]
    lines = drift.lines()
    assert "edgecnn_unknown_total 1" in lines
    assert 'edgecnn_answers_total{class="cat"} 2' in lines
    assert 'edgecnn_answers_total{class="o\\"wl"} 1' in lines
    assert lines[-2:] == ["edgecnn_score_sum 2.5", "edgecnn_score_count 4"]
    assert not any("expected" in line for line in lines)


def test_what_is_expected_stands_beside_it() -> None:
    lines = Drift(certainty()).lines()
    assert "edgecnn_expected_unknown_ratio 0.04" in lines
    assert "edgecnn_expected_score 0.9" in lines
    assert 'edgecnn_expected_answers_ratio{class="owl"} 0.25' in lines


def test_a_server_counts_what_it_answers(tmp_path: Path) -> None:
    file = small_bundles.exported(tmp_path / "exported")
    card = small_bundles.doubtful(file, score="max-logit", least_score=1e9, outlook=OUTLOOK)
    artifact.write_card(card)
    bundle.make(card).write(tmp_path / "bundle")
    with running(tmp_path / "bundle") as server:
        status, answer = server.classify()
        assert (status, answer["label"], answer["unknown"]) == (200, "unknown", "unlike")
        server.classify(b"junk")
        assert server.metric("edgecnn_unknown_total") == 1
        assert server.metric("edgecnn_score_count") == 1
        assert server.metric("edgecnn_expected_unknown_ratio") == 0.04
    with running(tmp_path / "bundle", "--unknown", "off") as server:
        label = server.classify()[1]["label"]
        assert label in small_bundles.LABELS
        assert server.metric(f'edgecnn_answers_total{{class="{label}"}}') == 1
        assert server.metric("edgecnn_unknown_total") == 0
