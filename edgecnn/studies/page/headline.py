"""The top of the page: of each run a verdict and three numbers, or the command that measures one that is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgecnn.common import stats, units
from edgecnn.common.units import digits
from edgecnn.records import gates
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import machine_name
from edgecnn.records.gates import Gate, Outcome
from edgecnn.records.measurement import Measurement, p50
from edgecnn.studies.page.gather import Benched, Trained

WORST_FIRST: tuple[Outcome, ...] = ("fail", "cannot tell", "pass")


@dataclass(frozen=True, kw_only=True)
class BigNumber:
    """One of the three numbers."""

    label: str
    value: str
    """With its unit; empty if it was not measured."""
    detail: str
    """Interval, n and machine."""
    command: str = ""
    """What measures it, if it was not."""
    place: str = ""
    """Id of the section that tells more of it."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A run in a verdict and three numbers."""

    run: str
    facts: str
    mark: str
    """The outcome in a word, such as "pass"."""
    title: str
    sentence: str
    numbers: tuple[BigNumber, ...]


def headlines(runs: Sequence[Trained], benches: Sequence[Benched]) -> list[Headline]:
    """Return the headline of each run."""
    return [_headline(trained, benches) for trained in runs]


def chosen(trained: Trained) -> Artifact | None:
    """Return the file a run is judged by: the int8 file that `edgecnn deploy` would take, or the first of all."""
    int8 = [file for file in trained.artifacts if file.description.precision.startswith("int8")]
    tflite = [file for file in int8 if file.description.format == "tflite"]
    return next(iter((*tflite, *int8, *trained.artifacts)), None)


def measured(file: Artifact, benches: Iterable[Benched]) -> tuple[int, Benched, Measurement] | None:
    """Return (number of the bench, bench, measurement) of a file: the first that has a time, or else a count.

    A measurement on a machine that was throttled (INVALID) is none.
    """
    of_file = [
        (number, benched, measurement)
        for number, benched in enumerate(benches, 1)
        for measurement in benched.report.measurements
        if measurement.sha256 == file.description.sha256 and measurement.validity.verdict != "INVALID"
    ]
    timed = [entry for entry in of_file if entry[2].is_timed]
    counted = [entry for entry in of_file if entry[2].summary.instructions_p50 is not None]
    return next(iter((*timed, *counted)), None)


def _headline(trained: Trained, benches: Sequence[Benched]) -> Headline:
    run, file = trained.run, chosen(trained)
    height, width = run.input_shape[1:]
    facts = f"{run.recipe.net.name} on {run.recipe.data.name}, {height} × {width} pictures, {len(run.labels)} classes, "
    facts += f"{run.params:,} parameters, {run.macs:,} MACs"
    if file is None:
        return Headline(
            run=run.name,
            facts=facts,
            mark="not exported",
            title="Trained, not exported",
            sentence="There is no file to judge yet.",
            numbers=(
                _validation(trained),
                _missing("latency", f"edgecnn bench {trained.target}"),
                _missing("file size", f"edgecnn export {trained.target}"),
            ),
        )
    mark, title, sentence = _verdict(file, _gates(file, benches))
    entry = measured(file, benches)
    return Headline(
        run=run.name,
        facts=facts,
        mark=mark,
        title=title,
        sentence=sentence,
        numbers=(
            _top1(trained, file),
            _cost(*entry) if entry else _missing("latency", f"edgecnn bench {trained.target}"),
            _size(file, entry[2] if entry else None),
        ),
    )


def _gates(file: Artifact, benches: Iterable[Benched]) -> list[Gate]:
    """Return the gates of the benches that are about a file as it is now."""
    return [
        gate
        for benched in benches
        for measurement in benched.report.measurements
        if measurement.sha256 == file.description.sha256
        for gate in benched.report.gates
        if gate.limit != "max-drop" and gate.subject == f"{measurement.file} on {measurement.runtime}"
    ]


