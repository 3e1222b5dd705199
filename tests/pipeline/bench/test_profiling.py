import dataclasses
import io
import json
import typing
from pathlib import Path
from typing import Any

import bench_samples as samples
import island_models
import jsonschema
import pytest
import tiny_models
from checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.cli import measuring
from edgecnn.errors import EnvironmentUnfit, ModelFileError, UsageError
from edgecnn.formats import CODERS, MOVES, Operator
from edgecnn.pipeline.bench.profiling import advice, results, rows, show, slower_int8, threads
from edgecnn.pipeline.bench.profiling import profile as take
from edgecnn.pipeline.bench.profiling.results import (
    Advice,
    OperatorCost,
    Profile,
    ProfileReport,
    ProfileRow,
    Threads,
    Total,
)
from edgecnn.records import environment
from edgecnn.records.measurement import Validity
from edgecnn.records.plans import Suite

QUICK = Suite(name="quick", rounds=1, warmup_runs=1, num_runs=5, min_secs=0.0)
SCHEMA = json.loads((ROOT / "bench" / "profile.schema.json").read_text())


def operator(kind: str, macs: int = 0, **changes: Any) -> Operator:
    label = changes.pop("label", f"{kind} 8>16" if macs else kind)
    made = Operator(
        name=f"{kind}_1",
        operator=kind.upper(),
        kind=kind,
        label=label,
        input_shape=(1, 8, 8, 8),
        output_shape=(1, 8, 8, 16),
        channels=(8, 16) if macs else None,
        macs=macs,
        bytes=1000,
        is_float=True,
    )
    return dataclasses.replace(made, **changes)


def made(parts: list[tuple[Operator, float]], call: float = 0.001, **changes: Any) -> Profile:
    """A profile of six rounds that agree; costs in ms."""
    table = rows.rows([part for part, _ in parts], [(cost,) * 6 for _, cost in parts], (call,) * 6)
    total = rows.cost([sum(cost for _, cost in parts) + call] * 6)
    profile = Profile(
        file="net-fp32.onnx",
        run="net",
        sha256="0" * 64,
        format="onnx",
        precision="fp32",
        target=None,
        input_dtype="float32",
        runtime="onnxruntime",
        runtime_version="1.31.1",
        num_threads=1,
        method="prefixes",
        reason="a test",
        unit="ms",
        rounds=6,
        runs=9,
        whole=total,
        sum=total,
        off_percent=rows.cost([0.0] * 6),
        own_sum=None,
        call=rows.cost([call] * 6),
        rows=table,
        moves=take.together([part for part, _ in parts], table, MOVES),
        coders=take.together([part for part, _ in parts], table, CODERS),
        threads=(),
        knee=None,
        validity=Validity(),
        advice=(),
    )
    return dataclasses.replace(profile, **changes)


def said(profile: Profile) -> dict[str, str]:
    return {finding.kind: finding.sentence for finding in advice.advice(profile)}


# rows


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=12), st.floats(0, 1))
def test_rows_keep_order_and_their_shares_make_a_whole(costs: list[float], call: float) -> None:
    parts = [operator("conv", 1000) for _ in costs]
    table = rows.rows(parts, [(cost,) * 6 for cost in costs], (call,) * 6)
    assert [row.cost.p50 for row in table] == pytest.approx(costs)
    assert [row.place for row in table] == list(range(1, len(costs) + 1))
    assert sum(row.share_percent for row in table) == pytest.approx(100 * sum(costs) / (sum(costs) + call))
    assert sum(row.macs_percent for row in table) == pytest.approx(100)
    assert max(row.of_best_percent or 0.0 for row in table) == pytest.approx(100)


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 6), min_size=1, max_size=10))
def test_joining_loses_nothing_and_leaves_nothing_negative_beyond_noise(costs: list[tuple[float, ...]]) -> None:
    groups = rows.joined(costs)
    assert [place for places, _ in groups for place in places] == list(range(len(costs)))
    assert sum(sum(joined) for _, joined in groups) == pytest.approx(
        sum(sum(operator_costs) for operator_costs in costs), abs=1e-9
    )
    if len(groups) > 1:
        assert all(rows.cost(joined).high >= 0 for _, joined in groups)


