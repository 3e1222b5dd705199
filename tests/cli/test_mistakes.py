"""A mistyped word of the command line gets the nearest that is known, by one rule for all kinds of words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.errors import EXIT_USAGE, closest, nearest, nearest_path

Cli = Callable[..., tuple[int, str, str]]


def test_the_closest_word_is_found_in_any_case_and_by_its_beginning() -> None:
    known = ("dscnn", "mlp", "resnet8", "tflite")
    assert [closest(word, known) for word in ("dscn", "DSCNN", "res", "TFLite", "re", "zzz", "")] == [
        "dscnn", "dscnn", "resnet8", "tflite", None, None, None,
    ]  # fmt: skip
    assert nearest("dscn", known) == "did you mean 'dscnn'? Known: dscnn, mlp, resnet8, tflite"
    assert nearest("zzz", known) == "known: dscnn, mlp, resnet8, tflite"


def test_a_missing_path_is_compared_with_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digit.txt").touch()
    assert nearest_path(tmp_path / "digts", Path.is_dir) == f"did you mean {tmp_path / 'digits'}?"
    assert nearest_path(tmp_path / "other", Path.is_dir, "make one") == "make one"
    assert nearest_path(tmp_path / "none" / "digts", Path.is_dir) is None


RECIPE = ("train", "dscnn-digits")
MISTYPED: dict[str, tuple[tuple[str, ...], str]] = {
    "a command": (("trian",), "`edgecnn train`"),
    "a command of a group": (("board", "lst"), "`edgecnn board list`"),
    "another tool's word for a command": (("quantize", "runs/x"), "`edgecnn export`"),
    "an option": ((*RECIPE, "--epoch", "3"), "--epochs"),
    "an option before the command": (("--trust-cod", "list"), "--trust-code"),
    "a recipe": (("train", "dscnn-digit"), "'dscnn-digits'"),
    "a model of the zoo": (("inspect", "zoo:fashion-1k"), "'fashion-10k'"),
    "a data set": ((*RECIPE, "--data", "digit"), "'digits'"),
    "a net": ((*RECIPE, "-s", "net.name=dscn"), "'dscnn'"),
    "a key of a recipe": ((*RECIPE, "-s", "epoch=3"), "'epochs'"),
    "an optimiser": ((*RECIPE, "-s", "optim.name=adamW2"), "'adamw'"),
    "a training's precision": ((*RECIPE, "--precision", "bf61"), "'bf16'"),
    "a device": ((*RECIPE, "--device", "cud"), "'cuda'"),
    "a tracker": ((*RECIPE, "--track", "tensorbord"), "'tensorboard'"),
    "an export plan": (("run", "dscnn-digits", "--plan", "defalt"), "'default'"),
    "a suite": (("bench", "zoo:fashion-10k", "--suite", "defalt"), "'default'"),
    "a runtime": (("bench", "zoo:fashion-10k", "--runtime", "onnxruntim"), "'onnxruntime'"),
    "a board": (("board", "info", "locl"), "'local'"),
    "an emulated board": (("board", "info", "emulated:pi44"), "'pi4'"),
    "a file's format": (("predict", "zoo:fashion-10k", "a.png", "--format", "tflit"), "'tflite'"),
    "a file's precision": (("predict", "zoo:fashion-10k", "a.png", "--precision", "int-8"), "'int8'"),
    "an export's precision": (("export", "zoo:fashion-10k", "--precision", "fp61"), "'fp16'"),
    "an export's type of input": (("export", "zoo:fashion-10k", "--io", "unit8"), "'uint8'"),
    "what a duel holds equal": (("duel", "dscnn-digits", "--budget", "mac"), "'macs'"),
    "a lesson": (("lesson", "filtrs"), "'filters'"),
    "a kind of names": (("list", "recpes"), "'recipes'"),
}


@pytest.mark.parametrize("kind", MISTYPED)
def test_the_hint_asks_whether_the_nearest_is_meant(kind: str, edgecnn: Cli) -> None:
    arguments, meant = MISTYPED[kind]
    code, out, err = edgecnn(*arguments)
    assert (code, out) == (EXIT_USAGE, ""), err
    assert f"hint: did you mean {meant}?" in err


def test_a_missing_run_file_or_recipe_is_compared_with_those_beside_it(edgecnn: Cli) -> None:
    Path("runs/digits").mkdir(parents=True)
    Path("runs/digits/recipe.toml").touch()
    Path("mine.toml").touch()
    Path("mine.onnx").touch()
    for arguments, meant in (
        (("export", "runs/digit"), "runs/digits"),
        (("train", "mien.toml"), "mine.toml"),
        (("bench", "main.onnx"), "mine.onnx"),
    ):
        assert f"hint: did you mean {meant}?" in edgecnn(*arguments)[2]


def test_an_option_of_other_commands_is_told_to_be_theirs(edgecnn: Cli) -> None:
    assert "`plan`, `train`, `run`, `sweep`, `duel` would take it" in edgecnn("export", "runs/x", "--epochs", 3)[2]
    assert "hint: all files of a run are taken" in edgecnn("bench", "runs/x", "--precision", "int8")[2]
    assert "hint: model files run on the CPU" in edgecnn("predict", "runs/x", "--device", "cuda")[2]
    assert "behind a command, as in `edgecnn init --json`" in edgecnn("--json", "list")[2]


def test_quiet_and_verbose_stand_before_the_command_or_behind_it(edgecnn: Cli) -> None:
    for words in (("export", "none", "-v"), ("-v", "export", "none"), ("export", "--verbose", "none")):
        err = edgecnn(*words)[2]
        assert err.startswith("Traceback")
        assert err.splitlines()[-2:] == [
            "error: There is no run folder none.",
            "hint: `edgecnn train` makes one under runs/",
        ]
    assert "Traceback" not in edgecnn("export", "none")[2]  # the command before was verbose, this one is not
    for words in (("list", "-q", "-v"), ("-q", "list", "-v")):
        code, _, err = edgecnn(*words)
        assert (code, "contradict each other" in err) == (EXIT_USAGE, True)


def test_a_quiet_training_is_silent_and_a_verbose_one_says_what_it_decided(edgecnn: Cli) -> None:
    short = ("train", "dscnn-digits", "-s", "net.width=8", "--epochs", 1, "--num-threads", 1)
    code, out, err = edgecnn(*short, "-q")
    assert (code, out.count("\n"), err) == (0, 1, "")
    code, out, err = edgecnn(*short, "--name", "second", "-v")
    assert (code, out.count("\n")) == (0, 1)
    assert "pictures read, split and checked: " in err
    assert "1 thread: " in err
    assert "validation top-1" not in err


def test_with_verbose_a_converters_words_reach_stderr_and_stdout_holds_data_alone() -> None:
    script = (
        "import os; from edgecnn.common import console, silence\n"
        "for verbose in (False, True):\n"
        "    console.be_verbose(verbose)\n"
        "    with silence.quietly():\n"
        "        print('python', verbose, flush=True); os.write(1, b'native %d\\n' % verbose)\n"
        "print('data')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, sorted(done.stderr.split("\n"))) == ("data\n", ["", "native 1", "python True"])
