"""A call in a callback of the dict's own client would wait for itself: it says so at once."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import ZooKeeperDict
from zkdict._copy.client_tasks import tasks_of

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


class InOrder(set[Any]):
    """Listeners that are called in the order of their names: kazoo's set has an order by chance."""

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(super().__iter__(), key=lambda each: str(each.__name__)))


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(
    "where",
    [
        "watch callback",
        "completion callback",
        "first completion callback",
        "first state listener",
        "last state listener",
    ],
)
def test_a_call_in_a_callback_of_its_own_client(
    where: str,
    stopped: bool,
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    eventually: Eventually,
) -> None:
    """The first one there is, of a client that was stopped or not."""
    client, said = client_behind(proxy, timeout=30.0), []
    client.state_listeners = InOrder()
    items, other = open_dict(client), open_dict()
    items["a"] = 1
    if stopped:
        client.stop()
        client.start()
        items.sync()

    def listen(state: str) -> None:
        if where != "first completion callback":
            client.remove_listener(listen)
            refused(items, said)
        elif state == "CONNECTED":
            client.exists_async("/dict").rawlink(lambda _: refused(items, said))

    if where == "watch callback":
        client.exists("/dict/a", watch=lambda _: refused(items, said))
        other["a"] = 1
    elif where == "completion callback":
        client.exists_async("/dict").rawlink(lambda _: refused(items, said))
    else:
        listen.__name__ = "a" if where.startswith("first") else "z"
        client.add_listener(listen)
        proxy.drop()
    eventually(lambda: len(said) == len(CALLS) + 1)
    named = where.removeprefix("first ").removeprefix("last ")
    assert all(f"in a {named} of the dict's own client" in each for each in said[:-1])
    assert said[-1] == "a read gives 1"
    items.sync()
    assert dict(items) == {"a": 1}


def test_a_read_that_would_wait_in_a_callback(
    proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open, eventually: Eventually
) -> None:
    """With `on_outage="block"` a read waits, too; and so does a step of an iterator."""
    client, said = client_behind(proxy, timeout=30.0), []
    client.state_listeners = InOrder()
    items = open_dict(client, on_outage="block", write_timeout=2.0)
    items["a"] = 1

    def z(state: str) -> None:
        client.remove_listener(z)
        for read in (lambda: items["a"], lambda: next(items.changes(timeout=2.0), None)):
            try:
                said.append(f"it gives {read()}")
            except Exception as error:  # noqa: PERF203
                said.append(f"{type(error).__name__}: {error}")
        said.append(next(items.changes(timeout=0), None))

    client.add_listener(z)
    proxy.drop()
    eventually(lambda: len(said) == 3)
    told = "RuntimeError: this call was made in a state listener of the dict's own client"
    assert [each and each[: len(told)] for each in said] == [told, told, None]
    assert items["a"] == 1


def test_a_dict_that_begins_in_a_state_listener(
    zk_client_factory: Callable[..., KazooClient], eventually: Eventually
) -> None:
    client, said = zk_client_factory(start=False), []

    def listen(state: str) -> None:
        if state == "CONNECTED":
            try:
                ZooKeeperDict(client, "/dict")
            except RuntimeError as error:
                said.append(str(error))

    client.add_listener(listen)
    before = {*client.state_listeners}
    client.start()
    eventually(lambda: said)
    assert "in a state listener of the dict's own client" in said[0]
    assert {*client.state_listeners} == before


def test_a_thread_with_the_number_of_one_that_has_ended(zk_client: KazooClient) -> None:
    """As that of a client that was stopped: systems give out such a number again at once."""
    tasks, refusals, numbers = tasks_of(zk_client), [], []

    def note() -> None:
        numbers.append(threading.get_ident())
        tasks.note("watch callback")
        tasks.note("completion callback")

    def check() -> None:
        numbers.append(threading.get_ident())
        try:
            tasks.check()
        except RuntimeError as error:
            refusals.append(error)

    for run in (note, *[check] * 20):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)
    assert len(numbers) == 21
    assert not refusals


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


def test_listeners_of_another_client_may(
    open_dict: Open, zk_client: KazooClient, eventually: Eventually
) -> None:
    items, done = open_dict(), []

    def note(state: str) -> None:
        items["state"] = state
        done.append(True)

    zk_client.add_listener(note)
    zk_client.stop()
    eventually(lambda: done)
    assert items["state"] == "LOST"


def test_the_dicts_own_callbacks_may(open_dict: Open, eventually: Eventually) -> None:
    items, done = open_dict(), []
    items.on_change(lambda change: done.append(items.sync()), keys="a")
    items["a"] = 1
    eventually(lambda: done)
