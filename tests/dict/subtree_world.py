"""The world of `cache_world` where one watch on the root and all below it tells of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy.items import ROOT, Kind, Publication, SentRequest
from zkdict._copy.subtree import SubtreeCache

from . import cache_world
from .cache_world import BATCH, NO_ANSWER, READS, World

if TYPE_CHECKING:
    from collections.abc import Callable


class SubtreeWorld(World):
    """A dict that stops using the one watch is in the world as before."""

    watch_requests = 1
    cache: SubtreeCache

    def __init__(self) -> None:
        super().__init__()
        self.cache = SubtreeCache(window=2 * BATCH, subtree=True)
        self.has_watch = False  # the client knows of it
        self.without: set[int] = set()  # positions of reads that set no watch
        self.under_way: dict[str, SentRequest] = {}  # the latest reads, until they are answered

    def disconnect(self) -> None:
        super().disconnect()
        if not self.online:
            self.server.subtree = self.has_watch = False
            self.under_way.clear()

    def _send(self, request: SentRequest, write: Any) -> None:
        super()._send(request, write)
        if self.cache.subtree and request.kind in (*READS, Kind.GONE):
            self.without.add(request.position)
            self.under_way[request.name] = request

    def _sets_watch(self, request: SentRequest) -> bool:
        return super()._sets_watch(request) and request.position not in self.without

    def _answer(self, request: SentRequest, write: Any, needs: int) -> Any:
        if request.kind is Kind.SUBTREE:
            if self.chance.random() < self.refusals / 8:
                return NO_ANSWER
            self.server.subtree = True
            return True
        if request.kind is Kind.GONE:
            if self.chance.random() < self.refusals:
                return NO_ANSWER
            now = self.server.now
            return None if now.tree is None or ROOT in now.closed else now.pzxid
        return super()._answer(request, write, needs)

    def client_reads_the_socket(self) -> None:
        item = self.stream[0] if self.stream else None
        if item is None:
            return
        if len(item) == 2:
            kind, path = item
            if kind != "child" and self.has_watch:
                self.callbacks.append(self._told_callback(kind, path))
        else:
            request, _, answer, *_ = item
            if self.under_way.get(request.name) is request:
                del self.under_way[request.name]
            if request.kind is Kind.SUBTREE and answer is True:
                self.has_watch = True
        super().client_reads_the_socket()

    def _told_callback(self, kind: str, name: str) -> Callable[[], None]:
        def told() -> None:
            if name == ROOT and kind == "changed":
                return
            gone = kind == "deleted"
            read = self.under_way.get(name)
            covered = read is not None and (name == ROOT or (read.kind is Kind.GONE) == gone)
            self.cache.told(name, gone=gone, covered=covered)
            self._pump()

        return told

    def _reply(self, request: SentRequest, write: Any, answer: Any) -> Publication | None:
        if request.kind is Kind.SUBTREE:
            return self.cache.subtree_reply(request, watched=answer is True)
        if request.kind is Kind.GONE and answer is not NO_ANSWER:
            return self.cache.gone_reply(request, answer)
        return super()._reply(request, write, answer)


def walk(seed: int) -> None:
    """See `cache_world.walk`."""
    cache_world.walk(seed, SubtreeWorld)
