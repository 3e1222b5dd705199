import dataclasses
import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from edgecnn import __version__
from edgecnn.errors import PlanError
from edgecnn.records import environment, isa

linux_only = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


def test_the_machine_is_this_one() -> None:
    here = environment.here()
    assert here.edgecnn == __version__
    assert here.arch == platform.machine()
    assert here.python == platform.python_version()
    assert here.packages["numpy"] == np.__version__
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert here.cpu != "unknown"


def test_an_environment_survives_json() -> None:
    here = environment.here()
    assert environment.from_table(json.loads(json.dumps(environment.to_table(here)))) == here


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(PlanError, match="unknown key 'cup'"):
        environment.from_table({"cup": "AMD"})


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": "Cortex-A72"},
        {"cores": 99},
        {"features": ("asimddp",)},
        {"governor": "powersave"},
        {"packages": {"onnxruntime": "0.1"}},
    ],
)
def test_what_decides_latency_changes_the_fingerprint_and_is_named(change: dict[str, object]) -> None:
    here = environment.here()
    there = dataclasses.replace(here, **change)  # type: ignore[arg-type]
    assert environment.fingerprint(here) != environment.fingerprint(there)
    assert environment.differences(here, there)


@pytest.mark.parametrize(
    ("model", "cpu", "features", "name"),
    [
        (None, "Neoverse-N1", ("asimd", "asimddp"), "Neoverse-N1 (ARMv8.2 dot product)"),
        (
            "Raspberry Pi 5 Model B", "Cortex-A76", ("asimd", "asimddp"),
            "Raspberry Pi 5 Model B, Cortex-A76 (ARMv8.2 dot product)",
        ),
        ("emulated cortex-a53 (pi3)", "Cortex-A53", ("asimd",), "emulated cortex-a53 (pi3), ARMv8.0"),
    ],
)  # fmt: skip
def test_a_machine_is_named_by_its_board_its_core_and_its_instruction_set_once_each(
    model: str | None, cpu: str, features: tuple[str, ...], name: str
) -> None:
    here = environment.here()
    there = dataclasses.replace(here, arch="aarch64", model=model, cpu=cpu, features=features)
    assert environment.machine_name(there) == name
    assert environment.core_name(there) in (name, f"{cpu} ({isa.name('aarch64', features)})")


def test_what_does_not_decide_latency_leaves_reports_comparable() -> None:
    here = environment.here()
    packages = {**here.packages, "torch": "9.9"}
    there = dataclasses.replace(here, kernel="another", edgecnn="9.9", packages=packages)
    assert environment.fingerprint(here) == environment.fingerprint(there)
    assert environment.differences(here, there) == ()


@linux_only
def test_cpu_time_is_counted_while_this_process_works() -> None:
    before = environment.condition()
    start = os.times().user
    while os.times().user - start < 0.1:
        np.sort(np.arange(10_000)[::-1])
    after = environment.condition()
    assert before.busy_s is not None
    assert after.busy_s is not None
    assert after.busy_s - before.busy_s >= 0.05  # jiffies are coarse


@linux_only
def test_the_peak_remembers_what_was_freed_until_it_is_reset() -> None:
    size = 64_000_000
    before = environment.rss_bytes()
    block = np.ones(size, np.uint8)
    assert environment.rss_bytes() - before > 0.9 * size
    del block
    assert environment.peak_rss_bytes() - environment.rss_bytes() > 0.8 * size
    if environment.reset_peak_rss():
        assert environment.peak_rss_bytes() - environment.rss_bytes() < 0.2 * size
