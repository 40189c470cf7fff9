"""The live local copy as a pure state machine: replies and watch events in, published states out.

No I/O, no locks, no clock and no kazoo here; `feed` drives it, property tests drive it too.

Everything that decides when readers may see a state lives in this file. The rules:

- **Items** are the root's list of children and each child. Every item is *clean*, or *pending*: a
  read of it is wanted, under way, or made unnecessary by an expected read of the list. Every read
  that is answered leaves a watch of its own. Only the latest read of an item makes it clean: a
  watch of an older one that fires says nothing new. The reply of an older one still tells what a
  child, or the list, was at its place: that is kept, else a copy that changes faster than replies
  are brought would never move.
- **A state is published when a reply was processed and no item is pending.** Then it is the state
  of the subtree at that reply's place in the connection's stream, because: every item was read
  before that place; had it changed since, the server would have sent the event of that read's watch
  before the reply (it sends the events of a transaction before any later reply on the connection);
  and `feed` hands over every event that came before a reply, before it hands over the reply. An
  event that came later may be handed over early: that only delays publishing. A transaction's
  changes all lie on one side of a reply, so they appear together.
- **The zxid** of a published state is the greatest of: the zxids found in Stats; the last zxid the
  client had seen when it sent the request whose reply published the state; the zxid before. Each is
  at or before the reply's place and nothing in the subtree changed after the greatest Stat zxid, so
  it is the state at that very zxid. It never goes back. A root that is gone has no Stat to tell
  when: once a watch stands for its return, a sync follows, and only what was sent after the root
  was found missing publishes the empty state.
- **A new connection** has no watches and may be served by another server: everything is pending.
  A `sync` goes first, so that a server which lags behind what was already published catches up. In
  a new session a multi of one check goes first instead: a leader answers a sync at once, and it may
  itself lag behind what was published.
  Known children are validated by Stat, and their data is only fetched when it changed.
- **Positions** number the requests in the order they are sent. A published state at position p
  holds the effects of every request up to p: waiting for one's own write is waiting for its
  position.
- **Troubles**: a read that the server refuses, or answers with an error, leaves no watch. The item
  is read again at the next `retry()`. Until then a child that is refused has no value, and is not
  pending: no event tells when it may be read again, and it delays no other. An item whose answer
  says nothing stays pending.
- **Looks**: a server may drop a watch without an event: one that fires while the session may not
  read the znode. A Stat that is read after a caller's sync shows it (`look`): an item that is
  clean by all events, and is not what the server has, is read again.
- **Bounded waits**: `force()` publishes a copy with pending items, for the callers who may not wait
  any longer. Such a state need not have existed; it is marked inexact and counted. It holds the
  effects of every request up to the oldest of the last reads of its pending items, and every
  change up to the zxid that request knew: that far it counts as a position and a zxid. The first
  state of a connection holds what was read on that connection. An own write that is laid over the
  copy is pending until it was read: no exact state leans on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkdict._copy.items import NOTHING, ROOT, Kind, Publication, ReadZnode, SentRequest
from zkdict._copy.reads import WINDOW, CopyReads
from zkdict.entries import ABSENT, ANY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["Cache"]


class Cache(CopyReads):
    """See the module's rules.

    Not thread-safe: the caller holds the dict's lock around every call, but for those that say
    "Needs no lock". A public attribute is one value, and may be read without it.
    """

    def __init__(self, window: int = WINDOW) -> None:
        super().__init__(window)
        self._replied: SentRequest = NOTHING  # the last request whose reply was processed
        self._first = 1  # the position of the connection's first request
        self._live = False  # a state was published that was read on this connection
        self._synced = False  # and whether the server could
        self._read: dict[str, SentRequest] = {}  # item -> the read whose answer the copy has
        self._looked = 0  # where the next look begins
        self.missed = 0
        """How many changes were found by looking, and told by no event."""
        self._offers: dict[str, ReadZnode] = {}  # what own writes put there, by their replies
        self._overlaid: set[str] = set()  # own writes laid over the copy, and not read since
        self._znodes: dict[str, ReadZnode] = {}  # the working copy
        self._before: dict[str, ReadZnode | None] = {}  # of each name touched: as it was published
        self._root_exists: bool | None = None
        self._pzxid = 0
        self._content = 0  # the greatest zxid of a Stat that was ever published
        self._behind = False
        self._resynced = False
        # What was published last.
        self.published = 0
        """How many states were published."""
        self.position = 0
        """The position of the state published last."""
        self.zxid = 0
        """The zxid of the state published last."""
        self.updated = 0
        """The number of the state published last, see `Publication.updated`."""

    # -- what the driver asks

    @property
    def root_exists(self) -> bool | None:
        """Whether the root existed when it was last looked at; None before. Needs no lock."""
        return self._root_exists

    def peek(self, name: str) -> ReadZnode | None:
        """The child as last read, published or not. Needs no lock: it is one lookup."""
        return self._znodes.get(name)

    @property
    def size(self) -> int:
        """How many children were read, published or not. Needs no lock."""
        return len(self._znodes)

    def working_names(self) -> Collection[str]:
        """The children as last read, published or not."""
        return self._znodes.keys()

    def foresees(self, name: str, version: int) -> bool:
        """Whether, as far as the copy knows, an operation on a child will succeed that asks for
        this version, ANY or ABSENT.
        """
        known = self._znodes.get(name)
        if known is None:
            return version == ABSENT and bool(self._root_exists)
        return version in (ANY, known.version)

    # -- the connection

    def connected(self) -> None:
        """A connection was made: nothing is watched, everything has to be read again."""
        self.disconnected()
        self._online = True
        self._first = self._sent + 1
        self._live = False
        self._behind = bool(
            self._overlaid
        )  # by own writes that were not confirmed, unless it can sync
        self._synced = False
        self._resynced = self.published > 0
        self._want_sync = self._syncing = True
        self._want(ROOT, Kind.CHILDREN)
        self._want_all(list(self._znodes), Kind.STAT)

    def disconnected(self) -> None:
        """The connection is gone, and with it every watch and every request under way."""
        self._forget_reads()
        self._offers.clear()

    # -- own writes

    def expect(self, reads: Mapping[str, Kind | None]) -> None:
        """A write was just sent that will make these items stale: read them right after it.

        A deleted child (None) needs no read of its own: the list of children (ROOT) tells.
        """
        if self._online:
            for name, kind in reads.items():
                if kind is None:
                    self._await_list(name)
                else:
                    self._read.setdefault(name, self._read.get(ROOT, NOTHING))  # not there then
                    self._want(name, kind)

    def wrote(self, name: str, znode: ReadZnode) -> None:
        """The reply of an own write: this data, if it is still there, need not be fetched."""
        if name in self._pending:
            self._offers[name] = znode

    def applied(
        self, request: SentRequest, name: str, znode: ReadZnode | None, *, gone: bool
    ) -> None:
        """An own write of a child, in its place, was applied: it set `znode`, where that is told.

        The event of a change comes before the reply to what made it, so the child is to be read by
        now. It is not where its watch was dropped: that happens when one fires while the znode may
        not be read. Then the copy would not show the write. Call it before the `reply`.
        """
        if request.epoch != self._epoch or self._is_read_behind(name, request):
            return
        known = self._znodes.get(name)
        if name not in self._pending and znode is not None and known is not None:
            if known.mzxid < znode.mzxid:
                self.missed += 1
                self._want(name, Kind.DATA)
            return
        if not self._is_read_behind(ROOT, request):  # what comes or goes changes the list
            self.missed += 1
            self._want(ROOT, Kind.CHILDREN)
        if name not in self._pending and known is not None:
            if gone:
                self._await_list(name)
            else:
                self._want(name, Kind.DATA)

    # -- events and replies

    def event(self, request: SentRequest, *, deleted: bool) -> None:
        """The watch that `request` left has fired."""
        name = request.name
        if request.epoch != self._epoch or self._latest.get(name) != request.position:
            return
        if name == ROOT:
            self._want(ROOT, Kind.CHILDREN)
        elif deleted:
            self._await_list(name)
        else:
            self._want(name, Kind.DATA)

    def reply(self, request: SentRequest) -> Publication | None:
        """A reply that tells nothing but its place: of a caller's write or sync, failed or not."""
        return self._settle(request)

    def sync_reply(self, request: SentRequest, *, synced: bool) -> Publication | None:
        """The sync that opens a connection was answered; a read-only server cannot do it."""
        if request.epoch == self._epoch:
            self._in_flight -= 1
            self.taken += 1
            if request.position == self._latest_sync and not self._want_sync:
                self._syncing = False  # an earlier one does not answer for what came after it
            self._synced = synced
        return self._settle(request)

    def children_reply(
        self, request: SentRequest, names: Iterable[str] | None, pzxid: int = 0
    ) -> Publication | None:
        """The list of children, in any order; None: the root does not exist."""
        before = self._read.get(ROOT, NOTHING)
        if self._accept(request):
            if names is None:
                self._root_exists = False
                self._drop_all()
                self._await_root()
            else:
                self._root_exists = True
                self._not_behind(pzxid, self._pzxid)
                self._pzxid = pzxid
                self._listed(frozenset(names), before)
        elif names is not None and self._is_news(request):
            self._read[ROOT] = request
            self._root_exists = True
            self._not_behind(pzxid, self._pzxid)
            self._pzxid = pzxid
            self._listed_before(frozenset(names), before)
        return self._settle(request)

    def _listed(self, names: frozenset[str], before: SentRequest) -> None:
        new, gone = self._compared(names)
        for name in sorted(gone):
            self._drop(name)
        # A child that waits for this list, and is on it, was deleted and made again.
        again = {name for name in self._pending & names if not self._is_being_read(name)}
        self._want_data(sorted(new | again), before)
        self._overlaid &= self._pending

    def _listed_before(self, names: frozenset[str], before: SentRequest) -> None:
        """Take over an older list: a newer one is wanted, and decides what this one cannot.

        Without that the copy would never move where children are made faster than lists come.
        """
        new, gone = self._compared(names)
        for name in sorted(gone):
            if not self._is_being_read(name):  # else it may have been made after this list
                self._drop(name)
        self._want_data(sorted(new), before)

    def _compared(self, names: frozenset[str]) -> tuple[set[str], set[str]]:
        """The names of a list that are not known, and the known ones that are not on it.

        It goes through the list once, and through the copy only where something is gone: where a
        child comes or goes this is all that grows with their number.
        """
        unread = names.difference(self._znodes)
        gone = self._pending - names
        gone.discard(ROOT)
        if len(names) - len(unread) < len(self._znodes):
            gone |= self._znodes.keys() - names
        gone -= self._overlaid  # those may be newer than the list
        return set(unread - self._pending), gone

    def _want_data(self, names: list[str], before: SentRequest) -> None:
        for name in names:
            self._read.setdefault(name, before)  # it was not there when the list was read before
        self._want_all(names, Kind.DATA)

    def root_reply(self, request: SentRequest, exists: bool) -> Publication | None:
        """Whether the root, found missing before, is there."""
        before = self._read.get(ROOT, NOTHING)
        if self._accept(request):
            if exists:
                self._read[ROOT] = before  # what the copy has: there was none
                self._want(ROOT, Kind.CHILDREN)
            else:
                # A child that was made meanwhile, and waits for a list, has gone with the root.
                self._drop_all()
                self._want_sync = self._syncing = True
        return self._settle(request)

    def stat_reply(self, request: SentRequest, stat: ReadZnode | None) -> Publication | None:
        """A child's Stat (in a Znode without its data); None: it does not exist."""
        name = request.name
        before = self._read.get(name, NOTHING)
        if self._accept(request):
            known, offer = self._znodes.get(name), self._offers.pop(name, None)
            if stat is None:
                self._drop(name)
            elif known is not None and known.same_data(stat):
                pass
            elif offer is not None and offer.same_data(stat):
                self._store(name, offer)
            else:
                if known is not None and known.czxid == stat.czxid:
                    self._not_behind(stat.mzxid, known.mzxid)
                self._read[name] = before
                self._want(name, Kind.DATA)
        elif (
            stat is not None
            and self._is_news(request)
            and (known := self._znodes.get(name)) is not None
            and known.same_data(stat)
        ):
            self._read[name] = request
        return self._settle(request)

    def data_reply(self, request: SentRequest, znode: ReadZnode | None) -> Publication | None:
        """A child's data and Stat; None: it does not exist."""
        if self._accept(request):
            if self._offers:
                self._offers.pop(request.name, None)
            if znode is None:
                self._drop(request.name)
            else:
                self._store(request.name, znode)
        elif znode is not None and self._is_news(request):
            self._read[request.name] = request
            self._store(request.name, znode)
        return self._settle(request)

    # -- troubles

    def refused_reply(self, request: SentRequest, znode: ReadZnode) -> Publication | None:
        """The server does not show a child; `znode` says why."""
        name = request.name
        if self._accept(request, answered=False):
            self._offers.pop(name, None)
            if (known := self._znodes.get(name)) is None or known.error is None:
                self._store(name, znode)
            self._again[name] = Kind.DATA
            self._troubles[name] = self._troubles.get(name, 0) + 1
        return self._settle(request)

    def give_up(self, request: SentRequest, znode: ReadZnode) -> Publication | None:
        """After `no_reply`: show the child as refused; it is read again all the same."""
        self._pending.discard(request.name)
        self._read[request.name] = request
        self._store(request.name, znode)
        return self._settle(request)

    def to_look_at(self, most: int) -> list[str]:
        """The next children to look at: each gets its turn."""
        names = list(self._znodes)
        if len(names) <= most:
            return names
        begin = self._looked % len(names)
        self._looked = begin + most
        return (names[begin:] + names[:begin])[:most]

    def look(self, name: str, stat: ReadZnode | None) -> None:
        """What the server has of a child at this place in the stream; None: nothing.

        Call it before the `reply` that stands for the look.
        """
        known = self._znodes.get(name)
        if known is None or name in self._pending:
            return  # it is read after this place
        if stat is None or not known.same_data(stat):
            self._differs(name, missed=known.error is None)

    def look_at_root(self, pzxid: int | None) -> None:
        """The zxid of the last change of the list at this place; None: there is no root."""
        if ROOT not in self._pending and pzxid != (self._pzxid if self._root_exists else None):
            self._differs(ROOT, missed=True)

    def _differs(self, name: str, *, missed: bool) -> None:
        # A look shows another item than the copy has; `missed`: an event should have told of it.
        self.missed += missed
        self.doubt(name)

    def doubt(self, name: str) -> None:
        """A look at the root or at a child failed, or tells that it has changed: read it again."""
        if name == ROOT and ROOT not in self._pending:
            self._want(ROOT, Kind.CHILDREN)
        elif name in self._znodes and name not in self._pending:
            self._want(name, Kind.DATA)

    # -- publishing

    def force(self, overlay: Mapping[str, ReadZnode | None] | None = None) -> Publication | None:
        """Publish now, whatever is pending, with these own writes laid over the copy.

        None where that shows nothing new, or less than everything.
        """
        for name, znode in (overlay or {}).items():
            if znode is None:
                self._remove(name)
            elif (
                (known := self._znodes.get(name)) is None
                or znode.error is not None
                or known.mzxid < znode.mzxid
            ):
                self._store(name, znode)
            # It is what one write did, perhaps undone since, and has no watch: look again.
            self._overlaid.add(name)
            self._read[name] = NOTHING
            if self._online:
                self._want(name, Kind.DATA)
        held = self._held()
        self._live = self._live or held.position >= self._first
        if not self._live and (not self.published or not overlay):
            return None
        if not self._before and held.position <= self.position:
            return None
        return self._publish(held, exact=False)

    def _held(self) -> SentRequest:
        """The request up to which the copy holds the effects of all, with what is pending."""
        if not self._online or self._syncing or (self._behind and not self._synced):
            return NOTHING
        held = self._replied
        enough = self.position if self._live else min(self.position, self._first - 1)
        for name in self._pending:
            read = self._read.get(name, NOTHING)
            if read.position < held.position:
                held = read
                if held.position <= enough:  # that shows nothing new: a load has many of them
                    break
        return held

    def _settle(self, request: SentRequest) -> Publication | None:
        """A reply was processed: publish the copy if it is the state at that reply's place.

        It is when nothing is pending. Each item was read before that place. Had it changed since,
        the event of its watch would have come before this reply, and would have made it pending.
        Only a reply proves that: after an event, more events of the same transaction may still
        come. Two cases are held back: a connection that has not synced may show less than was
        published, and a root that was never looked at is not an empty one.
        """
        if request.epoch != self._epoch:
            return None
        if request.position > self._replied.position:
            self._replied = request
        if self._pending or self._syncing or self._root_exists is None:
            return None
        if self._behind and not self._synced:
            return None
        self._live = True
        return self._publish(request, exact=True)

    def _publish(self, held: SentRequest, *, exact: bool) -> Publication:
        changes: dict[str, ReadZnode | None] = {}
        content = max(self._content, self._pzxid)
        for name, old in self._before.items():
            new = self._znodes.get(name)
            if new is not None:
                content = max(content, new.mzxid)
            if old is not new and old != new:
                changes[name] = new
        self._before.clear()
        resynced = self._live and self._resynced
        if self._live:
            self._resynced = False
        if exact:
            self.position = self._replied.position
            self.zxid = max(self.zxid, content, held.floor)
        elif held.position > self.position:
            self.position, self.zxid = held.position, max(self.zxid, held.floor)
        self._content = content
        self.updated = max(content, self.updated + 1 if changes else self.updated)
        self.published += 1
        return Publication(
            self.position, self.zxid, self.updated, changes, exact, resynced, self._live
        )

    # -- the working copy

    def _await_root(self) -> None:
        # It is missing: set a watch for its return.
        self._want(ROOT, Kind.ROOT_EXISTS)

    def _await_list(self, name: str) -> None:
        # What deletes a child changes the list of children: a read of it decides whether the child
        # is gone or was made again. Its event would ask for that read, too, but does not come where
        # the root may not be read at that moment.
        self._pending.add(name)
        self._latest[name] = 0
        self._overlaid.discard(name)
        if ROOT not in self._pending:
            self._want(ROOT, Kind.CHILDREN)

    def _accept(self, request: SentRequest, *, answered: bool = True) -> bool:
        """Whether this is the reply of the item's latest read; if so the item is clean."""
        name = request.name
        if request.epoch != self._epoch:
            return False
        self._in_flight -= 1
        if self._latest.get(name) != request.position:
            return False
        self.taken += answered
        self._pending.discard(name)
        self._read[name] = request
        if self._overlaid:
            self._overlaid.discard(name)
        if answered and self._troubles:
            self._troubles.pop(name, None)
        return True

    def _is_news(self, request: SentRequest) -> bool:
        """Whether the answer to an older read of a pending item is newer than what the copy has.

        Replies come in order, so nothing in the copy was read after it; but an own write that was
        laid over the copy may have been made after it.
        """
        name = request.name
        return request.epoch == self._epoch and name in self._pending and name not in self._overlaid

    def _store(self, name: str, znode: ReadZnode) -> None:
        if name not in self._before:
            self._before[name] = self._znodes.get(name)
        self._znodes[name] = znode

    def _remove(self, name: str) -> None:
        if (known := self._znodes.pop(name, None)) is not None:
            self._before.setdefault(name, known)

    def _drop_all(self) -> None:
        for name in [*self._znodes, *sorted(self._pending - {ROOT})]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._remove(name)
        self._pending.discard(name)
        self._wanted.pop(name, None)
        self._latest.pop(name, None)
        self._offers.pop(name, None)
        self._overlaid.discard(name)
        self._read.pop(name, None)
        self._again.pop(name, None)
        self._troubles.pop(name, None)

    def _not_behind(self, found: int, known: int) -> None:
        """Note a server that shows less than what was known.

        Where it could not sync (a read-only one) it lags, and what it shows is held back. Where it
        could, it has lost its history, and what it shows is the truth now.
        """
        if found < known:
            self._behind = True
