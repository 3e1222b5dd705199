"""The contract `edgecnn.studies.lessons.Teachable` of all lessons, and their exact claims; then each one's own.

Each lesson is measured once, in its quick form, and all tests read that.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from torch import nn

from edgecnn import data
from edgecnn.common import plugins, stats
from edgecnn.records import artifact
from edgecnn.records.run import open_run
from edgecnn.studies import findings, lessons
from edgecnn.studies.findings import Lesson, Number
from edgecnn.studies.lessons import estimates, fields, predictions, shifts, show
from edgecnn.studies.lessons import lessons as lesson
from edgecnn.studies.lessons.topics import dense_explosion, permutation, receptive_field

NAMES = plugins.own_names("edgecnn.studies.lessons.topics")
PNG = b"\x89PNG\r\n\x1a\n"


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def folder() -> Path:
    return Path(_home().name)


@functools.cache
def measured(name: str) -> Lesson:
    """The lesson in its quick form, once a session, in `folder`."""
    (result,) = lesson.lesson([name], quick=True, output=folder())
    return result


def value(name: str, number: str) -> Number:
    return next(estimate for estimate in measured(name).numbers if estimate.name == number)


@pytest.mark.parametrize("name", NAMES)
class TestEveryLesson:
    def test_says_what_the_textbook_claims_and_where(self, name: str) -> None:
        head = inspect.getdoc(lessons.get(name)) or ""
        assert len(head.split()) >= 30
        assert re.search(r"\b(19|20)\d\d\b", head)
        assert len(lessons.get(name).TITLE) <= 120

    def test_has_numbers_with_interval_and_n(self, name: str) -> None:
        numbers = measured(name).numbers
        assert len({number.name for number in numbers}) == len(numbers) > 0
        for number in numbers:
            assert math.isfinite(number.value)
            assert (number.low is None) == (number.high is None)
            if number.low is not None and number.high is not None:
                assert number.low <= number.value <= number.high
                assert number.n is not None
            assert (number.n is None) == (number.n_of == "")

    def test_has_claims_and_every_exact_one_holds(self, name: str) -> None:
        claims = measured(name).claims
        assert claims
        for claim in claims:
            assert claim.expected.endswith(".")
            assert claim.measured.endswith(".")
            assert claim.holds in (True, False, None)
            assert not claim.exact or claim.holds is True, claim.measured

    def test_has_pictures_with_captions(self, name: str) -> None:
        result = measured(name)
        assert len(result.pictures) == len(result.captions) > 0
        for picture, caption in zip(result.pictures, result.captions, strict=True):
            assert picture.startswith(name)
            assert (folder() / picture).read_bytes().startswith(PNG)
            assert caption.strip()

    def test_is_read_back_from_its_json(self, name: str) -> None:
        assert findings.read(Lesson, folder() / f"{name}.json") == _through_json(measured(name))

    def test_tells_what_decides_its_numbers(self, name: str) -> None:
        assert measured(name).settings

    def test_reads_well_in_80_columns(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        show.show(measured(name), Path("lessons"))
        *printed, paths, _ = capsys.readouterr().out.splitlines()
        assert max(map(len, printed)) <= show.WIDTH
        assert f"{name}.json" in paths


def _through_json(result: Lesson) -> Lesson:
    """Return the lesson with lists for tuples in a mapping of anything, as JSON gives them back."""
    import dataclasses

    return dataclasses.replace(result, settings=json.loads(json.dumps(result.settings)))


def test_a_lesson_measured_again_trains_nothing_and_finds_the_same() -> None:
    first = measured("permutation")
    runs = sorted((folder() / "runs" / "permutation").glob("*/run.json"))
    before = [path.stat().st_mtime_ns for path in runs]
    (second,) = lesson.lesson(["permutation"], quick=True, output=folder())
    assert len(runs) == 18
    assert [path.stat().st_mtime_ns for path in runs] == before
    assert (second.numbers, second.claims) == (first.numbers, first.claims)


class TestDenseExplosion:
    @given(st.integers(3, 600))
    def test_a_dense_layer_grows_with_the_picture_and_a_filter_does_not(self, side: int) -> None:
        assert dense_explosion.count(side, is_dense=True) == side * side * 3 * 1000
        assert dense_explosion.count(side, is_dense=False) == 27 * 1000

    def test_both_nets_have_equal_parameters(self) -> None:
        measured("dense-explosion")
        runs = [open_run(path.parent) for path in (folder() / "runs" / "dense-explosion").glob("*/run.json")]
        assert {run.recipe.net.name for run in runs} == {"dscnn", "mlp"}
        assert max(run.params for run in runs) <= 1.1 * min(run.params for run in runs)


class TestPermutation:
    def test_only_the_very_shuffle_of_the_pixels_undoes_it(self) -> None:
        measured("permutation")
        run = open_run(folder() / "runs" / "permutation" / "mlp-0")
        plain = data.get("digits").load()[1].load_all()
        shuffled, otherwise = (data.get("permuted").load(seed=seed)[1].load_all() for seed in (0, 1))  # type: ignore[call-arg]
        assert permutation.renamed_difference(run, plain, shuffled) < permutation.ROUNDING
        assert permutation.renamed_difference(run, plain, otherwise) > 0.1

    def test_shuffling_takes_from_neighbours_what_they_share(self) -> None:
        plain = value("permutation", "correlation of neighbouring pixels, plain").value
        assert abs(value("permutation", "correlation of neighbouring pixels, shuffled").value) < plain / 2


class TestEquivariance:
    @settings(deadline=None, max_examples=20)
    @given(st.integers(1, 3), st.integers(1, 4), st.sampled_from([1, 3, 5]), st.integers(0, 99))
    def test_a_convolution_commutes_with_multiples_of_its_stride(
        self, stride: int, times: int, kernel: int, seed: int
    ) -> None:
        torch.manual_seed(seed)
        layer = nn.Conv2d(2, 3, kernel, stride, padding=kernel // 2).double()
        x = torch.randn(2, 2, 64, 64, dtype=torch.float64)
        errors = shifts.shift_errors(layer, x, times * stride, stride, margin=times + 3)
        assert errors.max() < 1e-12

    def test_a_stride_does_not_commute_with_a_shorter_shift(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
        for name, layer in shifts.downsamplers(3).items():
            assert shifts.shift_errors(layer.double(), x, 1, 2, margin=4).min() > 0.01, name

    @given(st.integers(-9, 9), st.integers(-9, 9))
    def test_a_moved_picture_loses_what_leaves_it_and_black_moves_in(self, down: int, right: int) -> None:
        images = np.random.default_rng(0).integers(1, 256, (2, 8, 8, 1), dtype=np.uint8)
        moved = predictions.moved(images, down, right)
        for row in range(8):
            for column in range(8):
                source = (row - down, column - right)
                inside = all(0 <= place < 8 for place in source)
                expected = images[:, source[0], source[1]] if inside else np.zeros((2, 1), dtype=np.uint8)
                assert np.array_equal(moved[:, row, column], expected)

    def test_every_picture_is_shifted_by_the_same_length_in_a_direction_of_its_own(self) -> None:
        images = np.zeros((200, 9, 9, 1), dtype=np.uint8)
        images[:, 4, 4] = 255
        places = {(int(row) - 4, int(column) - 4) for _, row, column, _ in np.argwhere(predictions.shifted(images, 3))}
        assert places == {(-3, 0), (3, 0), (0, -3), (0, 3)}

    def test_who_sees_no_place_keeps_every_answer(self) -> None:
        images = np.zeros((50, 9, 9, 1), dtype=np.uint8)
        images[:, 4, 4, 0] = np.arange(50)
        assert predictions.kept(lambda shown: shown.max((1, 2, 3)).astype(np.int64), images, 2).all()
        assert not predictions.kept(lambda shown: shown[:, 4, 4, 0].astype(np.int64) > 0, images[1:], 2).any()  # type: ignore[arg-type, return-value]

    def test_the_int8_files_are_those_of_a_device(self) -> None:
        measured("equivariance")
        runs = folder() / "runs" / "equivariance"
        precisions = {
            family: predictions.int8_file(open_run(runs / f"{family}-0")).description.precision
            for family in ("dscnn", "mlp", "vit")
        }
        assert precisions == {"dscnn": "int8", "mlp": "int8", "vit": "int8-mixed"}


STEPS = st.builds(
    fields.Step,
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 1, 2]),
    dilation=st.sampled_from([1, 1, 2]),
    is_pool=st.just(False),
) | st.just(fields.Step(2, 2, is_pool=True))


class TestReceptiveField:
    @settings(deadline=None, max_examples=25)
    @given(st.lists(STEPS, min_size=1, max_size=3))
    def test_the_gradient_reaches_exactly_as_far_as_the_arithmetic_says(self, steps: list[fields.Step]) -> None:
        theoretical = fields.theoretical(steps)
        assert fields.measured(fields.stack(steps), 1, 2 * theoretical + 33) == theoretical

    def test_three_convolutions_see_seven_pixels(self) -> None:
        assert fields.theoretical([fields.Step(3)] * 3) == 7
        assert fields.measured(fields.stack([fields.Step(3)] * 3), 1, 21) == 7

    def test_the_effective_field_is_inside_the_theoretical_one(self) -> None:
        torch.manual_seed(0)
        features = fields.stack([fields.Step(3)] * 4, channels=3)
        gradient = fields.effective(features, torch.randn(4, 3, 21, 21))
        rows, columns = torch.nonzero(gradient).T
        assert (int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())) == (6, 14, 6, 14)
        assert fields.effective_side(gradient) <= 9

    def test_the_side_of_a_uniform_square_is_its_side(self) -> None:
        gradient = torch.zeros(20, 20)
        gradient[3:10, 5:12] = 0.7
        assert fields.effective_side(gradient) == 7

    def test_a_net_learns_what_its_field_holds_and_guesses_what_it_does_not(self) -> None:
        (claim,) = (claim for claim in measured("receptive-field").claims if claim.expected.startswith("Evidence"))
        assert claim.holds is True, claim.measured

    def test_one_net_that_guesses_where_it_should_see_is_no_proof(self) -> None:
        def share(low: float, high: float) -> Number:
            return Number(name="x", value=(low + high) / 2, unit="%", low=low, high=high, n=2000, n_of="pictures")

        chance, seen = share(48, 52), share(98, 100)
        assert receptive_field.collapses([chance], [seen]) is True
        assert receptive_field.collapses([seen], [seen]) is False
        assert receptive_field.collapses([chance], [seen, chance]) is False
        assert receptive_field.collapses([share(53, 57)], [seen]) is None


class TestPooling:
    def test_only_strides_lose_a_thin_edge(self) -> None:
        assert {pool: min(shifts.strengths(pool)) > 0 for pool in ("max", "average", "blur", "stride")} == {
            "max": True,
            "average": True,
            "blur": True,
            "stride": False,
        }
        assert shifts.jump("stride") is None

    def test_only_a_blur_moves_evenly_with_the_edge(self) -> None:
        assert shifts.jump("blur") == pytest.approx(0, abs=1e-6)
        assert shifts.jump("max") == shifts.jump("average") == pytest.approx(0.5)

    def test_every_way_gives_a_file_that_is_int8_throughout(self) -> None:
        measured("pooling")
        files = [artifact.read_card(path) for path in (folder() / "runs" / "pooling").glob("*/artifacts/*.tflite")]
        assert len(files) == 4
        assert {file.description.precision for file in files if file} == {"int8"}

    def test_latency_is_of_processes_that_took_turns(self) -> None:
        timed = [number for number in measured("pooling").numbers if number.unit == "µs"]
        assert len(timed) == 4
        assert {(number.n, number.n_of) for number in timed} == {(4, "processes")}


class TestSeeds:
    @given(st.integers(1, 200))
    def test_quantiles_are_students(self, freedom: int) -> None:
        assert stats.t_quantile(freedom) == pytest.approx(scipy_stats.t.ppf(0.975, freedom), rel=1e-6)

    @given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20))
    def test_the_interval_is_that_of_the_mean(self, values: list[float]) -> None:
        mean, low, high = stats.mean_interval(values)
        error = scipy_stats.sem(values)
        expected = scipy_stats.t.interval(0.95, len(values) - 1, np.mean(values), error) if error else (mean, mean)
        assert (low, high) == pytest.approx(expected, rel=1e-5, abs=1e-6)

    def test_a_single_value_has_no_interval(self) -> None:
        number = estimates.number("x", [3.0], "%")
        assert (number.low, number.high, number.n, number.n_of) == (None, None, 1, "seed")
        assert estimates.is_above(number) is None
        assert estimates.is_within(number, 5) is None

    def test_one_seed_has_the_interval_of_its_pictures_and_says_so(self) -> None:
        hits = np.array([True] * 90 + [False] * 10)
        share = estimates.share("x", [hits])
        assert (share.value, share.n, share.n_of) == (90, 100, estimates.ONE_SEED)
        assert share.low == pytest.approx(82.56, abs=0.01)

    def test_no_share_is_believed_to_be_more_than_all(self) -> None:
        share = estimates.share(
            "x", [np.array([True] * correct + [False] * (100 - correct)) for correct in (100, 99, 96)]
        )
        assert share.high == 100
        assert share.low == pytest.approx(98.33 - 4.3027 * 2.0817 / 3**0.5, abs=0.01)

    def test_a_lead_is_what_the_first_has_more(self) -> None:
        first, second = np.array([True] * 8 + [False] * 2), np.array([True] * 5 + [False] * 5)
        assert estimates.lead("x", [first], [second]).value == pytest.approx(30)
        assert estimates.lead("x", [first] * 3, [second] * 3).value == pytest.approx(30)
        assert estimates.lead("x", [second], [first]).value == pytest.approx(-30)

    @given(st.integers(1, 4), st.integers(0, 99))
    def test_a_contrast_of_two_is_a_lead(self, seeds: int, draw: int) -> None:
        rng = np.random.default_rng(draw)
        first, second = rng.random((2, seeds, 50)) < 0.7
        lead = estimates.lead("x", list(first), list(second))
        contrast = estimates.contrast("x", [(1, list(first)), (-1, list(second))])
        assert contrast.value == pytest.approx(lead.value)
        if seeds > 1:
            assert contrast.low == pytest.approx(lead.low)

    @pytest.mark.parametrize(
        ("low", "high", "above", "within"),
        [(1, 2, True, True), (-2, -1, False, True), (-1, 1, None, True), (4, 9, True, None), (6, 9, True, False)],
    )
    def test_a_verdict_needs_the_whole_interval(
        self, low: float, high: float, above: bool | None, within: bool | None
    ) -> None:
        number = Number(name="x", value=(low + high) / 2, unit="pp", low=low, high=high, n=3, n_of="seeds")
        assert estimates.is_above(number) is above
        assert estimates.is_within(number, 5) is within

    def test_several_verdicts_are_as_weak_as_the_weakest(self) -> None:
        assert estimates.all_of([True, True]) is True
        assert estimates.all_of([True, None]) is None
        assert estimates.all_of([None, False]) is False
