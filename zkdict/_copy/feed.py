"""Drives the local copy through kazoo: sends its reads, brings it replies and events in order.

Everything that knows how kazoo delivers things lives in this file. The rules:

- kazoo reads one socket, but hands watch events and completions to two different tasks, so their
  order is lost. Here a completion is sent on through `handler.dispatch_callback`, the queue of the
  events: it arrives there after every event that was read before it. So the `cache` gets each
  reply after all events that came before it, which is what its rules ask for.
- Reads are sent in batches, and a batch comes back as one: kazoo answers the requests of one
  connection in their order, so once the last of a batch has its answer all have. One trip through
  both queues serves the whole batch, where a trip of each answer would double what a load costs.
  The earlier replies are handed over later than they could be, after more events. That only
  delays publishing.
- State changes go through the same queue. kazoo drops every watch when a connection is lost and
  never sets one again: the cache starts anew with each connection. But `state` and `age`
  tell at once that the connection is lost: they do not wait for another user's slow callback.
- kazoo holds its listeners and watch callbacks strongly, and offers no way to take a watch back:
  they hold this feed weakly, so a dict that is dropped is collected.
- The last zxid kazoo saw is public (`client.last_zxid`), the zxid of a reply is not: requests carry
  the former, noted when they are sent (see the rules of `cache`).
- A read that the server refuses or answers with an error leaves no watch: no event will tell when
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

from zkdict._copy.callbacks import Completion, Pause, SentBatch, weakly
from zkdict._copy.client_tasks import tasks_of
from zkdict._copy.effects import Effects, Submitted
from zkdict._copy.items import ROOT, Kind, Publication, ReadZnode, SentRequest
from zkdict._copy.progress import LoadProgress
from zkdict._copy.read_sender import ReadSender
from zkdict._copy.replies import (
    CONNECTION_ERRORS,
    LOST,
    answer_of,
    applied,
    impossible_name,
    unreadable,
    znode,
)
from zkdict._copy.shared import SharedCopy
from zkdict._copy.subtree import can_watch_subtree, item_at
from zkdict.entries import State
from zkdict.errors import RootMissing, ZkDictError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._copy.effects import Looks
    from zkdict._copy.watches import FeedWatches

__all__ = ["Feed"]

BATCH: Final = 500
"""Reads that are answered together, at most."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
"""Seconds until what could not be read is read again."""
PATIENCE: Final = 4
"""How often a child's read may be answered with an error before the child is shown as refused."""


