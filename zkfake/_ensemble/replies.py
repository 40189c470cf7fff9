"""The bodies of replies: what a read finds in a tree, and what a committed write reports.

A server answers a read from its own tree, at the zxid it has applied; watches are set here, in the
same breath. Reads do not validate paths: a malformed one names no znode. The empty path is the
root.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from zkfake._database import acl
from zkfake._database.log import Transaction
from zkfake._database.paths import ROOT
from zkfake._database.tree import Tree, TreeChange, Znode
from zkfake._ensemble.watches import Watcher, WatchManager, watchable
from zkfake._protocol.jute import pack_buffer, pack_int, pack_string, pack_strings
from zkfake._protocol.records import (
    MULTI_END,
    Acls,
    Code,
    Id,
    MultiRequest,
    Op,
    PathAndInt,
    PathRequest,
    Request,
    SetWatchesRequest,
    WatchableRead,
    ZooKeeperError,
    pack_multi_error,
    pack_multi_result,
)
from zkfake._settings import Settings


class Reads:
    """Answers the reads of one server. Each method returns the body, or raises `ZooKeeperError`."""

    def __init__(
        self, settings: Settings, access: acl.AccessControl, tree: Tree, watches: WatchManager
    ) -> None:
        self._settings = settings
        self._access = access
        self._tree = tree
        self._watches = watches

    def answer(self, request: Request, watcher: Watcher) -> bytes:
        if request.record is None:
            raise ZooKeeperError(Code.MARSHALLING_ERROR)
        return self._answers[request.op](self, request, request.record, watcher)

    def _ping(self, request: Request, record: object, watcher: Watcher) -> bytes:
        return b""

    def _sync(self, request: Request, record: PathRequest, watcher: Watcher) -> bytes:
        return pack_string(record.path)

    def _exists(self, request: Request, record: WatchableRead, watcher: Watcher) -> bytes:
        path = _not_null(record.path)
        if "\0" in path:
            raise ZooKeeperError(Code.BAD_ARGUMENTS)
        node = self._tree.get(path or ROOT)
        if node is not None and self._settings.version.exists_checks_acl:
            self._access.check(node.acl, acl.READ, request.ids)
        if record.watch:
            self._watches.data.add(path, watcher)
        if node is None:
            raise ZooKeeperError(Code.NO_NODE)
        return self._tree.packed_stat(path or ROOT, node)

    def _get_data(self, request: Request, record: WatchableRead, watcher: Watcher) -> bytes:
        path, node = self._readable(record.path, request)
        if record.watch:
            self._watches.data.add(_not_null(record.path), watcher)
        return pack_buffer(node.data) + self._tree.packed_stat(path, node)

    def _get_children(self, request: Request, record: WatchableRead, watcher: Watcher) -> bytes:
        path, _node = self._readable(record.path, request)
        if record.watch:
            self._watches.child.add(_not_null(record.path), watcher)
        return self._tree.packed_child_names(path)

    def _get_children2(self, request: Request, record: WatchableRead, watcher: Watcher) -> bytes:
        path, node = self._readable(record.path, request)
        children = self._get_children(request, record, watcher)
        return children + self._tree.packed_stat(path, node)

    def _get_all_children_number(
        self, request: Request, record: PathRequest, watcher: Watcher
    ) -> bytes:
        path, _node = self._readable(record.path, request)
        # Below the empty path the server counts the root as well.
        return pack_int(self._tree.descendant_count(path) + (record.path == ""))

    def _get_acl(self, request: Request, record: PathRequest, watcher: Watcher) -> bytes:
        path, node = self._readable(record.path, request, acl.READ | acl.ADMIN)
        entries: Acls = node.acl
        if not self._access.allows(entries, acl.ADMIN, request.ids):
            entries = acl.mask(entries)
        packed = b"".join(entry.pack() for entry in entries)
        return pack_int(len(entries)) + packed + self._tree.packed_stat(path, node)

    def _get_ephemerals(self, request: Request, record: PathRequest, watcher: Watcher) -> bytes:
        paths = self._tree.ephemerals_of(request.session_id)
        prefix = record.path or ""
        if prefix.strip() in ("", ROOT):
            return pack_strings(paths)
        return pack_strings(path for path in paths if path.startswith(prefix))

    def _set_watches(self, request: Request, record: SetWatchesRequest, watcher: Watcher) -> bytes:
        self._watches.set_watches(self._tree, watcher, record.relative_zxid, record.lists)
        return b""

    def _add_watch(self, request: Request, record: PathAndInt, watcher: Watcher) -> bytes:
        self._watches.add_watch(watchable(record.path), watcher, record.value)
        return pack_int(0)

    def _check_watches(self, request: Request, record: PathAndInt, watcher: Watcher) -> bytes:
        if not self._watches.has(watchable(record.path), watcher, record.value):
            raise ZooKeeperError(Code.NO_WATCHER)
        return b""

    def _remove_watches(self, request: Request, record: PathAndInt, watcher: Watcher) -> bytes:
        if not self._watches.remove(watchable(record.path), watcher, record.value):
            raise ZooKeeperError(Code.NO_WATCHER)
        return b""

    def _who_am_i(self, request: Request, record: object, watcher: Watcher) -> bytes:
        infos = [pack_string(id_.scheme) + pack_string(_user(id_)) for id_ in request.ids]
        return pack_int(len(infos)) + b"".join(infos)

    def _multi_read(self, request: Request, record: MultiRequest, watcher: Watcher) -> bytes:
        with self._access.one_request():
            return self._read_all(request, record, watcher)

    def _read_all(self, request: Request, record: MultiRequest, watcher: Watcher) -> bytes:
        parts: list[bytes] = []
        for sub in record.operations:
            if sub.op not in (Op.GET_DATA, Op.GET_CHILDREN):
                raise PartialReplyError(b"".join(parts) + MULTI_END)
            unwatched = sub.record._replace(watch=False)
            if unwatched.path is None:
                raise PartialReplyError(b"".join(parts) + MULTI_END)
            try:
                body = self._answers[sub.op](self, request, unwatched, watcher)
            except ZooKeeperError as error:
                parts.append(pack_multi_error(error.code))
            else:
                parts.append(pack_multi_result(sub.op, body))
        return b"".join(parts) + MULTI_END

    def _readable(
        self, path: str | None, request: Request, permission: int = acl.READ
    ) -> tuple[str, Znode]:
        path = _not_null(path) or ROOT
        node = self._tree.get(path)
        if node is None:
            raise ZooKeeperError(Code.NO_NODE)
        self._access.check(node.acl, permission, request.ids)
        return path, node

    _answers: ClassVar[dict[Op, Callable[..., bytes]]] = {
        Op.PING: _ping,
        Op.SYNC: _sync,
        Op.EXISTS: _exists,
        Op.GET_DATA: _get_data,
        Op.GET_CHILDREN: _get_children,
        Op.GET_CHILDREN2: _get_children2,
        Op.GET_ALL_CHILDREN_NUMBER: _get_all_children_number,
        Op.GET_ACL: _get_acl,
        Op.GET_EPHEMERALS: _get_ephemerals,
        Op.SET_WATCHES: _set_watches,
        Op.SET_WATCHES2: _set_watches,
        Op.ADD_WATCH: _add_watch,
        Op.CHECK_WATCHES: _check_watches,
        Op.REMOVE_WATCHES: _remove_watches,
        Op.WHO_AM_I: _who_am_i,
        Op.MULTI_READ: _multi_read,
    }


def _user(id_: Id) -> str:
    """The name that whoAmI returns; empty for a super user."""
    if id_.scheme == "super":
        return ""
    return id_.id.split(":", 1)[0] if id_.scheme == "digest" else id_.id


class PartialReplyError(ZooKeeperError):
    """multiRead with a write in it: the one error that comes with a body."""

    def __init__(self, body: bytes) -> None:
        super().__init__(Code.MARSHALLING_ERROR)
        self.body = body


def _not_null(path: str | None) -> str:
    if path is None:
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return path


def written(
    request: Request, transaction: Transaction, changes: Sequence[TreeChange]
) -> tuple[Code, bytes]:
    """The error and the body of the reply to a write, once its transaction has been applied."""
    op = request.op
    if op is _MULTI:
        return _multi_written(request.record, transaction, changes)
    if transaction.error:
        return transaction.error, b""
    result = _RESULTS.get(op)
    return _OK, b"" if result is None else result(changes[0])


def _path(change: TreeChange) -> bytes:
    return pack_string(change.path)


def _stat(change: TreeChange) -> bytes:
    node = change.node
    assert node is not None  # it was created or changed
    return node.packed_stat(change.children)


def _path_and_stat(change: TreeChange) -> bytes:
    return pack_string(change.path) + _stat(change)


def _data_and_stat(change: TreeChange) -> bytes:
    assert change.node is not None
    return pack_buffer(change.node.data) + _stat(change)


_RESULTS: dict[Op, Callable[[TreeChange], bytes]] = {
    Op.CREATE: _path,
    Op.CREATE2: _path_and_stat,
    Op.CREATE_CONTAINER: _path_and_stat,
    Op.CREATE_TTL: _path_and_stat,
    Op.SET_DATA: _stat,
    Op.SET_ACL: _stat,
    Op.RECONFIG: _data_and_stat,
}
"""The body of the reply to each write that has succeeded; other writes have none."""

_MULTI, _OK = Op.MULTI, Code.OK


def _multi_written(
    record: MultiRequest | None, transaction: Transaction, changes: Sequence[TreeChange]
) -> tuple[Code, bytes]:
    if record is None or (transaction.error and not transaction.failed_at):
        return transaction.error, b""
    if transaction.error:
        failed = transaction.failed_at - 1
        codes = [
            Code.OK
            if place < failed
            else transaction.error
            if place == failed
            else Code.RUNTIME_INCONSISTENCY
            for place in range(len(record.operations))
        ]
        return Code.OK, b"".join(map(pack_multi_error, codes)) + MULTI_END
    parts = []
    for sub, change in zip(record.operations, changes, strict=True):
        op, result = sub.op, _RESULTS.get(sub.op)
        answered_as = Op.CREATE2 if op in (Op.CREATE_CONTAINER, Op.CREATE_TTL) else op
        body = b"" if result is None else result(change)
        parts.append(pack_multi_result(answered_as, body))
    return Code.OK, b"".join(parts) + MULTI_END
