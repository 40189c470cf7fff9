"""The live local copy as a pure state machine: replies and watch events in, published states out.

No I/O, no locks, no clock and no kazoo here; `feed` drives it, property tests drive it too.

Everything that decides when readers may see a state lives in this file. The rules:

- **Items** are the root's list of children and each child. Every item is *clean*, or *pending*: a
  read of it is wanted, under way, or made unnecessary by an expected read of the list. Every read
  leaves a watch of its own. Only the latest read of an item counts: a watch of an older one that
  fires says nothing new, and the reply of an older one is dropped.
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
  A `sync` goes first, so that a server which lags behind what was already published catches up.
  Known children are validated by Stat, and their data is only fetched when it changed.
- **Positions** number the requests in the order they are sent. A published state at position p
  holds the effects of every request up to p: waiting for one's own write is waiting for its
  position.
- **Bounded waits**: `force()` publishes a copy with pending items, for the callers who may not wait
  any longer. Such a state need not have existed; it is marked inexact and counted. An own write
  that is laid over the copy is pending until it was read: no exact state leans on it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ROOT", "Cache", "Delta", "Kind", "Publication", "Request", "Znode"]

ROOT: Final = ""
"""The item that stands for the root and its list of children; no child has an empty name."""

WINDOW: Final = 1000
"""Reads under way at a time: enough to fill the link, few enough that a user's own request does not
queue behind a whole load."""


class Kind(Enum):
    """What a request reads."""

    SYNC = 1
    """Nothing: ZooKeeper's sync, so that later replies are not older than now."""
    CHILDREN = 2
    """The list of children, with a child watch."""
    ROOT_EXISTS = 3
    """Whether the missing root is back, with a watch for it."""
    STAT = 4
    """A child's Stat, with a data watch: is the known data still right?"""
    DATA = 5
    """A child's data and Stat, with a data watch."""
    OTHER = 6
    """A user's write or sync; it only marks a position."""


class Request(NamedTuple):
    """A request in its place: `position` orders all requests of a dict, `epoch` is its connection.

    `floor` is the last zxid the client had seen when the request was sent.
    """

    position: int
    epoch: int
    kind: Kind
    name: str
    floor: int


class Znode(NamedTuple):
    """A child znode as it was read. `error` is set where the server refused to show the data."""

    raw: bytes
    version: int
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    ephemeral_owner: int
    error: Exception | None = None

    def same_data(self, other: Znode) -> bool:
        """Whether both Stats belong to the same data of the same znode."""
        return (self.mzxid, self.version, self.czxid) == (other.mzxid, other.version, other.czxid)


class Delta(NamedTuple):
    """One child's difference between two published states."""

    name: str
    old: Znode | None
    new: Znode | None


@dataclass(frozen=True, slots=True)
class Publication:
    """The step from one published state to the next.

    `exact`: it is the state at `zxid`; otherwise a bounded wait ran out (see the module's rules).
    `updated` grows with every state that differs from the one before: the zxid of its last change,
    or one more than before where that is not told (a root that went) or not greater.
    `resynced`: it is the first one of a new connection, after an earlier one.
    """

    position: int
    zxid: int
    updated: int
    deltas: tuple[Delta, ...]
    exact: bool
    resynced: bool


