"""Without a nonlinearity a deep net is one linear layer, and no better than logistic regression.

A chain of linear maps W3 (W2 (W1 x + b1) + b2) + b3 is the single map (W3 W2 W1) x + b (Goodfellow, Bengio and
Courville, 2016, Deep Learning, section 6.1). So the net's logits are compared with those of the layers' product, and
its accuracy with that of logistic regression on the same pixels, the penalty chosen on validation.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn import nets
from edgecnn.common import plotting
from edgecnn.pipeline.train import seen
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, curves, estimates, predictions
from edgecnn.studies.lessons.training import trained

if TYPE_CHECKING:
    from torch import nn

TITLE = "A deep net without activations is one linear layer, and trains no better than one"

DEPTHS = (1, 2, 4)
"""Hidden layers of an MLP before the last one; it has 2 weight matrices more: 3, 4 and 6."""
ACTIVATIONS = {"none": "linear", "relu": "ReLU"}
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of logistic regression's L2 penalty, scikit-learn's C."""
MARGIN_PP = 1.0
"""Lead in pp below which the interval must end for a net to count as no better."""

Values = npt.NDArray[np.float64]


def measure(setting: Setting) -> LessonResult:
    seeds = range(1 if setting.quick else 3)
    runs: dict[tuple[str, int], list[Run]] = {
        (activation, depth): [trained(recipe(activation, depth, setting.quick, seed), setting.runs) for seed in seeds]
        for activation in ACTIVATIONS
        for depth in DEPTHS
    }
    hits = {key: [predictions.hits(run) for run in ran] for key, ran in runs.items()}
    logistic, penalty = logistic_hits(runs["none", 1][0])
    baseline = [logistic] * len(seeds)  # it does not depend on a seed
    errors = {depth: max(composition_error(run) for run in runs["none", depth]) for depth in DEPTHS}
    sizes = {
        depth: f"{runs['none', depth][0].params:,} to {sum(part.size for part in weights(runs['none', depth][0])):,}"
        for depth in DEPTHS
    }

    top1 = {key: estimates.share(f"top-1, {_name(key)}", correct) for key, correct in hits.items()}
    single = estimates.share("top-1, logistic regression", baseline[:1])
    deepest = DEPTHS[-1]
    over_logistic = {
        depth: estimates.lead(f"linear, {depth + 2} matrices, ahead of logistic", hits["none", depth], baseline)
        for depth in DEPTHS
    }
    gained = {
        depth: estimates.lead(f"ReLU ahead of linear, {depth + 2} matrices", hits["relu", depth], hits["none", depth])
        for depth in DEPTHS
    }
    picture = "nonlinearity.png"
    _draw(runs, top1, single, setting.folder / picture)
    ahead, high = over_logistic[deepest], over_logistic[deepest].high
    is_better = estimates.is_above(ahead)
    return LessonResult(
        numbers=(
            *(
                Number(name=f"largest difference to the product of {depth + 2} matrices", value=error, unit="logits")
                for depth, error in errors.items()
            ),
            single,
            *top1.values(),
            *over_logistic.values(),
            *gained.values(),
        ),
        claims=(
            Claim(
                expected="Without activations the net gives the logits of one matrix, the product of its own.",
                measured="Largest difference over the test pictures, in double precision: "
                + "; ".join(f"{error:.1e} with {depth + 2} matrices" for depth, error in errors.items())
                + f"; numbers needed: {', '.join(sizes.values())}.",
                holds=max(errors.values()) < 1e-9,
                exact=True,
            ),
            Claim(
                expected=f"With {deepest + 2} matrices and no activation it is no better than logistic regression.",
                measured=f"Ahead by {estimates.text(ahead)}.",
                holds=False if is_better else True if high is not None and high < MARGIN_PP else None,
            ),
            Claim(
                expected="With ReLU between the same matrices it is better.",
                measured="; ".join(f"{depth + 2} matrices {estimates.text(lead)}" for depth, lead in gained.items())
                + ".",
                holds=estimates.is_above(gained[deepest]),
            ),
        ),
        pictures={picture: "Top-1 against the number of weight matrices, and the loss while training"},
        settings={
            "recipe": estimates.settings(runs["none", 1][0].recipe),
            "depths": DEPTHS,
            "seeds": len(seeds),
            "logistic regression's C": penalty,
        },
    )


