"""From a request to a transaction: what the leader decides, and in which order it checks.

Everything that can make a write fail lives here, and nothing is changed here: `prepare` looks at
the tree and returns the one transaction that will be appended to the log, with its operations or
with its error. The order of the checks is the server's (``PrepRequestProcessor``), because a
request with two errors must be answered with the same one.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Protocol

from zkfake._database import acl, quota, reconfig
from zkfake._database.log import (
    CONTAINER,
    Check,
    Create,
    Delete,
    Outcome,
    SetAcl,
    SetData,
    Transaction,
)
from zkfake._database.paths import is_valid, split
from zkfake._database.tree import SPECIAL_PATHS, Tree, Znode
from zkfake._protocol.records import (
    ANY_VERSION,
    CREATE_FLAGS,
    Code,
    CreateMode,
    CreateRequest,
    MultiRequest,
    Op,
    PathRequest,
    ReconfigRequest,
    Request,
    SetAclRequest,
    SetDataRequest,
    VersionedPath,
    ZooKeeperError,
)
from zkfake._settings import Settings

_SESSION_FIRST = frozenset((Op.DELETE, Op.SET_DATA, Op.SET_ACL, Op.CHECK))
"""The operations whose session is checked first, even before the record."""

_MAX_TTL = 0xFFFFFFFFFF

# What the constructor of a named tuple ends with: nearly every write makes one of each.
_new_create = partial(tuple.__new__, Create)
_new_transaction = partial(tuple.__new__, Transaction)
_OK = Code.OK


class _ReadableTree(Protocol):
    """What the checks read: the tree, or the tree as it will be in the middle of a multi."""

    def get(self, path: str) -> Znode | None: ...
    def child_count(self, path: str) -> int: ...


class _Pending:
    """The tree with the operations of a multi accepted so far; the tree itself is not touched."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._nodes: dict[str, Znode | None] = {}
        self._added: dict[str, int] = {}

    def get(self, path: str) -> Znode | None:
        if path in self._nodes:
            return self._nodes[path]
        return self._tree.get(path)

    def child_count(self, path: str) -> int:
        return self._tree.child_count(path) + self._added.get(path, 0)

    def accept(self, operation: Outcome, owner: int) -> None:
        """``owner``: the session that owns a created znode according to its create mode. A
        container created with an ephemeral mode is not ephemeral, but the rest of its multi treats
        it as one.
        """
        path = operation.path
        node = self.get(path)
        if isinstance(operation, Create):
            parent, _ = split(path)
            above = self.get(parent)
            assert above is not None  # the operation was prepared on this view
            self._nodes[parent] = above._replace(creates=operation.parent_cversion)
            self._added[parent] = self._added.get(parent, 0) + 1
            self._nodes[path] = Znode(operation.data, operation.acl, 0, 0, 0, 0, 0, owner=owner)
        elif isinstance(operation, Delete):
            parent, _ = split(path)
            self._added[parent] = self._added.get(parent, 0) - 1
            self._nodes[path] = None
        elif isinstance(operation, SetData):
            assert node is not None
            self._nodes[path] = node._replace(data=operation.data, version=operation.version)


