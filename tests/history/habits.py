"""Programs with a habit that will hurt, each beside one that is right: what the doctor has to find,
and where it has to be silent.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.exceptions import KazooException, NodeExistsError

from zkfake._history.detectors.leaks import MANY_EPHEMERALS, MANY_SESSIONS, MANY_WATCHES
from zkfake._history.detectors.watches import MANY_CHILDREN
from zkfake._history.detectors.writes import LARGE
from zkfake._protocol.jute import pack_int, pack_string
from zkfake._protocol.records import Op
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake.history import History

__all__ = ["PAIRS", "Pair", "history_of"]

Program = "Callable[[Simulation], object]"


class Pair(NamedTuple):
    """A habit, the program that has it, what shows it, and programs that are right."""

    habit: str
    wrong: Callable[[Simulation], object]
    shows: tuple[tuple[str, str], ...]
    """The evidence: the kinds of the events, and their operations, names or types."""
    right: tuple[Callable[[Simulation], object], ...]

    @property
    def name(self) -> str:
        return self.wrong.__name__


def history_of(program: Callable[[Simulation], object]) -> History:
    """What happened when it ran."""
    with Simulation(seed=1, latency=(0.001, 0.001)) as sim:
        program(sim)
    return sim.history


def ignore(_event: object) -> None:
    pass


class _AddWatch(NamedTuple):
    """A request that kazoo does not have."""

    path: str
    recursive: bool
    type: int = int(Op.ADD_WATCH)

    def serialize(self) -> bytes:
        return pack_string(self.path) + pack_int(self.recursive)

    @staticmethod
    def deserialize(_frame: bytes, _offset: int) -> None:
        return None


def add_watch(client: Any, path: str, *, recursive: bool = False) -> None:
    asked = client.handler.async_result()
    client._call(_AddWatch(path, recursive), asked)
    asked.get()


# -- watches


def _changes(sim: Simulation, watch: Callable[[KazooClient], object], changes: int = 5) -> None:
    """One watches, another changes what is watched every ten seconds."""
    reader, writer = sim.client("reader"), sim.client("writer")
    writer.create("/config", b"")
    watch(reader)
    for number in range(changes):
        sim.sleep(10)
        writer.set("/config", b"%d" % number)
    sim.sleep(1)


def forgets_to_watch_again(sim: Simulation) -> None:
    _changes(sim, lambda reader: reader.get("/config", watch=lambda _event: reader.get("/config")))


def leaves_a_watch(sim: Simulation) -> None:
    """It is done with what it waited for."""
    _changes(sim, lambda reader: reader.get("/config", watch=ignore))


def watches_again(sim: Simulation) -> None:
    def look(reader: KazooClient, _event: object = None) -> None:
        reader.get("/config")
        reader.get("/config", watch=partial(look, reader))

    _changes(sim, look)


def is_told_late(sim: Simulation) -> None:
    """It has set the watch again, and its event is on the way."""
    reader, writer = sim.client("reader"), sim.client("writer")
    writer.create("/config", b"")
    reader.get("/config", watch=ignore)
    writer.set("/config", b"0")
    reader.get("/config")
    reader.get("/config", watch=ignore)
    sim.faults.hold_events(reader)
    for number in range(4):
        sim.sleep(1.2)
        writer.set("/config", b"%d" % number)


def has_a_data_watch(sim: Simulation) -> None:
    _changes(sim, lambda reader: reader.DataWatch("/config", lambda _data, _stat: None))


def has_a_persistent_watch(sim: Simulation) -> None:
    def watch(reader: KazooClient) -> None:
        add_watch(reader, "/config")
        reader.get("/config")

    _changes(sim, watch)


def looks_from_time_to_time(sim: Simulation) -> None:
    def watch(reader: KazooClient) -> None:
        reader.get("/config", watch=ignore)
        sim.spawn(look, reader)

    def look(reader: KazooClient) -> None:
        for _ in range(10):
            sim.sleep(7)
            reader.get("/config")

    _changes(sim, watch)


def waits_for_one_change(sim: Simulation) -> None:
    """And then works beside what it has waited for."""
    reader, writer = sim.client("reader"), sim.client("writer")
    writer.create("/app/jobs", makepath=True)
    reader.get_children("/app/jobs", watch=ignore)
    for number in range(6):
        sim.sleep(10)
        writer.create(f"/app/jobs/{number}")
        if not number:
            sim.sleep(1)
            reader.get_children("/app/jobs")
            reader.create("/app/taken")


def changes_it_itself(sim: Simulation) -> None:
    reader, writer = sim.client("reader"), sim.client("writer")
    writer.create("/config", b"")
    reader.get("/config", watch=ignore)
    writer.set("/config", b"0")
    sim.sleep(5)
    reader.get("/config")
    for number in range(5):
        sim.sleep(10)
        writer.exists("/config")
        reader.set("/config", b"%d" % number)


def reads_and_then_watches(sim: Simulation) -> None:
    def watch(reader: KazooClient) -> None:
        reader.get("/config")
        reader.exists("/config", watch=ignore)

    _changes(sim, watch, 1)


def reads_and_then_adds_a_watch(sim: Simulation) -> None:
    client = sim.client("reader")
    client.create("/group")
    client.get_children("/group")
    add_watch(client, "/group")


def watches_as_it_reads(sim: Simulation) -> None:
    _changes(sim, lambda reader: reader.get("/config", watch=ignore), 1)


def watches_and_then_reads(sim: Simulation) -> None:
    def watch(reader: KazooClient) -> None:
        reader.get("/config")
        reader.exists("/config", watch=ignore)
        reader.get("/config")

    _changes(sim, watch, 1)


def adds_a_watch_and_then_reads(sim: Simulation) -> None:
    client = sim.client("reader")
    client.create("/group")
    client.get_children("/group")
    add_watch(client, "/group")
    client.get_children("/group")


def reads_twice(sim: Simulation) -> None:
    """The second time with a watch: that is as new as the watch."""

    def watch(reader: KazooClient) -> None:
        reader.get("/config")
        reader.get("/config", watch=ignore)

    _changes(sim, watch, 1)


def _children(sim: Simulation, count: int) -> KazooClient:
    sim.load({f"/group/{number}": b"" for number in range(count)})
    return sim.client("reader")


def watches_each_child(sim: Simulation) -> None:
    client = _children(sim, MANY_CHILDREN)
    for name in client.get_children("/group"):
        client.get(f"/group/{name}", watch=ignore)


def watches_few_children(sim: Simulation) -> None:
    client = _children(sim, MANY_CHILDREN - 1)
    for name in client.get_children("/group"):
        client.get(f"/group/{name}", watch=ignore)


def watches_all_at_once(sim: Simulation) -> None:
    client = _children(sim, MANY_CHILDREN)
    add_watch(client, "/group", recursive=True)
    for name in client.get_children("/group"):
        client.get(f"/group/{name}")


def watches_one_child_after_the_other(sim: Simulation) -> None:
    client = _children(sim, MANY_CHILDREN)
    for name in client.get_children("/group"):
        client.get(f"/group/{name}", watch=ignore)
        client.delete(f"/group/{name}")


# -- writes


def _counts(sim: Simulation, add: Callable[[KazooClient], None], clients: int = 2) -> None:
    """Several clients add to one number, in turn."""
    sim.load({"/count": b"0"})
    names = [sim.client(f"c{number}") for number in range(clients)]
    for client in names * 2:
        add(client)


def reads_and_sets(sim: Simulation) -> None:
    def add(client: KazooClient) -> None:
        value, _ = client.get("/count")
        client.set("/count", b"%d" % (int(value) + 1))

    _counts(sim, add)


def sets_in_a_transaction(sim: Simulation) -> None:
    def add(client: KazooClient) -> None:
        value, _ = client.get("/count")
        transaction = client.transaction()
        transaction.set_data("/count", b"%d" % (int(value) + 1))
        transaction.create(f"/log{value.decode()}")
        transaction.commit()

    _counts(sim, add)


def sets_with_the_version(sim: Simulation) -> None:
    def add(client: KazooClient) -> None:
        value, stat = client.get("/count")
        client.set("/count", b"%d" % (int(value) + 1), version=stat.version)

    _counts(sim, add)


def checks_in_the_transaction(sim: Simulation) -> None:
    def add(client: KazooClient) -> None:
        value, stat = client.get("/count")
        transaction = client.transaction()
        transaction.check("/count", stat.version)
        transaction.set_data("/count", b"%d" % (int(value) + 1))
        transaction.commit()

    _counts(sim, add)


def is_the_only_writer(sim: Simulation) -> None:
    def add(client: KazooClient) -> None:
        value, _ = client.get("/count")
        client.set("/count", b"%d" % (int(value) + 1))

    _counts(sim, add, clients=1)


def sets_without_a_look(sim: Simulation) -> None:
    _counts(sim, lambda client: client.set("/count", b"7"))


def writes_one_after_the_other(sim: Simulation) -> None:
    """The other session was over before this one began."""
    sim.load({"/count": b"0"})
    first = sim.client("first")
    first.set("/count", b"1")
    first.stop()
    second = sim.client("second")
    second.get("/count")
    second.set("/count", b"2")


def creates_what_is_not_there(sim: Simulation) -> None:
    """As `ensure_path` does: ZooKeeper itself refuses what is there."""
    clients = [sim.client(f"c{number}") for number in range(2)]
    missing = [client.exists("/there") is None for client in clients]
    for client, gone in zip(clients, missing, strict=True):
        with suppress(NodeExistsError):
            if gone:
                client.create("/there")


def deletes_what_another_has_made(sim: Simulation) -> None:
    sim.load({"/lock": b"mine"})
    mine, other = sim.client("mine"), sim.client("other")
    if mine.get("/lock")[0] == b"mine":
        other.delete("/lock")
        other.create("/lock", b"other")
        mine.delete("/lock")


def deletes_what_it_saw(sim: Simulation) -> None:
    sim.load({"/lock": b"mine"})
    mine, other = sim.client("mine"), sim.client("other")
    if mine.get("/lock")[0] == b"mine":
        mine.delete("/lock")
    other.create("/lock", b"other")


def _enqueues(sim: Simulation, before: Callable[[KazooClient], object]) -> None:
    """The reply to the first attempt is lost."""
    client = sim.client("c")
    client.create("/queue")
    sim.faults.drop_before_reply(client, operation="create")
    made = []
    while not made:
        try:
            made.append(client.create("/queue/job-", b"", sequence=True))
        except KazooException:  # noqa: PERF203
            sim.run_until(lambda: client.connected)
            before(client)


def creates_again(sim: Simulation) -> None:
    _enqueues(sim, lambda client: None)


def looks_before_it_creates_again(sim: Simulation) -> None:
    _enqueues(sim, lambda client: client.get_children("/queue"))


def creates_a_fixed_name_again(sim: Simulation) -> None:
    client = sim.client("c")
    sim.faults.drop_before_reply(client, operation="create")
    with suppress(NodeExistsError):
        client.retry(client.create, "/fixed", b"")


def counts_twice(sim: Simulation) -> None:
    """kazoo's own counter does."""
    client = sim.client("c")
    counter = client.Counter("/counter")
    counter += 1
    sim.faults.drop_before_reply(client, operation="setData")
    counter += 1


