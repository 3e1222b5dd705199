"""Damaged documents: every JSON file of a run, a bundle, a bench, a duel and a lesson, and the TOML of plans."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import fuzz
import mutate
from fuzz import Target

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

DEEPEST = 100_000
PAGE = ("report", "run", "-o", "page.html")


def attack(scratch: Path, count: int = fuzz.COUNT) -> dict[str, Any]:
    """Targets take turns, and with each its commands; of a hundred damages a few are documents without an end."""
    folder = seeds(scratch / "seeds")
    return fuzz.attack("json", targets(folder), scratch, count, warm=("matplotlib.figure", "jinja2"))


def seeds(folder: Path) -> Path:
    """Every document once, and what its commands need beside it; none of it is trained."""
    import page_samples
    import small_bundles
    import tiny_models

    run = page_samples.run(folder / "run")
    weights = tiny_models.weights(8, 8, 1, 2)
    page_samples.export(run, tiny_models.linear_tflite(folder / "tiny.tflite", weights, int8=False))
    page_samples.write_bench(run, page_samples.bench(run))
    page_samples.duel(folder / "duel")
    page_samples.lesson(folder / "lessons")
    small_bundles.run_folder(folder / "animals", ("int8",))
    small_bundles.unpacked(folder / "unpacked")
    (folder / "suite.toml").write_text(
        'name = "s"\nrounds = 2\nmin_secs = 0.5\nmax_ms = 3.0\nruntime = ["litert"]\n', encoding="utf-8"
    )
    (folder / "plan.toml").write_text(
        'name = "p"\nformat = ["onnx"]\nmax_drop = 1.0\n\n[rungs.qat]\nepochs = 2\n', encoding="utf-8"
    )
    return folder


def targets(folder: Path) -> list[Target]:
    card = "animals/artifacts/animals-int8.tflite"
    compared = ("compare", "run/bench/local.json", "run/bench/local.json")
    commands: dict[str, tuple[tuple[str, ...], ...]] = {
        "run/run.json": (PAGE, ("inspect", "run"), ("export", "run")),
        "run/environment.json": (PAGE,),
        "run/metrics.csv": (PAGE,),
        "run/bench/local.json": (compared, (*compared, "--json"), PAGE),
        "duel/duel.json": ((*PAGE, "--duel", "duel"),),
        "lessons/equivariance.json": ((*PAGE, "--lessons", "lessons"),),
        "animals/run.json": (("deploy", "animals", "-o", "out"), ("selftest", "animals"), ("doctor", card)),
        f"{card}.json": (
            *(("doctor", card), ("inspect", card), ("selftest", "animals"), ("deploy", card, "-o", "out")),
            ("report", "animals", "-o", "page.html"),
        ),
        "unpacked/bundle/manifest.json": (("selftest", "unpacked/bundle"),),
        "unpacked/bundle/animals-int8.tflite.json": (("selftest", "unpacked/bundle"),),
        "suite.toml": (("bench", "none.tflite", "--suite", "suite.toml"),),
        "plan.toml": (("export", "none", "--plan", "plan.toml"),),
    }
    return [Target(folder=folder, file=file, commands=own, mutate=damage) for file, own in commands.items()]


def damage(data: bytes, rng: random.Random) -> bytes:
    """Damage a document as text and bytes are damaged elsewhere, and now and then make one without an end."""
    if rng.random() < 0.97:
        return mutate.text_of(data, rng)
    return rng.choice(
        (
            b"[" * DEEPEST,
            b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST,
            b"a." * DEEPEST + b"b = 1\n",
            b"[" + b"a." * 50_000 + b"b]\n",
            b"\xef\xbb\xbf" + data,
            data.decode(errors="replace").encode("utf-16"),
            b"[" + b"[]," * 8_000_000 + b"[]]",
            data[:-2] + b', "more": "' + b"x" * 80_000_000 + b'"}',
            data * 2,
        )
    )
