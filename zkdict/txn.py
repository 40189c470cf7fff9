"""Several keys in one atomic multi.

The rules that live here:

- All of a multi is applied, in one transaction with one zxid, or nothing of it. kazoo returns the
  failures of a multi instead of raising them: `Multi.commit` raises.
- A multi larger than the server takes would cost the connection: its size is checked first.
- `update` and `clear` guess from the copy what exists; where the guess was wrong nothing was
  applied, and they try again with what the server taught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kazoo.exceptions import (
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)

from zkdict.cache import Znode
from zkdict.errors import Timeout, TransactionFailed, ValueTooLarge, WriteUncertain
from zkdict.feed import znode
from zkdict.records import ANY
from zkdict.waiting import remaining
from zkdict.writes import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkdict.writes import Writer

__all__ = ["Multi", "clear", "update"]

V = TypeVar("V")

_OP_BYTES = 80  # the header, the ACL and the lengths of one operation, generously


class Multi(Generic[V]):
    """The operations of one multi, by znode names, and its one commit."""

    def __init__(self, writer: Writer[V]) -> None:
        self._writer = writer
        self._request = writer.feed.client.transaction()
        self._ops: list[tuple[str, bytes | None]] = []  # name, and what a set puts there
        self._local: dict[str, bytes | None] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._ops)

    def _add(self, name: str, raw: bytes | None = None) -> str:
        path = self._writer.feed.child(name)
        chroot = self._writer.feed.client.chroot or ""
        self._size += _OP_BYTES + len(chroot.encode()) + len(path.encode()) + len(raw or b"")
        self._ops.append((name, raw))
        return path

    def set(self, name: str, raw: bytes, version: int = ANY) -> None:
        self._request.set_data(self._add(name, raw), raw, version)
        self._local[name] = raw

    def create(self, name: str, raw: bytes) -> None:
        self._request.create(self._add(name, raw), raw, acl=self._writer.acl)
        self._local[name] = raw

    def delete(self, name: str, version: int = ANY) -> None:
        self._request.delete(self._add(name), version)
        self._local[name] = None

    def check(self, name: str, version: int) -> None:
        self._request.check(self._add(name), version)

    def check_absent(self, name: str) -> None:
        """The key must not exist: made and removed again."""
        self.create(name, b"")
        self.delete(name)
        del self._local[name]

    def commit(self, deadline: float | None) -> None:
        """Send it, once.

        Raises:
            ValueTooLarge: nothing was sent.
            TransactionFailed: an operation failed, nothing was applied.
            UnansweredError, Timeout, KazooException.
        """
        if self._size > self._writer.max_value_bytes:
            raise ValueTooLarge(self._size, self._writer.max_value_bytes)
        answers = self._writer.call(
            self._request.commit_async, deadline, wrote=self._wrote, local=self._local
        )
        for index, answer in enumerate(answers):
            if isinstance(answer, Exception) and not isinstance(
                answer, (RolledBackError, RuntimeInconsistency)
            ):
                raise TransactionFailed(index, answer, self._key(index))

    def _key(self, index: int) -> str:
        return self._writer.codec.from_name(self._ops[index][0])

    def _wrote(self, answers: Any) -> Mapping[str, Znode]:
        return {
            name: znode(raw, answer)
            for (name, raw), answer in zip(self._ops, answers, strict=True)
            if raw is not None and hasattr(answer, "mzxid")
        }


def update(writer: Writer[V], items: Mapping[str, V]) -> None:
    """Store all items in one multi, whatever is there. Sent again when its answer was lost.

    Raises:
        InvalidKey, EncodeError, ValueTooLarge: nothing was sent.
        RootMissing, Timeout, WriteUncertain, KazooException.
    """
    if not items:
        return
    raws = {writer.codec.to_name(key): writer.encoded(key, value) for key, value in items.items()}
    deadline = writer.deadline()
    exists = {name: writer.feed.cache.working(name) is not None for name in raws}
    sent = False
    while True:
        multi = Multi(writer)
        for name, raw in raws.items():
            if exists[name]:
                multi.set(name, raw)
            else:
                multi.create(name, raw)
        try:
            multi.commit(deadline)
        except TransactionFailed as error:
            name = writer.codec.to_name(error.key)
            if isinstance(error.cause, NodeExistsError):
                exists[name] = True
            elif not isinstance(error.cause, NoNodeError):
                raise error.cause from error
            elif exists[name]:
                exists[name] = False
            else:
                writer.make_root(deadline)
        except UnansweredError as error:
            sent = True
            if remaining(deadline) == 0:
                raise WriteUncertain("update") from error
        except Timeout as error:
            if sent:
                raise WriteUncertain("update") from error
            raise
        else:
            return


def clear(writer: Writer[V], names: Iterable[str]) -> None:
    """Delete these znodes in one multi; those which are gone meanwhile are left out.

    Raises:
        ValueTooLarge: nothing was sent.
        Timeout, WriteUncertain, KazooException.
    """
    left = dict.fromkeys(names)
    deadline = writer.deadline()
    while left:
        multi = Multi(writer)
        for name in left:
            multi.delete(name)
        try:
            multi.commit(deadline)
        except TransactionFailed as error:
            if not isinstance(error.cause, NoNodeError):
                raise error.cause from error
            del left[writer.codec.to_name(error.key)]
        except UnansweredError as error:
            raise WriteUncertain("clear") from error
        else:
            return
