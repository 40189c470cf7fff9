"""A server's files, written byte by byte by the tests."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

from zkfake._database.acl import OPEN
from zkfake._database.log import CONTAINER, Create, Delete, Outcome, SetAcl, SetData, Transaction
from zkfake._database.tree import Tree
from zkfake._protocol.records import Op

from ..support import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kazoo.client import KazooClient

    from pytest_zkdict.live import LiveZooKeeper
    from zkfake._zookeeper_files.directory import StoredState

START = 1 << 40
"""When all transactions are made."""


class Written:
    """A server's files, as the server writes them: byte by byte by this test."""

    def __init__(self, transactions: Sequence[Transaction]) -> None:
        self.transactions = transactions

    # -- logs

    def log(self, first: int, last: int, *, digests: bool, closed: bool) -> bytes:
        """Some of the transactions. ``closed``: whether a closeSession has its paths."""
        parts = [b"ZKLG", wire.i32(2), wire.i64(0)]
        for transaction in self.transactions[first:last]:
            body = self._transaction(transaction, closed)
            if digests:
                body += wire.i32(2) + wire.i64(-(1 << 60))
            parts += [wire.i64(zlib.adler32(body)), wire.buffer(body), b"B"]
        return b"".join(parts) + bytes(64)

    def _transaction(self, transaction: Transaction, closed: bool) -> bytes:
        op, parts = transaction.op, [self._operation(each) for each in transaction.operations]
        if transaction.error:
            kind, body = Op.ERROR, wire.i32(transaction.error)
        elif op is Op.CREATE_SESSION:
            kind, body = op, wire.i32(transaction.timeout)
        elif op is Op.CLOSE_SESSION:
            paths = [each.path for each in transaction.operations]
            kind, body = op, wire.strings(paths) if closed else b""
        elif op is Op.MULTI:
            kind = op
            body = wire.i32(len(parts)) + b"".join(
                wire.i32(kind) + wire.buffer(part) for kind, part in parts
            )
        else:
            ((_, body),) = parts
            kind = op
        head = wire.i64(transaction.session_id) + wire.i32(7)
        return (
            head + wire.i64(transaction.zxid) + wire.i64(transaction.time) + wire.i32(kind) + body
        )

    @staticmethod
    def _operation(done: Outcome) -> tuple[Op, bytes]:
        path = wire.string(done.path)
        if isinstance(done, Create):
            body = path + wire.buffer(done.data) + wire.acls(done.acl)
            count = wire.i32(done.parent_cversion)
            if done.reap == CONTAINER:
                return Op.CREATE_CONTAINER, body + count
            if done.reap:
                return Op.CREATE_TTL, body + count + wire.i64(done.reap)
            return Op.CREATE, body + wire.boolean(bool(done.owner)) + count
        if isinstance(done, SetData):
            return Op.SET_DATA, path + wire.buffer(done.data) + wire.i32(done.version)
        if isinstance(done, SetAcl):
            return Op.SET_ACL, path + wire.acls(done.acl) + wire.i32(done.aversion)
        return Op.DELETE if isinstance(done, Delete) else Op.CHECK, path

    # -- snapshots

    def snapshot(self, start: int, pauses: Iterator[int], trailers: Sequence[bytes]) -> bytes:
        """One that is begun after so many transactions. ``pauses``: how many are carried out before
        each further znode is written.
        """
        self._tree, self._next = Tree(), 0
        self._go_on(start)
        sessions: dict[int, int] = {}
        for each in self.transactions[:start]:
            if each.op is Op.CREATE_SESSION:
                sessions[each.session_id] = each.timeout
            elif each.op is Op.CLOSE_SESSION:
                del sessions[each.session_id]
        numbers = {acl: n for n, acl in enumerate({z.acl for z in self._tree.nodes.values()}, 1)}
        numbers[OPEN] = -1
        listed = [(number, acl) for acl, number in numbers.items() if number != -1]
        parts = [b"ZKSN", wire.i32(2), wire.i64(-1), wire.i32(len(sessions))]
        parts += [wire.i64(id_) + wire.i32(timeout) for id_, timeout in sessions.items()]
        parts.append(wire.i32(len(listed)))
        parts += [wire.i64(number) + wire.acls(acl) for number, acl in listed]
        self._pauses = pauses
        parts += [*self._znodes("/", numbers), wire.string("/")]
        data = b"".join(parts)
        for trailer in (b"", *trailers):
            data += trailer
            data += wire.i64(zlib.adler32(data)) + wire.string("/")
        return data

    def _go_on(self, count: int) -> None:
        for transaction in self.transactions[self._next : self._next + count]:
            self._tree.apply(transaction)
        self._next += count

    def _znodes(self, path: str, numbers: dict[Any, int]) -> Iterator[bytes]:
        self._go_on(next(self._pauses))
        node = self._tree.get(path)
        if node is None:
            return
        names = list(self._tree.child_names(path))
        owner = node.owner or {0: 0, CONTAINER: -1 << 63}.get(node.reap, node.reap - (1 << 56))
        number = numbers.setdefault(node.acl, len(numbers) + 1)
        yield wire.string("" if path == "/" else path) + wire.buffer(node.data) + wire.i64(number)
        yield struct.pack(
            ">qqqqiiiqq",
            node.czxid,
            node.mzxid,
            node.ctime,
            node.mtime,
            node.version,
            node.creates,
            node.aversion,
            owner,
            node.pzxid,
        )
        for name in names:
            yield from self._znodes(f"{path.rstrip('/')}/{name}", numbers)


def create(zxid: int, path: str, count: int, session: int = 0) -> Transaction:
    made = Create(path, b"%d" % zxid, OPEN, session, 0, count)
    return Transaction(zxid, START, session or 9, Op.CREATE, (made,))


# -- what a server and its files have


def data_dir(server: LiveZooKeeper) -> Path:
    return server.members[0]._directory / "data"


def shown(client: KazooClient, path: str = "/") -> Iterator[tuple[str, tuple[object, ...]]]:
    """What a server shows of its znodes."""
    data, stat = client.get(path)
    acl = tuple((each.perms, *each.id) for each in client.get_acls(path)[0])
    yield path, (data, acl, *stat)
    for name in client.get_children(path):
        yield from shown(client, f"{path.rstrip('/')}/{name}")


def stored(state: StoredState) -> dict[str, tuple[object, ...]]:
    tree = state.tree
    return {
        path: (node.data, tuple(map(tuple, node.acl)), *tree.stat(path, node))
        for path, node in tree.nodes.items()
    }
