"""A fake with a control endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake.web import ControlEndpoint

from ..support.browser import browser
from ..support.programs import interruptible
from .asking import TIMEOUT, Asking
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

__all__ = ["browser", "interruptible"]


@pytest.fixture
def server() -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper() as server:
        yield server


@pytest.fixture
def asking(server: FakeZooKeeper) -> Iterator[Asking]:
    with ControlEndpoint(server) as endpoint:
        yield Asking(endpoint)


@pytest.fixture
def client(server: FakeZooKeeper) -> Iterator[KazooClient]:
    client = KazooClient(server.hosts)
    client.start(TIMEOUT)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def quiet(browser: Chrome) -> Iterator[Chrome]:
    """In its pages nothing goes wrong but requests that are refused, and nothing comes from
    elsewhere."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.set_window_size(1280, 800)
    browser.get_log("browser")  # what another page has left there
    yield browser
    logged = [each for each in browser.get_log("browser") if each["source"] != "network"]
    assert logged == []
    script = "return performance.getEntriesByType('resource').map((each) => each.name)"
    origin = browser.execute_script("return location.origin")
    assert [each for each in browser.execute_script(script) if not each.startswith(origin)] == []
    browser.get("about:blank")  # its stream ends


@pytest.fixture
def console(quiet: Chrome, asking: Asking) -> Console:
    """Not open so far."""
    return Console(quiet, asking.endpoint)
