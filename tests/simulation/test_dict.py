"""`ZooKeeperDict` lives in a simulation as it is."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import KazooException
from kazoo.protocol.states import Callback

from zkdict import LeaseState, StaleRead, State, WriteUncertain, ZooKeeperDict
from zkdict.errors import EncodeError, ZkDictError
from zkfake.history import Sent
from zkfake.simulation import Simulation

from . import enemies

if TYPE_CHECKING:
    from zkdict._writes.txn import Txn


def test_what_was_cleared_is_not_shown_after_it() -> None:
    """Another client deletes the key just before: the copy has read that, and not published it."""
    for servers in (1, 3):
        with Simulation(servers=servers) as sim:
            one: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app")
            two: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app")
            one["b"] = 0
            two.sync()
            one.replace_all({"a": 0})
            assert two.copy() == {"b": 0}
            two.clear()
            assert "b" not in two


def test_two_dicts_on_one_path() -> None:
    with Simulation() as sim:
        one: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app")
        two: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app")
        one["a"] = 1
        one.update(b=2, c=3)
        two.sync()
        assert dict(two) == {"a": 1, "b": 2, "c": 3}
        assert two.pop("a") == 1
        one.sync()
        assert dict(one) == {"b": 2, "c": 3}
        one.close()
        two.close()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_dicts_agree_once_a_hostile_world_has_settled(seed: int) -> None:
    with Simulation(seed=seed, servers=3, profile="hostile") as sim:
        clients = [sim.client() for _ in range(2)]
        sim.faults.stop_chance()
        dicts = [ZooKeeperDict[int](client, "/app", wait=600) for client in clients]
        sim.faults.resume_chance()

        def work(mapping: ZooKeeperDict[int], name: str) -> None:
            for number in range(6):
                try:
                    mapping[f"{name}{number % 3}"] = number
                    mapping.pop(f"{name}{(number + 1) % 3}", None)
                except (ZkDictError, KazooException):  # noqa: PERF203
                    sim.sleep(1)

        tasks = [sim.spawn(work, mapping, name) for mapping, name in zip(dicts, "ab", strict=True)]
        for task in tasks:
            task.result()
        sim.settle()
        for mapping in dicts:
            mapping.sync(timeout=600)
        assert dict(dicts[0]) == dict(dicts[1])
        for mapping in dicts:
            mapping.close()


def test_a_connection_that_comes_and_goes_makes_the_copy_no_younger() -> None:
    """`age` counts from the last moment at which the copy was the server's, not the last answer."""
    with Simulation() as sim:
        client = sim.client()
        items: ZooKeeperDict[int] = ZooKeeperDict(client, "/app", max_age=20.0)
        items["a"] = 1
        assert items.age == 0
        # Each new connection breaks at the first thing that is asked, which would confirm the copy.
        rule = sim.faults.drop_before_request(client, operation="sync", times=1000)
        sim.faults.drop(client)
        lost = sim.now
        ages = [0.0]
        while sim.now < lost + 30:
            sim.sleep(1)
            ages.append(items.age)
        assert rule.hits
        assert ages == sorted(ages)
        assert ages[-1] > 29
        with pytest.raises(StaleRead) as caught:
            _ = items["a"]
        assert caught.value.age > 29
        sim.settle()
        assert items.age == 0
        assert items["a"] == 1
        items.close()


def counting(seed: int, servers: int) -> None:
    """Increments by several clients: none is lost that was said to be made, and none made twice."""
    with Simulation(seed=seed, servers=servers, profile="hostile", drop_before_request=0.1) as sim:
        sim.faults.stop_chance()
        dicts = [ZooKeeperDict[int](sim.client(), "/app", wait=600) for _ in range(2 + seed % 3)]
        sim.faults.resume_chance()
        count_to(sim, dicts)
        for items in dicts:
            items.close()


def count_to(sim: Simulation, dicts: list[ZooKeeperDict[int]]) -> None:
    made = {True: 0, None: 0, False: 0}

    def count(items: ZooKeeperDict[int]) -> None:
        for _ in range(6):
            outcome: bool | None = True
            try:
                items.modify("count", lambda count: count + 1, default=0)
            except WriteUncertain as error:
                try:
                    outcome = error.resolve()
                except WriteUncertain:
                    outcome = None
            except (ZkDictError, KazooException):
                outcome = False
            made[outcome] += 1

    for task in [sim.spawn(count, items) for items in dicts]:
        task.result()
    sim.settle()
    value = dicts[0].fetch("count", sync=True).value
    assert made[True] <= value <= made[True] + made[None]


@pytest.mark.parametrize("servers", [1, 3])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_increment_counts(servers: int, seed: int) -> None:
    counting(seed, servers)


