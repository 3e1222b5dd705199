"""The zoo: finished runs whose int8 files are worth having, kept in models/zoo with a card each.

    python bench/zoo.py runs/fashion-10k ...       copy runs there and write their cards
    python bench/zoo.py                            write the cards anew

A zoo model is a run folder, so every command takes it: `edgecnn bench models/zoo/NAME`, `edgecnn deploy ...`.
Of its artifacts the int8 files are kept with their cards, golden vectors and calibration manifest; the fp32 files come
back with `edgecnn export`, which gives the very same int8 bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import record

from edgecnn import data
from edgecnn.common import console, files
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.records import artifact, environment
from edgecnn.records.artifact import Artifact
from edgecnn.records.run import Run, open_run

ZOO = Path(__file__).resolve().parent.parent / "models" / "zoo"
KEPT = ("recipe.toml", "run.json", "environment.json", "metrics.csv", "model.safetensors")
KEPT_ARTIFACTS = ("*-int8.tflite*", "*-int8.onnx*", "golden.npz", "calibration.json", "labels.txt")
CARD = "README.md"

FOLDERS = {
    "data/cifar10-jpeg": (
        "CIFAR-10 (A. Krizhevsky, 2009), its pictures as JPEG files in data/cifar10-jpeg/{train,test}/CLASS/",
        "none stated by its authors",
    ),
}
"""A folder of pictures, as recipes name it -> (what is in it, the licence)."""

HEAD = (
    "model", "parameters", "MACs", "int8 kB", "activations kB", "int8 top-1 % [95 %]", "drop pp [95 %]", "fp32 top-1 %",
)  # fmt: skip


def adopt(run: Run) -> Path:
    """Copy a run into the zoo, in place of an older one of its name.

    Raises RunError if it has no int8 TFLite file that passes its check.
    """
    verdict = int8_file(run).verdict
    if verdict is not None and verdict.check != "pass":
        raise RunError(f"The int8 file of {run.folder} does not pass its check: {verdict.reason}.")
    target, fresh = ZOO / run.name, ZOO / f".{run.name}"
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "artifacts").mkdir(parents=True)
    for name in KEPT:
        shutil.copy(run.folder / name, fresh / name)
    for pattern in KEPT_ARTIFACTS:
        for path in sorted(run.artifacts.glob(pattern)):
            shutil.copy(path, fresh / "artifacts" / path.name)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return target


def models() -> list[Run]:
    """The zoo's runs: by data set, then by size."""
    runs = [open_run(path.parent) for path in sorted(ZOO.glob("*/run.json"))]
    return sorted(runs, key=lambda run: (run.recipe.data.name, run.params))


def int8_file(run: Run) -> Artifact:
    """The run's int8 TFLite file, checked; RunError if there is none."""
    for path in sorted(run.artifacts.glob("*-int8.tflite")):
        file = artifact.read_card(path)
        if file is not None and file.verdict is not None:
            return file
    raise RunError(f"{run.folder} has no checked int8 TFLite file.", f"edgecnn export {run.folder}")


def card(run: Run) -> str:
    """Return a model's card, in Markdown: what anyone who takes it should know."""
    file = int8_file(run)
    verdict = file.verdict
    assert verdict is not None  # int8_file has seen to it
    machine = environment.from_table(json.loads((run.folder / "environment.json").read_text(encoding="utf-8")))
    with (run.folder / "metrics.csv").open(encoding="utf-8") as stream:
        epochs = list(csv.DictReader(stream))
    seconds = statistics.median(float(row["seconds"]) for row in epochs)
    recipe = run.recipe
    teachers = " and ".join(f"`{folder}`" for folder in recipe.distill.teacher) if recipe.distill else ""
    first = f"Trained before it, to teach it: {teachers}.\n\n" if teachers else ""
    first += f"It starts from the weights of `{recipe.start}`.\n\n" if recipe.start else ""
    facts = [
        ("data", _pictures(run)),
        ("input", f"{' x '.join(map(str, file.description.input.shape))}, {file.description.input.dtype}, raw pixels"),
        ("parameters", f"{file.description.parameters:,}"),
        ("MACs", f"{file.description.macs:,}"),
        ("int8 TFLite file", f"{file.description.bytes:,} bytes, sha256 `{file.description.sha256}`"),
        ("planned activations", f"{file.description.planned_activation_peak_bytes:,} bytes at the peak"),
        ("int8 top-1", f"{_top1(file)} of {verdict.n:,} test pictures, no augmentation at test time"),
        ("drop from fp32", f"{_drop(file)} pp, paired, McNemar p = {verdict.p_value:.2g}"),
        ("validation top-1", f"{run.validation_top1} of {run.validation_n:,} pictures, by which every choice was made"),
        ("seeds", f"1 (seed {recipe.seed})"),
        ("trained in", f"{len(epochs)} epochs of {seconds:.0f} s (median), {record.num_threads(run)} thread(s)"),
        ("on", f"{record.machine(machine)}, shared with other work"),
    ]
    listed = "\n".join(f"- {name}: {text}" for name, text in facts)
    return (
        f"# {run.name}\n\n{listed}\n\nTo have it again:\n\n{first}"
        f"    edgecnn train {run.name}\n"
        f"    edgecnn export runs/{run.name}\n\n"
        "To use it: `edgecnn bench`, `verify`, `selftest` and `deploy` take this folder as a run.\n"
    )


def rows() -> list[Sequence[str]]:
    """The zoo's table, a model a row; its head is HEAD."""
    table: list[Sequence[str]] = []
    for run in models():
        file = int8_file(run)
        described, verdict = file.description, file.verdict
        assert verdict is not None
        table.append(
            (
                run.name,
                f"{described.parameters:,}",
                f"{described.macs:,}",
                f"{described.bytes / 1000:.1f}",
                f"{(described.planned_activation_peak_bytes or 0) / 1000:.1f}",
                _top1(file).replace(" %", ""),
                _drop(file),
                f"{verdict.reference_top1_percent:.2f}",
            )
        )
    return table


def _top1(file: Artifact) -> str:
    assert file.verdict is not None
    return (
        f"{file.verdict.top1_percent:.2f} % [{file.verdict.top1_low_percent:.2f}, {file.verdict.top1_high_percent:.2f}]"
    )


def _drop(file: Artifact) -> str:
    assert file.verdict is not None
    return f"{file.verdict.drop_pp:+.2f} [{file.verdict.drop_low_pp:+.2f}, {file.verdict.drop_high_pp:+.2f}]"


def _pictures(run: Run) -> str:
    """Return a line on the pictures that the model learnt from."""
    plan = run.recipe.data
    what, licence = plan.name, data.get(plan.name).LICENCE
    if plan.name == "folder":
        what, licence = FOLDERS[plan.options["path"]]
    return f"{what}, {len(run.labels)} classes; licence of the pictures: {licence}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="*", type=Path, help="finished runs, exported")
    options = parser.parse_args()
    try:
        for folder in options.runs:
            adopt(open_run(folder))
        for run in models():
            files.write_text(run.folder / CARD, card(run))
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    console.table(HEAD, rows())
    return 0


if __name__ == "__main__":
    sys.exit(main())
