"""What an ensemble of ours tells its history of what its servers do among themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._ensemble.listener import EnsembleListener
from zkfake._history.inside import (
    AppliedNext,
    Configured,
    Elected,
    Followed,
    LastHeard,
    LinkChanged,
    ServerPaused,
    Vote,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from zkfake._database.reconfig import Configuration
    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.listener import Voter
    from zkfake._ensemble.store import Store
    from zkfake._history.inside import Inside

__all__ = ["EnsembleEvents"]

_KEPT = 10_000
"""Sessions that are remembered."""

_NOBODY = (0, 0, 0, 0.0)


class EnsembleEvents(EnsembleListener):
    """The listener of one ensemble."""

    def __init__(
        self,
        ensemble: Ensemble,
        add: Callable[[Inside], None],
        clock: Callable[[], float],
        *,
        virtual: bool,
    ) -> None:
        """``virtual``: the clock does not go on while the ensemble is at work. Otherwise what is
        judged by the time is not recorded: an event could be late.
        """
        self._ensemble = ensemble
        self._add = add
        self._clock = clock
        self._virtual = virtual
        self._heard: dict[int, tuple[int, int, int, float]] = {}
        """Of a session: the leader that heard of it last, its epoch, from whom, and when."""

    def elected(self, server: int, epoch: int, store: Store, voters: Sequence[Voter]) -> None:
        votes = tuple(Vote(each.id, *each.store.position, each.observer) for each in voters)
        self._add(Elected(self._clock(), server, epoch, votes, _quorums(store)))

    def followed(self, server: int, epoch: int, store: Store, followers: Collection[int]) -> None:
        if self._virtual:
            tick = self._ensemble.settings.tick_time / 1000
            there = tuple(sorted(followers))
            self._add(Followed(self._clock(), server, epoch, there, _quorums(store), tick))

    def heard(self, server: int, epoch: int, source: int, sessions: Sequence[int]) -> None:
        if self._virtual:
            heard, news = self._heard, (server, epoch, source, self._clock())
            for session in sessions:
                heard.pop(session, None)  # the one that was heard of last is the last
                heard[session] = news
            while len(heard) > _KEPT:
                del heard[next(iter(heard))]

    def expires(self, server: int, epoch: int, session: int) -> None:
        leader, of, source, since = self._heard.pop(session, _NOBODY)
        if (leader, of) == (server, epoch):
            self._add(LastHeard(self._clock(), server, epoch, session, source, since))

    def configured(
        self, server: int, epoch: int, config: Configuration, *, proposed: bool = False
    ) -> None:
        observer = config.observes(server)
        self._add(Configured(self._clock(), server, epoch, config.version, observer, proposed))

    def applied_next(self, server: int, zxid: int, after: int) -> None:
        self._add(AppliedNext(self._clock(), server, zxid, after))

    def link_changed(self, source: int, target: int, cut: bool) -> None:
        self._add(LinkChanged(self._clock(), source, target, cut))

    def paused(self, server: int, paused: bool) -> None:
        self._add(ServerPaused(self._clock(), server, paused))


def _quorums(store: Store) -> tuple[tuple[int, ...], ...]:
    """The voters of both configurations of a server, where a quorum is more than half of them."""
    configs = [store.config] if store.seen is store.config else [store.config, store.seen]
    return tuple(tuple(sorted(each.voters)) for each in configs if each.groups is None)