@settings(max_examples=5, deadline=None)
@given(st.booleans(), st.integers(0, 2**32))
def test_many_writers_of_one_key_all_have_their_turn(transactions: bool, seed: int) -> None:
    """Whoever was overtaken waits a little, by chance, and longer each time."""
    with Simulation(seed=seed, latency=(0.0005, 0.003), reorder=0.5) as sim:
        dicts = [ZooKeeperDict[int](sim.client(), "/app") for _ in range(8)]
        dicts[0]["count"] = 0

        def count(items: ZooKeeperDict[int]) -> None:
            for _ in range(20):
                if transactions:
                    items.atomically(lambda txn: txn.update(count=txn["count"] + 1))
                else:
                    items.modify("count", lambda count: count + 1)

        for items in dicts:
            items.sync()
        for task in [sim.spawn(count, items) for items in dicts]:
            task.result()
        assert dicts[0].fetch("count", sync=True).value == 160
        for items in dicts:
            items.close()


def test_the_answer_came_after_all() -> None:
    """Later than the write could wait: then it says what became of it, even of a `pop`."""

    def checked(txn: Txn[int]) -> None:
        txn.check("a", 7)
        txn["c"] = 4

    with Simulation(latency=(1.0, 1.0)) as sim:
        items: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app", write_timeout=60.0)
        items["a"] = 1
        items["b"] = 1
        slow: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app", write_timeout=0.5)
        entry = slow.entry("a")
        for write, applied in (
            (lambda: slow.cas(entry, 2), True),
            (lambda: slow.put("a", 2, version=0), False),
            (lambda: slow.modify("a", lambda _: 2), True),
            (lambda: slow.add("a", 3), False),
            (lambda: slow.add("c", 3), True),
            (lambda: slow.pop("b"), True),
            (lambda: slow.atomically(checked, attempts=1), False),
        ):
            with pytest.raises(WriteUncertain) as caught:
                write()
            assert caught.value.resolve() is applied
            slow.sync()
        slow.close()
        items.close()


def test_a_lease_is_made_as_soon_as_its_root_is_there_again() -> None:
    with Simulation(profile="realistic") as sim:
        sim.faults.stop_chance()
        other = sim.client("other")
        other.create("/app")
        items: ZooKeeperDict[int] = ZooKeeperDict(sim.client("client"), "/app", create=False)
        lease = items.lease("a", 1)
        for _ in range(5):
            other.delete("/app", recursive=True)
            sim.sleep(60)  # by now the pauses between two attempts are long
            other.create("/app")
            sim.run_until(lambda: lease.held, 1)
        items.close()


def test_a_lease_pauses_between_attempts_that_fail() -> None:
    attempts: list[float] = []
    fails = False

    class Moody:
        def encode(self, value: str) -> bytes:
            if fails and len(attempts) < 2000:  # without a pause it would never end
                attempts.append(sim.now)
                raise EncodeError("not now")
            return value.encode()

        def decode(self, data: bytes) -> str:
            return data.decode()

    with Simulation() as sim:
        items: ZooKeeperDict[str] = ZooKeeperDict(sim.client(), "/app", encoding=Moody())
        lease = items.lease("a", "value")
        fails = True
        sim.client().delete("/app/a")
        sim.sleep(3600)  # with pauses of up to 10 s
        assert 360 <= len(attempts) <= 1000
        fails = False
        sim.run_until(lambda: lease.held, 11)
        items.close()


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 0.02), st.integers(0, 2**32))
def test_a_lease_that_is_released_while_it_is_made_again_is_gone(after: float, seed: int) -> None:
    with Simulation(seed=seed, latency=(0.001, 0.004), reorder=1.0) as sim:
        client = sim.client()
        items: ZooKeeperDict[int] = ZooKeeperDict(client, "/app")
        lease = items.lease("a", 1)
        sim.faults.expire(client)
        sim.run_until(lambda: items.state is State.STALE)
        sim.run_until(lambda: items.state is State.LIVE)
        sim.sleep(after)
        lease.release()
        sim.settle()
        assert not lease.held
        assert sim.at(sim.replicas[0].zxid).get("/app/a") is None
        items.close()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_lease_comes_back_whatever_happened(seed: int) -> None:
    leases(seed, servers=1)


