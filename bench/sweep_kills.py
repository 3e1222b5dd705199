"""SIGKILLs of random workers of a sweep: bench/results/sweep-kills.json.

    python bench/sweep_kills.py -o bench/results/sweep-kills.json

A sweep of random points is done twice: by one worker that nobody disturbs, and by several that share a folder, of which
one after the other is killed while it is at work on a trial, at a random moment, and replaced. The second must come to
the same trials with the same weights, bit for bit, and have told each of them once. If it ends before there were enough
kills, another one of other points follows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import record

from edgecnn.common import console, files
from edgecnn.errors import EdgecnnError, EnvironmentUnfit

SWEEP = """\
trials = {trials}
epochs = {epochs}
seed = {seed}
[sampler]
name = "RandomSampler"
[space]
net.width = {{low = 8, high = 24, step = 4}}
optim.lr = {{low = 1e-3, high = 1e-1, log = true}}
augment.shift = {{choice = [0, 1, 2]}}
"""
FINISHED = 1
"""How Optuna's journal writes the state of a trial that is complete."""
AFTER_AN_EPOCH = 0.5
"""The share of kills that come right after an epoch of that worker; the others come at any moment."""
PAUSE_S = 5.0
"""A kill comes within so many seconds after its worker has taken a trial."""


def worker(plan: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start `edgecnn sweep`, which joins the sweep."""
    words = [sys.executable, "-m", "edgecnn", "-q", "sweep", "dscnn-digits", plan, "--output", folder, "--name", "s"]
    return subprocess.Popen([*map(str, words), "-s", "num_threads=1"], stdout=subprocess.DEVNULL)


def at_work(folder: Path) -> dict[int, str]:
    """The workers that hold a trial: process -> trial."""
    holders = {}
    for path in (folder / "s" / "locks").glob("trial-*.lock"):
        try:
            holders[int(json.loads(path.read_text(encoding="utf-8"))["pid"])] = path.stem
        except (OSError, ValueError, KeyError):  # written just now, or removed
            continue
    return holders


def epochs(folder: Path, trial: str) -> int:
    """Return how many epochs of a trial are over."""
    path = folder / "s" / "runs" / trial / "metrics.csv"
    return len(path.read_text(encoding="utf-8").splitlines()) - 1 if path.is_file() else 0


def disturbed(plan: Path, folder: Path, workers: int, kills: int, chance: random.Random) -> list[dict[str, Any]]:
    """Do the sweep with workers of which up to `kills` are killed; return what each kill hit."""
    alive = [worker(plan, folder) for _ in range(workers)]
    hits: list[dict[str, Any]] = []
    try:
        while len(hits) < kills and any(process.poll() is None for process in alive):
            holders = at_work(folder)
            victims = [process for process in alive if process.pid in holders]
            if not victims:
                time.sleep(0.02)
                continue
            victim = chance.choice(victims)
            if chance.random() < AFTER_AN_EPOCH:
                begun = epochs(folder, holders[victim.pid])
                while at_work(folder).get(victim.pid) == holders[victim.pid]:
                    if epochs(folder, holders[victim.pid]) > begun:
                        break
                    time.sleep(0.02)
            else:
                time.sleep(chance.uniform(0, PAUSE_S))
            trial = at_work(folder).get(victim.pid, "")
            done = epochs(folder, trial or holders[victim.pid])
            if victim.poll() is not None:  # it ended in the meantime, as there was nothing left to do
                continue
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            hits.append({"trial": trial, "epochs": done})
            console.note(f"kill {len(hits)}: {trial or 'between two trials'}, {done} epochs")
            alive[alive.index(victim)] = worker(plan, folder)
        for process in alive:
            if process.wait():
                raise EnvironmentUnfit(f"A worker ended with {process.returncode}.")
    finally:
        for process in alive:
            process.kill()
    return hits


def outcome(folder: Path) -> dict[str, Any]:
    """Every trial's point, values and the digest of its weights."""
    sweep = json.loads((folder / "s" / "sweep.json").read_text(encoding="utf-8"))
    trials = {}
    for trial in sweep["trials"]:
        facts = folder / "s" / "runs" / f"trial-{trial['number']:04d}" / "run.json"
        weights = json.loads(facts.read_text(encoding="utf-8"))["weights_sha256"] if facts.is_file() else None
        trials[trial["number"]] = [trial["point"], trial["outcome"], trial["values"], weights]
    return trials


def told(folder: Path) -> list[int]:
    """Return how often the journal says of each trial that it is complete, by the order of the trials."""
    counts: dict[int, int] = {}
    for line in (folder / "s" / "journal.log").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("state") == FINISHED and "trial_id" in entry:
            counts[entry["trial_id"]] = counts.get(entry["trial_id"], 0) + 1
    return [counts[trial] for trial in sorted(counts)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    hits: list[dict[str, Any]] = []
    trials = finished = repeated = equal = 0
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        os.environ["XDG_CACHE_HOME"] = str(Path(scratch, "cache"))
        while len(hits) < asked.kills:
            folder = Path(scratch, f"after-{len(hits)}-kills")
            plan, calm, harried = (folder / name for name in ("sweep.toml", "calm", "harried"))
            files.make_folder(folder)
            files.write_text(plan, SWEEP.format(trials=asked.trials, epochs=asked.epochs, seed=asked.seed + len(hits)))
            if worker(plan, calm).wait():
                raise EnvironmentUnfit("The sweep that nobody disturbs failed.")
            console.note(f"{asked.trials} trials without a kill")
            hits += disturbed(plan, harried, asked.workers, asked.kills - len(hits), chance)
            first, second = outcome(calm), outcome(harried)
            trials += len(first)
            finished += sum(trial[1] == "finished" for trial in second.values())
            repeated += sum(count != 1 for count in told(harried))
            equal += sum(second.get(number) == trial for number, trial in first.items())
    result = {
        "kills": len(hits),
        "workers": asked.workers,
        "trials": trials,
        "finished": finished,
        "lost": trials - finished,
        "told_more_than_once": repeated,
        "equal_weights": equal,
        "hits": hits,
    }
    record.write(asked.output, result)
    console.table(tuple(list(result)[:-1]), [[str(value) for value in list(result.values())[:-1]]])
    return int(result["lost"] != 0 or result["told_more_than_once"] != 0 or equal != trials)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        sys.exit(error.exit_code)
