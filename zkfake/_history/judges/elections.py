"""What servers owe each other about leaders: who is elected, who goes on, and who hears whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zkfake._history.errors import LeadershipBroken
from zkfake._history.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from zkfake._history.events import Committed, Event, ServerEvent
    from zkfake._history.inside import Elected, Followed, LinkChanged, ServerPaused
    from zkfake._history.states import Changed

__all__ = ["ElectedByAMajority", "FollowedByAQuorum", "NobodyHearsThroughACut", "OneLeaderAnEpoch"]

_JOINED = re.compile(r"server (\d{1,9})\b")

_ALIKE = 0.002
"""Seconds: the servers' clock has ticks of a millisecond."""


class OneLeaderAnEpoch(Judge):
    """No two servers lead in one epoch.

    Checked: what the servers tell of themselves. A live server tells nothing.
    """

    name = "one leader an epoch"
    error = LeadershipBroken

    def __init__(self) -> None:
        super().__init__()
        self._led: dict[int, ServerEvent] = {}

    def on_server_event(self, event: ServerEvent) -> None:
        if event.name != "leads":
            return
        epoch = event.epoch
        self.times += 1
        before = self._led.setdefault(epoch, event)
        if before.server != event.server:
            self.broken(
                f"servers {before.server} and {event.server} led epoch {epoch}", before, event
            )


class ElectedByAMajority(Judge):
    """Who is elected has the votes of more than half of the voters, and a log that ends nowhere
    before that of any of them.

    Checked: each election of an ensemble of ours. Where the winner's log has a configuration that
    is not known to be committed, it takes more than half of its voters too. Not judged: voters that
    are in groups, or weighed; how far the log of an observer goes that supports a winner.
    """

    name = "a majority elects"
    error = LeadershipBroken

    def on_elected(self, event: Elected) -> None:
        self.times += 1
        ids = [vote.server for vote in event.votes]
        for voters in event.quorums:
            if not _is_majority(ids, voters):
                self.broken(
                    f"server {event.server} was elected to lead epoch {event.epoch} by "
                    f"{servers(ids)}, of the voters {_listed(voters)}",
                    event,
                )
                return
        own = next((vote for vote in event.votes if vote.server == event.server), None)
        if own is None:
            return
        most = max(
            (vote for vote in event.votes if not vote.observer or vote is own),
            key=lambda vote: (vote.epoch, vote.zxid, vote is own),
        )
        if most is not own:
            self.broken(
                f"server {event.server} was elected to lead epoch {event.epoch}: its log ends "
                f"at {own.zxid:#x}, of epoch {own.epoch}, and that of server {most.server}, "
                f"which elected it, at {most.zxid:#x}, of epoch {most.epoch}",
                event,
            )


