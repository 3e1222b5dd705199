"""Windows, measurements and reports made of chosen numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from edgecnn.pipeline.bench import report_warnings
from edgecnn.records import environment
from edgecnn.records.environment import Condition, Environment
from edgecnn.records.measurement import Accuracy, Count, EndToEnd, Measurement, Window
from edgecnn.records.report import Report
from edgecnn.records.summary import summarise


def window(times_ms: Sequence[float], **changes: Any) -> Window:
    """A quiet second of one busy core."""
    calm = Window(
        import_ms=100.0,
        init_ms=2.0,
        first_ms=1.0,
        times_ms=tuple(times_ms),
        baseline_rss_bytes=30_000_000,
        peak_rss_bytes=34_000_000,
        process_cpu_s=1.0,
        elapsed_s=1.0,
        before=Condition(load_1min=0.1, frequency_mhz=1500.0, busy_s=100.0, steal_s=1.0),
        after=Condition(load_1min=0.2, frequency_mhz=1500.0, busy_s=101.0, steal_s=1.0),
    )
    return dataclasses.replace(calm, **changes)


def measurement(medians_ms: Sequence[float], **changes: Any) -> Measurement:
    """One window for each median, twenty samples around it."""
    windows = tuple(window([m * (1 + 0.001 * (i - 9.5)) for i in range(20)]) for m in medians_ms)
    windows = changes.pop("windows", windows)
    accuracy: Accuracy | None = changes.pop("accuracy", None)
    end_to_end: EndToEnd | None = changes.pop("end_to_end", None)
    counts: tuple[Count, ...] = changes.pop("counts", ())
    made = Measurement(
        file="net-fp32.tflite",
        run="net",
        sha256="0" * 64,
        format="tflite",
        precision="fp32",
        bytes=100_000,
        planned_activation_peak_bytes=50_000,
        parameters=25_000,
        macs=1_000_000,
        runtime="litert",
        runtime_version="2.3.0",
        num_threads=1,
        preprocessing_assumed=False,
        verdict=None,
        summary=summarise(windows, accuracy, end_to_end, counts),
        accuracy=accuracy,
        end_to_end=end_to_end,
        windows=windows,
        counts=counts,
    )
    return dataclasses.replace(made, **changes)


def accuracy(correct: int, n: int, classes_predicted: int = 10) -> Accuracy:
    return Accuracy(correct=correct, n=n, classes_predicted=classes_predicted, outputs_sha256="a" * 64, elapsed_s=1.0)


def machine(**changes: Any) -> Environment:
    """This machine as if it were another."""
    return dataclasses.replace(environment.here(), **changes)


ZEN4 = machine(arch="x86_64", cpu="AMD EPYC", model=None, features=("avx2", "avx512f", "avx512_vnni", "avx512_bf16"))
ZEN1 = machine(arch="x86_64", cpu="AMD EPYC", model=None, features=("avx2",))
SAPPHIRE_RAPIDS = machine(
    arch="x86_64", cpu="Intel(R) Xeon(R) Processor", model=None, features=(*ZEN4.features, "avx_vnni", "amx_int8")
)
"""The longest name of a machine so far."""
PI5 = machine(
    arch="aarch64", cpu="Cortex-A76", model="Raspberry Pi 5 Model B", features=("asimd", "asimdhp", "asimddp")
)


def report(*measurements: Measurement, **changes: Any) -> Report:
    made = Report(
        board="local",
        date="2026-11-05T10:11:12+00:00",
        command="edgecnn bench runs/net",
        environment=environment.here(),
        suite={"name": "default", "rounds": 6},
        measurements=measurements,
        failures=(),
        warnings=report_warnings.warnings(measurements),
    )
    return dataclasses.replace(made, **changes)
