"""A call in a callback of the dict's own client would wait for itself: it says so at once."""

from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import ZooKeeperDict

Open = Callable[..., ZooKeeperDict[Any]]
Eventually = Callable[[Callable[[], object]], None]

CALLS: list[Callable[[ZooKeeperDict[Any]], object]] = [
    lambda items: items.__setitem__("b", 1),
    lambda items: items.__delitem__("a"),
    lambda items: items.sync(),
    lambda items: items.wait_until(2**60),
    lambda items: items.wait_for(lambda _: False),
    lambda items: items.fetch("a"),
    lambda items: items.modify("a", lambda value: value),
    lambda items: items.update(b=1),
    lambda items: items.lease("b", 1),
]


def refused(items: ZooKeeperDict[Any], said: list[str]) -> None:
    for call in CALLS:
        try:
            call(items)
            said.append("it returned")
        except RuntimeError as error:  # noqa: PERF203
            said.append(str(error))
    said.append(f"a read gives {items['a']}")


@pytest.mark.parametrize("where", ["watch callback", "completion callback", "state listener"])
def test_a_call_in_a_callback_of_its_own_client(
    where: str,
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    eventually: Eventually,
) -> None:
    client, said = client_behind(proxy, timeout=30.0), []
    items = open_dict(client)
    items["a"] = 1
    if where == "watch callback":
        client.exists("/dict/a", watch=lambda _: refused(items, said))
        open_dict()["a"] = 1
    elif where == "completion callback":
        client.exists_async("/dict").rawlink(lambda _: refused(items, said))
    else:
        for _ in range(2):  # which listener is called first, nobody knows
            proxy.drop()
            eventually(lambda: client.connected)
            items.sync()
        client.add_listener(lambda state: refused(items, said) if state == "CONNECTED" else None)
        proxy.drop()
    eventually(lambda: len(said) == len(CALLS) + 1)
    assert all(f"in a {where} of the dict's own client" in each for each in said[:-1])
    assert said[-1] == "a read gives 1"
    items.sync()
    assert dict(items) == {"a": 1}


def test_callbacks_of_another_client_may(
    open_dict: Open, zk_client: KazooClient, eventually: Eventually
) -> None:
    items, done = open_dict(), []
    items["a"] = 1

    def copy(_: Any) -> None:
        items["b"] = 2
        done.append(True)

    zk_client.exists("/dict/a", watch=copy)
    items["a"] = 2
    eventually(lambda: done)
    assert items["b"] == 2


def test_the_dicts_own_callbacks_may(open_dict: Open, eventually: Eventually) -> None:
    items, done = open_dict(), []
    items.on_change(lambda change: done.append(items.sync()), keys="a")
    items["a"] = 1
    eventually(lambda: done)
