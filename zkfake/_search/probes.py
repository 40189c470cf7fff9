"""The built-in probes: what is rare in ZooKeeper and hurts programs, by name, in words."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PARTS", "PROBES", "Probe"]


class Probe(NamedTuple):
    """Something that may happen in a run."""

    text: str
    """What it is, in words."""
    servers: int = 1
    """How many servers it takes at least."""


_ELECTIONS = {
    "re-election": Probe("a leader after the first one is established", 3),
    "leader crashes": Probe("an established leader is stopped", 3),
    "leader without a quorum": Probe("an established leader has lost its followers", 3),
    "leader never established": Probe("a server is elected, and no quorum joins it", 3),
    "long without a leader": Probe("nobody leads for longer than a session lives", 3),
    "two servers down": Probe("two of three servers are down: no quorum", 3),
    "two leaders": Probe("a second leader is established, and the first goes on", 3),
    "deposed leader notices": Probe("it steps down, and another one leads already", 3),
    "deposed leads again": Probe("a server that was replaced so is elected later", 3),
    "epoch without a commit": Probe("a leader is replaced before it commits anything", 3),
    "proposal kept": Probe("a leader commits what an earlier one had only proposed", 3),
    "cuts its log": Probe("a proposal is lost: a server takes it out of its log", 3),
    "takes transactions": Probe("a server comes back and is told what it missed", 3),
    "takes a tree": Probe("a server comes back, and gets the whole tree", 3),
}
_SESSIONS = {
    "session moves": Probe("a session goes on at another server", 3),
    "session outlives its leader": Probe("a session goes on under a new leader", 3),
    "refuses client": Probe("a client has seen more than the server it comes to", 3),
    "refuses request": Probe("a server asks for a session that went on elsewhere", 3),
    "hung up on": Probe("a connection is taken and closed without an answer", 3),
    "expires session": Probe("the servers have not heard of a session in time"),
    "drops client": Probe("a session ends while its connection is open"),
    "session gone": Probe("a client comes back, and its session is over"),
    "session never heard of": Probe("a session is opened, and its client never knows"),
    "unaware of its end": Probe("a client knows only a session's length after its end"),
    "told that it expired": Probe("a request is answered by SessionExpired", 3),
    "next session goes back": Probe("a client's next session is shown an older state", 3),
}
_REQUESTS = {
    "stale read": Probe("a read does not show a write acknowledged before it was sent", 3),
    "read of a deposed leader": Probe("a leader that was replaced answers a read", 3),
    "read of a deposed follower": Probe("a follower of such a leader answers a read", 3),
    "sync of a deposed leader": Probe("such a leader, or its follower, answers a sync", 3),
    "stale read after sync": Probe("a stale read, though a sync was answered before it", 3),
    "write lost at a deposed leader": Probe("a write sent to it or its follower is lost", 3),
    "write torn off, lost": Probe("the connection is lost, and the write is not applied"),
    "write torn off, applied": Probe("the connection is lost, and the write is applied"),
    "multi torn off, lost": Probe("likewise a multi: nothing of it is applied"),
    "multi torn off, applied": Probe("likewise a multi: all of it is applied"),
    "applied after it was given up": Probe("a write is committed after its client gave it up"),
    "its own znode exists": Probe("NodeExists, for the znode that a lost reply was about"),
    "its own version is bad": Probe("BadVersion, for a write that a lost reply was about"),
    "answered too late": Probe("a reply comes when the client has left the connection"),
}
_WATCHES = {
    "watch lost with its change": Probe("a watch goes with its connection, and so does its event"),
    "two changes, one event": Probe("a znode changes twice before the event of the first is heard"),
    "event after others knew": Probe("another client has seen the change before"),
    "event a second late": Probe("an event comes more than a second after its change"),
    "event too late": Probe("an event comes when the client has left the connection"),
}

PARTS = {
    "elections and logs": _ELECTIONS,
    "sessions": _SESSIONS,
    "requests": _REQUESTS,
    "watches": _WATCHES,
}
PROBES = {name: each for part in PARTS.values() for name, each in part.items()}
"""Every built-in probe by its name."""
