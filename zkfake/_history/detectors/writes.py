"""Habits of programs that write: a check that protects nothing, a write that is made twice, data
that is nearly too large.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from zkfake._history.detector import Detector, keep
from zkfake._history.detectors.seen import READS, asked_writes, parent_of
from zkfake._history.results import Read, read_of
from zkfake._history.states import CHILD, PathVersion
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from zkfake._history.events import Committed, Reply, Sent
    from zkfake._history.reading import ConnectionSeen, Exchange, SessionSeen, WriteSeen
    from zkfake._history.states import Changed

__all__ = ["CheckThenAct", "LargePayload", "RepeatedWrite"]

READS_KEPT = 100
"""Of one connection: a program that checks something acts on it soon."""

ACTS_KEPT = 10
"""Of one path: that many sessions at one time show enough."""

MAX_BUFFER = 0xFFFFF
"""``jute.maxbuffer``, bytes, where nobody has set it: a longer frame ends its connection."""

LARGE = MAX_BUFFER * 3 // 4
"""Bytes of a frame that is near to it: data that grows by a third more is refused."""


class _Act(NamedTuple):
    """What a client read, and what it then did without a version."""

    read: Reply
    found: Read
    sent: Sent


class CheckThenAct(Detector):
    """A client reads a znode, and then writes it whatever its version is by then: what another
    client has written in between is lost.

    Matched: ``getData`` without a watch, and then ``setData`` with version -1 by the same
    connection, whose latest request on this path the read was; and another session sets the data of
    this znode after that read, while the client's session is open. Or: ``getData``, or ``exists``
    with the request right before, and then ``delete`` with version -1, which deleted another znode
    or other data than the read had shown; this takes the log of what was committed.

    Not matched: a write with the version that was read, in a multi also one with a check of the
    path; a znode that one session alone sets; a delete of what was seen; ``exists`` and then
    ``create`` or ``setData``, which ZooKeeper refuses by an error where the check was wrong; a read
    with a watch, and any of a connection that has persistent ones, since these keep a copy and ask
    for other reasons; a check of another znode than the one that is written.
    """

    name = "check then act without a version"
    advice = (
        "Write with the version that you have read, and begin anew after BadVersionError; or check "
        "it in the same transaction."
    )

    without_log = "deletes were not looked at: there is no log of what was committed"

    def __init__(self) -> None:
        super().__init__()
        self._reads: dict[ConnectionSeen, dict[str, tuple[Reply, Read]]] = {}
        self._last: dict[ConnectionSeen, Reply] = {}
        self._asked: dict[int, dict[str, _Act]] = {}
        self._acts: dict[str, dict[int, tuple[SessionSeen, _Act]]] = {}
        self._writers: dict[str, deque[WriteSeen]] = {}
        self._deletes: dict[tuple[int, str], _Act] = {}
        self._sessions: dict[int, None] = {}

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        if session_id:
            keep(self._sessions, session_id, None)
        self._reads[connection] = {}

    def on_watch_added(self, connection: ConnectionSeen, exchange: Exchange, reply: Reply) -> None:
        self._reads.pop(connection, None)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._reads.pop(connection, None)
        self._last.pop(connection, None)
        for exchange in connection.pending:
            self._asked.pop(exchange.sent.number, None)

    def on_sent(self, exchange: Exchange) -> None:
        reads = self._reads.get(exchange.connection)
        session = exchange.connection.session
        before = self._last.pop(exchange.connection, None)
        if not reads or session is None or exchange.sent.operation in READS:
            return
        for one in asked_writes(exchange):
            last = reads.pop(one.path, None)
            if last is None or one.guarded:
                continue
            reply, found = last
            act = _Act(reply, found, exchange.sent)
            if one.kind == "delete" and self.reading.has_log:
                # `ensure_path` asks with exists, for another reason.
                if reply.operation == "getData" or reply is before:
                    keep(self._deletes, (session.id, one.path), act)
            elif one.kind == "setData" and reply.operation == "getData":
                self._asked.setdefault(exchange.sent.number, {})[one.path] = act

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        operation = reply.operation
        if operation in ("getData", "exists"):
            reads, record = self._reads.get(exchange.connection), exchange.record
            if reads is None or record is None or record.path is None:
                return
            reads.pop(record.path, None)
            found = None if reply.error or record.watch else read_of(operation, reply.frame)
            if found is not None:
                reads[record.path] = (reply, found)
                self._last[exchange.connection] = reply
                if len(reads) > READS_KEPT:
                    del reads[next(iter(reads))]
            return
        acts = self._asked.pop(exchange.sent.number, None)
        session = exchange.connection.session
        if operation == "closeSession" and session is not None:
            self._sessions.pop(session.id, None)
        if acts is None or reply.error or session is None:
            return
        for path, act in acts.items():
            mine = self._acts.get(path)
            if mine is None:
                mine = {}
                keep(self._acts, path, mine)
            mine[session.id] = (session, act)
            if len(mine) > ACTS_KEPT:
                del mine[next(iter(mine))]
            for write in self._writers.get(path, ()):
                self._compare(path, session, act, write)

    def on_write(self, write: WriteSeen) -> None:
        if write.kind != "setData" or not write.session:
            return
        writers = self._writers.get(write.path)
        if writers is None:
            writers = deque(maxlen=2)
            keep(self._writers, write.path, writers)
        if writers and writers[-1].session == write.session:
            writers.pop()
        writers.append(write)
        for session, act in self._acts.get(write.path, {}).values():
            self._compare(write.path, session, act, write)

    def _compare(self, path: str, session: SessionSeen, act: _Act, write: WriteSeen) -> None:
        if write.session == session.id or session.id not in self._sessions:
            return
        if write.by.time < act.read.time:
            return
        self.detected(
            (session.client, path),
            f"{session.client} read {path} and then set it whatever its version was; another "
            "session sets it as well",
            act.read,
            act.sent,
            write.by,
        )

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        if done.op is Op.CLOSE_SESSION:
            self._sessions.pop(done.session_id, None)
        if not self._deletes or done.error:
            return
        for operation in done.operations:
            act = self._deletes.pop((done.session_id, operation.path), None)
            if act is None:
                continue
            gone = self.reading.states.at(operation.path, done.zxid - 1)
            if isinstance(gone, PathVersion) and gone.present and gone.mzxid != act.found.mzxid:
                self.detected(
                    (act.sent.client, operation.path),
                    f"{act.sent.client} looked at {operation.path} and then deleted what another "
                    "client had put there meanwhile",
                    act.read,
                    act.sent,
                    gone.entry,
                    entry,
                )


class _Lost(NamedTuple):
    """A write whose reply was lost with its connection."""

    sent: Sent
    data: bytes | None
    version: int


class RepeatedWrite(Detector):
    """A client makes a write again whose reply was lost, and it may take effect twice.

    Matched: a ``create`` of a sequential znode, or a multi with one, was not answered before its
    connection ended; the same client sends the same bytes again on a later connection, and has not
    asked for the children of the parent in between. Or: a ``setData`` with a version was not
    answered; the client reads the znode, is shown the very data and version that its write has
    made, and its next request on this path writes other data with that version: what it adds to
    what was there is added twice.

    Not matched: what can be sent twice without harm, as ``setData`` with the version that was
    read, ``delete``, or ``create`` of a fixed name; a new session under another name, as the fake
    and the proxy call their clients by their sessions; a client that looks first.
    """

    name = "a repeated write"
    advice = (
        "After a lost reply look whether the write took effect before you make it again: find your "
        "sequential znode by a name of your own, compare the data with what you wrote."
    )

    def __init__(self) -> None:
        super().__init__()
        self._created: dict[tuple[str, bytes], Sent] = {}
        self._of_parent: dict[tuple[str, str], list[tuple[str, bytes]]] = {}
        self._set: dict[tuple[str, str], _Lost] = {}
        self._shown: dict[tuple[str, str], tuple[_Lost, Reply]] = {}

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        for exchange in connection.pending:
            sent = exchange.sent
            for one in asked_writes(exchange):
                if one.sequential:
                    key = (sent.client, sent.frame[8:])
                    keep(self._created, key, sent)
                    parent = (sent.client, parent_of(one.path))
                    if parent not in self._of_parent:
                        keep(self._of_parent, parent, [])
                    self._of_parent[parent].append(key)
            if sent.operation == "setData" and exchange.record is not None:
                path, data, version = exchange.record
                if version != -1:
                    keep(self._set, (sent.client, path), _Lost(sent, data, version))

    def on_sent(self, exchange: Exchange) -> None:
        sent = exchange.sent
        if self._created:
            before = self._created.pop((sent.client, sent.frame[8:]), None)
            if before is not None:
                self.detected(
                    (sent.client, sent.paths),
                    f"{sent.client} sent {sent.operation} {' '.join(sent.paths)} again, whose "
                    "reply was lost, without having looked",
                    before,
                    exchange.connection.opened,
                    sent,
                )
        if self._shown and sent.operation == "setData" and exchange.record is not None:
            path, data, version = exchange.record
            shown = self._shown.pop((sent.client, path), None)
            if shown is not None:
                lost, reply = shown
                if version == lost.version + 1 and data != lost.data:
                    self.detected(
                        (sent.client, sent.paths),
                        f"{sent.client} wrote {path} and lost the reply, read what it had written, "
                        "and wrote it anew",
                        lost.sent,
                        reply,
                        sent,
                    )

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        client, record = reply.client, exchange.record
        if READS.get(reply.operation) == CHILD:
            if self._of_parent and record is not None:
                for made in self._of_parent.pop((client, record.path), ()):
                    self._created.pop(made, None)
            return
        if reply.operation != "getData" or not (self._set or self._shown) or record is None:
            return
        key = (client, record.path)
        if self._shown.pop(key, None):
            return
        lost = self._set.pop(key, None)
        found = None if reply.error or lost is None else read_of("getData", reply.frame)
        if lost is None or found is None:
            return
        if (found.data, found.version) == (lost.data, lost.version + 1):
            keep(self._shown, key, (lost, reply))


class LargePayload(Detector):
    """What a client sends, or is sent, is nearly as large as ``jute.maxbuffer`` allows.

    Matched: a request or a reply of at least three quarters of 1,048,575 bytes, which is what
    servers and the Java client allow where nobody has set another limit.

    Not matched: smaller ones. The history does not know the server's setting.
    """

    name = "a large payload"
    advice = (
        "Keep the data elsewhere and its address in the znode, or split what grows over several "
        "znodes: a longer frame ends the connection."
    )

    def on_sent(self, exchange: Exchange) -> None:
        sent = exchange.sent
        if len(sent.frame) >= LARGE:
            self.detected(
                (sent.client, sent.paths),
                f"{sent.client} sent {len(sent.frame)} bytes with {sent.operation} "
                f"{' '.join(sent.paths)}; the limit is {MAX_BUFFER} by default",
                sent,
            )

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if len(reply.frame) >= LARGE:
            self.detected(
                (reply.client, reply.paths),
                f"{reply.client} was sent {len(reply.frame)} bytes for {reply.operation} "
                f"{' '.join(reply.paths)}; the limit is {MAX_BUFFER} by default",
                reply,
            )
