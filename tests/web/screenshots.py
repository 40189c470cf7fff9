"""The pictures of the console in the docs: ``python -m tests.web.screenshots [FOLDER]`` takes them.

It needs what the tests of the console need: Chromium, and its driver.
"""

from __future__ import annotations

import gzip
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake.web import ControlEndpoint

from ..support.browser import found, started
from ..support.png import smaller
from .asking import TIMEOUT
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome

IMAGES = Path(__file__).parents[2] / "docs" / "images"

MOST_BYTES = 150_000

LIMITS = (
    b'{"orders":5,"currencies":["EUR","USD"],"largest":{"amount":12345678901234567890,"of":null}}'
)


def a_shop(server: FakeZooKeeper, worker: KazooClient, looker: KazooClient) -> None:
    """Something to look at."""
    server.load(
        {
            "/shop/limits": LIMITS,
            "/shop/currency": b"EUR",
            "/shop/packed": gzip.compress(LIMITS),
            "/shop/workers": b"",
        }
    )
    for client, address in ((worker, b"10.0.0.7:80"), (looker, b"10.0.0.8:80")):
        client.create("/shop/workers/w-", address, ephemeral=True, sequence=True)
    looker.get_children("/shop/workers", watch=lambda _: None)
    looker.get("/shop/currency", watch=lambda _: None)
    for number in range(4):
        worker.create("/orders/o-", b"%d EUR" % number, sequence=True, makepath=True)
    worker.set("/shop/currency", b"USD")
    looker.get("/shop/currency", watch=lambda _: None)
    worker.delete("/orders/o-0000000002")
    looker.exists("/nothing")


def tree(page: Console) -> None:
    page.go("/shop/limits")
    page.sees("#data", "largest")


def past(page: Console) -> None:
    page.go("/orders/o-0000000001")
    page.go("/shop/currency")
    page.press("The transaction before")
    page.sees("#change", "/shop/currency")
    page.wait(lambda: page.row("/orders/o-0000000002"))


def clients(page: Console) -> None:
    page.view("Clients")
    page.sees("#watches", "its children")
    page.sees("#sessions", "/shop/workers")


def servers(page: Console) -> None:
    page.view("Servers")
    page.press("Lag by 5 s server 1")
    page.sees("#servers", "Catch up")


def faults(page: Console) -> None:
    page.view("Faults")
    page.choose("[name=operation]", "create")
    page.fill("[name=path]", "/orders/*")
    page.press("Lose the reply")
    page.sees("#begun", "not yet")
    page.press("Close", "#messages")


def log(page: Console) -> None:
    page.view("Log")
    page.sees(".log tbody", "/nothing")


PICTURES: tuple[tuple[str, Callable[[Console], None], str, int, int], ...] = (
    ("tree", tree, "light", 1180, 660),
    ("past", past, "dark", 1180, 560),
    ("clients", clients, "light", 1180, 600),
    ("servers", servers, "dark", 1180, 380),
    ("faults", faults, "light", 1180, 920),
    ("log", log, "dark", 1180, 520),
    ("narrow", tree, "light", 400, 760),
)
"""Name, what is done before, theme, and size."""


def take(page: Console, theme: str, width: int, height: int) -> bytes:
    """One picture."""
    chrome = page.driver
    features = [{"name": "prefers-color-scheme", "value": theme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.run("document.activeElement.blur(); document.getElementById('main').scrollTop = 0")
    page.driver.execute_async_script(
        "const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(done))"
    )
    return chrome.get_screenshot_as_png()


def taken(chrome: Chrome) -> dict[str, bytes]:
    """All pictures by name."""
    pictures: dict[str, bytes] = {}
    with ExitStack() as ends:
        server = ends.enter_context(FakeZooKeeper(servers=3))
        page = Console(chrome, ends.enter_context(ControlEndpoint(server)))
        members = []
        for _ in range(2):
            client = KazooClient(server.hosts)
            client.start(TIMEOUT)
            ends.callback(client.close)
            ends.callback(client.stop)
            members.append(client)
        a_shop(server, *members)
        page.open()
        for name, prepare, theme, width, height in PICTURES:
            if name == "narrow":
                page.open()
            prepare(page)
            pictures[name] = take(page, theme, width, height)
    return pictures


def main(folder: Path = IMAGES) -> None:
    logging.disable(logging.CRITICAL)
    programs = found()
    if programs is None:
        sys.exit("Chromium or its driver is not there")
    with started(*programs) as chrome:
        for name, picture in taken(chrome).items():
            image = smaller(picture)
            if len(image) > MOST_BYTES:
                sys.exit(f"{name}: {len(image)} bytes; at most {MOST_BYTES} go into the docs")
            (folder / f"console_{name}.png").write_bytes(image)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
