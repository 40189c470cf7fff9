"""The unmodified KazooClient and kazoo's recipes in virtual time."""

from __future__ import annotations

import datetime as dt
import enum
from functools import partial
from typing import TYPE_CHECKING, Any

import kazoo.client
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConfigurationError,
    ConnectionClosedError,
    LockTimeout,
    NodeExistsError,
    NoNodeError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import Callback
from kazoo.recipe.cache import TreeCache
from kazoo.retry import KazooRetry

from zkfake.history import CallbackBegan, CallbackEnded, Queued, StateChange
from zkfake.simulation import Simulation, SimulationError, TaskFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

PROFILES = ["calm", "realistic"]


@pytest.fixture(params=PROFILES)
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    with Simulation(
        seed=5,
        profile=request.param,
        # Faults by chance would make these smoke tests about retries.
        drop_before_request=0,
        drop_before_reply=0,
        drop_after_reply=0,
    ) as simulation:
        yield simulation


class EnumeratedState(str, enum.Enum):
    """What kazoo's type hints make of `KazooState`."""

    SUSPENDED = "SUSPENDED"


def test_the_history_has_the_names_of_states_in_whatever_form_kazoo_tells_them() -> None:
    with Simulation() as sim:
        client = sim.client()
        for listener in [*client.state_listeners]:
            listener(EnumeratedState.SUSPENDED)
        client.stop()
    states = [event.state for event in sim.history.of(StateChange)]
    assert states == ["CONNECTED", "SUSPENDED", "LOST"]
    assert {type(state) for state in states} == {str}


def test_the_history_has_when_a_callback_began_and_ended() -> None:
    def slow(_event: object) -> None:
        client.get("/a")
        sim.sleep(5)
        raise ValueError("the end of it is recorded all the same")

    with pytest.raises(TaskFailed, match="a callback of c"), Simulation() as sim:  # noqa: PT012
        client = sim.client("c")
        client.create("/a", b"")
        client.get("/a", watch=slow)
        client.get_children("/a", watch=lambda _event: None)
        client.set("/a", b"1")
        client.create("/a/b")
        sim.sleep(10)
        client.handler.dispatch_callback(Callback("watch", lambda: None, ()))
        sim.sleep(1)
    events = [event for event in sim.history if isinstance(event, (CallbackBegan, CallbackEnded))]
    name = test_the_history_has_when_a_callback_began_and_ended.__name__
    assert [event[1:] for event in events] == [
        ("c", 1, f"{name}.<locals>.slow", "DATA_CHANGED", "/a"),
        ("c", 1),
        ("c", 2, f"{name}.<locals>.<lambda>", "CHILDREN_CHANGED", "/a"),
        ("c", 2),
        ("c", 3, f"{name}.<locals>.<lambda>", "", ""),
        ("c", 3),
    ]
    assert 5 <= events[1].time - events[0].time < 6
    assert events[2].time == events[1].time, "there is one callback at a time"


def test_a_callback_of_a_recipe_is_told_of_by_the_function_that_it_was_given() -> None:
    def changed(*_arguments: object) -> None:
        pass

    with Simulation() as sim:
        client = sim.client("c")
        client.create("/a", b"")
        client.DataWatch("/a", changed)
        client.ChildrenWatch("/a", partial(changed, 1))
        client.set("/a", b"1")
        client.create("/a/b")
        sim.settle()
    name = test_a_callback_of_a_recipe_is_told_of_by_the_function_that_it_was_given.__name__
    assert [event.function for event in sim.history.of(CallbackBegan)] == [
        f"DataWatch of {name}.<locals>.changed",
        f"ChildrenWatch of {name}.<locals>.changed",
    ]


def test_the_history_has_how_many_requests_waited_for_a_connection() -> None:
    with Simulation() as sim:
        client = sim.client("c")
        sim.faults.drop(client)
        sim.run_until(lambda: not client.connected)
        waiting = [client.exists_async("/a"), client.exists_async("/b")]
        sim.settle()
        for each in waiting:
            assert each.get() is None
        sim.faults.drop(client)
        sim.settle()
    assert [event[1:] for event in sim.history.of(Queued)] == [("c", 2)]


