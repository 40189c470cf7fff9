"""One multi: its operations, its size, and its one commit.

The rules that live here:

- All of a multi is applied, in one transaction with one zxid, or nothing of it. kazoo returns the
  failures of a multi instead of raising them: `Multi.commit` raises.
- A multi larger than the server takes would cost the connection: its size is checked first.
- Where the copy says that it will be applied, what it changes is read right behind it, so that it
  is seen after one round trip.
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

from zkdict._copy.cache import ROOT, Cache, Kind, Znode
from zkdict._copy.replies import check_multi, znode
from zkdict._writes import proof
from zkdict.entries import ABSENT, ANY, check_version
from zkdict.errors import TransactionFailed, ValueTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._writes.proof import Judge
    from zkdict._writes.sender import Sender, UnansweredError
    from zkdict.errors import WriteUncertain

__all__ = ["CONFLICTS", "OP_BYTES", "Multi"]

V = TypeVar("V")

CONFLICTS: Final = (BadVersionError, NoNodeError, NodeExistsError)
"""Why a multi fails when somebody came in between."""
OP_BYTES: Final = 80
"""The header, the ACL and the lengths of one operation, generously."""
_CHECK_BYTES: Final = 20
"""The same of one that has no ACL and no data: `replace_all` sends many."""


class Multi(Generic[V]):
    """The operations of one multi, by znode names, and its one commit."""

    def __init__(self, writer: Sender[V]) -> None:
        self._writer = writer
        self._request = writer.feed.client.transaction()
        self._ops: list[tuple[str, bytes | None]] = []  # name, and what a set puts there
        self._kinds: list[type] = []  # of their answers
        self._judges: dict[str, Judge] = {}  # of what it leaves behind
        self._local: dict[str, bytes | None] = {}  # what it leaves behind; None: nothing
        self._reads: dict[str, Kind | None] = {}  # what is to be read again behind it
        self._foreseen = True  # whether, as far as the copy knows, it will be applied
        self._size = 0
        self.floor = writer.floor

    def __len__(self) -> int:
        return len(self._ops)

    def _add(
        self, name: str, answer: type, raw: bytes | None = None, overhead: int = OP_BYTES
    ) -> str:
        path = self._writer.feed.child(name)
        chroot = self._writer.feed.client.chroot or ""
        self._size += overhead + len(chroot.encode()) + len(path.encode()) + len(raw or b"")
        self._ops.append((name, raw))
        self._kinds.append(answer)
        return path

    def set(self, name: str, raw: bytes, version: int = ANY) -> None:
        """Set a key that exists."""
        self._foresee(name, version)
        self._request.set_data(self._add(name, ZnodeStat, raw), raw, version)
        self._local[name] = raw
        if version == ANY:
            self._judges[name] = proof.written(raw, self.floor)
        else:
            self._judges[name] = proof.updated(raw, version, self.floor)
        self._reads.setdefault(name, Kind.STAT)

    def create(self, name: str, raw: bytes, *, ephemeral: bool = False) -> None:
        """Create a key that does not exist."""
        self._foresee(name, ABSENT)
        path = self._add(name, str, raw)
        self._request.create(path, raw, acl=self._writer.acl, ephemeral=ephemeral)
        self._local[name] = raw
        self._judges[name] = proof.created(raw, self.floor)
        self._reads |= {name: Kind.DATA, ROOT: Kind.CHILDREN}

    def delete(self, name: str, version: int = ANY) -> None:
        """Delete a key that exists."""
        self._foresee(name, version)
        self._request.delete(self._add(name, bool), version)
        self._local[name] = None
        self._judges[name] = proof.deleted(self.floor)
        self._reads |= {name: None, ROOT: Kind.CHILDREN}

    def check(self, name: str, version: int) -> None:
        """The key must have this version."""
        self._foresee(name, version)
        self._request.check(self._add(name, bool, overhead=_CHECK_BYTES), version)

    def check_absent(self, name: str) -> None:
        """The key must not exist: made and removed again."""
        self.create(name, b"")
        self.delete(name)
        del self._local[name], self._judges[name]

    def _foresee(self, name: str, version: int) -> None:
        check_version(version)
        if name in self._local:  # the operations before it see to that
            return
        cache = self._writer.feed.cache
        known = cache.working(name)
        if known is None:
            fits = version == ABSENT and bool(cache.root_exists)
        else:
            fits = version in (ANY, known.version)
        self._foreseen = self._foreseen and fits

    def _expected(self, cache: Cache) -> Mapping[str, Kind | None]:
        """What to read right behind it, so that it is seen after one round trip."""
        fits = self._foreseen and all(cache.predicts(name) for name in self._local)
        return self._reads if fits else {}

    def commit(
        self, deadline: float | None, *, before: Callable[[], object] = lambda: None
    ) -> list[Any]:
        """Send it, once; the answers, one for each operation.

        `before` sends something right in front of it.

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
            expect=self._expected,
            wrote=self._wrote,
            local=self._local,
            check=lambda answers: check_multi(answers, self._kinds),
        )
        for index, answer in enumerate(answers):
            if isinstance(answer, Exception) and not isinstance(
                answer, (RolledBackError, RuntimeInconsistency)
            ):
                raise TransactionFailed(index, answer, self._key(index))
        return answers

    def _key(self, index: int) -> str:
        return self._writer.codec.from_name(self._ops[index][0])

    def _wrote(self, answers: Any) -> Mapping[str, Znode]:
        return {
            name: znode(raw, answer)
            for (name, raw), answer in zip(self._ops, answers, strict=False)  # not checked yet
            if raw is not None and self._local.get(name) == raw and hasattr(answer, "mzxid")
        }

    def uncertain(
        self,
        operation: str,
        unanswered: UnansweredError,
        wants: Literal["proof", "gone"] = "proof",
    ) -> WriteUncertain:
        """The exception for a commit without an answer."""
        return self._writer.uncertain(operation, None, self._judges, unanswered, wants=wants)
