"""int8 weights leave room for the sums of their products, and take no more of it than they need."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from edgecnn.pipeline.export import weight_range
from edgecnn.pipeline.export.weight_range import LARGEST, LARGEST_PAIR, least_range

SHAPES = [(3, 1, 3, 3), (4, 3, 3, 3), (5, 8, 1, 1), (2, 5, 2, 3), (6, 7), (4, 1), (1, 2)]


def quantised(weight: Tensor) -> Tensor:
    """The int8 weights that `least_range` leads to, as they are stored."""
    reach = least_range(weight).reshape(-1, *[1] * (weight.ndim - 1))
    scale = torch.where(reach > 0, reach / LARGEST, torch.ones(()))
    return torch.round(weight / scale)


def pair_sums(weight: Tensor) -> list[float]:
    """Return the sums of neighbours of one sign, in all orders that runtimes lay a filter out in."""
    rows = weight.flatten(1).tolist()
    if weight.ndim == 4:
        last = weight.permute(0, 2, 3, 1)  # (K, kh, kw, C)
        rows += last.flatten(1).tolist() + last.flatten(0, 2).tolist()
    sums = []
    for row in rows:
        for first, second in itertools.zip_longest(row[::2], row[1::2], fillvalue=0.0):
            sums += [max(first, 0) + max(second, 0), -min(first, 0) - min(second, 0)]
    return sums


@given(st.sampled_from(SHAPES), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 3.0]))
def test_no_two_neighbours_pass_16_bits_whatever_the_pixels(shape: tuple[int, ...], seed: int, tails: float) -> None:
    values = np.random.default_rng(seed).standard_t(tails + 1, shape).astype(np.float32)
    weight = quantised(torch.from_numpy(values))
    assert max(pair_sums(weight)) <= LARGEST_PAIR
    assert 255 * max(pair_sums(weight)) <= 2**15 - 1
    assert weight.abs().max() <= LARGEST


@given(st.sampled_from(SHAPES), st.integers(0, 2**32 - 1))
def test_the_range_is_at_most_twice_the_largest_weight_and_never_less_than_it(
    shape: tuple[int, ...], seed: int
) -> None:
    weight = torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))
    largest = weight.flatten(1).abs().amax(1)
    assert (least_range(weight) >= largest).all()
    assert (least_range(weight) <= 2 * largest * (1 + 2 / LARGEST_PAIR)).all()


@pytest.mark.parametrize("row", [[1.0, -1.0, 1.0, -1.0], [1.0, 0.0, 0.5, 0.5], [0.0, 1.0]])
def test_a_filter_whose_neighbours_leave_room_keeps_its_whole_range(row: list[float]) -> None:
    assert least_range(torch.tensor([row])) == 1.0


def test_two_equal_neighbours_halve_it_and_other_channels_stay_as_they_are() -> None:
    reach = least_range(torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    assert reach[0] == pytest.approx(2 * LARGEST / LARGEST_PAIR, rel=0.01)
    assert reach[1] == 1.0


def test_a_filter_without_weights_has_no_range() -> None:
    assert least_range(torch.zeros(2, 4)).tolist() == [0.0, 0.0]


def test_one_scale_for_all_channels_is_that_of_the_widest() -> None:
    weight = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    observer = weight_range.PerTensor(
        averaging_constant=1.0, dtype=torch.int8, quant_min=-127, quant_max=127, qscheme=torch.per_tensor_symmetric
    )
    observer(weight)
    scale, _ = observer.calculate_qparams()
    assert scale.item() == pytest.approx(least_range(weight).amax().item() / LARGEST)


def test_a_range_follows_weights_that_train() -> None:
    observer = weight_range.PerChannel(
        averaging_constant=1.0, dtype=torch.int8, quant_min=-127, quant_max=127, qscheme=torch.per_channel_symmetric
    )
    observer(torch.tensor([[9.0, 9.0]]))
    observer(torch.tensor([[1.0, 0.0]]))
    scale, _ = observer.calculate_qparams()
    assert scale.tolist() == pytest.approx([1.0 / LARGEST])
