"""Tests whose process forks, though JAX may be in it from other tests: it warns of that, and a warning is an error."""

import pytest

ALLOWED = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
