"""The sections in which the help of a command lists its options, in their order."""

from __future__ import annotations

from collections.abc import Sequence

ARGUMENTS, OTHERS, CONSOLE = "Arguments", "Options", "Console"

SECTIONS = {
    "Settings": (
        "set", "plan", "suite", "budget", "families", "fractions", "trials", "trial-fraction", "min-steps", "jobs",
        "hours", "storage", "quick",
    ),
    "Pictures": (
        "data", "size", "resize", "channels", "mean", "std", "classes", "pictures", "device-log", "camera", "limit",
        "only-unseen", "others",
    ),
    "Training": (
        "epochs", "batch-size", "lr", "seed", "repeats", "resume", "force", "dry-run", "track", "train precision",
        "run precision",
    ),
    "Model files": (
        "weights", "format", "precision", "io", "target", "onnx-for", "calib-samples", "rescue", "rescue-all", "input",
        "logits", "golden", "record",
    ),
    "Known and unknown": ("keep", "score", "unknown"),
    "Measuring": ("rounds", "warmup-runs", "num-runs", "min-secs", "profile", "tolerance", "tolerance-lsb", "across"),
    "Machine": (
        "board", "runtime", "num-threads", "device", "on", "service", "serve-options", "status", "rollback",
        "across-runs", "release", "again", "sign",
        "canary", "soak", "forget", "newest-only", "bench jobs", "verify jobs", "deploy jobs", "status jobs",
        "doctor jobs", "bench resume", "verify resume", "deploy resume", "doctor resume",
    ),
    "Gates": (
        "max-drop", "max-ms", "max-minstr", "max-kb", "max-arena-kb", "min-acc", "max-lsb", "min-class-recall",
        "max-risk", "max-error-rate", "strict",
    ),
    "Output": (
        "output", "init force", "name", "page", "fix", "json", "csv", "save", "show", "top-k", "duel", "sweep",
        "lessons", "bench", "evaluation", "public", "license",
    ),
    OTHERS: (),
    CONSOLE: ("quiet", "verbose", "help"),
}  # fmt: skip
"""The options of each section, without their dashes; one that is another thing in a command stands behind its name."""

TITLES = {name: title for title, names in SECTIONS.items() for name in names}


def title(command: str, option: Sequence[str]) -> str:
    """Return the section of a command's option, by its names, such as ("--set", "-s")."""
    name = max(option, key=len).removeprefix("--")
    return TITLES.get(f"{command} {name}") or TITLES.get(name, OTHERS)
