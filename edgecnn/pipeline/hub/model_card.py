"""The model card of a run on a hub: README.md, with the hub's metadata in front, from the run's cards and reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from edgecnn import __version__
from edgecnn.common import console, escapes
from edgecnn.common.hub_place import HubPlace
from edgecnn.common.units import digits, interval
from edgecnn.errors import EdgecnnError
from edgecnn.records import environment, report
from edgecnn.records.artifact import Artifact, Verdict
from edgecnn.records.measurement import Measurement, p50
from edgecnn.records.report import Report
from edgecnn.records.run import Run

FILES = ("file", "precision", "kB", "top-1 % [95 %]", "n", "drop pp [95 %]")
TIMES = ("file", "runtime", "p50 [95 %]", "n", "peak MB")
MOST_LABELS = 50
"""The most classes that are listed."""


def write(run: Run, cards: Sequence[Artifact], place: HubPlace, licence: str | None = None) -> str:
    """Return the model card.

    Args:
        run: The run.
        cards: Its exported files.
        place: Where it is pushed to.
        licence: The licence of the model, in the hub's words.
    """
    return "\n".join((_metadata(run, cards, place, licence), *_body(run, cards, place))) + "\n"


def _metadata(run: Run, cards: Sequence[Artifact], place: HubPlace, licence: str | None) -> str:
    """Return the YAML block that the hub reads, with its two lines of dashes."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=run.recipe.data.name,
            dataset_name=_data(run),
            dataset_split="test",
            metric_type="accuracy",
            metric_name=f"top-1 of {card.name}, n {card.verdict.n:,}, 95 % interval {_ends(card.verdict)}",
            metric_value=round(card.verdict.top1_percent / 100, 4),
        )
        for card in cards
        if card.verdict is not None and card.verdict.n
    ]
    words = {card.description.format for card in cards} | {card.description.precision for card in cards}
    data = ModelCardData(
        library_name="edgecnn",
        pipeline_tag="image-classification",
        license=licence,
        tags=["edgecnn", "edge", *sorted(words)],
        model_name=place.name if results else None,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml().strip()}\n---\n"


def _body(run: Run, cards: Sequence[Artifact], place: HubPlace) -> Iterable[str]:
    channels, height, width = run.input_shape
    yield f"# {escapes.markdown(place.name)}\n"
    yield (
        f"{escapes.markdown(run.recipe.net.name)}, {run.params:,} parameters and {run.macs:,} MACs, for pictures of "
        f"{height} x {width} x {channels}; trained on {escapes.markdown(_data(run))}, exported by edgecnn "
        f"{__version__}.\n"
    )
    yield "## Files\n"
    yield console.markdown_table(FILES, escapes.markdown_cells([_file(card) for card in cards]))
    yield (
        "Top-1 is measured on the test pictures with the file itself, its interval is Wilson's; the drop is against "
        "the float net on the same pictures.\n"
    )
    for each in _newest_reports(run.benches):
        rows = [_time(measurement) for measurement in each.measurements if measurement.is_timed]
        if rows:
            yield f"## On {escapes.markdown(environment.machine_name(each.environment))}\n"
            yield console.markdown_table(TIMES, escapes.markdown_cells(rows))
            yield f"Measured on {each.date[:10]}; a time is one inference of one picture, n counts fresh processes.\n"
    yield "## Classes\n"
    shown = ", ".join(escapes.markdown(label) for label in run.labels[:MOST_LABELS])
    more = len(run.labels) - MOST_LABELS
    yield shown + (f" and {more} more, in artifacts/labels.txt" if more > 0 else "") + "\n"
    yield "## Use\n"
    yield (
        f"    pip install 'edgecnn[hub]'\n    edgecnn pull hf://{place.repository}\n"
        f"    edgecnn predict runs/{place.name} picture.jpg\n"
        f"    edgecnn selftest runs/{place.name}\n"
    )
    top1 = f"{run.validation_top1} of {run.validation_n:,}" if run.validation_n else "none"
    yield f"How it was trained stands in recipe.toml and environment.json; validation top-1: {top1} pictures.\n"


def _data(run: Run) -> str:
    """Name the pictures; those of a folder have no name that others know."""
    name = run.recipe.data.name
    return f"a folder of pictures of {len(run.labels)} classes" if name == "folder" else name


def _ends(verdict: Verdict) -> str:
    return f"[{verdict.top1_low_percent:.2f}, {verdict.top1_high_percent:.2f}]"


def _file(card: Artifact) -> Sequence[str]:
    described, verdict = card.description, card.verdict
    cells = [card.name, described.precision, digits(described.bytes / 1000)]
    if verdict is None or not verdict.n:
        return [*cells, "-", "-", "-"]
    drop = f"{verdict.drop_pp:+.2f} [{verdict.drop_low_pp:+.2f}, {verdict.drop_high_pp:+.2f}]"
    return [*cells, f"{verdict.top1_percent:.2f} {_ends(verdict)}", f"{verdict.n:,}", drop]


def _time(measurement: Measurement) -> Sequence[str]:
    peak = measurement.summary.peak_rss_bytes
    return [
        measurement.file,
        f"{measurement.runtime} {measurement.runtime_version}",
        interval(*p50(measurement)),
        str(measurement.summary.rounds),
        "-" if peak is None else digits(peak / 1e6),
    ]


def _newest_reports(folder: Path) -> list[Report]:
    """Return the newest report of each machine; what else lies there is passed over."""
    newest: dict[str, Report] = {}
    for path in folder.glob("*.json"):
        try:
            each = report.read(path)
        except EdgecnnError:
            continue
        machine = environment.machine_name(each.environment)
        if machine not in newest or newest[machine].date < each.date:
            newest[machine] = each
    return [newest[machine] for machine in sorted(newest)]
