"""The verb: what it writes, prints and raises, on lessons that cost nothing and on a training that is stopped."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.cli import studies
from edgecnn.common import config, plugins
from edgecnn.errors import EnvironmentUnfit, OutputError, UsageError
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.studies import findings
from edgecnn.studies.findings import Claim, Lesson, Number
from edgecnn.studies.lessons import lessons, show, topics
from edgecnn.studies.lessons.training import trained

PLUGINS = {
    "counting": '''
"""A lesson that counts."""
from edgecnn.common import files
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting

TITLE = "How many sides a square has"

def measure(setting: Setting) -> LessonResult:
    files.write_bytes(setting.folder / "counting.png", b"picture")
    share = Number(name="sides drawn straight", value=98.0, unit="%", low=96.5, high=99.0, n=1200, n_of="sides")
    return LessonResult(
        numbers=(Number(name="sides", value=4, unit=""), share),
        claims=(
            Claim(expected="A square has four sides.", measured="It has 4.", holds=True, exact=True),
            Claim(expected="All are straight.", measured="98.0 % are.", holds=False),
            Claim(expected="It is red.", measured="Nobody looked.", holds=None),
        ),
        pictures={"counting.png": "A square"},
        settings={"quick": setting.quick},
    )
''',
    "failing": '''
"""A lesson that cannot be measured."""
from edgecnn.errors import EnvironmentUnfit
from edgecnn.studies.lessons import LessonResult, Setting

TITLE = "What cannot be known here"

def measure(setting: Setting) -> LessonResult:
    raise EnvironmentUnfit("There is no ruler.", "buy one")
''',
}


@pytest.fixture
def own_lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two lessons in a folder of their own beside the shipped ones: "counting" and "failing"."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    for name, text in PLUGINS.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(topics, "__path__", [str(folder), *topics.__path__])
    yield
    for name in PLUGINS:
        sys.modules.pop(f"{topics.__name__}.{name}", None)
        if hasattr(topics, name):
            delattr(topics, name)


@pytest.mark.usefixtures("own_lessons")
class TestMeasuring:
    def test_what_is_returned_is_what_is_written(self, tmp_path: Path) -> None:
        (result,) = lessons.lesson(["counting"], quick=True, output=tmp_path / "out")
        assert findings.read(Lesson, tmp_path / "out" / "counting.json") == result
        assert (tmp_path / "out" / "counting.png").read_bytes() == b"picture"

    def test_it_says_how_to_have_it_again_and_in_which_form(self, tmp_path: Path) -> None:
        (quick,) = lessons.lesson(["counting"], quick=True, output=tmp_path)
        (full,) = lessons.lesson(["counting"], quick=False, output=tmp_path)
        assert (quick.command, full.command) == ("edgecnn lesson counting --quick", "edgecnn lesson counting")
        assert (quick.quick, quick.settings["quick"], full.quick) == (True, True, False)

    def test_a_name_given_twice_is_measured_once(self, tmp_path: Path) -> None:
        assert len(lessons.lesson(["counting", "counting"], quick=True, output=tmp_path)) == 1

    def test_a_lesson_that_fails_stops_no_other_and_gives_the_exit_code(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        told: list[Lesson] = []
        with pytest.raises(EnvironmentUnfit, match=r"no ruler") as error:
            lessons.lesson(["failing", "counting"], quick=True, output=tmp_path, tell=told.append)
        assert error.value.exit_code == 2
        assert [lesson.name for lesson in told] == ["counting"]
        assert not (tmp_path / "failing.json").exists()
        assert "failing: There is no ruler." in capsys.readouterr().err

    def test_an_unknown_name_is_refused_before_anything_is_measured(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no lesson named 'permutations'") as error:
            lessons.lesson(["counting", "permutations"], quick=True, output=tmp_path / "out")
        assert "did you mean 'permutation'" in str(error.value.hint)
        assert "'all'" in str(error.value.hint)
        assert not (tmp_path / "out").exists()

    def test_a_folder_that_cannot_be_is_said_before_anything_is_measured(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError):
            lessons.lesson(["counting"], quick=True, output=tmp_path / "file" / "out")


@pytest.mark.usefixtures("own_lessons")
class TestPrinting:
    def test_without_a_name_the_lessons_are_listed_with_their_titles(self, capsys: pytest.CaptureFixture[str]) -> None:
        studies.lesson()
        out = capsys.readouterr().out
        assert "How many sides a square has" in out
        assert all(f"\n{name} " in f"\n{out}" for name in plugins.own_names("edgecnn.studies.lessons.topics"))
        assert max(map(len, out.splitlines())) <= show.WIDTH

    def test_the_list_as_json_maps_names_to_titles(self, capsys: pytest.CaptureFixture[str]) -> None:
        studies.lesson(as_json=True)
        titles = json.loads(capsys.readouterr().out)
        assert titles["counting"] == "How many sides a square has"
        assert sorted(titles) == sorted(plugins.own_names("edgecnn.studies.lessons.topics"))

    def test_a_lesson_is_told_in_numbers_and_verdicts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        studies.lesson(["counting"], quick=True, output=tmp_path, as_json=False)
        out = capsys.readouterr().out
        (share,) = (line.split() for line in out.splitlines() if line.startswith("sides drawn"))
        assert share == ["sides", "drawn", "straight", "98.0", "%", "[96.5,", "99.0]", "1,200", "sides"]
        verdicts = [line.split("-> ")[1] for line in out.splitlines() if "->" in line]
        assert verdicts == ["holds", "does not hold", "cannot tell"]
        assert str(tmp_path / "counting.json") in out
        assert str(tmp_path / "counting.png") in out

    def test_as_json_stdout_is_the_files_alone(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        studies.lesson(["counting"], quick=True, output=tmp_path, as_json=True)
        (table,) = json.loads(capsys.readouterr().out)
        assert table == json.loads((tmp_path / "counting.json").read_text())

    def test_as_json_what_was_measured_is_printed_even_if_another_lesson_failed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(EnvironmentUnfit):
            studies.lesson(["failing", "counting"], quick=True, output=tmp_path, as_json=True)
        assert [table["name"] for table in json.loads(capsys.readouterr().out)] == ["counting"]


class TestTheTable:
    def test_a_long_name_takes_lines_of_its_own_and_the_table_stays_narrow(self) -> None:
        long = Number(name="how often it keeps its class " * 3, value=81.25, unit="%", low=77.3, high=85.3, n=10_000)
        lines = show.numbers_table([long, Number(name="weights", value=150_528_000, unit="")])
        assert max(map(len, lines)) <= show.WIDTH
        assert " ".join(line[:30].strip() for line in lines[1:-1]).split("  ")[0].startswith("how often it keeps")
        assert lines[-1].split() == ["weights", "150,528,000"]

    @pytest.mark.parametrize(
        ("value", "low", "unit", "text"),
        [
            (27.0, None, "", "27"),
            (2.8e-14, 1e-14, "%", "2.8e-14 %"),
            (0.0, 0.0, "pp", "0.00 pp"),
            (-3.25, -3.25, "pp", "-3.25 pp"),
            (602.112, None, "MB", "602 MB"),
        ],
    )
    def test_a_value_has_three_digits_and_a_count_is_whole(
        self, value: float, low: float | None, unit: str, text: str
    ) -> None:
        assert show.value_text(Number(name="x", value=value, unit=unit, low=low, high=low)) == text

    def test_claims_are_wrapped_under_their_words(self) -> None:
        claim = Claim(expected="It is so, " * 20, measured="It was so, " * 20, holds=None)
        lines = show.claim_lines(claim)
        assert max(map(len, lines)) <= show.WIDTH
        assert lines[0].startswith("expected  It is so")
        assert lines[-1].strip() == "-> cannot tell"


class TestTrainings:
    RECIPE = plans.load_recipe("dscnn-digits", ("epochs=2", "num_threads=1", "precision=fp32", "data.fraction=0.2"))

    def test_a_finished_one_is_taken_as_it_is(self, tmp_path: Path) -> None:
        first = trained(self.RECIPE, tmp_path)
        assert trained(self.RECIPE, tmp_path) == first

    def test_one_of_another_recipe_is_trained_anew(self, tmp_path: Path) -> None:
        before = trained(self.RECIPE, tmp_path).weights.read_bytes()
        other = config.build(Recipe, {**config.table_of(self.RECIPE), "epochs": 1}, "test")
        after = trained(other, tmp_path)
        assert after.folder == tmp_path / self.RECIPE.name
        assert after.recipe == other
        assert after.weights.read_bytes() != before
        assert len((after.folder / "metrics.csv").read_text().splitlines()) == 2

    def test_a_killed_one_goes_on_to_the_weights_of_one_that_was_not(self, tmp_path: Path) -> None:
        whole = trained(self.RECIPE, tmp_path / "whole")

        class Killed(Exception):
            pass

        def kill(epoch: int, net: object) -> None:
            if epoch == 1:
                raise Killed

        with pytest.raises(Killed):
            trained(self.RECIPE, tmp_path / "killed", kill)
        assert not (tmp_path / "killed" / self.RECIPE.name / "run.json").exists()
        seen: list[int] = []
        resumed = trained(self.RECIPE, tmp_path / "killed", lambda epoch, net: seen.append(epoch))
        assert seen == [2]
        assert resumed.weights.read_bytes() == whole.weights.read_bytes()

    @pytest.mark.parametrize("broken", ["recipe.toml", "run.json"])
    def test_a_folder_that_cannot_be_read_is_trained_anew(self, tmp_path: Path, broken: str) -> None:
        run = trained(self.RECIPE, tmp_path)
        (run.folder / broken).write_text("{ not a file of ours")
        shutil.copy(run.weights, tmp_path / "before")
        again = trained(self.RECIPE, tmp_path)
        assert again.weights.read_bytes() == (tmp_path / "before").read_bytes()
        assert again.recipe == self.RECIPE
