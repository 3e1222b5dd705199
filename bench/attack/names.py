"""Hostile names: of recipes, runs, classes, pictures and files, in labels and in documents.

A name holds if the command ends as one should (`fuzz`), nothing that is printed or written for people has a control
character in it, and nothing appears outside the folder of the command.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fuzz

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

CONTROLS = ("\x1b[31;1mred\x1b[0m", "\x1b]0;pwned\x07", "\x1b[2J", "a\nb", "a\rb", "a\tb", "bell\x07", "nul\x00x",
            "del\x7f", "\x9b31mc1", "\x85next", "a\u2028b", "a\u2029b", "\u202eevil", "a\u2066b\u2069", "\u202dx",
            "\x0bvt", "\x0cff", "\x08\x08bs", "a\x1b\\b")  # fmt: skip
PLACES = ("", " ", ".", "..", "../up", "../../escaped2", "/tmp/edgecnn-escaped", "a/b", "a\\b", "..\\up", "./x",
          "-rf", "--help", "--output=x", "x" * 300, "ä" * 150)  # fmt: skip
SHELL = ("$(touch PWNED)", "`touch PWNED`", ";touch PWNED", "|touch PWNED", "&& touch PWNED", "'; touch PWNED; '",
         '"; touch PWNED; "', "$HOME", "%n%s", "{0.__class__}", "{{7*7}}", "*", "?", "~", "!x", "#x")  # fmt: skip
MARKUP = ("<script>alert(1)<script>", "<img src=x onerror=alert(1)>", "a|b", "[x](javascript:1)", "**b**", "`code`",
          "price 5$^$", "$\\frac{$".replace("\\", ""), "q'uote\"s", "&lt;", "]]>", "[bold red]x[bold]")  # fmt: skip
REAL = ("Äpfel & Birnen", "猫と犬", "кошки", "قطط", "🐱 (v2)", "👩‍🚀", "it's", "a,b", "z: w", "CON", "trailing.")
ALL = (*CONTROLS, *PLACES, *SHELL, *MARKUP, *REAL)
PICTURES = 6
"""The number of pictures of each class."""
RECIPE = """epochs = 1
batch_size = 32
precision = "fp32"
num_threads = 1
[data]
name = "digits"
fraction = 0.1
[net]
name = "dscnn"
width = 8
stages = 1
depth = 1
"""
WARM = (
    "torch",
    "sklearn.datasets",
    "matplotlib.figure",
    "jinja2",
    "safetensors.torch",
    "edgecnn.pipeline.train.train",
    "imagehash",
)
FOR_PEOPLE = (".md", ".html", ".txt", ".svg")


class Attack:
    """The commands of all hostile names, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "deep" / "er" / "work"
        self.work.mkdir(parents=True)
        self.counts = fuzz.Counts()

    def run(self, name: str, *command: str) -> None:
        """One command in the work folder."""
        before = self._surroundings()
        ended = fuzz.run(command, self.work, longest_s=120.0)
        ended.number = self.counts.tried
        if shown := _hostile(ended.printed + ended.said):
            ended.outcome, ended.said = "control character printed", shown
        elif strays := self._surroundings() - before:
            ended.outcome, ended.said = "written elsewhere", str(sorted(strays)[:3])
        elif page := self._page():
            ended.outcome, ended.said = "control character written", page
        ended.command = tuple(ascii(word) for word in command)
        self.counts.add(ended)

    def _surroundings(self) -> set[str]:
        """Return what lies outside the work folder, as far as a name could reach, and what a shell would have left."""
        above = {str(path) for place in (self.folder, *self.work.parents[:2]) for path in place.iterdir()}
        return (
            above
            | {str(path) for path in self.work.rglob("PWNED")}
            | {str(path) for path in (Path("/tmp/edgecnn-escaped"),) if path.exists()}
        )

    def _page(self) -> str | None:
        for path in self.work.rglob("*"):
            is_shown = path.suffix in FOR_PEOPLE and path.name != "labels.txt" and "pictures" not in path.parts
            if is_shown and (shown := _hostile(path.read_text(encoding="utf-8", errors="surrogateescape"))):
                return f"{path.name}: {shown}"
        return None


def attack(scratch: Path) -> dict[str, Any]:
    shutil.rmtree(scratch, ignore_errors=True)
    fuzz.warm_up((*fuzz.WARM, *WARM))
    tried = Attack(scratch)
    for part in (recipes, options, classes, picture_files, label_files, model_notes, run_folders, reports):
        for name, command in part(tried.work):
            tried.run(name, *command)
        shutil.rmtree(tried.work)
        tried.work.mkdir()
    return {"names": len(ALL), **tried.counts.table()}


Commands = Iterator[tuple[str, tuple[str, ...]]]


def recipes(work: Path) -> Commands:
    """Names in a recipe, trained for one epoch where they are names; then the run is shown."""
    for number, name in enumerate(ALL):
        (work / "r.toml").write_text(f"name = {json.dumps(name)}\n{RECIPE}", encoding="utf-8")
        yield name, ("train", "r.toml", "-o", f"runs{number}")
        for run in (work / f"runs{number}").glob("*"):
            yield name, ("report", str(run.relative_to(work)), "-o", "page.html")
            yield name, ("inspect", str(run.relative_to(work)))


