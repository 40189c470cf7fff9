"""Which calls of one session may have made the same ephemeral key.

The rules that live here:

- An ephemeral znode names its session, not the call. A call whose answer was lost is told that it
  made the key only where no other call of this session, by any dict on the client, asked for the
  same znode meanwhile.
- A claim is open until its answer is known, or until it was decided what became of it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Claim"]

_Open = dict[tuple[object, str], "list[Claim]"]
_open_of: weakref.WeakKeyDictionary[Any, _Open] = weakref.WeakKeyDictionary()


class Claim:
    """A call that makes the ephemeral znode at `path`. A context manager around its sending."""

    def __init__(self, client: Any, path: str) -> None:
        self.session: int | None = None
        """The session that makes it; None as long as nothing was sent."""
        self._client = client
        self._path = path
        self._rivals = False

    def begin(self) -> None:
        """It is being sent now. Called with the feed's lock held."""
        session = self._client.client_id
        # None where the connection went at this moment: kazoo keeps the request for the next one,
        # and nobody can tell which session made the znode.
        self.session = None if session is None else session[0]
        others = self._others()
        self._rivals = bool(others)
        for other in others:
            other._rivals = True  # noqa: SLF001  its own class
        others.append(self)

    def _others(self) -> list[Claim]:
        claims = _open_of.setdefault(self._client, {})
        return claims.setdefault((self.session, self._path), [])

    def alone(self) -> bool:
        """Whether no other call can have made it."""
        return not self._rivals

    def settle(self) -> None:
        """It is known what became of it."""
        others = self._others()
        if self in others:
            others.remove(self)
        if not others:
            _open_of[self._client].pop((self.session, self._path), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None or issubclass(kind, KazooException):
            self.settle()  # any other error leaves the answer unknown