def test_reads_and_writes(sim: Simulation) -> None:
    client = sim.client()
    assert type(client) is KazooClient
    assert client.create("/a", b"1") == "/a"
    assert client.get("/a")[0] == b"1"
    client.set("/a", b"2", version=0)
    assert client.exists("/a").version == 1
    with pytest.raises(NodeExistsError):
        client.create("/a")
    client.delete("/a")
    with pytest.raises(NoNodeError):
        client.get("/a")
    transaction = client.transaction()
    transaction.create("/t")
    transaction.create("/t/u", b"3")
    assert transaction.commit() == ["/t", "/t/u"]
    results = [client.get_async("/t"), client.get_async("/t/u")]
    assert [result.get()[0] for result in results] == [b"", b"3"]


def test_an_idle_client_stays_connected_for_a_day(sim: Simulation) -> None:
    client = sim.client()
    session = client.client_id
    sim.sleep(86_400)
    assert client.client_id == session
    # The start of the server, connected, connect, the session, the reply, the state: pings leave no
    # trace.
    assert len(sim.history) == 6


def test_a_session_expires_in_virtual_time(sim: Simulation) -> None:
    first, second = sim.client("first", timeout=30.0), sim.client("second")
    first.create("/e", ephemeral=True)
    states: list[str] = []
    first.add_listener(states.append)
    with sim.faults.partition(first):
        sim.run_until(lambda: second.exists("/e") is None, timeout=60)
        assert 30 < sim.now < 45
    sim.settle()
    assert states == ["SUSPENDED", "LOST", "CONNECTED"]


def test_watches(sim: Simulation) -> None:
    watcher, writer = sim.client(), sim.client()
    writer.create("/w", b"0")
    data: list[bytes | None] = []
    children: list[list[str]] = []
    watcher.DataWatch("/w", lambda value, _stat: data.append(value))
    watcher.ChildrenWatch("/w", lambda names: children.append(sorted(names)))
    for number in range(1, 4):
        writer.set("/w", b"%d" % number)
        writer.create(f"/w/{number}")
        sim.sleep(1)
    assert data == [b"0", b"1", b"2", b"3"]
    assert children == [[], ["1"], ["1", "2"], ["1", "2", "3"]]


def test_tree_cache(sim: Simulation) -> None:
    client, writer = sim.client(), sim.client()
    writer.ensure_path("/tree/a")
    cache = TreeCache(client, "/tree")
    cache.start()
    sim.settle()
    writer.create("/tree/a/b", b"x")
    sim.settle()
    assert cache.get_data("/tree/a/b").data == b"x"
    assert cache.get_children("/tree") == {"a"}
    cache.close()


def test_locks(sim: Simulation) -> None:
    clients = [sim.client() for _ in range(3)]
    inside: list[str] = []

    def work(client: Any) -> None:
        with client.Lock("/lock", client.handler.client_name):
            inside.append(client.handler.client_name)
            sim.sleep(5)
            assert inside[-1] == client.handler.client_name

    for task in [sim.spawn(work, client) for client in clients]:
        task.result()
    assert sorted(inside) == ["client-1", "client-2", "client-3"]
    lock = clients[0].Lock("/lock")
    lock.acquire()
    before = sim.now
    with pytest.raises(LockTimeout):
        clients[1].Lock("/lock").acquire(timeout=10)
    assert sim.now - before == pytest.approx(10, abs=1)
    readers = [client.ReadLock("/rw") for client in clients]
    assert all(reader.acquire() for reader in readers)
    assert not clients[0].WriteLock("/rw").acquire(blocking=False)


def test_semaphore(sim: Simulation) -> None:
    clients = [sim.client() for _ in range(4)]
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with clients[number].Semaphore("/semaphore", max_leases=2):
            inside.append(number)
            most.append(len(inside))
            sim.sleep(3)
            inside.remove(number)

    for task in [sim.spawn(work, number) for number in range(4)]:
        task.result()
    assert max(most) == 2


def test_election(sim: Simulation) -> None:
    clients = [sim.client() for _ in range(3)]
    leaders: list[str] = []

    def lead(name: str) -> None:
        leaders.append(name)
        sim.sleep(10)

    tasks = [
        sim.spawn(client.Election("/election", name).run, lead, name)
        for client, name in zip(clients, "abc", strict=True)
    ]
    for task in tasks:
        task.result()
    assert sorted(leaders) == ["a", "b", "c"]
    assert sim.now >= 30