def counts_once(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/counter", b"1")
    _, stat = client.get("/counter")
    sim.faults.drop_before_reply(client, operation="setData")
    with suppress(KazooException):
        client.set("/counter", b"2", version=stat.version)
    sim.run_until(lambda: client.connected)
    value, stat = client.get("/counter")
    if value != b"2":
        client.set("/counter", b"2", version=stat.version)
    value, stat = client.get("/counter")
    client.set("/counter", b"3", version=stat.version)


def writes_a_large_znode(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/large", bytes(LARGE))


def lists_many_names(sim: Simulation) -> None:
    sim.load({f"/names/{number:0240}": b"" for number in range(LARGE // 244 + 1)})
    sim.client("c").get_children("/names")


def writes_a_smaller_znode(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/large", bytes(LARGE - 1000))
    client.get("/large")


# -- outages


def _loses_a_write(sim: Simulation, after: Callable[[KazooClient], object]) -> None:
    client = sim.client("c")
    client.create("/jobs")
    sim.faults.drop_before_reply(client, operation="create")
    with suppress(KazooException):
        client.create("/jobs/1", b"")
    sim.run_until(lambda: client.connected)
    after(client)
    for number in range(2, 14):
        client.create(f"/jobs/{number}", b"")


def goes_on_after_a_lost_write(sim: Simulation) -> None:
    _loses_a_write(sim, lambda client: None)


def looks_after_a_lost_write(sim: Simulation) -> None:
    _loses_a_write(sim, lambda client: client.exists("/jobs/1"))


def lists_after_a_lost_write(sim: Simulation) -> None:
    _loses_a_write(sim, lambda client: client.get_children("/jobs"))


def _create(client: KazooClient) -> None:
    with suppress(NodeExistsError):
        client.create("/jobs/1", b"")


def tries_a_lost_write_again(sim: Simulation) -> None:
    _loses_a_write(sim, _create)


def ends_after_a_lost_write(sim: Simulation) -> None:
    client = sim.client("c")
    sim.faults.drop_before_reply(client, operation="create")
    with suppress(KazooException):
        client.create("/job", b"")
    sim.run_until(lambda: client.connected)
    client.stop()


def _suspended(
    sim: Simulation,
    write: Callable[[KazooClient], Any],
    after: Callable[[KazooClient], object] = lambda client: None,
    *,
    other_writes: bool = True,
) -> None:
    """One asks for a write while it has no connection, another writes the same meanwhile."""
    sim.load({"/owner": b"one"})
    one, two = sim.client("one"), sim.client("two")
    with sim.faults.partition(one):
        sim.run_until(lambda: not one.connected)
        asked = write(one)
        if other_writes:
            two.set("/owner", b"two")
    with suppress(KazooException):
        asked.get()
    sim.run_until(lambda: one.connected)
    after(one)
    sim.sleep(1)


def writes_while_suspended(sim: Simulation) -> None:
    _suspended(sim, lambda client: client.set_async("/owner", b"one"))


def looks_after_it_was_suspended(sim: Simulation) -> None:
    _suspended(
        sim, lambda client: client.set_async("/owner", b"one"), lambda client: client.get("/owner")
    )


def writes_with_a_version_while_suspended(sim: Simulation) -> None:
    _suspended(sim, lambda client: client.set_async("/owner", b"one", version=0))


def writes_its_own_while_suspended(sim: Simulation) -> None:
    _suspended(sim, lambda client: client.set_async("/owner", b"one"), other_writes=False)


def waits_until_it_is_connected(sim: Simulation) -> None:
    sim.load({"/owner": b"one"})
    one, two = sim.client("one"), sim.client("two")
    with sim.faults.partition(one):
        sim.run_until(lambda: not one.connected)
        two.set("/owner", b"two")
    sim.run_until(lambda: one.connected)
    one.set("/owner", b"one")


# -- callbacks


def _calls(sim: Simulation, callback: Callable[[KazooClient], object]) -> None:
    client = sim.client("c")
    client.create("/a", b"")
    client.create("/b", b"")
    client.get("/a", watch=lambda _event: callback(client))
    client.get("/b", watch=ignore)
    client.set("/a", b"1")
    client.set("/b", b"1")
    sim.sleep(30)


def sleeps_in_a_callback(sim: Simulation) -> None:
    _calls(sim, lambda client: sim.sleep(5))


def locks_in_a_callback(sim: Simulation) -> None:
    """The watch that would wake it is called by the thread that waits."""
    other = sim.client("other")
    other.Lock("/lock").acquire()
    _calls(sim, lambda client: client.Lock("/lock").acquire())
    sim.history.note("the end")


def reads_in_a_callback(sim: Simulation) -> None:
    _calls(sim, lambda client: [client.get("/a") for _ in range(3)])


def reads_slowly_in_a_callback(sim: Simulation) -> None:
    sim.faults.slow(latency=(1.0, 1.0))
    _calls(sim, lambda client: client.get("/a"))


def spawns_in_a_callback(sim: Simulation) -> None:
    _calls(sim, lambda client: sim.spawn(sim.sleep, 5))


# -- leaks


def leaks_ephemerals(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/work")
    for _ in range(MANY_EPHEMERALS):
        client.create("/work/item-", ephemeral=True, sequence=True)


def deletes_its_ephemerals(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/work")
    for _ in range(MANY_EPHEMERALS):
        client.delete(client.create("/work/item-", ephemeral=True, sequence=True))


def registers_many(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/work")
    for number in range(MANY_EPHEMERALS):
        client.create(f"/work/{number}", ephemeral=True)


def shares_the_ephemerals(sim: Simulation) -> None:
    clients = [sim.client(f"c{number}") for number in range(4)]
    clients[0].create("/work")
    for client in clients * (MANY_EPHEMERALS // 4):
        client.create("/work/item-", ephemeral=True, sequence=True)


def waits_for_what_never_comes(sim: Simulation) -> None:
    client = sim.client("c")
    for number in range(MANY_WATCHES):
        client.exists(f"/result{number}", watch=ignore)


def sets_a_watch_that_is_set(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/a")
    for _ in range(MANY_WATCHES + 1):
        client.get("/a", watch=lambda _event: None)


def waits_for_what_comes(sim: Simulation) -> None:
    client = sim.client("c")
    for number in range(MANY_WATCHES):
        client.exists(f"/result{number}", watch=ignore)
    for number in range(MANY_WATCHES):
        client.create(f"/result{number}")


def sets_a_watch_for_each_change(sim: Simulation) -> None:
    client = sim.client("c")
    client.create("/a")
    for _ in range(MANY_WATCHES + 1):
        client.get("/a", watch=lambda _event: None)
        client.set("/a", b"")


def opens_a_session_for_each_request(sim: Simulation) -> None:
    for number in range(MANY_SESSIONS + 1):
        sim.client(f"c{number}").exists("/")


def closes_what_it_opens(sim: Simulation) -> None:
    for number in range(MANY_SESSIONS + 1):
        client = sim.client(f"c{number}")
        client.exists("/")
        client.stop()


def opens_them_together(sim: Simulation) -> None:
    clients = [sim.client(f"c{number}") for number in range(MANY_SESSIONS + 1)]
    for client in clients:
        client.exists("/")


def holds_something_with_each(sim: Simulation) -> None:
    for number in range(MANY_SESSIONS + 1):
        client = sim.client(f"c{number}")
        client.create(f"/{number}", ephemeral=True)
        client.exists("/")


# -- herds


def _herd(sim: Simulation, wait: Callable[[KazooClient], object]) -> None:
    """Eleven wait for one, which leaves."""
    holder = sim.client("holder")
    holder.create("/lock", ephemeral=True)
    for number in range(11):
        wait(sim.client(f"c{number}"))
    holder.stop()
    sim.sleep(1)


def _take(client: KazooClient, _event: object = None) -> None:
    with suppress(NodeExistsError):
        client.create("/lock", ephemeral=True)
        return
    client.exists("/lock", watch=partial(_take, client))


def all_take_one_lock(sim: Simulation) -> None:
    _herd(sim, _take)


def all_pass_a_barrier(sim: Simulation) -> None:
    _herd(sim, lambda client: client.exists("/lock", watch=lambda _event: client.get("/")))


def _queue(sim: Simulation, watch: Callable[[KazooClient, str], object]) -> None:
    clients = [sim.client(f"c{number}") for number in range(12)]
    clients[0].create("/queue")
    for client in clients:
        watch(client, client.create("/queue/n-", ephemeral=True, sequence=True))
    clients[0].stop()
    sim.sleep(1)


def all_watch_one_queue(sim: Simulation) -> None:
    def look(client: KazooClient, _mine_or_event: object) -> None:
        client.get_children("/queue", watch=partial(look, client))

    _queue(sim, look)


def each_watches_the_one_before(sim: Simulation) -> None:
    def watch(client: KazooClient, mine: str) -> None:
        names = sorted(client.get_children("/queue"))
        place = names.index(mine.rpartition("/")[2])
        if place:
            client.exists(f"/queue/{names[place - 1]}", watch=ignore)

    _queue(sim, watch)


def all_watch_one_group(sim: Simulation) -> None:
    clients = [sim.client(f"c{number}") for number in range(12)]
    for client in clients:
        client.Party("/group", client.handler.client_name).join()
        client.ChildrenWatch("/group", lambda _names: None)
    clients[0].stop()
    sim.sleep(1)


PAIRS = (
    Pair(
        "a watch that is not set again",
        forgets_to_watch_again,
        (
            ("Reply", "getData"),
            ("WatchEvent", "DATA_CHANGED"),
            ("Reply", "getData"),
            ("Committed", "SET_DATA"),
            ("Committed", "SET_DATA"),
        ),
        (
            watches_again,
            is_told_late,
            leaves_a_watch,
            has_a_data_watch,
            has_a_persistent_watch,
            looks_from_time_to_time,
            waits_for_one_change,
            changes_it_itself,
        ),
    ),
    Pair(
        "a read and then a watch",
        reads_and_then_watches,
        (
            ("Reply", "getData"),
            ("Sent", "exists"),
            ("Reply", "exists"),
            ("WatchEvent", "DATA_CHANGED"),
        ),
        (watches_as_it_reads, watches_and_then_reads, reads_twice),
    ),
    Pair(
        "a read and then a watch",
        reads_and_then_adds_a_watch,
        (("Reply", "getChildren"), ("Sent", "addWatch"), ("Reply", "addWatch")),
        (adds_a_watch_and_then_reads,),
    ),
    Pair(
        "check then act without a version",
        reads_and_sets,
        (("Reply", "getData"), ("Sent", "setData"), ("Committed", "SET_DATA")),
        (
            sets_with_the_version,
            checks_in_the_transaction,
            is_the_only_writer,
            sets_without_a_look,
            writes_one_after_the_other,
            creates_what_is_not_there,
        ),
    ),
    Pair(
        "check then act without a version",
        sets_in_a_transaction,
        (("Reply", "getData"), ("Sent", "multi"), ("Committed", "MULTI")),
        (),
    ),
    Pair(
        "check then act without a version",
        deletes_what_another_has_made,
        (
            ("Reply", "getData"),
            ("Committed", "CREATE"),
            ("Sent", "delete"),
            ("Committed", "DELETE"),
        ),
        (deletes_what_it_saw,),
    ),
    Pair(
        "a repeated write",
        creates_again,
        (("Sent", "create"), ("Connected", ""), ("Sent", "create")),
        (looks_before_it_creates_again, creates_a_fixed_name_again),
    ),
    Pair(
        "a repeated write",
        counts_twice,
        (("Sent", "setData"), ("Reply", "getData"), ("Sent", "setData")),
        (counts_once,),
    ),
    Pair(
        "a blocking callback",
        sleeps_in_a_callback,
        (
            ("CallbackBegan", "DATA_CHANGED"),
            ("Reply", "setData"),
            ("WatchEvent", "DATA_CHANGED"),
            ("CallbackEnded", ""),
        ),
        (reads_in_a_callback, reads_slowly_in_a_callback, spawns_in_a_callback),
    ),
    Pair(
        "a blocking callback",
        locks_in_a_callback,
        (("CallbackBegan", "DATA_CHANGED"), ("WatchEvent", "DATA_CHANGED"), ("Reply", "getData")),
        (),
    ),
    Pair(
        "a write without a look after an outage",
        goes_on_after_a_lost_write,
        (("Sent", "create"), ("Disconnected", ""), ("Sent", "create")),
        (
            looks_after_a_lost_write,
            lists_after_a_lost_write,
            tries_a_lost_write_again,
            ends_after_a_lost_write,
        ),
    ),
    Pair(
        "a write without a look after an outage",
        writes_while_suspended,
        (("Committed", "SET_DATA"), ("Queued", ""), ("Sent", "setData")),
        (
            looks_after_it_was_suspended,
            writes_with_a_version_while_suspended,
            writes_its_own_while_suspended,
            waits_until_it_is_connected,
        ),
    ),
    Pair(
        "leaked ephemerals",
        leaks_ephemerals,
        (("Reply", "create"), ("Reply", "create")),
        (deletes_its_ephemerals, registers_many, shares_the_ephemerals),
    ),
    Pair(
        "leaked watches",
        waits_for_what_never_comes,
        (("Reply", "exists"), ("Reply", "exists"), ("Reply", "exists")),
        (waits_for_what_comes,),
    ),
    Pair(
        "leaked watches",
        sets_a_watch_that_is_set,
        (("Reply", "getData"), ("Reply", "getData")),
        (sets_a_watch_for_each_change,),
    ),
    Pair(
        "leaked sessions",
        opens_a_session_for_each_request,
        (
            ("Reply", "connect"),
            ("Sent", "exists"),
            ("Reply", "connect"),
            ("Sent", "exists"),
            ("Reply", "connect"),
            ("Sent", "exists"),
        ),
        (closes_what_it_opens, opens_them_together, holds_something_with_each),
    ),
    Pair(
        "a herd",
        all_take_one_lock,
        (
            ("WatchEvent", "DELETED"),
            ("Sent", "create"),
            ("Sent", "create"),
            ("Sent", "create"),
        ),
        (all_pass_a_barrier,),
    ),
    Pair(
        "a herd",
        all_watch_one_queue,
        (
            ("Committed", "CLOSE_SESSION"),
            ("WatchEvent", "CHILDREN_CHANGED"),
            ("WatchEvent", "CHILDREN_CHANGED"),
            ("WatchEvent", "CHILDREN_CHANGED"),
        ),
        (each_watches_the_one_before, all_watch_one_group),
    ),
    Pair("a large payload", writes_a_large_znode, (("Sent", "create"),), (writes_a_smaller_znode,)),
    Pair("a large payload", lists_many_names, (("Reply", "getChildren"),), ()),
    Pair(
        "a watch for each child",
        watches_each_child,
        (("Reply", "getData"), ("Reply", "getData")),
        (watches_few_children, watches_all_at_once, watches_one_child_after_the_other),
    ),
)