class Rules:
    """The leader's rules: `prepare` turns one request into one transaction."""

    def __init__(
        self,
        settings: Settings,
        access: acl.AccessControl,
        is_local: Callable[[int], bool] = lambda _session_id: False,
    ) -> None:
        """``is_local``: whether a session is known to one server alone."""
        self._is_local = is_local
        self._settings = settings
        self._access = access

    def prepare(
        self,
        tree: Tree,
        request: Request,
        zxid: int,
        time: int,
        membership: Callable[[], reconfig.Membership] | None = None,
    ) -> Transaction:
        """The transaction for ``request`` on ``tree``. Does not raise, whatever a client has sent.

        ``membership``: what a reconfiguration starts from; ``None`` on a standalone server.
        """
        op, session_id, record = request.op, request.session_id, request.record
        if record is None:
            code = Code.MARSHALLING_ERROR
            if request.spends_zxid and op in _SESSION_FIRST:
                code = request.session_fault or code
            return Transaction(zxid, time, session_id, op, (), code)
        prepare = self._prepare.get(op)
        try:
            if prepare is not None:
                operation = prepare(self, tree, tree, op, record, request)
            elif op is Op.MULTI:
                with self._access.one_request():
                    return self._prepare_multi(tree, request, zxid, time)
            else:
                operation = self._reconfig(tree, record, request, zxid, membership)
        except ZooKeeperError as error:
            return Transaction(zxid, time, session_id, op, (), error.code)
        return _new_transaction((zxid, time, session_id, op, (operation,), _OK, 0, 0))

    def close_session(self, tree: Tree, session_id: int, zxid: int, time: int) -> Transaction:
        """The transaction that ends a session and deletes its ephemerals."""
        deletes = tuple(Delete(path) for path in tree.ephemerals_of(session_id))
        return Transaction(zxid, time, session_id, Op.CLOSE_SESSION, deletes)

    def _prepare_multi(self, tree: Tree, request: Request, zxid: int, time: int) -> Transaction:
        record: MultiRequest = request.record
        session_id, op = request.session_id, request.op
        if any(sub.record.path is None for sub in record.operations):
            return Transaction(zxid, time, session_id, op, (), Code.MARSHALLING_ERROR)
        view = _Pending(tree)
        operations: list[Outcome] = []
        for place, sub in enumerate(record.operations):
            prepare = self._prepare.get(sub.op)
            if prepare is None:  # getData or getChildren: reads have no place in a write
                return Transaction(zxid, time, session_id, op, (), Code.MARSHALLING_ERROR)
            try:
                operation = prepare(self, view, tree, sub.op, sub.record, request)
            except ZooKeeperError as error:
                if error.code is Code.MARSHALLING_ERROR:
                    return Transaction(zxid, time, session_id, op, (), error.code)
                return Transaction(zxid, time, session_id, op, (), error.code, place + 1)
            mode = CREATE_FLAGS[sub.record.flags] if isinstance(operation, Create) else None
            view.accept(operation, session_id if mode and mode.ephemeral else 0)
            operations.append(operation)
        return Transaction(zxid, time, session_id, op, tuple(operations))

    def _create(
        self, view: _ReadableTree, tree: Tree, op: Op, record: CreateRequest, request: Request
    ) -> Create:
        mode = CREATE_FLAGS.get(record.flags)
        if mode is None:
            raise ZooKeeperError(Code.BAD_ARGUMENTS)
        reap = self._reaping(op, mode, record.ttl)
        if request.session_fault is not None:
            raise ZooKeeperError(request.session_fault)
        if mode.ephemeral and self._is_local(request.session_id):
            raise ZooKeeperError(Code.EPHEMERAL_ON_LOCAL_SESSION)
        path = _with_slash(record.path)
        entries = self._access.fix(record.acl, request.ids)
        parent, _ = split(path)
        above = view.get(parent)
        if above is None:
            raise ZooKeeperError(Code.NO_NODE)
        if above.acl is not acl.OPEN:
            self._access.check(above.acl, acl.CREATE, request.ids)
        if mode.sequential:
            path += "%010d" % above.creates  # noqa: UP031  # a sign takes one of the ten places
        if not is_valid(path):
            raise ZooKeeperError(Code.BAD_ARGUMENTS)
        if view.get(path) is not None:
            raise ZooKeeperError(Code.NODE_EXISTS)
        if above.owner:
            raise ZooKeeperError(Code.NO_CHILDREN_FOR_EPHEMERALS)
        if tree.quotas:
            self._check_quota(tree, path, 1, len(record.data or b""))
        creates = above.creates + 1 if above.creates < 0x7FFFFFFF else -0x80000000
        owner = request.session_id if mode.ephemeral and op is not Op.CREATE_CONTAINER else 0
        return _new_create((path, record.data, entries, owner, reap, creates))

    def _reaping(self, op: Op, mode: CreateMode, ttl: int) -> int:
        """`Create.reap`. The operation code decides, not the mode, what is a container or TTL
        znode.
        """
        if mode.ttl:
            if not self._settings.extended_types:
                raise ZooKeeperError(Code.UNIMPLEMENTED)
            if not 0 < ttl <= _MAX_TTL:
                raise ZooKeeperError(Code.BAD_ARGUMENTS)
        elif ttl >= 0:
            raise ZooKeeperError(Code.BAD_ARGUMENTS)
        if op is Op.CREATE_CONTAINER:
            return CONTAINER
        return ttl if op is Op.CREATE_TTL else 0

    def _delete(
        self, view: _ReadableTree, tree: Tree, op: Op, record: VersionedPath, request: Request
    ) -> Delete:
        _check_session(request)
        path = _deletable(record.path)
        parent, _ = split(path)
        above = _existing(view, parent)
        self._access.check(above.acl, acl.DELETE, request.ids)
        node = _existing(view, path)
        _check_version(node.version, record.version)
        if view.child_count(path):
            raise ZooKeeperError(Code.NOT_EMPTY)
        return Delete(path)

    def _delete_container(
        self, view: _ReadableTree, tree: Tree, op: Op, record: PathRequest, request: Request
    ) -> Delete:
        path = _deletable(record.path)
        node = _existing(view, path)
        if view.child_count(path):
            raise ZooKeeperError(Code.NOT_EMPTY)
        if node.owner:
            raise ZooKeeperError(Code.BAD_VERSION)
        return Delete(path)

    def _set_data(
        self, view: _ReadableTree, tree: Tree, op: Op, record: SetDataRequest, request: Request
    ) -> SetData:
        _check_session(request)
        path, node = _valid_existing(view, record.path)
        self._access.check(node.acl, acl.WRITE, request.ids)
        self._check_quota(tree, path, 0, len(record.data or b"") - len(node.data or b""))
        return SetData(path, record.data, _check_version(node.version, record.version))

    def _set_acl(
        self, view: _ReadableTree, tree: Tree, op: Op, record: SetAclRequest, request: Request
    ) -> SetAcl:
        _check_session(request)
        path = _validate(record.path)
        entries = self._access.fix(record.acl, request.ids)
        node = _existing(view, path)
        self._access.check(node.acl, acl.ADMIN, request.ids)
        return SetAcl(path, entries, _check_version(node.aversion, record.version))

    def _check(
        self, view: _ReadableTree, tree: Tree, op: Op, record: VersionedPath, request: Request
    ) -> Check:
        _check_session(request)
        path, node = _valid_existing(view, record.path)
        self._access.check(node.acl, acl.READ, request.ids)
        _check_version(node.version, record.version)
        return Check(path)

    def _reconfig(
        self,
        tree: Tree,
        record: ReconfigRequest,
        request: Request,
        zxid: int,
        membership: Callable[[], reconfig.Membership] | None,
    ) -> SetData:
        if not self._settings.reconfig_enabled:
            raise ZooKeeperError(Code.RECONFIG_DISABLED)
        _check_session(request)
        if membership is None:
            raise ZooKeeperError(Code.UNIMPLEMENTED)
        node = _existing(tree, reconfig.CONFIG_PATH)
        new = reconfig.reconfigured(membership(), record, zxid)
        self._access.check(node.acl, acl.WRITE, request.ids)
        return SetData(reconfig.CONFIG_PATH, new.render(), node.version)

    _prepare: ClassVar[dict[Op, Callable[..., Outcome]]] = {
        Op.CREATE: _create,
        Op.CREATE2: _create,
        Op.CREATE_CONTAINER: _create,
        Op.CREATE_TTL: _create,
        Op.DELETE: _delete,
        Op.DELETE_CONTAINER: _delete_container,
        Op.SET_DATA: _set_data,
        Op.SET_ACL: _set_acl,
        Op.CHECK: _check,
    }

    def _check_quota(self, tree: Tree, path: str, count: int, size: int) -> None:
        """Checks the committed counters: the operations of one multi do not see each other's
        counts.
        """
        if not self._settings.enforce_quota:
            return
        covering = tree.quota_of(path)
        if covering is None:
            return
        limits = tree.get(quota.limits_path(covering))
        if limits is None:
            return
        try:
            limit = quota.parse(limits.data)
            if not quota.limits(limit, count, size):
                return
            stats = tree.get(quota.stats_path(covering))
            exceeded = stats is not None and quota.exceeds(
                limit, quota.parse(stats.data), count, size
            )
        except ValueError:
            raise ZooKeeperError(Code.MARSHALLING_ERROR) from None
        if exceeded:
            raise ZooKeeperError(Code.QUOTA_EXCEEDED)


