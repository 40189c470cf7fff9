"""From the constructor to the end: started or not, closed, collected, forked, on greenlets."""

import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from zkdict import (
    TEXT,
    Closed,
    DecodeError,
    ForkedDict,
    InvalidKey,
    RootMissing,
    State,
    Timeout,
    ValueTooLarge,
    ZooKeeperDict,
)

Open = Callable[..., ZooKeeperDict[Any]]


def test_a_client_that_nobody_started(zk_client_factory: Any, zk_client: KazooClient) -> None:
    client = zk_client_factory(start=False)
    with ZooKeeperDict[int](client, "/dict") as items:
        items["a"] = 1
    assert client.connected  # it is the caller's
    assert zk_client.get("/dict/a")[0] == b"1"


def test_two_dicts_at_once_on_a_client_that_nobody_started(zk_client_factory: Any) -> None:
    """kazoo would stop what the first has started."""
    client = zk_client_factory(start=False)
    start, seconds = client.start_async, []

    def second() -> None:
        with ZooKeeperDict[int](client, "/dict") as items:
            items["b"] = 2

    def start_async() -> Any:
        seconds.append(threading.Thread(target=second))
        if len(seconds) == 1:
            seconds[0].start()
            seconds[0].join(0.1)  # its chance to start the client too
        return start()

    client.start_async = start_async
    with ZooKeeperDict[int](client, "/dict") as items:
        items["a"] = 1
        seconds[0].join(60)
        items.sync()
        assert dict(items) == {"a": 1, "b": 2}
    assert len(seconds) == 1


def test_loading_in_the_background(zk_client_factory: Any) -> None:
    client = zk_client_factory(start=False)
    with ZooKeeperDict[int](client, "/dict", wait=None) as items:
        assert items.wait_ready(30)
        assert items.state is State.LIVE
        assert dict(items) == {}


def test_a_dict_of_its_own_client(zk_hosts: str) -> None:
    with ZooKeeperDict[int].connect(zk_hosts, "/dict") as items:
        items["a"] = 1
        client = items.connection
    assert not client.connected
    assert not client.handler.running


def test_a_client_that_is_stopped_and_started_again(
    zk_client_factory: Callable[..., KazooClient], open_dict: Open, eventually: Any
) -> None:
    client = zk_client_factory()
    items, other = open_dict(client), open_dict()
    items["a"] = 1
    lease = items.lease("mine", 1)
    for number in range(3):
        client.stop()
        assert items.state is State.STALE
        assert not lease.held
        assert items["a"] == number + 1
        other["a"] = number + 2
        client.start()
        items.wait_for(lambda now, wanted=number + 2: now["a"] == wanted, timeout=60)
        items["b"] = number
        eventually(lambda: lease.held)
    other.sync()
    assert dict(other) == dict(items)
    lease.release()


def test_nobody_answers(zk_client_factory: Any) -> None:
    client = zk_client_factory(hosts="127.0.0.1:1", start=False)
    before = {*client.state_listeners}
    with pytest.raises(Timeout, match=r"0\.05 s"):
        ZooKeeperDict[int](client, "/dict", wait=0.05)
    assert {*client.state_listeners} == before
    client.stop()


def test_no_root(zk_client: KazooClient, open_dict: Open) -> None:
    with pytest.raises(RootMissing, match="/dict"):
        open_dict(zk_client, create=False)
    assert not zk_client.exists("/dict")
    items = open_dict(zk_client, create=False, wait=None)
    with pytest.raises(RootMissing):
        items.wait_ready(30)
    with pytest.raises(RootMissing):
        items["a"] = 1
    zk_client.create("/dict")
    zk_client.create("/dict/a", b"1")
    assert items.wait_for(lambda now: now.get("a"), timeout=30) == 1


def test_a_root_made_again(zk_client: KazooClient, open_dict: Open) -> None:
    items = open_dict()
    for number in range(5):
        items["a"] = number
        zk_client.delete("/dict", recursive=True)
        items.sync()
        assert dict(items) == {}
        assert items.state is State.LIVE
        if number % 2:
            zk_client.create("/dict")
            zk_client.create("/dict/b", b"7")
            assert items.wait_for(lambda now: now.get("b"), timeout=30) == 7
        # else the write makes it


