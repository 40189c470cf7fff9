"""A reason for which a run failed, and what programs do against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zkfake._history.events import Event, Logged

__all__ = ["Reason"]

_SESSIONS = (
    "stop the work at SUSPENDED: LOST comes only once the client reaches a server again. A write "
    "may still come too late: check in its transaction that the ephemeral znode is still the same."
)
_LOST_WRITES = (
    "after ConnectionLoss, look whether the write was done before you go on or ask for it again. "
    "A sequential znode can be found by a unique name of its own."
)
_HINTS = {
    "at once": "let one thread do it, or let the second one expect NoNodeError or NodeExistsError.",
    "blocked": "let the function hand its work to a thread or a queue, and return.",
    "done twice": _LOST_WRITES,
    "ended session": _SESSIONS,
    "forgets": "set the watch again with the read that follows its event, or use DataWatch or "
    "ChildrenWatch.",
    "gap": "give the watch to the request that reads, and go by what that request returns.",
    "gone": "create the znode again when the client is CONNECTED after LOST, in a thread and not "
    "in the listener itself.",
    "late server": "call sync() before a read that has to show what another client wrote.",
    "lost answer": _LOST_WRITES,
    "lost watch": "read and set the watch again when the client is CONNECTED again, or use "
    "DataWatch or ChildrenWatch.",
    "outlives": _SESSIONS,
    "stays": "delete an ephemeral znode when it is not needed any more: its session may go on for "
    "long.",
    "overwrites": "give set() the version that get() has returned, and begin again after "
    "BadVersionError.",
    "torn": "keep in one znode what belongs together; or read the first one again, and begin again "
    "where its version has changed.",
}
"""Of each kind that has a rule: what programs do against it."""


class Reason(NamedTuple):
    """``text``: a sentence or two. ``events``: what it speaks of."""

    kind: str
    time: float
    text: str
    events: tuple[Event | Logged, ...]

    @property
    def hint(self) -> str:
        """What programs do against it, in a sentence; empty where there is no rule."""
        return _HINTS.get(self.kind, "")
