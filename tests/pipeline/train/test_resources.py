"""Resources of a training that its recipe does not name: decided by facts, so on any machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from machines import AVX2, GRAVITON_3, PI_4, SAPPHIRE_RAPIDS, SKYLAKE_SERVER, UNKNOWN, ZEN_4

from edgecnn.pipeline.train import resources
from edgecnn.pipeline.train.distributed import Team
from edgecnn.pipeline.train.resources import ASKED, Facts
from edgecnn.records import environment, plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Taken

RECIPE = plans.load_recipe("dscnn-digits")


def taken(facts: Facts, device: str = "cpu", **changes: Any) -> Taken:
    return resources.take(dataclasses.replace(RECIPE, **changes), device, "asked for", facts)


@pytest.mark.parametrize(
    ("facts", "precision"),
    [
        (AVX2, "fp32"),
        (SKYLAKE_SERVER, "fp32"),
        (ZEN_4, "bf16"),
        (SAPPHIRE_RAPIDS, "bf16"),
        (PI_4, "fp32"),
        (GRAVITON_3, "bf16"),
        (UNKNOWN, "bf16"),
        (dataclasses.replace(AVX2, features=()), "fp32"),
        (dataclasses.replace(ZEN_4, arch="AMD64"), "bf16"),
    ],
)
def test_bf16_is_taken_where_the_cpu_multiplies_it(facts: Facts, precision: str) -> None:
    assert taken(facts).precision == precision
    assert taken(facts).why_precision == ("this CPU multiplies it" if precision == "bf16" else "this CPU has no bf16")


def test_a_newer_machine_that_shows_an_older_ones_cpuinfo_takes_fp32() -> None:
    assert taken(dataclasses.replace(SAPPHIRE_RAPIDS, features=AVX2.features)).precision == "fp32"
    assert taken(dataclasses.replace(AVX2, features=SAPPHIRE_RAPIDS.features)).precision == "fp32"


@pytest.mark.parametrize(
    ("device", "cuda_bf16", "precision", "why"),
    [
        ("cuda", True, "bf16", "this GPU multiplies it"),
        ("cuda", False, "fp32", "this GPU has no bf16"),
        ("mps", True, "fp32", "bf16 on MPS was not measured"),
    ],
)
@pytest.mark.parametrize("cpu", [AVX2, ZEN_4])
def test_of_another_device_the_cpu_says_nothing(
    cpu: Facts, device: str, cuda_bf16: bool, precision: str, why: str
) -> None:
    choice = taken(dataclasses.replace(cpu, cuda_bf16=cuda_bf16), device)
    assert (choice.precision, choice.why_precision) == (precision, why)


@pytest.mark.parametrize("facts", [AVX2, ZEN_4])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_asked_for_is_taken(facts: Facts, precision: str) -> None:
    choice = taken(facts, precision=precision, num_threads=3)
    assert (choice.precision, choice.why_precision) == (precision, ASKED)
    assert (choice.num_threads, choice.why_num_threads) == (3, ASKED)


@pytest.mark.parametrize(
    ("cpus", "siblings", "cores"),
    [
        (range(8), AVX2.siblings, 4),
        ((0, 4), AVX2.siblings, 1),
        ((0, 1), AVX2.siblings, 2),
        ((1, 2, 5), AVX2.siblings, 2),
        ((6,), AVX2.siblings, 1),
        ((0, 1), {0: "0-1", 1: "0-1"}, 1),
        (range(3), {}, 3),
    ],
)
def test_threads_are_the_physical_cores_the_process_may_use(cpus: Any, siblings: Mapping[int, str], cores: int) -> None:
    assert taken(dataclasses.replace(AVX2, cpus=tuple(cpus), siblings=siblings)).num_threads == cores


@pytest.mark.parametrize(
    ("recipe", "omp", "local_count", "each"),
    [
        ("auto", None, 1, 4),
        ("auto", None, 2, 2),
        ("auto", None, 16, 1),
        ("auto", 3, 1, 3),
        ("auto", 3, 2, 2),
        ("auto", 1, 2, 1),
        ("auto", 64, 1, 4),
        (6, 1, 1, 6),
        (6, None, 4, 1),
        (1, None, 2, 1),
    ],
)
def test_processes_of_one_machine_share_its_threads(
    recipe: int | str, omp: int | None, local_count: int, each: int
) -> None:
    facts = dataclasses.replace(AVX2, omp_num_threads=omp)
    team = Team(0, 32, 0, local_count)
    threads, why = resources.num_threads(dataclasses.replace(RECIPE, num_threads=recipe), facts, team)  # type: ignore[arg-type]
    assert threads == each
    assert ("OMP_NUM_THREADS" in why) == (recipe == "auto" and (omp, each) in {(3, 3), (1, 1)})


@pytest.mark.parametrize(("value", "threads"), [("3", 3), ("2,4", 2), ("", None), ("0", None), ("many", None)])
def test_omp_num_threads_is_read_as_openmp_reads_it(
    monkeypatch: pytest.MonkeyPatch, value: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert resources.here().omp_num_threads == threads


@pytest.mark.parametrize(
    ("facts", "device", "precision", "warned"),
    [
        (AVX2, "cpu", "bf16", True),
        (AVX2, "cpu", "fp32", False),
        (AVX2, "cpu", "auto", False),
        (ZEN_4, "cpu", "bf16", False),
        (AVX2, "cuda", "bf16", False),
    ],
)
def test_bf16_on_a_cpu_without_it_is_warned_of(facts: Facts, device: str, precision: str, warned: bool) -> None:
    sentence = resources.warning(taken(facts, device, precision=precision), facts)
    assert (sentence is not None) == warned
    if sentence:
        assert "this CPU (AVX2) has no bf16" in sentence
        assert "8 to 14 times slower" in sentence


def resumed(now: Facts, before: Facts, **changes: Any) -> tuple[Taken, str | None]:
    recipe = dataclasses.replace(RECIPE, **changes)
    began, here = (resources.take(recipe, "cpu", "", facts) for recipe, facts in ((RECIPE, before), (recipe, now)))
    goes_on = resources.resumed(recipe, here, began)
    return goes_on, resources.moved(goes_on, began)


def test_a_resumed_training_keeps_its_precision_and_says_that_bits_may_differ() -> None:
    goes_on, sentence = resumed(AVX2, ZEN_4)
    assert (goes_on.precision, goes_on.why_precision) == ("bf16", "as before it was resumed")
    assert sentence == (
        "trained so far in bf16 on cpu with 2 threads (AVX-512 VNNI, BF16), it goes on in bf16 on cpu with 4 threads "
        "(AVX2): bits may differ"
    )
    assert resources.warning(goes_on, AVX2)
    assert resumed(ZEN_4, AVX2)[0].precision == "fp32"


def test_resumed_where_it_began_a_training_has_nothing_to_say() -> None:
    for facts in (AVX2, ZEN_4, GRAVITON_3):
        assert resumed(facts, facts)[1] is None


def test_a_precision_that_is_asked_for_on_a_resume_is_taken_and_told() -> None:
    goes_on, sentence = resumed(ZEN_4, ZEN_4, precision="fp32")
    assert (goes_on.precision, goes_on.why_precision) == ("fp32", ASKED)
    assert sentence
    assert "so far in bf16" in sentence


def test_the_facts_of_this_machine_are_what_the_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = resources.here()
    assert here.isa
    assert 1 <= here.cores <= len(here.cpus) <= psutil.cpu_count()
    if here.arch in ("x86_64", "AMD64"):
        old = tmp_path / "cpuinfo"
        old.write_text("flags\t\t: fpu sse4_2 avx avx2 fma\n")
        monkeypatch.setenv(environment.CPUINFO, str(old))
        assert not resources.here().cpu_bf16
        assert resources.here().isa == "AVX2"


def test_a_process_that_may_use_one_cpu_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    first = min(resources.here().cpus)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {first}, raising=False)
    assert resources.num_threads(RECIPE, resources.here())[0] == 1


def test_shipped_recipes_leave_the_machine_to_the_machine() -> None:
    for name in plans.names(Recipe):
        recipe = plans.load_recipe(name)
        assert (recipe.precision, recipe.num_threads, recipe.device) == ("auto", "auto", "auto")
