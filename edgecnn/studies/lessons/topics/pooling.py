"""Pooling: how each way to halve a picture affects edges, accuracy, latency and shifts, and when halving is too early.

Taking every second value aliases: detail between two of them appears and disappears as it moves. A max pool keeps a
thin edge but jumps with it, an average pool weakens it, a blur before the stride moves with it (Zhang, 2019, ICML,
arXiv:1904.11486; Azulay and Weiss, 2019, JMLR 20:184). Accuracy should depend little on the choice (Springenberg et
al., 2015, ICLR workshop, arXiv:1412.6806), but halving too early should cost accuracy on objects of a few pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import plotting, stats
from edgecnn.pipeline.bench import bench
from edgecnn.pipeline.train import seen
from edgecnn.records.measurement import Measurement
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, estimates, predictions
from edgecnn.studies.lessons.estimates import text
from edgecnn.studies.lessons.training import trained

TITLE = "Max, average, strided and blur pooling on an edge, accuracy, latency and shifts; and halving too early"

POOLS = {"max": "max pool", "average": "average pool", "stride": "stride", "blur": "blur pool"}
"""A recipe's name of a pool -> its name in numbers and figures."""

SAME_PP = 2.0
"""Bound in pp below which the whole interval of a difference must lie for accuracies to count as the same."""

ROUNDING = 1e-6
"""Bound for the relative rounding error of float32."""

_plain = partial(text, signed=False)

SHOWN = 2_000
"""Largest number of test pictures that are shifted and classified."""


