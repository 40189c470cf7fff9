"""Without a server: what reads, writes, state and age say, and how everything comes back."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss

from zkdict import Closed, StaleRead, State, Timeout, WriteUncertain, ZooKeeperDict
from zkdict._copy import clock as zk_clock

Open = Callable[..., ZooKeeperDict[Any]]
Eventually = Callable[[Callable[[], object]], None]


class States:
    """The states a dict went through, as its callback was told."""

    def __init__(self, items: ZooKeeperDict[Any]) -> None:
        self._items = items
        self._seen: list[State] = []
        self._changed = threading.Condition()
        items.on_state(self._add)

    def _add(self, old: State, new: State) -> None:
        with self._changed:
            assert not self._seen or self._seen[-1] is old
            self._seen.append(new)
            self._changed.notify_all()

    def wait(self, *states: State) -> None:
        """Wait until one of these was reached."""
        with self._changed:
            assert self._changed.wait_for(lambda: set(states) & set(self._seen), timeout=60)
            self._seen.clear()


def test_a_server_that_is_away(zk_server_factory: Any, quick_clients: Any, open_dict: Open) -> None:
    server = zk_server_factory()
    client, other = quick_clients(server.hosts), quick_clients(server.hosts)
    items, far = open_dict(client), open_dict(other)
    strict = open_dict(client, on_outage="raise")
    patient = open_dict(client, on_outage="block", write_timeout=60.0)
    items.update({"a": 1, "b": 2})
    strict.sync()
    patient.sync()
    assert items.age == 0.0
    states, far_states, strict_states = States(items), States(far), States(strict)

    server.stop()
    for each in (states, far_states, strict_states):  # each dict is told by itself
        each.wait(State.SUSPENDED, State.STALE)
    assert items.state in (State.SUSPENDED, State.STALE)
    before = items.age
    assert before >= 0.0
    assert items["a"] == 1  # serves
    assert dict(items) == {"a": 1, "b": 2}
    assert items.snapshot().state is items.state
    impatient = ZooKeeperDict[Any](client, "/dict", wait=None, write_timeout=0.05)
    for write in (
        lambda: impatient.__setitem__("a", 2),
        lambda: impatient.__delitem__("a"),
        lambda: impatient.add("c", 2),
        lambda: impatient.update(a=2),
        lambda: impatient.atomically(lambda txn: None),
    ):
        with pytest.raises((Timeout, StaleRead)):
            write()
    with pytest.raises(Timeout):
        items.sync(timeout=0.05)
    with pytest.raises(Timeout):
        items.wait_for(lambda now: "c" in now, timeout=0.05)
    with pytest.raises(StaleRead) as caught:
        _ = impatient["a"]  # was never loaded
    assert caught.value.state is State.LOADING
    impatient.close()
    # Virtual time passes where somebody waits, as those that timed out have.
    assert items.age > before
    with pytest.raises(StaleRead) as caught:
        _ = strict["a"]
    assert caught.value.state in (State.SUSPENDED, State.STALE)
    assert caught.value.age > before
    for read in (len, list, lambda d: "a" in d, lambda d: d.entry("a"), lambda d: d.get("x")):
        with pytest.raises(StaleRead):
            read(strict)  # type: ignore[operator]

    blocked: list[Any] = []
    reader = threading.Thread(target=lambda: blocked.append(patient["a"]))
    reader.start()
    server.start()
    states.wait(State.LIVE)
    far_states.wait(State.LIVE)
    reader.join(60)
    assert blocked == [1]
    assert items.age == 0.0
    assert strict.wait_for(lambda now: now.state is State.LIVE and now["a"], timeout=60) == 1
    items["a"] = 3
    far.sync()
    assert dict(far) == dict(items) == {"a": 3, "b": 2}
    for each in (items, far, strict, patient):
        each.close()


@pytest.fixture
def quick_clients(zk_client_factory: Any) -> Callable[[str], KazooClient]:
    """Makes clients of this server that try again at once, with sessions of ten seconds."""
    retry = {"max_tries": -1, "delay": 0.01, "backoff": 1, "max_delay": 0.05}

    def make(hosts: str, **arguments: Any) -> KazooClient:
        client: KazooClient = zk_client_factory(
            **{"hosts": hosts, "timeout": 10.0, "connection_retry": dict(retry), **arguments}
        )
        return client

    return make


def expire(client: KazooClient, clients: Callable[..., KazooClient], hosts: str) -> None:
    """End a client's session, as if it had expired: another one takes it over and closes it."""
    lost = threading.Event()
    client.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
    session = client.client_id
    # The client may take its session back before it is closed: then once more.
    while not lost.wait(0.5):
        with contextlib.suppress(ConnectionLoss):
            clients(hosts, client_id=session).stop()


