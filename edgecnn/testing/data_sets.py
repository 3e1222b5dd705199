"""The conformance check of a data set, whatever it holds."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgecnn import data
from edgecnn.errors import PlanError
from edgecnn.records.recipe import AugmentPlan, DataPlan
from edgecnn.testing._asserting import refused, require

Options = Mapping[str, Any]


def both_splits_are_bytes_channels_last_with_labels_in_range(name: str, options: Options) -> None:
    train, test = data.get(name).load(**options)
    require(train.classes == test.classes, f"{name}: training and test differ in classes")
    require(len(set(train.classes)) == len(train.classes) >= 2, f"{name}: fewer than two classes, or one twice")
    require(train.images.shape[1:] == test.images.shape[1:], f"{name}: training and test differ in size")
    for split in (train, test):
        kinds = f"{split.load_all().dtype} and {split.labels.dtype}"
        require(kinds == "uint8 and int64", f"{name}: pictures and labels are {kinds}, not uint8 and int64")
        count, height, width, channels = split.images.shape
        require(split.labels.shape == (count,) and len(split) == count > 0, f"{name}: {count} pictures, other labels")
        require(min(height, width) >= 8 and channels in (1, 3), f"{name}: {split.images.shape} is (N, H, W, C) of none")
        require(
            bool(0 <= split.labels.min() <= split.labels.max() < len(split.classes)), f"{name}: a label of no class"
        )


def a_net_can_take_the_arrays_as_they_are(name: str, options: Options) -> None:
    import torch

    for split in data.get(name).load(**options):
        images = split.load_all()
        require(images.flags.writeable, f"{name}: PyTorch warns of an array that cannot be written")
        require(torch.from_numpy(images).dtype == torch.uint8, f"{name}: not uint8 in PyTorch")
        require(images.flags.c_contiguous, f"{name}: its pictures are not C-contiguous")


def loading_twice_gives_the_same(name: str, options: Options) -> None:
    for first, second in zip(data.get(name).load(**options), data.get(name).load(**options), strict=True):
        require(np.array_equal(first.load_all(), second.load_all()), f"{name}: other pictures the second time")
        require(np.array_equal(first.labels, second.labels), f"{name}: other labels the second time")


def it_is_cut_into_three(name: str, options: Options) -> None:
    splits = data.load(DataPlan(name=name, validation=0.4, options=options))
    require(min(map(len, (splits.train, splits.validation, splits.test))) > 0, f"{name}: a split is empty")


def all_options_have_defaults_and_are_explained(name: str, options: Options) -> None:
    load = data.get(name).load
    for option, parameter in inspect.signature(load).parameters.items():
        require(parameter.default is not inspect.Parameter.empty, f"{name}: its option {option} has no default")
        require(f"{option}: " in (load.__doc__ or ""), f"{name}: the docstring of `load` does not explain {option!r}")


def an_option_it_does_not_have_is_refused(name: str, options: Options) -> None:
    with refused(PlanError, "unknown key 'colour'", f"the option colour of {name}"):
        data.load(DataPlan(name=name, options={"colour": True}))


def it_forbids_augmentations_that_exist_and_says_why(name: str, options: Options) -> None:
    known = {field.name for field in dataclasses.fields(AugmentPlan)}
    forbidden = data.get(name).FORBIDDEN_AUGMENTATIONS
    require(set(forbidden) <= known, f"{name} forbids what is no augmentation: {', '.join(set(forbidden) - known)}")
    require(all(len(reason.split()) >= 3 for reason in forbidden.values()), f"{name} forbids without saying why")


def it_says_what_it_holds(name: str, options: Options) -> None:
    require(bool(data.get(name).LICENCE.strip()), f"{name} names no licence")
    head = (inspect.getdoc(data.get(name)) or "").splitlines()[:1]
    require(bool(head) and head[0].endswith((".", ").")), f"{name}: no sentence begins its docstring")


CHECKS: tuple[Callable[[str, Options], None], ...] = (
    both_splits_are_bytes_channels_last_with_labels_in_range,
    a_net_can_take_the_arrays_as_they_are,
    loading_twice_gives_the_same,
    it_is_cut_into_three,
    all_options_have_defaults_and_are_explained,
    an_option_it_does_not_have_is_refused,
    it_forbids_augmentations_that_exist_and_says_why,
    it_says_what_it_holds,
)
