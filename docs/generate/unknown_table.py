"""Tables of what nets say to pictures of other things, made from bench/results/unknown.json."""

from __future__ import annotations

from typing import Any

import record

from edgecnn.common import console
from edgecnn.common.stats import mean_interval

RESULT = "unknown.json"
OTHERS = ("digits", "shapes", "cifar")
HEAD = ("net", "score, to keep %", "flowers kept %", *(f"{name} unknown %" for name in OTHERS), "all three %")
CALIBRATION = ("net", "temperature", "calibration error pp, before", "after", "loss, before", "after")


def table() -> str:
    """Return how the nets were had, and a row for each score of each."""
    result = record.read(RESULT)
    rows = [row for net in result["nets"] for row in _scores(net)]
    first = result["nets"][0]["results"][0]
    seeds, test_n = len(result["nets"][0]["seeds"]), first["test_top1"]["n"]
    how = (
        f"({record.how(result)}; means over {seeds} seeds with their 95 % interval; {test_n} test pictures of flowers, "
        f"{result['pictures']} of each other kind; thresholds from {first['validation_n']} validation pictures)"
    )
    return f"{how}\n\n{console.markdown_table(HEAD, rows)}"


def calibration() -> str:
    """Return the calibration of each net on the test pictures, before and after its temperature."""
    nets = record.read(RESULT)["nets"]
    return console.markdown_table(CALIBRATION, [_calibration(net) for net in nets])


def risks() -> str:
    """Return what of a promised risk each seed keeps on the test pictures."""
    head = ("net", "at most wrong %", "promised", "answered %", "wrong of them %")
    nets = record.read(RESULT)["nets"]
    return console.markdown_table(head, [row for net in nets for row in _risks(net)])


def _scores(net: dict[str, Any]) -> list[list[str]]:
    results = net["results"]
    measured = {score: [result["scores"][score] for result in results] for score in results[0]["scores"]}
    if features := [result["features"] for result in results if "features" in result]:
        measured["distance of features, 95"] = features
    return [
        [
            _name(net),
            score,
            _mean([seed["known_kept"]["percent"] for seed in seeds]),
            *(_mean([seed["unknown"][name]["percent"] for seed in seeds]) for name in OTHERS),
            _mean([sum(seed["unknown"][name]["percent"] for name in OTHERS) / len(OTHERS) for seed in seeds]),
        ]
        for score, seeds in measured.items()
    ]


def _calibration(net: dict[str, Any]) -> list[str]:
    results = net["results"]
    fits = [
        _mean([result[when][what]["value"] for result in results], most=1e9)
        for what in ("error_pp", "loss")
        for when in ("before", "after")
    ]
    return [_name(net), _mean([result["temperature"] for result in results], most=1e9), *fits]


def _risks(net: dict[str, Any]) -> list[list[str]]:
    rows = []
    for place, first in enumerate(net["results"][0]["risks"]):
        seeds = [result["risks"][place] for result in net["results"]]
        promised = [seed for seed in seeds if seed.get("least_share") is not None]
        kept = f"by {len(promised)} of {len(seeds)}"
        if not promised:
            bounds = ", ".join(f"{seed['bound_percent']:.1f}" for seed in seeds)
            rows.append([_name(net), f"{first['max_percent']:g}", f"{kept}: bounds {bounds}", "-", "-"])
            continue
        answered = ", ".join(_share(seed["test_answered"]) for seed in promised)
        wrong = ", ".join(_share(seed["test_wrong"]) for seed in promised)
        rows.append([_name(net), f"{first['max_percent']:g}", kept, answered, wrong])
    return rows


def _name(net: dict[str, Any]) -> str:
    """Return what a net is called: its run's name, its size, and whether it has learnt a class of other things."""
    height, width = net["input_shape"][1:]
    others = ", with 300 others" if net["has_others"] else ""
    return f"{net['net']} {height} x {width}{others}"


def _share(share: dict[str, Any]) -> str:
    return f"{share['percent']:.1f} [{share['low_percent']:.1f}, {share['high_percent']:.1f}]"


def _mean(values: list[float], most: float = 100.0) -> str:
    mean, low, high = mean_interval(values)
    return f"{mean:.2f} [{max(0.0, low):.2f}, {min(most, high):.2f}]"
