"""The live local copy on one watch: a persistent recursive watch on the root, set by `addWatch`.

Everything that differs from `cache`, whose terms and rules hold here too, lives in this file.

What ZooKeeper does (3.6 and later; seen on Debian's 3.8.0 and on 3.9.5):

- The watch stands until the connection ends. The connection gets one event for each change of the
  path and of everything below it: made, deleted, data set. There is no event for a list of
  children. The events of a transaction come in the order of its operations, before any reply
  that shows it, as those of other watches do.
- It may be set on a path where nothing is. Setting it again changes nothing.
- `setWatches2`, which clients with such watches may send on a new connection, sets it again and
  tells nothing of what was missed in between.
- A server from 3.8.4 and 3.9.2 on, and Debian's 3.8.0, tells nobody of a znode that he may not
  read.
- A server before 3.9 has one kind of watch for each path of a connection, and the last one set
  counts. A `get` or `exists` of the root with a watch of its own, on the same client, ends this
  one. A server before 3.6 does not know the request and closes the connection.

What kazoo does (pull request 715 of python-zk/kazoo, and the forks that ship it):

- `add_watch_async(path, watch, mode)`, `mode` an int: 0 `AddWatchMode.PERSISTENT`, 1
  `AddWatchMode.PERSISTENT_RECURSIVE` (`kazoo.protocol.states`). `remove_all_watches(path,
  watcher_type)` takes back every watch of a path, whoever set it: it is not used here.
- The watch is known to the client once its reply was read, and is forgotten when the connection is
  lost: the callback gets an event of type NONE. `setWatches2` is not sent.
- The callback gets `type`, `state`, `path`, without the chroot. The path is that of the znode that
  changed. A watch on "/" without a chroot is not told of anything below it.

The rules that live here:

- The watch is set behind the sync and before the first read of a connection, so every read is
  behind it. No read sets a watch. The proof of `cache` holds with this one watch in the place of
  that of each read: had an item changed since it was read, an event would have come before the
  reply. A new connection begins with everything to be read again, whether or not the client set
  the watch again by itself.
- An event makes its item pending. It makes the read that is under way stale, unless kazoo had no
  answer to it when the event was handed over: then the answer comes behind the event, and shows the
  change.
- A child that an event tells of is read by itself, and no list. For one that is gone the root's
  Stat is read: that answer stands for the event's place, and its pzxid says when. So `pzxid` is
  known as exactly as from a list.
- A list does not decide on a child that is read behind it: it may be older than the child.
- A dict that meets a child it may not read watches each znode from then on. So does one whose
  watch is refused. Until then it is not told of a child that it may not read, but by a look.
- A look, or an own write, that shows a change no event told of, says that the watch may be gone:
  it is set again, and everything is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from zkdict._copy.cache import Cache
from zkdict._copy.items import NOTHING, ROOT, Kind, Publication, ReadZnode, SentRequest
from zkdict._copy.reads import WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PERSISTENT_RECURSIVE", "SubtreeCache", "can_watch_subtree", "item_at"]

PERSISTENT_RECURSIVE: Final = 1
"""The mode, as it is sent."""


def can_watch_subtree(client: Any, path: str) -> bool:
    """Whether this client can set such a watch, and be told of what is below this path."""
    return callable(getattr(client, "add_watch_async", None)) and (
        path != "/" or bool(client.chroot)
    )


def item_at(path: str, root: str) -> str | None:
    """The item of the dict at `root` that an event's path means: ROOT, or a child's name.

    None for what lies deeper.
    """
    if path == root:
        return ROOT
    prefix = root if root == "/" else f"{root}/"
    name = path[len(prefix) :]
    return name if path.startswith(prefix) and "/" not in name else None


class SubtreeCache(Cache):
    """See the module's rules.

    Args:
        subtree: whether the one watch is used; without it everything is as in `Cache`.
    """

    def __init__(self, window: int = WINDOW, *, subtree: bool) -> None:
        super().__init__(window)
        self._want_subtree = False
        self.subtree = subtree
        """Whether the one watch is used."""

    # -- the connection

    def connected(self) -> None:
        """See `Cache`."""
        super().connected()
        self._want_subtree = self.subtree

    def _begin_again(self) -> None:
        """Set the watch, or watches, and read everything, on the same connection."""
        resynced = self._resynced
        self.connected()
        self._resynced = resynced  # there is no new connection to tell of

    def watch_each(self) -> None:
        """Use the one watch no more."""
        self.subtree = False
        if self._online:
            self._begin_again()

    def next_request(self, floor: int) -> SentRequest | None:
        """See `CopyReads`."""
        if self._want_subtree and self._online and not self._want_sync:
            self._want_subtree = False
            self._in_flight += 1
            self._sent += 1
            return SentRequest(self._sent, self._epoch, Kind.SUBTREE, ROOT, floor)
        return super().next_request(floor)

    def subtree_reply(self, request: SentRequest, *, watched: bool) -> Publication | None:
        """The request for the watch was answered."""
        if request.epoch != self._epoch:
            return None
        self._in_flight -= 1
        if not watched:
            self.watch_each()
            return None
        return self._settle(request)

    # -- own writes

    def expect(self, reads: Mapping[str, Kind | None]) -> None:
        """See `Cache`. No list is read. A child that goes is not read for before its event."""
        if self.subtree:
            reads = {name: kind for name, kind in reads.items() if name != ROOT and kind}
        super().expect(reads)

    def applied(
        self, request: SentRequest, name: str, znode: ReadZnode | None, *, gone: bool
    ) -> None:
        """See `Cache`."""
        if not self.subtree:
            super().applied(request, name, znode, gone=gone)
        elif request.epoch == self._epoch and not self._is_read_behind(name, request):
            listed = self._is_read_behind(ROOT, request)  # of a write that came before the watch
            if not listed or not (gone or name not in self._znodes):
                self._missed()

    # -- events and replies

    def told(self, name: str, *, gone: bool, covered: bool) -> None:
        """The watch has told of a change of this item.

        Args:
            name: the item.
            gone: whether it is the end of it.
            covered: whether the answer to its latest read, of the kind that such an event asks for,
                comes behind the event.
        """
        if not self.subtree or not self._online:
            return
        if covered and self._latest.get(name):
            return
        if name not in self._pending:
            if name in self._znodes or ROOT not in self._pending:
                # As it is in the copy it was at the last reply that was processed.
                self._read[name] = self._replied
            else:
                self._read.setdefault(name, self._read.get(ROOT, NOTHING))
        if name == ROOT:
            self._want(ROOT, Kind.CHILDREN)
        else:
            self._want(name, Kind.GONE if gone else Kind.DATA)

    def gone_reply(self, request: SentRequest, pzxid: int | None) -> Publication | None:
        """The pzxid of the root, after the end of a child; None: it is not told."""
        if self._accept(request):
            self._drop(request.name)
            if pzxid is None:
                self._sync_again_first()
            else:
                self._pzxid = max(self._pzxid, pzxid)
        return self._settle(request)

    def stat_reply(self, request: SentRequest, stat: ReadZnode | None) -> Publication | None:
        """See `Cache`."""
        if self.subtree and stat is None:
            return self._no_znode(request)
        return super().stat_reply(request, stat)

    def data_reply(self, request: SentRequest, znode: ReadZnode | None) -> Publication | None:
        """See `Cache`."""
        if self.subtree and znode is None:
            return self._no_znode(request)
        return super().data_reply(request, znode)

    def _no_znode(self, request: SentRequest) -> Publication | None:
        # No event has told of its end: it was not there before the watch, or might not be read.
        before = self._read.get(request.name, NOTHING)
        if self._accept(request):
            self._read[request.name] = before
            self._want(request.name, Kind.GONE)
        return self._settle(request)

    def refused_reply(self, request: SentRequest, znode: ReadZnode) -> Publication | None:
        """See `Cache`."""
        refused = request.epoch == self._epoch
        publication = super().refused_reply(request, znode)
        if self.subtree and refused:
            self.watch_each()
        return publication

    # -- looks

    def look_at_root(self, pzxid: int | None) -> None:
        """See `Cache`."""
        if not (self.subtree and self._pending) or pzxid is None:
            super().look_at_root(pzxid)
        elif pzxid != self._pzxid:  # what is pending may be why
            self.doubt(ROOT)

    def _differs(self, name: str, *, missed: bool) -> None:
        super()._differs(name, missed=missed)
        if self.subtree and missed:
            self._begin_again()

    # -- the working copy

    def _missed(self) -> None:
        self.missed += 1
        self._begin_again()

    def _await_root(self) -> None:
        if self.subtree:
            self._sync_again_first()  # the watch stands for its return
        else:
            super()._await_root()

    def _sync_again_first(self) -> None:
        # No Stat tells when something ended. What is sent from now on knows a later zxid.
        self._want_sync = self._syncing = True

    def _listed(self, names: frozenset[str], before: SentRequest) -> None:
        super()._listed(names | self._read_behind_the_list(), before)

    def _listed_before(self, names: frozenset[str], before: SentRequest) -> None:
        super()._listed_before(names | self._read_behind_the_list(), before)

    def _read_behind_the_list(self) -> set[str]:
        if not self.subtree:
            return set()
        request = self._read[ROOT]
        return {
            name for name in self._pending if name != ROOT and self._is_read_behind(name, request)
        }

    def _store(self, name: str, znode: ReadZnode) -> None:
        super()._store(name, znode)
        if self.subtree:
            self._pzxid = max(self._pzxid, znode.czxid)