def test_a_pad_that_vanishes_into_its_convolution_is_one_row_with_it() -> None:
    parts = [operator("pad"), operator("conv", 9000), operator("add")]
    table = rows.rows(parts, [(5.0,) * 6, (-2.0,) * 6, (1.0,) * 6], (0.0,) * 6)
    assert [(row.kind, row.operators, row.cost.p50, row.macs) for row in table] == [
        ("conv", ("PAD", "CONV"), 3.0, 9000),
        ("add", ("ADD",), 1.0, 0),
    ]


def test_a_cost_whose_interval_holds_zero_is_not_told_and_has_no_rate() -> None:
    (row,) = rows.rows([operator("conv", 9)], [(-0.1, 0.2, 0.3, 0.1, 0.2, 0.4)], (1.0,) * 6)
    assert not row.cost.is_told
    assert row.macs_per_unit is row.of_best_percent is None


@pytest.mark.parametrize(
    ("totals", "wholes", "fits"),
    [
        ([1.0] * 6, [1.0] * 6, True),
        ([1.09] * 6, [1.0] * 6, True),
        ([1.2] * 6, [1.0] * 6, False),
        ([0.8] * 6, [1.0] * 6, False),
        ([0.8, 1.3, 1.2, 0.9, 1.4, 1.3], [1.0] * 6, True),  # nobody can tell
        ([1.2, 2.4, 3.6, 1.2, 2.4, 3.6], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0], False),  # each process for itself
    ],
)
def test_parts_that_do_not_add_up_are_no_profile(totals: list[float], wholes: list[float], fits: bool) -> None:
    reason = rows.misfit(rows.fit(totals, wholes))
    assert (reason is None) == fits
    assert fits or "off the whole by" in (reason or "")


# the runtime's own profiler


def test_a_profiler_that_measures_itself_is_not_used() -> None:
    assert take.method(303.0, 107.0)[0] == "prefixes"
    assert take.method(10.2, 10.0)[0] == "own profile"
    assert "+183 %" in take.method(303.0, 107.0)[1]


# threads


def test_all_small_numbers_of_threads_are_tried_and_all_cores() -> None:
    assert threads.counts(1) == (1,)
    assert threads.counts(4) == (1, 2, 3, 4)
    assert threads.counts(24) == (1, 2, 3, 4, 5, 6, 7, 8, 16, 24)


def swept(medians: dict[int, float]) -> tuple[Threads, ...]:
    return threads.sweep({n: [samples.window([ms * (1 + 0.001 * i)]) for i in range(6)] for n, ms in medians.items()})


@pytest.mark.parametrize(
    ("medians", "knee", "words"),
    [
        ({1: 4.0, 2: 2.2, 3: 2.15, 4: 2.3}, 2, "2 threads are 1.8 times quicker than one; more win nothing"),
        ({1: 4.0, 2: 5.0}, 1, "One thread is as good as any"),
        ({1: 4.0, 2: 2.0, 3: 1.4, 4: 1.0}, 4, "all cores taken"),
        ({1: 4.0, 2: 4.1, 3: 3.0}, 3, "3 threads"),
    ],
)
def test_the_knee_is_where_threads_stop_paying(medians: dict[int, float], knee: int, words: str) -> None:
    sweep = swept(medians)
    assert threads.knee(sweep) == knee
    profile = made([(operator("conv", 9), 1.0)], threads=sweep, knee=knee)
    assert words in said(profile)["threads"]


def test_rounds_that_cannot_tell_two_from_one_make_no_knee() -> None:
    spread = [1.0, 3.0, 0.8, 2.5, 1.2, 2.0]
    windows = {1: [samples.window([ms]) for ms in spread], 2: [samples.window([0.9 * ms]) for ms in spread]}
    assert threads.knee(threads.sweep(windows)) == 1


# advice


def test_a_stem_of_one_channel_is_named_with_its_reason_and_its_saving() -> None:
    stem = operator("conv", 100_000, channels=(1, 64), label="conv 3x3 1>64")
    profile = made([(stem, 0.041), (operator("pointwise", 1_000_000), 0.050)], call=0.009)
    words = said(profile)["behind-its-macs"]
    assert words.startswith("1 conv 3x3 1>64 takes 41 % of the time for 9 % of the MACs, because 1 input channel")
    assert "36.0 µs less" in words  # 41 µs less what its MACs take at the pointwise rate
    assert "stride 2" in said(profile)["stem"]
    assert "30.8 µs" in said(profile)["stem"]  # three quarters of it