def test_barriers(sim: Simulation) -> None:
    one, two = sim.client(), sim.client()
    one.Barrier("/barrier").create()
    waiter = sim.spawn(two.Barrier("/barrier").wait)
    sim.sleep(100)
    assert not waiter.done
    one.Barrier("/barrier").remove()
    assert waiter.result()

    entered: list[float] = []

    def enter(client: Any, delay: float) -> None:
        barrier = client.DoubleBarrier("/double", 2)
        sim.sleep(delay)
        barrier.enter()
        entered.append(sim.now)
        barrier.leave()

    start = sim.now
    for task in [sim.spawn(enter, one, 0), sim.spawn(enter, two, 50)]:
        task.result()
    assert min(entered) >= start + 50


def test_queues(sim: Simulation) -> None:
    one, two = sim.client(), sim.client()
    queue = one.Queue("/queue")
    for item in (b"1", b"2"):
        queue.put(item)
    assert [two.Queue("/queue").get(), queue.get(), queue.get()] == [b"1", b"2", None]

    jobs = [b"%d" % number for number in range(10)]
    one.LockingQueue("/jobs").put_all(jobs)
    done: list[bytes] = []

    def work(client: Any) -> None:
        todo = client.LockingQueue("/jobs")
        while (job := todo.get(timeout=5)) is not None:
            sim.sleep(1)
            todo.consume()
            done.append(job)

    for task in [sim.spawn(work, one), sim.spawn(work, two)]:
        task.result()
    assert sorted(done) == jobs


def test_party_counter_and_lease(sim: Simulation) -> None:
    one, two = sim.client(), sim.client()
    for name, client in (("one", one), ("two", two)):
        client.Party("/party", name).join()
        client.ShallowParty("/shallow", name).join()
    assert sorted(one.Party("/party")) == sorted(one.ShallowParty("/shallow")) == ["one", "two"]

    def count(client: Any) -> None:
        counter = client.Counter("/counter")
        for _ in range(20):
            counter += 1

    for task in [sim.spawn(count, one), sim.spawn(count, two)]:
        task.result()
    assert one.Counter("/counter").value == 40

    hour = dt.timedelta(hours=1)
    assert one.NonBlockingLease("/lease", hour, "one")
    assert not two.NonBlockingLease("/lease", hour, "two")
    sim.sleep(3601)
    assert two.NonBlockingLease("/lease", hour, "two")
    assert one.MultiNonBlockingLease(1, "/leases", hour, "one") is not None


def test_set_partitioner(sim: Simulation) -> None:
    clients = [sim.client() for _ in range(3)]
    shares: list[list[str]] = []

    def work(client: Any) -> None:
        partitioner = client.SetPartitioner("/parts", set=tuple("abcdef"), time_boundary=3)
        while not partitioner.acquired:
            if partitioner.release:
                partitioner.release_set()
            elif partitioner.allocating:
                partitioner.wait_for_acquire(1)
        shares.append(list(partitioner))
        sim.sleep(60)

    for task in [sim.spawn(work, client, process=client) for client in clients]:
        task.result()
    assert sorted(item for share in shares for item in share) == list("abcdef")
    assert [len(share) for share in shares] == [2, 2, 2]


def test_completion_callbacks_may_block(sim: Simulation) -> None:
    client = sim.client()
    seen: list[bytes] = []
    client.get_async("/").rawlink(lambda _result: seen.append(client.get("/")[0]))
    sim.run_until(lambda: seen, timeout=5)


def test_settling_waits_for_tasks_that_are_still_at_work(sim: Simulation) -> None:
    client = sim.client()

    def work() -> None:
        for _ in range(20):
            sim.sleep(0)
        client.create_async("/late")

    sim.spawn(work)
    sim.settle()
    assert "/late" in sim.replicas[0].tree.nodes


def test_commands(sim: Simulation) -> None:
    client = sim.client()
    assert "Mode: standalone" in client.command(b"srvr")
    assert client.connected