def _verdict(file: Artifact, held: Sequence[Gate]) -> tuple[str, str, str]:
    """Return (mark, title, sentence) of a file's check against its run and its gates, the worst of them first."""
    verdict = file.verdict
    if verdict is None:
        return "not checked", "Not checked", f"{file.name} was never held against its run."
    outcomes = [verdict.check, *(gate.outcome for gate in held)]
    worst = next(outcome for outcome in WORST_FIRST if outcome in outcomes)
    how = {"pass": "passes its check", "fail": "fails its check", "cannot tell": "was held"}[verdict.check]
    sentence = f"{file.name} {how} against its run on {verdict.n:,} test pictures: {verdict.reason}."
    for gate in held:
        if gate.outcome != "pass":
            sentence += f" {gate.sentence}."
    passed = sum(gate.outcome == "pass" for gate in held)
    sentence += f" It keeps {passed} of {len(held)} limits of its benches." if held else ""
    if worst == "fail":
        title = "Loses too much accuracy" if verdict.check == "fail" else "Breaks a limit of its bench"
    else:
        title = {"pass": "Keeps the accuracy of its net", "cannot tell": "Too few pictures or rounds to tell"}[worst]
    return gates.word(worst), title, sentence


def _top1(trained: Trained, file: Artifact) -> BigNumber:
    label = f"top-1 of the {file.description.precision} file"
    if verdict := file.verdict:
        share, low, high, n = verdict.top1_percent, verdict.top1_low_percent, verdict.top1_high_percent, verdict.n
        return BigNumber(
            label=label,
            value=f"{share:.2f} %",
            detail=f"95 % interval {low:.1f} to {high:.1f}, n = {n:,} test pictures",
            place="files",
        )
    scores = trained.evaluated.evaluation.files if trained.evaluated else ()
    for score in scores:
        if score.sha256 == file.description.sha256:
            return BigNumber(
                label=label, value=f"{score.top1.percent:.2f} %", detail=_interval_words(score.top1), place="right"
            )
    return _missing(label, trained.eval_command)


def _validation(trained: Trained) -> BigNumber:
    run = trained.run
    label = "validation top-1 of the float net"
    if not run.validation_n:
        return BigNumber(label=label, value="", detail="It had no validation pictures.")
    share = run.validation_top1
    return BigNumber(
        label=label, value=f"{share.percent:.2f} %", detail=_interval_words(share, "validation"), place="runs"
    )


def _interval_words(share: stats.Proportion, split: str = "test") -> str:
    return f"95 % interval {share.low_percent:.1f} to {share.high_percent:.1f}, n = {share.n:,} {split} pictures"


def _cost(number: int, benched: Benched, measurement: Measurement) -> BigNumber:
    machine, place = machine_name(benched.report.environment), f"bench-{number}"
    doubt = "" if measurement.validity.verdict == "VALID" else f"{measurement.validity.verdict}: "
    doubt += f"{'; '.join(measurement.validity.reasons)}. " if doubt else ""
    s = measurement.summary
    if measurement.is_timed:
        median, low, high = p50(measurement)
        factor, unit = units.scale(median)
        threads = f"{measurement.num_threads} thread{'s' * (measurement.num_threads > 1)}"
        return BigNumber(
            label="p50 latency of one inference",
            value=units.duration(median),
            detail=f"{doubt}{digits(low * factor)} to {digits(high * factor)} {unit} over {s.rounds} rounds, {threads} "
            f"on {machine}",
            place=place,
        )
    assert s.instructions_p50 is not None
    assert s.instructions_min is not None
    assert s.instructions_max is not None
    return BigNumber(
        label="instructions of one inference; an emulated board has no latency",
        value=f"{digits(s.instructions_p50 / 1000)} k",
        detail=f"{doubt}{digits(s.instructions_min / 1000)} to {digits(s.instructions_max / 1000)} k over "
        f"{s.instructions_n} counts on {machine}",
        place=place,
    )


def _size(file: Artifact, measurement: Measurement | None) -> BigNumber:
    planned = file.description.planned_activation_peak_bytes
    parts = [f"{digits(planned / 1000)} kB of activations at once"] if planned is not None else []
    peak = measurement.summary.peak_rss_bytes if measurement else None
    parts.append(f"{digits(peak / 1e6)} MB peak memory of its process" if peak is not None else "memory not measured")
    return BigNumber(
        label="file size", value=f"{digits(file.description.bytes / 1000)} kB", detail=", ".join(parts), place="files"
    )


def _missing(label: str, command: str) -> BigNumber:
    return BigNumber(label=label, value="", detail="not measured", command=command)
