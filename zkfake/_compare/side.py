"""Carries out steps on one server, and tells what came back.

Rules that live here:

- A step is over when the connection it used is quiet (a ping sent last has been answered, or the
  peer has closed) and, if anything might be written, every other connection that may watch is quiet
  too. What a server's zxid says of that is no matter: others may write.
  No sleeps. What any other connection is sent all the same is seen when it is used next.
- Each example works under one znode, which is deleted at the end, with all sessions closed. What
  there is below it is read before that, so what an example has made is compared, too.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from zkfake._compare import wire
from zkfake._compare.channels import RawChannel, SilenceError
from zkfake._compare.replies import Mapping, is_event, is_ping_reply, names_of
from zkfake._compare.steps import Connect, Drop, RawRequest, Send, Split, Zxid
from zkfake._compare.wire import OPS, PING_FRAME, PING_XID

__all__ = [
    "CHANGES",
    "CONNECT",
    "EVENT",
    "ORDERLY",
    "STEWARD",
    "OpenLine",
    "Progress",
    "Seen",
    "Server",
    "Side",
]

STEWARD = -1
"""The slot of the connection that makes and clears the room for each example."""
EVENT, CONNECT = 0, -10
"""What `Seen.ops` has for an event, and for the answer to a handshake."""
# Requests that are answered in their turn. What a server answers out of turn it may follow with the
# end of the connection: whether a ping sent right behind is still answered is then a matter of
# chance, so these are sent without one, and the answer tells what to wait for.
ORDERLY = frozenset(OPS.values()) - {OPS["notification"], OPS["auth"], OPS["sasl"]}
CHANGES = frozenset(
    OPS[name]
    for name in (
        *("create", "create2", "createContainer", "createTTL", "delete", "deleteContainer"),
        *("setData", "setACL", "multi", "check", "reconfig", "createSession", "closeSession"),
    )
)
"""The requests that take a zxid."""
WATCHING = frozenset(
    OPS[name]
    for name in (
        "exists",
        "getData",
        "getChildren",
        "getChildren2",
        "setWatches",
        "setWatches2",
        "addWatch",
    )
)
TO_THE_END = 1 << 30  # pings to wait for where the end is what is waited for
_CLOSING_ERRORS = (wire.i32(-6), wire.i32(-115))


class Server(Protocol):
    """A running server."""

    @property
    def name(self) -> str: ...

    def channel(self) -> RawChannel:
        """A new connection."""

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Seen:
    """What one step brought on one connection; equal on both sides or there is a divergence."""

    slot: int
    frames: tuple[bytes, ...]
    ended: bool
    ops: tuple[int, ...] = field(default=(), compare=False)
    """For each frame the type of the request that it answers."""


@dataclass
class OpenLine:
    """An open connection with the requests that wait for their replies."""

    slot: int
    channel: RawChannel
    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    connecting: bool = True
    watching: bool = False  # may have watches, and so hear of what others do
    xid: int = 0
    session: int = 0
    moved: bool = False  # its session went on at another server


Progress = Generator[None, None, list[Seen]]
Reading = Callable[[], tuple[list[bytes], bool]]
"""Frames, and whether the connection has ended behind them."""


class Side:
    """One server with the connections and sessions of the current example."""

    def __init__(
        self,
        server: Server,
        root: str,
        credential: str,
        *,
        mapping: Mapping | None = None,
        orderly: frozenset[int] = ORDERLY,
    ) -> None:
        """``root``: the znode below which examples work. ``credential``: that of the connection
        that makes it and deletes it, for the scheme ``digest``. ``mapping``: what is compared of
        the answers. ``orderly``: the requests that are answered in their turn.
        """
        self.server = server
        self.root = root
        self.lines: dict[int, OpenLine] = {}
        """Open connections by slot."""
        self.zxid = 0
        """The highest that a reply has named."""
        self._mapping = Mapping() if mapping is None else mapping
        self._credential = credential
        self._orderly = orderly
        self._sessions: list[tuple[int, bytes]] = []
        self._base = 0

    # -- hooks

    def new_channel(self, slot: int) -> RawChannel:
        """A new connection for `slot`."""
        return self.server.channel()

    def is_orderly(self, line: OpenLine, request: RawRequest) -> bool:
        """Whether a ping right behind the request is answered right behind its reply."""
        return request.op in self._orderly

    def is_one_by_one(self, line: OpenLine, requests: Sequence[RawRequest]) -> bool:
        """Whether requests of one step are sent one by one, each after the answer to the last."""
        return False

    def joined(self, line: OpenLine, session: int) -> None:
        """A handshake on `line`, its first or a later one, was answered with `session`."""

    def ended(self) -> None:
        """A connection has ended."""

    def noticed(self, line: OpenLine, seen: Seen) -> Seen:
        """What is compared of what was seen on `line`."""
        return seen

    def catch_up(self) -> Iterator[None]:
        """Wait until all that is committed shows everywhere."""
        return iter(())

    # Each of these runs until it has to wait for the server, then yields: the other side can send
    # in the meantime, and both servers work at the same time.

    def begin(self) -> Progress:
        """Start an example: the steward's session, and the root."""
        self._sessions.clear()
        self._mapping.forget_times()
        self._base = self.zxid
        auth = RawRequest(OPS["auth"], wire.auth("digest", self._credential.encode()))
        create = RawRequest(OPS["create"], wire.create(self.root, b"root"))
        return (yield from self._open(Connect(STEWARD, timeout=300_000, then=(auth, create))))

    def perform(self, step: Any) -> Progress:
        """Carry out one step, a `Step`; a subclass may have others."""
        match step:
            case Connect():
                return (yield from self._open(step))
            case Send(slot, requests):
                line, seen = yield from self._ensure(slot)
                if self.is_one_by_one(line, requests) and len(requests) > 1:
                    for request in requests:
                        if self.lines.get(slot) is line:  # it may have ended on the way
                            seen += yield from self.perform(Send(slot, (request,)))
                    return seen
                data = b"".join(self._encode(line, request) for request in requests)
                return seen + (yield from self._exchange(slot, line, [data], requests))
            case Split(slot, request, at):
                line, seen = yield from self._ensure(slot)
                data = self._encode(line, request)
                at %= len(data)
                return seen + (
                    yield from self._exchange(slot, line, [data[:at], data[at:]], [request])
                )
            case Drop(slot):
                return self._finish(slot)
            case _:
                raise TypeError(step)

    def end(self) -> Progress:
        """End the example: close every session, delete what it made, close the steward's."""
        seen: list[Seen] = []
        close = RawRequest(OPS["closeSession"])
        for slot in sorted(self.lines):
            if slot != STEWARD:
                seen += self._finish(slot)
        for index in range(len(self._sessions)):
            seen += yield from self._open(Connect(0, session=index, then=(close,)))
            seen += self._finish(0)
        seen += yield from self._clear()
        seen += yield from self.perform(Send(STEWARD, (close,)))
        seen += self._finish(STEWARD)
        return seen

    def kill(self) -> None:
        """Let go of every connection, come what may."""
        while self.lines:
            self.lines.popitem()[1].channel.abandon()

    # -- the parts of a step --

    def _open(self, step: Connect) -> Progress:
        seen = self._finish(step.slot)
        session, password = 0, bytes(16)
        if step.session is not None and self._sessions:
            session, password = self._sessions[step.session % len(self._sessions)]
        given = {
            "right": password,
            "wrong": bytes(byte ^ 0x5A for byte in password),
            "short": password[:7],
            "null": None,
        }[step.password]
        record = wire.connect(
            protocol=step.protocol,
            last_zxid=self._absolute(step.last_zxid),
            timeout=step.timeout,
            session=session,
            password=given,
            read_only=step.read_only,
        )
        line = OpenLine(step.slot, self.new_channel(step.slot))
        self.lines[step.slot] = line
        data = wire.frame(record[: step.keep] + step.tail)
        data += b"".join(self._encode(line, request) for request in step.then)
        return seen + (yield from self._exchange(step.slot, line, [data], step.then, always=True))

    def _ensure(self, slot: int) -> Generator[None, None, tuple[OpenLine, list[Seen]]]:
        seen: list[Seen] = []
        if slot not in self.lines:
            seen = yield from self._open(Connect(slot))
        if slot not in self.lines:
            raise SilenceError(f"{self.server.name} refused a plain connect: {seen}")
        return self.lines[slot], seen

    def _exchange(
        self,
        slot: int,
        line: OpenLine,
        pieces: list[bytes],
        requests: Sequence[RawRequest],
        *,
        always: bool = False,
    ) -> Progress:
        """Send, read until quiet, and see that the others are quiet if they may have heard."""
        for piece in pieces[:-1]:
            line.channel.send(piece)
            yield from self._settle(except_slot=slot)
        pings = 1
        for request in requests:
            pings += request.op == wire.PING or request.xid == PING_XID
        seen: list[Seen] = []
        if any(request.op == OPS["closeSession"] for request in requests):
            line.channel.send(pieces[-1])
            yield
            seen.append(self._read(slot, line, TO_THE_END))
        elif not all(self.is_orderly(line, request) for request in requests):
            line.channel.send(pieces[-1])
            yield
            seen.append(self._read_one(slot, line))
            promised = any(payload[12:16] in _CLOSING_ERRORS for payload in seen[0].frames)
            if not seen[0].ended:
                if promised:
                    pings = TO_THE_END
                else:
                    line.waiting.append((PING_XID, wire.PING))
                    line.channel.send(PING_FRAME)
                yield
                pings -= sum(map(is_ping_reply, seen[0].frames))
                seen.append(self._read(slot, line, pings))
        else:
            line.waiting.append((PING_XID, wire.PING))
            line.channel.send(pieces[-1] + PING_FRAME)
            yield
            seen.append(self._read(slot, line, pings))
        if always or seen[-1].ended or any(request.op in CHANGES for request in requests):
            seen += yield from self._settle(except_slot=slot)
        return seen

    def _settle(self, except_slot: int) -> Progress:
        yield from self.catch_up()
        others = [
            (slot, line)
            for slot, line in self.lines.items()
            if slot != except_slot and line.watching
        ]
        for _, line in others:
            line.waiting.append((PING_XID, wire.PING))
            line.channel.send(PING_FRAME)
        yield
        return [self._read(slot, line, 1) for slot, line in others]

    def _read_one(self, slot: int, line: OpenLine) -> Seen:
        return self._reading(slot, line, line.channel.read_frame)

    def _read(self, slot: int, line: OpenLine, pings: int) -> Seen:
        return self._reading(slot, line, lambda: line.channel.read(pings))

    def _reading(self, slot: int, line: OpenLine, read: Reading) -> Seen:
        try:
            frames, ended = read()
        except SilenceError as silent:
            self.lines.pop(slot).channel.abandon()
            self.ended()
            return _silence(slot, silent)
        if ended:
            del self.lines[slot]
            self.ended()
        return self.noticed(line, self._seen(line, frames, ended))

    def _finish(self, slot: int) -> list[Seen]:
        line = self.lines.pop(slot, None)
        if line is None:
            return []
        self.ended()
        try:
            frames = line.channel.finish()
        except SilenceError as silent:
            line.channel.abandon()
            return [_silence(slot, silent)]
        return [self._seen(line, frames, ended=True)]

    def _clear(self) -> Progress:
        """Read what there is below the root, and delete it with the root."""
        found: list[str] = []
        seen = yield from self._find(self.root, found)
        found.insert(0, self.root)
        reads = (("getData", wire.path_watch), ("getACL", wire.string))
        for name, body in reads:
            seen += yield from self._ask(OPS[name], [body(path) for path in found], [])
        doomed = [wire.path_version(path) for path in reversed(found)]
        return seen + (yield from self._ask(OPS["delete"], doomed, []))

    def _find(self, top: str, found: list[str]) -> Progress:
        """List everything below ``top``, those above others first."""
        seen: list[Seen] = []
        level = [top]
        while level:
            raw: list[bytes] = []
            seen += yield from self._ask(
                OPS["getChildren"], [wire.path_watch(p) for p in level], raw
            )
            below: list[str] = []
            for parent, payload in zip(level, raw, strict=True):
                below += [f"{parent.rstrip('/')}/{name}" for name in names_of(payload)]
            found += below
            level = below
        return seen

    def _ask(self, op: int, bodies: list[bytes], raw: list[bytes]) -> Progress:
        """Ask on the steward's connection; `raw` gets the replies as they were sent."""
        line = self.lines[STEWARD]
        data = b"".join(self._encode(line, RawRequest(op, body)) for body in bodies)
        line.channel.send(data + PING_FRAME)
        line.waiting.append((PING_XID, wire.PING))
        yield
        frames, ended = line.channel.read(1)
        raw += [payload for payload in frames if not is_event(payload)][: len(bodies)]
        return [self._seen(line, frames, ended)]

    # -- bytes --

    def _absolute(self, zxid: Zxid | int) -> int:
        return self._base + zxid.after if isinstance(zxid, Zxid) else zxid

    def _encode(self, line: OpenLine, request: RawRequest) -> bytes:
        if request.xid is None:
            line.xid += 1
            xid = line.xid
        else:
            xid = request.xid
        head = b"" if request.zxid is None else wire.i64(self._absolute(request.zxid))
        line.waiting.append((PING_XID if request.op == wire.PING else xid, request.op))
        line.watching |= request.op in WATCHING
        return wire.request(xid, request.op, head + request.body)

    def _seen(self, line: OpenLine, frames: Sequence[bytes], ended: bool) -> Seen:
        """Frames as they are compared."""
        mapped = [self._mapped(line, payload) for payload in frames]
        return Seen(
            line.slot, tuple([frame for _, frame in mapped]), ended, tuple([op for op, _ in mapped])
        )

    def _mapped(self, line: OpenLine, payload: bytes) -> tuple[int, bytes]:
        if line.connecting:
            line.connecting = False
            if len(payload) in (36, 37):
                session = struct.unpack_from(">q", payload, 8)[0]
                known = (session, payload[20:36])
                line.session = session
                if session and line.slot != STEWARD and known not in self._sessions:
                    self._sessions.append(known)
                self.joined(line, session)
                return CONNECT, self._mapping.connect_response(payload)
        if is_event(payload):
            return EVENT, self._mapping.event(payload)
        if len(payload) < 16:
            return EVENT, payload
        xid, zxid = struct.unpack_from(">iq", payload)
        waiting = line.waiting
        while waiting:
            expected, op = waiting.popleft()
            if op == OPS["createSession"] and len(payload) in (36, 37):
                self.joined(line, struct.unpack_from(">q", payload, 8)[0])
                return op, self._mapping.reply(op, payload)
            if expected == xid:
                self.zxid = max(self.zxid, zxid)
                return op, self._mapping.reply(op, payload)
        return EVENT, payload


def _silence(slot: int, silent: SilenceError) -> Seen:
    return Seen(slot, (f"silence: {silent}".encode(),), ended=True, ops=(EVENT,))
