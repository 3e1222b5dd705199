"""The command line: quick to start, data on stdout, one sentence and the right exit code for what is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE
from edgecnn.records import plans
from edgecnn.records.run import Run

HEAVY = (
    "torch",
    "onnx",
    "onnxruntime",
    "ai_edge_litert",
    "litert_torch",
    "matplotlib",
    "sklearn",
    "rich",
    "PIL",
    "numpy",
)

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["bench", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from edgecnn import cli\n"
        f"sys.argv = ['edgecnn', *{arguments!r}]\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout.strip()


def test_the_module_and_the_console_script_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("edgecnn")
    outputs = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in ([str(script)], [sys.executable, "-m", "edgecnn"])
    ]
    assert outputs[0] == outputs[1]


def test_train_prints_one_line_of_data_and_talks_on_stderr(edgecnn: Cli) -> None:
    settings = ["-s", "net.width=8", "-s", "num_threads=1", "--epochs", "1"]
    code, out, err = edgecnn("train", "dscnn-digits", *settings)
    assert code == 0
    assert out.startswith("runs/dscnn-digits  validation top-1 ")
    assert out.count("\n") == 1
    assert "epoch 1/1" in err
    assert Path("runs/dscnn-digits/run.json").is_file()

    code, out, err = edgecnn("--quiet", "train", "dscnn-digits", *settings, "--name", "other", "--json")
    assert code == 0
    assert json.loads(out)["labels"] == list("0123456789")
    assert err == ""

    recipe = plans.load_recipe("runs/other/recipe.toml")
    assert (recipe.epochs, recipe.net.options["width"]) == (1, 8)
    assert edgecnn("train", "runs/other", "--resume")[0] == 0


def test_options_name_what_a_recipe_leaves_to_the_machine(edgecnn: Cli) -> None:
    settings = ["-s", "net.width=8", "--epochs", "1", "--name", "run"]
    options = ["--precision", "fp32", "--num-threads", "1", "--device", "cpu"]
    assert edgecnn("train", "dscnn-digits", *settings, *options)[0] == 0
    recipe = plans.load_recipe("runs/run/recipe.toml")
    assert (recipe.precision, recipe.num_threads, recipe.device) == ("fp32", 1, "cpu")
    training = json.loads(Path("runs/run/run.json").read_text())["training"]
    assert (training["precision"], training["num_threads"], training["device"]) == ("fp32", 1, "cpu")
    code, out, _ = edgecnn("inspect", "runs/run")
    assert code == 0
    assert "Trained in fp32 on cpu with 1 thread (" in out

    for option, value, sentence in (
        ("--precision", "fp16", "precision cannot be 'fp16'"),
        ("--num-threads", "many", "num_threads should be of type int or 'auto', not 'many'"),
        ("--num-threads", "0", "num_threads = 0 should be at least 1, or 'auto'"),
        ("--device", "tpu", "device cannot be 'tpu'"),
    ):
        for verb in ("train", "run"):
            code, _, err = edgecnn(verb, "dscnn-digits", option, value)
            assert code == EXIT_USAGE
            assert sentence in err


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    return path


def folder_of(root: Path, classes: str, n: int = 6) -> Path:
    for index, name in enumerate(classes):
        for i in range(n):
            picture(root / name / f"{i}.jpg", 100 * index + i)
    return root


def recipe_file(text: str) -> Path:
    path = Path("my.toml")
    path.write_text(text)
    return path


def truncated_jpeg() -> list[str]:
    root = folder_of(Path("pictures"), "ab")
    path = root / "a" / "0.jpg"
    path.write_bytes(path.read_bytes()[:300])
    return ["train", "dscnn-digits", "--data", str(root)]


def empty_class() -> list[str]:
    root = folder_of(Path("pictures"), "ab")
    (root / "c").mkdir()
    return ["train", "dscnn-digits", "--data", str(root)]


def one_class() -> list[str]:
    return ["train", "dscnn-digits", "--data", str(folder_of(Path("pictures"), "a"))]


def broken_archive() -> list[str]:
    Path("cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b cut short")
    return ["train", "dscnn-digits", "-s", "data.name=cifar10", "-s", "data.path=cifar-10-binary.tar.gz"]


def no_data_set() -> list[str]:
    return ["train", str(recipe_file('[net]\nname = "dscnn"\n'))]


def not_a_model() -> list[str]:
    Path("model.tflite").write_bytes(b"this is a text")
    return ["bench", "model.tflite"]


def output_under_a_file() -> list[str]:
    Path("taken").write_text("a file")
    return ["train", "dscnn-digits", "--output", "taken/runs"]


def unfinished_run() -> list[str]:
    Path("runs/half").mkdir(parents=True)
    Path("runs/half/recipe.toml").write_text(plans.dump(plans.load_recipe("dscnn-digits")))
    return ["export", "runs/half"]


def other_recipe() -> list[str]:
    unfinished_run()
    return ["train", "runs/half", "--resume", "--lr", "0.5"]


BAD_INPUT: dict[str, tuple[list[str] | Callable[[], list[str]], str, str, int]] = {
    "no such command": (["trian"], "trian", "--help", EXIT_USAGE),
    "no such option": (["train", "dscnn-digits", "--epoch", "3"], "--epoch", "--help", EXIT_USAGE),
    "an option of the wrong type": (
        ["train", "dscnn-digits", "--epochs", "x"],
        "'x' is not a valid int",
        "--help",
        EXIT_USAGE,
    ),
    "no such recipe": (
        ["train", "dscnn-digit"],
        "no recipe named 'dscnn-digit'",
        "did you mean 'dscnn-digits'",
        EXIT_USAGE,
    ),
    "no such file": (["train", "my.toml"], "no file my.toml", "name a plan", EXIT_USAGE),
    "no data set": (no_data_set, "my.toml names no data set", "--data", EXIT_USAGE),
    "unknown net": (
        ["train", "dscnn-digits", "-s", "net.name=dscn"],
        "no net named 'dscn'",
        "did you mean 'dscnn'",
        EXIT_USAGE,
    ),
    "unknown key of a recipe": (
        ["train", "dscnn-digits", "-s", "optim.rate=1"],
        "unknown key 'rate'",
        "nown: ",
        EXIT_USAGE,
    ),
    "unknown key of a net": (
        ["train", "dscnn-digits", "-s", "net.widht=9"],
        "unknown key 'widht'",
        "did you mean 'width'",
        EXIT_USAGE,
    ),
    "a net's key of the wrong type": (
        ["train", "dscnn-digits", "-s", "net.width=wide"],
        "width = 'wide'",
        "default",
        EXIT_USAGE,
    ),
    "unknown data set": (
        ["train", "dscnn-digits", "--data", "mnist"],
        "no data set named 'mnist'",
        "fashion-mnist",
        EXIT_USAGE,
    ),
    "missing pictures": (["train", "dscnn-digits", "--data", "./nowhere"], "nowhere", "", EXIT_USAGE),
    "a truncated JPEG": (truncated_jpeg, "0.jpg", "", EXIT_USAGE),
    "an empty class folder": (empty_class, "pictures/c holds no pictures", "", EXIT_USAGE),
    "one class only": (one_class, "one class", "", EXIT_USAGE),
    "a corrupt archive": (broken_archive, "cifar-10-binary.tar.gz", "", EXIT_USAGE),
    "an augmentation labels do not survive": (
        ["train", "dscnn-digits", "-s", "augment.flip=true"],
        "'flip' does not fit",
        "augment.flip",
        EXIT_USAGE,
    ),
    "a checkpoint of another recipe": (other_recipe, "another recipe: optim differ", "without --resume", EXIT_USAGE),
    "nothing to resume": (["train", "dscnn-digits", "--resume"], "nothing to resume", "without --resume", EXIT_USAGE),
    "output under a file": (output_under_a_file, "Cannot write taken/runs", "--output", EXIT_UNFIT),
    "no such run": (["export", "runs/none"], "no run folder runs/none", "edgecnn train", EXIT_USAGE),
    "an unfinished run": (unfinished_run, "did not finish", "--resume", EXIT_USAGE),
    "not a model file": (not_a_model, "model.tflite", "", EXIT_USAGE),
    "two forms of one report": (["bench", "a.onnx", "--csv", "--json"], "--csv", "leave out --json", EXIT_USAGE),
    "no such tracker": (["train", "dscnn-digits", "--track", "wandb"], "'wandb'", "tensorboard", EXIT_USAGE),
    "no such model file": (["bench", "none.onnx"], "none.onnx", "", EXIT_USAGE),
    "a file of another kind": (["inspect", "picture.jpg"], "picture.jpg", "", EXIT_USAGE),
    "not a picture size": (
        ["inspect", "dscnn-digits", "--input", "big"],
        "'big' is not a size",
        "224x224",
        EXIT_USAGE,
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_sentence_a_hint_and_leaves_nothing(
    case: str, edgecnn: Cli, monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    arguments, sentence, hint, exit_code = BAD_INPUT[case]
    monkeypatch.setenv("EDGECNN_DATA", str(own_folder / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_folder / "cache"))
    if callable(arguments):
        arguments = arguments()
    before = {path for path in own_folder.rglob("*") if path.is_file()}
    code, out, err = edgecnn(*arguments)
    lines = err.splitlines()
    assert code == exit_code, err
    assert out == ""
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], err
    assert sentence in lines[0]
    assert hint in lines[1]
    after = {path for path in own_folder.rglob("*") if path.is_file()}
    assert after <= before


def test_an_interrupted_training_says_how_to_go_on(edgecnn: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn.pipeline.train import train as verb

    def interrupted(*_: object, **__: object) -> Run:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "train", interrupted)
    code, _, err = edgecnn("train", "dscnn-digits")
    assert code == 130
    assert "--resume" in err


def test_a_reader_that_closes_the_pipe_gets_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m edgecnn inspect dscnn-digits | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "Traceback" not in done.stderr


def test_a_gate_that_cannot_tell_ends_with_0_and_with_2_if_asked(edgecnn: Cli, digits_run: Run) -> None:
    shutil.copytree(digits_run.folder, "digits")
    asked = ("export", "digits", "--format", "onnx", "--precision", "int8", "--max-drop", "0.1")
    code, out, err = edgecnn(*asked)
    assert (code, "cannot tell" in out) == (0, True)
    assert "warning: " in err
    assert "would settle it; more pictures would tell" in err
    code, _, err = edgecnn(*asked, "--strict")
    assert (code, "error: " in err, "rescue" in err) == (EXIT_UNFIT, True, False)
