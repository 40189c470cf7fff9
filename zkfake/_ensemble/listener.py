"""What servers do among themselves, for whoever keeps a record that is to be judged.

Rules that live here: it is told where it happens, before what comes of it. It changes nothing. A
read, or an ordinary write, costs a comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zkfake._database.reconfig import Configuration
    from zkfake._ensemble.store import Store

__all__ = ["EnsembleListener", "Voter"]


class Voter(Protocol):
    """A server that takes part in an election."""

    @property
    def id(self) -> int: ...
    @property
    def observer(self) -> bool: ...
    @property
    def store(self) -> Store: ...


class EnsembleListener:
    """Hears of what servers do among themselves. This one takes no notice."""

    def elected(self, server: int, epoch: int, store: Store, voters: Sequence[Voter]) -> None:
        """A server with this ``store`` is elected by these, itself among them."""

    def followed(self, server: int, epoch: int, store: Store, followers: Collection[int]) -> None:
        """Who follows a leader, itself among them, or whose votes it needs, has changed."""

    def heard(self, server: int, epoch: int, source: int, sessions: Sequence[int]) -> None:
        """A leader hears from the server ``source`` which sessions' clients have sent something."""

    def expires(self, server: int, epoch: int, session: int) -> None:
        """A leader is about to let a session expire."""

    def configured(
        self, server: int, epoch: int, config: Configuration, *, proposed: bool = False
    ) -> None:
        """A server takes ``config`` for committed, or the leader proposes it."""

    def applied_next(self, server: int, zxid: int, after: int) -> None:
        """A server applies ``zxid`` next, and ``after`` is not the number before it."""

    def link_changed(self, source: int, target: int, cut: bool) -> None:
        """A fault cuts a link, or takes one cut of it back."""

    def paused(self, server: int, paused: bool) -> None:
        """A server stands still, or is awake again."""
