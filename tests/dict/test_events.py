"""Callbacks and iterators: what ends them, what does not, and what they say of a state."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import Closed, ForkedDict, ZooKeeperDict

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
@pytest.mark.in_real_time("it forks")
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
            signal.alarm(60)  # ends a child that hangs
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
