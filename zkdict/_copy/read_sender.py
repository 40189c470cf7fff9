"""Sends the reads of one copy through kazoo: which request reads what, and with which watch.

The rules that live here:

- A read sets a watch of its own, unless the one watch on the root and all below it is used.
- With the one watch, kazoo's results of the latest reads are kept until they are handed over: only
  they tell whether an answer comes before an event or behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy.items import ROOT, Kind, SentRequest
from zkdict._copy.subtree import PERSISTENT_RECURSIVE
from zkdict._copy.watches import FeedWatches
from zkdict.entries import ANY

if TYPE_CHECKING:
    from zkdict._copy.subtree import SubtreeCache
    from zkdict._copy.watches import Told, ToldBelow

__all__ = ["ReadSender"]


class ReadSender:
    """See the module's rules. The caller holds the dict's lock.

    Args:
        client: the KazooClient.
        cache: the copy whose reads are sent.
        path: the root.
        told: is told that the watch which a read left has fired.
        told_below: is told of an event of the one watch.
    """

    __slots__ = (
        "_cache",
        "_client",
        "_path",
        "_prefix",
        "_told",
        "_told_below",
        "_under_way",
        "watches",
    )

    def __init__(
        self, client: Any, cache: SubtreeCache, path: str, told: Told, told_below: ToldBelow
    ) -> None:
        self.watches = FeedWatches(client)
        self._client = client
        self._cache = cache
        self._path = path
        self._prefix = "" if path == "/" else path
        self._told = told
        self._told_below = told_below
        # With the one watch: the latest read of each item, until it is handed over.
        self._under_way: dict[str, tuple[SentRequest, Any]] = {}

    def send(self, request: SentRequest) -> Any:
        """Send a read that the copy wants; kazoo's result."""
        client, kind, name = self._client, request.kind, request.name
        path = f"{self._prefix}/{name}" if name else self._path
        if kind is Kind.SYNC:
            # A leader answers a sync at once, and it may lag behind what an earlier session was
            # shown. A quorum does not.
            behind = client.last_zxid < self._cache.zxid
            return self.barrier() if behind else client.sync_async(path)
        if self._cache.subtree:
            return self._send_below(request, path)
        watch = self.watches.take(path, self._told, request)
        if kind is Kind.DATA:
            return client.get_async(path, watch)
        if kind is Kind.CHILDREN:
            return client.get_children_async(path, watch, include_data=True)
        return client.exists_async(path, watch)

    def _send_below(self, request: SentRequest, path: str) -> Any:
        client, kind = self._client, request.kind
        if kind is Kind.SUBTREE:
            watch = self.watches.below(path, self._told_below)
            return client.add_watch_async(path, watch, PERSISTENT_RECURSIVE)
        if kind is Kind.DATA:
            result = client.get_async(path)
        elif kind is Kind.CHILDREN:
            result = client.get_children_async(path, include_data=True)
        else:
            result = client.exists_async(self._path if kind is Kind.GONE else path)
        self._under_way[request.name] = request, result
        return result

    def barrier(self) -> Any:
        """Ask for an answer that only a quorum can give: a multi of one check. Its result."""
        transaction = self._client.transaction()
        transaction.check(self._path, ANY)
        return transaction.commit_async()

    def is_covered(self, name: str, *, gone: bool) -> bool:
        """Whether the answer to the latest read of an item comes behind the event in hand.

        kazoo reads events and answers one after the other. So an answer that kazoo does not have
        now comes behind the event. The end of a child is shown by a read of another kind than its
        beginning or its change.
        """
        if name not in self._under_way:
            return False
        request, result = self._under_way[name]
        return not result.ready() and (name == ROOT or (request.kind is Kind.GONE) == gone)

    def handed_over(self, request: SentRequest) -> None:
        """The answer to this read is taken over now."""
        if self._under_way and self._under_way.get(request.name, (None,))[0] is request:
            del self._under_way[request.name]

    def disconnected(self) -> None:
        """The connection is gone: no event of it is to be compared with an answer."""
        self._under_way.clear()
