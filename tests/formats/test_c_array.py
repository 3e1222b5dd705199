"""A model as a C array: what compilers make of it, what a microcontroller's runtime answers, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import small_runs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn import data, formats
from edgecnn.errors import ModelFileError, PlanError
from edgecnn.onboard import c_array, tensors
from edgecnn.onboard.c_array import CArray
from edgecnn.onboard.runtimes import tflite_micro
from edgecnn.pipeline.deploy import bundle
from edgecnn.pipeline.export import check
from edgecnn.pipeline.export.export import export
from edgecnn.pipeline.export.show import show
from edgecnn.records import artifact as artifacts
from edgecnn.records import description_words
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run, open_run

PROGRAM = """
#include <stdio.h>
#include <stdint.h>
#include "model.h"
int main(void) {
    printf("%d %d %d %s\\n", NAME_len, NAME_arena_bytes, (int)((uintptr_t)NAME % 16), NAME_labels[NAME_classes - 1]);
    fwrite(NAME, 1, NAME_len, stdout);
    return sizeof NAME != NAME_len;
}
"""


def compiled(header: Path, name: str, compiler: tuple[str, ...], folder: Path) -> bytes:
    """Compile a program that includes the header, and return its output."""
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    shutil.copyfile(header, folder / "model.h")
    source = folder / ("main.cc" if "++" in compiler[0] else "main.c")
    source.write_text(PROGRAM.replace("NAME", name))
    subprocess.run([*compiler, "-Wall", "-Werror", str(source), "-o", str(folder / "program")], check=True)
    return subprocess.run([str(folder / "program")], capture_output=True, check=True).stdout


@pytest.mark.parametrize("compiler", [("gcc", "-std=c11"), ("g++", "-std=c++11")], ids=["C11", "C++11"])
def test_a_program_finds_the_very_bytes_aligned_with_length_arena_and_labels(
    compiler: tuple[str, ...], tmp_path: Path
) -> None:
    header = small_runs.written("dscnn", "c", "int8").path
    array = c_array.read(header)
    first, _, rest = compiled(header, array.name, compiler, tmp_path).partition(b"\n")
    assert first.decode() == f"{len(array.data)} {array.arena_bytes} 0 bright"
    assert rest == array.data


def test_the_stated_arena_is_enough_and_the_next_smaller_is_not() -> None:
    array = c_array.read(small_runs.written("dscnn", "c", "int8").path)
    assert array.arena_bytes % c_array.ALIGNMENT == 0
    assert tflite_micro._runs(array.data, array.arena_bytes)
    assert not tflite_micro._runs(array.data, array.arena_bytes - c_array.ALIGNMENT)
    said = formats.describe(small_runs.written("dscnn", "c", "int8").path)
    assert said.micro_arena_bytes == array.arena_bytes > said.planned_activation_peak_bytes


def test_it_answers_within_a_step_as_the_reference_kernels_of_tflite_do() -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    images = small_runs.pictures(16, small_runs.SHAPES["dscnn"], seed=4).load_all()
    micro, lite = small_runs.written("dscnn", "c", "int8"), small_runs.written("dscnn", "tflite", "int8")
    reference = Interpreter(
        model_path=str(lite.path), num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    reference.allocate_tensors()
    answers = []
    for x in tensors.encode(images, lite.description.input, lite.preprocessing):
        reference.set_tensor(reference.get_input_details()[0]["index"], x[None])
        reference.invoke()
        answers.append(reference.get_tensor(reference.get_output_details()[0]["index"]))
    steps = check.outputs(micro, images).astype(np.int32) - np.concatenate(answers)
    assert np.abs(steps).max() <= 1  # their means round apart, now and then
    assert (steps == 0).mean() > 0.9


def test_fp32_answers_within_rounding_of_the_run() -> None:
    images = small_runs.pictures(16, small_runs.SHAPES["mlp"], seed=4).load_all()
    reference = check.reference_logits(small_runs.exportable("mlp").run, images)
    assert np.abs(check.outputs(small_runs.written("mlp", "c", "fp32"), images) - reference).max() < 1e-4


def test_an_export_checks_the_array_on_the_whole_test_split_and_keeps_its_golden_vectors(
    digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(digits_run.folder, tmp_path / "run")
    run = open_run(tmp_path / "run")
    (made,) = export(run, ExportPlan(name="c", format=("c",), precision=("int8",), max_drop=100.0))
    assert made.name == "run-int8.h"
    assert made.verdict is not None
    assert made.verdict.n == len(data.load(run.recipe.data).test)
    assert made.verdict.drop_pp < 3
    assert artifacts.read_card(made.path) == made
    with np.load(run.artifacts / "golden.npz", allow_pickle=False) as golden:
        assert np.array_equal(check.outputs(made, golden["images"]), golden[made.name])
    show([made])
    arena = f"{made.description.micro_arena_bytes:,} bytes in tflite-micro"
    assert f"tensor arena of {arena}" in capsys.readouterr().out
    assert any(arena in line for line in description_words.lines(made.name, made.description))


def test_notes_and_label_files_take_no_flash() -> None:
    micro, lite = small_runs.written("dscnn", "c", "int8"), small_runs.written("dscnn", "tflite", "int8")
    array = c_array.read(micro.path)
    assert micro.description.bytes == len(array.data) < lite.description.bytes
    assert micro.description.labels == array.labels == small_runs.CLASSES
    assert b"EDGECNN_CARD" not in array.data


def test_half_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no half precision"):
        formats.get("c").write(small_runs.exportable("mlp"), "fp16", ExportPlan(name="test"), tmp_path / "a.h")


def test_a_net_whose_operators_a_microcontroller_lacks_is_refused_by_their_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelFileError, match=r"does not run the model: .*GELU"):
        formats.get("c").write(small_runs.exportable("vit"), "int8", ExportPlan(name="test"), tmp_path / "vit.h")
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_it_is_compiled_in_not_deployed() -> None:
    with pytest.raises(ModelFileError, match="No runtime of a board reads the format 'c'"):
        bundle.make(small_runs.written("dscnn", "c", "int8"))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.binary(min_size=1, max_size=100),
    labels=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), max_size=5),  # type: ignore[arg-type]
    arena=st.integers(0, 10**9),
)
def test_what_is_written_is_read_back(
    data: bytes, labels: list[str], arena: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    array = CArray(name="model_1", data=data, arena_bytes=arena, labels=tuple(labels))
    path = tmp_path_factory.getbasetemp() / "array.h"
    path.write_text(c_array.write(array, ["a comment that tries to */ end", *labels]))
    assert c_array.read(path) == array


@pytest.mark.parametrize("name", ["8-bit net", "ü/../x", "a b.c-d", "int8"])
def test_every_run_has_a_name_that_c_takes(name: str) -> None:
    assert c_array.identifier(name).isidentifier()
    assert c_array.identifier(name).isascii()


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    text = small_runs.written("mlp", "c", "int8").path.read_text()
    path = tmp_path / "changed.h"
    place = text.rindex("0x")
    path.write_text(text[:place] + ("0x01" if text[place : place + 4] == "0x00" else "0x00") + text[place + 4 :])
    with pytest.raises(ModelFileError, match="its bytes have changed"):
        formats.describe(path)
