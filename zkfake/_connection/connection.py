"""One client connection, without any I/O: bytes in, requests carried out, bytes out.

Everything that affects the byte stream lives here: framing, four-letter words, the handshake, and
the order of replies. Every request is answered in its turn: a read waits for the writes before it,
so it sees them. Two things are answered out of turn, as the server does: auth and sasl, and
operations that do not exist. Nothing is sent after the connection is closed.

A peer that breaks the protocol (an invalid length, a frame too short for its header, a first frame
that is not a connect request) is dropped without an answer. Everything else gets the server's
answer, so no input raises an exception here.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Any

from zkfake._auth import sasl
from zkfake._auth.providers import HangUpError
from zkfake._connection import four_letter
from zkfake._connection.status import ReplicaStatus
from zkfake._database.acl import READ
from zkfake._database.hashset import JavaPairs
from zkfake._database.log import Transaction
from zkfake._database.tree import TreeChange
from zkfake._ensemble.addresses import java_address, java_host
from zkfake._ensemble.replica import Replica
from zkfake._ensemble.replies import PartialReplyError, written
from zkfake._ensemble.sessions import NO_PASSWORD, Session, password_of
from zkfake._ensemble.stats import ConnectionStats
from zkfake._protocol.jute import NULL, JuteError, Reader, pack_buffer
from zkfake._protocol.operations import NullAclError, Operation, OperationKind, operations_of
from zkfake._protocol.records import (
    PING_XID,
    Acls,
    AuthRequest,
    Code,
    EventType,
    Id,
    Op,
    Request,
    SaslRequest,
    ZooKeeperError,
    pack_connect_response,
    pack_event,
    pack_reply,
    pack_reply_frame,
    read_connect_request,
)

_LENGTH = Struct(">i")
_HEADER = Struct(">ii")

# Every request uses these; a global name is faster than a member of an enum.
_WRITE, _CONNECTION = OperationKind.WRITE, OperationKind.CONNECTION
_CLOSE_SESSION, _PING, _SYNC = Op.CLOSE_SESSION, Op.PING, Op.SYNC
_SESSION_MOVED = Code.SESSION_MOVED

_WITHOUT_A_REPLY = frozenset((Op.CREATE_SESSION, Op.CHECK))
"""Writes that get no reply if they succeed."""

_AUTHENTICATING = (Op.AUTH, Op.SASL)
"""The operations that a connection may use before it has authenticated, where it has to."""

_request = partial(tuple.__new__, Request)  # what its constructor ends with: nothing is checked

MOST_QUEUED = 1 << 20
"""Bytes of output after which `Connection.receive` stops early, if the driver allows that."""


class Connection:
    """The server's end of one connection.

    The driver feeds `receive`, sends what `take_output` gives, and closes the socket once `closing`
    is set and that is sent. ``on_output`` is called with the connection when there is output to
    take, or it is closing.
    """

    __slots__ = (
        "__weakref__",
        "_access",
        "_awaiting_handshake",
        "_checks_early",
        "_completed",
        "_early_frames",
        "_ensemble",
        "_handshake_timer",
        "_ids",
        "_input",
        "_must_authenticate",
        "_on_output",
        "_operations",
        "_output",
        "_read_only",
        "_receive_frame",
        "_replica",
        "_sasl",
        "_session",
        "_submitted",
        "_touched",
        "_version",
        "_waiting",
        "address",
        "closing",
        "dropped",
        "established",
        "host",
        "ids",
        "queued",
        "session_id",
        "session_timeout",
        "stats",
    )

    def __init__(
        self,
        replica: Replica,
        peer: tuple[str, int],
        on_output: Callable[["Connection"], None],
        ids: tuple[Id, ...] = (),
    ) -> None:
        """``peer``: the client's address and port. ``ids``: identities from a TLS
        certificate.
        """
        self.host = java_host(peer[0])
        self.address = java_address(*peer)
        self.closing = False
        self.dropped = False
        """Whether nothing may be sent any more, not even output that the driver has taken."""
        self.queued = 0
        """Bytes of output that wait to be taken."""
        self.stats = ConnectionStats()
        self.session_id = 0
        self.session_timeout = 0
        self.established = replica.ensemble.now
        self._access = replica.access
        # Every request reads these settings, so they are kept here.
        self._must_authenticate = bool(replica.settings.required_schemes)
        self._checks_early = replica.settings.eager_acl_check
        self._ids = JavaPairs((Id("ip", self.host), *self._access.certified(ids)))
        self.ids: tuple[Id, ...] = self._ids.as_tuple()
        self._replica = replica
        self._ensemble = replica.ensemble
        self._version = replica.settings.version
        self._operations = operations_of(self._version)
        self._on_output = on_output
        self._output: list[bytes] = []
        self._input = b""
        self._receive_frame = self._connect
        self._awaiting_handshake = True
        self._read_only: bool | None = None
        self._session: Session | None = None
        self._touched = -1
        """When this connection last renewed the session's timeout. Once per millisecond is enough.
        """
        self._sasl: sasl.DigestMd5 | None = None
        self._early_frames: list[bytes] = []
        self._waiting: deque[tuple[int, Operation, Request, int]] = deque()
        self._submitted = 0
        self._completed = 0
        if replica.running and replica.admit(self):
            due = self.handshake_due - replica.ensemble.now
            self._handshake_timer = replica.call_later(due, self._give_up)
        else:
            self._handshake_timer = replica.call_later(0, self._close)
            self._close()

    # -- the driver's side

    def receive(self, data: bytes, may_go_on: Callable[[], bool] | None = None) -> bool:
        """Takes bytes from the peer and carries out the whole requests among them. Stops early when
        ``may_go_on()`` is false or the output is long, and then returns True: whole requests are
        left for the next call, which may pass no bytes.
        """
        stopped = False
        if self._input:
            data = self._input + data
        end, at = len(data), 0
        stats, totals, counts = self.stats, self._replica.stats, self._replica.counts
        longest = self._replica.settings.jute_max_buffer
        while end - at >= 4 and not self.closing:
            if self._awaiting_handshake and data[at : at + 4] in four_letter.WORDS:
                self._answer_word(data[at : at + 4], data[at + 4 :])
                break
            (length,) = _LENGTH.unpack_from(data, at)
            if not 0 <= length <= longest:
                self._close()
                break
            if end - at - 4 < length:
                break
            at += 4 + length
            stats.received += 1
            totals.received += 1
            counts.bytes_received_count += 4 + length
            self._receive_frame(data[at - length : at])
            if may_go_on is not None and (self.queued > MOST_QUEUED or not may_go_on()):
                stopped = end - at >= 4
                break
        self._input = b"" if self.closing else data[at:]
        return stopped and not self.closing

    def take_packets(self) -> list[bytes]:
        """Takes all output, in order, as packets. The driver has to send it."""
        output, self._output = self._output, []
        self.queued = 0
        return output

    def take_output(self) -> bytes:
        """Takes all output as one piece."""
        output, self._output = self._output, []
        self.queued = 0
        return b"".join(output)

    def take_input(self) -> bytes:
        """Takes the bytes of an incomplete request."""
        data, self._input = self._input, b""
        return data

    def lost(self) -> None:
        """The peer has closed its connection."""
        self._output.clear()
        self._close()

    # -- the server's side

    def drop(self) -> None:
        self.dropped = True
        self._output.clear()
        self._close()

    def dismiss(self) -> None:
        self._close()

    def notify(self, type_: EventType, path: str, zxid: int, acl: Acls | None) -> None:
        if (
            acl is not None
            and self._version.events_check_acl
            and not self._access.allows(acl, READ, self.ids)
        ):
            return
        self._send(pack_event(type_, path, zxid))

    @property
    def handshake_due(self) -> int:
        """When it is dropped without a connect request, milliseconds since the epoch."""
        span = self._replica.settings.handshake_timeout
        return (self.established // span + 2) * span

    @property
    def outstanding(self) -> int:
        """Requests read and not answered yet."""
        return self._submitted - self._completed + len(self._waiting)

    @property
    def interest(self) -> int:
        """What the server's selector waits for, as ``cons`` prints it: 1 is reading."""
        return 0 if self._awaiting_handshake else 1

    def _send(self, payload: bytes) -> None:
        self._send_frame(_LENGTH.pack(len(payload)) + payload)

    def _send_frame(self, frame: bytes) -> None:
        if self.closing:
            return
        self.stats.sent += 1
        self._replica.stats.sent += 1
        output = self._output
        output.append(frame)
        self.queued += len(frame)
        if len(output) == 1:
            on_output = self._on_output
            on_output(self)

    def _close(self) -> None:
        """Closes the connection: nothing more is read or queued. Queued output is still sent."""
        if not self.closing:
            self.closing = True
            self._input = b""
            self._early_frames.clear()
            self._waiting.clear()
            self._handshake_timer.cancel()
            self._replica.leave(self)
            self._on_output(self)

    def _give_up(self) -> None:
        """The peer sent no connect request in time."""
        self._replica.counts.sessionless_connections_expired += 1
        self._close()

    def _answer_word(self, word: bytes, argument: bytes) -> None:
        counts = self._replica.mode is not None  # a server without a role does not count
        self.stats.received += 1
        self._replica.stats.received += counts
        self._replica.counts.bytes_received_count += len(word)
        text = four_letter.answer(word, ReplicaStatus(self._replica), argument)
        if text:
            self._output.append(text)
            self._replica.stats.sent += counts
        self._close()

    # -- the handshake

    def _connect(self, frame: bytes) -> None:
        """The first frame is read as a connect request."""
        try:
            asked = read_connect_request(Reader(frame))
        except JuteError:
            return self._close()
        self._awaiting_handshake = False
        self._replica.counts.connection_request_count += 1
        self._read_only = asked.read_only
        mode = self._replica.mode
        if mode is None or (mode == "read-only" and not asked.read_only):
            return self._close()
        if asked.last_zxid_seen > self._replica.zxid:
            seen, known = asked.last_zxid_seen, self._replica.zxid
            text = f"it has seen {seen:#x}, here is {known:#x}; session {asked.session_id:#x}"
            self._ensemble.tell(self._replica.id, "refuses client", text)
            return self._close()
        low, high = self._replica.settings.session_timeouts
        timeout = min(max(asked.timeout, low), high)
        self._receive_frame = self._queue_until_connected
        if asked.session_id:
            if mode == "read-only" and self._replica.knows(asked.session_id):
                return self._close()
            return self._replica.renew_session(self, asked, timeout, self._connected)
        if mode == "read-only" and not self._replica.settings.local_sessions:
            # Without a quorum no session can be committed.
            return self._send(pack_reply(0, self._replica.zxid, Code.NOT_READONLY))
        self._replica.open_session(self, timeout, self._connected)
        return None

    def _connected(self, session: Session | None) -> None:
        if self.closing:
            return
        self._handshake_timer.cancel()
        if session is None:
            response = pack_connect_response(0, 0, NO_PASSWORD, self._response_byte())
            self._send(response)
            self._close()
            return
        self._session = session
        self.session_id, self.session_timeout = session.id, session.timeout
        self._send_connect_response()
        self._receive_frame = self._receive_request
        early, self._early_frames = self._early_frames, []
        for frame in early:
            self._receive_request(frame)

    def _send_connect_response(self) -> None:
        password = password_of(self.session_id)
        self._send(
            pack_connect_response(
                self.session_timeout, self.session_id, password, self._response_byte()
            )
        )

    def _response_byte(self) -> bool | None:
        """The read-only byte of the response; ``None``, so left out, if the request has none."""
        return None if self._read_only is None else self._replica.mode == "read-only"

    def _queue_until_connected(self, frame: bytes) -> None:
        self._early_frames.append(frame)

    # -- requests

    def _receive_request(self, frame: bytes) -> None:
        if self.closing:
            return None
        try:
            xid, code = _HEADER.unpack_from(frame)
        except Exception:
            return self._close()
        session, replica, now = self._session, self._replica, self._ensemble.now
        assert session is not None
        if now != self._touched:
            self._touched = now
            alive = replica.touch(session)
        else:
            alive = not session.closing
        if not alive:
            return self._close()
        if (
            self._must_authenticate
            and code not in _AUTHENTICATING
            and not self._access.is_admitted(self.ids)
        ):
            self._send(pack_reply(xid, 0, Code.SESSION_CLOSED_REQUIRE_SASL_AUTH))
            return self._close()
        operation = self._operations.get(code)
        if operation is None:
            self._send(pack_reply(xid, -1, Code.UNIMPLEMENTED))
            return self._close()
        op, kind = operation.op, operation.kind
        if op is _PING and self._submitted == self._completed:  # as `_answer` does, in less time
            if replica.has_moved(session):
                return self._close()
            return self._reply(operation, xid, replica.zxid, Code.OK, b"", now)
        record: Any
        spends_zxid = False
        try:
            record = operation.read(Reader(frame, 8))
        except JuteError as error:
            record, spends_zxid = None, self._spends_zxid(op, error)
        if kind is _CONNECTION:
            return self._authenticate(xid, record)
        request = _request((session.id, xid, op, record, self.ids, spends_zxid, None))
        if self._checks_early and kind is _WRITE:
            refused = replica.refuses_early(request)
            if refused:
                return self._send(pack_reply(xid, 0, refused))
        if kind is _WRITE and not (session.local and op is _CLOSE_SESSION):
            forward = self._write
        elif op is _SYNC and record is not None and not replica.role.answers_syncs:
            forward = self._sync
        elif self._submitted == self._completed:
            return self._answer(operation, request, now)
        else:
            return self._waiting.append((self._submitted, operation, request, now))
        if replica.role.mode == "read-only":
            return self._reply(operation, xid, replica.zxid, Code.NOT_READONLY, b"", now)
        self._submitted += 1
        return forward(operation, request, now)

    def _spends_zxid(self, op: Op, error: JuteError) -> bool:
        """Whether a write whose body cannot be read uses a zxid."""
        if self._version.malformed_write_uses_zxid:
            return op is not Op.RECONFIG
        return op is Op.CREATE_SESSION or (op is Op.MULTI and not isinstance(error, NullAclError))

    def _proceed(self) -> None:
        """A write or a sync is over: answers what was waiting for it."""
        self._completed += 1
        waiting = self._waiting
        while waiting and waiting[0][0] <= self._completed:
            _, operation, request, start = waiting.popleft()
            self._answer(operation, request, start)

    def _answer(self, operation: Operation, request: Request, start: int) -> None:
        """A read, or what else this server carries out by itself."""
        replica, session = self._replica, self._session
        assert session is not None
        if replica.has_moved(session):
            return self._close()
        if request.op is _CLOSE_SESSION:
            self._ensemble.local_sessions.close(session.id)
            self._reply(operation, request.xid, replica.zxid, Code.OK, b"", start)
            return self._close()
        try:
            error, body = Code.OK, replica.reads.answer(request, self)
        except PartialReplyError as partial:
            error, body = partial.code, partial.body
        except ZooKeeperError as failure:
            error, body = failure.code, b""
        self._reply(operation, request.xid, replica.zxid, error, body, start)
        return None

    def _sync(self, operation: Operation, request: Request, start: int) -> None:
        def done() -> None:
            self._answer(operation, request, start)
            self._proceed()

        self._replica.sync(done)

    def _write(self, operation: Operation, request: Request, start: int) -> None:
        session = self._session
        assert session is not None
        if request.op is _CLOSE_SESSION:
            self._receive_frame = self._ignore  # what comes after it has no effect
        self._replica.submit(session, request, partial(self._written, operation, request, start))

    def _ignore(self, frame: bytes) -> None:
        pass

    def _written(
        self,
        operation: Operation,
        request: Request,
        start: int,
        transaction: Transaction,
        changes: Sequence[TreeChange],
    ) -> None:
        """The transaction of a write of this connection has been applied."""
        op, zxid, failed = request.op, self._replica.zxid, transaction.error
        if failed is _SESSION_MOVED:
            self._close()
        elif op in _WITHOUT_A_REPLY and not failed:
            if op is Op.CREATE_SESSION:
                self._send_connect_response()
            self._answered(operation, request.xid, zxid, start)
        else:
            error, body = written(request, transaction, changes)
            self._reply(operation, request.xid, zxid, error, body, start)
            if op is _CLOSE_SESSION:
                self._close()
        self._proceed()

    def _reply(
        self, operation: Operation, cxid: int, zxid: int, error: int, body: bytes, start: int
    ) -> None:
        xid = PING_XID if operation.op is _PING else cxid
        self._send_frame(pack_reply_frame(xid, zxid, error, body))
        self._answered(operation, cxid, zxid, start)

    def _answered(self, operation: Operation, cxid: int, zxid: int, start: int) -> None:
        now = self._ensemble.now
        self.stats.answered(operation.label, cxid, zxid, start, now)
        self._replica.stats.latency.add(now - start)

    # -- authentication

    def _authenticate(self, xid: int, record: AuthRequest | SaslRequest | None) -> None:
        if isinstance(record, AuthRequest):
            try:
                ids = self._access.authenticate(record.scheme, record.auth, self.host, self.ids)
            except HangUpError:
                return self._close()
            if ids is None:
                self._send(pack_reply(xid, 0, Code.AUTH_FAILED))
                return self._close()
            self._add_ids(ids)
            return self._send(pack_reply(xid, 0, Code.OK))
        if isinstance(record, SaslRequest) and record.token is not None:
            return self._authenticate_sasl(xid, record)
        return self._close()

    def _authenticate_sasl(self, xid: int, record: SaslRequest) -> None:
        users = self._replica.settings.sasl_users
        if users is None:
            return self._send(pack_reply(xid, 0, Code.OK, NULL))
        if self._sasl is None:
            self._sasl = sasl.DigestMd5(users, self._ensemble.nonce())
        try:
            token = self._sasl.respond(record.token or b"")
        except sasl.SaslError:
            settings = self._replica.settings
            required = "sasl" in settings.required_schemes
            if settings.allow_sasl_failed and not required:
                return self._send(pack_reply(xid, 0, Code.OK, NULL))
            error = Code.SESSION_CLOSED_REQUIRE_SASL_AUTH if required else Code.AUTH_FAILED
            self._send(pack_reply(xid, 0, error, NULL))
            return self._close()
        if self._sasl.user is not None:
            self._add_ids(self._access.logged_in(self._sasl.user))
        return self._send(pack_reply(xid, 0, Code.OK, pack_buffer(token)))

    def _add_ids(self, ids: Sequence[Id]) -> None:
        new = [id_ for id_ in ids if self._ids.add(id_)]
        if new:
            self.ids = self._ids.as_tuple()
