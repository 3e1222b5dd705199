"""The documentation site: built strictly, and looked at in a real browser without a network."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
import waiting
from checkout import ROOT

PAGES = sorted(path.relative_to(ROOT / "docs" / "pages") for path in (ROOT / "docs" / "pages").rglob("*.md"))
LOOKED_AT = ("index", "tutorials/first-model", "reference/recipes", "explanation/lesson-pooling", "results/boards")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does, from a copy."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs" / "pages", folder / "pages")
    shutil.copy(ROOT / "docs" / "zensical.toml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """A server of the site on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Browser]:
    with chromium.running() as running:
        yield running


def test_every_page_is_on_the_site_and_in_its_navigation(site: Path) -> None:
    navigation = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
    for page in PAGES:
        assert (site / page).with_suffix(".html").is_file(), page
        assert f'"{page.as_posix()}"' in navigation, page


def test_every_picture_of_the_site_is_there(site: Path) -> None:
    for page in site.rglob("*.html"):
        for source in re.findall(r'<img[^>]* src="([^"#]+)', page.read_text(encoding="utf-8")):
            assert not source.startswith("http"), (page, source)
            assert (page.parent / source).is_file(), (page, source)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", LOOKED_AT)
def test_a_page_is_shown_without_an_error_and_asks_nobody_else(
    browser: chromium.Browser, address: str, page: str, scheme: str
) -> None:
    wanted = {"light": "default", "dark": "slate"}[scheme]
    opened = any(_opened_in(browser, address, page, scheme) == wanted for _ in range(5))
    errors = [entry["entry"]["text"] for entry in browser.named("Log.entryAdded") if entry["entry"]["level"] == "error"]
    asked = [event["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert not errors
    assert not browser.named("Runtime.exceptionThrown")
    assert all(url.startswith((address, "data:", "blob:")) for url in asked), asked
    assert opened


def _opened_in(browser: chromium.Browser, address: str, page: str, scheme: str) -> str:
    """Open a page, and return the colour scheme that it settles on.

    The page before stores its own scheme, now and then only after the storage was cleared; then it is opened once more.
    """
    browser.open("about:blank")
    browser.send("Storage.clearDataForOrigin", origin=address, storageTypes="local_storage")
    browser.open(f"{address}/{page}.html", scheme=scheme)
    waiting.wait_until(lambda: browser.ask("document.body.dataset.mdColorScheme"))
    time.sleep(0.2)  # the palette's script runs after the page is there
    return str(browser.ask("document.body.dataset.mdColorScheme"))


@pytest.mark.parametrize("page", [str(page.with_suffix("")) for page in PAGES])
def test_no_page_is_wider_than_a_phone(browser: chromium.Browser, site: Path, page: str) -> None:
    browser.open(site / f"{page}.html", width=375)
    assert browser.ask("document.documentElement.scrollWidth") <= 375


def test_search_finds_a_page_without_a_network(browser: chromium.Browser, address: str) -> None:
    browser.open(f"{address}/index.html")
    browser.ask("document.querySelector('.md-search__button').click()")
    shadows = "[...document.querySelectorAll('*')].map((element) => element.shadowRoot).filter((root) => root)"
    inputs = f"{shadows}.flatMap((root) => [...root.querySelectorAll('input')])"
    links = f"{shadows}.flatMap((root) => [...root.querySelectorAll('a')]).map((link) => link.href)"
    waiting.wait_until(lambda: browser.ask(f"{inputs}.length"))
    browser.ask(f"{inputs}[0].focus()")
    browser.send("Input.insertText", text="saturation")
    waiting.wait_until(lambda: any("/how-to/old-cpu.html" in link for link in browser.ask(links)))
