"""The cost of each layer of a net, and of each operator of its files where `edgecnn bench --profile` measured them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecnn.common import units
from edgecnn.common.units import digits
from edgecnn.errors import EdgecnnError
from edgecnn.pipeline.bench.profiling import words
from edgecnn.pipeline.bench.profiling.results import Profile
from edgecnn.records.environment import machine_name
from edgecnn.records.run import Run
from edgecnn.studies.page import headline
from edgecnn.studies.page.gather import Trained
from edgecnn.studies.page.tables import NONE, Table

MOST_OPEN = 40
"""A table of more rows is folded."""


@dataclass(frozen=True, kw_only=True)
class ShownProfile:
    """The profile of one file."""

    title: str
    table: Table
    advice: tuple[str, ...]
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class ShownLayers:
    """The costs of a run's net by layer, and of its files by operator."""

    run: Run
    net: Table | None
    is_open: bool
    missing: str
    """Why there are no layers, in a sentence; empty if there are."""
    profiles: tuple[ShownProfile, ...]


def shown(key: str, trained: Trained) -> ShownLayers:
    """Build the tables of a run, with ids that begin with `key`."""
    net, missing = _net(key, trained.run)
    return ShownLayers(
        run=trained.run,
        net=net,
        is_open=net is not None and len(net.rows) <= MOST_OPEN,
        missing=missing,
        profiles=tuple(_profiles(key, trained)),
    )


def _net(key: str, run: Run) -> tuple[Table | None, str]:
    """Return the table of a net's layers, or None and why."""
    try:
        import torch

        from edgecnn import nets
        from edgecnn.nets import anatomy, code

        shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
        with torch.device("meta"):  # no weights are drawn
            net = nets.build(code.of_run(run), shape, len(run.labels))
        layers = anatomy.layers(net, shape)
    except (EdgecnnError, ImportError) as error:
        return None, f"The layers of {run.name} are not known: {error}"
    except Exception as error:  # a net of the user's own need not be one that can be traced
        return None, f"The layers of {run.name} cannot be told apart ({type(error).__name__})."
    return (
        Table(
            key=f"{key}-net",
            caption=f"{run.name}, layer by layer: {run.params:,} parameters with batch norm folded, {run.macs:,} MACs "
            "a picture (1 MAC = 2 FLOPs). Field: side in pixels of what an output can depend on, before the picture's "
            "edge cuts it off.",
            head=("layer", "kind", "output C × H × W", "field", "parameters", "MACs", "% of MACs"),
            rows=[
                (
                    layer.name.removesuffix(".conv"),
                    layer.kind,
                    " × ".join(map(str, layer.output_shape)),
                    NONE if layer.kind == "parameter" else str(layer.receptive_field or "all"),
                    f"{layer.parameters:,}" if layer.parameters else NONE,
                    f"{layer.macs:,}" if layer.macs else NONE,
                    f"{layer.macs_percent:.1f}" if layer.macs else NONE,
                )
                for layer in layers
            ],
            words=("kind",),
            bars={"% of MACs": _to_longest([layer.macs_percent for layer in layers])},
        ),
        "",
    )


def _profiles(key: str, trained: Trained) -> Iterator[ShownProfile]:
    """Yield the profile of each file, that of the file the run is judged by first."""
    if trained.profile is None:
        return
    file = headline.chosen(trained)
    told = [profile for profile in trained.profile.profiles if profile.rows]
    told.sort(key=lambda profile: file is None or profile.file != file.name)
    machine = machine_name(trained.profile.environment)
    for index, profile in enumerate(told, 1):
        doubt = "" if profile.validity.verdict == "VALID" else f" {profile.validity.verdict}."
        title = f"{profile.file} on {profile.runtime}: {words.spread(profile.whole, profile.unit)}{doubt}"
        yield ShownProfile(
            title=title,
            table=_operators(f"{key}-profile-{index}", profile, machine),
            advice=tuple(sentence.sentence for sentence in profile.advice),
            is_open=index == 1 and len(profile.rows) <= MOST_OPEN,
        )


def _operators(key: str, profile: Profile, machine: str) -> Table:
    factor, unit = units.scale(profile.whole.p50) if profile.unit == "ms" else (1e-3, "thousand instructions")
    how = "prefixes of the graph" if profile.method == "prefixes" else "ONNX Runtime's own profiler"
    share = "% of time" if profile.unit == "ms" else "% of all"
    call = max(0.0, profile.call.p50) if profile.call else 0.0
    shares = [row.share_percent for row in profile.rows]
    rows = [
        (
            f"{row.place} {row.label}",
            " × ".join(map(str, row.output_shape[1:])) or NONE,
            words.cell(row.cost, factor),
            f"{max(0.0, row.share_percent):.1f}",
            f"{row.macs_percent:.1f}" if row.macs else NONE,
            digits(row.bytes / 1000),
        )
        for row in profile.rows
    ]
    if profile.call:
        of_call = 100 * call / profile.sum.p50 if profile.sum.p50 > 0 else 0.0
        rows.insert(0, ("the call alone", NONE, words.cell(profile.call, factor), f"{of_call:.1f}", NONE, NONE))
        shares.insert(0, of_call)
    return Table(
        key=key,
        caption=f"{profile.file}, operator by operator as {profile.runtime} runs it, {profile.num_threads} "
        f"thread{'s' * (profile.num_threads > 1)}, n = {profile.rounds} processes on {machine}; told apart by {how}, "
        f"whose sum is off the whole by {profile.off_percent.p50:+.1f} %. <: below what so many processes can tell.",
        head=("operator", "output", f"{unit} [95 %]", share, "% of MACs", "kB moved"),
        rows=rows,
        bars={share: _to_longest(shares)},
    )


def _to_longest(values: Sequence[float]) -> list[float]:
    """Return lengths in percent of the longest."""
    longest = max(values, default=0.0)
    return [100 * max(0.0, value) / longest if longest > 0 else 0.0 for value in values]
