"""What a scenario is written with: clients that speak to one server each, and three servers that
stop, go on, die and come back.

Rules that live here:

- A client sends without waiting; what it is told comes as short words: ``ok``, the data of a
  znode, the name of an error, an event, ``lost`` for the end of its connection.
- Servers go by the place they have when the scenario starts: the leader and two followers.
- Nothing waits for a time. `World.breathe` lets a time pass that chance draws, so that what comes
  next happens early in one run and late in another.
- What a scenario needs to begin with has to work. Where it does not, as other work on the machine
  may cost a live server its leader, the run is `DisturbedError` and counts for nothing.
"""

from __future__ import annotations

import contextlib
import struct
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Protocol

from ...support import wire
from ...support.replies import Event, Reply, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Outcome = tuple[str, ...]
"""What the clients of one run were told, in an order that the scenario chooses."""

TICK, INIT_LIMIT, SYNC_LIMIT = 200, 10, 3
"""Milliseconds; ticks."""
LONG, SHORT = 60_000, 1_000
"""Session timeouts, milliseconds."""
LOST = "lost"
EPHEMERAL, SEQUENTIAL = 1, 2

_ERRORS = {0: "ok", -101: "no node", -103: "bad version", -110: "node exists", -112: "expired"}
_EVENTS = {1: "created", 2: "deleted", 3: "changed", 4: "children changed"}


class DisturbedError(Exception):
    """The run did not come to where the scenario starts, or a server said nothing for too long."""


class Line(Protocol):
    """A connection, as a blocking socket has it."""

    def sendall(self, data: bytes) -> None: ...
    def recv(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class Client:
    """One connection to one server."""

    def __init__(
        self,
        line: Line | None,
        *,
        timeout: int = LONG,
        session: int = 0,
        password: bytes = bytes(16),
        last_zxid: int = 0,
    ) -> None:
        """``line``: ``None`` where the server does not listen."""
        self.on_silence: Callable[[], None] | None = None
        """Called when the server says nothing for too long, before it is asked once more."""
        self._line = line
        self._buffer = bytearray()
        self._asked: deque[Callable[[Reply], str]] = deque()
        self._xid = 0
        self.session, self.password, self.last_zxid = session, password, last_zxid
        self._write(
            wire.frame(
                wire.connect(
                    last_zxid=last_zxid, timeout=timeout, session=session, password=password
                )
            )
        )

    # -- bytes

    def _write(self, data: bytes) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):  # what came before the end is still to be read
                self._line.sendall(data)

    def _frame(self) -> bytes | None:
        """The next frame; ``None`` at the end of the connection."""
        while self._line is not None:
            if len(self._buffer) >= 4:
                (length,) = struct.unpack_from(">i", self._buffer)
                if len(self._buffer) >= 4 + length:
                    frame = bytes(self._buffer[4 : 4 + length])
                    del self._buffer[: 4 + length]
                    return frame
            try:
                data = self._line.recv(65536)
            except TimeoutError:
                if self.on_silence is None:
                    raise DisturbedError("a server said nothing for too long") from None
                nudge, self.on_silence = self.on_silence, None
                nudge()
                continue
            except OSError:
                data = b""
            self._buffer += data
            if not data:
                self.close()
        return None

    def close(self) -> None:
        """Closes the connection; the session goes on."""
        if self._line is not None:
            self._line.close()
            self._line = None

    # -- what it is told

    def shaken(self) -> str:
        """How the server took the session: ``accepted``, ``expired`` or ``lost``."""
        frame = self._frame()
        if frame is None:
            return LOST
        _, timeout, session = struct.unpack_from(">iiq", frame)
        if not timeout:
            return "expired"
        self.session, self.password = session, frame[20:36]
        return "accepted"

    def take(self) -> str:
        """The next reply or event."""
        frame = self._frame()
        if frame is None:
            return LOST
        item = take_apart(frame)
        self.last_zxid = max(self.last_zxid, item.zxid)
        if isinstance(item, Event):
            return f"event {_EVENTS[item.type]}"
        show = self._asked.popleft()
        return _ERRORS.get(item.error, str(item.error)) if item.error else show(item)

    def answers(self) -> list[str]:
        """What comes until everything is answered, or the connection ends."""
        told: list[str] = []
        while self._asked and LOST not in told:
            told.append(self.take())
        return told

    def must(self, expected: str = "ok") -> None:
        """The one answer that is expected; raises `DisturbedError` for another one."""
        told = self.answers()
        if told != [expected]:
            raise DisturbedError(f"{told}, not {expected}")

    # -- what it asks

    def _ask(self, op: str, body: bytes, show: Callable[[Reply], str] = lambda _: "ok") -> None:
        self._xid += 1
        self._asked.append(show)
        self._write(wire.request(self._xid, wire.OPS[op], body))

    def get(self, path: str, *, watch: bool = False) -> None:
        self._ask("getData", wire.path_watch(path, watch), lambda r: (r.data or b"").decode())

    def exists(self, path: str, *, watch: bool = False) -> None:
        self._ask("exists", wire.path_watch(path, watch), lambda _: "there")

    def count(self, path: str) -> None:
        """How many children there are."""
        self._ask("getChildren", wire.path_watch(path), lambda r: str(len(r.strings)))

    def set(self, path: str, value: str, version: int = -1) -> None:
        self._ask("setData", wire.set_data(path, value.encode(), version))

    def create(self, path: str, value: str = "", flags: int = 0) -> None:
        self._ask("create", wire.create(path, value.encode(), flags=flags))

    def set_both(self, one: str, other: str, value: str) -> None:
        """One multi."""
        both = [(wire.OPS["setData"], wire.set_data(p, value.encode())) for p in (one, other)]
        self._ask("multi", wire.multi(both), _of_a_multi)

    def check(self, path: str, version: int = -1) -> None:
        """A multi of one check."""
        operations = [(wire.OPS["check"], wire.path_version(path, version))]
        self._ask("multi", wire.multi(operations), _of_a_multi)

    def sync(self) -> None:
        self._ask("sync", wire.string("/"))

    def watch_again(self, path: str, since: int) -> None:
        """setWatches, for the data of one path."""
        self._ask(
            "setWatches",
            wire.i64(since) + wire.strings([path]) + wire.strings([]) + wire.strings([]),
        )

    def end_session(self) -> None:
        self._ask("closeSession", b"")