def measure(setting: Setting) -> LessonResult:
    from edgecnn.studies.lessons import shifts

    swings = {name: shifts.swing(name) for name in POOLS}
    jumps = {name: jump for name in POOLS if (jump := shifts.jump(name)) is not None}
    seeds = range(1 if setting.quick else 3)
    runs = {name: [trained(_recipe(name, setting.quick, seed), setting.runs) for seed in seeds] for name in POOLS}
    test = seen.splits_of(runs["max"][0]).test.images[:SHOWN]
    hits = {name: [predictions.hits(run) for run in ran] for name, ran in runs.items()}
    same_class = {name: [_kept(run, test) for run in ran] for name, ran in runs.items()}
    top1 = {name: estimates.share(f"top-1, {POOLS[name]}", correct) for name, correct in hits.items()}
    stays = {
        name: estimates.share(f"keeps its class at 1 px, {POOLS[name]}", same) for name, same in same_class.items()
    }
    better = {
        name: estimates.lead(f"max pool ahead of {POOLS[name]}", hits["max"], hits[name])
        for name in POOLS
        if name != "max"
    }
    steadier = {
        name: estimates.lead(f"blur pool keeps more than {POOLS[name]}", same_class["blur"], same_class[name])
        for name in ("max", "stride")
    }
    timed = latencies({name: ran[0] for name, ran in runs.items()}, setting.quick)
    p50 = {name: _p50(POOLS[name], measurement) for name, measurement in timed.items()}
    times = {name: _times(f"p50, {POOLS[name]} by max pool", timed["max"], timed[name]) for name in ("stride", "blur")}

    strides, sizes = (1, 4), ("small", "large")
    shares = {
        (size, stride): [
            predictions.hits(trained(_early(size, stride, setting.quick, seed), setting.runs)) for seed in seeds
        ]
        for size in sizes
        for stride in strides
    }
    early = {
        key: estimates.share(f"top-1 on {key[0]} objects, stem stride {key[1]}", correct)
        for key, correct in shares.items()
    }
    costs = {
        size: estimates.lead(f"stem stride 4 costs on {size} objects", shares[size, 1], shares[size, 4])
        for size in sizes
    }
    dearer = estimates.contrast(
        "small objects pay more than large ones",
        [(1, shares["small", 1]), (-1, shares["small", 4]), (-1, shares["large", 1]), (1, shares["large", 4])],
    )
    claims = (
        Claim(
            expected="Every second value of a thin edge is there or not as the edge moves by a pixel; a blurred one "
            "stays as strong, and where it is.",
            measured="Response from weakest to strongest place: "
            + "; ".join(f"{POOLS[name]} {_span(shifts.strengths(name))}" for name in POOLS)
            + f". The blur pool's centre is off by {jumps['blur']:.2f} pixels, the max pool's by {jumps['max']:.2f}.",
            holds=swings["stride"] == 1 and swings["blur"] < ROUNDING and jumps["blur"] < ROUNDING < jumps["max"],
            exact=True,
        ),
        Claim(
            expected="A net with blur pools keeps its answer under a shift more often than one with max pools.",
            measured=f"Share keeping its class at 1 pixel: blur {_plain(stays['blur'])}; max {_plain(stays['max'])}; "
            f"ahead by {text(steadier['max'])}.",
            holds=estimates.is_above(steadier["max"]),
        ),
        Claim(
            expected="And more often than one with strides.",
            measured=f"Stride {_plain(stays['stride'])}; ahead by {text(steadier['stride'])}.",
            holds=estimates.is_above(steadier["stride"]),
        ),
        Claim(
            expected="Accuracy does not hang on which it is.",
            measured="Max pool ahead of " + "; ".join(f"{POOLS[n]} {text(lead)}" for n, lead in better.items()) + ". "
            f"Less than {SAME_PP:g} pp is called the same.",
            holds=estimates.all_of([estimates.is_within(lead, SAME_PP) for lead in better.values()]),
        ),
        Claim(
            expected="Strides are quicker than max pools, and blur pools, a filter more, slower.",
            measured="int8 TFLite, p50: "
            + ", ".join(f"{POOLS[name]} {time.value:.1f} µs" for name, time in p50.items())
            + "; by the max pool's, "
            + ", ".join(f"{POOLS[name]} {_ratio(ratio)}" for name, ratio in times.items()) + ".",
            holds=estimates.all_of([_is_below_one(times["stride"]), estimates.is_above(times["blur"], 1.0)]),
        ),
        Claim(
            expected="Halving early costs more on small objects than on large ones.",
            measured=f"Cost of a stem of stride 4 instead of 1: small objects {_plain(costs['small'])}; large ones "
            f"{_plain(costs['large'])}; the small ones pay more by {text(dearer)}.",
            holds=estimates.is_above(dearer),
        ),
    )  # fmt: skip
    pictures = {
        "pooling-edge.png": "A line that moves by one pixel at a time, and how strong and where each way shows it",
        "pooling-nets.png": "Nets that differ in how they halve the picture, and nets that halve it early",
    }
    _draw_edges(setting.folder / "pooling-edge.png")
    _draw_nets(top1, stays, p50, early, setting.folder / "pooling-nets.png")
    return LessonResult(
        numbers=(
            *(Number(name=f"swing of an edge's response, {POOLS[n]}", value=v, unit="") for n, v in swings.items()),
            *(Number(name=f"an edge's centre off, {POOLS[n]}", value=v, unit="pixels") for n, v in jumps.items()),
            *top1.values(),
            *better.values(),
            *stays.values(),
            *steadier.values(),
            *p50.values(),
            *times.values(),
            *early.values(),
            *costs.values(),
            dearer,
        ),
        claims=claims,
        pictures=pictures,
        settings={
            "recipes": {name: estimates.settings(ran[0].recipe) for name, ran in runs.items()},
            "early": {
                f"{size}-stem{stride}": estimates.settings(_early(size, stride, setting.quick, 0))
                for size, stride in shares
            },
            "seeds": len(seeds),
        },
    )


def latencies(runs: Mapping[str, Run], quick: bool) -> dict[str, Measurement]:
    """Measure each run's int8 TFLite file on this machine, in processes that take turns."""
    files = {name: predictions.int8_file(run).path for name, run in runs.items()}
    suite = Suite(
        name="lesson", runtime=("litert",), rounds=4 if quick else 6, min_secs=0.4 if quick else 2.0, num_runs=50
    )
    report = bench.bench(list(files.values()), suite)
    measured = {measurement.file: measurement for measurement in report.measurements}
    return {name: measured[path.name] for name, path in files.items()}