def leases(seed: int, servers: int) -> None:
    """Deleted twice at once, taken by others, forbidden, with the root and without."""
    dice = random.Random(seed)
    create, profile = dice.random() < 0.5, dice.choice(["hostile", "realistic"])
    with Simulation(seed=seed, servers=servers, profile=profile) as sim:
        sim.faults.stop_chance()
        sim.client().ensure_path("/app")
        items: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app", create=create, wait=600)
        lease = items.lease("mine", 1)
        clients = [sim.client(f"enemy {number}") for number in range(5)]
        sim.faults.resume_chance()
        both, root, path = dice.random(), "/app", "/app/mine"
        tasks = [
            sim.spawn(enemies.thief, sim, clients[0], path, random.Random(both)),
            sim.spawn(enemies.thief, sim, clients[1], path, random.Random(both)),
            sim.spawn(enemies.squatter, sim, clients[2], path, dice),
            sim.spawn(enemies.warden, sim, clients[3], root, dice),
            sim.spawn(enemies.vandal, sim, clients[4], root),
        ]
        for task in tasks:
            task.result()
        sim.settle()
        # What an enemy has given up may have come to the servers after it had looked for it.
        enemies.insist(sim, lambda: clients[4].ensure_path(root))
        enemies.insist(sim, lambda: enemies.open_up(clients[3], [root]))
        enemies.insist(sim, lambda: enemies.leave(clients[2], path))
        sim.run_until(lambda: lease.held)
        lease.release()
        sim.settle()
        assert sim.at(sim.replicas[0].zxid).get(path) is None
        items.close()


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 5), st.integers(0, 2**32))
def test_a_lease_that_is_released_without_an_answer_is_gone(after: float, seed: int) -> None:
    """The key was being made again, and the answer to that was lost."""
    with Simulation(seed=seed) as sim:
        client, other = sim.client(), sim.client()
        items: ZooKeeperDict[int] = ZooKeeperDict(client, "/app", write_timeout=1.0)
        lease = items.lease("a", 1)
        lost = sim.faults.drop_before_reply(client, operation="create2", times=2)
        other.delete("/app/a")
        sim.run_until(lambda: lost.hits)
        sim.sleep(after)
        with contextlib.suppress(ZkDictError):
            lease.release()
        sim.settle()
        sim.sleep(30)
        assert sim.at(sim.replicas[0].zxid).get("/app/a") is None
        items.close()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_lease_that_is_released_is_gone_whatever_happened(seed: int) -> None:
    """Also where `release()` raised, in an outage or without an answer."""
    released(seed, servers=1)


def released(seed: int, servers: int) -> bool:
    """A lease is released while all that can happen does; whether `release()` raised."""
    dice = random.Random(seed)
    with Simulation(seed=seed, servers=servers, profile="hostile") as sim:
        sim.faults.stop_chance()
        client = sim.client()
        items: ZooKeeperDict[int] = ZooKeeperDict(client, "/app", write_timeout=600, wait=600)
        lease, raised = items.lease("mine", 1), False
        items._writer.write_timeout = dice.choice([0.2, 1.0, 30.0])
        enemy = sim.client("squatter")
        sim.faults.resume_chance()
        if dice.random() < 0.3:
            tasks = [sim.spawn(enemies.squatter, sim, enemy, "/app/mine", dice)]
        else:
            tasks = []  # who would remove the key, too
        sim.sleep(dice.choice([0, 1, 5, 20]))
        if dice.random() < 0.7:
            with contextlib.suppress(KazooException):
                (sim.faults.drop if dice.random() < 0.5 else sim.faults.expire)(client)
            sim.run_until(lambda: items.state is not State.LIVE)
        try:
            lease.release()
        except (ZkDictError, KazooException):
            raised = True
        assert raised or lease.state is LeaseState.RELEASED
        for task in tasks:
            task.result()
        sim.faults.stop_chance()
        sim.run_until(lambda: lease.state is LeaseState.RELEASED)
        sim.settle()
        # What it gave up may have come after it had looked.
        enemies.insist(sim, lambda: enemies.leave(enemy, "/app/mine"))
        assert sim.at(sim.replicas[0].zxid).get("/app/mine") is None
        assert lease.error is None
        items.close()
    return raised


def test_a_lease_comes_back_in_every_session() -> None:
    with Simulation() as sim:
        client = sim.client()
        items: ZooKeeperDict[int] = ZooKeeperDict(client, "/app")
        lease = items.lease("a", 1)
        for _ in range(5):
            session = client.client_id
            sim.faults.expire(client)
            sim.run_until(lambda: not lease.held)
            sim.run_until(lambda: lease.held)
            assert client.client_id != session
            assert items.entry("a").ephemeral_owner == client.client_id[0]
        lease.release()
        items.close()


@pytest.mark.parametrize("seed", range(5))
def test_what_a_write_did_is_read_in_one_round_trip(seed: int) -> None:
    """Behind a slow watch callback the copy cannot show it: it is read, after one barrier."""
    with Simulation(seed=seed, profile="realistic") as sim:
        sim.faults.stop_chance()
        client = sim.client("client")
        items: ZooKeeperDict[int] = ZooKeeperDict(client, "/app", max_staleness=0.05)
        done = client.handler.event_object()
        client.handler.dispatch_callback(Callback("watch", done.wait, ()))
        sim.sleep(1)
        before = len(sim.history.of(Sent))
        items.update(dict.fromkeys("abcdef", 1))
        assert dict(items) == dict.fromkeys("abcdef", 1)
        sent = Counter(each.operation for each in sim.history.of(Sent)[before:])
        assert sent["multi"] == 2
        done.set()
        items.sync()
        items.close()
