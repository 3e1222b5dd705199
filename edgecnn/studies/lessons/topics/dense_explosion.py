"""Dense layers explode: they have a weight for every pixel and unit, a filter shares a few among all places.

A dense layer of 1,000 units on 224 x 224 x 3 pixels has 150,528,000 weights; a 3x3 filter has 27, whatever the
picture's size (LeCun, Bottou, Bengio and Haffner, 1998, Proceedings of the IEEE 86:2278, section II.A; Goodfellow,
Bengio and Courville, 2016, Deep Learning, section 9.2). So at equal parameters the CNN should be the better net; it
pays with arithmetic, since it uses each weight at every place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgecnn.common import plotting
from edgecnn.nets import budget
from edgecnn.records.recipe import NetPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, estimates, families, predictions
from edgecnn.studies.lessons.estimates import text
from edgecnn.studies.lessons.training import trained

TITLE = "The weights of a dense first layer against a convolution's, and both nets at equal parameters"

SIDES = (8, 16, 28, 32, 64, 96, 128, 224, 448)
UNITS = 1000


def measure(setting: Setting) -> LessonResult:
    budgets = (1_500,) if setting.quick else (5_000, 20_000)
    seeds = range(1 if setting.quick else 3)
    dense, filters = (
        {side: count(side, is_dense) for side in SIDES} for is_dense in (True, False)
    )  # side -> number of weights
    runs: dict[tuple[str, int], list[Run]] = {
        (family, target): [trained(_recipe(family, target, setting.quick, seed), setting.runs) for seed in seeds]
        for target in budgets
        for family in ("dscnn", "mlp")
    }
    hits = {key: [predictions.hits(run) for run in ran] for key, ran in runs.items()}
    top1 = {
        (family, target): estimates.share(f"top-1 of the {families.NAMES[family]}, {target:,} parameters", correct)
        for (family, target), correct in hits.items()
    }
    leads = {
        target: estimates.lead(f"CNN ahead of MLP, {target:,} parameters", hits["dscnn", target], hits["mlp", target])
        for target in budgets
    }
    spent = {key: ran[0] for key, ran in runs.items()}
    reuse = {key: run.macs / run.params for key, run in spent.items()}
    numbers = [
        Number(name="weights, dense, 224 x 224 x 3 to 1,000 units", value=dense[224], unit=""),
        Number(name="weights, 1,000 3x3 filters on the same", value=filters[224], unit=""),
        Number(name="weights, one 3x3 filter", value=filters[224] / UNITS, unit=""),
        Number(name="fp32 bytes of that dense layer", value=4 * dense[224] / 1e6, unit="MB"),
        *top1.values(),
        *leads.values(),
        *(
            Number(
                name=f"MACs a parameter of the {families.NAMES[family]}, {target:,} parameters",
                value=value,
                unit="",
            )
            for (family, target), value in reuse.items()
        ),
    ]
    grown = dense[448] / dense[224], filters[448] / filters[224]
    claims = (
        Claim(
            expected="A dense layer of 1,000 units on 224 x 224 x 3 pixels has 1.5e8 weights, a 3x3 filter has 27.",
            measured=f"The layers, built, have {dense[224]:,} weights and {filters[224] // UNITS} a filter.",
            holds=dense[224] == 150_528_000 and filters[224] == 27 * UNITS,
            exact=True,
        ),
        Claim(
            expected="Twice the side is four times the dense weights, and not one weight more in a filter.",
            measured=f"From 224 to 448 pixels: {grown[0]:g} times the dense weights, {grown[1]:g} times the filters'.",
            holds=grown == (4.0, 1.0),
            exact=True,
        ),
        Claim(
            expected="At equal parameters the CNN is the more accurate net.",
            measured="; ".join(f"{target:,} parameters: {text(lead)}" for target, lead in leads.items()) + ".",
            holds=estimates.all_of([estimates.is_above(lead) for lead in leads.values()]),
        ),
        Claim(
            expected="It pays with arithmetic: a shared weight is used at every place, a dense one once.",
            measured="MACs a parameter: "
            + "; ".join(
                f"{families.NAMES[family]} {value:.1f} at {target:,}" for (family, target), value in reuse.items()
            )
            + ".",
            holds=all(reuse["mlp", target] <= 1 < reuse["dscnn", target] for target in budgets),
            exact=True,
        ),
    )
    picture = "dense-explosion.png"
    _draw(dense, filters, top1, setting.folder / picture)
    return LessonResult(
        numbers=tuple(numbers),
        claims=claims,
        pictures={picture: "Weights of a first layer against the picture's side, and top-1 against parameters"},
        settings={
            "recipes": {
                f"{family}-{target}": estimates.settings(run.recipe) for (family, target), run in spent.items()
            },
            "seeds": len(seeds),
        },
    )


def count(side: int, is_dense: bool) -> int:
    """Count the weights, without biases, of a first layer with 1,000 units or 3x3 filters on side x side x 3 pixels."""
    import torch
    from torch import nn

    with torch.device("meta"):  # shapes without numbers
        layer = nn.Linear(side * side * 3, UNITS) if is_dense else nn.Conv2d(3, UNITS, 3)
    return layer.weight.numel()


def _recipe(family: str, target: int, quick: bool, seed: int) -> Recipe:
    base = families.recipe("dscnn", quick, seed)
    shape = (1, 8, 8) if quick else (1, 28, 28)
    options = base.net.options if family == "dscnn" else {}
    net = budget.solve(NetPlan(name=family, options=options), shape, 10, target)
    recipe = families.recipe(family, quick, seed)
    return families.with_net(recipe, net, f"{family}-{target}-{seed}")


def _draw(
    dense: Mapping[int, int],
    filters: Mapping[int, int],
    top1: Mapping[tuple[str, int], Number],
    path: Path,
) -> None:
    figure, (left, right) = plotting.panels(2)
    left.plot(SIDES, dense.values(), "o-", color=plotting.VERMILION, label="dense, 1,000 units")
    left.plot(SIDES, filters.values(), "s-", color=plotting.BLUE, label="1,000 3x3 filters")
    left.set(xscale="log", yscale="log", xlabel="side of the colour picture, pixels", ylabel="weights")
    left.set_xticks((8, 16, 32, 64, 128, 224, 448), ("8", "16", "32", "64", "128", "224", "448"), minor=False)
    left.minorticks_off()
    left.annotate(f"{dense[224]:,}", (224, dense[224]), (-6, 4), textcoords="offset points", ha="right")
    left.legend(frameon=False)
    for family, marker in (("dscnn", "s"), ("mlp", "o")):
        by_target = {target: accuracy for (name, target), accuracy in top1.items() if name == family}
        places = [place + (0.05 if family == "mlp" else -0.05) for place in range(len(by_target))]
        style = {"color": plotting.FAMILIES[family], "marker": marker}
        plotting.with_intervals(right, places, list(by_target.values()), families.NAMES[family], **style)
        right.set_xticks(range(len(by_target)), [f"{target:,}" for target in by_target])
    right.set(xlabel="parameters", ylabel="test top-1, %", xlim=(-0.5, len(by_target) - 0.5))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    plotting.save(figure, path)