def makes_ephemerals(request: Request) -> bool:
    """Whether a request asks for an ephemeral znode, by itself or as a part of a multi."""
    record = request.record
    parts = record.operations if isinstance(record, MultiRequest) else [request]
    return any(
        part.op in (Op.CREATE, Op.CREATE2)
        and isinstance(part.record, CreateRequest)
        and (mode := CREATE_FLAGS.get(part.record.flags)) is not None
        and mode.ephemeral
        for part in parts
    )


def _check_session(request: Request) -> None:
    """A session that has ended, or has moved to another server, may not write."""
    if request.session_fault is not None:
        raise ZooKeeperError(request.session_fault)


def _with_slash(path: str | None) -> str:
    """The first check of a path: it is not null, has a slash, and has no NUL."""
    if path is None:
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    if "/" not in path or "\0" in path:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    return path


def _deletable(path: str | None) -> str:
    path = _with_slash(path)
    if path in SPECIAL_PATHS:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    return path


def _validate(path: str | None) -> str:
    if path is None or not is_valid(path):
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    return path


def _existing(view: _ReadableTree, path: str) -> Znode:
    node = view.get(path)
    if node is None:
        raise ZooKeeperError(Code.NO_NODE)
    return node


def _valid_existing(view: _ReadableTree, path: str | None) -> tuple[str, Znode]:
    """The path and its znode. An invalid path is BadArguments, not NoNode."""
    node = None if path is None else view.get(path)
    if path is None or node is None:
        _validate(path)
        raise ZooKeeperError(Code.NO_NODE)
    return path, node  # an existing znode was created, so its path is valid


def _check_version(version: int, expected: int) -> int:
    """The version after ``version``, an int32 that wraps. Raises `ZooKeeperError` (BadVersion)."""
    if expected not in (ANY_VERSION, version):
        raise ZooKeeperError(Code.BAD_VERSION)
    return version + 1 if version < 0x7FFFFFFF else -0x80000000
