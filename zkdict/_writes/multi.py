"""One multi: its operations, its size, and its one commit.

The rules that live here:

- All of a multi is applied, in one transaction with one zxid, or nothing of it. kazoo returns the
  failures of a multi instead of raising them: `Multi.commit` raises.
- A multi larger than the server takes would cost the connection: its size is checked first.
- How it is seen after one round trip: see `effects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from kazoo.exceptions import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import ZnodeStat

from zkdict._copy.effects import Effects
from zkdict._copy.replies import check_multi
from zkdict._writes import proof
from zkdict._writes.uncertain import write_uncertain
from zkdict.entries import ANY, check_version
from zkdict.errors import TransactionFailed, ValueTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict._writes.proof import WriteJudge
    from zkdict._writes.sender import Sender, UnansweredError
    from zkdict.errors import WriteUncertain

__all__ = ["CONFLICTS", "Multi", "operation_bytes"]

V = TypeVar("V")

CONFLICTS: Final = (BadVersionError, NoNodeError, NodeExistsError)
"""The errors of a multi that conflicts with another client's write."""
_OP_BYTES: Final = 80
"""An upper bound for the header, the ACL and the lengths of one operation, in bytes."""
_CHECK_BYTES: Final = 20
"""The same for an operation without ACL and data: `replace_all` sends many."""


def operation_bytes(
    writer: Sender[Any], name: str, raw: bytes = b"", overhead: int = _OP_BYTES
) -> int:
    """What one operation takes of a request, in bytes, at most: its whole path is part of it."""
    path, chroot = writer.feed.child(name), writer.feed.client.chroot or ""
    return overhead + len(chroot.encode()) + len(path.encode()) + len(raw)


class Multi(Generic[V]):
    """The operations of one multi, by znode names, and its one commit."""

    def __init__(self, writer: Sender[V]) -> None:
        self._writer = writer
        self._request = writer.feed.client.transaction()
        self._effects = Effects()
        self._answers: list[type] = []  # the kinds of answers to its operations
        self._judges: dict[str, WriteJudge] = {}  # of what it leaves
        self._size = 0
        self.floor = writer.floor

    def __len__(self) -> int:
        return len(self._answers)

    def _path(self, name: str, answer: type, raw: bytes = b"", overhead: int = _OP_BYTES) -> str:
        """The path for one more operation, which is counted."""
        self._size += operation_bytes(self._writer, name, raw, overhead)
        self._answers.append(answer)
        return self._writer.feed.child(name)

    def set(self, name: str, raw: bytes, version: int = ANY) -> None:
        """Set a key that exists."""
        check_version(version)
        self._request.set_data(self._path(name, ZnodeStat, raw), raw, version)
        self._effects.set(name, raw, version)
        if version == ANY:
            self._judges[name] = proof.written(raw, self.floor)
        else:
            self._judges[name] = proof.updated(raw, version, self.floor)

    def create(self, name: str, raw: bytes, *, ephemeral: bool = False) -> None:
        """Create a key that does not exist."""
        path = self._path(name, str, raw)
        self._request.create(path, raw, acl=self._writer.acl, ephemeral=ephemeral)
        self._effects.create(name, raw)
        self._judges[name] = proof.created(raw, self.floor)

    def delete(self, name: str, version: int = ANY) -> None:
        """Delete a key that exists."""
        check_version(version)
        self._request.delete(self._path(name, bool), version)
        self._effects.delete(name, version)
        self._judges[name] = proof.deleted(self.floor)

    def check(self, name: str, version: int) -> None:
        """The key must have this version."""
        check_version(version)
        self._request.check(self._path(name, bool, overhead=_CHECK_BYTES), version)
        self._effects.check(name, version)

    def check_absent(self, name: str) -> None:
        """The key must not exist: made and removed again."""
        self._request.create(self._path(name, str), b"", acl=self._writer.acl)
        self._request.delete(self._path(name, bool), ANY)
        self._effects.check_absent(name)

    def commit(
        self, deadline: float | None, *, before: Callable[[], object] = lambda: None
    ) -> list[Any]:
        """Send it, once; the answers, one for each operation.

        `before` is called right before it is sent, and may send something itself.

        Raises:
            ValueTooLarge: nothing was sent.
            TransactionFailed: an operation failed, nothing was applied.
            UnansweredError, Timeout, KazooException.
        """
        if self._size > self._writer.max_value_bytes:
            raise ValueTooLarge(self._size, self._writer.max_value_bytes)

        def send() -> Any:
            before()
            return self._request.commit_async()

        answers: list[Any] = self._writer.call(
            send,
            deadline,
            effects=self._effects,
            check=lambda answers: check_multi(answers, self._answers),
        )
        for index, answer in enumerate(answers):
            if isinstance(answer, Exception) and not isinstance(
                answer, (RolledBackError, RuntimeInconsistency)
            ):
                raise TransactionFailed(index, answer, self._key(index))
        return answers

    def _key(self, index: int) -> str:
        return self._writer.codec.from_name(self._effects.operations[index][0])

    def uncertain(
        self,
        operation: str,
        unanswered: UnansweredError,
        wants: Literal["proof", "gone"] = "proof",
    ) -> WriteUncertain:
        """The exception for a commit without an answer."""
        return write_uncertain(self._writer, operation, None, self._judges, unanswered, wants=wants)