def test_depthwise_convolutions_are_held_against_the_other_layers() -> None:
    profile = made(
        [(operator("depthwise", 100), 1.0), (operator("pointwise", 900), 1.0), (operator("depthwise", 100), 1.0)]
    )
    assert said(profile)["depthwise"].startswith("2 depthwise convolutions take 67 % of the time for 18 % of the MACs")
    assert "about 1.00 ms" in said(profile)["depthwise"]


def test_transposes_and_coders_are_counted_with_their_time() -> None:
    kinds = ("quantize", "elu", "dequantize", "transpose", "reorder")
    parts = [(operator(kind, is_float=kind == "elu"), 0.5) for kind in kinds]
    words = said(made([*parts, (operator("conv", 9, is_float=False), 2.5)], precision="int8-mixed"))
    assert words["transposes"].startswith("2 transposes take 1.00 ms (20 %)")
    assert words["coders"].startswith("1 quantize and 1 dequantize operators run around 1 float island")
    assert "1.00 ms (20 %)" in words["coders"]
    assert words["float-operators"].startswith("1 of 6 operators compute in float (elu) and takes 500 µs")


def test_nothing_is_invented_where_time_follows_the_macs() -> None:
    advised = advice.advice(made([(operator("conv", 1000, stride=2), 1.0), (operator("conv", 2000), 2.0)]))
    assert [finding.kind for finding in advised] == ["nothing"]


def test_a_net_of_nothing_but_calls_is_told_so() -> None:
    words = said(made([(operator("dense", 10), 0.001)], call=0.002))
    assert "2.00 µs, 67 %, is the call of an empty graph" in words["call"]


def test_what_saves_most_comes_first() -> None:
    stem = operator("conv", 10, channels=(1, 8))
    advised = advice.advice(made([(stem, 5.0), (operator("pointwise", 90), 1.0), (operator("transpose"), 0.5)]))
    saves = [finding.saves or 0.0 for finding in advised]
    assert saves == sorted(saves, reverse=True)


# int8 slower than fp32

FP32 = made([(operator("conv", 1000), 1.0), (operator("conv", 1000), 1.0)])


def int8(parts: list[tuple[Operator, float]], **changes: Any) -> Profile:
    return made(parts, **{"file": "net-int8.onnx", "precision": "int8", "input_dtype": "uint8"} | changes)


def why(profile: Profile, arch: str = "x86_64") -> str:
    advised = slower_int8.explained([FP32, profile], arch)[1].advice
    return advised[0].sentence if advised and advised[0].kind == "int8-slower-than-fp32" else ""


CONV = operator("conv", 1000, is_float=False)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([(operator("conv", 1000), 2.0), (CONV, 0.5)], "1 of its 2 layers stayed float (2.00 ms)"),
        ([(CONV, 1.0), (CONV, 0.5), (operator("elu"), 2.0)], "1 operator without weights stayed float (2.00 ms)"),
        (
            [(CONV, 1.0), (CONV, 0.5), (operator("quantize", is_float=False), 2.0)],
            "1 quantize or dequantize operator",
        ),
        ([(CONV, 1.0), (CONV, 0.5), (operator("transpose", is_float=False), 2.0)], "1 transpose (2.00 ms)"),
        ([(CONV, 2.0), (CONV, 2.0)], "its 2 integer layers are slower than the 2 of fp32 (2.00 ms)"),
        (
            [(CONV, 1.0), (CONV, 0.5), (operator("add", is_float=False), 2.0)],
            "1 operator between its layers",
        ),
    ],
)
def test_int8_slower_than_fp32_is_explained_by_what_costs_more(parts: list[tuple[Operator, float]], words: str) -> None:
    sentence = why(int8(parts))
    assert "more than net-fp32.onnx" in sentence
    assert words in sentence


def test_int8_activations_on_x86_are_named() -> None:
    parts = [(operator("conv", 1000), 2.0), (CONV, 2.0)]
    assert "`edgecnn export`" in why(int8(parts, input_dtype="int8"))
    assert "--target" not in why(int8(parts, input_dtype="int8"), arch="aarch64")
    assert "--target" not in why(int8(parts))


