"""The example page in a real browser, where there is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from carousel_process import CarouselProcess

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "examples" / "stream.html"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_LONGEST_WAIT_MS = 20_000


@pytest.fixture(scope="module")
def page():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize(
    ("origins", "scheme", "rows", "told"),
    [
        ("null", "", 11, "heard to its end"),
        ("null", "http://", 11, "heard to its end"),
        (
            "",
            "ws://",
            0,
            "no connection, or not let in: is the server there, is this page's origin, null, in",
        ),
    ],
)
def test_the_page_shows_the_digit_step_by_step_where_it_may_ask(page, origins, scheme, rows, told):
    settings = {"models": "vowels,digits", "engines": "", "cors_origins": origins}
    with CarouselProcess(ROOT / "models", **settings) as server:
        page.goto(PAGE.as_uri())
        page.fill("#server", server.address.replace("http://", scheme))
        page.click("#start")
        page.wait_for_function(
            "told => document.getElementById('status').textContent.startsWith(told)",
            arg=told,
            timeout=_LONGEST_WAIT_MS,
        )
        cells = page.locator("#heard tr td:nth-child(2)").all_inner_texts()
        assert len(cells) == rows
        assert cells[-1:] == ["digit 4"] * bool(rows)
        counted = page.locator("#heard tr td:nth-child(1)").all_inner_texts()
        assert counted[:2] == ["1 step", "2 steps"] * bool(rows)
