"""The table of the nets for wake words and keywords, made from bench/results/tiny.json."""

from __future__ import annotations

from collections.abc import Sequence

import record

from edgecnn.common import console, stats
from edgecnn.common.units import interval

RESULT = "tiny.json"
HEAD = ("", "wake-words", "reference", "keywords", "reference")


def table() -> str:
    """Return how the numbers were had, and a column for each net beside its reference."""
    result = record.read(RESULT)
    nets = result["nets"]
    rows = [
        _row("input, H x W x C", [_shape(net["input_shape"]) for net in nets]),
        _row("parameters", [net["parameters"] for net in nets], [net["reference"]["parameters"] for net in nets]),
        _row("MACs", [net["macs"] for net in nets], [net["reference"]["macs"] for net in nets]),
        _row(
            "int8 TFLite, kB",
            [_kb(net["bytes"][f"{net['name']}-int8.tflite"]) for net in nets],
            [f"{net['reference']['int8_tflite_kb']}" for net in nets],
        ),
        _row("int8 ONNX, kB", [_kb(net["bytes"][f"{net['name']}-int8.onnx"]) for net in nets]),
        _row("C array in flash, kB", [_kb(net["bytes"][f"{net['name']}-int8.h"]) for net in nets]),
        _row("planned activations, kB", [_kb(net["planned_activation_peak_bytes"]) for net in nets]),
        _row("TFLite Micro's arena, kB", [_kb(net["micro_arena_bytes"]) for net in nets]),
        *(
            _row(f"instructions on emulated:{board}", [_counted(net["instructions"][board]) for net in nets])
            for board in nets[0]["instructions"]
        ),
    ]
    times_ms = sorted(result["front_end_ms"])
    front_end = interval(stats.quantile(times_ms, 0.5), *stats.typical_interval(times_ms))
    return (
        f"({record.how(result)}; int8 TFLite on LiteRT, one thread)\n\n"
        + console.markdown_table(HEAD, rows)
        + f"\n\nThe keywords' front end, from a WAV file of one second to 49 x 10 bytes, takes {front_end} on that machine, "
        f"the median with its 95 % interval (n {len(times_ms)})."
    )


def _row(name: str, ours: Sequence[int | str], reference: Sequence[int | str] | None = None) -> list[str]:
    """Return a row: our number and the reference's for each net."""
    theirs = reference or [""] * len(ours)
    return [name, *(_said(value) for pair in zip(ours, theirs, strict=True) for value in pair)]


def _said(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _kb(count: int) -> str:
    return f"{count / 1e3:.1f}"


def _shape(shape: list[int]) -> str:
    channels, height, width = shape
    return f"{height} x {width} x {channels}"


def _counted(instructions: dict[str, list[float]]) -> str:
    counts, median = instructions["counts"], float(instructions["median"])  # type: ignore[arg-type]
    spread = max(abs(count - median) for count in counts) / median
    return f"{median / 1e3:,.0f} k ±{100 * spread:.2f} %, n {len(counts)}"
