"""kazoo's answers, in the package's own terms.

The rules that live here:

- A request whose connection was lost has no answer. Every other error of kazoo is an answer.
- An answer that kazoo cannot read, or that does not fit the request, is an `UnreadableReply`. It
  tells nothing. Above all it does not tell that nothing was written.
- kazoo gives None for the data of a znode that was made with null data; a reader sees no bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kazoo.exceptions import (
    AuthFailedError,
    ConnectionLoss,
    KazooException,
    MarshallingError,
    NoNodeError,
    OperationTimeoutError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)

from zkdict._copy.items import Kind, ReadZnode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

__all__ = [
    "CONNECTION_ERRORS",
    "LOST",
    "UnreadableReply",
    "answer_of",
    "applied",
    "check_multi",
    "impossible_name",
    "unreadable",
    "unreadable_reply",
    "znode",
]

LOST: Final = object()
"""The answer of a request whose connection was lost: the next connection asks again."""
CONNECTION_ERRORS: Final = (
    ConnectionLoss,
    SessionExpiredError,  # and its subclass ConnectionClosedError
    OperationTimeoutError,
    AuthFailedError,
)
"""What kazoo sets on a request whose answer will never come."""
_NO_NAMES: Final = frozenset(["", ".", ".."])


def znode(raw: bytes | None, stat: Any) -> ReadZnode:
    """A Znode of kazoo's data and ZnodeStat. kazoo gives None for a znode made with null data."""
    return ReadZnode(
        raw or b"",
        stat.version,
        stat.czxid,
        stat.mzxid,
        stat.ctime,
        stat.mtime,
        stat.ephemeralOwner,
    )


def unreadable(error: Exception) -> ReadZnode:
    """A Znode that the server refused to show."""
    return ReadZnode(b"", -1, 0, 0, 0, 0, 0, error)


class UnreadableReply(MarshallingError):  # type: ignore[misc]  # noqa: N818
    """The server's reply cannot be read, or does not fit; `__cause__` says why."""


def unreadable_reply(why: Exception | str) -> UnreadableReply:
    """The exception for a reply that `why` tells of: what reading it raised, or what is wrong."""
    named = why if isinstance(why, str) else f"{type(why).__name__}: {why}"
    error = UnreadableReply(f"the server's reply cannot be read: {named}")
    error.__cause__ = None if isinstance(why, str) else why
    return error


def answer_of(result: Any, kind: Kind = Kind.OTHER) -> Any:
    """What a reply says: its value, None for NoNode, the exception the server answered with."""
    if not result.ready():  # a closed client gives up the later of two requests before the earlier
        return LOST
    error = result.exception
    if error is None:
        value = result.value
        return _listed(value) if kind is Kind.CHILDREN else value
    if isinstance(error, NoNodeError):
        return None
    if isinstance(error, CONNECTION_ERRORS):
        return LOST
    return error if isinstance(error, KazooException) else unreadable_reply(error)


def _listed(value: Any) -> Any:
    """A list of children with a Stat, checked: kazoo accepts a negative count, and null names."""
    if type(value) is not tuple or not {*map(type, value[0])} <= {str}:
        return unreadable_reply("it has no list of children")
    return value


def impossible_name(names: AbstractSet[str]) -> str | None:
    """One of these that no child can have, if there is one. Costs a scan of them all."""
    if not names.isdisjoint(_NO_NAMES) or "/" in "".join(names):
        return next(name for name in sorted(names) if name in _NO_NAMES or "/" in name)
    return None


def check_multi(answers: Any, kinds: Sequence[type]) -> None:
    """Refuse what is not the reply to a multi: one answer of its kind for each operation, or one
    exception for each.

    Raises:
        UnreadableReply.
    """
    if len(answers) != len(kinds) or not (
        all(map(isinstance, answers, kinds)) or _rolled_back(answers)
    ):
        raise unreadable_reply(f"{len(kinds)} operations, and {answers!r}")


def _rolled_back(answers: Sequence[Any]) -> bool:
    """Whether all failed because one of them did: that one has a reason of its own."""
    return all(isinstance(each, Exception) for each in answers) and not all(
        isinstance(each, (RolledBackError, RuntimeInconsistency)) for each in answers
    )


def applied(answer: Any) -> bool:
    """Whether an answer tells of success: that of a failed multi is a list of exceptions."""
    return not (isinstance(answer, list) and any(isinstance(each, Exception) for each in answer))
