"""Histories: what happened in a run, event by event."""

from zkfake.history.events import (
    Connected,
    Disconnected,
    Event,
    Fault,
    Note,
    Reply,
    Sent,
    ServerEvent,
    StateChange,
    TaskEnded,
    WatchEvent,
)
from zkfake.history.recorder import History

__all__ = [
    "Connected",
    "Disconnected",
    "Event",
    "Fault",
    "History",
    "Note",
    "Reply",
    "Sent",
    "ServerEvent",
    "StateChange",
    "TaskEnded",
    "WatchEvent",
]
