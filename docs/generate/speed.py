"""Tables on training, made from bench/results: speed, the same epochs, time to an accuracy."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Iterator
from typing import Any

import record

from edgecnn.common import console
from edgecnn.common.stats import mean_interval

SPEEDS = ("train-speed.json", "train-speed-avx2.json", "train-speed-zen4.json", "train-speed-photos.json")
"""A CPU with bf16, the same with the kernels of one that has AVX2 alone, another with bf16, and photographs."""
EQUAL = tuple(f"train-equal-{name}.json" for name in ("dscnn", "dscnn-weights", "resnet8", "resnet8-20"))
TIMES = ("time-to-fashion.json", "time-to-colour.json")


def training() -> str:
    """Return how fast training is, and what it reaches in a stated time."""
    speeds = [line for name in SPEEDS for line in _speed(name)]
    return "\n".join([*speeds, *_equal(), *_times(), *_same_time()]) + "\n"


def _speed(name: str) -> Iterator[str]:
    table = record.read(name)
    rows, means = [], []
    for result in table["results"]:
        speeds = [f"{statistics.median(result['pictures_per_s'][name]):,.0f}" for name in ("plain", "edgecnn")]
        shares = " / ".join(f"{share:.0f}" for share in result["shares_percent"].values())
        ratio = _ratio(result["ratios"]["plain"])
        rows.append([result["name"], f"{result['params']:,}", _small(result), *speeds, ratio, shares])
        means.append([result["name"], *(_ratio(ratio) for name, ratio in result["ratios"].items() if name != "plain")])
    first = table["results"][0]
    threads = tomllib.loads(first["recipe"])["num_threads"]
    clock = ", in seconds of the processor, which others shared" if first.get("cpu_time") else ""
    plural = "s" * (threads != 1)
    yield f"({record.how(table)}; {first['rounds']} rounds, the loops taking turns, {threads} thread{plural}{clock})"
    yield ""
    parts = " / ".join(first["shares_percent"])
    head = [
        "recipe", "parameters", "small pictures", "tutorial's loop, pictures/s", "edgecnn, pictures/s", "ratio [95 %]",
        f"{parts} %",
    ]  # fmt: skip
    yield console.markdown_table(head, rows)
    if count := first.get("training_pictures"):
        side = " x ".join(map(str, first["input_shape"][1:]))
        seconds = [count / statistics.median(first["pictures_per_s"][name]) for name in ("plain", "edgecnn")]
        yield (
            f"An epoch of {count:,} photographs at {side} takes {seconds[1]:,.0f} s of one core, and {seconds[0]:,.0f} s by"
            " the tutorial's loop, which decodes every JPEG anew.\n"
        )
    names = [name for name in first["ratios"] if name != "plain"]
    if not names:
        return
    yield console.markdown_table(["times the time [95 %]", *names], means)


def _equal() -> Iterator[str]:
    for name in EQUAL:
        table = record.read(name)
        for result in table["results"]:
            decay = tomllib.loads(result["recipe"])["optim"]["decay"]
            tops, (difference, low, high) = result["validation_top1_percents"], result["differences_pp"]["edgecnn"]
            yield (
                f"- The same epochs: `{result['name']}` {statistics.mean(tops['edgecnn']):.2f} % of "
                f"{result['validation_n']:,} validation pictures against {statistics.mean(tops['plain']):.2f} % by the "
                f"tutorial's loop, {difference:+.2f} [{low:+.2f}, {high:+.2f}] pp, {result['epochs']} epochs of "
                f"{result['training_pictures']:,} pictures, {_small(result)} of the steps, `optim.decay = {decay}`, no "
                f"moving average, {len(tops['plain'])} seeds ({record.how(table)})"
            )


def _times() -> Iterator[str]:
    for name in TIMES:
        table = record.read(name)
        yield (
            f"- {table['target_percent']:g} % of the validation pictures of `{table['data']}` after "
            f"{table['mean_seconds']:.0f} s [{table['low_seconds']:.0f}, {table['high_seconds']:.0f}] with "
            f"{table['num_threads']} thread{'s' * (table['num_threads'] > 1)}: `{table['name']}`, {table['params']:,} "
            f"parameters, epoch {', '.join(map(str, table['epochs']))} of {table['of_epochs']}, {len(table['seeds'])} seeds "
            f"({record.how(table)})"
        )


def _same_time() -> Iterator[str]:
    table = record.read("same-time.json")
    words = []
    for side in table["sides"]:
        top1, low, high = mean_interval([verdict["top1_percent"] for verdict in side["verdicts"]])
        seconds = [f"{s:,.0f}" for s in side["train_seconds"]]
        words.append(
            f"`{side['recipe']}` {top1:.2f} % [{low:.2f}, {high:.2f}] ({side['params']:,} parameters, {side['macs']:,} "
            f"MACs, {side['epochs']} epochs in {', '.join(seconds)} s)"
        )
    n = len(table["sides"][0]["seeds"])
    yield (
        f"- The same time: {words[0]} against {words[1]}, {_pp(table, 'gain')} pp, int8 TFLite files on "
        f"{table['sides'][0]['verdicts'][0]['n']:,} test pictures, {n} seeds ({record.how(table)})"
    )


def _small(result: dict[str, Any]) -> str:
    """Return the share of the steps that saw small pictures, and their size."""
    small = tomllib.loads(result["recipe"]).get("small")
    if small is None:
        return "none"
    side = round(small["side"] * result["input_shape"][1])
    return f"{side} x {side} in {100 * small['share']:.0f} %"


def _ratio(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _pp(result: dict[str, Any], name: str) -> str:
    return f"{result[f'{name}_pp']:+.2f} [{result[f'{name}_low_pp']:+.2f}, {result[f'{name}_high_pp']:+.2f}]"
