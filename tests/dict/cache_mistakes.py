"""Mistakes planted in the live copy, or in who drives it, each of which a walk has to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy.cache import Cache
from zkdict._copy.items import ROOT, Publication, ReadZnode, SentRequest
from zkdict._copy.subtree import SubtreeCache

from ..support.mistakes import Mistakes
from . import cache_world
from .cache_world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

MISTAKES = Mistakes()


def in_the_dict(mistake: type[Cache]) -> type[SubtreeCache]:
    """The copy of a whole dict, with a mistake of these."""
    return type(mistake.__name__, (mistake, SubtreeCache), {})


@MISTAKES.instead_of(cache_world, "Cache")
class PublishesWhilePending(Cache):
    def _settle(self, request: SentRequest) -> Publication | None:
        if request.epoch == self._epoch and self._root_exists is not None and not self._syncing:
            self._replied = request
            return self._publish(request, exact=True)
        return None


@MISTAKES.instead_of(cache_world, "Cache")
class CountsOlderReplies(Cache):
    def _accept(self, request: SentRequest, *, answered: bool = True) -> bool:
        if request.epoch != self._epoch:
            return False
        self._in_flight -= 1
        self._pending.discard(request.name)
        return True


@MISTAKES.instead_of(cache_world, "Cache")
class IgnoresDeletedEvents(Cache):
    def event(self, request: SentRequest, *, deleted: bool) -> None:
        if not deleted or request.name == ROOT:
            super().event(request, deleted=deleted)


@MISTAKES.instead_of(cache_world, "Cache")
class IgnoresChangesOfChildren(Cache):
    def event(self, request: SentRequest, *, deleted: bool) -> None:
        if deleted or request.name == ROOT:
            super().event(request, deleted=deleted)


@MISTAKES.instead_of(cache_world, "Cache")
class MissesNewKeys(Cache):
    def event(self, request: SentRequest, *, deleted: bool) -> None:
        if request.name != ROOT:
            super().event(request, deleted=deleted)


@MISTAKES.instead_of(cache_world, "Cache")
class KeepsRemovedKeys(Cache):
    def _remove(self, name: str) -> None:
        pass


@MISTAKES.instead_of(cache_world, "Cache")
class ForgetsKeysMadeAgain(Cache):
    def _is_being_read(self, name: str) -> bool:
        return True


@MISTAKES.instead_of(cache_world, "Cache")
class NeverSyncs(Cache):
    def connected(self) -> None:
        super().connected()
        self._want_sync = self._syncing = False


@MISTAKES.instead_of(cache_world, "Cache")
class KeepsTheOldEpoch(Cache):
    def disconnected(self) -> None:
        epoch = self._epoch
        super().disconnected()
        self._epoch = epoch


@MISTAKES.instead_of(cache_world, "Cache")
class TrustsTheCopyAfterReconnect(Cache):
    def connected(self) -> None:
        super().connected()
        for name in self._znodes:
            self._wanted.pop(name, None)
            self._pending.discard(name)


@MISTAKES.instead_of(cache_world, "Cache")
class BelievesOffers(Cache):
    def stat_reply(self, request: SentRequest, stat: ReadZnode | None) -> Publication | None:
        offer = self._offers.get(request.name)
        return super().stat_reply(request, stat if stat is None or offer is None else offer)


@MISTAKES.instead_of(cache_world, "Cache")
class ClaimsTooMuch(Cache):
    def _publish(self, held: SentRequest, *, exact: bool) -> Publication:
        return super()._publish(held._replace(floor=held.floor + 1), exact=exact)


@MISTAKES.instead_of(cache_world, "Cache")
class ClaimsWritesEarly(Cache):
    def _settle(self, request: SentRequest) -> Publication | None:
        if request.epoch == self._epoch:
            self._replied = self._replied._replace(position=self._sent)
        return super()._settle(request)


@MISTAKES.instead_of(cache_world, "Cache")
class ComparesVersionsOnly(Cache):
    def stat_reply(self, request: SentRequest, stat: ReadZnode | None) -> Publication | None:
        known = self._znodes.get(request.name)
        if stat is not None and known is not None and known.version == stat.version:
            stat = known
        return super().stat_reply(request, stat)


@MISTAKES.instead_of(cache_world, "Cache")
class MissesTheRootsReturn(Cache):
    def root_reply(self, request: SentRequest, exists: bool) -> Publication | None:
        return super().root_reply(request, False)


@MISTAKES.instead_of(cache_world, "Cache")
class LaysOverForGood(Cache):
    def force(self, overlay: Mapping[str, ReadZnode | None] | None = None) -> Publication | None:
        publication = super().force(overlay)
        for name in overlay or {}:
            self._wanted.pop(name, None)
            self._pending.discard(name)
        return publication


@MISTAKES.instead_of(cache_world, "Cache")
class TakesOldListsForNew(Cache):
    def _listed(self, names: set[str], before: SentRequest) -> None:
        self._overlaid.clear()
        super()._listed(names, before)


@MISTAKES.instead_of(cache_world, "Cache")
class NeverReadsAgain(Cache):
    def retry(self) -> None:
        pass


@MISTAKES.instead_of(cache_world, "Cache")
class TakesAnErrorForNothing(Cache):
    def no_reply(self, request: SentRequest) -> int:
        self.data_reply(request, None)
        return 0


@MISTAKES.instead_of(cache_world, "Cache")
class TrustsEveryWatch(Cache):
    def look(self, name: str, stat: ReadZnode | None) -> None:
        pass


@MISTAKES.instead_of(cache_world, "Cache")
class TrustsTheListsWatch(Cache):
    def look_at_root(self, pzxid: int | None) -> None:
        pass


@MISTAKES.instead_of(cache_world, "Cache")
class ClaimsWhatIsPending(Cache):
    def _held(self) -> SentRequest:
        return self._replied if self._online else super()._held()


@MISTAKES.instead_of(cache_world, "Cache")
class ClaimsWhatWasOnlyLookedAt(Cache):
    def stat_reply(self, request: SentRequest, stat: ReadZnode | None) -> Publication | None:
        publication = super().stat_reply(request, stat)
        if request.name in self._read and request.epoch == self._epoch:
            self._read[request.name] = request
        return publication


@MISTAKES.instead_of(cache_world, "World")
class RepliesOvertakeEvents(World):
    """Not the cache's mistake but its driver's: replies not sent through the queue of events."""

    def completion_task(self) -> None:
        if self.completions:
            self._replies(self._completed(self.completions.popleft()))


@MISTAKES.instead_of(cache_world, "World")
class ZxidOfLaterReplies(World):
    """The last zxid seen when the reply is handled, instead of when the request was sent."""

    def _reply(self, request: SentRequest, write: Any, answer: Any) -> Publication | None:
        late = SentRequest(
            request.position, request.epoch, request.kind, request.name, self.last_zxid
        )
        return super()._reply(late, write, answer)
