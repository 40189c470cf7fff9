"""A leader that was deposed and does not know it: what its clients see, on the fake and on live.

ZooKeeper's sync asks no quorum, so such a leader answers it and shows what was true before. What
the dict calls `sync()`, and what `resolve()` and `fetch(sync=True)` go by, has to be committed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient

from pytest_zkdict.live import LiveZooKeeper
from zkdict import WriteUncertain, ZooKeeperDict
from zkdict._writes import fresh
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_zkdict.live import LiveMember

OLD, NEW = "old", "new"


# -- the fake, in virtual time


class Coup:
    """A dict whose server leads, and is then replaced while it stands still."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.client = sim.client(hosts=self._host(self._leader), timeout=60.0)
        self.items: ZooKeeperDict[Any] = ZooKeeperDict(self.client, "/dict", write_timeout=600)

    @property
    def _leader(self) -> int:
        return self.sim.leader or 0

    def _host(self, number: int) -> str:
        return self.sim.hosts.split(",")[number - 1]

    def happen(self, seconds: float) -> KazooClient:
        """The leader stands still for so long. A client of the new one."""
        before = self._leader
        self.sim.faults.pause_server(before, duration=seconds)
        self.sim.run_until(lambda: self._leader not in (0, before))
        return self.sim.client(hosts=self._host(self._leader))


@pytest.fixture
def coup() -> Iterator[Coup]:
    with Simulation(servers=3) as sim:
        coup = Coup(sim)
        coup.items["x"] = OLD
        yield coup
        coup.items.close()


def test_a_deposed_leader_answers_a_sync_with_what_was_true_before(coup: Coup) -> None:
    """What the fake shows, as the real one does; the dict cannot go by it."""
    coup.happen(30).set("/dict/x", b'"new"')
    coup.client.sync("/dict")
    assert coup.client.get("/dict/x")[0] == b'"old"'


def test_sync_sees_what_the_new_leader_committed(coup: Coup) -> None:
    coup.happen(30).set("/dict/x", b'"new"')
    assert coup.items["x"] == OLD
    coup.items.sync()
    assert coup.items["x"] == NEW


def test_a_fetch_that_syncs_sees_it(coup: Coup) -> None:
    coup.happen(30).set("/dict/x", b'"new"')
    assert coup.items.fetch("x").value == OLD
    assert coup.items.fetch("x", sync=True).value == NEW


def test_wait_until_waits_for_it(coup: Coup) -> None:
    stat = coup.happen(30).set("/dict/x", b'"new"')
    coup.items.wait_until(stat.mzxid)
    assert coup.items["x"] == NEW


def test_resolve_is_not_told_by_a_deposed_leader(coup: Coup) -> None:
    """The write went to the new leader by another way, and its answer was lost."""
    other = coup.happen(30)
    elsewhere = ZooKeeperDict[Any](other, "/dict")
    with coup.sim.faults.drop_before_reply(operation="setData"), pytest.raises(WriteUncertain) as e:
        elsewhere.cas(elsewhere.entry("x"), NEW)
    # The write's own dict would ask the new leader; this one asks the old one.
    uncertain = e.value
    sender = coup.items._writer
    found = fresh.sight(sender, ["x"], None)["x"]
    assert found.found is not None
    assert found.found.raw == b'"new"'
    assert uncertain.resolve(60, unique=True)  # nobody else writes that
    elsewhere.close()


# -- live servers


@pytest.fixture(scope="module")
def live(live_home: str | None) -> Iterator[LiveZooKeeper]:
    with LiveZooKeeper(live_home, servers=3) as ensemble:
        yield ensemble


def _leader(members: list[LiveMember]) -> LiveMember:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for member in members:
            if member.mode == "leader":
                return member
    raise AssertionError("nobody leads")


def test_sync_sees_what_the_new_leader_of_live_servers_committed(live: LiveZooKeeper) -> None:
    with contextlib.ExitStack() as exits:

        def start(member: LiveMember) -> KazooClient:
            client = KazooClient(member.hosts, timeout=40)
            exits.callback(client.close)
            exits.callback(client.stop)
            client.start()
            return client

        before = _leader([*live.members])
        items = exits.enter_context(ZooKeeperDict[Any](start(before), "/dict"))
        items["x"] = OLD
        before.pause()
        exits.callback(before.resume)
        after = _leader([member for member in live.members if member is not before])
        start(after).set("/dict/x", b'"new"')
        synced = threading.Thread(target=items.sync)
        synced.start()  # its request waits in the socket of the server that stands still
        assert items["x"] == OLD
        before.resume()
        synced.join(60)
        assert not synced.is_alive()
        assert items["x"] == NEW