def test_a_chroot_and_authentication(sim: Simulation) -> None:
    sim.client().ensure_path("/app/part")
    client = sim.client(hosts=sim.hosts + "/app", auth_data=[("digest", "bob:secret")])
    assert client.get_children("/") == ["part"]
    client.create("/mine", acl=[kazoo.client.ACL(31, _bob())])
    with pytest.raises(kazoo.exceptions.NoAuthError):
        sim.client().get("/app/mine")
    assert client.get("/mine")[0] == b""


def _bob() -> Any:
    from kazoo.security import Id, make_digest_acl_credential

    return Id("digest", make_digest_acl_credential("bob", "secret"))


def test_clients_stop_restart_and_close(sim: Simulation) -> None:
    client = sim.client()
    client.create("/e", ephemeral=True)
    client.stop()
    other = sim.client()
    assert other.exists("/e") is None
    client.restart()
    client.create("/e", ephemeral=True)
    client.stop()
    client.close()
    with pytest.raises(ConnectionClosedError):
        client.get("/")


def test_a_client_that_is_handed_out_is_not_about_to_close() -> None:
    """kazoo closes itself after a start() that failed, and may come to that in the next one."""
    for step in range(6, 16):
        with Simulation() as sim:
            sim.faults.drop_after_reply("ann", nth=1)
            sim.faults.delay_task("ann", step=5, seconds=29.9)
            sim.faults.delay_task("ann", step=step, seconds=0.14)

            def program(sim: Simulation = sim) -> None:
                sim.sleep(0)
                client = sim.client("ann", timeout=4.0)
                sim.sleep(1)
                assert client.get("/")

            sim.spawn(program, name="ann", process="ann").result()


def test_a_client_that_the_program_makes_itself_is_simulated(sim: Simulation) -> None:
    for client in (KazooClient(), KazooClient(sim.hosts, handler=sim.handler("mine"))):
        client.start()
        client.ensure_path("/own")
        client.stop()
    assert sim.client().exists("/own")


def test_where_there_is_no_server_nobody_connects(sim: Simulation) -> None:
    for hosts in ("elsewhere:2181", "zk1:2182"):
        client = KazooClient(hosts)
        with pytest.raises(KazooTimeoutError):
            client.start(timeout=5)


def test_retry_objects_from_outside_sleep_in_virtual_time(sim: Simulation) -> None:
    inside = KazooRetry(max_tries=3)
    client = sim.client(connection_retry=OUTSIDE, command_retry=inside)
    sim.faults.drop_before_request(client, operation="getData", times=2)
    assert client.retry(client.get, "/")[0] == b""
    assert OUTSIDE.sleep_func is not client._conn_retry.sleep_func


OUTSIDE = KazooRetry(max_tries=-1)


def test_a_retry_object_with_a_sleep_of_its_own_is_left_to_kazoo(sim: Simulation) -> None:
    with pytest.raises(ConfigurationError, match="same sleep func"):
        sim.client(command_retry=KazooRetry(sleep_func=[].append))


def test_a_handler_of_ones_own_is_refused(sim: Simulation) -> None:
    with pytest.raises(SimulationError, match="handler"):
        sim.client(handler=object())
    with pytest.raises(SimulationError, match="already"):
        sim.client(name=str(sim.client().handler.client_name))


@pytest.mark.parametrize("servers", [1, 3])
def test_ensembles_of_any_size(servers: int) -> None:
    with Simulation(servers=servers) as sim:
        clients = [sim.client() for _ in range(servers)]
        clients[0].create("/a", b"1")
        for client in clients:
            client.sync("/a")
            assert client.get("/a")[0] == b"1"
        with sim.faults.stop_server(1, duration=120):
            sim.sleep(60)
            assert clients[0].connected == (servers == 3)
        sim.settle()
        for client in clients:
            client.sync("/a")
            assert client.get("/a")[0] == b"1"


def test_an_expired_session_tells_who_asks() -> None:
    with Simulation() as sim:
        client = sim.client()
        client.create("/e", ephemeral=True)
        lost = client.client_id
        assert sim.faults.expire(client)
        assert not sim.faults.expire(client)
        sim.settle()
        assert client.client_id != lost
        assert client.exists("/e") is None
        again = sim.client(client_id=lost)
        assert again.client_id != lost
        sim.faults.upon(lambda: sim.faults.expire(client), client, operation="getData")
        with pytest.raises((SessionExpiredError, kazoo.exceptions.ConnectionLoss)):
            client.get("/")
