"""A sweep on the page: its front, the shares of the keys, and every trial with what has become of it."""

from __future__ import annotations

from pathlib import Path

import page_samples as samples
import pytest
from page_text import Text

from edgecnn.errors import UsageError
from edgecnn.studies.page import build


def page(folder: Path, sweep: Path) -> str:
    return build.build([samples.trained(folder / "net")], folder / "report.html", sweep=sweep).read_text()


def test_a_sweep_is_shown_with_its_front_its_shares_and_all_its_trials(tmp_path: Path) -> None:
    html = page(tmp_path, samples.sweep(tmp_path / "sweep"))
    text = Text(html)
    assert text.column("sweep-front", "MACs") == ["200,000", "100,000"]
    assert text.column("sweep-front", "validation top-1 % [95 %]")[0] == "90.00 [85.1, 93.4]"
    assert text.column("sweep-importances", "% of the variance of accuracy") == ["90", "10"]
    assert text.column("sweep-all", "outcome") == ["finished", "finished", "failed: too <wide>"]
    assert "3 trials: 2 trained to the end, 1 failed" in text.words
    assert 'aria-label="trial 1; validation top-1 % [95 %] 90.00 [85.1, 93.4]; MACs 200,000' in html
    assert "edgecnn sweep dscnn-digits sweep.toml" in text.words


def test_names_are_escaped(tmp_path: Path) -> None:
    assert "augment.<b>" not in page(tmp_path, samples.sweep(tmp_path / "sweep"))


def test_a_sweep_of_failures_alone_is_shown_too(tmp_path: Path) -> None:
    text = Text(page(tmp_path, samples.sweep(tmp_path / "sweep", front=False)))
    assert "sweep-front" not in text.tables
    assert len(text.column("sweep-all", "trial")) == 3


def test_what_is_no_sweep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UsageError, match="is not a sweep that was measured here"):
        page(tmp_path, tmp_path / "sweep.json")