def test_it_is_explained_without_rows_and_not_where_int8_is_quicker() -> None:
    bare = dataclasses.replace(int8([(CONV, 9.0)]), rows=(), method="not available", reason="its parts do not add up")
    assert "not available, because its parts do not add up" in why(bare)
    assert why(int8([(CONV, 0.5)])) == ""
    assert why(int8([(CONV, 9.0)], run="another", file="another-int8.onnx")) == ""
    assert why(int8([(CONV, 9.0)], runtime="litert")) == ""


# the whole way, on files of other makes


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProfileReport, Path]:
    folder = tmp_path_factory.mktemp("files")
    files = [  # of so few operators that a busy machine may throw the sum off
        island_models.heavy_onnx(folder / "heavy.onnx"),
        island_models.island_onnx(folder / "island.onnx"),
        island_models.island_tflite(folder / "island.tflite"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "MOST_OFF_PERCENT", 1e9)
        patch.setattr(take, "OWN_MOST_OFF_PERCENT", -1.0)
        report = take.profile(files, QUICK, output=folder / "out" / "profile.json")
    assert report.path is not None
    return report, report.path


def test_every_file_is_taken_apart_and_its_parts_add_up(profiled: tuple[ProfileReport, Path]) -> None:
    report, _ = profiled
    assert [(profile.file, profile.runtime) for profile in report.profiles] == [
        ("heavy.onnx", "onnxruntime"), ("island.onnx", "onnxruntime"), ("island.tflite", "litert"),
    ]  # fmt: skip
    assert report.failures == ()
    for profile in report.profiles:
        assert profile.rounds == take.PROCESSES_A_ROUND
        assert [each.num_threads for each in profile.threads] == list(threads.counts(report.environment.cores))
        assert profile.method == "prefixes"
        assert profile.call is not None
        assert all(len(row.samples) == profile.rounds for row in profile.rows)
        parts = [sum(round_) for round_ in zip(*(row.samples for row in profile.rows), strict=True)]
        assert sum(parts) / len(parts) + profile.call.p50 == pytest.approx(
            profile.sum.p50
        )  # of two, a median is the mean


def test_the_layer_of_nearly_all_macs_takes_most_of_the_time(profiled: tuple[ProfileReport, Path]) -> None:
    heavy = profiled[0].profiles[0]
    top = max(heavy.rows, key=lambda row: row.cost.p50)
    assert top.macs_percent > 90
    assert top.share_percent > 50
    assert top.label == "conv 3x3 64>64"


def test_the_island_and_the_transposes_are_found_and_explained(profiled: tuple[ProfileReport, Path]) -> None:
    for profile in profiled[0].profiles[1:]:
        assert profile.moves.operators >= 1
        assert profile.coders.operators >= 2
        words = {each.kind: each.sentence for each in profile.advice}
        assert "transpose" in words["transposes"]
        assert "float island" in words["coders"]


def test_the_json_obeys_its_schema_and_reads_back(profiled: tuple[ProfileReport, Path]) -> None:
    report, path = profiled
    table = json.loads(path.read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(table)
    assert results.read(path) == report
    assert "--profile" in table["command"]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_it_is_shown_in_eighty_columns(profiled: tuple[ProfileReport, Path]) -> None:
    stream = io.StringIO()
    show.show(dataclasses.replace(profiled[0], environment=samples.SAPPHIRE_RAPIDS), stream)
    shown = stream.getvalue().splitlines()
    assert shown[1] == "on Intel(R) Xeon(R) Processor (AVX-512 VNNI, BF16, AMX)"
    assert [line for line in shown if len(line) > 80] == []
    assert any("conv 3x3 64>64" in line for line in shown)


def test_parts_that_may_fit_or_not_are_shown_with_a_doubt(
    profiled: tuple[ProfileReport, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = dataclasses.replace(FP32, off_percent=OperatorCost(p50=-23.0, low=-40.0, high=5.0))
    show.show(dataclasses.replace(profiled[0], profiles=(doubtful,)))
    assert "off the whole by -23 %" in capsys.readouterr().err


def test_the_engines_own_profile_fills_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "OWN_MOST_OFF_PERCENT", 1e9)
    monkeypatch.setattr(rows, "MOST_OFF_PERCENT", 1e9)
    report = take.profile([island_models.heavy_onnx(tmp_path / "heavy.onnx")], QUICK)
    (profile,) = report.profiles
    assert profile.method == "own profile"
    assert profile.call is None
    assert max(profile.rows, key=lambda row: row.cost.p50).macs_percent > 90
    stream = io.StringIO()
    show.show(report, stream)
    assert "own profiler" in stream.getvalue()


def refused(path: Path) -> Path:
    """An ONNX file of a version that no runtime reads yet."""
    import onnx

    model = onnx.load(tiny_models.linear_onnx(path, tiny_models.weights(4, 4, 1, 3)))
    model.opset_import[0].version = 99
    onnx.save(model, path)
    return path


def test_a_file_the_runtime_refuses_is_a_failure_beside_the_others(tmp_path: Path) -> None:
    good = tiny_models.linear_tflite(tmp_path / "good.tflite", tiny_models.weights(4, 4, 1, 3))
    bad = refused(tmp_path / "bad.onnx")
    report = take.profile([good, bad], QUICK)
    assert report.path is None
    assert [profile.file for profile in report.profiles] == ["good.tflite"]
    assert [(failure.file, "refuses" in failure.sentence) for failure in report.failures] == [("bad.onnx", True)]
    with pytest.raises(ModelFileError):
        take.profile([bad], QUICK)


def test_profiles_as_json_are_all_of_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tiny_models.linear_tflite(tmp_path / "a.tflite", tiny_models.weights(4, 4, 1, 3))
    measuring.bench([file], rounds=1, num_runs=2, min_secs=0.0, profile=True, as_json=True)
    jsonschema.validate(json.loads(capsys.readouterr().out), SCHEMA)


def test_a_file_that_is_not_measured_fails_the_command_after_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = tiny_models.weights(4, 4, 1, 3)
    good = tiny_models.linear_tflite(tmp_path / "good.tflite", kernel)
    bad = refused(tmp_path / "bad.onnx")
    with pytest.raises(EnvironmentUnfit, match=r"^bad\.onnx on onnxruntime: "):
        measuring.bench([good, bad], rounds=1, num_runs=2, min_secs=0.0, profile=True)
    assert "good.tflite" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", '{"schema_version": 99}', '{"schema_version": 1}'])
def test_what_is_no_profile_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(content)
    with pytest.raises(UsageError, match=r"profile\.json"):
        results.read(tmp_path / "profile.json")


@pytest.mark.parametrize("cls", [ProfileReport, Profile, ProfileRow, OperatorCost, Total, Threads, Advice])
def test_the_schema_names_every_field_and_no_other(cls: type) -> None:
    part = SCHEMA if cls is ProfileReport else SCHEMA["$defs"][cls.__name__]
    fields = {field.name for field in dataclasses.fields(cls)}
    if cls is ProfileReport:
        fields = fields - {"path"} | {"schema_version"}
    assert set(part["properties"]) == set(part["required"]) == fields
    assert part["additionalProperties"] is False


def test_the_schema_lists_every_kind_of_advice_and_shares_its_parts_with_the_benchs() -> None:
    assert SCHEMA["$defs"]["Advice"]["properties"]["kind"]["enum"] == list(typing.get_args(results.AdviceKind))
    bench = json.loads((ROOT / "bench" / "report.schema.json").read_text())
    for name in ("Environment", "Failure", "Validity"):
        assert SCHEMA["$defs"][name] == bench["$defs"][name]


def test_the_schema_refuses_what_is_no_profile() -> None:
    report = ProfileReport(
        board="local",
        date="2026-11-05T10:11:12+00:00",
        command="edgecnn bench net.onnx --profile",
        environment=environment.here(),
        suite={"name": "default"},
        profiles=(FP32,),
        failures=(),
    )
    table = results.to_table(report)
    jsonschema.validate(json.loads(json.dumps(table)), SCHEMA)
    for spoil in ({"method": "guessed"}, {"rounds": 0}, {"unit": "s"}, {"speed": 1}):
        spoilt = json.loads(json.dumps(table))
        spoilt["profiles"][0].update(spoil)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoilt, SCHEMA)


def test_a_board_that_neither_keeps_time_nor_counts_is_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn.boards.local import LocalBoard
    from edgecnn.onboard import counters

    if counter := counters.instructions():
        counter.close()
        pytest.skip("this machine counts")
    monkeypatch.setattr(LocalBoard, "keeps_time", False)
    with pytest.raises(EnvironmentUnfit, match="keeps no time and counts no instructions"):
        take.profile([tiny_models.linear_tflite(tmp_path / "a.tflite", tiny_models.weights(4, 4, 1, 3))], QUICK)
