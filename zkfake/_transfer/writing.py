"""Carrying out steps on a ZooKeeper.

The rules that live here:

- Steps are sent in their order, many in a transaction and several transactions at a time: a server
  carries out the requests of one connection in their order, so a child may be sent before the
  answer about its parent is there.
- A transaction that is refused has changed nothing. Its steps are then sent one by one, so that
  what is wrong has a name.
- After a lost connection all that was on its way is sent again, one by one. Every step may be
  sent twice: what a create finds there is compared with what it would have made, and what a delete
  does not find is gone.
- A step that is lost again and again, alone, is an error: servers end the connection of a client
  whose request is too big.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.exceptions import (
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    UnimplementedError,
)
from kazoo.security import ACL, Id

from zkfake._protocol.jute import Reader, pack_buffer, pack_int, pack_long, pack_string
from zkfake._protocol.records import Op
from zkfake._transfer.connection import LOST, TransferError, named
from zkfake._transfer.reading import joined, read_one
from zkfake._trees.differences import Step, StepKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkfake._protocol.records import Acls
    from zkfake._transfer.connection import PatientClient
    from zkfake._trees.plain import PlainZnode

__all__ = ["write"]

TOGETHER = 100
"""The most steps of a transaction."""
BYTES = 200_000
"""The most bytes of a transaction: servers take a megabyte."""
WINDOW = 20
"""The most transactions that are on their way."""
LOSSES = 5
"""How often a step is lost, alone, until it is given up."""
BIG = 1_000_000


def write(
    connection: PatientClient,
    top: str,
    todo: Iterable[Step],
    *,
    acls: bool = True,
    progress: Callable[[int], object] = lambda _done: None,
) -> int:
    """Carries out steps below the znode ``top``: how many. ``acls``: whether znodes get the ACLs of
    the steps, or are made open. ``progress``: is called with how many are done.

    Raises `TransferError`, which says how far it came.
    """
    return _Writing(connection, top, todo, acls, progress).run()


class _Batch(NamedTuple):
    steps: list[Step]
    request: Any


class _Writing:
    def __init__(
        self,
        connection: PatientClient,
        top: str,
        todo: Iterable[Step],
        acls: bool,
        progress: Callable[[int], object],
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._top = top
        self._left = deque(todo)
        self._acls = acls
        self._progress = progress
        self._all = len(self._left)
        self._done = 0
        self._on_its_way: deque[_Batch] = deque()
        self._alone = 0
        """How many of the next steps are sent one by one, each after the answer to the last."""
        self._losses = 0
        """How often the next step was lost."""

    def run(self) -> int:
        try:
            while self._left or self._on_its_way:
                while self._left and len(self._on_its_way) < (1 if self._alone else WINDOW):
                    self._send()
                self._take()
        except TransferError as error:
            if self._done:
                raise TransferError(f"{error}; {self._done:,} of {self._all:,} are done") from None
            raise
        return self._done

    # -- sending

    def _send(self) -> None:
        if self._alone or not _goes_together(self._left[0]):
            step = self._left.popleft()
            self._on_its_way.append(_Batch([step], self._single(step)))
            return
        batch, size = [self._left.popleft()], 0
        while self._left and len(batch) < TOGETHER and _goes_together(self._left[0]):
            size += _size(self._left[0])
            if size + _size(batch[0]) > BYTES:
                break
            batch.append(self._left.popleft())
        request = self._single(batch[0]) if len(batch) == 1 else self._transaction(batch)
        self._on_its_way.append(_Batch(batch, request))

    def _transaction(self, batch: list[Step]) -> Any:
        transaction = self._client.transaction()
        for kind, path, znode in batch:
            where = joined(self._top, path)
            if kind is StepKind.DELETE:
                transaction.delete(where)
            else:
                assert znode is not None
                if kind is StepKind.CREATE:
                    transaction.create(where, znode.data, self._acl(znode))
                else:
                    transaction.set_data(where, znode.data)
        return transaction.commit_async()

    def _single(self, step: Step) -> Any:
        kind, path, znode = step
        where = joined(self._top, path)
        if kind is StepKind.DELETE:
            return self._client.delete_async(where)
        assert znode is not None
        if kind is StepKind.SET_DATA:
            return self._client.set_async(where, znode.data)
        if kind is StepKind.SET_ACL:
            return self._client.set_acls_async(where, self._acl(znode))
        if not znode.reap:
            return self._client.create_async(where, znode.data, self._acl(znode))
        request = self._client.handler.async_result()
        self._client._call(_CreateOfKind(where, znode), request)  # noqa: SLF001  # kazoo has none
        return request

    def _acl(self, znode: PlainZnode) -> list[ACL] | None:
        return _kazoo_acl(znode.acl) if self._acls else None

    # -- answers

    def _take(self) -> None:
        batch = self._on_its_way.popleft()
        alone = len(batch.steps) == 1
        try:
            answer = self._connection.result(batch.request)
            if not alone:
                wrong = next((each for each in answer if isinstance(each, Exception)), None)
                if wrong is not None:
                    raise wrong
        except LOST:
            self._lost(batch)
        except KazooException as error:
            if not alone or self._on_its_way:
                # What was sent after it may fail only because of it.
                self._again(batch)
            else:
                self._resolve(batch.steps[0], error)
                self._did(1)
        else:
            self._did(len(batch.steps))

    def _did(self, count: int) -> None:
        self._done += count
        self._losses = 0
        self._alone = max(0, self._alone - count)
        self._progress(self._done)

    def _again(self, batch: _Batch) -> None:
        """Sends this one, and all that follow it, once more, one by one."""
        steps = list(batch.steps)
        for later in self._on_its_way:
            with suppress(KazooException):  # a step may be sent twice
                self._connection.result(later.request)
            steps += later.steps
        self._on_its_way.clear()
        self._left.extendleft(reversed(steps))
        self._alone = max(self._alone, len(steps))

    def _lost(self, batch: _Batch) -> None:
        was_alone = self._alone and len(batch.steps) == 1
        self._again(batch)
        self._connection.settle()
        if was_alone:
            self._losses += 1
            if self._losses >= LOSSES:
                step = batch.steps[0]
                size = _size(step)
                text = f"the connection is lost whenever {joined(self._top, step.path)} is written"
                if size > BIG:
                    text += (
                        f": it has {size:,} bytes, and servers refuse more than their "
                        "jute.maxbuffer, 1,048,575 unless configured"
                    )
                raise TransferError(text)

    def _resolve(self, step: Step, error: KazooException) -> None:
        """What an answer means that is no success: nothing, or a `TransferError`."""
        kind, path, znode = step
        where = joined(self._top, path)
        if kind is StepKind.DELETE and isinstance(error, NoNodeError):
            return
        if kind is StepKind.CREATE and isinstance(error, NodeExistsError):
            assert znode is not None
            if self._is_as(self._found(where), znode):
                return
            raise TransferError(f"{where}: somebody else has created it meanwhile, differently")
        hint = ""
        if isinstance(error, NoAuthError):
            hint = "; give the credentials of who may, --auth SCHEME:CREDENTIALS"
            if kind is StepKind.CREATE and self._acls:
                hint += ", or --no-acl if the ACL above it is one of the source"
        elif isinstance(error, NotEmptyError):
            hint = "; it has ephemerals below it, or children that somebody has made meanwhile"
        elif znode is not None and znode.reap and isinstance(error, UnimplementedError):
            hint = "; the server needs the setting extendedTypesEnabled=true for a time to live"
        raise TransferError(f"cannot {kind.value} {where}: {named(error)}{hint}")

    def _found(self, where: str) -> PlainZnode | None:
        """A znode; ``None`` where it may not be read, or is gone again."""
        try:
            return read_one(self._connection, where, acls=self._acls)
        except LOST:
            self._connection.settle()
            return self._found(where)
        except KazooException:
            return None

    def _is_as(self, found: PlainZnode | None, znode: PlainZnode) -> bool:
        """Whether a znode may have been made by a create of ours whose answer was lost."""
        if found is None or found.ephemeral or found.data != znode.data:
            return False
        if not self._acls or any(entry.scheme == "auth" for entry in znode.acl):
            return True
        return found.acl == tuple(dict.fromkeys(znode.acl))


def _goes_together(step: Step) -> bool:
    """Whether kazoo's transactions have it."""
    kind, _, znode = step
    if znode is None:
        return True
    return kind is not StepKind.SET_ACL and znode.data is not None and not znode.reap


def _size(step: Step) -> int:
    """About how many bytes its request has."""
    acl = () if step.znode is None else step.znode.acl
    data = 0 if step.znode is None else len(step.znode.data or b"")
    return 100 + len(step.path) + data + sum(20 + len(each.id or "") for each in acl)


@lru_cache(maxsize=1000)
def _kazoo_acl(acl: Acls) -> list[ACL]:
    return [ACL(entry.perms, Id(entry.scheme, entry.id)) for entry in acl]


class _CreateOfKind:
    """A request for a container, or for a znode with a time to live, in the form of kazoo's."""

    def __init__(self, path: str, znode: PlainZnode) -> None:
        self.type = int(Op.CREATE_CONTAINER if znode.container else Op.CREATE_TTL)
        self.path = path
        self._znode = znode

    def serialize(self) -> bytes:
        znode = self._znode
        acl = pack_int(len(znode.acl)) + b"".join(entry.pack() for entry in znode.acl)
        body = pack_string(self.path) + pack_buffer(znode.data) + acl
        return body + (pack_int(4) if znode.container else pack_int(5) + pack_long(znode.reap))

    @staticmethod
    def deserialize(data: bytes, offset: int) -> str | None:
        return Reader(bytes(data), offset).read_string()
