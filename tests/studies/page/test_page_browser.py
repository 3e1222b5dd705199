"""The report page in a real browser: light, dark, narrow and printed, for eyes and for a screen reader."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import page_samples as samples
import pytest
import tiny_models
from chromium import Browser

from edgecnn.records import report
from edgecnn.studies.page import build

WIDTHS = (375, 800, 1400)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as running_browser:
        yield running_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with everything beside them; one has a name that would run if it were let."""
    folder = tmp_path_factory.mktemp("page")
    model = tiny_models.linear_onnx(folder / "x.onnx", tiny_models.weights(8, 8, 1, 2))
    runs = [samples.trained(folder / "runs" / name) for name in ("net", "<img src=x onerror=document.title=1>")]
    for run in runs:
        samples.export(run, model)
        samples.write_bench(run, samples.bench(run))
        samples.evaluate(run)
        samples.profile(run)
    report.write(samples.emulated(runs[0]), folder / "pi.json")
    samples.lesson(folder / "lessons", measured="<script>document.title = 'taken over'</script> 0.5 of 3 pixels.")
    output, duel = folder / "report.html", samples.duel(folder / "duel")
    return build.build(runs, output, duel, folder / "lessons", [folder / "pi.json"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_loads_without_a_word_of_complaint_or_a_request(
    browser: Browser, page: Path, width: int, scheme: str
) -> None:
    browser.open(page, width, scheme)
    assert browser.named("Log.entryAdded") == []
    assert browser.named("Runtime.consoleAPICalled") == []
    assert browser.named("Runtime.exceptionThrown") == []
    asked = [event["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [page.resolve().as_uri()]


def test_a_name_or_a_sentence_does_not_run(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.ask("document.title").endswith("edgecnn report")
    assert browser.ask("document.scripts.length") == 1  # the page's own
    assert browser.ask("[...document.images].every(one => one.src.startsWith('data:image/'))")
    assert browser.ask("document.body.innerText.includes('taken over')")


@pytest.mark.parametrize("width", WIDTHS)
def test_only_tables_and_figures_scroll_sideways(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.ask("document.documentElement.scrollWidth") == width
    outside = """[...document.querySelectorAll('body *')].filter(one =>
        !one.closest('.scroll') && !one.closest('.skip') && one.getBoundingClientRect().right > innerWidth + 1
    ).map(one => one.outerHTML.slice(0, 80))"""
    assert browser.ask(outside) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_stands_out_from_what_is_behind_it(browser: Browser, page: Path, scheme: str) -> None:
    """The contrast is 4.5 to 1 or more as the browser computes colours, in the figures too (WCAG 2.2, 1.4.3)."""
    browser.open(page, scheme=scheme)
    faint = """(() => {
        const light = text => text.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = one => {
            for (; one; one = one.parentElement) {
                const colour = getComputedStyle(one).backgroundColor;
                if (colour !== 'rgba(0, 0, 0, 0)') return colour;
            }
            return 'rgb(255, 255, 255)';
        };
        const found = [];
        for (const one of document.querySelectorAll('body *')) {
            const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
            if (!own || one.closest('title, desc')) continue;
            const style = getComputedStyle(one), text = one.tagName === 'text' ? style.fill : style.color;
            const [a, b] = [light(text), light(behind(one))].sort((x, y) => x - y);
            if ((b + 0.05) / (a + 0.05) < 4.5) found.push([one.outerHTML.slice(0, 80), text, behind(one)]);
        }
        return found;
    })()"""
    assert browser.ask(faint) == []
    assert browser.ask("document.querySelectorAll('svg text').length") > 50


def test_the_two_schemes_differ_in_paper_and_in_the_colours_of_the_figures(browser: Browser, page: Path) -> None:
    seen = []
    for scheme in SCHEMES:
        browser.open(page, scheme=scheme)
        paper = "getComputedStyle(document.body).backgroundColor"
        text = "getComputedStyle(document.querySelector('svg text')).fill"
        line = "getComputedStyle(document.querySelector('svg path[style*=series-1]')).stroke"
        seen.append([browser.ask(question) for question in (paper, text, line)])
    assert all(light != dark for light, dark in zip(*seen, strict=True))


def test_paper_is_printed_light_with_every_detail_opened_and_nothing_cut(browser: Browser, page: Path) -> None:
    browser.open(page, width=700, scheme="dark", medium="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    closed = "document.querySelectorAll('details:not([open]) table')"
    assert browser.ask(f"{closed}.length") > 0
    assert browser.ask(f"[...{closed}].every(one => one.getBoundingClientRect().height > 20)")
    # A4 less its margins is 703 CSS pixels wide.
    wide = "[...document.querySelectorAll('table, svg')].filter(one => one.getBoundingClientRect().width > 703)"
    assert browser.ask(f"{wide}.map(one => one.id)") == []
    links = "[...document.querySelectorAll('main a[href^=http]')].map(one => getComputedStyle(one, '::after').content)"
    assert browser.ask(links)
    assert all("https://arxiv.org" in shown for shown in browser.ask(links))
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") >= 3


def test_a_screen_reader_finds_landmarks_headings_in_order_and_a_name_for_everything(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    nodes = [node for node in browser.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]

    def nodes_of(*roles: str) -> list[Any]:
        return [node for node in nodes if node["role"]["value"] in roles]

    def name(node: Any) -> str:
        return str(node.get("name", {}).get("value", ""))

    assert len(nodes_of("banner")) == len(nodes_of("main")) == len(nodes_of("contentinfo")) == 1
    assert len(nodes_of("navigation")) == 1
    levels = [property["value"]["value"] for node in nodes_of("heading") for property in node["properties"]
              if property["name"] == "level"]  # fmt: skip
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    pictures = nodes_of("image", "img", "graphics-document")
    assert len(pictures) == browser.ask("document.querySelectorAll('svg, img').length")
    described = [node for node in pictures if "%" in name(node) or any(c.isdigit() for c in name(node))]
    assert len(described) == len(pictures)
    for role in ("table", "region", "link", "navigation", "columnheader", "rowheader"):
        assert nodes_of(role), role
        assert all(name(node) for node in nodes_of(role)), role


def test_every_table_has_a_caption_and_the_scope_of_its_heads(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.ask("document.querySelectorAll('table').length") > 10
    assert browser.ask("[...document.querySelectorAll('table')].every(one => one.caption.textContent.length > 20)")
    assert browser.ask("[...document.querySelectorAll('thead th')].every(one => one.scope === 'col')")
    assert browser.ask("[...document.querySelectorAll('tbody tr')].every(one => one.cells[0].scope === 'row')")
    assert browser.ask("document.documentElement.lang") == "en"


def test_whoever_uses_the_keyboard_can_scroll_what_scrolls(browser: Browser, page: Path) -> None:
    browser.open(page, 360)
    stuck = "[...document.querySelectorAll('*')].filter(one => one.scrollWidth > one.clientWidth + 1 &&"
    stuck += " getComputedStyle(one).overflowX === 'auto' && one.tabIndex !== 0).length"
    assert browser.ask(stuck) == 0
