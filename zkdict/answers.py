"""What kazoo answers, in the package's own words.

The rules that live here:

- A request whose connection was lost has no answer. Every other error is one.
- kazoo gives None for the data of a znode that was made with null data; a reader sees no bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kazoo.exceptions import (
    AuthFailedError,
    ConnectionLoss,
    NoNodeError,
    OperationTimeoutError,
    SessionExpiredError,
)

from zkdict.cache import Request, Znode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CONNECTION_ERRORS", "LOST", "Submitted", "answer_of", "applied", "unreadable", "znode"]

LOST: Final = object()
"""The answer of a request whose connection went: the next connection asks again."""
CONNECTION_ERRORS: Final = (
    ConnectionLoss,
    SessionExpiredError,  # and its subclass ConnectionClosedError
    OperationTimeoutError,
    AuthFailedError,
)
"""What kazoo sets on a request whose answer will never come."""


def znode(raw: bytes | None, stat: Any) -> Znode:
    """A Znode of kazoo's data and ZnodeStat. kazoo gives None for a znode made with null data."""
    return Znode(
        raw or b"",
        stat.version,
        stat.czxid,
        stat.mzxid,
        stat.ctime,
        stat.mtime,
        stat.ephemeralOwner,
    )


def unreadable(error: Exception) -> Znode:
    """A Znode that the server refused to show."""
    return Znode(b"", -1, 0, 0, 0, 0, 0, error)


def answer_of(result: Any) -> Any:
    """What a reply says: its value, None for NoNode, the exception the server answered with."""
    if not result.ready():  # a closed client gives up the later of two requests before the earlier
        return LOST
    error = result.exception
    if error is None:
        return result.value
    if isinstance(error, NoNodeError):
        return None
    return LOST if isinstance(error, CONNECTION_ERRORS) else error


def applied(answer: Any) -> bool:
    """Whether an answer tells of success: that of a failed multi is a list of exceptions."""
    return not (isinstance(answer, list) and any(isinstance(each, Exception) for each in answer))


class Submitted:
    """A write or sync under way: its place, and its outcome once `done` is set."""

    __slots__ = ("_wrote", "done", "local", "request", "result")

    def __init__(
        self,
        request: Request,
        done: Any,
        wrote: Callable[[Any], Mapping[str, Znode]] | None,
        local: Mapping[str, bytes | None] | None,
    ) -> None:
        self.request = request
        self.done = done
        self.local = local or {}
        self.result: Any = None
        self._wrote = wrote

    def completed(self, result: Any) -> None:
        """The completion callback that wakes the caller."""
        self.result = result
        self.done.set()

    def offers(self, answer: Any) -> Mapping[str, Znode]:
        """What the write put where, by its reply."""
        return self._wrote(answer) if self._wrote is not None and applied(answer) else {}
