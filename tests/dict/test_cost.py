"""What the dict costs, in bytes on the wire and in calls of Python functions: no machine makes
those more. `test_requests` has the requests, and `make bench` the times.

All of it runs in virtual time, where a run is the same each time. The figures are the most that is
allowed. Lower them where something has become cheaper.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import pages
from benchmarks.capacity.scenarios import TIMEOUT, simulate
from benchmarks.capacity.served import Costs
from benchmarks.traffic import Traffic
from zkdict import BYTES, State, ZooKeeperDict
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

KEYS = 100
VALUE = bytes(100)

pytestmark = [
    pytest.mark.in_real_time("it has a simulation of its own"),
    pytest.mark.usefixtures("watches_each_znode"),
]


class World:
    """A dict of a hundred keys in a simulation, and another client."""

    def __init__(self, sim: Simulation, traffic: Traffic) -> None:
        self.sim, self.traffic = sim, traffic
        sim.load({f"/dict/k{number:03}": VALUE for number in range(KEYS)})
        self.client, self.other = sim.client(), sim.client()
        traffic.only = {self.client}
        traffic.reset()
        self.items: ZooKeeperDict[bytes] = ZooKeeperDict(self.client, "/dict", encoding=BYTES)
        sim.settle()

    def sees(self, key: str, value: bytes | None) -> None:
        """Wait until the dict has this value, and all that follows has been answered."""
        self.sim.run_until(lambda: self.items.get(key) == value)
        self.sim.settle()

    def remote_set(self) -> None:
        self.other.set("/dict/k007", b"new")
        self.sees("k007", b"new")

    def remote_create(self) -> None:
        self.other.create("/dict/new", VALUE)
        self.sees("new", VALUE)

    def remote_delete(self) -> None:
        self.other.delete("/dict/k007")
        self.sees("k007", None)

    def own_set(self) -> None:
        self.items["k003"] = VALUE
        self.sim.settle()

    def own_create(self) -> None:
        self.items["mine"] = VALUE
        self.sim.settle()

    def own_delete(self) -> None:
        del self.items["k003"]
        self.sim.settle()

    def update(self) -> None:
        self.items.update({"k003": b"", "k004": b"", "mine": b""})
        self.sim.settle()

    def sync(self) -> None:
        self.items.sync()
        self.sim.settle()

    def reconnect(self) -> None:
        loads = self.items.stats["reloads"]
        self.sim.faults.drop(self.client)
        self.sim.run_until(
            lambda: self.items.stats["reloads"] > loads and self.items.state is State.LIVE
        )
        self.sim.settle()


@pytest.fixture
def world() -> Iterator[World]:
    with Simulation(seed=0) as sim, Traffic(lambda: sim.now) as traffic:
        yield World(sim, traffic)


def test_bytes_of_a_load(world: World) -> None:
    assert_at_most(world.traffic, 2743, 20121)


BYTES_OF = {
    "remote_set": (27, 137),
    "remote_create": (48, 1128),
    "remote_delete": (22, 963),
    "own_set": (161, 218),
    "own_create": (210, 1231),
    "own_delete": (52, 983),
    "update": (244, 1495),
    "sync": (2765, 8926),
    "reconnect": (2792, 9762),
}
"""What is sent and what is received at most, without pings."""


@pytest.mark.parametrize("operation", BYTES_OF)
def test_bytes_of(world: World, operation: str) -> None:
    world.traffic.reset()
    getattr(world, operation)()
    assert_at_most(world.traffic, *BYTES_OF[operation])


def assert_at_most(traffic: Traffic, sent: int, received: int) -> None:
    told = traffic.figures()
    assert (told["sent"] <= sent, told["received"] <= received) == (True, True), told


# -- calls


def calls(do: Callable[[], object]) -> Counter[str]:
    """How many Python functions are called in the dict's package and beside it. In a simulation,
    the clients' tasks are counted as well: they all run in this thread.
    """
    found: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            found[frame.f_globals.get("__name__", "").partition(".")[0]] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        do()
    finally:
        sys.setprofile(before)
    return found


READS: dict[str, tuple[Callable[[Any], object], int]] = {
    "d[k]": (lambda items: items["k003"], 1),
    "get": (lambda items: items.get("k003"), 1),
    "in": (lambda items: "k003" in items, 1),
    "len": (len, 1),
    "iterate": (list, 11),
    "items": (lambda items: list(items.items()), 13),
    "values": (lambda items: list(items.values()), 13),
    "copy": (lambda items: items.copy(), 10),
}
"""Reads of a whole dict of a hundred keys, or of one, and how many calls they take at most."""


@pytest.mark.parametrize("read", READS)
def test_calls_of_a_read(world: World, read: str) -> None:
    do, most = READS[read]
    do(world.items)  # after a change the first one makes a snapshot
    assert calls(lambda: do(world.items))["zkdict"] <= most


CALLS_OF = {
    "remote_set": 100,
    "remote_create": 260,
    "own_set": 230,
    "own_create": 375,
    "sync": 665,
    "reconnect": 2150,
}
"""In the dict's package, from the call or the event until all is answered: a tenth more than now,
as those who measure read the dict as well.
"""


@pytest.mark.parametrize("operation", CALLS_OF)
def test_calls_of(world: World, operation: str) -> None:
    assert calls(getattr(world, operation))["zkdict"] <= CALLS_OF[operation]


# -- an ensemble


def test_a_leader_that_is_too_slow_for_all_clients_never_sees_them_back() -> None:
    """Nor does the study wait for ever: what it had counted until then is what it tells."""
    found = simulate(20, 5, Costs(0, 0, 0, TIMEOUT / 20 * 1e6), election=0.2)
    assert list(found) == ["change", "sessions"]
    assert found["change"]["seconds"] is not None
    assert found["sessions"]["seconds"] is None
    assert found["sessions"]["requests"]["Connect"] > 40


def test_messages_of_an_ensemble_with_many_dicts() -> None:
    """What `docs/capacity.md` counts: so much for each dict, however many there are."""
    dicts, keys = 20, 5
    found = simulate(dicts, keys, Costs(0, 0, 0, 0), election=0.2)
    for scenario, (requests, events, transactions, most) in {
        "change": (1, 1, 1 / dicts, 285),
        "sessions": (keys + 2, 0, 3, 991),
        "leader": (keys + 2, 0, 0, 926),
    }.items():
        one = found[scenario]
        sent = {name: count for name, count in one["requests"].items() if name != "Connect"}
        assert sum(sent.values()) <= requests * dicts, (scenario, sent)
        assert one["events"] <= events * dicts
        assert one["transactions"] <= transactions * dicts
        assert pages.size(one) <= most * dicts, scenario


def test_the_figures_of_when_not_to_use_it_are_those_of_the_advice() -> None:
    docs = Path(__file__).parents[2] / "docs"
    section = (docs / "zkdict.md").read_text("utf-8").partition("\n## When not to use it\n")[2]
    section = " ".join(section.partition("\n## ")[0].split())
    advice = (docs / "capacity.md").read_text("utf-8").partition("<!-- advice: begin -->")[2]
    rows = [line.strip("| ").split(" | ") for line in advice.splitlines() if line[:1] == "|"]
    head, _, *rows = rows[:6]
    (keys,) = (n for n, title in enumerate(head) if title == "1,000 keys")
    by = {cells[0]: cells for cells in rows}
    for dicts in ("1,000", "10,000"):
        assert f"with {dicts} dicts {by[dicts][1]}" in section
    assert f"with 100 dicts on one path an ensemble of three bears {by['100'][1]}" in section
    assert f"100 dicts of 1,000 keys are back after {by['100'][keys]}" in section
    assert f"1,000 dicts of 1,000 keys after {by['1,000'][keys]}." in section


# -- the gate closes


def test_a_value_that_is_read_twice_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = world.client.get_async

    def twice(*arguments: Any) -> Any:
        real(*arguments)
        return real(*arguments)

    monkeypatch.setattr(world.client, "get_async", twice)
    with pytest.raises(AssertionError, match="'GetData': 2"):
        test_bytes_of(world, "remote_set")


def test_a_read_by_another_read_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_two(items: ZooKeeperDict[bytes], key: str) -> bytes | None:
        return items.get(key) if key in items else None

    monkeypatch.setattr(ZooKeeperDict, "__getitem__", by_two)
    with pytest.raises(AssertionError):
        test_calls_of_a_read(world, "d[k]")
