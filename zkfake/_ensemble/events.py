"""What servers do of their own accord, for whoever keeps a record: elections, logs, sessions.

Rules that live here: an event is told by the server that does something, when it does it; of a
session by the leader that decides. What is told changes nothing, and costs nothing where nothing
happens: no event goes with a read, nor with an ordinary write. `Tell` has what people want to read,
`EnsembleListener` hears what a judge needs beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

__all__ = ["OTHER_PLACE", "Name", "Tell", "unheard"]

Name = Literal[
    "starts",
    "stops",
    "looks",
    "is elected",
    "joins",
    "cuts its log",
    "takes transactions",
    "takes a tree",
    "follows",
    "observes",
    "leads",
    "commits",
    "changes place",
    "steps down",
    "opens session",
    "moves session",
    "expires session",
    "closes session",
    "drops client",
    "refuses client",
    "refuses request",
]

Tell = Callable[[int, Name, str], None]
"""Called with the server's id, what it does, and a text that says more."""


def unheard(_server: int, _name: Name, _text: str) -> None:
    """Nobody listens."""


OTHER_PLACE = "a configuration gives it, or its leader, another place"
"""Why a learner leaves its leader for a configuration."""
