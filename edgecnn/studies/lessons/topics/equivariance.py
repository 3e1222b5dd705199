"""Equivariance: whether the feature maps shift along with the input, and whether the prediction stays.

A convolution of stride 1 commutes with shifts, conv(shift(x)) = shift(conv(x)), except at the borders, because of its
padding (Goodfellow, Bengio and Courville, 2016, Deep Learning, section 9.2). With stride t it commutes only with
multiples of t, and so does a pool; a blur before the stride reduces the error at other shifts (Zhang, 2019, ICML,
arXiv:1904.11486). A CNN that ends in a global mean should therefore keep its prediction under a shift more often than
an MLP or a ViT, and int8 should not change that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn import data, nets
from edgecnn.common import plotting
from edgecnn.nets import anatomy
from edgecnn.pipeline.train import seen
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, estimates, families, predictions
from edgecnn.studies.lessons import shifts as _operators
from edgecnn.studies.lessons.estimates import text
from edgecnn.studies.lessons.training import trained

if TYPE_CHECKING:
    from torch import Tensor, nn

TITLE = "Shift the input: how far feature maps fail to shift along, and how often the answer stays"

SHIFTS = (1, 2, 3, 4)
"""Shifts in pixels of the input of single layers and of the trained CNN."""

PICTURES = 64
"""Number of pictures whose equivariance error is measured."""

SHOWN = 2_000
"""Largest number of test pictures that are shifted and classified."""

ROUNDING = 1e-9
"""Bound for the rounding error of float64 sums, relative to the largest value."""

NO_LOSS_PP = 2.0
"""Bound in pp below which the whole interval of a difference must lie to count as no difference."""

_plain = partial(text, signed=False)

Errors = Mapping[int, npt.NDArray[np.float64]]
"""Shift in pixels -> relative error of each picture, (N,)."""


def measure(setting: Setting) -> LessonResult:
    alone, at_border = layer_errors()
    seeds = range(1 if setting.quick else 3)
    runs = {
        family: [trained(families.recipe(family, setting.quick, seed), setting.runs) for seed in seeds]
        for family in families.NAMES
    }
    cnn = runs["dscnn"][0]
    deep, total_stride = map_errors(cnn)
    test = seen.splits_of(cnn).test.images[:SHOWN]
    moves = (1, 2) if setting.quick else (1, 2, 3)
    same_class = {
        (family, precision, pixels): [_kept(run, precision, test, pixels) for run in ran]
        for family, ran in runs.items()
        for precision in ("fp32", "int8")
        for pixels in moves
    }
    far = moves[-1]
    shares = {
        key: estimates.share(f"{families.NAMES[key[0]]} {key[1]} keeps its class at {key[2]} px", hits)
        for key, hits in same_class.items()
    }
    leads = {
        family: estimates.lead(
            f"CNN keeps more than {name} at {far} px",
            same_class["dscnn", "fp32", far],
            same_class[family, "fp32", far],
        )
        for family, name in families.NAMES.items()
        if family != "dscnn"
    }
    cost = estimates.lead(
        f"CNN loses by int8 at {far} px",
        same_class["dscnn", "fp32", far],
        same_class["dscnn", "int8", far],
    )
    saved = estimates.number(
        "max pool errs more than blur pool at 1 px",
        (100 * (alone["max pool"][1] - alone["blur pool"][1])).tolist(),
        "pp",
        "pictures",
    )
    halving = {name: errors for name, errors in alone.items() if name != "stride 1"}
    claims = (
        Claim(
            expected="A stride-1 convolution commutes with every shift, but for its borders.",
            measured=f"Largest error inside {max(_worst(alone['stride 1'], SHIFTS)):.1e} of the largest value for "
            f"shifts of 1 to {SHIFTS[-1]} pixels; with the borders {_percent(at_border[1])}.",
            holds=max(_worst(alone["stride 1"], SHIFTS)) < ROUNDING < max(_worst(at_border, [1])),
            exact=True,
        ),
        Claim(
            expected="What halves the picture commutes with even shifts and with no odd one.",
            measured="Largest error at 2 and 4 pixels "
            f"{max(max(_worst(errors, (2, 4))) for errors in halving.values()):.1e}; "
            "at 1 pixel " + ", ".join(f"{name} {_percent(errors[1])}" for name, errors in halving.items()) + ".",
            holds=all(
                max(_worst(errors, (2, 4))) < ROUNDING < min(_worst(errors, (1, 3))) for errors in halving.values()
            ),
            exact=True,
        ),
        Claim(
            expected="A blur before the stride lessens the error.",
            measured=f"A max pool errs by more than a blur pool, in pp of the largest value: {text(saved)}.",
            holds=estimates.is_above(saved),
        ),
        Claim(
            expected="So the trained CNN's last feature map follows shifts by its total stride, and no shorter one.",
            measured=f"Total stride {total_stride}: largest error {deep[total_stride].max():.1e} at {total_stride} "
            "pixels, " + ", ".join(f"{_percent(deep[s])} at {s}" for s in range(1, total_stride)) + ".",
            holds=max(_worst(deep, [total_stride])) < ROUNDING < min(_worst(deep, range(1, total_stride))),
            exact=True,
        ),
        *(
            Claim(
                expected=f"The CNN keeps its answer under a shift more often than the {families.NAMES[family]}.",
                measured=f"Share that keeps its class at {far} pixels: CNN {_plain(shares['dscnn', 'fp32', far])}; "
                f"{families.NAMES[family]} {_plain(shares[family, 'fp32', far])}; ahead by {text(lead)}.",
                holds=estimates.is_above(lead),
            )
            for family, lead in leads.items()
        ),
        Claim(
            expected="int8 changes nothing in that.",
            measured=f"The CNN's int8 file loses {text(cost)}; less than {NO_LOSS_PP:g} pp is called none.",
            holds=estimates.is_within(cost, NO_LOSS_PP),
        ),
    )
    pictures = {
        "equivariance-layers.png": "Error of single layers and of the trained CNN's last map, against the shift",
        "equivariance-answers.png": "Pictures that keep their class when shifted: fp32 solid, int8 dashed",
    }
    _draw_layers({**alone, "trained CNN": deep}, setting.folder / "equivariance-layers.png")
    _draw_answers(shares, moves, setting.folder / "equivariance-answers.png")
    return LessonResult(
        numbers=(
            *(
                estimates.number(f"error of {name} at {s} px", (100 * errors[s]).tolist(), "%", "pictures")
                for name, errors in alone.items()
                for s in (1, 2)
            ),
            estimates.number("error of stride 1 at 1 px, borders too", (100 * at_border[1]).tolist(), "%", "pictures"),
            saved,
            *(
                estimates.number(f"error of the trained CNN's map at {s} px", (100 * deep[s]).tolist(), "%", "pictures")
                for s in SHIFTS
            ),
            *shares.values(),
            *leads.values(),
            cost,
        ),
        claims=claims,
        pictures=pictures,
        settings={
            "recipes": {family: estimates.settings(ran[0].recipe) for family, ran in runs.items()},
            "seeds": len(seeds),
            "shift": "up, down, left or right, drawn for each picture; black moves in",
        },
    )


def layer_errors() -> tuple[dict[str, Errors], Errors]:
    """Measure the errors of single layers; all random numbers are seeded.

    Returns:
        (each layer's errors inside the borders, the errors of the stride-1 convolution including its borders).
    """
    import torch
    from torch import nn

    test = data.load(DataPlan(name="shapes", options={"count": 100, "test": PICTURES})).test.load_all()
    x = torch.from_numpy(test).permute(0, 3, 1, 2).double() / 255  # (N, 3, 32, 32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kinds = {"stride 1": nn.Conv2d(3, 3, 3, padding=1), **_operators.downsamplers(3)}
    errors = {}
    for name, layer in kinds.items():
        stride = 1 if name == "stride 1" else 2
        margin = SHIFTS[-1] // stride + 2
        errors[name] = _errors(layer, x, stride, margin)
    return errors, _errors(kinds["stride 1"], x, 1, 0)


def map_errors(run: Run) -> tuple[Errors, int]:
    """Measure the errors of the trained CNN's last feature map, with each picture on a large black canvas.

    Returns:
        (errors inside the borders, total stride).
    """
    import torch
    from torch import nn

    from edgecnn.nets.layers import Normalise

    net = nets.restore(run)
    shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
    last = [layer for layer in anatomy.layers(net, shape) if layer.receptive_field is not None][-1]
    field, stride = last.receptive_field or 1, last.stride or 1
    # Wide enough that the units that are compared see nothing beyond the canvas.
    padding = stride * (1 + -(-(field + 2 * SHIFTS[-1]) // (2 * stride)))
    images = seen.splits_of(run).test.images[:PICTURES]
    canvas = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    x = torch.from_numpy(canvas).permute(0, 3, 1, 2).double()
    features = nn.Sequential(Normalise(run.mean, run.std), net.get_submodule("stem"), net.get_submodule("blocks"))
    return _errors(features, x, stride, padding // stride), stride


def _errors(layer: nn.Module, x: Tensor, stride: int, margin: int) -> Errors:
    layer = layer.double()
    return {s: _operators.shift_errors(layer, x, s, stride, margin).numpy() for s in SHIFTS}


def _kept(run: Run, precision: str, images: npt.NDArray[np.uint8], pixels: int) -> npt.NDArray[np.bool_]:
    if precision == "fp32":
        return predictions.kept(lambda shown: predictions.float_classes(run, shown), images, pixels)
    file = predictions.int8_file(run)
    return predictions.kept(lambda shown: predictions.file_classes(file, shown), images, pixels)


def _worst(errors: Errors, shifts: Sequence[int]) -> list[float]:
    return [float(errors[s].max()) for s in shifts]


def _percent(errors: npt.NDArray[np.float64]) -> str:
    """Format the mean over pictures."""
    return f"{100 * errors.mean():.1f} %"


def _draw_layers(errors: Mapping[str, Errors], path: Path) -> None:
    figure, axes = plotting.panels(1, width=7)
    markers = ("o", "s", "^", "v", "D", "P")
    for (name, by_shift), colour, marker in zip(errors.items(), plotting.COLOURS, markers, strict=True):
        style = "--" if name == "trained CNN" else "-"
        means = [100 * by_shift[s].mean() for s in SHIFTS]
        axes.plot(SHIFTS, means, style, marker=marker, color=colour, label=name)
    axes.set(xlabel="shift, pixels", ylabel="error inside, % of the largest value", xticks=SHIFTS)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plotting.save(figure, path)


def _draw_answers(shares: Mapping[tuple[str, str, int], Number], moves: Sequence[int], path: Path) -> None:
    figure, axes = plotting.panels(1, width=7)
    for place, (family, name) in enumerate(families.NAMES.items()):
        for precision, style, marker in (("fp32", "-", "o"), ("int8", "--", "s")):
            offset = 0.03 * (place - 1) + (0.015 if precision == "int8" else 0)
            numbers = [shares[family, precision, pixels] for pixels in moves]
            plotting.with_intervals(
                axes, [pixels + offset for pixels in moves], numbers, f"{name} {precision}",
                color=plotting.FAMILIES[family], linestyle=style, marker=marker,
            )  # fmt: skip
    axes.set(xlabel="shift, pixels", ylabel="same class as before, %", xticks=moves)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plotting.save(figure, path)
