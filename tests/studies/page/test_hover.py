"""The marks of a figure in a real browser: under the pointer, under the keyboard, and without a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chromium
import page_samples as samples
import pytest
from chromium import Browser

from edgecnn.studies.page import build

FIRST = "#right-1-confusion .spot"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as running_browser:
        yield running_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = samples.trained(tmp_path_factory.mktemp("page") / "net")
    samples.write_bench(run, samples.bench(run))
    samples.evaluate(run)
    return build.build([run], run.parent / "report.html")


def shown(browser: Browser) -> str:
    """The words beside the mark, empty if none are shown."""
    return str(browser.ask("(tip => tip.hidden ? '' : tip.textContent)(document.querySelector('.tip'))"))


def point_at(browser: Browser, selector: str) -> None:
    """Move the pointer onto the middle of an element."""
    browser.ask(f"document.querySelector('{selector}').scrollIntoView({{block: 'center'}})")
    browser.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    place = browser.ask(
        f"(box => [box.x + box.width / 2, box.y + box.height / 2])(document.querySelector('{selector}')"
        ".getBoundingClientRect())"
    )
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])


def press(browser: Browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)


@pytest.mark.parametrize("figure", ["right-1-confusion", "curves-1", "bench-1-latency", "bench-1-front-1-bytes"])
def test_what_is_under_the_pointer_says_its_numbers(browser: Browser, page: Path, figure: str) -> None:
    browser.open(page)
    assert shown(browser) == ""
    point_at(browser, f"#{figure} .spot")
    words = shown(browser)
    assert words == browser.ask(f"document.querySelector('#{figure} .spot').getAttribute('aria-label')")
    assert any(letter.isdigit() for letter in words)
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    assert shown(browser) == ""


def test_the_keyboard_goes_from_mark_to_mark_with_one_stop_a_figure(browser: Browser, page: Path) -> None:
    browser.open(page)
    stops = "[...document.querySelectorAll('svg')].map(one => one.querySelectorAll('.spot[tabindex=\"0\"]').length)"
    assert set(browser.ask(stops)) == {1}
    browser.ask(f"document.querySelector('{FIRST}').focus()")
    first = shown(browser)
    press(browser, "ArrowRight")
    second = shown(browser)
    press(browser, "End")
    last = shown(browser)
    press(browser, "Home")
    assert shown(browser) == first
    assert len({first, second, last}) == 3
    assert set(browser.ask(stops)) == {1}
    press(browser, "Escape")
    assert shown(browser) == ""


def test_the_words_stay_within_the_window_of_a_telephone(browser: Browser, page: Path) -> None:
    browser.open(page, 375)
    for key in ("Home", "End"):
        browser.ask(f"document.querySelector('{FIRST}').focus()")
        press(browser, key)
        assert shown(browser)
        left, right, top = browser.ask(
            "(box => [box.left, box.right, box.top])(document.querySelector('.tip').getBoundingClientRect())"
        )
        assert left >= 0
        assert right <= 375
        assert top >= 0
    assert browser.ask("document.documentElement.scrollWidth") == 375


def test_without_a_script_each_mark_has_its_title(browser: Browser, page: Path) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        document = browser.send("DOM.getDocument", depth=1)["root"]["nodeId"]

        def count(selector: str) -> int:
            return len(browser.send("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

        assert count(".spot") == count(".spot > title") > 10
        assert count(".tip") == 0
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_a_script_that_is_not_the_pages_own_is_refused(browser: Browser, page: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    other.write_text(page.read_text().replace("</body>", "<script>document.title = 'taken over'</script></body>"))
    browser.open(other)
    assert browser.ask("document.title").endswith("edgecnn report")
    assert any("Content Security Policy" in event["entry"]["text"] for event in browser.named("Log.entryAdded"))


def test_paper_has_no_words_beside_marks(browser: Browser, page: Path) -> None:
    browser.open(page, medium="print")
    browser.ask(f"document.querySelector('{FIRST}').focus()")
    assert browser.ask("getComputedStyle(document.querySelector('.tip')).display") == "none"
