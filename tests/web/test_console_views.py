"""The console's other views: clients, servers, faults, the log; and how all of it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from zkfake import FakeZooKeeper
from zkfake.web import ControlEndpoint

from .asking import TIMEOUT
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

OF_CLIENT = "fieldset:nth-of-type(2) [name=duration]"

WIDTH = """return Math.max(document.documentElement.scrollWidth,
                           document.getElementById("main").scrollWidth)"""

VIEWS = ("Tree", "Clients", "Servers", "Faults", "Log")


@pytest.fixture
def page(console: Console) -> Console:
    console.open()
    return console


@pytest.fixture
def of_three(quiet: Chrome) -> Iterator[Console]:
    """The console of three servers."""
    with FakeZooKeeper(servers=3) as server, ControlEndpoint(server) as endpoint:
        console = Console(quiet, endpoint)
        console.open()
        yield console
        quiet.get("about:blank")


def session_of(client: KazooClient) -> str:
    assert client.client_id is not None
    return f"{client.client_id[0]:#x}"


def button(page: Console, name: str) -> bool:
    """Whether there is a button of that name which can be pressed."""
    script = """return [...document.querySelectorAll("button:enabled")].some((each) =>
                  (each.getAttribute("aria-label") ?? each.textContent) === arguments[0])"""
    return bool(page.run(script, name))


# -- clients


def test_sessions_and_what_they_hold(page: Console, client: KazooClient) -> None:
    own = session_of(client)
    for number in range(7):
        client.create(f"/own-{number}", b"", ephemeral=True)
    client.get("/own-0", watch=lambda _: None)
    client.get_children("/", watch=lambda _: None)
    page.view("Clients")
    page.sees("#sessions", own, "10 s", "/own-4")
    page.press("All 7")
    page.sees("#sessions", "/own-6")
    page.sees("#watches", "its children, once", "its data, and whether it is there, once")
    page.fill("[name=watched]", "/own-0")
    page.sees_no("#watches", "its children")
    page.fill("[name=watched]", "")
    page.fill("[name=watching]", "nobody")
    page.sees("#watches", "A session is a number")
    page.press(f"2 watches of session {own}")
    page.sees("#watches", "/own-0")
    page.press("/own-6")
    page.shown("/own-6")
    page.press(own, "#znode")
    page.wait(lambda: page.driver.title == "zkfake: Clients")
    page.wait(lambda: page.text("#sessions .marked") == own)


def test_who_watches_a_znode(page: Console, client: KazooClient) -> None:
    client.create("/watched", b"")
    client.get("/watched", watch=lambda _: None)
    page.wait(lambda: page.row("/watched"))
    page.go("/watched")
    own = session_of(client)
    page.sees("#znode", "Watched by", f"{own}: its data")
    page.press(own, "#znode")
    page.sees("#watches", "/watched")
    page.press("/watched", "#watches")
    page.wait(lambda: page.driver.title == "zkfake: Tree")


def test_a_session_is_expired(page: Console, client: KazooClient) -> None:
    own = session_of(client)
    page.view("Clients")
    page.press(f"Expire session {own}")
    page.sees("#messages", f"Session {own} has expired.")
    page.sees_no("#sessions", own)


def test_a_connection_is_dropped(page: Console, client: KazooClient) -> None:
    address = page.wait(lambda: _addresses(page, client))[0]
    page.view("Clients")
    page.press(f"Drop the connection of {address}")
    page.sees("#messages", "has lost its connection")
    page.sees_no("#connections", address)


def _addresses(page: Console, client: KazooClient) -> list[str]:
    page.view("Clients")
    script = """return [...document.querySelectorAll("#connections tbody tr")]
                  .filter((each) => each.children[1].textContent === arguments[0])
                  .map((each) => each.children[0].textContent)"""
    return list(page.run(script, session_of(client)))


def test_many_sessions_come_page_by_page(page: Console, server: FakeZooKeeper) -> None:
    clients = [KazooClient(server.hosts) for _ in range(52)]
    try:
        for client in clients:
            client.start(TIMEOUT)
        last = session_of(clients[-1])
        page.view("Clients")
        page.sees("#sessions", "1 to 50 of 52")
        page.press("After", "#sessions")
        page.sees("#sessions", "51 to 52 of 52", last)
        page.press("Before", "#sessions")
        page.sees_no("#sessions", last)
        page.sees("#connections", "1 to 50 of 52")
    finally:
        for client in clients:
            client.stop()
            client.close()


# -- servers


def test_what_can_be_done_to_a_server(of_three: Console) -> None:
    page = of_three
    page.view("Servers")
    page.sees("#servers", "3 servers", " leads.", "leader", "follower")
    for begin, end, seen in (
        ("Isolate", "Reconnect", ""),
        ("Pause", "Resume", "paused"),
        ("Freeze", "Unfreeze", "frozen"),
        ("Lag by 5 s", "Catch up", "5 s"),
        ("Stop", "Start", "stopped"),
    ):
        page.press(f"{begin} server 3")
        page.wait(lambda end=end: button(page, f"{end} server 3"))  # type: ignore[misc]
        page.sees("#servers", seen)
        page.press(f"{end} server 3")
        page.wait(lambda begin=begin: button(page, f"{begin} server 3"))  # type: ignore[misc]
    page.press("Stop server 1")
    page.press("Stop server 2")
    page.sees("#servers", "Nobody leads: there is no quorum.")
    page.press("End all faults")
    page.sees("#servers", " leads.")
    page.sees_no("#servers", "stopped")


# -- faults


def test_the_next_create_of_a_client_loses_its_reply(page: Console, client: KazooClient) -> None:
    page.view("Faults")
    page.wait(lambda: page.run("return document.querySelector('[name=client]').options.length") > 1)
    page.choose("[name=client]", session_of(client))
    page.choose("[name=operation]", "create")
    page.fill("[name=path]", "/orders*")
    page.fill("[name=nth]", "1")
    page.fill("[name=times]", "1")
    page.press("Lose the reply")
    page.sees("#begun", "Lose the reply", "in force", "not yet")
    with pytest.raises(ConnectionLoss):
        client.create("/orders", b"")
    page.sees("#begun", "over", "1 time", "create /orders")
    assert client.retry(client.exists, "/orders")


EVERY = (
    ("Lose the request", "times", ""),
    ("Break after the reply", "", ""),
    ("Cut off", "", ""),
    ("Slow", "latency", "0.01"),
    ("Lose pings", "", ""),
    ("Mute", "", ""),
    ("Pause", "", ""),
    ("Freeze", "", ""),
    ("Lag", "range", "0.5"),
    ("Slow the disk", "", ""),
    ("Skew the clock", "seconds", "-5"),
    ("Slow the link", "", ""),
    ("Cut the link", "", ""),
    ("Isolate", "", ""),
    ("Lose the quorum", "", ""),
    ("Stop", "", ""),
    ("Cut the power", "", ""),
)


def test_every_fault_begins_and_ends(of_three: Console) -> None:
    page = of_three
    page.view("Faults")
    page.wait(lambda: page.run("return document.querySelector('[name=other]').options.length") == 3)
    page.choose("[name=server]", "1")
    page.choose("[name=other]", "2")
    for number, (name, changed, value) in enumerate(EVERY, 1):
        if changed:
            page.fill(f"[name={changed}]", value)
        page.press(name)
        page.press(f"End fault {number}")
        page.wait(lambda number=number: not button(page, f"End fault {number}"))  # type: ignore[misc]
    page.press("Break the connection")
    page.sees("#messages", "There was nothing to strike.")
    page.press("Expire the session")
    page.sees("#messages .failed", "client")


def test_faults_of_a_client_and_all_of_them_end(page: Console, client: KazooClient) -> None:
    own = session_of(client)
    page.view("Faults")
    page.wait(lambda: page.run("return document.querySelector('[name=client]').options.length") > 1)
    for place in page.driver.find_elements(By.NAME, "client"):
        page.run(
            "arguments[0].value = arguments[1]; return arguments[0].value === arguments[1]",
            place,
            own,
        )
    page.press("Hold watch events")
    page.sees("#begun", "in force", own)
    page.press("End all faults")
    page.sees_no("#begun", "in force")
    page.fill(OF_CLIENT, "-1")
    page.press("Cut off")
    page.sees("#messages .failed", "A field is not filled in")
    page.fill(OF_CLIENT, "")
    page.press("Expire the session")
    page.sees("#messages", "Done: 1 time.")


# -- the log


def test_the_log(page: Console, client: KazooClient) -> None:
    page.view("Log")
    client.create("/first", b"")
    page.sees(".log tbody", "create /first", "committed", "is answered")
    page.choose("[name=kinds]", "transactions")
    page.sees_no(".log tbody", "is answered")
    page.choose("[name=kinds]", "all")
    page.fill("[name=text]", "GETDATA")
    client.get("/first")
    page.sees(".log tbody", "getData /first")
    page.sees_no(".log tbody", "create /first")
    page.press("Pause")
    page.sees("#log-note", "Paused.")
    client.get("/first", watch=lambda _: None)
    page.press("Go on")
    page.sees(".log tbody", "watch")
    page.press("Clear")
    page.sees("#log-note", "0 events")
    client.get("/first")
    page.sees(".log tbody", "getData /first")
    page.fill("[name=text]", "ping")
    page.click("[name=pings]")
    page.wait(lambda: page.run("return document.querySelector('[name=pings]').checked"))


# -- how it looks


def test_zkfake_ends(quiet: Chrome) -> None:
    with FakeZooKeeper() as server, ControlEndpoint(server) as endpoint:
        page = Console(quiet, endpoint)
        page.open()
    page.sees("#state", "zkfake does not answer")
    page.press("Export")
    page.sees("#messages", "Is it still running?")


def test_another_zkfake_at_the_same_address(quiet: Chrome) -> None:
    """Its token is asked for, once, and all goes on."""
    with FakeZooKeeper() as server:
        with ControlEndpoint(server) as endpoint:
            page = Console(quiet, endpoint)
            page.open()
            page.view("Servers")
            page.sees("#servers", "Connect string")
        with ControlEndpoint(server, port=endpoint.port, token="another") as other:
            page.sees(".gate .problem", "This needs the token")
            page.fill("[name=token]", other.token)
            page.press("Open")
            page.sees("#state", "connected")
            page.sees("#servers", "Connect string")
            server.load({"/added": b""})
            page.view("Tree")
            page.wait(lambda: page.row("/added"))


def test_the_log_of_another_zkfake_with_the_same_token(quiet: Chrome) -> None:
    """Its events have the numbers of those before, which are gone; none of it stays cleared."""
    with FakeZooKeeper() as server, ControlEndpoint(server, token="tea") as endpoint:
        page = Console(quiet, endpoint)
        page.open()
        page.view("Log")
        server.load({f"/old{number}": b"" for number in range(20)})
        page.sees(".log tbody", "/old19")
        page.press("Clear")
        server.load({"/old": b""})
        page.sees(".log tbody", "/old")
    with FakeZooKeeper() as server:
        server.load({"/new": b""})
        with ControlEndpoint(server, port=endpoint.port, token="tea"):
            server.load({"/newer": b""})
            page.sees(".log tbody", "/newer")
            page.sees_no(".log tbody", "/old")


def test_the_browser_goes_back(page: Console) -> None:
    page.view("Servers")
    page.view("Log")
    page.driver.back()
    page.wait(lambda: page.driver.title == "zkfake: Servers")
    page.driver.refresh()
    page.sees("#servers", "Connect string")


def test_every_control_has_a_name(page: Console, client: KazooClient) -> None:
    for view in VIEWS:
        page.view(view)
        page.sees("#main", {"Tree": "Stat", "Log": "events"}.get(view, "1"))
        nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = {"button", "checkbox", "combobox", "link", "searchbox", "slider", "spinbutton"}
        roles |= {"textbox", "tree", "treeitem", "region", "navigation", "MenuListPopup"} - {
            "MenuListPopup"
        }
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if node.get("role", {}).get("value") in roles and not node.get("ignored")
        ]
        assert len(named) > 5
        assert [role for role, name in named if not name] == [], view


def test_all_fits_into_400_pixels(page: Console, client: KazooClient) -> None:
    metrics = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for view in VIEWS:
            page.view(view)
            page.sees("#main", {"Tree": "Stat", "Log": "events"}.get(view, "1"))
            assert page.run(WIDTH) <= 400, view
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_light_and_dark(page: Console) -> None:
    def ground(theme: str) -> str:
        features = [{"name": "prefers-color-scheme", "value": theme}]
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        query = f"return matchMedia('(prefers-color-scheme: {theme})').matches"
        WebDriverWait(page.driver, TIMEOUT).until(lambda _: page.run(query))
        return page.the("body").value_of_css_property("background-color")

    assert ground("dark") == "rgba(20, 23, 27, 1)"
    assert ground("light") == "rgba(255, 255, 255, 1)"
