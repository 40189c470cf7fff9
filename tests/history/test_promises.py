"""What a program promises of itself: claims, records and registers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import KazooException

from zkfake._history.checking import check
from zkfake.history import (
    History,
    PromiseBroken,
    Verdict,
    adds_up,
    at_least_once,
    at_most,
    exactly_once,
    in_order,
    register,
)
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from kazoo.client import KazooClient


def recorded(*records: tuple[Any, ...]) -> History:
    history = History()
    for record in records:
        history.record(*record)
    return history


def is_kept(verdict: Verdict) -> bool:
    for finding in verdict.broken:
        assert finding.error is PromiseBroken
        assert 1 <= len(finding.evidence) <= 6
    return bool(verdict)


# -- claims


def hold(sim: Simulation, name: str, at: float, until: float, znode: str | None) -> None:
    sim.sleep(at)
    with sim.history.claim("it", znode=znode):
        sim.sleep(until - at)


def claims(*spans: tuple[float, float]) -> History:
    """Claims without a znode, each from a time to a time."""
    with Simulation() as sim:
        tasks = [
            sim.spawn(hold, sim, "it", at, until, None, name=f"t{number}")
            for number, (at, until) in enumerate(spans)
        ]
        for task in tasks:
            task.result()
    return sim.history


def test_two_at_once_are_found_without_being_asked_for() -> None:
    verdict = claims((0, 2), (1, 3)).check()
    assert not is_kept(verdict)
    assert "2 hold 'it' at once: t0, t1" in str(verdict)
    with pytest.raises(PromiseBroken, match="at most 1 it"):
        verdict.raise_if_broken()


def test_every_claim_is_checked() -> None:
    (checked,) = claims((0, 1), (1.5, 3), (4, 5)).check(at_most(1, "it")).checked[-1:]
    assert checked.times == 3


def test_one_behind_the_other_is_fine() -> None:
    assert is_kept(claims((0, 1), (1.5, 3), (4, 5)).check(at_most(1, "it")))


SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10)), max_size=6)


@given(spans=SPANS, limit=st.integers(1, 3))
def test_more_than_the_limit_are_found(spans: list[tuple[int, int]], limit: int) -> None:
    """Beside a count at every moment."""
    history, open_ = History(), {}
    most = 0
    for moment in range(32):
        for number, (start, length) in enumerate(spans):
            if moment == start + length:
                open_.pop(number).__exit__(None, None, None)
        for number, (start, _length) in enumerate(spans):
            if moment == start:
                open_[number] = history.claim("it")
                open_[number].__enter__()
        most = max(most, len(open_))
    assert is_kept(history.check(at_most(limit, "it"))) == (most <= limit)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        at_most(0, "it")


def late_loser(good: bool) -> Verdict:
    """A client that stands still for longer than its session lives, while another one gets what it
    had, and believes that it still has it.
    """

    def lead(sim: Simulation, client: KazooClient, seconds: float) -> None:
        path = client.create("/lock/", b"", ephemeral=True, sequence=True)
        sim.run_until(lambda: client.get_children("/lock") == [path.rpartition("/")[2]])
        with sim.history.claim("it", znode=path):
            sim.sleep(seconds)

    with Simulation() as sim:
        first, second = sim.client("first", timeout=4.0), sim.client("second", timeout=4.0)
        first.ensure_path("/lock")
        tasks = [sim.spawn(lead, sim, first, 60, process=first)]
        sim.sleep(1)
        sim.faults.pause(first, duration=30)
        tasks.append(sim.spawn(lead, sim, second, 1))
        for task in tasks:
            task.result()
    return sim.history.check(at_most(1, "it", good=good))


def test_a_claim_that_was_lost_is_no_second_holder_but_worth_a_remark() -> None:
    verdict = late_loser(good=True)
    assert is_kept(verdict)
    (remark,) = verdict.remarks
    assert "(lost: it stood still)" in str(remark)
    assert "closeSession" in str(remark)
    assert not is_kept(late_loser(good=False))


def is_paused(sim: Simulation, client: KazooClient) -> None:
    sim.faults.pause(client, duration=30)


def is_cut_off(sim: Simulation, client: KazooClient) -> None:
    sim.faults.partition(client, duration=30)


def is_expired(sim: Simulation, client: KazooClient) -> None:
    sim.faults.slow(client, (5.0, 5.0), duration=30)
    sim.faults.expire(client)


def is_robbed(sim: Simulation, client: KazooClient) -> None:
    sim.client("thief").delete("/leader")


LOSSES = {
    "it stood still": is_paused,
    "it was told SUSPENDED or LOST, and went on": is_cut_off,
    "it had not heard of it yet": is_expired,
    "its znode is gone, and its session is not over": is_robbed,
}


@pytest.mark.parametrize("how", LOSSES)
def test_a_remark_says_how_a_claim_was_lost(how: str) -> None:
    """Two clients make a znode of one path, one after the other. Who says whose it is, is not taken
    for the other one.
    """

    def lead(client: KazooClient, seconds: float) -> None:
        name = client.handler.client_name
        sim.run_until(lambda: not client.exists("/leader"))
        client.create("/leader", b"", ephemeral=True)
        with sim.history.claim("it", znode="/leader", client=name):
            sim.sleep(seconds)

    with Simulation() as sim:
        first, second = sim.client("first", timeout=4.0), sim.client("second", timeout=4.0)
        tasks = [sim.spawn(lead, first, 60, process=first)]
        sim.sleep(1)
        LOSSES[how](sim, first)
        tasks.append(sim.spawn(lead, second, 1))
        for task in tasks:
            task.result()
    verdict = sim.history.check()
    assert is_kept(verdict)
    (remark,) = verdict.remarks
    assert f"(lost: {how})" in str(remark)


def claim_of_the_last_session(client: str | None) -> Verdict:
    """A claim that begins in the next session, when somebody else has made the znode anew."""
    with Simulation() as sim:
        first, second = sim.client("first", timeout=4.0), sim.client("second")
        first.create("/leader", b"", ephemeral=True)
        sim.faults.expire(first)
        sim.settle()
        second.create("/leader", b"", ephemeral=True)
        with (
            sim.history.claim("it", znode="/leader", client="second"),
            sim.history.claim("it", znode="/leader", client=client),
        ):
            pass
    return sim.history.check()


def test_who_claims_is_what_makes_a_claim_good() -> None:
    verdict = claim_of_the_last_session("first")
    assert is_kept(verdict)
    assert "(lost: it claimed in its next session)" in str(verdict.remarks[0])
    assert not is_kept(claim_of_the_last_session(None))


def test_a_znode_that_was_made_anew_makes_no_claim_good_again() -> None:
    with Simulation() as sim:
        client = sim.client()
        client.create("/x")
        with sim.history.claim("it", znode="/x"):
            client.delete("/x")
            client.create("/x")
            with sim.history.claim("it", znode="/x"):
                pass
    assert is_kept(sim.history.check())
    assert len(sim.history.check().remarks) == 1


def test_without_a_log_nobody_knows_who_is_right() -> None:
    history = History()
    with history.claim("it", znode="/x"), history.claim("it", znode="/y"):
        pass
    verdict = history.check()
    assert verdict
    assert "claims exclude each other" in verdict.undecided


# -- records


@given(
    asked=st.sets(st.integers(0, 4)),
    maybe=st.sets(st.integers(0, 4)),
    done=st.lists(st.integers(0, 4)),
)
def test_once_and_at_least_once(asked: set[int], maybe: set[int], done: list[int]) -> None:
    history = recorded(
        *(("asked", key) for key in asked),
        *(("done", key) for key in done),
        *(("maybe", key) for key in maybe),
    )
    delivered = asked <= set(done) <= asked | maybe
    once = len(done) == len(set(done))
    assert is_kept(history.check(exactly_once("done"))) == once
    assert is_kept(history.check(exactly_once("done", of="asked", maybe="maybe"))) == (
        delivered and once
    )
    assert is_kept(history.check(at_least_once("done", of="asked", maybe="maybe"))) == delivered


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3))))
def test_in_order(seen: list[tuple[str, int]]) -> None:
    history = recorded(*(("seen", key, value) for key, value in seen))
    streams = [[value for key, value in seen if key == each] for each in "ab"]
    assert is_kept(history.check(in_order("seen"))) == all(s == sorted(s) for s in streams)


def test_values_without_an_order_are_not_in_order() -> None:
    assert not is_kept(recorded(("seen", 1, "a"), ("seen", 1, 2)).check(in_order("seen")))


@given(st.lists(st.integers(-3, 3)), st.lists(st.integers(-3, 3), max_size=3), st.integers(-9, 9))
def test_adds_up(sure: list[int], maybe: list[int], total: int) -> None:
    history = recorded(
        *(("add", "k", value) for value in sure),
        *(("try", "k", value) for value in maybe),
        ("total", "k", total),
    )
    low = sum(sure) + sum(value for value in maybe if value < 0)
    high = sum(sure) + sum(value for value in maybe if value > 0)
    found = is_kept(history.check(adds_up("total", of="add", maybe="try")))
    assert found == (low <= total <= high)


def test_what_is_no_number_does_not_add_up() -> None:
    history = recorded(("add", "k", "one"), ("total", "k", 1))
    assert not is_kept(history.check(adds_up("total", of="add")))


# -- registers


def sync_and_read(seed: int, *, depose: bool) -> Verdict:
    """A client syncs, and reads what another one has written; its server's leader may be replaced
    without knowing it.
    """
    with Simulation(seed=seed, servers=3) as sim:
        old = sim.leader
        assert old is not None
        reader = sim.client("reader", hosts=f"zk{old}:2181", timeout=60.0)
        other = old % 3 + 1
        writer = sim.client("writer", hosts=f"zk{other}:2181", timeout=60.0)
        writer.create("/x", b"0")
        reader.sync("/x")
        if depose:
            outage = sim.faults.pause_server(old)
            sim.run_until(lambda: sim.leader not in (None, old))
            sim.run_until(lambda: writer.connected)
            writer.retry(writer.set, "/x", b"1")
            found = [reader.sync_async("/x"), reader.get_async("/x")]
            outage.heal()
            for each in found:
                with contextlib.suppress(KazooException):
                    each.get(timeout=30)
        else:
            writer.set("/x", b"1")
            reader.sync("/x")
            reader.get("/x")
    return sim.history.check(register("/x"))


def test_a_register_is_read_behind_a_sync() -> None:
    verdict = sync_and_read(1, depose=False)
    assert is_kept(verdict)
    assert any(each.judge == "register /x" and each.times for each in verdict.checked)


def test_a_deposed_leader_answers_a_sync_and_the_register_is_old() -> None:
    """ZooKeeper allows it: only the program's own promise is broken."""
    verdict = sync_and_read(1, depose=True)
    assert {finding.judge for finding in verdict.broken} == {"register /x"}