def _recipe(pool: str, quick: bool, seed: int) -> Recipe:
    plan = DataPlan(name="digits") if quick else DataPlan(name="fashion-mnist", fraction=0.04, validation=0.02)
    options = {"width": 16, "stages": 2 if quick else 3, "depth": 1, "pool": pool}
    return Recipe(
        name=f"{pool}-{seed}",
        data=plan,
        net=NetPlan(name="dscnn", options=options),
        optim=OptimPlan(lr=0.01),
        epochs=10 if quick else 8,
        batch_size=64,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def _early(size: str, stem_stride: int, quick: bool, seed: int) -> Recipe:
    """Return a recipe for small or large shapes, with a net that halves them late or early at equal weights."""
    side, count, test = (16, 1_000, 1_000) if quick else (32, 3_000, 2_000)
    smallest, largest = (5, 7) if size == "small" else (side - 6, side - 2)
    options = {"task": "shape", "size": side, "count": count, "test": test, "clutter": 0.0}
    return Recipe(
        name=f"{size}-stem{stem_stride}-{seed}",
        data=DataPlan(name="shapes", options={**options, "smallest": smallest, "largest": largest}),
        net=NetPlan(name="dscnn", options={"width": 16, "stages": 2, "depth": 1, "stem_stride": stem_stride}),
        optim=OptimPlan(lr=0.01),
        epochs=6,
        batch_size=32 if quick else 64,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def _kept(run: Run, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return predictions.kept(lambda shifted: predictions.float_classes(run, shifted), images, 1)


def _p50(name: str, measurement: Measurement) -> Number:
    summary = measurement.summary
    assert summary.p50_ms is not None
    assert summary.p50_low_ms is not None
    assert summary.p50_high_ms is not None
    return Number(
        name=f"p50 of int8 TFLite, {name}",
        value=1000 * summary.p50_ms,
        unit="µs",
        low=1000 * summary.p50_low_ms,
        high=1000 * summary.p50_high_ms,
        n=summary.rounds,
        n_of="processes",
    )


def _times(name: str, reference: Measurement, measurement: Measurement) -> Number:
    """Divide the time of a measurement by the reference's, from the medians of their processes."""
    ratio, low, high, _ = stats.ratio_interval(_medians(reference), _medians(measurement))
    return Number(
        name=name, value=ratio, unit="times", low=low, high=high, n=len(measurement.windows), n_of="processes"
    )


def _medians(measurement: Measurement) -> list[float]:
    return [stats.quantile(sorted(window.times_ms), 0.5) for window in measurement.windows]


def _is_below_one(ratio: Number) -> bool | None:
    above = estimates.is_above(ratio, 1.0)
    return None if above is None else not above


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _ratio(ratio: Number) -> str:
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _draw_edges(path: Path) -> None:
    from edgecnn.studies.lessons import shifts

    figure, axes = plotting.panels(len(POOLS), width=10, height=2.6)
    for panel, (pool, name) in zip(axes, POOLS.items(), strict=True):
        panel.imshow(shifts.halved(pool).numpy(), cmap="gray", vmin=0, vmax=1, aspect="auto")
        panel.set(title=name, xlabel="column left")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.set_yticks(range(len(shifts.PLACES)), [str(place) for place in shifts.PLACES])
    axes[0].set_ylabel("column of the line")
    plotting.save(figure, path)


def _draw_nets(
    top1: Mapping[str, Number],
    stays: Mapping[str, Number],
    p50: Mapping[str, Number],
    early: Mapping[tuple[str, int], Number],
    path: Path,
) -> None:
    figure, axes = plotting.panels(4, width=12, height=3.2)
    for panel, numbers, label in zip(
        axes, (top1, stays, p50), ("test top-1, %", "same class at 1 pixel, %", "p50 of int8 TFLite, µs"), strict=False
    ):
        for position, ((name, number), colour) in enumerate(zip(numbers.items(), plotting.COLOURS, strict=False)):
            plotting.with_intervals(panel, [position], [number], name, color=colour, marker="o")
        panel.set_xticks(range(len(numbers)), list(numbers), rotation=30)
        panel.set(ylabel=label, xlim=(-0.5, len(numbers) - 0.5))
        panel.grid(alpha=0.3, axis="y")
    for size, colour, marker in (("small", plotting.VERMILION, "o"), ("large", plotting.BLUE, "s")):
        by_stride = {stride: accuracy for (objects, stride), accuracy in early.items() if objects == size}
        style = {"color": colour, "marker": marker}
        plotting.with_intervals(axes[3], range(len(by_stride)), list(by_stride.values()), f"{size} objects", **style)
        axes[3].set_xticks(range(len(by_stride)), [str(stride) for stride in by_stride])
    axes[3].set(xlabel="stride of the stem", ylabel="test top-1, %", xlim=(-0.3, 1.3))
    axes[3].grid(alpha=0.3)
    axes[3].legend(frameon=False)
    plotting.save(figure, path)
