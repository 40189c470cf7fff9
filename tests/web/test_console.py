"""The console's tree in a browser: each control is used, and its effect is seen."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import Keys

from zkfake import FakeZooKeeper
from zkfake.web import ControlEndpoint

from .console import Console

if TYPE_CHECKING:
    from kazoo.client import KazooClient
    from selenium.webdriver import Chrome

    from .asking import Asking

EVIL = "<img src=x onerror='window.struck=1'><script>window.struck=1</script>"
HASH = "fyVmFCwVbTJYrznoSu1koqYEYF0="


@pytest.fixture
def page(console: Console, server: FakeZooKeeper) -> Console:
    server.load(
        {
            "/shop/currency": b"EUR",
            "/shop/limits": b'{"orders":5,"big":12345678901234567890,"of":[1,{}]}',
            "/shop/logo": bytes(range(256)),
            "/shop/nothing": None,
            "/shop/packed": gzip.compress(b'{"it":"was packed"}'),
        }
    )
    console.open()
    return console


def focus_is_seen(page: Console) -> bool:
    script = """const style = getComputedStyle(document.activeElement);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0"""
    return bool(page.run(script))


# -- the token


def test_the_address_has_the_token_only_at_first(page: Console) -> None:
    token = page.endpoint.token
    assert token not in page.driver.current_url
    assert page.run("return sessionStorage.getItem('zkfake token')") == token
    assert page.run("return localStorage.length") == 0
    page.driver.refresh()
    page.sees("#tree", "shop")


def test_the_token_is_asked_for(console: Console) -> None:
    console.driver.get(console.endpoint.console.partition("#")[0])
    console.fill("[name=token]", "wrong")
    console.press("Open")
    console.sees(".gate .problem", "This needs the token")
    console.fill("[name=token]", console.endpoint.token)
    console.press("Open")
    console.wait(lambda: console.row("/"))


def test_an_address_with_another_token_in_the_same_tab(page: Console) -> None:
    page.run("sessionStorage.setItem('zkfake token', 'of yesterday')")
    page.driver.get(page.endpoint.console)
    page.wait(lambda: page.run("return sessionStorage.getItem('zkfake token')") != "of yesterday")
    page.sees("#tree", "shop")


def test_a_token_that_comes_while_an_old_one_is_refused_stays(page: Console) -> None:
    page.run("sessionStorage.setItem('zkfake token', 'of yesterday')")
    script = """
        const api = await import(new URL("api.js", document.querySelector("script[src]").src));
        const refused = api.get("/ensemble").then(() => false, (error) => error.status === 401);
        sessionStorage.setItem("zkfake token", arguments[0]);  // the request is on its way
        return await refused;
    """
    assert page.run(f"return (async (...arguments) => {{{script}}})(...arguments)", "of today")
    assert page.run("return sessionStorage.getItem('zkfake token')") == "of today"


# -- the tree


def test_keys_in_the_tree(page: Console) -> None:
    page.run("document.getElementById('tree').focus()")
    page.keys(Keys.ARROW_DOWN)
    assert focus_is_seen(page)
    page.shown("/shop")
    page.keys(Keys.ARROW_RIGHT)
    page.wait(lambda: page.row("/shop/logo"))
    assert page.row("/shop").get_attribute("aria-expanded") == "true"
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    page.shown("/shop/limits")
    row = page.row("/shop/limits")
    assert row.get_attribute("id") == page.the("#tree").get_attribute("aria-activedescendant")
    assert [row.get_attribute(f"aria-{each}") for each in ("level", "posinset", "setsize")] == [
        "3",
        "2",
        "5",
    ]
    page.keys(Keys.ARROW_UP)
    page.shown("/shop/currency")
    page.keys(Keys.ARROW_LEFT)
    page.shown("/shop")
    page.keys(Keys.END)
    page.shown("/zookeeper")
    page.keys(Keys.HOME)
    page.shown("/")
    page.keys(Keys.PAGE_DOWN)
    page.shown("/zookeeper")
    page.keys(Keys.PAGE_UP, Keys.ARROW_DOWN, Keys.ENTER)
    page.wait(lambda: page.row("/shop/logo") is None)
    page.keys(Keys.SPACE)
    page.wait(lambda: page.row("/shop/logo"))
    page.keys(Keys.ARROW_LEFT)
    page.wait(lambda: page.row("/shop").get_attribute("aria-expanded") == "false")


def test_what_clients_do_is_seen(page: Console, client: KazooClient) -> None:
    page.go("/shop/currency")
    client.set("/shop/currency", b"USD")
    page.sees("#data", "USD")
    client.create("/shop/added", b"")
    page.wait(lambda: page.rows()[:4] == ["/", "/shop", "/shop/added", "/shop/currency"])
    client.delete("/shop/currency")
    page.sees("#znode .problem", "It is not there any more.")
    page.wait(lambda: page.row("/shop/currency") is None)
    client.create("/first", b"", ephemeral=True)
    page.wait(lambda: page.rows()[1] == "/first" and "ephemeral" in page.row("/first").text)


def test_a_znode_with_very_many_children(quiet: Chrome) -> None:
    with FakeZooKeeper() as server:
        server.load({f"/many/{number:06}": b"" for number in range(100_000)})
        with ControlEndpoint(server) as endpoint:
            page = Console(quiet, endpoint)
            page.open()
            page.go("/many")
            page.keys(Keys.ARROW_RIGHT)
            page.wait(lambda: page.row("/many/000000"))
            page.sees("#tree", "100,000")
            page.run(
                "window.there = window.fetch; window.fetch = async () => { throw Error('cut'); }"
            )
            page.keys(Keys.END)
            page.sees(".row.more", "Try again")
            page.run("window.fetch = window.there")
            page.click(".row.more")
            page.wait(lambda: page.row("/many/000500"))
            assert page.run("return document.querySelectorAll('#tree *').length") < 500
            page.fill("#search [name=path]", "/many/0777")
            page.press("Search")
            page.press("/many/077712")
            page.shown("/many/077712")
            page.wait(lambda: page.row("/many/077711") and page.row("/many/077713"))
            page.keys(Keys.ARROW_LEFT)
            page.shown("/many")
            page.click(".row.earlier")
            page.wait(lambda: page.row("/many/000000"))


# -- a znode


def test_data_in_every_form(page: Console) -> None:
    page.go("/shop/limits")
    page.sees("#data", '"orders": 5', '"big": 12345678901234567890', "{}")
    page.press("Text", "#znode")
    page.wait(lambda: page.text("#data").startswith('{"orders":5'))
    page.press("Hex", "#znode")
    page.sees("#data", "00000000  7b 22 6f 72", '{"orders":5')
    page.go("/shop/currency")
    page.sees("#data", "45 55 52")
    page.press("Text", "#znode")
    page.wait(lambda: page.text("#data") == "EUR")
    page.go("/shop/logo")
    page.sees("#data", "000000f0  f0 f1")
    page.go("/shop/nothing")
    page.sees(".data", "No data at all (null).")
    page.go("/shop")
    page.sees(".data", "Empty")
    page.go("/shop/packed")
    page.sees("#data", '{"it":"was packed"}')
    page.press("JSON", "#znode")
    page.sees("#data", '"it": "was packed"')
    page.sees(".data", "gzip: ", "19 in it")
    page.click("[data-key=gzip]")
    page.sees("#data", "1f 8b 08")


def test_big_data_is_shown_when_it_is_wanted(page: Console, server: FakeZooKeeper) -> None:
    server.load({"/big": b"x" * 200_000 + b"END"})
    page.wait(lambda: page.row("/big"))
    page.go("/big")
    page.sees(".data", "The first 100,000 of 200,003 characters.")
    page.press("Show all")
    page.sees("#data", "END")


def test_stat_and_acl_in_words(page: Console, server: FakeZooKeeper, client: KazooClient) -> None:
    client.create("/mine", b"12345", ephemeral=True)
    client.set("/mine", b"123456")
    stat = client.exists("/mine")
    assert stat is not None
    assert client.client_id is not None
    page.wait(lambda: page.row("/mine"))
    page.go("/mine")
    page.sees(
        "#znode",
        f"ephemeral, of session {client.client_id[0]:#x}",
        f"zxid {stat.czxid:#x}",
        f"zxid {stat.mzxid:#x}",
        "1 (changed 1 time)",
        "6 bytes",
        "anyone may do everything",
    )
    year = page.run("return new Date(arguments[0]).getFullYear()", stat.ctime)
    page.sees("#znode dl", f"{year}-")


def test_markup_and_controls_are_shown_and_harmless(
    page: Console, server: FakeZooKeeper, asking: Asking
) -> None:
    name = EVIL.replace("/", "|") + "\u202egnp"
    value = EVIL + "\x07\x1b[31m\u202e\x00\ttab\nline"
    asking.done(
        "POST", "/tree", {"path": f"/{name}", "data": value, "acl": [f"digest:{EVIL}:{HASH}:r"]}
    )
    page.wait(lambda: page.row(f"/{name}"))
    page.go(f"/{name}")
    shown = value.translate({7: "\u2407", 27: "\u241b", 0x202E: "<U+202E>", 0: "\u2400"})
    page.wait(lambda: page.text("#data") == shown)
    page.sees("#tree", name.replace("\u202e", "<U+202E>"))
    page.sees("#znode", f"digest {EVIL}:{HASH}")
    page.fill("#search [name=data]", "onerror")
    page.press("Search")
    page.sees("#results", "1 found")
    page.press("Delete ...")
    page.sees("dialog", EVIL.replace("/", "|"))
    page.press("Cancel")
    page.view("Log")
    page.sees(".log tbody", "<img src=x onerror=")
    assert page.run("return window.struck ?? null") is None
    assert page.run("return document.images.length") == 0
