import dataclasses
from collections.abc import Sequence

import bench_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.pipeline.bench import instruction_counts
from edgecnn.records.measurement import Count, Measurement
from edgecnn.records.report import Report


def counted(run: str, precision: str, runtime: str, instructions: int, target: str | None = None) -> Measurement:
    counts = (Count(instructions=(instructions,) * 3, baseline_rss_bytes=0, peak_rss_bytes=1),)
    file = f"{run}-{precision}-{target}-{runtime}"
    return samples.measurement(
        [], run=run, file=file, precision=precision, runtime=runtime, target=target, counts=counts
    )


def core(name: str, dot: bool, *measurements: Measurement) -> Report:
    report = samples.report()
    features = ("asimd", "asimddp") if dot else ("asimd",)
    environment = dataclasses.replace(report.environment, arch="aarch64", cpu=name, features=features)
    return dataclasses.replace(report, environment=environment, measurements=measurements)


def said(*reports: Report) -> str:
    return "\n".join(instruction_counts.sentences(reports))


def pair(fp32: int, int8: int, run: str = "net") -> Sequence[Measurement]:
    return counted(run, "fp32", "litert", fp32), counted(run, "int8", "litert", int8)


@pytest.mark.parametrize(
    ("int8", "words"),
    [
        (490, "int8 needs 2.0 times fewer instructions than fp32 in litert"),
        (800, "int8 needs 20 % fewer instructions than fp32"),
        (970, "int8 needs as many instructions as fp32 (-3.0 %)"),
        (1300, "int8 needs 30 % more instructions than fp32"),
    ],
)
def test_what_int8_saves_is_said_as_it_was_counted(int8: int, words: str) -> None:
    assert words in said(core("Cortex-A72", False, *pair(1000, int8)))


def test_the_core_is_named_with_what_it_can() -> None:
    assert "On Cortex-A72 (ARMv8.0), int8 needs" in said(core("Cortex-A72", False, *pair(1000, 900)))
    assert "On Cortex-A76 (ARMv8.2 dot product), int8 needs" in said(core("Cortex-A76", True, *pair(1000, 900)))


def test_several_nets_are_one_mean_with_its_range_and_n() -> None:
    text = said(core("A", True, *pair(1000, 250, "one"), *pair(1000, 1000, "two")))
    assert "int8 needs 2.0 times fewer instructions" in text
    assert "(mean of 0.25 to 1.00, n = 2)" in text


@pytest.mark.parametrize(("signed", "unsigned", "cheaper"), [(95, 100, "S8S8"), (100, 95, "U8S8")])
def test_the_cheaper_signedness_is_named_with_its_option(signed: int, unsigned: int, cheaper: str) -> None:
    costs_of = {"dotprod": signed, "any": unsigned}
    files = [counted("net", "int8", "onnxruntime", cost, target) for target, cost in costs_of.items()]
    text = said(core("Cortex-A76", True, *files))
    assert f"{cheaper} is the cheaper int8 for ONNX" in text
    assert f"--target {'dotprod' if cheaper == 'S8S8' else 'any'}." in text


def test_signedness_that_depends_on_the_net_is_said_to() -> None:
    files = [
        counted(run, "int8", "onnxruntime", cost, target)
        for run, signed in (("one", 90), ("two", 110))
        for target, cost in (("dotprod", signed), ("any", 100))
    ]
    assert "neither S8S8 nor U8S8 is the cheaper int8 of every ONNX net" in said(core("A", True, *files))


def test_cores_are_compared_from_one_to_the_next() -> None:
    text = said(core("Cortex-A72", False, *pair(1000, 950)), core("Cortex-A76", True, *pair(1000, 475)))
    cores = "From Cortex-A72 (ARMv8.0) to Cortex-A76 (ARMv8.2 dot product)"
    assert f"{cores}, fp32 needs as many instructions as before (+0.0 %)" in text
    assert f"{cores}, int8 needs 2.0 times fewer instructions than before" in text


def test_where_nothing_was_counted_nothing_follows() -> None:
    assert instruction_counts.sentences([samples.report(samples.measurement([1.0]))]) == []
    assert instruction_counts.sentences([]) == []


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5))
def test_the_mean_lies_within_the_range_and_is_the_inverse_of_the_inverse(values: list[float]) -> None:
    mean, inverse = (
        instruction_counts.Ratio(tuple(values)),
        instruction_counts.Ratio(tuple(1 / value for value in values)),
    )
    assert min(values) * (1 - 1e-9) <= mean.mean <= max(values) * (1 + 1e-9)
    assert mean.mean * inverse.mean == pytest.approx(1)
