"""The watches of one connection, as a judge keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zkfake._history.events import Event, Reply, Sent, WatchEvent
    from zkfake._history.persistent import PersistentWatches
    from zkfake._history.states import Changed, Key

__all__ = ["Armed", "Catching", "ConnectionWatches", "Past"]


class Armed:
    """One watch; ``since``: the zxid of the state that its client has seen."""

    __slots__ = ("by", "due", "since")

    def __init__(self, since: int, by: Event) -> None:
        self.since = since
        self.by = by
        self.due: Changed | None = None
        """The change that its client is to be told of."""


class Past(NamedTuple):
    """A watch that is over: it was not told of anything above ``since`` when ``event`` showed the
    state of ``until``.
    """

    since: int
    until: int
    by: Event
    event: Event


class Catching(NamedTuple):
    """What a ``setWatches`` asks for that is not answered yet."""

    since: int
    lists: tuple[dict[str, int], ...]
    """Paths, and how often they are there: who names one twice is told twice."""
    sent: Sent


class ConnectionWatches:
    """The watches of one connection."""

    __slots__ = (
        "armed", "catching", "dues", "ids", "judged", "persistent", "shown", "shown_by"
    )  # fmt: skip

    def __init__(self) -> None:
        self.armed: dict[Key, Armed] = {}
        self.dues: list[tuple[int, int, Key, Armed]] = []
        """A heap of what is due."""
        self.catching: list[Catching] = []
        self.persistent: PersistentWatches | None = None
        self.ids: dict[str, int | None] = {}
        """Those of the digest scheme, and the zxid of a state at which the server knew them;
        ``None`` until a reply tells one.
        """
        self.judged = True
        self.shown = 0
        """The newest state that a reply has shown: everything up to it has been told."""
        self.shown_by: Reply | None = None

    def has(self, path: str, tables: tuple[str, ...]) -> bool:
        """Whether a watch in one of these tables is told of ``path``."""
        persistent = self.persistent
        return any(
            (table, path) in self.armed
            or (persistent is not None and any(persistent.covering(path, table)))
            for table in tables
        )

    def ids_at(self, zxid: int) -> list[str]:
        """Those that it had for certain when the server applied the transaction with this zxid."""
        return [each for each, since in self.ids.items() if since is not None and since < zxid]

    def catches_up(self, event: WatchEvent) -> bool:
        """Whether an event is what a ``setWatches`` that waits for its reply finds to have
        happened; it is taken off its lists then.
        """
        for asked in self.catching:
            data, exist, child = asked.lists[:3]
            lists = {
                "DELETED": (data, child),
                "DATA_CHANGED": (data,),
                "CREATED": (exist,),
                "CHILDREN_CHANGED": (child,),
            }.get(event.type, ())
            for paths in lists:
                if event.path in paths:
                    paths[event.path] -= 1
                    if not paths[event.path]:
                        del paths[event.path]
                    return True
        return False
