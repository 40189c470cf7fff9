"""The pictures of timelines in the docs: ``python -m tests.history.screenshots`` takes them anew.

It needs what the tests of the page need: Chromium, and its driver.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..support.browser import found, started
from ..support.png import smaller
from .failures import FAILURES, run
from .stories import PAGE, PICTURES

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

IMAGES = PAGE.parent / "images"

WIDTH, HEIGHT = 1180, 640

MOST_BYTES = 150_000


def take(chrome: Chrome, cause: str, theme: str, directory: Path) -> None:
    """One picture."""
    failure = next(each for each in FAILURES if each.cause == cause)
    sim, verdict = run(failure)
    page = directory / f"{cause}.html"
    page.write_text(sim.history.timeline(verdict, title=failure.title), encoding="ascii")
    features = [{"name": "prefers-color-scheme", "value": theme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get(page.as_uri())
    chrome.execute_script("zkfakeTimeline.state()")
    image = smaller(chrome.get_screenshot_as_png())
    if len(image) > MOST_BYTES:
        raise SystemExit(f"{cause}: {len(image)} bytes; at most {MOST_BYTES} go into the docs")
    (IMAGES / f"timeline_{cause}.png").write_bytes(image)


def main() -> None:
    logging.disable(logging.CRITICAL)
    programs = found()
    if programs is None:
        sys.exit("Chromium or its driver is not there")
    IMAGES.mkdir(exist_ok=True)
    with started(*programs) as chrome, tempfile.TemporaryDirectory() as directory:
        for cause, theme in PICTURES.items():
            take(chrome, cause, theme, Path(directory))


if __name__ == "__main__":
    main()