def options(work: Path) -> Commands:
    """Names on the command line that are none; and settings."""
    (work / "r.toml").write_text(f'name = "r"\n{RECIPE}', encoding="utf-8")
    for name in (*CONTROLS, *PLACES):
        if "\x00" not in name:
            yield name, ("train", "r.toml", f"--name={name}", "-o", "runs")
            yield name, ("train", "r.toml", "-o", "runs", "-s", f"net.name={name}")
            yield name, ("bench", name or "none.tflite")


def classes(work: Path) -> Commands:
    """Class folders: those with control characters are refused one by one, all others are learnt together."""
    (work / "r.toml").write_text(f'name = "r"\n{RECIPE}', encoding="utf-8")
    together = work / "pictures" / "together"
    for number, name in enumerate(ALL):
        if not _can_be_a_file(name):
            continue
        if any(ord(letter) < 32 for letter in name) or name in CONTROLS:
            folder = work / "pictures" / str(number)
            _pictures(folder / name, 1)
            _pictures(folder / "plain", 2)
            yield name, ("train", "r.toml", "--data", str(folder), "-o", "runs")
        else:
            _pictures(together / name, number)
    yield "all", ("train", "r.toml", "--data", str(together), "-o", "runs")
    yield "all", ("inspect", "runs/r")
    yield "all", ("report", "runs/r", "-o", "page.html")
    yield "all", ("export", "runs/r", "--format", "onnx,tflite", "--precision", "fp32", "--max-drop", "100")
    yield "all", ("report", "runs/r", "-o", "page.html")
    yield "all", ("deploy", "runs/r", "--precision", "fp32", "-o", "out")
    yield "all", ("bench", "runs/r", "--rounds", "1", "--num-runs", "1", "--min-secs", "0", "--limit", "8")


def picture_files(work: Path) -> Commands:
    """Files of pictures: whole ones, and broken ones that are named in what is said."""
    (work / "r.toml").write_text(f'name = "r"\n{RECIPE}', encoding="utf-8")
    for number, name in enumerate(ALL):
        if not _can_be_a_file(f"{name}.png"):
            continue
        folder = work / "pictures" / str(number)
        for kind in ("cat", "dog"):
            _pictures(folder / kind, number)
        (folder / "cat" / f"{name}.png").write_bytes(b"no picture")
        yield name, ("train", "r.toml", "--data", str(folder), "-o", "runs")


def label_files(work: Path) -> Commands:
    """labels.txt beside a model."""
    model = _model(work)
    for name in ALL:
        (work / "labels.txt").write_bytes(f"{name}\nb\nc\n".encode("utf-8", "surrogatepass"))
        yield name, ("doctor", model)
        yield name, ("inspect", model)


def model_notes(work: Path) -> Commands:
    """Names in the model file itself."""
    from edgecnn.formats.tflite import metadata

    plain = (work / _model(work)).read_bytes()
    for name in ALL:
        (work / "m.tflite").write_bytes(metadata.append_labels(plain, [name, "b", "c"]))
        yield name, ("inspect", "m.tflite")
        yield name, ("inspect", "m.tflite", "--json")
        yield name, ("doctor", "m.tflite")


def run_folders(work: Path) -> Commands:
    """A run whose folder was renamed."""
    import page_samples
    import tiny_models

    plain = page_samples.run(work / "plain")
    weights = tiny_models.weights(8, 8, 1, 2)
    page_samples.export(plain, tiny_models.linear_tflite(work / "tiny.tflite", weights, int8=False))
    page_samples.write_bench(plain, page_samples.bench(plain))
    for name in ALL:
        if _can_be_a_file(name):
            run = work / "renamed" / name
            shutil.copytree(plain, run)
            yield name, ("report", str(run), "-o", "page.html")
            yield name, ("inspect", str(run))
            yield name, ("selftest", str(run))
            shutil.rmtree(run)


def reports(work: Path) -> Commands:
    """Names in a report: of files, boards and runs."""
    import page_samples

    run = page_samples.run(work / "run")
    path = page_samples.write_bench(run, page_samples.bench(run))
    text = path.read_text(encoding="utf-8")
    for name in ALL:
        for old in ("run-fp32.tflite", '"board": "local"'):
            new = json.dumps(name)[1:-1] if old[0] != '"' else f'"board": {json.dumps(name)}'
            path.write_text(text.replace(old, new), encoding="utf-8")
            yield name, ("compare", str(path), str(path))
            yield name, ("report", "run", "-o", "page.html")


def _hostile(text: str) -> str | None:
    """Return the text around the first control character, or None without one."""
    match = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)
    return ascii(text[max(0, match.start() - 40) : match.end() + 40]) if match else None


def _can_be_a_file(name: str) -> bool:
    return 0 < len(name.encode()) < 240 and not {"/", "\x00"} & set(name) and name not in (".", "..")


def _pictures(folder: Path, seed: int) -> None:
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(PICTURES):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def _model(work: Path) -> str:
    import tiny_models

    tiny_models.linear_tflite(work / "plain.tflite", tiny_models.weights(8, 8, 3, 3), int8=True)
    return "plain.tflite"