# -- claims, by what clients saw


def two_claims(*, lost: bool, client: str | None = None) -> tuple[Verdict, Verdict]:
    """Two clients claim one thing at a time, each with a znode of its own; ``lost``: the first one
    is gone by then. What the log says, and what the clients saw.
    """
    with Simulation(seed=1) as sim:
        one, two = sim.client("one"), sim.client("two")
        one.create("/one", b"", ephemeral=True)
        with sim.history.claim("leader", znode="/one", client=client):
            if lost:
                two.delete("/one")
            two.create("/two", b"", ephemeral=True)
            with sim.history.claim("leader", znode="/two"):
                two.create("/work", b"")
                two.exists("/one")
                one.exists("/two")
        if lost:
            one.create("/one", b"", ephemeral=True)  # another one of the same name
            one.exists("/one")
    events = list(sim.history)
    return sim.history.check(), check(events, has_log=False)


def test_two_good_claims_at_once_are_seen_without_the_log() -> None:
    for verdict in two_claims(lost=False):
        assert {each.judge for each in verdict.broken} == {"at most 1 leader"}
        assert len(verdict.broken[0].evidence) <= 6
        assert "claims exclude each other" not in verdict.undecided


def test_a_claim_that_may_be_lost_is_not_decided_without_the_log() -> None:
    by_log, by_clients = two_claims(lost=True)
    assert not by_log.broken
    assert not by_clients.broken
    assert by_clients.undecided["claims exclude each other"]


def test_a_claim_of_another_clients_znode_is_not_good_without_the_log() -> None:
    for verdict in two_claims(lost=False, client="two"):
        assert not verdict.broken
