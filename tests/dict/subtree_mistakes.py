"""Mistakes planted in the copy on one watch, or in who drives it, each of which a walk finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy.items import ROOT, Kind, Publication, ReadZnode, SentRequest
from zkdict._copy.subtree import SubtreeCache

from ..support.mistakes import Mistakes
from . import subtree_world
from .subtree_world import SubtreeWorld

if TYPE_CHECKING:
    from collections.abc import Callable

MISTAKES = Mistakes()


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class DoesNotLoadAgain(SubtreeCache):
    """Takes the watch, which some clients set again by themselves, for one that never ended."""

    def connected(self) -> None:
        znodes = list(self._znodes)
        super().connected()
        if self.published:
            for name in [ROOT, *znodes]:
                self._wanted.pop(name, None)
                self._pending.discard(name)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class DoesNotSetTheWatchAgain(SubtreeCache):
    def connected(self) -> None:
        super().connected()
        self._want_subtree = self.published == 0


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class SetsTheWatchLast(SubtreeCache):
    def next_request(self, floor: int) -> SentRequest | None:
        wanted, self._want_subtree = self._want_subtree, False
        request = super().next_request(floor)
        self._want_subtree = wanted
        return request or super().next_request(floor)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class TrustsReadsUnderWay(SubtreeCache):
    """An answer may have come before the event, and still wait to be handed over."""

    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        super().told(name, gone=gone, covered=self._is_being_read(name))


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class IgnoresTheEndOfTheRoot(SubtreeCache):
    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        if name != ROOT or not gone:
            super().told(name, gone=gone, covered=covered)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class IgnoresTheRootsReturn(SubtreeCache):
    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        if name != ROOT or gone:
            super().told(name, gone=gone, covered=covered)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class KnowsNoNewKeys(SubtreeCache):
    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        if name == ROOT or name in self._znodes:
            super().told(name, gone=gone, covered=covered)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class DropsAtTheEvent(SubtreeCache):
    """Half of a transaction may not have been told yet, and nothing says when it was."""

    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        super().told(name, gone=gone, covered=covered)
        if gone and name != ROOT:
            self._drop(name)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class BelievesAnOlderList(SubtreeCache):
    def _read_behind_the_list(self) -> set[str]:
        return set()


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class DoesNotAskWhen(SubtreeCache):
    """A removed key's time is that of the state before."""

    def gone_reply(self, request: SentRequest, pzxid: int | None) -> Publication | None:
        return super().gone_reply(request, 0 if pzxid else None)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class DoesNotSyncForAMissingRoot(SubtreeCache):
    def _sync_again_first(self) -> None:
        pass


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class BelievesThatNothingWasThere(SubtreeCache):
    def _no_znode(self, request: SentRequest) -> Publication | None:
        if self._accept(request):
            self._drop(request.name)
        return self._settle(request)


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class KnowsLessOfTheRoot(SubtreeCache):
    """Then each look takes a new key for a change that was missed, and older states for newer."""

    def _store(self, name: str, znode: ReadZnode) -> None:
        pzxid = self._pzxid
        super()._store(name, znode)
        self._pzxid = pzxid

    def look_at_root(self, pzxid: int | None) -> None:
        missed = self.missed
        super().look_at_root(pzxid)
        assert self.missed == missed or pzxid is None


@MISTAKES.instead_of(subtree_world, "SubtreeCache")
class ClaimsWhatWasNeverListed(SubtreeCache):
    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        if name not in self._pending:
            self._read[name] = self._replied
        super().told(name, gone=gone, covered=covered)
        if name not in self._znodes:
            self._read[name] = self._replied


@MISTAKES.instead_of(subtree_world, "SubtreeWorld")
class RepliesOvertakeEvents(SubtreeWorld):
    """Not the cache's mistake but its driver's: replies not sent through the queue of events."""

    def completion_task(self) -> None:
        if self.completions:
            self._replies(self._completed(self.completions.popleft()))


@MISTAKES.instead_of(subtree_world, "SubtreeWorld")
class CountsTheWrongRead(SubtreeWorld):
    """A driver's: the read that follows the end of a key does not show that it is back."""

    def _told_callback(self, kind: str, name: str) -> Callable[[], None]:
        def told() -> None:
            covered = name in self.under_way
            self.cache.told(name, gone=kind == "deleted", covered=covered)
            self._pump()

        return told


@MISTAKES.instead_of(subtree_world, "SubtreeWorld")
class TakesARefusalForAWatch(SubtreeWorld):
    def _reply(self, request: SentRequest, write: Any, answer: Any) -> Publication | None:
        if request.kind is Kind.SUBTREE:
            return self.cache.subtree_reply(request, watched=True)
        return super()._reply(request, write, answer)