def test_a_root_nobody_may_read(zk_client_factory: Any, zk_client: KazooClient) -> None:
    from kazoo.exceptions import NoAuthError

    zk_client.create("/secret", acl=[make_digest_acl("u", "p", all=True)])
    with pytest.raises(NoAuthError):
        ZooKeeperDict[int](zk_client_factory(), "/secret")
    allowed = zk_client_factory(auth_data=[("digest", "u:p")])
    with ZooKeeperDict[int](allowed, "/secret") as items:
        items["a"] = 1


def test_a_root_that_may_be_read_no_more(
    zk_client: KazooClient, proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    items = open_dict(client_behind(proxy))
    items["a"] = 1
    stale = threading.Event()
    told: list[Exception] = []
    items.on_error(told.append)
    items.on_state(lambda _, new: new is State.STALE and stale.set())
    zk_client.set_acls("/dict", [make_digest_acl("u", "p", all=True)])
    proxy.drop()
    assert stale.wait(30)
    assert [type(error).__name__ for error in told] == ["NoAuthError"]
    assert dict(items) == {"a": 1}


def test_a_key_nobody_may_read(zk_client: KazooClient, open_dict: Open) -> None:
    from kazoo.exceptions import NoAuthError

    items = open_dict()
    errors: list[Exception] = []
    items.on_error(errors.append)
    items["a"] = 1
    zk_client.create("/dict/secret", b"2", acl=[make_digest_acl("u", "p", all=True)])
    items.sync()
    assert items["a"] == 1
    assert set(items) == {"a", "secret"}
    for _ in range(2):
        with pytest.raises(NoAuthError):
            _ = items["secret"]
    assert list(items.bad_keys) == ["secret"]


def test_acl_is_for_the_root_and_the_keys(zk_client_factory: Any, open_dict: Open) -> None:
    client = zk_client_factory(auth_data=[("digest", "u:p")])
    acl = [make_digest_acl("u", "p", all=True)]
    items = open_dict(client, acl=acl)
    items["a"] = 1
    items.update(b=2)
    for path in ("/dict", "/dict/a", "/dict/b"):
        assert client.get_acls(path)[0] == acl


def test_a_closed_dict(open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    items.close()
    items.close()
    assert items.state is State.CLOSED
    for use in (
        lambda: items["a"],
        lambda: len(items),
        lambda: list(items),
        lambda: items.snapshot(),
        lambda: items.__setitem__("a", 2),
        lambda: items.sync(),
        lambda: items.update(a=1),
        lambda: items.fetch("a"),
        lambda: items.wait_for(lambda now: True),
        lambda: items.wait_until(0),
        lambda: items.modify("a", lambda n: n),
        lambda: items.atomically(lambda txn: None),
    ):
        with pytest.raises(Closed):
            use()
    assert "CLOSED" in repr(items)


@pytest.mark.parametrize("busy", [False, True])
def test_a_dropped_dict_is_collected(zk_client: KazooClient, busy: bool) -> None:
    before = {*zk_client.state_listeners}
    gc.collect()
    gc.disable()
    try:
        items = ZooKeeperDict[Any](zk_client, "/dict")
        items["a"] = 1
        if busy:
            called = threading.Event()
            items.on_change(lambda _: called.set())
            items["a"] = 2
            assert called.wait(30)
        gone = weakref.ref(items)
        del items
        if busy:
            gc.collect()
        assert gone() is None
        assert {*zk_client.state_listeners} == before
    finally:
        gc.enable()
    zk_client.set("/dict/a", b"3")  # its watch fires, and nothing happens
    zk_client.sync("/")
    with ZooKeeperDict[Any](zk_client, "/dict") as again:
        assert again["a"] == 3


def test_a_dict_comes_and_goes(zk_client: KazooClient) -> None:
    """What dicts leave behind with the client does not grow with their number."""
    with ZooKeeperDict[Any](zk_client, "/dict") as items:
        items.update({f"k{number}": number for number in range(10)})

    def left() -> int:
        gc.collect()
        watchers = (zk_client._data_watchers, zk_client._child_watchers)
        return sum(len(each) for table in watchers for each in table.values())

    for _ in range(3):
        ZooKeeperDict[Any](zk_client, "/dict").close()
    few = left()
    for _ in range(10):
        ZooKeeperDict[Any](zk_client, "/dict").close()
    assert left() == few


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.in_real_time("it forks")
def test_use_after_fork_says_so(open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # ends a child that hangs
        said = []
        for use in (
            lambda: items["a"],
            lambda: len(items),
            lambda: items.__setitem__("a", 2),
            lambda: items.sync(),
            lambda: items.pop("a"),
        ):
            try:
                use()
                said.append("nothing")
            except BaseException as error:  # noqa: PERF203
                said.append(type(error).__name__)
        os.write(writing, ",".join(said).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == ",".join([ForkedDict.__name__] * 5)
    items["a"] = 2
    assert items["a"] == 2


def test_bad_values_harm_nobody(zk_client: KazooClient, open_dict: Open) -> None:
    items = open_dict()
    hiding = open_dict(on_bad_value="omit")
    told: list[Exception] = []
    heard = threading.Event()
    hiding.on_error(lambda error: (told.append(error), heard.set()))
    items["good"] = 1
    zk_client.create("/dict/bad", b"{")
    items.sync()
    hiding.sync()
    assert items["good"] == 1
    assert list(items) == ["good", "bad"]
    assert len(items) == 2
    assert "bad" in items
    with pytest.raises(DecodeError) as caught:
        _ = items["bad"]
    assert (caught.value.key, caught.value.raw) == ("bad", b"{")
    with pytest.raises(DecodeError):
        items.copy()
    assert items.raw("bad") == b"{"
    assert list(items.bad_keys) == ["bad"]
    with pytest.raises(DecodeError):
        items.pop("bad")
    assert zk_client.exists("/dict/bad")
    assert dict(hiding) == {"good": 1}
    assert len(hiding) == 1
    assert "bad" not in hiding
    assert list(hiding.bad_keys) == ["bad"]
    assert heard.wait(30)
    assert isinstance(told[0], DecodeError)
    zk_client.set("/dict/bad", b"2")
    items.sync()
    hiding.sync()
    assert dict(items) == dict(hiding) == {"good": 1, "bad": 2}
    assert not items.bad_keys
    zk_client.set("/dict/good", b"]")
    items.sync()
    assert list(items.bad_keys) == ["good"]
    items["good"] = 3
    del items["bad"]
    items.clear()
    assert dict(items) == {}


def test_too_large(open_dict: Open) -> None:
    items = open_dict(max_value_bytes=1000, encoding=TEXT)
    requests = items.stats["requests"]
    with pytest.raises(ValueTooLarge) as caught:
        items["a"] = "x" * 1001
    assert (caught.value.size, caught.value.limit, caught.value.key) == (1001, 1000, "a")
    many = {f"k{number}": "x" * 100 for number in range(10)}
    with pytest.raises(ValueTooLarge):
        items.update(many)
    assert items.stats["requests"] == requests
    items.update_chunked(many, chunk_bytes=600)
    assert dict(items) == many


@pytest.mark.parametrize(
    ("path", "key_encoding"), [("/dict", "plain"), ("/" + "p" * 500, "plain"), ("/dict", "quote")]
)
def test_chunks_fit(path: str, key_encoding: Any, zk_client: KazooClient) -> None:
    """A transaction has the whole paths in it, and a key that is quoted is longer than it was."""
    many = {("\U0001f600" * 20 if key_encoding == "quote" else "") + str(n): n for n in range(10)}
    with ZooKeeperDict[int](
        zk_client, path, max_value_bytes=1500, key_encoding=key_encoding
    ) as items:
        items.update_chunked(many)
        assert items.copy() == many


def test_a_chunk_with_what_is_no_key(open_dict: Open) -> None:
    items = open_dict()
    with pytest.raises(InvalidKey, match="a key is a str, not int"):
        items.update_chunked({1: 1})  # type: ignore[dict-item]


def test_read_only(open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    view = open_dict(read_only=True)
    assert view["a"] == 1
    for write in (
        lambda: view.__setitem__("a", 2),
        lambda: view.__delitem__("a"),
        lambda: view.pop("a"),
        lambda: view.clear(),
        lambda: view.update(a=2),
        lambda: view.setdefault("b", 2),
        lambda: view.atomically(lambda txn: txn.update(a=2)),
    ):
        with pytest.raises(TypeError, match="read_only"):
            write()
    view.sync()


@pytest.mark.parametrize("path", ["dict", "/dict/", "//dict"])
def test_the_keyspace_is_a_path(path: str, zk_client: KazooClient) -> None:
    with ZooKeeperDict[int](zk_client, path) as items:
        items["a"] = 1
    assert zk_client.get("/dict/a")[0] == b"1"
    with pytest.raises(InvalidKey):
        ZooKeeperDict[int](zk_client, "/a//b")


def test_the_chroot_itself(zk_client: KazooClient) -> None:
    with ZooKeeperDict[int](zk_client, "/") as items:
        items["a"] = 1
        assert zk_client.get("/a")[0] == b"1"
        assert dict(items) == {"a": 1}


def test_autosync_off(open_dict: Open) -> None:
    other = open_dict()
    other["a"] = 1
    items = open_dict(autosync=False)
    assert dict(items) == {"a": 1}
    other["a"] = 2
    other["b"] = 2
    items.connection.sync("/")
    assert items["a"] == 1
    assert dict(items) == {"a": 1}
    items.sync()
    assert dict(items) == {"a": 2, "b": 2}
    other["c"] = 3
    items["d"] = 4
    assert dict(items) == {"a": 2, "b": 2, "c": 3, "d": 4}
    other["a"] = 9
    assert items.wait_for(lambda now: now["a"] == 9, timeout=30)


def test_callbacks(open_dict: Open) -> None:
    """In order, on a task of their own, free to write; what one raises harms nobody."""
    items, other = open_dict(), open_dict()
    seen: list[tuple[str, str, bool]] = []
    errors: list[Exception] = []
    done = threading.Event()

    def raises(change: Any) -> None:
        raise ValueError(change.key)

    def note(change: Any) -> None:
        seen.append((change.kind, change.key, change.local))
        if change.key == "end":
            done.set()
        elif change.key == "a" and change.kind == "changed":
            items["made by a callback"] = items["a"]

    items["before"] = 0
    items.on_error(errors.append)
    items.on_change(raises, keys=["a"])
    subscription = items.on_change(note, initial=True)
    items["a"] = 1
    other["a"] = 2
    items.wait_for(lambda now: "made by a callback" in now, timeout=30)
    del items["a"]
    items["end"] = 1
    assert done.wait(30)
    assert seen == [
        ("added", "before", False),
        ("added", "a", True),
        ("changed", "a", False),
        ("added", "made by a callback", True),
        ("removed", "a", True),
        ("added", "end", True),
    ]
    assert [str(error) for error in errors] == ["a", "a", "a"]
    subscription.cancel()
    with items.on_change(lambda change: seen.append(change)):
        pass
    count = len(seen)
    items["end"] = 2
    assert len(seen) == count


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
@pytest.mark.in_real_time("another handler, in a process of its own")
def test_greenlets(kind: str, zk_hosts: str) -> None:
    """With kazoo's other handlers, in a process of their own."""
    import importlib.util
    import subprocess
    import sys

    # Not imported here: eventlet warns of every fork after that, in whatever test that comes.
    if importlib.util.find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed")

    program = f"""
import sys, {kind}
from kazoo.client import KazooClient
from kazoo.handlers.{kind} import Sequential{kind.capitalize()}Handler as Handler
from zkdict import ZooKeeperDict
clients = [KazooClient(sys.argv[1], handler=Handler()) for _ in range(2)]
for client in clients:
    client.start()
one, two = [ZooKeeperDict(client, "/dict") for client in clients]
seen = []
two.on_change(lambda change: seen.append(change.key))
for number in range(50):
    one["a"] = number
    assert one["a"] == number
one.update(b=1, c=2)
assert two.wait_for(lambda now: now.get("c"), timeout=30) == 2
two.sync()
assert dict(one) == dict(two) == {{"a": 49, "b": 1, "c": 2}}
assert two.pop("a") == 49
one.wait_until(two.zxid, timeout=30)
assert "a" not in one
assert seen[:1] == ["a"]
for each in (one, two):
    each.close()
for client in clients:
    client.stop()
    client.close()
print("good")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, zk_hosts], capture_output=True, timeout=120, check=False
    )
    assert done.stdout == b"good\n", done.stderr.decode()
