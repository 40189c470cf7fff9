"""Histories: what happened in a run, event by event, in memory and on disk."""

from zkfake._history.events import (
    Claimed,
    Committed,
    Connected,
    Disconnected,
    Event,
    Fault,
    Note,
    Recorded,
    Released,
    Reply,
    Sent,
    ServerEvent,
    StateChange,
    TaskEnded,
    WatchEvent,
)
from zkfake._history.recorder import History, IncompleteHistoryError
from zkfake._history.storage import HistoryFileError

__all__ = [
    "Claimed",
    "Committed",
    "Connected",
    "Disconnected",
    "Event",
    "Fault",
    "History",
    "HistoryFileError",
    "IncompleteHistoryError",
    "Note",
    "Recorded",
    "Released",
    "Reply",
    "Sent",
    "ServerEvent",
    "StateChange",
    "TaskEnded",
    "WatchEvent",
]
