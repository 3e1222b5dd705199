"""The conformance check of a rung of the rescue ladder, on a small dense net with random weights."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.common import scratch
from edgecnn.errors import PlanError
from edgecnn.testing import samples
from edgecnn.testing._asserting import refused, require

if TYPE_CHECKING:
    from edgecnn.pipeline.export.rungs import Options
    from edgecnn.pipeline.export.scheme import Scheme

WIDEST_LABEL = 24
"""Characters that leave a price list 80 wide."""


@contextlib.contextmanager
def ground() -> Iterator[Scheme]:
    """Return plain int8, which a rung is taken on."""
    with scratch.folder() as folder:
        yield samples.scheme(folder / "mlp")


def tries(name: str, scheme: Scheme) -> list[Options]:
    """Return all of a rung's tries, where none passes and each is as good as the one before."""
    from edgecnn.pipeline.export import rungs
    from edgecnn.pipeline.export.rungs import RungTrial

    def outcome(options: Options) -> RungTrial:
        return RungTrial(options=options, correct=np.array([True, False]), squared_error=1.0, passed=False)

    outcomes, tried = [outcome({})], []
    for options in rungs.get(name).tries(scheme, outcomes):
        tried.append(options)
        outcomes.append(outcome(options))
    return tried


def tries_what_it_can_apply_and_says_it_briefly(name: str) -> None:
    from edgecnn.pipeline.export import rungs

    rung = rungs.get(name)
    require(rung.TITLE.endswith("."), f"{name}: its TITLE is no sentence")
    with ground() as scheme:
        for options in tries(name, scheme):
            words = rung.label(options)
            require(
                0 < len(words) <= WIDEST_LABEL, f"{name}: the label {words!r} is not of 1 to {WIDEST_LABEL} letters"
            )
        with refused(PlanError, "unknown key 'colour'", f"the option colour of {name}"):
            rungs.take(scheme, name, {"colour": 1})


def leaves_what_it_stands_on_as_it_was(name: str) -> None:
    import torch

    from edgecnn.pipeline.export import rungs

    with ground() as before:
        weights = copy.deepcopy(before.net.state_dict())
        for options in tries(name, before)[:1]:
            after = rungs.take(before, name, options)
            require(after.taken == {name: options}, f"{name}: it is not written down that it was taken")
        require(before.taken == {}, f"{name} writes into the scheme that it stands on")
        same = all(torch.equal(value, weights[key]) for key, value in before.net.state_dict().items())
        require(same, f"{name} changes the net that it stands on")


def keeps_the_float_net_the_same_function(name: str) -> None:
    import torch

    from edgecnn.pipeline.export import rungs
    from edgecnn.pipeline.export import scheme as schemes

    with ground() as before:
        pictures = schemes.normalised(before.splits.test.load_all(), before.run)
        for options in tries(name, before)[:1]:
            after = rungs.take(before, name, options).net(pictures)
            same = torch.allclose(before.net(pictures), after, rtol=1e-4, atol=1e-4)
            require(same, f"{name} makes another function of the float net")


def gives_the_same_int8_net_twice(name: str) -> None:
    import torch

    from edgecnn.pipeline.export import exportable, rungs
    from edgecnn.pipeline.export import scheme as schemes

    with ground() as before:
        pictures = schemes.normalised(before.splits.test.load_all(), before.run)
        for options in tries(name, before)[:1]:
            models = [exportable.exportable(rungs.take(before, name, options), before.net) for _ in range(2)]
            first, second = (model.int8_module(fold_weights=True)(pictures) for model in models)
            require(torch.equal(first, second), f"{name} gives another int8 net the second time")
            require(bool(first.isfinite().all()), f"{name} gives an int8 net whose logits are not finite")


CHECKS: tuple[Callable[[str], None], ...] = (
    tries_what_it_can_apply_and_says_it_briefly,
    leaves_what_it_stands_on_as_it_was,
    keeps_the_float_net_the_same_function,
    gives_the_same_int8_net_twice,
)
