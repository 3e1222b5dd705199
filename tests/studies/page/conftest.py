"""Fixtures that several tests of the page share."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file, to be copied among the files of a run."""
    return tiny_models.linear_onnx(tmp_path_factory.mktemp("model") / "x.onnx", tiny_models.weights(8, 8, 1, 2))
