"""What no client library sends, and servers take all the same, breaks nothing: requests right
behind the handshake, numbers of all kinds, authentication in between, two connections of one
session.

Each program runs on the fake and on a live server behind the proxy, and its history is judged with
the log, where there is one, and without.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveZooKeeper
from zkfake import FakeZooKeeper
from zkfake._history.checking import check
from zkfake.history import Committed, Reply
from zkfake.proxy import ZooKeeperProxy

from ..support import wire
from ..support.wire import OPS, PING_FRAME, SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake.history import History, Verdict

PATIENCE = 60.0
TIMEOUT = 600_000
REAP_MS = {"znode.container.checkIntervalMs": 100}
SECRET: list[wire.Acl] = [(31, "digest", wire.digest("u:p"))]


def asked(operation: str, body: bytes = b"", *, xid: int = 1) -> bytes:
    return wire.request(xid, OPS[operation], body)


class Raw:
    """A connection that waits for nothing but what it is told to wait for."""

    def __init__(
        self, port: int, *frames: bytes, of: Raw | None = None, last_zxid: int = 0
    ) -> None:
        """``frames``: what is sent right behind the handshake. ``of``: whose session it takes."""
        session, password = (0, bytes(16)) if of is None else (of.session, of.password)
        hello = wire.connect(
            timeout=TIMEOUT, session=session, password=password, last_zxid=last_zxid
        )
        self.channel = SocketChannel(("127.0.0.1", port), PATIENCE)
        self.send(wire.frame(hello), *frames)
        (answer,), _ = self.channel.read_frame()
        (self.session,) = struct.unpack_from(">q", answer, 8)
        self.password = answer[20:36]

    def send(self, *frames: bytes) -> None:
        self.channel.send(b"".join(frames))

    def finish(self, pings: int = 1) -> list[bytes]:
        """What comes up to the answer to a ping, which is sent now; ``pings``: answers that have
        its number, this one among them. Or up to the end.
        """
        self.send(PING_FRAME)
        return self.channel.read(pings)[0]

    def do(self, *frames: bytes) -> list[bytes]:
        self.send(*frames)
        return self.finish()

    def close(self) -> None:
        self.channel.abandon()


class World:
    """One server that is recorded."""

    def __init__(self, port: int, history: Callable[[], History | None], *, has_log: bool) -> None:
        self.port = port
        self.has_log = has_log
        self._history = history
        self.open: list[Raw] = []

    def raw(self, *frames: bytes, of: Raw | None = None, last_zxid: int = 0) -> Raw:
        client = Raw(self.port, *frames, of=of, last_zxid=last_zxid)
        self.open.append(client)
        return client

    @property
    def history(self) -> History:
        history = self._history()
        assert history is not None
        return history

    def verdicts(self) -> list[Verdict]:
        """With the log, where there is one, and without. Nothing is broken."""
        entries = list(self.history)
        verdicts = [check(entries, has_log=False, complete=True)]
        if self.has_log:
            verdicts.append(check(self.history.in_order(), has_log=True))
        for verdict in verdicts:
            verdict.raise_if_broken()
        return verdicts


@pytest.fixture(scope="module")
def live_port(live_home: str | None) -> Iterator[str]:
    with LiveZooKeeper(live_home, properties=REAP_MS) as live:
        yield live.hosts


@pytest.fixture(params=["3.8", "3.9", pytest.param("live", marks=pytest.mark.needs_java)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "live":
            hosts = request.getfixturevalue("live_port")
            proxy = stack.enter_context(ZooKeeperProxy(hosts, history=True))
            port = int(proxy.hosts.rpartition(":")[2])
            world = World(port, lambda: proxy.history, has_log=False)
        else:
            server = stack.enter_context(
                FakeZooKeeper(version=request.param, history=True, settings=REAP_MS)
            )
            world = World(server.members[0].port, lambda: server.history, has_log=True)
        yield world
        for client in world.open:
            client.close()
        _wipe(world.port)


def _wipe(port: int) -> None:
    """For the next test on the same live server: all that the programs below make."""
    client = Raw(port, asked("auth", wire.auth("digest", b"u:p"), xid=-4))
    for path in ("/a/x", "/a/y", "/a/n-0000000000", "/a", "/b", "/c"):
        client.send(asked("delete", wire.path_version(path)))
    client.finish()
    client.close()


def create(path: str, data: bytes = b"", flags: int = 0) -> bytes:
    return asked("create", wire.create(path, data, flags=flags))


def set_data(path: str, data: bytes) -> bytes:
    return asked("setData", wire.set_data(path, data))


def delete(path: str) -> bytes:
    return asked("delete", wire.path_version(path))


def read(path: str, watch: int = 0, *, xid: int = 1) -> bytes:
    return asked("getData", wire.path_watch(path, watch), xid=xid)


def test_writes_follow_a_handshake_that_is_not_answered(world: World) -> None:
    first = world.raw(create("/a"), set_data("/a", b"1"))
    first.finish()
    again = world.raw(set_data("/a", b"2"), delete("/a"), create("/a"), of=first)
    again.finish()
    world.verdicts()
    if world.has_log:
        entries = list(world.history.in_order())
        place, last = max(
            (place, entry) for place, entry in enumerate(entries) if type(entry) is Committed
        )
        done = last.transaction
        twice = last._replace(transaction=done._replace(zxid=done.zxid + 1))
        entries.insert(place + 1, twice)
        broken = check(entries, has_log=True).broken
        assert "carried out once" in {finding.judge for finding in broken}


def test_a_session_has_two_connections_for_a_moment(world: World) -> None:
    first = world.raw(create("/a"))
    first.finish()
    again = world.raw(*[set_data("/a", b"%d" % each) for each in range(20)], of=first)
    first.send(*[set_data("/a", b"old")] * 20)
    first.finish()
    again.finish()
    world.verdicts()


def test_a_session_is_closed_before_its_handshake_is_answered(world: World) -> None:
    other = world.raw(create("/b"))
    first = world.raw(create("/a"), asked("closeSession"))
    first.finish()
    assert not world.raw(of=first).session
    second = world.raw(create("/c"))
    second.finish()
    second.close()
    third = world.raw(set_data("/c", b""), asked("closeSession"), of=second)
    third.finish()
    assert not world.raw(of=third).session
    other.do(set_data("/b", b"1"))  # what proves that its server knew who has ended
    world.verdicts()


@pytest.mark.parametrize("xid", [-2, -1, -4, -8, 0])
def test_a_request_has_a_number_that_others_have(world: World, xid: int) -> None:
    client = world.raw(create("/a"))
    client.finish()
    client.send(
        read("/a", 1, xid=xid),
        asked("ping", xid=5),  # answered as -2
        asked("setData", wire.set_data("/a", b"1"), xid=xid),
        asked("auth", wire.auth("digest", b"u:p"), xid=xid),
        asked("exists", wire.path_watch("/b", 1), xid=xid),
        asked("create", wire.create("/b"), xid=xid),
        read("/a", xid=xid),
    )
    client.finish(8 if xid == wire.PING_XID else 2)
    world.verdicts()
    replies = [reply.operation for reply in world.history.of(Reply) if reply.xid == xid]
    assert replies.count("auth") == 1  # it may come ahead of a write
    operations = [operation for operation in replies if operation not in ("auth", "connect")]
    assert operations == ["getData", "setData", "exists", "create", "getData"]


def test_two_requests_have_one_number_and_only_one_is_answered(world: World) -> None:
    """A check that succeeds is one that some versions do not answer; others refuse it, and hang
    up.
    """
    client = world.raw(create("/a"))
    client.finish()
    check_ = asked("check", wire.path_version("/a"), xid=7)
    client.do(
        *(check_, read("/a", xid=7), read("/missing", xid=8)),
        *(asked("exists", wire.path_watch("/missing"), xid=7), read("/missing", xid=7)),
    )
    world.verdicts()


def set_watches(zxid: int, *lists: list[str]) -> bytes:
    name = "setWatches" if len(lists) == 3 else "setWatches2"
    return asked(name, wire.i64(zxid) + b"".join(map(wire.strings, lists)), xid=-8)


@pytest.mark.parametrize("since", [-1, 0, 1 << 40])
def test_watches_are_asked_for_twice(world: World, since: int) -> None:
    client = world.raw(create("/a"), create("/c"))
    told = client.do(
        set_watches(since, ["/a", "/b", "/b"], ["/c", "/b", "/c"], ["/b", "/a", "/b"]),
        set_data("/a", b"1"),
        create("/b"),
        create("/a/x"),
        delete("/c"),
    )
    assert len([each for each in told if each[:4] == b"\xff" * 4]) >= 6
    world.verdicts()


def test_a_watch_of_a_path_that_nothing_can_have_is_not_told(world: World) -> None:
    client = world.raw(create("/a"), set_watches(0, [], [], [], ["/a/"], ["/a/", "/b/"]))
    client.do(create("/a/x"), set_data("/a/x", b"1"), set_data("/a", b"1"), read("/a/x"))
    world.verdicts()


def test_what_servers_keep_for_themselves_is_watched(world: World) -> None:
    client = world.raw(asked("addWatch", wire.path_version("/", 1)))
    path = "/zookeeper/a"
    client.do(create(path), set_data(path, b"1"), delete(path), create("/a"), read("/a"))
    world.verdicts()


def test_who_may_read_only_later_is_not_told(world: World) -> None:
    writer, watcher = world.raw(create("/a")), world.raw(read("/", 0))
    credential = asked("auth", wire.auth("digest", b"u:p"), xid=-4)
    watcher.do(read("/a", 1))
    writer.do(credential, asked("setACL", wire.set_acl("/a", SECRET)), set_data("/a", b"1"))
    watcher.do(credential, read("/a"))
    world.verdicts()


def numbered(path: str, flags: int = 2) -> bytes:
    return asked("create", wire.create(f"{path}/n-", flags=flags))


@pytest.mark.parametrize("flags", [2, 3])
def test_numbers_begin_anew_with_their_parent(world: World, flags: int) -> None:
    writer, other = world.raw(create("/a"), numbered("/a", flags)), world.raw()
    writer.finish()
    other.do(delete("/a/n-0000000000"), delete("/a"))
    writer.do(create("/a"), numbered("/a", flags))
    world.verdicts()


def test_numbers_begin_anew_with_a_parent_that_servers_remove(world: World) -> None:
    container = asked("createContainer", wire.create("/a", flags=4))
    client = world.raw(container, numbered("/a"), delete("/a/n-0000000000"))
    client.finish()
    missing = struct.pack(">i", -101)
    while client.do(asked("exists", wire.path_watch("/a")))[0][12:16] != missing:
        pass
    client.do(container, numbered("/a"))
    world.verdicts()


def test_multis_check_and_do_nothing(world: World) -> None:
    checks = [(OPS["check"], wire.path_version("/a", version)) for version in (-1, 0)]
    client = world.raw(create("/a"), asked("multi", wire.multi(checks)))
    other = world.raw(asked("multi", wire.multi([])), asked("multi", wire.multi(checks)))
    client.do(asked("multi", wire.multi([*checks, (OPS["check"], wire.path_version("/b"))])))
    other.do(set_data("/a", b"1"), asked("multi", wire.multi(checks)))
    world.verdicts()


def test_a_session_ends_behind_its_writes(world: World) -> None:
    other = world.raw(read("/", 0))
    client = world.raw(
        create("/a", flags=1),
        read("/a", 1),
        create("/b"),
        asked("closeSession"),
        set_data("/b", b""),
    )
    client.finish()
    other.do(asked("exists", wire.path_watch("/a", 1)), create("/a"), read("/a"))
    world.verdicts()


def test_a_client_comes_back_and_has_seen_nothing(world: World) -> None:
    client = world.raw(create("/a"), read("/a", 1))
    client.finish()
    again = world.raw(read("/a", 1), set_data("/a", b"1"), of=client)
    again.finish()
    world.verdicts()


def test_watches_are_removed_and_set_again(world: World) -> None:
    client, other = world.raw(create("/a")), world.raw()
    add = asked("addWatch", wire.path_version("/a", 1))
    one = read("/a", 1)
    remove = asked("removeWatches", wire.path_version("/a", 3))
    client.send(add, one, remove, one, add, remove, remove, add)
    other.do(set_data("/a", b"1"), create("/a/x"))
    client.finish()
    other.do(set_data("/a", b"2"), delete("/a/x"))
    client.do(remove, asked("getChildren", wire.path_watch("/a", 1)))
    other.do(create("/a/y"))
    client.finish()
    world.verdicts()