class Feed(SharedCopy):
    """See the module's rules.

    Args:
        client: the KazooClient.
        path: the root, as the client sees it (without its chroot).
        on_publish, on_state, on_error, max_staleness: see `SharedCopy`.
        create: make the root when it is missing at the first look.
        acl: for making it.
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
        super().__init__(
            client.handler,
            on_publish=on_publish,
            on_state=on_state,
            on_error=on_error,
            max_staleness=max_staleness,
            subtree=can_watch_subtree(client, path),
        )
        self.client = client
        self.path = path
        self._prefix = "" if path == "/" else path
        self.requests = self.events = self.reloads = self.bytes_read = 0
        self.tasks = tasks_of(client)
        self._create = create
        self._acl = acl
        self._told_listener = weakly(self._listen, True)
        self._told_completed = weakly(self._completed, None)
        self._told_replied = weakly(self.replied, None)
        self._told_changed = weakly(self.state_changed, None)
        self._told_tasks = weakly(self._note_tasks, None)
        self._told_completion_task = weakly(self._note_completion_task, None)
        self._pause = Pause(client.handler, weakly(self.retry, None))
        self._reads = ReadSender(
            client,
            self.cache,
            path,
            told=weakly(self.event, None),
            told_below=weakly(self.event_below, None),
        )
        self._progress = LoadProgress()
        self._ended: list[Submitted] = []  # those under way when the session was lost
        self._turn = 0  # how often kazoo's listener was called
        self._digested = 0  # the last of these turns that had its place among replies and events
        self._unmade = 0  # how often in a row the missing root could not be made

    # -- life

    def start(self) -> None:
        """Listen to the client, start it unless it was started, and begin to load."""
        client = self.client
        client.add_listener(self._told_listener)
        self.later(self._told_tasks)
        with self.tasks.starting:  # two dicts at once: kazoo would stop what the first has started
            if client.connected:  # before there was a listener to hear of it, unless it had a turn
                self.later(self._told_changed, KazooState.CONNECTED, 0)
            elif client.client_state == KeeperState.CLOSED and not client.handler.running:
                client.start_async()

    def forgetter(self) -> Callable[[], None]:
        """What takes the listener from the client, without holding this feed or its lock."""
        return functools.partial(
            _forget, self.client, self._told_listener, self._pause, self._reads.watches
        )

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

    def reached(self) -> tuple[int, int]:
        """How far the reads of the copy have come, see `LoadProgress`."""
        with self.lock:
            return self._progress.reached(self.cache.taken)

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
        self.forgetter()()

    @property
    def connected(self) -> bool:
        """Whether a request sent now would go out at once."""
        return self._connected and bool(self.client.connected)

    def child(self, name: str) -> str:
        """The path of a child."""
        return f"{self._prefix}/{name}"

    def later(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the queue of watch events, after those which are in it now."""
        self.client.handler.dispatch_callback(Callback("watch", function, arguments))

    # -- what kazoo brings; all of it in the order of the callback queue

    def _listen(self, state: str) -> bool:
        """kazoo's state listener, on the connection's task. It stays until `close` removes it."""
        if self.state is not State.CLOSED:
            self.later(self._told_changed, state, self._heard(state))
        return False

    def _note_tasks(self) -> None:
        """Note the task that this runs on, that of the watch callbacks, and the other one."""
        self.tasks.note("watch callback")
        result = self.client.handler.async_result()
        result.rawlink(self._told_completion_task)
        result.set(None)

    def _note_completion_task(self, _: Any) -> None:
        # A handler that is being stopped calls this at once: then it is the task above.
        self.tasks.note("completion callback")

    def _completed(self, batch: SentBatch) -> None:
        self.later(self._told_replied, batch)

    def _heard(self, state: str) -> int:
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
        if state == KazooState.CONNECTED:
            self._note_tasks()
        # What `start` puts into the queue may come after the listener's own first turn.
        self._digested = max(self._digested, turn)
        if state != KazooState.CONNECTED:
            with self.lock:
                self._unsettled_since = None
                self._progress.lost(self.cache.taken)
                self.cache.disconnected()
                self._reads.disconnected()
                self._submitted.clear()
                self._pause.stop()
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

    def event(self, request: SentRequest, kind: str) -> None:
        """The watch which a request left has fired."""
        with self.lock:
            self.events += 1
            self.cache.event(request, deleted=kind == EventType.DELETED)
            self._watch_staleness()
            self._let_followers_look()
        self.pump()

    def event_below(self, path: str, kind: str) -> None:
        """The watch on the root and all below it has told of a change."""
        name = item_at(path, self.path)
        if name is None or (name == ROOT and kind == EventType.CHANGED):
            return  # it lies deeper, or is the root's own data
        with self.lock:
            self.events += 1
            gone = kind == EventType.DELETED
            self.cache.told(name, gone=gone, covered=self._reads.is_covered(name, gone=gone))
            self._watch_staleness()
            self._let_followers_look()
        self.pump()

    def replied(self, batch: SentBatch) -> None:
        """A batch was answered, and every event before its last answer was handed over."""
        with self.lock:
            if self.state is State.CLOSED:
                return
            self._progress.handed_over(batch)
            for request, result in zip(batch.requests, batch.results, strict=True):
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
        self._pause.begin(min(FIRST_PAUSE * 2.0 ** min(times - 1, 20), LONGEST_PAUSE))

    def retry(self, pause: Any) -> None:
        """The pause is over: read again what could not be read, unless things have changed."""
        with self.lock:
            if not self._pause.is_over(pause):
                return
            self.cache.retry()
            if self._unmade:
                self._root_missing()
        self.pump()

    # -- sending

    def pump(self) -> None:
        """Send the reads that are due."""
        while True:
            with self.lock:
                batch = SentBatch()
                while self._connected and len(batch) < BATCH:
                    request = self.cache.next_request(self.client.last_zxid)
                    if request is None:
                        break
                    batch.add(request, self._reads.send(request))
                if not batch:
                    return
                self.requests += len(batch)
                self._progress.sent(batch)
                batch.results[-1].rawlink(Completion(batch, self._told_completed))

    def barrier(self) -> Any:
        """See `ReadSender`."""
        return self._reads.barrier()

    def submit(
        self,
        send: Callable[[], Any],
        *,
        effects: Effects | None = None,
        looks: Looks | None = None,
    ) -> Submitted:
        """Send a caller's request in its place among the others.

        Args:
            send: calls one of kazoo's `_async` methods and returns its result.
            effects: what it does to the children.
            looks: `exists` of items, which `send` sends too. Where they tell that the copy missed
                something, or something could not be read before, it is read after them.

        Raises:
            Closed, ForkedDict: see `check_usable`.
        """
        with self.lock:
            self.check_usable()
            request = self.cache.mark(self.client.last_zxid)
            effects = effects or Effects()
            if self.recorder is not None and effects.leaves:
                self.recorder.sent((self.client.client_id or (0,))[0], effects.leaves)
            submitted = Submitted(request, self.client.handler.event_object(), effects, looks)
            result = send()
            self._submitted[request.position] = submitted
            last = submitted.sent = looks[-1][1] if looks else result  # when it is answered all are
            # Before any read is sent after it: its answer is handed over before theirs.
            last.rawlink(Completion(SentBatch().add(request, result), self._told_completed))
            last.rawlink(lambda _: submitted.completed(result))
            self.requests += 1 + len(looks or ())
            if effects.operations:
                self.cache.expect(effects.to_read(self.cache))
                self._watch_staleness()
            if looks is not None:
                self.failure = None  # unless it fails again
                self.cache.retry()
        self.pump()
        return submitted

    # -- digesting

    def _digest(self, request: SentRequest, result: Any) -> Publication | None:
        cache, kind = self.cache, request.kind
        if cache.subtree:
            self._reads.handed_over(request)
        # First what a load has thousands of.
        if kind is Kind.DATA and result.successful() and type(result.value) is tuple:
            raw, stat = result.value
            self.bytes_read += len(raw or b"")
            return cache.data_reply(request, znode(raw, stat))
        if kind is Kind.OTHER:
            submitted = self._submitted.pop(request.position, None)
            if submitted is not None and result.successful():
                answer, effects = result.get_nowait(), submitted.effects
                shown = effects.shown(answer)
                for name, written in shown.items():
                    cache.wrote(name, written)
                if applied(answer):
                    self._local.update(effects.leaves)
                    for name, raw in effects.leaves.items():
                        cache.applied(request, name, shown.get(name), gone=raw is None)
            if submitted is not None and submitted.looks and request.epoch == cache.epoch:
                self._look(submitted.looks)
            return cache.reply(request)
        answer = answer_of(result, kind)
        if answer is LOST:
            # The connection was lost, which the queue tells later; or the server answered so.
            if self.connected and self._turn == self._digested:
                return self._no_answer(request, result.exception)
            return None
        if kind is Kind.SYNC:
            refused = isinstance(answer, NotReadOnlyCallError)
            if isinstance(answer, Exception) and not refused:
                return self._no_answer(request, answer)
            return cache.sync_reply(request, synced=not refused)
        if kind is Kind.SUBTREE:
            return cache.subtree_reply(request, watched=not isinstance(answer, Exception))
        if kind is Kind.GONE and (answer is None or isinstance(answer, NoAuthError)):
            return cache.gone_reply(request, None)
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
            names, stat = frozenset(answer[0]), answer[1]
            if (wrong := impossible_name(names)) is not None:
                error = ZkDictError(
                    f"the server lists a child of {self.path} with the impossible name {wrong!r}"
                )
                return self._no_answer(request, error)
            return cache.children_reply(request, names, stat.pzxid)
        if kind is Kind.ROOT_EXISTS:
            return cache.root_reply(request, answer is not None)
        if kind is Kind.GONE:
            return cache.gone_reply(request, answer.pzxid)
        if kind is Kind.STAT:
            return cache.stat_reply(request, None if answer is None else znode(b"", answer))
        return cache.data_reply(request, None)

    def _no_answer(self, request: SentRequest, error: Exception | None) -> Publication | None:
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
            self.requests += 1
            made = self.client.ensure_path_async(self.path, self._acl)
            made.rawlink(weakly(self._root_answered, None))

    def _root_answered(self, result: Any) -> None:
        """The missing root was made, and the watch for it will tell; or it could not be made."""
        error = result.exception
        with self.lock:
            if not error:
                self._unmade = 0
            elif isinstance(error, _UNEXPECTED):
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
        super()._publish(publication)
        for name, new in publication.changes.items():
            if new is None:
                self._reads.watches.forget(self.child(name))

    def overlay(self, written: Mapping[str, ReadZnode | None], position: int) -> bool:
        """See `SharedCopy.overlay`; sends the reads that look at these writes again."""
        laid = super().overlay(written, position)
        if laid:
            self.pump()
        return laid


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


def _forget(
    client: Any, listener: Callable[[str], bool], pause: Pause, watches: FeedWatches
) -> None:
    client.remove_listener(listener)
    pause.stop()
    watches.retire()