class FollowedByAQuorum(Judge):
    """Who leads has more than half of the voters with it, itself counted, or steps down at its next
    look, which is no more than a tick later.

    Checked: from when a leader of an ensemble of ours is established, where time is virtual. The
    time of a server that stands still does not count. A server that a committed configuration has
    left without a vote commits nothing more; that is checked where no other server has been elected
    since. Not judged: voters that are in groups, or weighed.
    """

    name = "a quorum follows who leads"
    error = LeadershipBroken

    def __init__(self) -> None:
        super().__init__()
        self._followed: dict[int, Followed] = {}
        """The last of each server."""
        self._alone: dict[int, tuple[float, Followed]] = {}
        """Since when a leader has been without a quorum, and who followed it then."""
        self._paused: set[int] = set()
        self._epoch = 0
        """The newest one for which somebody was elected."""
        self._leads: ServerEvent | None = None
        """The last that was established."""

    def on_elected(self, event: Elected) -> None:
        self._epoch = event.epoch

    def on_followed(self, event: Followed) -> None:
        self._followed[event.server] = event
        if self.reading.leaders.get(event.server) == event.epoch:
            self._look(event.server, event)

    def on_server_event(self, event: ServerEvent) -> None:
        server = event.server
        if event.name == "leads":
            self._leads = event
            self._look(server, event)
        elif server in self._alone and event.name in ("looks", "steps down", "stops"):
            self._end(server, event)

    def on_server_paused(self, event: ServerPaused) -> None:
        server = event.server
        if event.paused:
            self._paused.add(server)
            if server in self._alone:
                self._end(server, event)
        else:
            self._paused.discard(server)
            if server in self.reading.leaders:
                self._look(server, event)

    def on_end(self) -> None:
        for since, followed in self._alone.values():
            self._lonely(followed, self.reading.time - since, None)

    def _look(self, server: int, event: Event) -> None:
        """Whether a quorum follows the leader, from now on."""
        followed = self._followed.get(server)
        if followed is None or server in self._paused:
            return
        self.times += 1
        if all(_is_majority(followed.followers, voters) for voters in followed.quorums):
            if server in self._alone:
                self._end(server, event)
        else:
            self._alone.setdefault(server, (event.time, followed))

    def _end(self, server: int, event: Event) -> None:
        """The leader has a quorum again, or leads no more."""
        since, followed = self._alone.pop(server)
        self._lonely(followed, event.time - since, event)

    def _lonely(self, followed: Followed, seconds: float, end: Event | None) -> None:
        """The leader was without a quorum for so long."""
        if seconds <= followed.tick + _ALIKE:
            return
        voters = next(
            each for each in followed.quorums if not _is_majority(followed.followers, each)
        )
        self.broken(
            f"server {followed.server} led epoch {followed.epoch} for {seconds:.3f} s with "
            f"{servers(followed.followers)} alone, of the voters {_listed(voters)}",
            followed,
            end,
            unfinished=end is None,
        )

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        leads, epoch = self._leads, entry.transaction.zxid >> 32
        if leads is None or not leads.epoch == epoch == self._epoch or not entry.voters:
            return
        if leads.server not in entry.voters:
            self.broken(
                f"server {leads.server} committed {entry.transaction.zxid:#x} without a vote: the "
                f"voters are {_listed(entry.voters)}",
                leads,
                entry,
            )


class NobodyHearsThroughACut(Judge):
    """No server joins a leader, nor elects one, while the link between them is cut in one direction
    or the other.

    Checked: the cuts that faults make, in an ensemble of ours.
    """

    name = "nobody hears through a cut"
    error = LeadershipBroken

    def __init__(self) -> None:
        super().__init__()
        self._cuts: dict[tuple[int, int], list[LinkChanged]] = {}

    def on_link_changed(self, event: LinkChanged) -> None:
        key = event.server, event.target
        if event.cut:
            self._cuts.setdefault(key, []).append(event)
        elif key in self._cuts:
            self._cuts[key].pop()
            if not self._cuts[key]:
                del self._cuts[key]

    def on_elected(self, event: Elected) -> None:
        for vote in event.votes:
            text = f"server {event.server} was elected by server {vote.server}"
            self._judge(event.server, vote.server, text, event)

    def on_server_event(self, event: ServerEvent) -> None:
        joined = _JOINED.match(event.text) if event.name == "joins" else None
        if joined is not None:
            text = f"server {event.server} joined {joined[0]}"
            self._judge(event.server, int(joined[1]), text, event)

    def _judge(self, one: int, other: int, text: str, event: Event) -> None:
        self.times += 1
        for pair in ((one, other), (other, one)) if self._cuts else ():
            if pair in self._cuts:
                self.broken(
                    f"{text}, and server {pair[1]} could not hear server {pair[0]}",
                    self._cuts[pair][0],
                    event,
                )
                return


def _is_majority(there: Collection[int], voters: Collection[int]) -> bool:
    return 2 * len(set(there).intersection(voters)) > len(voters)


def _listed(ids: Iterable[int]) -> str:
    return " ".join(map(str, sorted(ids)))


def servers(ids: Collection[int]) -> str:
    """Some servers, in words."""
    return f"server{'s' * (len(ids) != 1)} {_listed(ids)}" if ids else "no server"
