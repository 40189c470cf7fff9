"""What the console does to znodes, and the moments that it shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver import Keys

from zkfake._trees import files

if TYPE_CHECKING:
    from pathlib import Path

    from kazoo.client import KazooClient

    from zkfake import FakeZooKeeper

    from .asking import Asking
    from .console import Console

DISABLED = """return [...document.querySelectorAll("#znode button")]
                .find((each) => each.textContent === arguments[0]).disabled"""


@pytest.fixture
def page(console: Console, server: FakeZooKeeper) -> Console:
    server.load({"/shop/currency": b"EUR", "/shop/logo": b"\xff\x00"})
    console.open()
    return console


def data(asking: Asking, path: str) -> Any:
    return asking.get("/tree", path=path)["data"]


# -- create


def test_create(page: Console, asking: Asking) -> None:
    page.go("/shop")
    page.press("Create below ...")
    page.fill("[name=name]", "made")
    page.fill("dialog [name=data]", "a text")
    page.press("Create")
    page.shown("/shop/made")
    page.sees("#data", "a text")
    page.sees("#messages", "Created /shop/made.")
    page.press("Close", "#messages")
    page.sees_no("#messages", "Created")
    assert asking.get("/tree", path="/shop/made")["acl"] == ["world:anyone:cdrwa"]


def test_create_every_kind(page: Console, asking: Asking) -> None:
    page.go("/shop")
    page.press("Create below ...")
    page.fill("[name=name]", "a/b/job-")
    page.choose("[name=kind]", "sequential")
    page.choose("[name=as]", "hex")
    page.fill("dialog [name=data]", "ff 00 f")
    page.press("Create")
    page.sees("dialog .problem", "Hex has two digits")
    page.fill("dialog [name=data]", "ff 00 fe")
    page.press("Create")
    page.sees("dialog .problem", "There is no znode /shop/a/b")
    page.click("[name=parents]")
    page.fill("[name=acl]", "world:anyone:r")
    page.press("Create")
    page.shown("/shop/a/b/job-0000000000")
    assert data(asking, "/shop/a/b/job-0000000000") == {"base64": "/wD+"}
    assert asking.get("/tree", path="/shop/a/b/job-0000000000")["acl"] == ["world:anyone:r"]
    page.go("/shop")
    page.press("Create below ...")
    page.fill("[name=name]", "locks")
    page.choose("[name=kind]", "container")
    page.choose("[name=as]", "null")
    page.press("Create")
    page.shown("/shop/locks")
    page.sees("#znode", "a container", "No data at all (null).")


def test_a_time_to_live_that_these_servers_do_not_take(page: Console) -> None:
    page.press("Create below ...")
    page.fill("[name=name]", "shop")
    page.choose("[name=kind]", "ttl")
    page.fill("[name=ttl]", "90000")
    page.press("Create")
    page.wait(lambda: page.text("dialog .problem"))
    page.press("Cancel")
    page.wait(lambda: page.run("return document.querySelector('dialog') === null"))


# -- edit


def test_edit(page: Console, asking: Asking) -> None:
    page.go("/shop/currency")
    page.press("Edit data ...")
    page.fill("dialog [name=data]", "USD")
    page.press("Save")
    page.sees("#data", "USD")
    assert data(asking, "/shop/currency") == {"text": "USD"}


def test_a_conflict_is_told(page: Console, asking: Asking, client: KazooClient) -> None:
    page.go("/shop/currency")
    page.press("Edit data ...")
    client.set("/shop/currency", b"GBP")
    page.fill("dialog [name=data]", "USD")
    page.press("Save")
    page.sees("dialog .problem", "it had version 0, and has version 1 now", "GBP")
    assert data(asking, "/shop/currency") == {"text": "GBP"}
    page.press("Save over it")
    page.sees("#data", "USD")
    assert data(asking, "/shop/currency") == {"text": "USD"}


def test_what_is_refused_without_a_conflict(page: Console, asking: Asking) -> None:
    page.go("/shop/currency")
    page.press("Edit data ...")
    page.run("document.querySelector('dialog textarea').value = 'x'.repeat(2000000)")
    page.press("Save")
    page.sees("dialog .problem", "no client can read more than 1048575")
    page.sees_no("dialog .problem", "Somebody has changed it")
    assert data(asking, "/shop/currency") == {"text": "EUR"}


def test_bytes_are_edited_in_hex(page: Console, asking: Asking, server: FakeZooKeeper) -> None:
    page.go("/shop/logo")
    page.press("Edit data ...")
    page.choose("[name=as]", "text")
    page.sees("dialog", "It cannot be edited as text")
    page.fill("dialog [name=data]", "6f 6b")
    page.choose("[name=as]", "text")
    assert page.run("return document.querySelector('dialog textarea').value") == "ok"
    page.press("Save")
    page.sees("#data", "ok")
    server.load({"/shop/logo": b"a\r\nb"})
    page.sees("#data", "a\u240d")
    page.press("Edit data ...")
    page.press("Save")
    page.wait(lambda: asking.get("/tree", path="/shop/logo")["stat"]["version"] == 3)
    assert data(asking, "/shop/logo") == {"text": "a\r\nb"}


# -- delete, copy, export


def test_delete(page: Console, asking: Asking, client: KazooClient) -> None:
    page.go("/shop/currency")
    page.press("Delete ...")
    page.sees("dialog", "/shop/currency", "It has no children.")
    client.set("/shop/currency", b"GBP")
    page.press("Delete")
    page.sees("dialog .problem", "Nothing was deleted")
    page.press("Delete")
    page.shown("/shop")
    asking.refused("GET", "/tree", path="/shop/currency")


def test_delete_all_below(page: Console, asking: Asking, client: KazooClient) -> None:
    client.create("/shop/mine", b"12345", ephemeral=True)
    page.go("/shop")
    page.press("Delete ...")
    page.sees("dialog", "4 znodes with 10 bytes of data, 1 ephemeral among them")
    client.create("/shop/another")
    page.press("Delete 4 znodes")
    page.sees("dialog .problem", "it was counted anew")
    page.press("Delete 5 znodes")
    page.shown("/")
    page.wait(lambda: page.row("/shop") is None)
    asking.refused("GET", "/tree", path="/shop")


def test_copy(page: Console, asking: Asking, client: KazooClient) -> None:
    client.create("/shop/mine", b"", ephemeral=True)
    page.go("/shop")
    page.press("Copy ...")
    page.fill("[name=target]", "/zookeeper/quota")
    page.press("Copy")
    page.wait(lambda: page.text("dialog .problem"))
    page.fill("[name=target]", "/market")
    page.press("Copy")
    page.shown("/market")
    page.sees("#messages", "Copied 3 znodes; 1 ephemeral left out.")
    assert data(asking, "/market/currency") == {"text": "EUR"}


def test_export(page: Console, tmp_path: Path) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.go("/shop")
    page.press("Export")
    page.sees("#messages", "Exported 2 znodes.")
    page.wait((tmp_path / "shop.json").exists)
    found = json.loads((tmp_path / "shop.json").read_text())
    assert found == {"/currency": "EUR", "/logo": {"base64": "/wA="}}


def test_an_export_has_the_very_data(page: Console, server: FakeZooKeeper, tmp_path: Path) -> None:
    """JavaScript would round the number, leave out its fraction, and change the order."""
    values = {"/a": b'{"b":12345678901234567890,"1":1.0}', "/b": b"[" * 300 + b"]" * 300}
    server.load({f"/json{path}": value for path, value in values.items()})
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.go("/json")
    page.press("Export")
    page.wait((tmp_path / "json.json").exists)
    found = files.read(tmp_path / "json.json")
    assert {path: znode.data for path, znode in found.items()} == values


def test_very_deep_json_is_a_text(page: Console, server: FakeZooKeeper) -> None:
    """Its indents would be longer than any text may be."""
    server.load({"/deep": b"[" * 50_000 + b"]" * 50_000})
    page.go("/deep")
    page.sees("#data", "[[[[[")
    shown = "return document.querySelector('[data-key=text]').getAttribute('aria-pressed')"
    assert page.run(shown) == "true"


# -- search


def test_search(page: Console, server: FakeZooKeeper) -> None:
    server.load({f"/many/{number:03}": b"needle" for number in range(60)})
    page.fill("#search [name=path]", "CURR")
    page.press("Search")
    page.sees("#results", "1 found", "/shop/currency")
    page.press("/shop/currency")
    page.shown("/shop/currency")
    page.fill("#search [name=path]", "")
    page.fill("#search [name=data]", "NEEDLE")
    page.press("Search")
    page.sees("#results", "50 or more found")
    page.press("More")
    page.sees("#results", "/many/059")
    page.fill("#search [name=data]", "nothing of the kind")
    page.press("Search")
    page.sees("#results", "Nothing found")
    page.press("Clear")
    page.wait(lambda: page.text("#results") == "")


# -- the past


def test_the_slider(page: Console, client: KazooClient, tmp_path: Path) -> None:
    page.go("/shop/currency")
    for value in (b"USD", b"GBP"):
        client.set("/shop/currency", value)
    client.create("/shop/added", b"")
    client.delete("/shop/logo")
    page.wait(lambda: page.row("/shop/logo") is None and page.row("/shop/added"))
    page.slide(-2)
    page.sees("#where", "The tree as it was at zxid")
    page.wait(lambda: page.row("/shop/logo"))
    page.sees("#change", ": create", "created /shop/added")
    page.wait(lambda: "touched" in page.row("/shop/added").get_attribute("class"))
    for name in ("Create below ...", "Edit data ...", "Copy ...", "Delete ..."):
        page.wait(lambda name=name: page.run(DISABLED, name))  # type: ignore[misc]
    page.press("The transaction before")
    page.wait(lambda: page.row("/shop/added") is None)
    page.sees("#change", "set the data of /shop/currency")
    page.sees("#data", "GBP")
    page.press("The transaction before")
    page.sees("#data", "USD")
    client.set("/shop/currency", b"CHF")
    page.press("The transaction after")
    page.sees("#data", "GBP")
    page.slide(0)
    page.sees("#change", "The oldest state that is kept.")
    page.press("Now")
    page.sees("#where", "Now, zxid")
    page.sees("#data", "CHF")
    page.wait(lambda: page.row("/shop/logo") is None)
    page.slide(-1)
    page.press("The transaction before")
    page.press("The transaction after")
    page.sees("#where", "The tree as it was")
    page.press("The transaction after")
    page.sees("#where", "Now, zxid")
    page.the("#slider").send_keys(Keys.ARROW_LEFT)
    page.sees("#where", "The tree as it was")


def test_a_zxid_leads_to_its_moment(page: Console, client: KazooClient) -> None:
    client.create("/shop/added", b"1")
    client.set("/shop/added", b"2")
    stat = client.exists("/shop/added")
    assert stat is not None
    page.go("/shop/added")
    page.press(f"{stat.czxid:#x}", "#znode")
    page.sees("#data", "1")
    page.sees("#change", "created /shop/added")
    page.go("/shop/currency")
    page.press("/shop/added", "#change")
    page.shown("/shop/added")
    page.press("The transaction before")
    page.sees("#znode .problem", "It was not there then.")
    page.press("Now")
    page.sees("#data", "2")
