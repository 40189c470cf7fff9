"""Drives the local copy through kazoo: sends its reads, brings it replies and events in order.

Everything that knows how kazoo delivers things lives in this file. The rules:

- kazoo reads one socket, but hands watch events and completions to two different tasks, so their
  order is lost. Here a completion is sent on through `handler.dispatch_callback`, the queue of the
  events: it arrives there behind every event that was read before it. So the `cache` gets each
  reply after all events that came before it, which is what its rules ask for.
- Reads are sent in batches, and a batch comes back as one: kazoo answers the requests of one
  connection in their order, so once the last of a batch has its answer all have. One trip through
  both queues serves the whole batch, where a trip of each answer would double what a load costs.
  The earlier replies are handed over later than they could be, behind more events, which only
  delays publishing.
- State changes go through the same queue. kazoo drops every watch when a connection is lost and
  never sets one again: the cache starts anew with each connection. But that the connection is gone
  is shown (`state`, `age`) at once, not behind somebody's slow callback.
- kazoo holds its listeners and watch callbacks strongly, and offers no way to take a watch back:
  they hold this feed weakly, so a dict that is dropped is collected.
- The last zxid kazoo saw is public (`client.last_zxid`), the zxid of a reply is not: requests carry
  the former, noted when they are sent (see the rules of `cache`).
- A read that the server refuses or answers with an error leaves no watch: nobody will tell when
  it could be answered. It is sent again after a pause, which doubles up to `LONGEST_PAUSE`, on a
  task that exists only while something is to be sent again. The first error of a row is told. A
  child's read that is answered with errors which are not passing is given up after `PATIENCE` of
  them, and the child is shown as refused, so that it holds up no other.
- Requests are sent with the lock held: their positions are the order on the wire. Nothing is waited
  for with the lock held, and no user's code is called but an encoding's `decode`, which must not
  call the dict (see `locks`).
- Locks, events and tasks come from `client.handler`: threading, gevent, eventlet, simulations.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any, Final

import kazoo.exceptions
from kazoo.exceptions import (
    MarshallingError,
    NoAuthError,
    NoNodeError,
    NotReadOnlyCallError,
    SystemZookeeperError,
)
from kazoo.protocol.states import Callback, EventType, KazooState, KeeperState

from zkdict._copy import clock
from zkdict._copy.cache import ROOT, Cache, Kind, Publication, Request, Znode
from zkdict._copy.client_tasks import tasks_of
from zkdict._copy.replies import (
    CONNECTION_ERRORS,
    LOST,
    Submitted,
    answer_of,
    applied,
    unreadable,
    znode,
)
from zkdict._copy.waiting import Signal
from zkdict._copy.watches import Watches
from zkdict.entries import ANY, State
from zkdict.errors import Closed, ForkedDict, RootMissing, ZkDictError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Batch = list[tuple[Request, Any]]
    """Requests that were sent one after the other, each with kazoo's result."""

__all__ = ["Feed"]

BATCH: Final = 500
"""Reads that are answered together, at most."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
"""Seconds until what could not be read is read again."""
PATIENCE: Final = 4
"""How often a child's read may be answered with an error before the child is shown as refused."""

Looks = list[tuple[str, Any]]
"""Names of items, each with kazoo's result of an `exists`, sent with a caller's request."""


