"""Which calls of one session may have made the same ephemeral key.

The rules that live here:

- An ephemeral znode names its session, not the call. A call whose answer was lost is told that it
  made the key only where no other call of this session, by any dict on the client, asked for the
  same znode meanwhile.
- A claim is open until its answer is known, or until it was decided what became of it.
- Many are never decided. They are counted, not kept: memory grows with the znodes that have an open
  claim in the present session.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException

from zkdict.errors import TransactionFailed

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Claim"]


class _Asked:
    """How often something was asked for."""

    __slots__ = ("begun", "open")

    def __init__(self) -> None:
        self.begun = 0
        self.open = 0


class _Claims:
    """The open claims of one client."""

    def __init__(self, client: Any) -> None:
        self.lock = client.handler.lock_object()  # its dicts have a lock each
        self.session: int | None = None
        self.asked: dict[str, _Asked] = {}  # in this session, by the paths of the znodes
        self.unknown = _Asked()
        """Those whose session is not known. That is rare: each counts as a rival of all others."""

    def of(self, session: int | None, path: str) -> _Asked:
        """Those of a znode in this session. Earlier ones are over, with all that they made."""
        if session is None:
            return self.unknown
        if session != self.session:
            self.session, self.asked = session, {}
        return self.asked.setdefault(path, _Asked())


_claims_of: weakref.WeakKeyDictionary[Any, _Claims] = weakref.WeakKeyDictionary()


class Claim:
    """A call that makes the ephemeral znode at `path`. A context manager around its sending."""

    def __init__(self, client: Any, path: str) -> None:
        self.session: int | None = None
        """The session that makes it; None as long as nothing was sent."""
        self._client = client
        self._path = path
        self._claims = _claims_of.setdefault(client, _Claims(client))
        self._asked: _Asked | None = None  # where it is counted while it is open
        self._rivals = False
        self._begun = 0

    def begin(self) -> None:
        """It is being sent now. Called with the feed's lock held."""
        claims = self._claims
        with claims.lock:
            session = self._client.client_id
            # None where the connection was lost at this moment: kazoo keeps the request for the
            # next one, so it is not known which session made the znode.
            self.session = None if session is None else session[0]
            asked = self._asked = claims.of(self.session, self._path)
            self._rivals = bool(asked.open or claims.unknown.open)
            asked.open += 1
            asked.begun += 1
            self._begun = asked.begun + claims.unknown.begun

    def _look(self) -> None:
        """Whether another one began while it was open; called with the lock held."""
        if self._asked is not None:
            begun = self._asked.begun + self._claims.unknown.begun
            self._rivals = self._rivals or begun != self._begun

    def alone(self) -> bool:
        """Whether no other call can have made it."""
        with self._claims.lock:
            self._look()
            return not self._rivals

    def settle(self) -> None:
        """It is known what became of it."""
        claims = self._claims
        with claims.lock:
            self._look()
            asked, self._asked = self._asked, None
            if asked is not None:
                asked.open -= 1
                if not asked.open and claims.asked.get(self._path) is asked:
                    del claims.asked[self._path]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None or issubclass(kind, (KazooException, TransactionFailed)):
            self.settle()  # any other error leaves the answer unknown