def test_a_session_that_expired(
    zk_hosts: str, quick_clients: Callable[..., KazooClient], open_dict: Open
) -> None:
    client = quick_clients(zk_hosts)
    items, other = open_dict(client), open_dict()
    items["a"] = 1
    states = States(items)
    lost: list[State] = []
    items.on_state(lambda _, new: lost.append(new))
    expire(client, quick_clients, zk_hosts)
    states.wait(State.STALE)
    assert items["a"] == 1
    other["a"] = 2
    other["b"] = 3
    items.wait_for(lambda now: dict(now) == {"a": 2, "b": 3}, timeout=60)
    assert items.state is State.LIVE
    items["c"] = 4
    other.sync()
    assert dict(other) == {"a": 2, "b": 3, "c": 4}


def test_a_lease_comes_back_after_expiry(
    zk_hosts: str, quick_clients: Callable[..., KazooClient], open_dict: Open
) -> None:
    client = quick_clients(zk_hosts)
    items, other = open_dict(client), open_dict()
    watched = other.changes(timeout=60)
    lease = items.lease("leader", "me")
    assert lease.held
    assert [change.kind for change in next(watched)] == ["added"]
    assert other.entry("leader").ephemeral_owner == client.client_id[0]
    with pytest.raises(Exception, match="leader"):
        other.lease("leader", "you")
    lease.set("still me")
    assert next(watched)[0].new.value == "still me"
    expire(client, quick_clients, zk_hosts)
    kinds = []
    while kinds[-1:] not in (["added"], ["changed"]):
        (change,) = next(watched)
        kinds.append(change.kind)
    # Who looks late finds the new one at once.
    assert kinds in (["removed", "added"], ["changed"])
    assert change.new.value == "still me"
    items.wait_for(lambda now: lease.held, timeout=60)
    lease.release()
    assert next(watched)[0].kind == "removed"
    assert not lease.held
    lease.release()
    watched.close()


def test_changes_missed_in_an_outage_are_told(
    zk_client: KazooClient, proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    items, other = open_dict(client_behind(proxy)), open_dict(zk_client)
    other.update({"gone": 1, "kept": 1, "changed": 1, "made again": 1})
    items.sync()
    assert len(items) == 4
    states = States(items)
    proxy.cut()
    states.wait(State.SUSPENDED, State.STALE)
    batches = items.changes(timeout=60)
    del other["gone"]
    other["changed"] = 2
    del other["made again"]
    other["made again"] = 1
    other["new"] = 1
    proxy.heal()
    kinds = {change.key: change.kind for change in next(batches)}
    assert kinds == {
        "": "resynced",
        "gone": "removed",
        "changed": "changed",
        "made again": "changed",
        "new": "added",
    }
    assert list(items) == list(other) == ["changed", "kept", "made again", "new"]
    batches.close()


def test_max_age(
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_behind(proxy)
    items = open_dict(client, max_age=60.0)
    items["a"] = 1
    states = States(items)
    proxy.cut()
    states.wait(State.SUSPENDED, State.STALE)
    assert items["a"] == 1
    now = zk_clock.monotonic
    monkeypatch.setattr(zk_clock, "monotonic", lambda: now() + 61)
    with pytest.raises(StaleRead, match="the dict is"):
        _ = items["a"]
    assert items.age > 60
    proxy.heal()
    states.wait(State.LIVE)
    assert items["a"] == 1


def test_lost_answers_are_not_guessed(
    zk_client: KazooClient, proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    """Connections drop all the time; every write either tells the truth or says it cannot."""
    items, truth = open_dict(client_behind(proxy)), open_dict(zk_client)
    stop = threading.Event()

    def drop() -> None:
        while not stop.wait(0.05):
            proxy.drop()

    dropper = threading.Thread(target=drop)
    dropper.start()
    uncertain = 0
    try:
        for number in range(20):
            items["plain"] = number  # sent again until it is known to be stored
            assert items["plain"] == number
            key = f"k{number}"
            try:
                items.add(key, number)
                there = True
            except WriteUncertain as error:
                uncertain += 1
                there = error.resolve(timeout=60, unique=True)
            truth.sync()
            assert (key in truth) is there
    finally:
        stop.set()
        dropper.join(30)
    truth.sync()
    assert truth["plain"] == 19


def test_waiters_are_told_that_the_dict_was_closed(open_dict: Open) -> None:
    items = open_dict()
    outcomes: list[type[BaseException]] = []

    def wait() -> None:
        try:
            items.wait_for(lambda now: "x" in now, timeout=60)
        except BaseException as error:
            outcomes.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    items.close()
    thread.join(30)
    assert outcomes == [Closed]