class _Link:
    """What kazoo holds: a weak reference to the feed, behind every callback."""

    __slots__ = ("__weakref__", "_feed", "pause")

    def __init__(self, feed: Feed) -> None:
        self._feed = weakref.ref(feed)
        self.pause: Any = None  # an event that ends the pause of the task that will retry

    def retry(self, pause: Any, seconds: float) -> None:
        """What the task does that reads again what could not be read."""
        pause.wait(seconds)
        if (feed := self._feed()) is not None:
            feed.retry(pause)

    def stop(self) -> None:
        """End the pause; nothing is read again."""
        pause, self.pause = self.pause, None
        if pause is not None:
            pause.set()

    def listener(self, state: str) -> bool:
        """kazoo's state listener, on the connection's task. True asks kazoo to remove it."""
        feed = self._feed()
        if feed is None or feed.state is State.CLOSED:
            return True
        feed.later(self.state_changed, state, feed.heard(state))
        return False

    def note_tasks(self) -> None:
        """Note the task that this runs on, that of the watch callbacks, and the other one."""
        if (feed := self._feed()) is not None:
            feed.tasks.note("watch callback")
            result = feed.client.handler.async_result()
            result.rawlink(self.note_completions)
            result.set(None)

    def note_completions(self, _: Any) -> None:
        # A handler that is being stopped calls this at once: then it is the task above.
        if (feed := self._feed()) is not None:
            feed.tasks.note("completion callback")

    def state_changed(self, state: str, turn: int) -> None:
        if state == KazooState.CONNECTED:
            self.note_tasks()
        if (feed := self._feed()) is not None:
            feed.state_changed(state, turn)

    def event(self, request: Request, kind: str) -> None:
        if (feed := self._feed()) is not None:
            feed.event(request, kind)

    def completed(self, batch: Batch) -> None:
        if (feed := self._feed()) is not None:
            feed.later(self.replied, batch)

    def replied(self, batch: Batch) -> None:
        if (feed := self._feed()) is not None:
            feed.replied(batch)


class _Completion:
    """The completion callback of the last request of a batch.

    kazoo may call it twice for a closed client, and keeps it in the result: the first call takes
    the batch out, and with it the circle that would hold every answer until a garbage collection.
    """

    __slots__ = ("_batch", "_link")

    def __init__(self, link: _Link, batch: Batch) -> None:
        self._link = link
        self._batch = batch

    def __call__(self, _: Any) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._link.completed(batch)