def recipe(activation: str, depth: int, quick: bool, seed: int) -> Recipe:
    """Return the recipe of an MLP: on digits if quick, else on a tenth of Fashion-MNIST."""
    width = 32 if quick else 64
    return Recipe(
        name=f"{activation}-{depth}-{seed}",
        data=DataPlan(name="digits") if quick else DataPlan(name="fashion-mnist", fraction=0.1),
        net=NetPlan(name="mlp", options={"hidden": width, "depth": depth, "last": width, "activation": activation}),
        optim=OptimPlan(lr=0.003),
        epochs=15,
        batch_size=32 if quick else 64,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def weights(run: Run) -> tuple[Values, Values]:
    """Multiply out the layers of a trained net without activations.

    Returns:
        The single layer's (weights, bias), (K, pixels) and (K,).
    """
    product, offset = None, None
    for layer in _linear_layers(nets.restore(run)):
        matrix = layer.weight.detach().double().numpy()
        bias = layer.bias.detach().double().numpy()
        product = matrix if product is None else matrix @ product
        offset = bias if offset is None else matrix @ offset + bias
    assert product is not None
    assert offset is not None
    return product, offset


def composition_error(run: Run) -> float:
    """Return the largest |difference| between the logits of a net and of `weights`, on the test pictures in float64."""
    import torch

    product, offset = weights(run)
    pixels = _pixels(seen.splits_of(run).test.load_all(), run)
    net = nets.restore(run).double()
    with torch.inference_mode():
        images = torch.from_numpy(pixels.reshape(-1, *run.input_shape))
        deep = net(images).numpy()
    return float(np.abs(deep - (pixels @ product.T + offset)).max())


def logistic_hits(run: Run) -> tuple[npt.NDArray[np.bool_], float]:
    """Fit logistic regression to the run's data, with scikit-learn's C chosen on validation.

    Returns:
        (whether each test picture is classified correctly, (N,); C).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    splits = seen.splits_of(run)
    training, validation, test = (
        _pixels(split.load_all(), run) for split in (splits.train, splits.validation, splits.test)
    )
    fitted = {}
    with warnings.catch_warnings():
        # With a weak penalty the fit may not converge; validation judges the result all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty in PENALTIES:
            fitted[penalty] = LogisticRegression(C=penalty, max_iter=200).fit(training, splits.train.labels)
    best = max(PENALTIES, key=lambda penalty: fitted[penalty].score(validation, splits.validation.labels))
    correct: npt.NDArray[np.bool_] = np.asarray(fitted[best].predict(test) == splits.test.labels)
    return correct, best


def _linear_layers(net: nn.Module) -> list[nn.Linear]:
    from torch import nn

    return [layer for layer in net.modules() if isinstance(layer, nn.Linear)]


def _pixels(images: npt.NDArray[np.uint8], run: Run) -> Values:
    """Normalise uint8 (N, H, W, C) to (N, pixels), in the order in which a net flattens them."""
    values = (images.astype(np.float64) - run.mean) / run.std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def _name(key: tuple[str, int]) -> str:
    return f"{ACTIVATIONS[key[0]]}, {key[1] + 2} matrices"


def _draw(
    runs: Mapping[tuple[str, int], Sequence[Run]], top1: Mapping[tuple[str, int], Number], single: Number, path: Path
) -> None:
    figure, (left, right) = plotting.panels(2)
    colours = {"none": plotting.VERMILION, "relu": plotting.BLUE}
    matrices = [depth + 2 for depth in DEPTHS]
    for (activation, word), offset in zip(ACTIVATIONS.items(), (-0.04, 0.04), strict=True):
        positions = [count + offset for count in matrices]
        plotting.with_intervals(
            left, positions, [top1[activation, depth] for depth in DEPTHS], word, color=colours[activation], marker="o"
        )
        for depth, style in zip(DEPTHS, (":", "--", "-"), strict=True):
            label = f"{word}, {depth + 2} matrices"
            curves.draw(right, runs[activation, depth], "train_loss", label, style, color=colours[activation])
    left.axhline(single.value, color="black", label="logistic regression")
    left.axhspan(single.low, single.high, color="black", alpha=0.12, linewidth=0)
    left.set(xlabel="weight matrices", ylabel="test top-1, %", xticks=matrices)
    left.grid(alpha=0.3)
    curves.dress(right, "training loss, nats", is_log=True)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize="small")
    plotting.save(figure, path)
