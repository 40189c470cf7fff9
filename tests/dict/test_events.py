"""Callbacks and iterators: what ends them, what does not, and what they say of a state."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import Closed, ForkedDict, State, ZooKeeperDict
from zkdict.cache import Delta, Publication, Znode
from zkdict.events import Dispatcher
from zkdict.keys import KeyCodec
from zkdict.view import View

Dict = ZooKeeperDict[Any]
Open = Callable[..., Dict]
Eventually = Callable[[Callable[[], object]], None]


def test_a_callback_that_ends_its_task_ends_no_other(open_dict: Open) -> None:
    items = open_dict()
    seen: list[str] = []
    done = threading.Event()

    def leave(change: Any) -> None:
        sys.exit(change.key)

    def note(change: Any) -> None:
        seen.append(change.key)
        if change.key == "end":
            done.set()

    items.on_change(leave)
    items.on_change(note)
    items["a"] = 1
    items.update(b=2, end=3)
    assert done.wait(60)
    assert seen == ["a", "b", "end"]


def test_a_closed_dict_has_no_subscribers(open_dict: Open) -> None:
    items = open_dict()
    batches = items.changes()
    items["a"] = 1
    items.close()
    assert [[change.key for change in batch] for batch in batches] == [["a"]]  # and it ends
    for subscribe in (
        lambda: items.changes(),
        lambda: items.on_change(print),
        lambda: items.on_changes(print),
        lambda: items.on_state(lambda old, new: None),
        lambda: items.on_error(print),
    ):
        with pytest.raises(Closed):
            subscribe()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_child_process_hears_nothing_and_says_so(zk_hosts: str) -> None:
    """Whatever a thread of the parent held at that moment."""
    with Dict.connect(zk_hosts, "/dict") as items:
        items["a"] = 1
        lease = items.lease("mine", 1)
        batches = items.changes()
        told: list[Any] = []
        items.on_state(lambda old, new: told.append(new))
        reading, writing = os.pipe()
        with items._feed.lock, items._dispatcher._lock:
            pid = os.fork()
        if pid == 0:
            said: list[str] = []
            for use in (
                lambda: next(batches),
                lambda: items.changes(),
                lambda: items.on_change(print),
                lambda: items.on_state(lambda old, new: None),
                lambda: lease.set(2),
                lambda: items.wait_for(lambda now: True),
                lambda: items.setdefault("a", 1),
            ):
                try:
                    use()
                    said.append("nothing")
                except BaseException as error:  # noqa: PERF203
                    said.append(type(error).__name__)
            said.append(f"{items.state.name} {lease.held}")
            items.close()  # ends nothing of the parent's
            os.write(writing, ",".join([*said, str(told)]).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            assert pipe.read() == ",".join([ForkedDict.__name__] * 7 + ["CLOSED False", "[]"])
        items["a"] = 2
        assert [change.key for change in next(batches)] == ["a"]
        assert lease.held
        lease.release()


class Handler:
    """As much of kazoo's as a view needs that nobody listens to."""

    lock_object = staticmethod(threading.Lock)


def test_a_snapshot_says_of_itself_whether_it_is_exact() -> None:
    """With autosync=False newer states, exact or not, wait behind the one that is shown."""

    view: View[bytes] = View(
        KeyCodec(),
        lambda raw: raw,
        Dispatcher(Handler()),
        lambda _: None,
        omit=False,
        autosync=False,
        gate_outages=False,
    )

    def publish(zxid: int, exact: bool) -> None:
        node = Znode(b"", 0, zxid, zxid, 0, 0, 0)
        delta = Delta(f"k{zxid}", None, node)
        view.publish(Publication(zxid, zxid, zxid, (delta,), exact, False), {})

    publish(1, True)
    for zxid, exact in ((2, False), (3, True), (4, False), (5, False), (6, True)):
        shown = view.snapshot(State.LIVE)
        publish(zxid, exact)
        assert view.snapshot(State.LIVE).exact is shown.exact
        assert list(view.snapshot(State.LIVE)) == list(shown)
        view.refresh()
        assert view.snapshot(State.LIVE).exact is exact
        assert view.snapshot(State.LIVE).zxid == zxid


def test_no_reader_sees_half_of_a_step() -> None:
    """Values are decoded one after the other, while other tasks read."""
    lengths: list[int] = []

    def decode(raw: bytes) -> bytes:
        lengths.append(len(view))
        return raw

    view: View[bytes] = View(
        KeyCodec(),
        decode,
        Dispatcher(Handler()),
        lambda _: None,
        omit=False,
        autosync=True,
        gate_outages=False,
    )

    def publish(zxid: int, *deltas: Delta) -> None:
        view.publish(Publication(zxid, zxid, zxid, deltas, True, False), {})

    old, new = (Znode(b"", 0, zxid, zxid, 0, 0, 0) for zxid in (1, 2))
    publish(1, Delta("old", None, old))
    publish(2, Delta("old", old, None), Delta("new", None, new), Delta("newer", None, new))
    assert lengths == [0, 1, 1]
    assert len(view) == 2
    assert list(view.snapshot(State.LIVE)) == ["new", "newer"]
    again = Znode(b"", 0, 3, 3, 0, 0, 0)
    publish(3, Delta("new", new, again))
    assert list(view.snapshot(State.LIVE)) == ["newer", "new"]


def test_a_snapshot_is_immutable(open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    snapshot = items.snapshot()
    for name in ("zxid", "taken_at", "state", "exact", "other"):
        with pytest.raises(AttributeError):
            setattr(snapshot, name, 7)
    with pytest.raises(TypeError):
        snapshot["a"] = 2  # type: ignore[index]


@pytest.mark.parametrize("combine", ["==", "|", "reversed |", "update", "|=", "replace_all"])
def test_another_live_dict_is_taken_as_one_state(
    combine: str, open_dict: Open, zk_client: KazooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's `dict(other)` asks for one key after the other, which may be gone by then."""
    items, other = open_dict(), ZooKeeperDict[Any](zk_client, "/other")
    other.update({"a": 1, "b": 2})

    def gone(self: Any, key: str) -> Any:
        raise KeyError(key)

    with monkeypatch.context() as patch:
        patch.setattr(type(other), "__getitem__", gone)
        if combine == "==":
            assert items != other
        elif combine == "|":
            assert (items | other) == {"a": 1, "b": 2}
        elif combine == "reversed |":
            assert items.__ror__(other) == {"a": 1, "b": 2}
        elif combine == "update":
            items.update(other)
        elif combine == "|=":
            items |= other
        else:
            items.replace_all(other)
    if combine in ("update", "|=", "replace_all"):
        assert items.copy() == {"a": 1, "b": 2}
    other.close()


def test_a_lease_keeps_only_what_can_be_stored(open_dict: Open) -> None:
    items = open_dict()
    with items.lease("a", 1) as lease:
        with pytest.raises(ValueError, match="JSON"):
            lease.set({1, 2})
        assert lease._value == 1
        lease.set(2)
        assert items["a"] == 2
