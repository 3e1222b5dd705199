"""The installation: what is missing, untested or broken is named with the command that mends it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import bench_samples as samples
import pytest

from edgecnn.checks.doctor import doctor, examination, installation, processor, show
from edgecnn.checks.doctor.finding import Finding
from edgecnn.errors import EnvironmentUnfit
from edgecnn.records import environment
from edgecnn.records.environment import Environment


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder before all others in which packages can be installed by their metadata alone."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(folder: Path, name: str, version: str, *lines: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    head = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    (info / "METADATA").write_text("\n".join([*head, *lines]) + "\n")


def packages(extra: str) -> dict[str, Finding]:
    """The findings of an extra that are not well, by the package they begin with."""
    return {finding.evidence.split()[0]: finding for finding in installation._packages(extra) if finding.level != "ok"}


def test_the_proven_set_is_found_and_pins_what_is_needed() -> None:
    known = installation.proven()
    assert len(known) > 50
    for name in ("torch", "onnxruntime", "ai-edge-litert", "litert-torch"):
        assert name in known


def test_of_what_is_installed_here_nothing_is_missing() -> None:
    assert [finding for finding in installation._packages("") if finding.level == "wrong"] == []
    assert {"", "train"} <= set(installation._present_extras())
    assert installation._platform().level == "ok"


def test_a_missing_package_names_its_extra(distribution: Path) -> None:
    lines = ["Provides-Extra: train", "Requires-Dist: numpy>=2", 'Requires-Dist: torch>=2; extra == "train"']
    install(distribution, "edgecnn", "9", *lines, 'Requires-Dist: unheard-of>=1; extra == "train"')
    assert packages("") == {}
    finding = packages("train")["unheard-of"]
    assert finding.level == "wrong"
    assert finding.mend == "pip install 'edgecnn[train]'"
    assert "cannot train and export" in finding.evidence


def test_a_version_out_of_range_is_wrong_and_an_untested_one_a_warning(distribution: Path) -> None:
    install(distribution, "edgecnn", "9", "Requires-Dist: numpy>=2.1", "Requires-Dist: pillow>=11")
    install(distribution, "numpy", "1.26.4")
    install(distribution, "pillow", "12.99")
    findings = packages("")
    assert (findings["numpy"].level, findings["numpy"].mend) == ("wrong", "pip install 'numpy>=2.1'")
    assert findings["pillow"].level == "warn"
    assert findings["pillow"].mend == f"pip install 'pillow=={installation.proven()['pillow']}'"


def test_a_build_of_the_proven_version_is_proven() -> None:
    assert not installation._differs("2.13.0+cpu", "2.13.0")
    assert installation._differs("2.13.1+cpu", "2.13.0")


def test_an_extra_nobody_asked_for_is_a_note(distribution: Path) -> None:
    lines = ["Provides-Extra: train", 'Requires-Dist: unheard-of; extra == "train"']
    install(distribution, "edgecnn", "9", "Requires-Dist: numpy", *lines)
    assert installation._present_extras() == [""]


def test_what_this_platform_does_not_need_is_not_missed(distribution: Path) -> None:
    other = "Windows" if platform.system() != "Windows" else "Linux"
    install(distribution, "edgecnn", "9", f"Requires-Dist: unheard-of; platform_system == '{other}'")
    assert installation._required("") == []


def test_a_python_that_is_too_old_is_said_first(distribution: Path) -> None:
    install(distribution, "edgecnn", "9", "Requires-Python: >=3.99")
    assert installation._platform().level == "wrong"
    assert "needs Python >=3.99" in installation._platform().evidence


def processor_of(machine: Environment) -> dict[str, str]:
    """The level of each finding by its subject."""
    return {finding.subject: finding.level for finding in processor.findings(machine)}


def test_a_cpu_without_vnni_and_bf16_is_told_what_follows() -> None:
    assert processor_of(samples.ZEN1) == {"processor": "ok", "int8 ONNX": "warn", "bf16": "note"}
    said = "\n".join(show.lines(list(processor.findings(samples.ZEN1))))
    assert "AMD EPYC (AVX2)" in said
    assert "(U8S8) can give wrong" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("machine", [samples.ZEN4, samples.SAPPHIRE_RAPIDS, samples.PI5])
def test_a_cpu_that_has_both_or_was_not_measured_is_only_named(machine: Environment) -> None:
    assert processor_of(machine) == {"processor": "ok"}


def test_before_avx2_int8_is_exact_and_bf16_emulated() -> None:
    nehalem = samples.machine(arch="x86_64", cpu="Nehalem", model=None, features=())
    assert processor_of(nehalem) == {"processor": "ok", "bf16": "note"}


MODULES = {
    "well_made": "",
    "raises": "raise OSError('libcudart.so.13: cannot open shared object file')",
    "loud": "print('hello'); import sys; sys.exit('I do not like you')",
    "for_another_cpu": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
}


def test_imports_are_tried_in_a_process_that_may_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    failures = installation.try_imports(["raises", "for_another_cpu", "loud", "well_made", "nowhere"])
    assert failures == {
        "raises": "OSError: libcudart.so.13: cannot open shared object file",
        "for_another_cpu": "it is built for another CPU (illegal instruction)",
        "loud": "SystemExit: I do not like you",
        "nowhere": "ModuleNotFoundError: No module named 'nowhere'",
    }


def test_missing_tools_are_told_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installation._ssh().level == "warn"
    assert installation._ssh().mend == "apt install openssh-client"


def test_a_format_that_cannot_be_written_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installation._writes("tflite").level == "ok"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    finding = installation._writes("tflite")
    assert finding.level == "note"
    assert "no build for Linux on aarch64" in finding.evidence


def test_a_broken_installation_exits_with_2_and_the_first_command(distribution: Path) -> None:
    install(distribution, "edgecnn", "9", "Requires-Dist: unheard-of")
    broken = doctor.doctor()
    with pytest.raises(EnvironmentUnfit, match="base first") as caught:
        doctor.judge(broken)
    assert caught.value.exit_code == 2
    assert caught.value.hint == "pip install 'edgecnn'"
    findings = json.loads(examination.to_json(broken))["findings"]
    assert "wrong" in [finding["level"] for finding in findings]
    (named,) = [finding["evidence"] for finding in findings if finding["subject"] == "processor"]
    assert named == environment.machine_name(environment.here())


def test_outside_of_any_installation_it_says_how_to_make_one(tmp_path: Path) -> None:
    code = (
        "from importlib import metadata\n"
        "from edgecnn.checks.doctor import installation\n"
        "for one in installation._packages(''): print(one.level, one.mend)"
    )
    root = Path(doctor.__file__).parents[3]
    paths = [path for path in sys.path if Path(path).name == "site-packages"]
    bare = tmp_path / "site"
    bare.mkdir()
    for path in paths:  # everything but our own metadata
        for entry in Path(path).iterdir():
            if not entry.name.lower().startswith(("edgecnn", "__editable__")):
                (bare / entry.name).symlink_to(entry)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(bare)])}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "wrong pip install -e '.[train]'\n"
    assert metadata.version("edgecnn")
