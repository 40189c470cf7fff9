"""Carries out steps on one server, and tells what came back.

Rules that live here:

- A step is over when the connection it used is quiet (a ping sent last has been answered, or the
  peer has closed) and, if anything was written, every other connection that may watch is quiet too.
  No sleeps. What any other connection is sent all the same is seen when it is used next.
- Each example works under `ROOT`, which is deleted at the end, with all sessions closed.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...support import wire
from ...support.wire import OPS, PING_FRAME, PING_XID, Channel, SilenceError
from .mapping import Mapping, is_event, is_ping_reply
from .servers import SUPER, Server
from .steps import ROOT, Drop, Open, Raw, Request, Send, Split, Step, Word, Zxid

STEWARD = -1  # the slot of the connection that makes and clears the room for each example
# Requests that are answered in their turn. What a server answers out of turn it may follow with the
# end of the connection: whether a ping sent right behind is still answered is then a matter of
# chance, so these are sent without one, and the answer tells what to wait for.
ORDERLY = frozenset(OPS.values()) - {OPS["notification"], OPS["auth"], OPS["sasl"]}
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
PERMANENT = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")


@dataclass(frozen=True)
class Seen:
    """What one step brought on one connection; equal on both sides or there is a divergence."""

    slot: int
    frames: tuple[bytes, ...]
    ended: bool


@dataclass
class Line:
    """An open connection with the requests that wait for their replies."""

    slot: int
    channel: Channel
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

    def __init__(self, server: Server) -> None:
        self.server = server
        self._mapping = self.new_mapping()
        self.lines: dict[int, Line] = {}
        """Open connections by slot."""
        self._sessions: list[tuple[int, bytes]] = []
        self.zxid = 0
        """The highest that a reply has named."""
        self._base = 0
        self._quotas = False
        # 3.9 does not know `check` outside a multi; 3.8.0 does (and does not answer a good one).
        self._orderly = ORDERLY if server.version == "3.8" else ORDERLY - {OPS["check"]}
        # How often its maker asked whether it is up is not the same on both sides.
        self.ask_word(b"srst")

    # -- what an ensemble does in its own way: hooks, and nothing else is overridden

    def new_mapping(self) -> Mapping:
        return Mapping()

    def new_channel(self, slot: int) -> Channel:
        """A new connection for `slot`."""
        return self.server.channel()

    def ask_word(self, data: bytes) -> list[bytes]:
        """A four-letter word, and each server's answer to it."""
        channel = self.server.channel()
        channel.send(data)
        return [channel.read_raw()]

    def is_orderly(self, line: Line, request: Request) -> bool:
        """Whether a ping right behind the request is answered right behind its reply."""
        return request.op in self._orderly

    def is_one_by_one(self, line: Line, requests: Sequence[Request]) -> bool:
        """Whether requests of one step are sent one by one, each after the answer to the last."""
        self._quotas |= any(b"zookeeper_limits" in request.body for request in requests)
        # The quota check of a pipelined request may come before or after the one in front of it
        # has been counted.
        return self._quotas

    def joined(self, line: Line, session: int) -> None:
        """A handshake on `line`, its first or a later one, was answered with `session`."""

    def ended(self) -> None:
        """A connection has ended."""

    def noticed(self, line: Line, seen: Seen) -> Seen:
        """What is compared of what was seen on `line`."""
        return seen

    def catch_up(self) -> Iterator[None]:
        """Wait until all that is committed shows everywhere."""
        return iter(())

    # Each of these runs until it has to wait for the server, then yields: the other side can send
    # in the meantime, and both servers work at the same time.

    def begin(self) -> Progress:
        """Start an example: the steward's session, and `ROOT`."""
        self._sessions.clear()
        self._mapping.forget_times()
        self._base = self.zxid
        self._quotas = False
        auth = Request(OPS["auth"], wire.auth("digest", SUPER.encode()))
        create = Request(OPS["create"], wire.create(ROOT, b"root"))
        return (yield from self._open(Open(STEWARD, timeout=300_000, then=(auth, create))))

    def perform(self, step: Step) -> Progress:
        """Carry out one step."""
        match step:
            case Open():
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
            case Raw(slot, data, cut):
                line, seen = yield from self._ensure(slot)
                if not cut:
                    return seen + (yield from self._exchange(slot, line, [data], ()))
                line.channel.send(data)
                seen += self._finish(slot)
                return seen + (yield from self._settle(except_slot=slot))
            case Drop(slot):
                return self._finish(slot)
            case Word(word, tail):
                yield
                texts = self.ask_word(word + tail)
                return [Seen(-2, tuple(self._mapping.word(word, text) for text in texts), True)]

    def end(self) -> Progress:
        """End the example: close every session, delete what it made, close the steward's."""
        seen: list[Seen] = []
        close = Request(OPS["closeSession"])
        for slot in sorted(self.lines):
            if slot != STEWARD:
                seen += self._finish(slot)
        for index in range(len(self._sessions)):
            seen += yield from self._open(Open(0, session=index, then=(close,)))
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

    def _open(self, step: Open) -> Progress:
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
        line = Line(step.slot, self.new_channel(step.slot))
        self.lines[step.slot] = line
        data = wire.frame(record[: step.keep] + step.tail)
        data += b"".join(self._encode(line, request) for request in step.then)
        return seen + (yield from self._exchange(step.slot, line, [data], step.then, always=True))

    def _ensure(self, slot: int) -> Generator[None, None, tuple[Line, list[Seen]]]:
        seen: list[Seen] = []
        if slot not in self.lines:
            seen = yield from self._open(Open(slot))
        if slot not in self.lines:
            raise SilenceError(f"{self.server.name} refused a plain connect: {seen}")
        return self.lines[slot], seen

    def _exchange(
        self,
        slot: int,
        line: Line,
        pieces: list[bytes],
        requests: Iterable[Request],
        *,
        always: bool = False,
    ) -> Progress:
        """Send, read until quiet, and see that the others are quiet if they may have heard."""
        before = self.zxid
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
        if always or seen[-1].ended or self.zxid != before:
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

    def _read_one(self, slot: int, line: Line) -> Seen:
        return self._reading(slot, line, line.channel.read_frame)

    def _read(self, slot: int, line: Line, pings: int) -> Seen:
        return self._reading(slot, line, lambda: line.channel.read(pings))

    def _reading(self, slot: int, line: Line, read: Reading) -> Seen:
        try:
            frames, ended = read()
        except SilenceError as silent:
            self.lines.pop(slot).channel.abandon()
            self.ended()
            return Seen(slot, (f"silence: {silent}".encode(),), ended=True)
        if ended:
            del self.lines[slot]
            self.ended()
        mapped = tuple([self._mapped(line, payload) for payload in frames])
        return self.noticed(line, Seen(slot, mapped, ended))

    def _finish(self, slot: int) -> list[Seen]:
        line = self.lines.pop(slot, None)
        if line is None:
            return []
        self.ended()
        try:
            frames = line.channel.finish()
        except SilenceError as silent:
            line.channel.abandon()
            return [Seen(slot, (f"silence: {silent}".encode(),), ended=True)]
        return [Seen(slot, tuple([self._mapped(line, payload) for payload in frames]), True)]

    def _clear(self) -> Progress:
        """Delete all but the permanent nodes, and give those their ACL and data back."""
        seen: list[Seen] = []
        level, found = ["/"], list[str]()
        while level:
            raw: list[bytes] = []
            seen += yield from self._ask(
                OPS["getChildren"], [wire.path_watch(p) for p in level], raw
            )
            below: list[str] = []
            for parent, payload in zip(level, raw, strict=True):
                below += [f"{parent.rstrip('/')}/{name}" for name in _names(payload)]
            found += below
            level = below
        doomed = [path for path in reversed(found) if path not in PERMANENT]
        seen += yield from self._ask(OPS["delete"], [wire.path_version(p) for p in doomed], [])
        raw = []
        seen += yield from self._ask(OPS["getACL"], [wire.string(p) for p in PERMANENT], raw)
        for path, payload in zip(PERMANENT, raw, strict=True):
            perms = wire.PERM_READ if path == PERMANENT[-1] else wire.PERM_ALL
            acl = wire.acls([(perms, "world", "anyone")])
            if payload[16 : 16 + len(acl)] != acl:
                body = wire.string(path) + acl + wire.i32(-1)
                seen += yield from self._ask(OPS["setACL"], [body], [])
        raw = []
        seen += yield from self._ask(OPS["getData"], [wire.path_watch(p) for p in PERMANENT], raw)
        for path, payload in zip(PERMANENT, raw, strict=True):
            if payload[16:20] != bytes(4):
                body = wire.set_data(path, b"")
                seen += yield from self._ask(OPS["setData"], [body], [])
        return seen

    def _ask(self, op: int, bodies: list[bytes], raw: list[bytes]) -> Progress:
        """Ask on the steward's connection; `raw` gets the replies as they were sent."""
        line = self.lines[STEWARD]
        data = b"".join(self._encode(line, Request(op, body)) for body in bodies)
        line.channel.send(data + PING_FRAME)
        line.waiting.append((PING_XID, wire.PING))
        yield
        frames, ended = line.channel.read(1)
        raw += [payload for payload in frames if not is_event(payload)][: len(bodies)]
        return [Seen(STEWARD, tuple([self._mapped(line, payload) for payload in frames]), ended)]

    # -- bytes --

    def _absolute(self, zxid: Zxid | int) -> int:
        return self._base + zxid.after if isinstance(zxid, Zxid) else zxid

    def _encode(self, line: Line, request: Request) -> bytes:
        if request.xid is None:
            line.xid += 1
            xid = line.xid
        else:
            xid = request.xid
        head = b"" if request.zxid is None else wire.i64(self._absolute(request.zxid))
        line.waiting.append((PING_XID if request.op == wire.PING else xid, request.op))
        line.watching |= request.op in WATCHING
        return wire.request(xid, request.op, head + request.body)

    def _mapped(self, line: Line, payload: bytes) -> bytes:
        if line.connecting:
            line.connecting = False
            if len(payload) in (36, 37):
                session = struct.unpack_from(">q", payload, 8)[0]
                known = (session, payload[20:36])
                line.session = session
                if session and line.slot != STEWARD and known not in self._sessions:
                    self._sessions.append(known)
                self.joined(line, session)
                return self._mapping.connect_response(payload)
        if is_event(payload) or len(payload) < 16:
            return payload
        xid, zxid = struct.unpack_from(">iq", payload)
        waiting = line.waiting
        while waiting:
            expected, op = waiting.popleft()
            if op == OPS["createSession"] and len(payload) in (36, 37):
                self.joined(line, struct.unpack_from(">q", payload, 8)[0])
                return self._mapping.reply(op, payload)
            if expected == xid:
                self.zxid = max(self.zxid, zxid)
                return self._mapping.reply(op, payload)
        return payload


def _names(payload: bytes) -> list[str]:
    """The names in a getChildren reply."""
    names: list[str] = []
    if len(payload) < 20:
        return names
    at = 20
    for _ in range(struct.unpack_from(">i", payload, 16)[0]):
        (length,) = struct.unpack_from(">i", payload, at)
        names.append(payload[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return names
