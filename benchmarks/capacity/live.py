"""The same on a live ensemble of three: what is counted there, and what a request costs a server.

What a request costs is processor time of the server's process, all its threads together, divided by
the number of requests. It is read from ``/proc``, so the study is made on Linux.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient

from benchmarks.capacity.scenarios import PATH, TIMEOUT, VALUE, key, run
from benchmarks.capacity.served import Costs
from benchmarks.traffic import Traffic
from pytest_zkdict.live import LiveZooKeeper, four_letter_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pytest_zkdict.live import LiveMember

JVM = ("-Xmx512m", "-XX:+UseSerialGC")
"""With the full compiler, which the launcher leaves out for a quick start."""
_INT = struct.Struct(">i")


def ensemble() -> LiveZooKeeper:
    """Three servers, as they are run in earnest, but without fsync."""
    return LiveZooKeeper(servers=3, tick_time=2000, jvm_options=JVM)


class Live:
    """A `scenarios.World` of a live ensemble."""

    now = staticmethod(time.perf_counter)
    sleep = staticmethod(time.sleep)

    def __init__(self, servers: LiveZooKeeper) -> None:
        self._servers = servers
        self.clients: list[KazooClient] = []

    def client(self) -> KazooClient:
        client = KazooClient(self._servers.hosts, timeout=TIMEOUT)
        client.start(60)
        self.clients.append(client)
        return client

    def end_sessions(self, clients: list[KazooClient]) -> None:
        """By another server than the client's, which moves no client: the session is closed by the
        packet that opens the connection.
        """
        for client in clients:
            port = client._connection._socket.getpeername()[1]  # noqa: SLF001
            session, password = client.client_id  # type: ignore[misc]
            other = next(each.port for each in self._servers.members if each.port != port)
            _end_session(other, session, password)

    def stop_leader(self) -> None:
        leader(self._servers).stop(kill=True)

    def zxid(self) -> int:
        member = leader(self._servers)
        text = four_letter_word("127.0.0.1", member.port, "srvr") or ""
        found = re.search(r"Zxid: 0x([0-9a-f]+)", text)
        assert found, text
        return int(found[1], 16)


def leader(servers: LiveZooKeeper) -> LiveMember:
    return next(each for each in servers.members if each.mode == "leader")


def observe(servers: LiveZooKeeper, dicts: int, keys: int) -> dict[str, Any]:
    """`scenarios.run` on the live ensemble, which is whole again afterwards."""
    world = Live(servers)
    try:
        with Traffic() as traffic:
            prepare(servers, keys)
            return run(world, traffic, dicts)
    finally:
        for client in world.clients:
            client.stop()
            client.close()
        for member in servers.members:
            if not member.running:
                member.start()
        servers.wait_until_whole()


def prepare(servers: LiveZooKeeper, keys: int) -> None:
    """The znodes of `scenarios`, and no others."""
    client = KazooClient(servers.hosts)
    client.start(60)
    client.ensure_path(PATH)
    client.delete(PATH, recursive=True)
    client.ensure_path(PATH)
    for number in range(keys):
        client.create(f"{PATH}/{key(number)}", bytes(VALUE))
    client.stop()
    client.close()


# -- what a request costs, and an election


def election(servers: LiveZooKeeper) -> float:
    """Seconds from the death of the leader until another one serves, where there are no clients."""
    dead = leader(servers)
    others = [each for each in servers.members if each is not dead]
    start = time.perf_counter()
    dead.stop(kill=True)
    while not any(each.mode == "leader" for each in others):
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    dead.start()
    servers.wait_until_whole()
    return seconds


def costs(servers: LiveZooKeeper, *, rounds: int = 4, count: int = 12_000) -> Costs:
    """Measured on a live ensemble, of which only the last rounds count: a just-in-time compiler
    warms up. The least counts; of an event, which is a difference, the mean.
    """
    leading = leader(servers)
    following = next(each for each in servers.members if each is not leading)
    paths = [b"/costs/%05d" % n for n in range(1000)]
    with _Raw(leading.port) as client:
        client.call([_create(path) for path in (b"/costs", *paths)])
    found = [_costs(leading, following, paths, count) for _ in range(rounds)]
    read, event, write, session = zip(*found[rounds // 2 :], strict=True)
    several = (min(read), statistics.mean(event), min(write), min(session))
    return Costs(*(round(1e6 * max(each, 1e-6), 1) for each in several))


def _costs(
    leading: LiveMember, following: LiveMember, paths: list[bytes], count: int
) -> tuple[float, float, float, float]:
    """Seconds of processor time of a read, an event, a write, and half a session, once."""
    plain, watching = ([_get(path, watch=watch) for path in paths] for watch in (False, True))
    sets = [_set(path) for path in paths]
    times, sessions = count // 2000, count // 10
    events = 0.0
    # Connections of this round only: they send no pings, so a session may end in the next one.
    with _Raw(leading.port) as leads, _Raw(following.port) as follows:

        def change(reads: list[bytes]) -> None:
            follows.call(reads)
            leads.call(sets)
            follows.call([_SYNC])

        for _ in range(times):  # in turn: what else the server does is in both
            events += _processor(following, lambda: change(watching))
            events -= _processor(following, lambda: change(plain))
        reads = _processor(following, lambda: follows.call(plain * (count // 1000)))
        writes = _processor(leading, lambda: leads.call(sets * (count // 2000)))
    ends = _processor(leading, lambda: _sessions(leading.port, sessions))
    return (
        reads / (count // 1000 * len(paths)),
        events / (times * len(paths)),
        writes / (count // 2000 * len(paths)),
        ends / sessions / 2,
    )


def _processor(member: LiveMember, do: Callable[[], object]) -> float:
    """Seconds of processor time of a server."""
    before = _used(member)
    do()
    return _used(member) - before


def _used(member: LiveMember) -> float:
    fields = Path(f"/proc/{member.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _sessions(port: int, count: int) -> None:
    for _ in range(count):
        with _Raw(port) as raw:
            raw.call([_CLOSE])


def _end_session(port: int, session: int, password: bytes) -> None:
    with _Raw(port, session, password, _CLOSE):
        pass


def _frame(payload: bytes) -> bytes:
    return _INT.pack(len(payload)) + payload


def _text(data: bytes) -> bytes:
    return _INT.pack(len(data)) + data


def _request(operation: int, body: bytes = b"") -> bytes:
    return _frame(_INT.pack(1) + _INT.pack(operation) + body)


_OPEN = _INT.pack(1) + _INT.pack(31) + _text(b"world") + _text(b"anyone")
_CLOSE = _request(-11)
_SYNC = _request(9, _text(b"/"))


def _create(path: bytes) -> bytes:
    return _request(1, _text(path) + _text(bytes(VALUE)) + _OPEN + _INT.pack(0))


def _get(path: bytes, *, watch: bool) -> bytes:
    return _request(4, _text(path) + (b"\1" if watch else b"\0"))


def _set(path: bytes) -> bytes:
    return _request(5, _text(path) + _text(bytes(VALUE)) + _INT.pack(-1))


class _Raw:
    """A client of plain bytes, which costs next to nothing beside the server."""

    WINDOW = 200

    def __init__(
        self, port: int, session: int = 0, password: bytes = bytes(16), behind: bytes = b""
    ) -> None:
        """``behind``: a request that goes with the handshake."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        hello = struct.pack(">iqiqi16s?", 0, 0, 30_000, session, 16, password, False)
        self._replies = self._socket.makefile("rb")
        self._socket.sendall(_frame(hello) + behind)
        if behind:
            self._replies.read()  # to the end, as the server closes the connection
        else:
            self._frame()

    def _frame(self) -> bytes:
        return self._replies.read(*_INT.unpack(self._replies.read(4)))

    def call(self, requests: list[bytes]) -> None:
        """Send them, many on their way, and wait for the replies; events are passed over."""
        for start in range(0, len(requests), self.WINDOW):
            several = requests[start : start + self.WINDOW]
            self._socket.sendall(b"".join(several))
            left = len(several)
            while left:
                left -= _INT.unpack_from(self._frame())[0] != -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._replies.close()
        self._socket.close()