def _of_a_multi(reply: Reply) -> str:
    (kind, _, error) = struct.unpack_from(">i?i", reply.body)
    return "ok" if kind != -1 else _ERRORS.get(error, str(error))


class World(ABC):
    """Three servers, by their numbers from 1, and the clients of one run."""

    def __init__(self, dice: Random, root: str) -> None:
        """``root``: the znode that the run has to itself."""
        self.dice = dice
        self.root = root
        self._clients: list[Client] = []
        self._stopped: set[int] = set()
        self._killed: set[int] = set()
        try:
            self.leader, self.follower, self.other = self._places()
            client = self.client(self.leader)
            client.create(root)
            client.must()
            for server in (self.follower, self.other):
                there = self.client(server)
                there.sync()
                there.must()
        except BaseException:
            self._close_clients()
            raise

    def _places(self) -> tuple[int, int, int]:
        """The leader, and the two followers as chance has it."""
        self.wait(self._is_calm)
        modes = {number: self.mode(number) for number in (1, 2, 3)}
        followers = [number for number, mode in modes.items() if mode == "follower"]
        if len(followers) != 2:
            raise DisturbedError(f"{modes}")
        self.dice.shuffle(followers)
        return 6 - sum(followers), followers[0], followers[1]

    def _is_calm(self) -> bool:
        modes = [self.mode(number) or "" for number in (1, 2, 3)]
        return sorted(modes) == ["follower", "follower", "leader"]

    # -- what a driver does

    @abstractmethod
    def _line(self, server: int) -> Line | None:
        """A connection; ``None`` where nobody listens."""

    @abstractmethod
    def mode(self, server: int) -> str | None:
        """``"leader"``, ``"follower"``, or ``None`` while it serves nobody."""

    @abstractmethod
    def wait(self, holds: Callable[[], bool]) -> None:
        """Raises `DisturbedError` where that takes too long."""

    @abstractmethod
    def sleep(self, seconds: float) -> None: ...
    @abstractmethod
    def _signal(self, server: int, *, stop: bool) -> None: ...
    @abstractmethod
    def _kill(self, server: int) -> None: ...
    @abstractmethod
    def _restart(self, server: int) -> None: ...

    # -- what happens to servers

    def stop(self, server: int) -> None:
        """SIGSTOP: it stands still, its connections stay open."""
        self._signal(server, stop=True)
        self._stopped.add(server)

    def go_on(self, server: int) -> None:
        """SIGCONT."""
        self._stopped.remove(server)
        self._signal(server, stop=False)

    def kill(self, server: int) -> None:
        """kill -9."""
        self._kill(server)
        self._killed.add(server)

    def restart(self, server: int) -> None:
        self._killed.remove(server)
        self._restart(server)

    def elect(self) -> int:
        """Waits until another server than the first leader leads; its number."""
        others = [n for n in (self.follower, self.other) if n not in self._stopped | self._killed]
        self.wait(lambda: any(self.mode(number) == "leader" for number in others))
        for number in others:
            if self.mode(number) == "leader":
                return number
        raise DisturbedError("a new leader is gone already")

    @abstractmethod
    def nudge(self) -> None:
        """A server says nothing: somebody else asks each for something."""

    def calm(self) -> None:
        """Everybody goes on or comes back, and serves."""
        for server in sorted(self._stopped):
            self.go_on(server)
        for server in sorted(self._killed):
            self.restart(server)
        self.wait(self._is_calm)

    def breathe(self, most: float) -> None:
        """Lets up to ``most`` seconds pass; short times are as likely as long ones."""
        self.sleep(
            self.dice.choice((0.0, most * self.dice.random() ** 3, most * self.dice.random()))
        )

    # -- clients

    def open(self, server: int, **arguments: int | bytes) -> Client:
        """Connects, and does not wait for the session."""
        client = Client(self._line(server), **arguments)  # type: ignore[arg-type]
        client.on_silence = self.nudge
        self._clients.append(client)
        return client

    def client(self, server: int, timeout: int = LONG) -> Client:
        """A client with a session."""
        client = self.open(server, timeout=timeout)
        if client.shaken() != "accepted":
            raise DisturbedError("a new session was refused")
        return client

    def again(self, client: Client, server: int, last_zxid: int | None = None) -> Client:
        """The client's session, at another server; what became of it, `Client.shaken` tells.

        ``last_zxid``: what the client has seen, unless it is to be another one.
        """
        seen = client.last_zxid if last_zxid is None else last_zxid
        return self.open(server, session=client.session, password=client.password, last_zxid=seen)

    def moved(self, client: Client, servers: tuple[int, ...]) -> Client:
        """The client's session, at the first of these servers that takes it."""
        for _ in range(200):
            for server in servers:
                again = self.again(client, server)
                shaken = again.shaken()
                if shaken == "accepted":
                    return again
            self.sleep(0.05)  # nobody serves, or who does is behind
        raise DisturbedError(f"no server takes the session, the last answer: {shaken}")

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def made(self, client: Client, value: str, name: str = "x") -> str:
        """A znode that every server has."""
        path = self.path(name)
        client.create(path, value)
        client.must()
        for server in (self.leader, self.follower, self.other):
            there = self.client(server)
            there.sync()
            there.must()
        return path

    def read(self, path: str) -> str:
        """What every server has in the end."""
        return self._final(lambda client: client.get(path))

    def count(self, path: str) -> str:
        """How many children there are in the end."""
        return self._final(lambda client: client.count(path))

    def _final(self, ask: Callable[[Client], None]) -> str:
        for _ in range(200):
            self.calm()
            found: set[str] = set()
            for server in (1, 2, 3):
                client = self.open(server)
                if client.shaken() == "accepted":
                    client.sync()
                    ask(client)
                    found.add(client.answers()[-1])
                else:
                    found.add(LOST)
                client.close()
            if LOST not in found:
                return "/".join(sorted(found))  # more than one: the servers disagree
            self.sleep(0.05)  # an election
        raise DisturbedError("the servers do not come to rest")

    def close(self) -> None:
        """Closes every connection, and lets every server serve."""
        self._close_clients()
        self.calm()

    def _close_clients(self) -> None:
        while self._clients:
            self._clients.pop().close()
