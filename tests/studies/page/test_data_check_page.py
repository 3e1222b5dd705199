"""The page of `edgecnn data check`: what it shows, and that nothing of it runs, asks the network or is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chromium
import numpy as np
import pytest
from chromium import Browser

from edgecnn.common import stats
from edgecnn.records.data_check import DataCheck, DataFinding, Probe, ProbeClass, Suspect
from edgecnn.studies.page import data_check

NAME = "<img src=x onerror=document.title=1>"


def suspect(index: int, twin: int | None = None) -> Suspect:
    likely = {"likely": "dog", "likely_percent": 91.2, "label_percent": 3.4} if twin is None else {}
    return Suspect(
        file=f"train/cat/{NAME}-{index}.jpg", index=index, label="cat", split="train", detail="as it is",
        action="leave out", twin=twin, **likely,  # type: ignore[arg-type]
    )  # fmt: skip


def probe(name: str, p_value: float | None = None) -> Probe:
    share = stats.wilson(60, 80)
    classes = tuple(ProbeClass(label=label, recall=share, precision=share, p_value=p_value) for label in ("cat", NAME))
    return Probe(name=name, words="all of it", accuracy=share, chance_percent=50.0, classes=classes)


CHECK = DataCheck(
    command="edgecnn data check photos",
    path="photos",
    data="folder",
    pictures=80,
    classes=("cat", NAME),
    splits={"train": 60, "test": 20},
    findings=(
        DataFinding(
            level="warn", kind="labels", sentence=f"70 of 80, such as {NAME}", mend="look at them", n=70, of=80,
            suspects=tuple(suspect(index) for index in range(70)),
        ),
        DataFinding(
            level="wrong", kind="two classes", sentence="1 of 80", n=1, of=80, suspects=(suspect(1, twin=2),)
        ),
        DataFinding(level="ok", kind="dark", sentence="none", of=80),
    ),
    probes=(probe("labels"), probe("whole picture"), probe("border", 0.5), probe("file facts", 1e-9)),
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as running_browser:
        yield running_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    pictures = {place: rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for place in data_check.places(CHECK)}
    output = tmp_path_factory.mktemp("page") / "check.html"
    data_check.build(CHECK, pictures, output)
    return output


def test_it_shows_the_pictures_of_each_finding_and_says_how_many_more_there_are(page: Path, browser: Browser) -> None:
    browser.open(page)
    assert browser.ask("document.images.length") == data_check.MOST + 2  # and a copy with its twin
    assert browser.ask("[...document.images].every(one => one.complete && one.naturalWidth == 64)")
    words = browser.ask("document.body.innerText")
    assert "Something is wrong" in words
    assert "like dog 91 %, cat 3 %" in words.replace("\xa0", " ")
    assert "10 more" in words
    assert "Looked for, and none: dark" in words


def test_nothing_of_a_name_runs_and_nothing_is_asked_of_the_network(page: Path, browser: Browser) -> None:
    browser.open(page)
    assert browser.ask("document.title") == "photos – edgecnn data check"
    assert browser.ask("document.scripts.length") == 1
    asked = [event["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert browser.named("Log.entryAdded") == []


@pytest.mark.parametrize("width", [375, 1280])
def test_only_tables_scroll_sideways(page: Path, browser: Browser, width: int) -> None:
    browser.open(page, width)
    assert browser.ask("document.documentElement.scrollWidth") == width
    outside = """[...document.querySelectorAll('body *')].filter(one =>
        !one.closest('.scroll') && !one.closest('.skip') && one.getBoundingClientRect().right > innerWidth + 1
    ).map(one => one.outerHTML.slice(0, 80))"""
    assert browser.ask(outside) == []


def test_the_same_check_gives_the_same_bytes(page: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = {place: rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for place in data_check.places(CHECK)}
    data_check.build(CHECK, pictures, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()
