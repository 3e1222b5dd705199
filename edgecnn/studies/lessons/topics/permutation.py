"""Locality: how much accuracy a net loses when all pixels are shuffled by one fixed permutation.

An MLP has no order among its inputs, so the shuffle only permutes its first weights and nothing is lost. A CNN
assumes that neighbours are related, which no longer holds. A ViT learns to read the pixels of a patch in any order, and
learns the positions of the patches, so it should lose less than the CNN (Goodfellow, Bengio and Courville, 2016, Deep
Learning, section 9.2; Dosovitskiy et al., 2021, ICLR, arXiv:2010.11929, section 3.1, "inductive bias").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import data, nets
from edgecnn.common import plotting
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, estimates, families, predictions
from edgecnn.studies.lessons.estimates import text
from edgecnn.studies.lessons.training import trained

TITLE = "All pixels shuffled by one fixed permutation: what CNN, MLP and ViT lose with the neighbours"

NO_LOSS_PP = 2.0
"""Bound in pp below which the whole interval of a difference must lie to count as no difference."""

ROUNDING = 1e-5
"""Bound for the rounding error of float32 sums, relative to the largest logit."""


def measure(setting: Setting) -> LessonResult:
    seeds = range(3)
    runs: dict[tuple[str, bool], list[Run]] = {}
    for family in families.NAMES:
        for seed in seeds:
            recipe = families.recipe(family, setting.quick, seed)
            runs.setdefault((family, False), []).append(trained(recipe, setting.runs))
            options = {"of": recipe.data.name}
            shuffled = replace(recipe.data, name="permuted", options=options)
            other = families.with_data(recipe, shuffled, f"{family}-shuffled-{seed}")
            runs.setdefault((family, True), []).append(trained(other, setting.runs))
    hits = {key: [predictions.hits(run) for run in ran] for key, ran in runs.items()}
    top1 = {
        (family, is_shuffled): estimates.share(
            f"top-1 of the {families.NAMES[family]}, {'shuffled' if is_shuffled else 'plain'}", correct
        )
        for (family, is_shuffled), correct in hits.items()
    }
    loss = {
        family: estimates.lead(f"the {name} loses", hits[family, False], hits[family, True])
        for family, name in families.NAMES.items()
    }
    gaps = {
        (more, less): estimates.contrast(
            f"{families.NAMES[more]} loses more than {families.NAMES[less]}",
            [(1, hits[more, False]), (-1, hits[more, True]), (-1, hits[less, False]), (1, hits[less, True])],
        )
        for more, less in (("dscnn", "vit"), ("vit", "mlp"))
    }
    plans = {is_shuffled: runs["mlp", is_shuffled][0].recipe.data for is_shuffled in (False, True)}
    tests = {is_shuffled: data.load(plan).test.load_all() for is_shuffled, plan in plans.items()}
    alike = {is_shuffled: neighbours_alike(images) for is_shuffled, images in tests.items()}
    error = renamed_difference(runs["mlp", False][0], tests[False], tests[True])
    claims = (
        Claim(
            expected="Shuffling an MLP's first weights as the pixels were shuffled gives the same logits.",
            measured=f"The largest difference is {error:.1e} of the largest logit, "
            f"over {len(tests[False]):,} pictures.",
            holds=error < ROUNDING,
            exact=True,
        ),
        Claim(
            expected="So an MLP that learns from shuffled pictures is as good.",
            measured=f"It loses {text(loss['mlp'])}; less than {NO_LOSS_PP:g} pp is called none.",
            holds=estimates.is_within(loss["mlp"], NO_LOSS_PP),
        ),
        Claim(
            expected="A CNN, which takes neighbours for related, falls.",
            measured=f"It loses {text(loss['dscnn'])}.",
            holds=estimates.is_above(loss["dscnn"]),
        ),
        Claim(
            expected="A ViT, local only within its patches, lies in between.",
            measured=f"It loses {text(loss['vit'])}; the CNN loses more than the ViT by {text(gaps['dscnn', 'vit'])}; "
            f"the ViT more than the MLP by {text(gaps['vit', 'mlp'])}.",
            holds=estimates.all_of([estimates.is_above(gap) for gap in gaps.values()]),
        ),
    )
    picture = "permutation.png"
    _draw(tests, top1, setting.folder / picture)
    return LessonResult(
        numbers=(
            *(
                Number(
                    name=f"correlation of neighbouring pixels, {'shuffled' if is_shuffled else 'plain'}",
                    value=value,
                    unit="",
                    n=len(tests[is_shuffled]),
                    n_of="pictures",
                )
                for is_shuffled, value in alike.items()
            ),
            *top1.values(),
            *loss.values(),
            *gaps.values(),
        ),
        claims=claims,
        pictures={picture: "Pictures before and after the shuffle, and the test top-1 of nets that learnt from each"},
        settings={
            "recipes": {family: estimates.settings(runs[family, False][0].recipe) for family in families.NAMES},
            "permutation_seed": 0,
            "seeds": len(seeds),
        },
    )


def neighbours_alike(images: npt.NDArray[np.uint8]) -> float:
    """Return the correlation of horizontally neighbouring pixels, over pictures (N, H, W, C)."""
    pixels = images.astype(np.float64)
    return float(np.corrcoef(pixels[:, :, :-1].ravel(), pixels[:, :, 1:].ravel())[0, 1])


def renamed_difference(run: Run, plain: npt.NDArray[np.uint8], shuffled: npt.NDArray[np.uint8]) -> float:
    """Compare an MLP on plain pictures with the one whose first weights are permuted like the pixels, on shuffled ones.

    Args:
        run: a run of an MLP on plain pictures.
        plain: pictures, (N, H, W, C).
        shuffled: the same pictures with their pixels shuffled, (N, H, W, C).

    Returns:
        The largest difference of logits, relative to the largest logit.
    """
    import torch

    from edgecnn.pipeline.export import exportable

    _, height, width, channels = plain.shape
    places = np.arange(height * width, dtype=np.int64)
    order = np.random.default_rng(0).permutation(places)
    net, renamed = nets.restore(run), nets.restore(run)
    first = next(module for module in renamed.modules() if isinstance(module, torch.nn.Linear))
    with torch.inference_mode():
        weights = first.weight.reshape(-1, channels, height * width)  # (units, C, HW)
        first.weight.copy_(weights[:, :, torch.from_numpy(order)].reshape(first.weight.shape))
        before = net(exportable.normalised(plain, run))  # (N, K)
        after = renamed(exportable.normalised(shuffled, run))
    return float((before - after).abs().max() / before.abs().max())


def _draw(tests: Mapping[bool, npt.NDArray[np.uint8]], top1: Mapping[tuple[str, bool], Number], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    panels: Any = left.subplots(2, 4)
    for row, is_shuffled in zip(panels, (False, True), strict=True):
        for axes, image in zip(row, tests[is_shuffled], strict=False):
            axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=(), yticks=())
        row[0].set_ylabel("shuffled" if is_shuffled else "plain")
    axes = right.subplots()
    for position, (family, name) in enumerate(families.NAMES.items()):
        pair = [top1[family, is_shuffled] for is_shuffled in (False, True)]
        xs = (position - 0.12, position + 0.12)
        plotting.with_intervals(axes, xs, pair, name, color=plotting.FAMILIES[family], marker="o")
    axes.set_xticks(range(3), [f"{name}\nplain | shuffled" for name in families.NAMES.values()])
    axes.set(ylabel="test top-1, %", xlim=(-0.5, 2.5))
    axes.grid(alpha=0.3, axis="y")
    plotting.save(figure, path)
