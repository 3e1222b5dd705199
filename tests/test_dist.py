"""The wheels: small, and enough by themselves, with the zoo in a package of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT

LARGEST_BYTES = 1_500_000
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
BRIEF = "--rounds 1 --num-runs 5 --min-secs 0 --limit 20"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of this tree, by the name of their project."""
    folder = tmp_path_factory.mktemp("wheels")
    offline = ["--no-index", "--no-build-isolation", "--no-deps"]
    sources = [str(ROOT), str(ROOT / "models" / "zoo")]
    subprocess.run([*PIP, "wheel", *offline, "-w", str(folder), *sources], check=True, capture_output=True)
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def base(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which edgecnn is installed without its zoo."""
    return installed(wheels["edgecnn"], tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def zoo(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the zoo is installed."""
    return installed(wheels["edgecnn_zoo"], tmp_path_factory.mktemp("zoo"))


def installed(wheel: Path, folder: Path) -> Path:
    subprocess.run([*PIP, "install", "--no-index", "--no-deps", "--target", str(folder), str(wheel)], check=True)
    return folder


def edgecnn(arguments: str, folder: Path, *sites: Path) -> subprocess.CompletedProcess[str]:
    """Run an installed edgecnn, away from the checkout."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sites))}
    command = [sys.executable, "-m", "edgecnn", *arguments.split()]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def contents(folder: Path) -> set[tuple[Path, int]]:
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_is_small_and_has_all_that_is_found_by_name(wheels: dict[str, Path]) -> None:
    names = zipfile.ZipFile(wheels["edgecnn"]).namelist()
    assert wheels["edgecnn"].stat().st_size < LARGEST_BYTES
    for kind in ("models", "export", "bench"):
        plans = {path.name for path in (ROOT / kind).glob("*.toml")}
        assert plans == {Path(name).name for name in names if Path(name).parent == Path("edgecnn/_plans") / kind} - {
            "profile.schema.json",
            "report.schema.json",
        }
    assert {"edgecnn/_plans/constraints.txt", "edgecnn/_plans/bench/boards/example.toml", "edgecnn/py.typed"} < {*names}
    assert not [name for name in names if name.endswith((".safetensors", ".tflite", ".onnx", ".html", ".png"))]


def test_the_zoo_holds_every_file_of_its_models(wheels: dict[str, Path]) -> None:
    tracked = subprocess.run(["git", "ls-files", "models/zoo"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = zipfile.ZipFile(wheels["edgecnn_zoo"]).namelist()
    packed = {name.removeprefix("edgecnn_zoo/") for name in names if name.startswith("edgecnn_zoo/")}
    assert packed == {name.removeprefix("models/zoo/") for name in tracked.stdout.split() if name.count("/") > 2}
    assert packed


def test_a_model_of_the_zoo_is_used_by_its_name(base: Path, zoo: Path, tmp_path: Path) -> None:
    done = edgecnn("selftest zoo:fashion-10k", tmp_path, base, zoo)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("identical") == 2


def test_nothing_is_written_into_the_installed_zoo(base: Path, zoo: Path, tmp_path: Path) -> None:
    before = contents(zoo)
    refused = edgecnn("export zoo:fashion-10k", tmp_path, base, zoo)
    assert refused.returncode == 64
    assert "where nothing is written" in refused.stderr
    assert f"cp -r {zoo}" in refused.stderr
    benched = edgecnn(f"bench zoo:fashion-10k {BRIEF}", tmp_path, base, zoo)
    assert benched.returncode == 0, benched.stderr
    assert contents(zoo) == before


def test_a_report_says_the_name_that_finds_the_model_anywhere(base: Path, zoo: Path, tmp_path: Path) -> None:
    benched = edgecnn(f"bench zoo:fashion-10k {BRIEF} -o report.json", tmp_path, base, zoo)
    assert benched.returncode == 0, benched.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["command"].startswith("edgecnn bench zoo:fashion-10k ")


def test_a_bundle_is_made_from_the_installed_zoo(base: Path, zoo: Path, tmp_path: Path) -> None:
    bundle = edgecnn("deploy zoo:fashion-10k --output mine", tmp_path, base, zoo)
    assert bundle.returncode == 0, bundle.stderr
    assert (tmp_path / "mine" / "edgecnn.pyz").is_file()


def test_the_zoo_without_its_package_says_how_to_have_it(base: Path, tmp_path: Path) -> None:
    done = edgecnn("selftest zoo:fashion-10k", tmp_path, base)
    assert done.returncode == 64
    assert done.stderr.splitlines() == [
        "error: The files of zoo:fashion-10k are not installed.",
        "hint: pip install edgecnn-zoo",
    ]


def test_a_name_that_the_zoo_lacks_gets_the_nearest(base: Path, tmp_path: Path) -> None:
    done = edgecnn("inspect zoo:fashion-1k", tmp_path, base)
    assert done.returncode == 64
    assert "did you mean 'fashion-10k'?" in done.stderr