class Feed:
    """See the module's rules.

    Args:
        client: the KazooClient.
        path: the root, as the client sees it (without its chroot).
        on_publish: called with the lock held, for each published state, with what this dict wrote
            itself since the last exact one (name to bytes, None: removed).
        on_state: called with the lock held, with the old and the new state.
        on_error: called with the lock held, when the root cannot be read.
        create: make the root when it is missing at the first look.
        acl: for making it.
        max_staleness: seconds that unending changes may hold back the next published state.
    """

    def __init__(
        self,
        client: Any,
        path: str,
        *,
        on_publish: Callable[[Publication, Mapping[str, bytes | None]], None],
        on_state: Callable[[State, State], None],
        on_error: Callable[[Exception], None],
        create: bool,
        acl: Any,
        max_staleness: float,
    ) -> None:
        self.client = client
        self.path = path
        self.cache = Cache()
        self.signal = Signal(client.handler)
        self.lock = self.signal.lock
        self.state = State.LOADING
        self.failure: Exception | None = None
        """Why the root cannot be read or made, when it cannot."""
        self.trouble: Exception | None = None
        """The last error that the server answered to a read, while something is still to be read
        again."""
        self.requests = self.events = self.forced = self.reloads = self.bytes_read = 0
        self._local: dict[str, bytes | None] = {}
        self._on_publish = on_publish
        self._on_state = on_state
        self._on_error = on_error
        self._create = create
        self._acl = acl
        self._max_staleness = max_staleness
        self._prefix = "" if path == "/" else path
        self._link = _Link(self)
        self._watches = Watches(client)
        self.tasks = tasks_of(client)
        self._submitted: dict[int, Submitted] = {}
        self._ended: list[Submitted] = []  # those under way when the session was lost
        self._connected = False
        self._turn = 0  # how often kazoo's listener was called
        self._digested = 0  # the last of these turns that had its place among replies and events
        self._pause_ends = 0.0
        self._unmade = 0  # how often in a row the missing root could not be made
        self._unsettled_since: float | None = None
        self._lost_at = clock.monotonic()
        self._forked = False
        self._followers: dict[Callable[[], None], None] = {}

    # -- life

    def start(self) -> None:
        """Listen to the client, start it if nobody has, and begin to load."""
        client = self.client
        client.add_listener(self._link.listener)
        self.later(self._link.note_tasks)
        with self.tasks.starting:  # two dicts at once: kazoo would stop what the first has started
            if client.connected:  # before there was a listener to hear of it, unless it had a turn
                self.later(self._link.state_changed, KazooState.CONNECTED, 0)
            elif client.client_state == KeeperState.CLOSED and not client.handler.running:
                client.start_async()

    def forgetter(self) -> Callable[[], None]:
        """What takes the listener from the client, without holding this feed or its lock."""
        return functools.partial(_forget, self.client, self._link, self._watches)

    def wait_loaded(self, deadline: float | None, *, create: bool) -> bool:
        """Wait for the first state; with `create` for one that has the root.

        Raises:
            RootMissing: it is loaded, there is no root, and it is not to be made.
            KazooException: the root cannot be read or made.
            Closed, ForkedDict.
        """

        def loaded() -> bool:
            self.check_usable()
            if self.failure is not None:
                raise self.failure
            if self.cache.published == 0:
                return False
            if not self.cache.root_exists and not create:
                raise RootMissing(self.path)
            return bool(self.cache.root_exists) or not self._create

        self.tasks.check()
        return self.signal.wait_for(loaded, deadline)

    def close(self) -> None:
        """Forget the connection. Watches that were set fire once more at most, and do nothing."""
        with self.lock:
            self._change_state(State.CLOSED)
            self.cache.disconnected()
            self._connected = False
            for submitted in self._submitted.values():
                submitted.done.set()
            self.signal.notify()
            self._let_followers_look()
        _forget(self.client, self._link, self._watches)

    def forked(self) -> None:
        """This is a child process now: the lock may be held for ever, so replace it."""
        self._forked = True
        self.state = State.CLOSED  # nobody is told: the subscribers are the parent's
        self._lost_at = clock.monotonic()
        self.signal = Signal(self.client.handler)
        self.lock = self.signal.lock

    def check_usable(self) -> None:
        """Raise Closed or ForkedDict where this feed gets nothing any more."""
        if self._forked:
            raise ForkedDict
        if self.state is State.CLOSED:
            raise Closed

    @property
    def connected(self) -> bool:
        """Whether a request sent now would go out at once."""
        return self._connected and bool(self.client.connected)

    @property
    def age(self) -> float:
        """Seconds since the copy was last known to be the server's; 0 while it is."""
        if self.state is State.LIVE:
            return 0.0
        if self.state is State.LOADING:
            return float("inf")
        return clock.monotonic() - self._lost_at

    def child(self, name: str) -> str:
        """The path of a child."""
        return f"{self._prefix}/{name}"

    def later(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the queue of watch events, behind those which are in it now."""
        self.client.handler.dispatch_callback(Callback("watch", function, arguments))

    def follow(self, look: Callable[[], None]) -> None:
        """Call a function with the lock held: now, and after all that is heard of the server.

        That is more than what is published: every event, every reply, every change of the state.
        """
        with self.lock:
            self._followers[look] = None
            look()

    def unfollow(self, look: Callable[[], None]) -> None:
        """Call it no more. Called with the lock held."""
        self._followers.pop(look, None)

    def _let_followers_look(self) -> None:
        for look in list(self._followers):
            look()

    # -- what kazoo brings; all of it in the order of the callback queue

    def heard(self, state: str) -> int:
        """The connection's state changed just now: show it. Which turn of the listener this is."""
        with self.lock:
            self._turn += 1
            if state == KazooState.LOST:
                self._ended = list(self._submitted.values())
            if state != KazooState.CONNECTED and self.state is not State.CLOSED:
                self._connected = False
                if state == KazooState.LOST and self.state is not State.LOADING:
                    self._change_state(State.STALE)
                elif self.state is State.LIVE:
                    self._change_state(State.SUSPENDED)
                self.signal.notify()
                self._let_followers_look()
            return self._turn

    def state_changed(self, state: str, turn: int) -> None:
        """The same, in its place among replies and events."""
        # What `start` puts into the queue may come after the listener's own first turn.
        self._digested = max(self._digested, turn)
        if state != KazooState.CONNECTED:
            with self.lock:
                self._unsettled_since = None
                self.cache.disconnected()
                self._submitted.clear()
                self._link.stop()
                if state == KazooState.LOST:
                    self._end_submitted()
        else:
            self._start_reading(turn)

    def _end_submitted(self) -> None:
        # kazoo answers all that it had when the session ended, but for a request whose reply it
        # could not read: it forgets that one, and its connection's task dies of it.
        for submitted in self._ended:
            if not submitted.sent.ready():
                submitted.done.set()
        self._ended = []

    def _start_reading(self, turn: int) -> None:
        with self.lock:
            if self.state is State.CLOSED or turn != self._turn:  # or it is gone again
                return
            self._connected = True
            self._submitted.clear()  # a client that was stopped did not bring the end of those
            self.failure = self.trouble = None
            self._unmade = 0
            self.reloads += 1
            self.cache.connected()
            self._watch_staleness()
            self.signal.notify()
        self.pump()

    def event(self, request: Request, kind: str) -> None:
        """The watch which a request left has fired."""
        with self.lock:
            self.events += 1
            self.cache.event(request, deleted=kind == EventType.DELETED)
            self._watch_staleness()
            self._let_followers_look()
        self.pump()

    def replied(self, batch: Batch) -> None:
        """A batch was answered, and every event before its last answer was handed over."""
        with self.lock:
            if self.state is State.CLOSED:
                return
            for request, result in batch:
                publication = self._digest(request, result)
                if publication is not None:
                    self._publish(publication)
            self._watch_staleness()
            self._let_followers_look()
            self._retry_later()
        self.pump()

    # -- reading again

    def _retry_later(self) -> None:
        times = min(filter(None, (self.cache.troubles, self._unmade)), default=0)
        if not times:
            self.trouble = None
            return
        seconds = min(FIRST_PAUSE * 2.0 ** min(times - 1, 20), LONGEST_PAUSE)
        end = clock.monotonic() + seconds
        if self._link.pause is None or end < self._pause_ends:
            self._link.stop()
            pause = self._link.pause = self.client.handler.event_object()
            self._pause_ends = end
            self.client.handler.spawn(self._link.retry, pause, seconds)

    def retry(self, pause: Any) -> None:
        """The pause is over: read again what could not be read, unless things have changed."""
        with self.lock:
            if self._link.pause is not pause:
                return
            self._link.pause = None
            self.cache.retry()
            if self._unmade:
                self._root_missing()
        self.pump()

    # -- sending

    def pump(self) -> None:
        """Send the reads that are due."""
        while True:
            with self.lock:
                batch: Batch = []
                while self._connected and len(batch) < BATCH:
                    request = self.cache.next_request(self.client.last_zxid)
                    if request is None:
                        break
                    batch.append((request, self._read(request)))
                if not batch:
                    return
                self.requests += len(batch)
                batch[-1][1].rawlink(_Completion(self._link, batch))

    def _read(self, request: Request) -> Any:
        client = self.client
        path = self.child(request.name) if request.name else self.path
        watch = None
        if request.kind is not Kind.SYNC:
            watch = self._watches.take(path, self._link, request)
        if request.kind is Kind.DATA:
            return client.get_async(path, watch)
        if request.kind is Kind.CHILDREN:
            return client.get_children_async(path, watch, include_data=True)
        if request.kind is Kind.SYNC:
            # A leader answers a sync at once, and it may lag behind what an earlier session was
            # shown. A quorum does not.
            return self.barrier() if client.last_zxid < self.cache.zxid else client.sync_async(path)
        return client.exists_async(path, watch)

    def barrier(self) -> Any:
        """Ask for an answer that only a quorum can give: a multi of one check. Its result."""
        transaction = self.client.transaction()
        transaction.check(self.path, ANY)
        return transaction.commit_async()

    def submit(
        self,
        send: Callable[[], Any],
        *,
        expect: Callable[[Cache], Mapping[str, Kind | None]] | None = None,
        wrote: Callable[[Any], Mapping[str, Znode]] | None = None,
        local: Mapping[str, bytes | None] | None = None,
        looks: Looks | None = None,
    ) -> Submitted:
        """Send a caller's request in its place among the others.

        Args:
            send: calls one of kazoo's `_async` methods and returns its result.
            expect: which items to read right behind it, with the cache as it is at that moment.
            wrote: turns the reply into what it shows of the znodes written.
            local: what a success puts where, None for a removal.
            looks: `exists` of items, which `send` sends too. Where they tell that the copy missed
                something, or something could not be read before, it is read behind them.

        Raises:
            Closed, ForkedDict: see `check_usable`.
        """
        with self.lock:
            self.check_usable()
            request = self.cache.mark(self.client.last_zxid)
            submitted = Submitted(request, self.client.handler.event_object(), wrote, local, looks)
            result = send()
            self._submitted[request.position] = submitted
            last = submitted.sent = looks[-1][1] if looks else result  # when it is answered all are
            # Before any read is sent behind it: its answer is handed over before theirs.
            last.rawlink(_Completion(self._link, [(request, result)]))
            last.rawlink(lambda _: submitted.completed(result))
            self.requests += 1 + len(looks or ())
            if expect is not None:
                self.cache.expect(expect(self.cache))
                self._watch_staleness()
            if looks is not None:
                self.failure = None  # unless it fails again
                self.cache.retry()
        self.pump()
        return submitted

    # -- digesting

    def _digest(self, request: Request, result: Any) -> Publication | None:
        cache, kind = self.cache, request.kind
        if kind is Kind.OTHER:
            submitted = self._submitted.pop(request.position, None)
            if submitted is not None and result.successful():
                answer = result.get_nowait()
                offers = submitted.offers(answer)
                for name, offer in offers.items():
                    cache.wrote(name, offer)
                if applied(answer):
                    self._local.update(submitted.local)
                    for name, raw in submitted.local.items():
                        cache.applied(request, name, offers.get(name), gone=raw is None)
            if submitted is not None and submitted.looks and request.epoch == cache.epoch:
                self._look(submitted.looks)
            return cache.reply(request)
        answer = answer_of(result, kind)
        if answer is LOST:
            # Of a connection that is gone, whose end comes behind this; or the server's own word.
            if self.connected and self._turn == self._digested:
                return self._no_answer(request, result.exception)
            return None
        if kind is Kind.DATA and type(answer) is tuple:  # first: a load has thousands of them
            raw, stat = answer
            self.bytes_read += len(raw or b"")
            return cache.data_reply(request, znode(raw, stat))
        if kind is Kind.SYNC:
            refused = isinstance(answer, NotReadOnlyCallError)
            if isinstance(answer, Exception) and not refused:
                return self._no_answer(request, answer)
            return cache.sync_reply(request, synced=not refused)
        if isinstance(answer, NoAuthError) and request.name != ROOT:
            return cache.refused_reply(request, unreadable(answer))
        if isinstance(answer, Exception):
            return self._no_answer(request, answer)
        if kind is Kind.CHILDREN:
            if answer is None:
                publication = cache.children_reply(request, None)
                self._root_missing()
                return publication
            self._create = False
            self.failure = None
            names, stat = answer
            wrong = next((name for name in names if name in _NO_NAMES or "/" in name), None)
            if wrong is not None:
                error = ZkDictError(f"the server lists {wrong!r} as a child of {self.path}")
                return self._no_answer(request, error)
            return cache.children_reply(request, names, stat.pzxid)
        if kind is Kind.ROOT_EXISTS:
            return cache.root_reply(request, answer is not None)
        if kind is Kind.STAT:
            return cache.stat_reply(request, None if answer is None else znode(b"", answer))
        return cache.data_reply(request, None)

    def _no_answer(self, request: Request, error: Exception | None) -> Publication | None:
        """The answer to a read says nothing of what there is."""
        cache = self.cache
        passing = error is None or isinstance(error, (*_THROTTLED, *CONNECTION_ERRORS))
        times = cache.no_reply(request)
        if times and error is not None:
            self.trouble = error
            if request.name == ROOT and isinstance(error, NoAuthError):
                self.failure = error
            elif request.name != ROOT and not passing and times >= PATIENCE:
                return cache.give_up(request, unreadable(error))
            if times == 1:
                self._on_error(error)
            self._stale()
        return None

    def _look(self, looks: Looks) -> None:
        """Compare what the copy has with what a caller's request looked at."""
        for name, result in looks:
            stat = answer_of(result)
            if stat is LOST or isinstance(stat, Exception):
                self.cache.doubt(name)
            elif name == ROOT:
                self.cache.look_at_root(None if stat is None else stat.pzxid)
            else:
                self.cache.look(name, None if stat is None else znode(b"", stat))

    def _root_missing(self) -> None:
        if self._create and self._connected:
            link = weakref.ref(self)
            self.requests += 1
            self.client.ensure_path_async(self.path, self._acl).rawlink(
                lambda result: _root_made(link, result)
            )

    def _failed(self, error: Exception) -> None:
        self.failure = error
        self._on_error(error)
        self._stale()

    def _stale(self) -> None:
        """Something cannot be read, although there is a connection."""
        if self.state is not State.LOADING:
            self._change_state(State.STALE)
        self.signal.notify()

    def root_made(self) -> None:
        """It is there; the watch for it will tell."""
        with self.lock:
            self._unmade = 0

    def root_not_made(self, error: Exception) -> None:
        """The missing root could not be made."""
        with self.lock:
            if isinstance(error, _UNEXPECTED):
                if not self.connected or self._turn != self._digested:
                    return  # of a connection that is gone: the next one tries again
                self._unmade += 1
                self.trouble = error
                if self._unmade == 1:
                    self._on_error(error)
                self._retry_later()
            elif not isinstance(error, NoNodeError):
                self._failed(error)
            elif self.client.chroot:  # of which kazoo makes one level at most
                self._failed(RootMissing(self.path, self.client.chroot))
            else:  # somebody removed what lies above it at that moment
                self._root_missing()

    # -- publishing

    def _publish(self, publication: Publication) -> None:
        if publication.exact:
            self._unsettled_since = None
        else:
            self.forced += 1
        for submitted in self._submitted.values():  # an answer may come after what it did
            self._local.update(submitted.local)
        self._on_publish(publication, self._local)
        for delta in publication.deltas:
            if delta.new is None:
                self._watches.forget(self.child(delta.name))
        if publication.exact:
            self._local.clear()
        if publication.live and self._connected and not self.cache.failing:
            self._change_state(State.LIVE)
        self.signal.notify()

    def _watch_staleness(self) -> None:
        """Publish what there is when unending changes held it back for too long.

        As long as they do not end, that is done again after a quarter of the time: callers wait.
        """
        if self.cache.settled or not self._connected:
            return
        now = clock.monotonic()
        if self._unsettled_since is None:
            self._unsettled_since = now
        if now - self._unsettled_since >= self._max_staleness:
            publication = self.cache.force()
            if publication is not None:
                self._unsettled_since = now - 0.75 * self._max_staleness
                self._publish(publication)

    def overlay(self, written: Mapping[str, Znode | None], position: int) -> None:
        """Show own writes, sent at `position`, without waiting for a state that holds them."""
        with self.lock:
            if self.cache.position >= position:  # there is one by now
                return
            publication = self.cache.force(written)
            if publication is not None:
                self._publish(publication)
        self.pump()

    def _change_state(self, new: State) -> None:
        old, self.state = self.state, new
        if old is State.LIVE:
            self._lost_at = clock.monotonic()
        if old is not new:
            self._on_state(old, new)


#: kazoo before 2.11 has no name for the error of a server with too much to do.
_THROTTLED: Final = (
    (kazoo.exceptions.ThrottledOpError,) if hasattr(kazoo.exceptions, "ThrottledOpError") else ()
)
_UNEXPECTED: Final = (
    SystemZookeeperError,
    MarshallingError,
    *_THROTTLED,
    *CONNECTION_ERRORS,
)
_NO_NAMES: Final = frozenset(["", ".", ".."])


def _forget(client: Any, link: _Link, watches: Watches) -> None:
    client.remove_listener(link.listener)
    link.stop()
    watches.retire()


def _root_made(feed: weakref.ref[Feed], result: Any) -> None:
    target = feed()
    if target is None:
        return
    if result.exception:
        target.root_not_made(result.exception)
    else:
        target.root_made()
