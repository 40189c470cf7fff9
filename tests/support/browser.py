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

__all__ = ["browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_INSTALL = (
    "the tests of pages need Chromium and its driver: "
    "on Debian, apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """A browser that remembers what pages write to its console."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        if os.environ.get("ZK_REQUIRE_BROWSER", "0") != "0":
            pytest.fail(f"a browser is required: {_INSTALL}", pytrace=False)
        pytest.skip(_INSTALL)
    with started(program, driver) as chrome:
        yield chrome


def started(program: str, driver: str) -> Chrome:
    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root, as in a container, has none; the pages are our own
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--window-size=1280,800",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=Service(driver))
