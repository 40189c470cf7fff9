"""What servers do among themselves: the events that judges of elections, quorums and members need.

Rules that live here:

- They stand beside the events that clients and servers can know of, as the log of what was
  committed does: a history has the same events, numbers and digest whether they are recorded or
  not.
- They are few: none goes with an ordinary read, or with an ordinary write.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

__all__ = [
    "INSIDE",
    "AppliedNext",
    "Configured",
    "Elected",
    "Followed",
    "Inside",
    "LastHeard",
    "LinkChanged",
    "ServerPaused",
    "Vote",
]


class Vote(NamedTuple):
    """A server that elects a leader, and where its log ends. ``epoch``: the newest one whose log it
    took over. ``observer``: whether it is one in the configuration that it knows to be committed;
    such a server supports whoever needs it, whatever its log has.
    """

    server: int
    epoch: int
    zxid: int
    observer: bool = False


class Elected(NamedTuple):
    """A server was elected, to lead ``epoch``. ``votes``: its own is among them. ``quorums``: the
    voters of its configuration, of which it takes more than half; and those of the next one, where
    its log has one that is not known to be committed. Not those that are in groups.
    """

    time: float
    server: int
    epoch: int
    votes: tuple[Vote, ...]
    quorums: tuple[tuple[int, ...], ...]


class Followed(NamedTuple):
    """Who follows a leader, with a vote or without, itself among them. ``quorums``: as in
    `Elected`. ``tick``: the seconds from one look of the leader for its quorum to the next.
    Recorded where time is virtual.
    """

    time: float
    server: int
    epoch: int
    followers: tuple[int, ...]
    quorums: tuple[tuple[int, ...], ...]
    tick: float


class LastHeard(NamedTuple):
    """A leader is about to let a session expire; at the time ``since`` it had heard from the server
    ``source`` that the session's client had sent something. Recorded where time is virtual.
    """

    time: float
    server: int
    epoch: int
    session: int
    source: int
    since: float

    def __repr__(self) -> str:
        return (
            f"LastHeard({self.time!r}, server={self.server}, epoch={self.epoch}, "
            f"session={self.session:#x}, source={self.source}, since={self.since!r})"
        )


class Configured(NamedTuple):
    """A server takes the configuration ``version`` for committed, or, if it is ``proposed``,
    proposes it as the leader. ``observer``: whether the server is one in it.
    """

    time: float
    server: int
    epoch: int
    version: int
    observer: bool
    proposed: bool

    def __repr__(self) -> str:
        return (
            f"Configured({self.time!r}, server={self.server}, epoch={self.epoch}, "
            f"version={self.version:#x}, {'observer' if self.observer else 'no observer'}, "
            f"{'proposed' if self.proposed else 'committed'})"
        )


class AppliedNext(NamedTuple):
    """A server applies ``zxid`` next to ``after``, which is not the number before it: as after a
    change of epoch. All that it applies otherwise is one behind the other.
    """

    time: float
    server: int
    zxid: int
    after: int

    def __repr__(self) -> str:
        return (
            f"AppliedNext({self.time!r}, server={self.server}, zxid={self.zxid:#x}, "
            f"after={self.after:#x})"
        )


class LinkChanged(NamedTuple):
    """A fault cuts the link from a server to ``target``, or takes one such cut back."""

    time: float
    server: int
    target: int
    cut: bool


class ServerPaused(NamedTuple):
    """A server stands still from now on, or is awake again."""

    time: float
    server: int
    paused: bool


Inside = AppliedNext | Configured | Elected | Followed | LastHeard | LinkChanged | ServerPaused
"""What a server does among servers: beside the events of a `History`, in `History.in_order` and
`History.of`.
"""

INSIDE: frozenset[type] = frozenset(get_args(Inside))
