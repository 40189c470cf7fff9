"""What can go wrong, in the words of explanations: regular expressions."""

from __future__ import annotations

__all__ = [
    "ANYWHERE",
    "BEHIND",
    "LATER",
    "LOST_REPLY",
    "PAUSED",
    "SESSION_ENDS",
    "SLOW",
    "SLOW_TASK",
    "TORN_OFF",
    "Part",
]

Part = tuple[str, str]
"""What goes wrong, and at which request."""

LOST_REPLY = r"the connection of \w+ is lost before the reply"
TORN_OFF = r"the connection of \w+ is lost before (the reply|arrives)"
SESSION_ENDS = r"the session of \w+ expires.*|\w+ is paused for .*|the network of \w+ is cut .*"
LATER = (
    r"the connection of \w+ is lost right after the reply|the reply takes .*|\w+ is paused for .*"
    r"|the network of \w+ is cut .*"
)
SLOW = (
    r"messages between clients and servers take \S+ s|message \d+ from or to \w+ takes \S+ s"
    r"|takes .*"
    r"|task \S+ stands still for \S+ s.*|the network of \w+ is slow.*"
)
BEHIND = (
    r"server \d is frozen .*|server \d applies late.*|servers apply transactions late: .*"
    r"|the link between servers \d and \d is (cut|slow).*"
    r"|server \d is (cut off from the others|paused) .*|messages between servers take .*"
)

ANYWHERE = ".*"
SLOW_TASK = r"task \S+ stands still for \S+ s.*"
PAUSED = r"\w+ is paused for .*"
