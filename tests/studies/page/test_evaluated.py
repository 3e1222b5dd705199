"""Results of `edgecnn eval` on the page: confusions, classes, mistakes with their pictures, what the net sees."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import page_samples as samples
import pytest
from page_text import Text
from PIL import Image

from edgecnn.common import files
from edgecnn.errors import UsageError
from edgecnn.records import evaluation, shown_pictures
from edgecnn.studies.page import build, matrix, thumbnails


def page(*runs: Path, **options: object) -> str:
    output = runs[0].parent / "report.html"
    return build.build(runs, output, **options).read_text()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = samples.trained(tmp_path_factory.mktemp("runs") / "net")
    samples.evaluate(run)
    samples.profile(run)
    return run


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return page(folder)


def test_each_class_has_its_recall_and_precision_with_intervals_the_worst_first(html: str) -> None:
    text = Text(html)
    assert text.column("right-1-classes", "class")[0] == "dim"
    assert text.column("right-1-classes", "n") == ["16"] * 4
    assert text.column("right-1-classes", "recall % [95 %]")[0] == "87.5 [64.0, 96.5]"
    assert text.column("right-1-classes", "precision % [95 %]")[0] == "100.0 [78.5, 100.0]"


def test_the_matrix_says_each_confusion_in_words_and_escapes_names(tmp_path: Path) -> None:
    run = samples.trained(tmp_path / "net")
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "labels": ["<b>", "dim", "grey", "bright"]}))
    samples.evaluate(run, wrong=(4,))
    html = page(run)
    assert "6.2 % of &lt;b&gt; is called dim (1 of 16)" in html
    assert "<b>&lt;b&gt;</b>" in html  # the true class of the mistake
    assert "<b></b>" not in html


@pytest.mark.parametrize("count", [2, 30, 300])
def test_the_matrix_stays_small_however_many_classes(count: int, folder: Path) -> None:
    file = evaluation.read(folder / "evaluation").files[0]
    table = np.random.default_rng(0).integers(0, 3, (count, count))
    classes = tuple(evaluation.ClassScore(label=f"class {k}", recall=None, precision=None) for k in range(count))
    many = evaluation.FileScore(
        **{**vars(file), "classes": classes, "confusion": tuple(map(tuple, table.tolist())), "mistakes": ()}
    )
    drawn = str(matrix.confusion("m", many).svg)
    assert drawn.count("<title>") == min(matrix.MOST_SPOTS, int((table > 0).sum()))
    assert drawn.count(">class ") == (2 * count if count <= matrix.MOST_NAMED else 0)
    assert len(drawn) < 8 * count * count + 60_000


def test_each_mistake_stands_with_its_picture_and_both_names(html: str, folder: Path) -> None:
    kept = shown_pictures.read(folder / "evaluation")
    assert kept is not None
    first = re.search(r'<img src="data:image/png;base64,([^"]+)" alt="dim, called grey with 90 %"', html)
    assert first is not None
    with Image.open(io.BytesIO(base64.b64decode(first[1]))) as picture:
        assert (np.asarray(picture) == kept.picture_at(1)[:, :, 0]).all()  # type: ignore[index]


def test_a_picture_is_named_without_the_folders_of_whoever_evaluated_it(tmp_path: Path) -> None:
    run = samples.trained(tmp_path / "net")
    mistake = evaluation.WrongAnswer(
        picture="/home/somebody/pictures/test/dim/0001.png",
        index=1,
        truth="dim",
        answer="grey",
        score=0.9,
        true_score=0.1,
    )
    samples.evaluate(run, mistakes=(mistake,))
    html = page(run)
    assert "dim/0001.png" in html
    assert "somebody" not in html


def test_a_photograph_is_shown_small(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (224, 320, 3), dtype=np.uint8)
    address = thumbnails.address(photograph)
    assert address.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        assert picture.size == (96, 67)


def test_the_net_is_seen_through_its_filters_and_where_it_looks(html: str) -> None:
    words = " ".join(Text(html).words.split())
    assert "The 8 filters of the first convolution, 3 × 3 pixels each" in words
    assert "Zhou et al., 2016" in words
    assert html.count('alt="Where it finds') >= 4


def test_layers_and_operators_have_their_costs(html: str) -> None:
    text = Text(html)
    shares = [float(share) for share in text.column("layers-1-net", "% of MACs") if share != "–"]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert text.column("layers-1-profile-1", "µs [95 %]") == ["3.00 [2.80, 3.20]", "< 1.20"]
    assert text.column("layers-1-profile-1", "% of time") == ["75.0", "25.0"]
    assert "Fewer MACs save time." in text.words


def test_a_profile_of_several_runs_gives_each_its_own_part(tmp_path: Path) -> None:
    run, other = (samples.trained(tmp_path / name) for name in ("net", "other"))
    samples.profile(run)
    (run / "bench").rename(tmp_path / "bench")
    assert "layers-1-profile-1" in Text(page(run)).tables
    words = " ".join(Text(page(other)).words.split())
    assert f"was not measured: edgecnn bench {other} --profile" in words


def test_pictures_of_another_size_are_not_shown_to_the_net(tmp_path: Path) -> None:
    run = samples.trained(tmp_path / "net")
    samples.evaluate(run)
    kept = shown_pictures.read(run / "evaluation")
    assert kept is not None
    larger = kept.images.repeat(2, axis=1)
    shown_pictures.write(shown_pictures.ShownPictures(kept.indices, kept.truth, larger), run / "evaluation")
    assert "The pictures that the evaluation kept are not of the size net takes." in Text(page(run)).words


def test_a_net_without_convolutions_says_why_nothing_is_seen(tmp_path: Path) -> None:
    run = samples.trained(tmp_path / "flat", "mlp")
    samples.evaluate(run)
    words = " ".join(Text(page(run)).words.split())
    assert "flat does not begin with a convolution, so it has no filters to show." in words
    assert "flat does not end in global average pooling and one linear layer" in words


def test_what_is_missing_names_the_command_that_makes_it(tmp_path: Path) -> None:
    run = samples.trained(tmp_path / "net")
    words = " ".join(Text(page(run)).words.split())
    assert f"net was not evaluated class by class: edgecnn eval {run}" in words
    assert f"Where net looks needs test pictures: edgecnn eval {run}" in words
    assert f"What each operator of its files takes was not measured: edgecnn bench {run} --profile" in words
    (run / "model.safetensors").unlink()
    assert "The net of net cannot be opened" in Text(page(run)).words


def test_an_early_evaluation_is_shown_without_its_pictures(tmp_path: Path) -> None:
    run = samples.trained(tmp_path / "net")
    samples.evaluate(run)
    (run / "evaluation" / shown_pictures.FILE).unlink()
    text = Text(page(run))
    assert "The evaluation of net is an early one, which kept no pictures" in text.words
    assert "right-1-classes" in text.tables


def test_a_damaged_evaluation_is_left_out_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = samples.trained(tmp_path / "net")
    samples.evaluate(run)
    (run / "evaluation" / evaluation.FILE).write_text("{")
    assert "net was not evaluated class by class" in Text(page(run)).words
    assert "It is left out." in capsys.readouterr().err


def test_an_evaluation_that_lies_elsewhere_is_named_and_must_be_of_one_of_the_runs(tmp_path: Path, model: Path) -> None:
    run = samples.trained(tmp_path / "net")
    file = samples.export(run, model)
    digest = evaluation.read(samples.evaluate(run).folder or run).files[0].sha256
    assert digest == "0" * 64
    stranger = (run / "evaluation").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="evaluates no file of these runs"):
        page(run, evaluations=[stranger])
    samples.evaluate(run, file=file.name, sha256=files.sha256(file))
    own = (run / "evaluation").rename(tmp_path / "own")
    html = page(run, evaluations=[own])
    assert "right-1-classes" in Text(html).tables
    assert f"--evaluation {own}" in Text(html).words


def test_a_file_that_was_exported_again_since_is_said_to_be_another(tmp_path: Path, model: Path) -> None:
    run = samples.trained(tmp_path / "net")
    file = samples.export(run, model)
    samples.evaluate(run, file=file.name)
    said = f"Evaluated before it was exported again, so that the file is another now: {file.name}."
    assert said in Text(page(run)).words
