"""Plug-ins of another package: found by entry points, used by every verb, and held to the contract that ours keep."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

PACKAGE = ROOT / "tests" / "example_plugin"
RECIPE = """
epochs = 8
batch_size = 16
num_threads = 1
precision = "fp32"
[data]
name = "stripes"
[net]
name = "two-convs"
width = 8
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the example package is installed."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(PACKAGE, source)  # a build leaves files beside what it builds
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *offline, str(source)], check=True, capture_output=True)
    return folder


def environment(*folders: Path) -> dict[str, str]:
    paths = [*map(str, folders), str(ROOT)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def edgecnn(arguments: str, folder: Path, *sites: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecnn", *arguments.split()]
    return subprocess.run(command, cwd=folder, env=environment(*sites), capture_output=True, text=True)


def python(code: str, *sites: Path) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(*sites), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def brought(folder: Path, name: str, point: str, module: str = "") -> Path:
    """A folder with a package in it that brings one entry point of edgecnn.data, as a wheel leaves it there."""
    info = folder / name / f"{name}-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[edgecnn.data]\n{point}\n")
    (folder / name / f"{name}.py").write_text(module)
    return folder / name


def test_a_net_and_data_of_another_package_are_trained_exported_and_verified(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.toml").write_text(RECIPE)
    trained = edgecnn("train theirs.toml --track lines", tmp_path, installed)
    assert trained.returncode == 0, trained.stderr
    lines = (tmp_path / "runs" / "theirs" / "tracking" / "lines" / "lines.txt").read_text().splitlines()
    assert lines[1:] == [*(f"epoch {n}" for n in range(1, 9)), "finished"]
    exported = edgecnn(
        "export runs/theirs --format onnx --max-drop 100 -s rungs.wider-margin.percent=99.9", tmp_path, installed
    )
    assert exported.returncode == 0, exported.stderr
    assert "wider-margin" in (tmp_path / "runs" / "theirs" / "artifacts" / "calibration.json").read_text()
    verified = edgecnn("verify runs/theirs", tmp_path, installed)
    assert verified.returncode in (0, 1, 2), verified.stderr
    assert "int8" in verified.stdout
    assert "error:" not in verified.stderr
    lost = edgecnn("inspect runs/theirs", tmp_path)
    assert lost.returncode == 64
    assert "There is no net named 'two-convs'" in lost.stderr


def test_they_keep_the_contract_that_ours_keep(installed: Path) -> None:
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from edgecnn import testing\n"
        "testing.check_net('two-convs'); testing.check_data('stripes'); testing.check_rung('wider-margin')\n"
        "testing.check_tracker('lines')\n"
        "import sys; assert 'pytest' not in sys.modules\n"
        "print('kept')"
    )
    assert python(code, installed).splitlines()[-1] == "kept"


def test_what_breaks_its_contract_is_told_in_one_sentence(tmp_path: Path) -> None:
    module = "'''broken'''\nLICENCE = ''\nFORBIDDEN_AUGMENTATIONS = {}\ndef load(size):\n    return None\n"
    site = brought(tmp_path, "theirs", "broken = theirs", module)
    code = (
        "from edgecnn.testing import data_sets\n"
        "try: data_sets.all_options_have_defaults_and_are_explained('broken', {})\n"
        "except AssertionError as error: print(error)\n"
    )
    assert python(code, site) == "broken: its option size has no default\n"


@pytest.mark.parametrize(
    ("point", "module", "sentence"),
    [
        ("theirs = theirs", "import nothing_here", "of theirs 2.0 cannot be loaded: ModuleNotFoundError"),
        ("theirs = theirs", "1 / 0", "of theirs 2.0 cannot be loaded: ZeroDivisionError: division by zero"),
        ("theirs = nowhere.at_all", "", "of theirs 2.0 cannot be loaded: ModuleNotFoundError"),
        ("theirs = theirs:absent", "", "of theirs 2.0 cannot be loaded: AttributeError"),
        ("theirs = theirs", "LICENCE = 'none'", "of theirs 2.0 lacks FORBIDDEN_AUGMENTATIONS, load"),
    ],
)
def test_a_broken_one_is_one_error_that_names_its_package(
    point: str, module: str, sentence: str, tmp_path: Path
) -> None:
    site = brought(tmp_path, "theirs", point, module)
    done = edgecnn("train dscnn-digits --data theirs", site / "theirs-2.0.dist-info", site)
    assert done.returncode == 2
    assert f"error: The data set 'theirs' {sentence}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hint: update or uninstall that package" in done.stderr


def test_a_name_that_is_brought_twice_or_is_ours_is_said_to_be(tmp_path: Path) -> None:
    module = "LICENCE = 'none'\nFORBIDDEN_AUGMENTATIONS = {}\ndef load(): pass\n"
    sites = [brought(tmp_path, name, f"both = {name}\ndigits = {name}", module) for name in ("first", "second")]
    code = (
        "from edgecnn import data; from edgecnn.errors import EdgecnnError\n"
        "try: data.get('both')\n"
        "except EdgecnnError as error: print(error.sentence)\n"
        "print(data.get('digits').__name__)\n"
        "print(data.KIND.names().count('digits'), *data.KIND.usable())\n"
    )
    said = python(code, *sites)
    assert "The data set 'both' is brought by 2 packages: first 2.0, second 2.0." in said
    assert "edgecnn.data.digits\n1 cifar10 coco csv-list digits" in said
    assert "warning: first 2.0 brings a data set named 'digits', and edgecnn has its own of that name" in said
    assert said.count("brings a data set named 'digits'") == 2


def test_our_own_are_loaded_without_a_look_at_other_packages(installed: Path) -> None:
    code = "import sys; from edgecnn import data; data.get('digits'); print('importlib.metadata' in sys.modules)"
    before = "import sys, numpy; print('importlib.metadata' in sys.modules)"
    assert python(code, installed) == python(before, installed)
