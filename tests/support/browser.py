"""A browser without a window, for tests of pages: Debian's Chromium, driven by Selenium.

``ZK_REQUIRE_BROWSER=1`` makes a test fail where there is none, instead of being skipped.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["browser", "found", "started"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_INSTALL = (
    "the tests of pages need Chromium and its driver: "
    "on Debian, apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """A browser that remembers what pages write to its console."""
    programs = found()
    if programs is None:
        if os.environ.get("ZK_REQUIRE_BROWSER", "0") != "0":
            pytest.fail(f"a browser is required: {_INSTALL}", pytrace=False)
        pytest.skip(_INSTALL)
    with started(*programs) as chrome:
        yield chrome


def found() -> tuple[str, str] | None:
    """Chromium and its driver, where both are there."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    driver = shutil.which("chromedriver")
    return None if program is None or driver is None else (program, driver)


def started(program: str, driver: str) -> Chrome:
    """A browser without a window, until it is quit."""
    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root, as in a container, has none; the pages are our own
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-lcd-text",  # screenshots with fewer colours
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--window-size=1280,800",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=Service(driver))