class Cache:
    """See the module's rules. Not thread-safe: the caller holds a lock around every call."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._epoch = 0
        self._online = False
        self._sent = 0  # the position of the last request
        self._replied = 0  # the greatest position whose reply was processed
        self._in_flight = 0
        self._want_sync = False
        self._syncing = False  # the sync that opens a connection was not answered yet
        self._synced = False
        # In order: reads to be sent. A dict would look for its first key past all that were taken.
        self._wanted: OrderedDict[str, Kind] = OrderedDict()
        self._pending: set[str] = set()
        self._latest: dict[str, int] = {}  # item -> position of its latest read
        self._offers: dict[str, Znode] = {}  # what own writes put there, by their replies
        self._overlaid: set[str] = set()  # own writes laid over the copy, and not read since
        self._znodes: dict[str, Znode] = {}  # the working copy
        self._before: dict[str, Znode | None] = {}  # of each name touched: as it was published
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
        """Whether the root existed when it was last looked at; None before that."""
        return self._root_exists

    @property
    def settled(self) -> bool:
        """Whether nothing is pending on a live connection."""
        return self._online and not self._pending

    @property
    def pending(self) -> int:
        """How many items are pending."""
        return len(self._pending)

    @property
    def sent(self) -> int:
        """The position of the last request."""
        return self._sent

    def working(self, name: str) -> Znode | None:
        """The child as last read, published or not."""
        return self._znodes.get(name)

    def working_names(self) -> Iterable[str]:
        """The children as last read, published or not."""
        return self._znodes.keys()

    def predicts(self, name: str) -> bool:
        """Whether what is known of `name` is, as far as anybody can know, what the server has."""
        return self._online and name not in self._pending and ROOT not in self._pending

    def next_request(self, floor: int) -> Request | None:
        """The next read to be sent now, or None. `floor`: the last zxid the client has seen."""
        if not self._online or self._in_flight >= self._window:
            return None
        if self._want_sync:
            self._want_sync = False
            return self._request(Kind.SYNC, ROOT, floor)
        if not self._wanted:
            return None
        name, kind = self._wanted.popitem(last=False)
        request = self._request(kind, name, floor)
        self._latest[name] = request.position
        return request

    def mark(self, floor: int) -> Request:
        """A place in the order of requests, for a write or sync that the caller sends itself."""
        self._sent += 1
        return Request(self._sent, self._epoch, Kind.OTHER, ROOT, floor)

    def _request(self, kind: Kind, name: str, floor: int) -> Request:
        self._sent += 1
        self._in_flight += 1
        return Request(self._sent, self._epoch, kind, name, floor)

    # -- the connection

    def connected(self) -> None:
        """A connection was made: nothing is watched, everything has to be read again."""
        self.disconnected()
        self._online = True
        self._behind = bool(self._overlaid)  # by what nobody has confirmed, unless it can sync
        self._synced = False
        self._resynced = self.published > 0
        self._want_sync = self._syncing = True
        self._want(ROOT, Kind.CHILDREN)
        for name in self._znodes:
            self._want(name, Kind.STAT)

    def disconnected(self) -> None:
        """The connection is gone, and with it every watch and every request under way."""
        self._epoch += 1
        self._online = False
        self._in_flight = 0
        self._want_sync = self._syncing = False
        self._wanted.clear()
        self._pending.clear()
        self._latest.clear()
        self._offers.clear()

    # -- own writes

    def expect(self, reads: Mapping[str, Kind | None]) -> None:
        """A write was just sent that will make these items stale: read them right behind it.

        A deleted child (None) needs no read of its own: the list of children (ROOT) tells.
        """
        if self._online:
            for name, kind in reads.items():
                if kind is None:
                    self._await_list(name)
                else:
                    self._want(name, kind)

    def wrote(self, name: str, znode: Znode) -> None:
        """The reply of an own write: this data, if it is still there, need not be fetched."""
        if name in self._pending:
            self._offers[name] = znode

    # -- events and replies

    def event(self, request: Request, *, deleted: bool) -> None:
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

    def reply(self, request: Request) -> Publication | None:
        """A reply that tells nothing but its place: of a caller's write or sync, failed or not."""
        return self._settle(request)

    def sync_reply(self, request: Request, *, synced: bool) -> Publication | None:
        """The sync that opens a connection was answered; a read-only server cannot do it."""
        if request.epoch == self._epoch:
            self._in_flight -= 1
            self._syncing = False
            self._synced = synced
        return self._settle(request)

    def children_reply(
        self, request: Request, names: Iterable[str] | None, pzxid: int = 0
    ) -> Publication | None:
        """The list of children, in any order; None: the root does not exist."""
        if self._accept(request):
            if names is None:
                self._root_exists = False
                for name in [*self._znodes, *sorted(self._pending - {ROOT})]:
                    self._drop(name)
                self._want(ROOT, Kind.ROOT_EXISTS)
            else:
                self._root_exists = True
                self._not_behind(pzxid, self._pzxid)
                self._pzxid = pzxid
                self._listed(set(names))
        return self._settle(request)

    def _listed(self, names: set[str]) -> None:
        known = self._znodes.keys() | self._pending
        known.discard(ROOT)
        for name in sorted(known - names - self._overlaid):  # those may be newer than the list
            self._drop(name)
        # A child that waits for this list, and is on it, was deleted and made again.
        again = {name for name in self._pending & names if not self._is_being_read(name)}
        for name in sorted((names - known) | again):
            self._want(name, Kind.DATA)
        self._overlaid &= self._pending

    def _is_being_read(self, name: str) -> bool:
        return name in self._wanted or self._latest.get(name, 0) != 0

    def root_reply(self, request: Request, exists: bool) -> Publication | None:
        """Whether the root, found missing before, is there."""
        if self._accept(request):
            if exists:
                self._want(ROOT, Kind.CHILDREN)
            else:
                self._want_sync = self._syncing = True
        return self._settle(request)

    def stat_reply(self, request: Request, stat: Znode | None) -> Publication | None:
        """A child's Stat (in a Znode without its data); None: it does not exist."""
        name = request.name
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
                self._want(name, Kind.DATA)
        return self._settle(request)

    def data_reply(self, request: Request, znode: Znode | None) -> Publication | None:
        """A child's data and Stat; None: it does not exist."""
        if self._accept(request):
            self._offers.pop(request.name, None)
            if znode is None:
                self._drop(request.name)
            else:
                self._store(request.name, znode)
        return self._settle(request)

    # -- publishing

    def force(self, overlay: Mapping[str, Znode | None] | None = None) -> Publication | None:
        """Publish now, whatever is pending, with these own writes laid over the copy.

        None where that shows nothing new, or nothing was ever loaded.
        """
        for name, znode in (overlay or {}).items():
            if znode is None:
                self._remove(name)
            elif (known := self._znodes.get(name)) is None or known.mzxid < znode.mzxid:
                self._store(name, znode)
            # It is what one write did, perhaps undone since, and has no watch: look again.
            self._overlaid.add(name)
            if self._online:
                self._want(name, Kind.DATA)
        if not self._before or self._root_exists is None:
            return None
        return self._publish(self.zxid, exact=False)

    def _settle(self, request: Request) -> Publication | None:
        if request.epoch != self._epoch:
            return None
        if request.position > self._replied:
            self._replied = request.position
        if self._pending or self._syncing or self._root_exists is None:
            return None
        if self._behind and not self._synced:
            return None
        return self._publish(request.floor, exact=True)

    def _publish(self, floor: int, *, exact: bool) -> Publication:
        deltas = []
        content = max(self._content, self._pzxid)
        for name, old in self._before.items():
            new = self._znodes.get(name)
            if new is not None:
                content = max(content, new.mzxid)
            if old is not new and old != new:
                deltas.append(Delta(name, old, new))
        self._before.clear()
        resynced = exact and self._resynced
        if exact:
            self.position = self._replied
            self._resynced = False
            self.zxid = max(self.zxid, content, floor)
        self._content = content
        self.updated = max(content, self.updated + 1 if deltas else self.updated)
        self.published += 1
        return Publication(self.position, self.zxid, self.updated, tuple(deltas), exact, resynced)

    # -- the working copy

    def _want(self, name: str, kind: Kind) -> None:
        self._pending.add(name)
        self._wanted[name] = kind
        self._wanted.move_to_end(name)
        self._latest[name] = 0

    def _await_list(self, name: str) -> None:
        # What deletes a child changes the list of children: that event, or a read of the list which
        # is already under way, decides whether the child is gone or was made again.
        self._pending.add(name)
        self._latest[name] = 0
        self._overlaid.discard(name)

    def _accept(self, request: Request) -> bool:
        """Whether this is the reply of the item's latest read; if so the item is clean."""
        if request.epoch != self._epoch:
            return False
        self._in_flight -= 1
        if self._latest.get(request.name) != request.position:
            return False
        self._pending.discard(request.name)
        if self._overlaid:
            self._overlaid.discard(request.name)
        return True

    def _touch(self, name: str) -> None:
        if name not in self._before:
            self._before[name] = self._znodes.get(name)

    def _store(self, name: str, znode: Znode) -> None:
        self._touch(name)
        self._znodes[name] = znode

    def _remove(self, name: str) -> None:
        if name in self._znodes:
            self._touch(name)
            del self._znodes[name]

    def _drop(self, name: str) -> None:
        self._remove(name)
        self._pending.discard(name)
        self._wanted.pop(name, None)
        self._latest.pop(name, None)
        self._offers.pop(name, None)
        self._overlaid.discard(name)

    def _not_behind(self, found: int, known: int) -> None:
        """Note a server that shows less than what was known.

        Where it could not sync (a read-only one) it lags, and what it shows is held back. Where it
        could, it has lost its history, and what it shows is the truth now.
        """
        if found < known:
            self._behind = True
