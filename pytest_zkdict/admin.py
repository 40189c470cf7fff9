"""The connection with which a run prepares and tidies up its live server.

The rules that live here:

- one connection for the whole run, and no thread: kazoo's client would ping, log and draw random
  numbers in tests that have nothing to do with it. A session that was idle for too long is made
  anew when it is needed;
- a request whose answer is lost is sent again: each can be repeated. A server that stays away is an
  error, and no test waits for it a second time;
- it is the superuser where the server is the run's own.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, cast

from zkfake._database.acl import OPEN
from zkfake._protocol.jute import Reader, pack_bool, pack_buffer, pack_int, pack_long, pack_string
from zkfake._protocol.records import ANY_VERSION, Code, Op, ZooKeeperError
from zkfake._trees.plain import PlainZnode

if TYPE_CHECKING:
    from typing_extensions import Self

    from pytest_zkdict.seeds import Seeds

__all__ = ["Admin", "ListedZnode", "super_digest"]

#: Seconds that a server may be away before a test is told so.
PATIENCE = 20.0
#: Seconds that it may take for one answer; a server that is starting may take a connection and
#: never read from it.
_ANSWER = 5.0
_HANDSHAKE = 1.0
#: Seconds between two attempts to connect.
_PAUSE = 0.02
#: Milliseconds, as much as servers grant.
_SESSION_TIMEOUT = 60_000

_AUTH_XID = -4
#: Of a Stat on the wire: version and the owner of an ephemeral znode.
_VERSION_AND_OWNER = struct.Struct(">32xi8xq16x")


class ListedZnode(NamedTuple):
    """What a znode has. ``owner``: the session of an ephemeral one, else 0."""

    data: bytes | None
    version: int
    owner: int


def super_digest(password: str) -> str:
    """What the server is told, so that ``super`` with this password may do everything."""
    digest = base64.b64encode(hashlib.sha1(f"super:{password}".encode()).digest())
    return f"super:{digest.decode()}"


class Admin:
    """The run's own connection to one live server."""

    def __init__(self, hosts: str, password: str | None = None, patience: float = PATIENCE) -> None:
        """``password``: the superuser's, where there is one. ``patience``: seconds.

        Raises `ConnectionError` where the server does not answer.
        """
        from kazoo.hosts import collect_hosts

        self._hosts = hosts
        self._addresses = [(host, int(port)) for host, port in collect_hosts(hosts)[0]]
        self._password = password
        self._patience = patience
        self._given_up = False
        # A test may make its clients in threads, and each asks whether the server is there.
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._xid = 0
        self.session_id = 0
        self._wait()

    def another(self, patience: float) -> Admin:
        """A connection of its own, with the same rights."""
        return Admin(self._hosts, self._password, patience)

    def close(self) -> None:
        """End the session."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._send(0, Op.CLOSE_SESSION, b"")
                self._receive()
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- requests

    def load(self, znodes: Seeds) -> None:
        """Make or overwrite znodes, parents included; one that has an ACL gets it. Raises
        `ZooKeeperError`.
        """
        for path, seed in znodes.items():
            self._make(path, seed if isinstance(seed, PlainZnode) else PlainZnode(seed))

    def _make(self, path: str, znode: PlainZnode) -> None:
        body = pack_string(path) + pack_buffer(znode.data)
        acl = pack_int(len(znode.acl)) + b"".join(entry.pack() for entry in znode.acl)
        op, mode = Op.CREATE, pack_int(0)
        if znode.container:
            op, mode = Op.CREATE_CONTAINER, pack_int(4)
        elif znode.reap:
            op, mode = Op.CREATE_TTL, pack_int(5) + pack_long(znode.reap)
        try:
            self._call(op, body + acl + mode)
        except ZooKeeperError as error:
            if error.code is Code.NODE_EXISTS:
                self._call(Op.SET_DATA, body + pack_int(ANY_VERSION))
                if znode.acl != OPEN:
                    self._call(Op.SET_ACL, pack_string(path) + acl + pack_int(ANY_VERSION))
            elif error.code is Code.NO_NODE:
                self._make(path.rpartition("/")[0], PlainZnode(b""))
                self._make(path, znode)
            else:
                raise

    def children(self, path: str) -> list[str]:
        """The names of its children. Raises `ZooKeeperError`."""
        reply = self._call(Op.GET_CHILDREN, pack_string(path) + pack_bool(False))
        return [name or "" for name in reply.read_vector(reply.read_string) or ()]

    def get(self, path: str) -> ListedZnode:
        """What a znode has. Raises `ZooKeeperError`."""
        reply = self._call(Op.GET_DATA, pack_string(path) + pack_bool(False))
        data = reply.read_buffer()
        version, owner = _VERSION_AND_OWNER.unpack(reply.rest()[: _VERSION_AND_OWNER.size])
        return ListedZnode(data, version, owner)

    def remove(self, path: str) -> bool:
        """Remove a znode with all below it. False where that takes a right that we do not have."""
        code: Code | None = Code.NOT_EMPTY
        # A client that the test left behind may still be writing.
        for _ in range(50):
            code = self._remove(path)
            if code is not Code.NOT_EMPTY:
                break
        if code in (None, Code.NO_NODE):
            return True
        if code is Code.NO_AUTH:
            return False
        raise ZooKeeperError(cast("Code", code))

    def _remove(self, path: str) -> Code | None:
        """What kept it from being removed."""
        try:
            for name in self.children(path):
                code = self._remove(f"{path}/{name}")
                if code not in (None, Code.NO_NODE):
                    return code
            self._call(Op.DELETE, pack_string(path) + pack_int(ANY_VERSION))
        except ZooKeeperError as error:
            return error.code
        return None

    # -- the connection

    @property
    def connected(self) -> bool:
        """Whether the server answers."""
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Whether the server answers, within that time at the latest."""
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                if self._is_open() or self._connect():
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)

    def _wait(self) -> None:
        if not self.wait(0 if self._given_up else self._patience):
            self._given_up = True
            raise ConnectionError(f"the live server at {self._hosts} does not answer")
        self._given_up = False

    def _call(self, op: Op, body: bytes) -> Reader:
        """The body of the reply. Raises `ZooKeeperError`, and `ConnectionError`."""
        while True:
            self._wait()
            with self._lock:
                if self._socket is None:
                    continue
                try:
                    self._xid += 1
                    self._send(self._xid, op, body)
                    code, reply = self._receive()
                except OSError:
                    self._drop()
                    continue
            if code:
                raise ZooKeeperError(Code(code))
            return reply

    def _is_open(self) -> bool:
        """Whether the server has not ended the connection."""
        if self._socket is None:
            return False
        try:
            self._socket.setblocking(False)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._socket.settimeout(_ANSWER)
            return True
        except OSError:
            pass
        self._drop()  # there is nothing to read but the end
        return False

    def _connect(self) -> bool:
        for address in self._addresses:
            with contextlib.suppress(OSError):
                self._socket = socket.create_connection(address, timeout=_HANDSHAKE)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._shake_hands()
                self._socket.settimeout(_ANSWER)
                return True
            self._drop()
        return False

    def _shake_hands(self) -> None:
        hello = pack_int(0) + pack_long(0) + pack_int(_SESSION_TIMEOUT) + pack_long(0)
        self._write(hello + pack_buffer(bytes(16)) + pack_bool(False))
        answer = Reader(self._read())
        answer.read_int()
        answer.read_int()
        self.session_id = answer.read_long()
        if self._password is not None:
            auth = pack_int(0) + pack_string("digest")
            auth += pack_buffer(f"super:{self._password}".encode())
            self._send(_AUTH_XID, Op.AUTH, auth)
            self._receive()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- frames

    def _send(self, xid: int, op: Op, body: bytes) -> None:
        self._write(pack_int(xid) + pack_int(op) + body)

    def _receive(self) -> tuple[int, Reader]:
        """The error of a reply and its body. There are no watches, so nothing else comes."""
        reply = Reader(self._read())
        reply.read_int()
        reply.read_long()
        return reply.read_int(), reply

    def _write(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(pack_int(len(data)) + data)

    def _read(self) -> bytes:
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        assert self._socket is not None
        found = bytearray()
        while len(found) < count:
            chunk = self._socket.recv(count - len(found))
            if not chunk:
                raise ConnectionError("the server has closed the connection")
            found += chunk
        return bytes(found)
