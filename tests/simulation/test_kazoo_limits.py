"""Limits and defects of kazoo's locks and counters, each in the smallest world that shows it.

None of them is a fault of the fake: every step is one that ZooKeeper's contract allows, and
`docs/recipes.md` says where in kazoo each comes from. They are here for users to know, and to
notice when a kazoo release changes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import LockTimeout, NoNodeError

from zkfake.simulation import Simulation, SimulationTimeout, sweep

if TYPE_CHECKING:
    from zkfake._channel.outages import Outage
    from zkfake._simulation.scheduling.tasks import Task

# -- Counter


def test_a_counter_counts_twice_when_a_reply_is_lost() -> None:
    """`Counter` retries a set whose reply was lost as a new increment: the old one was applied."""
    with Simulation() as sim:
        client = sim.client()
        counter = client.Counter("/counter")
        with sim.faults.drop_before_reply(client, operation="setData"):
            counter += 1
        assert counter.value == 2


def test_the_sweep_finds_the_counters_limit_and_no_other_in_it() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client()
        counter = client.Counter("/counter")
        counter += 1
        sim.settle()
        assert client.Counter("/counter").value == 1

    report = sweep(program, ["drop_before_request", "drop_before_reply", "drop_after_reply"])
    assert {failure.fault.name for failure in report.failures} == {"drop_before_reply"}
    assert {failure.text.split(": ")[1] for failure in report.failures} == {"setData /counter"}


# -- two holders of what has a lease


def lost_by_a_pause(sim: Simulation, holder: Any) -> Outage:
    """The process stands still for longer than its session."""
    return sim.faults.pause(holder)


def lost_by_a_partition(sim: Simulation, holder: Any) -> Outage:
    """The holder is told SUSPENDED, and goes on all the same."""
    return sim.faults.partition(holder)


def lost_by_expiry(sim: Simulation, holder: Any) -> Outage:
    """The session ends, and the news is under way for a while."""
    slow = sim.faults.slow(holder, (5.0, 5.0))
    sim.faults.expire(holder)
    return slow


LOSSES = [lost_by_a_pause, lost_by_a_partition, lost_by_expiry]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("recipe", ["Lock", "Election", "Semaphore", "LockingQueue"])
def test_a_lease_that_is_lost_has_two_holders_for_a_while(recipe: str, lose: Any) -> None:
    holders: list[str] = []

    def hold(sim: Simulation, client: Any) -> None:
        name = client.handler.client_name

        def work() -> None:
            holders.append(name)
            sim.sleep(60)
            holders.remove(name)

        if recipe == "Election":
            client.Election("/election", name).run(work)
        elif recipe == "LockingQueue":
            client.LockingQueue("/queue").get()
            work()
        else:
            getattr(client, recipe)("/lock", name).acquire()
            work()

    with Simulation() as sim:
        first, second = sim.client("first", timeout=10.0), sim.client("second")
        second.LockingQueue("/queue").put(b"item")
        tasks = [sim.spawn(hold, sim, first, process=first)]
        sim.run_until(lambda: holders == ["first"])
        tasks.append(sim.spawn(hold, sim, second, process=second))
        sim.sleep(1)
        with lose(sim, first):
            sim.run_until(lambda: holders == ["first", "second"], timeout=59)
        for task in tasks:
            task.result()


# -- Lock


def test_a_lock_may_wait_for_ever_for_a_node_of_its_own() -> None:
    """After a lost reply `Lock` looks for its node among the children. The server it has come to
    may not have that node yet; so it makes another one, and waits for the first, which is its own.
    """
    with Simulation(servers=3) as sim:
        client = sim.client(**_two_servers(sim))
        taking, slow = _make_two_nodes(sim, client, None)
        slow.heal()
        sim.sleep(600)
        assert not taking.done
        nodes = client.get_children("/lock")
        owners = {client.get(f"/lock/{node}")[1].ephemeralOwner for node in nodes}
        assert len(nodes) == 2
        assert owners == {client.client_id[0]}
        with pytest.raises(SimulationTimeout):
            sim.run_until(lambda: taking.done, timeout=3600)


def test_of_two_nodes_of_a_lock_one_stays_behind() -> None:
    """With a timeout it gives up, removes the node that it knows, and the other keeps all out."""
    with Simulation(servers=3) as sim:
        client = sim.client(**_two_servers(sim))
        taking, slow = _make_two_nodes(sim, client, 30.0)
        slow.heal()
        with pytest.raises(LockTimeout):
            taking.result()
        assert len(client.get_children("/lock")) == 1
        other = sim.client()
        with pytest.raises(LockTimeout):
            other.Lock("/lock", "other").acquire(timeout=600)
        client.stop()
        assert other.Lock("/lock", "other").acquire(timeout=600)


def _two_servers(sim: Simulation) -> dict[str, Any]:
    """Arguments for a client that starts at one follower, and then goes to the other."""
    one, other = (number for number in (1, 2, 3) if number != sim.leader)
    return {"hosts": f"zk{one}:2181,zk{other}:2181", "randomize_hosts": False}


def _make_two_nodes(sim: Simulation, client: Any, timeout: float | None) -> tuple[Task, Outage]:
    """A `Lock` that is being acquired when its server dies and the next one lags behind."""
    home, lagging = (number for number in (1, 2, 3) if number != sim.leader)
    client.ensure_path("/lock")
    sim.sleep(1)
    slow = sim.faults.lag(lagging, (3, 3))
    path = "/lock/*"
    sim.faults.drop_before_reply(client, operation="create", path=path)
    sim.faults.upon(
        lambda: sim.faults.stop_server(home),
        client,
        point="before_reply",
        operation="create",
        path=path,
    )
    taking = sim.spawn(client.Lock("/lock", "mine").acquire, timeout=timeout)
    sim.run_until(lambda: sim.replicas[lagging - 1].tree.child_count("/lock") == 2)
    return taking, slow


def test_a_lock_gives_up_its_cleanup_and_leaves_its_node_behind() -> None:
    """`Lock._best_effort_cleanup` tries once. Nobody gets the lock until that session is over."""
    with Simulation() as sim:
        first, second, third = (sim.client() for _ in range(3))
        held = first.Lock("/lock", "first")
        held.acquire()
        with (
            sim.faults.drop_before_request(second, operation="delete", path="/lock/*"),
            pytest.raises(LockTimeout),
        ):
            second.Lock("/lock", "second").acquire(timeout=5)
        held.release()
        sim.settle()
        assert len(third.get_children("/lock")) == 1
        with pytest.raises(LockTimeout):
            third.Lock("/lock", "third").acquire(timeout=3600)


def test_a_lock_that_was_lost_has_to_be_released_before_it_is_acquired_again() -> None:
    with Simulation() as sim:
        client = sim.client()
        lock = client.Lock("/lock", "mine")
        lock.acquire()
        sim.faults.expire(client)
        sim.settle()
        assert client.get_children("/lock") == []
        assert not lock.acquire(timeout=600)
        lock.release()
        assert lock.acquire(timeout=600)


def test_a_lock_is_acquired_with_the_node_of_a_lost_session() -> None:
    """A client's next session may come to a server that is behind all that the last one saw. There
    `Lock` finds the node of its last session, alone, and takes it for its own: two holders, and
    nobody is told, for LOST came before.
    """
    with Simulation(servers=3) as sim:
        client, other = sim.client(**_two_servers(sim)), sim.client(hosts=f"zk{sim.leader}:2181")
        _come_back_to_a_server_that_is_behind(sim, client)
        assert client.Lock("/lock", "first").acquire(timeout=60)
        told: list[str] = []
        client.add_listener(told.append)
        assert client.connected
        assert other.Lock("/lock", "second").acquire(timeout=5)
        sim.sleep(30)
        assert not told


def _come_back_to_a_server_that_is_behind(sim: Simulation, client: Any) -> None:
    """What is to happen when ``client`` makes a node below ``/lock``: the session that has it ends;
    the next one is opened, and goes on at a server that has the node and has not heard of the end.
    """
    _, behind = (number for number in (1, 2, 3) if number != sim.leader)
    client.ensure_path("/lock")

    def lose() -> None:
        sim.faults.drop_after_reply(client, operation="connect", nth=2)
        sim.faults.freeze(behind, duration=60)
        sim.faults.expire(client)

    sim.faults.upon(lose, client, operation="getChildren", path="/lock")


def test_a_lock_raises_when_its_next_session_comes_to_a_server_that_is_behind() -> None:
    """It made sure that its path is there, and looks for it where that is still to come."""
    with Simulation(servers=3) as sim:
        client, other = sim.client(**_two_servers(sim)), sim.client(hosts=f"zk{sim.leader}:2181")
        _, behind = (number for number in (1, 2, 3) if number != sim.leader)
        sim.faults.freeze(behind, duration=60)
        held = other.Lock("/lock", "other")
        held.acquire()

        def lose() -> None:
            sim.faults.drop_after_reply(client, operation="connect", nth=2)
            sim.faults.expire(client)

        sim.faults.upon(lose, client, operation="getData", path="/lock/*")
        with pytest.raises(NoNodeError):
            client.Lock("/lock", "mine").acquire(timeout=60)


# -- Semaphore


def test_a_semaphore_hands_out_the_lease_of_a_lost_session() -> None:
    """`Semaphore` has its lease and gives its inner lock back; the session ends; giving back is
    retried in the next session, and ``acquire()`` returns True. Nobody is told: LOST came before.
    """
    with Simulation() as sim:
        first, second = sim.client(), sim.client()
        sim.faults.upon(
            lambda: sim.faults.expire(first), first, operation="delete", path="/leases-__lock__/*"
        )
        assert first.Semaphore("/leases", "first", max_leases=1).acquire()
        told: list[str] = []
        first.add_listener(told.append)
        assert first.connected
        assert second.Semaphore("/leases", "second", max_leases=1).acquire(timeout=5)
        sim.sleep(600)
        assert not told
        assert first.Semaphore("/leases", max_leases=1).lease_holders() == ["second"]


def test_a_semaphore_leaves_the_node_of_its_inner_lock_behind() -> None:
    """As a `Lock` does; from then on nobody gets a lease, even where there are some."""
    with Simulation() as sim:
        first, second, third = (sim.client() for _ in range(3))
        held = first.Semaphore("/leases", "first", max_leases=1)
        held.acquire()
        # Who waits for a lease holds the inner lock; the second one waits for that.
        waiting = sim.spawn(second.Semaphore("/leases", "second", max_leases=1).acquire)
        sim.sleep(1)
        with (
            sim.faults.drop_before_request(third, operation="delete", path="/leases-__lock__/*"),
            pytest.raises(LockTimeout),
        ):
            third.Semaphore("/leases", "third", max_leases=1).acquire(timeout=5)
        held.release()
        waiting.result()
        sim.settle()
        second.delete("/leases/" + second.get_children("/leases")[0])
        with pytest.raises(LockTimeout):
            first.Semaphore("/leases", "again", max_leases=1).acquire(timeout=3600)


def test_a_slow_thread_gets_a_lease_more_than_there_are() -> None:
    """A thread that has counted the leases makes its own without its inner lock, if its session is
    over and the next one open before it goes on.
    """
    with Simulation() as sim:
        first, second = sim.client(), sim.client()
        create = first.create

        def slowly(path: str, *arguments: Any, **named: Any) -> Any:
            if path.startswith("/leases/"):
                session = first.client_id
                sim.faults.expire(first)
                sim.run_until(lambda: first.connected and first.client_id != session)
                assert second.Semaphore("/leases", "second", max_leases=1).acquire(timeout=5)
            return create(path, *arguments, **named)

        first.create = slowly
        assert first.Semaphore("/leases", "first", max_leases=1).acquire()
        assert len(second.get_children("/leases")) == 2
