"""What servers owe to the log: its configurations are theirs, and they apply it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._ensemble.events import OTHER_PLACE
from zkfake._history.errors import LeadershipBroken, SingleSystemImageBroken
from zkfake._history.judge import Judge
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from zkfake._history.events import Committed, Restored, ServerEvent
    from zkfake._history.inside import AppliedNext, Configured
    from zkfake._history.states import Changed

__all__ = ["MembersAreAgreed", "ServersApplyTheLog"]

_KEPT = 10_000
"""Configurations, or epochs, that a judge remembers."""

_COUNTER = 0xFFFFFFFF


class MembersAreAgreed(Judge):
    """Configurations are committed one after the other, and each server is what the committed one
    says.

    Checked against the log, of an ensemble of ours: a leader proposes a configuration only where
    the one that it proposed before is committed; a server takes none for committed that is not; and
    a follower that a configuration makes an observer, or the other way round, leaves its leader at
    once and joins as what it is.
    """

    name = "members are agreed on"
    error = LeadershipBroken
    needs_log = True

    def __init__(self) -> None:
        super().__init__()
        self._proposed: dict[int, Configured] = {}
        """By the epoch: what was proposed last and is not committed."""
        self._committed: dict[int, None] = {}
        self._restored = 0
        """The configurations of a state that a test put in the place of another are not known."""
        self._roles: dict[int, ServerEvent] = {}
        """Since when a server follows, or observes."""
        self._places: dict[int, Configured] = {}
        self._misplaced: dict[int, Configured] = {}
        """The servers that have to leave their leader."""

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        if done.op is not Op.RECONFIG or done.error:
            return
        self._committed[done.zxid] = None
        if len(self._committed) > _KEPT:
            del self._committed[next(iter(self._committed))]
        proposed = self._proposed.get(done.zxid >> 32)
        if proposed is not None and proposed.version == done.zxid:
            del self._proposed[done.zxid >> 32]

    def on_restored(self, entry: Restored) -> None:
        self._restored = entry.zxid
        self._roles.clear()  # they may lose their leader, and hear of the configuration first

    def on_configured(self, event: Configured) -> None:
        self.times += 1
        if event.proposed:
            before = self._proposed.get(event.epoch)
            self._proposed[event.epoch] = event
            if before is not None:
                self.broken(
                    f"server {event.server} proposed the configuration {event.version:#x} before "
                    f"{before.version:#x} was committed",
                    before,
                    event,
                )
            return
        version = event.version
        # The first configuration is no transaction: its number is where an epoch starts.
        if version & _COUNTER and version > self._restored and version not in self._committed:
            self.broken(
                f"server {event.server} took the configuration {version:#x} for committed, which "
                "it is not",
                self._proposed.get(version >> 32),
                event,
            )
        self._places[event.server] = event
        role = self._roles.get(event.server)
        if role is not None and (role.name == "observes") != event.observer:
            self._misplaced[event.server] = event

    def on_server_event(self, event: ServerEvent) -> None:
        server, name = event.server, event.name
        place = self._misplaced.pop(server, None)
        if place is not None and (name, event.text) != ("looks", OTHER_PLACE):
            self._is_misplaced(place, self._roles[server], event)
        if name in ("follows", "observes"):
            self._roles[server] = event
            known = self._places.get(server)
            if known is not None and (name == "observes") != known.observer:
                self._is_misplaced(known, event)
        elif name in ("looks", "stops", "leads"):
            self._roles.pop(server, None)

    def _is_misplaced(
        self, place: Configured, role: ServerEvent, then: ServerEvent | None = None
    ) -> None:
        says = "an observer" if place.observer else "no observer"
        self.broken(
            f"server {place.server} {role.name} {role.text}, and is {says} in the configuration "
            f"{place.version:#x}",
            *((place, role) if then is None else (role, place, then)),
        )


class ServersApplyTheLog(Judge):
    """Single system image: each server applies what was committed, one after the other, nothing
    twice and nothing left out.

    Checked against the log, of an ensemble of ours: where a server applies something that does not
    have the next number. What it finds in a transaction *states are true* checks.
    """

    name = "servers apply the log"
    error = SingleSystemImageBroken
    needs_log = True

    def __init__(self) -> None:
        super().__init__()
        self._last = 0
        self._before: dict[int, tuple[int, Committed]] = {}
        """What comes before each entry of the log that does not have the next number."""
        self._floor = 0

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        zxid = entry.transaction.zxid
        if zxid != self._last + 1:
            self._before[zxid] = self._last, entry
            if len(self._before) > _KEPT:
                self._floor = next(iter(self._before))
                del self._before[self._floor]
        self._last = zxid

    def on_restored(self, entry: Restored) -> None:
        self._last = self._floor = entry.zxid

    def on_applied_next(self, event: AppliedNext) -> None:
        if event.zxid <= self._floor:
            return
        self.times += 1
        before, entry = self._before.get(event.zxid, (event.zxid - 1, None))
        if before != event.after:
            self.broken(
                f"server {event.server} applied {event.zxid:#x} next to {event.after:#x}; in the "
                f"log it comes behind {before:#x}",
                entry,
                event,
            )
