"""The live copy, a pure state machine: every state it publishes is the server's at its zxid.

A server, a replica that lags, one connection and kazoo's three tasks are modelled step by step, and
take their steps in any order the real ones could. A walk is chosen by its seed, and is repeated by
it.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdict._copy.cache import ROOT, WINDOW, Cache, Kind, Publication, Request, Znode

from ..support.mistakes import caught

NAMES = ["a", "b", "c"]
BATCH = 2  # reads that come back together
Tree = dict[str, Znode]
READS = {Kind.CHILDREN, Kind.ROOT_EXISTS, Kind.STAT, Kind.DATA}
NO_ANSWER = "an error that says nothing"
REFUSED = Znode(b"", -1, 0, 0, 0, 0, 0, PermissionError())
_REFUSED = (REFUSED.raw, REFUSED.mzxid)


@dataclass
class State:
    """The tree at one zxid; None: the root does not exist."""

    tree: Tree | None
    pzxid: int
    closed: frozenset[str] = frozenset()  # what may not be read; the root's name is ROOT

    def contents(self) -> dict[str, tuple[bytes, int]]:
        return {name: (node.raw, node.mzxid) for name, node in (self.tree or {}).items()}


@dataclass
class Server:
    """All committed states, the zxid the replica has applied, and the connection's watches."""

    states: list[State] = field(default_factory=lambda: [State({}, 0)])
    log: list[list[tuple[str, str]]] = field(default_factory=list)
    applied: int = 0
    data_watches: set[str] = field(default_factory=set)
    child_watches: set[str] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)  # watches that went without an event

    @property
    def now(self) -> State:
        return self.states[self.applied]

    def commit(self, *operations: tuple[str, str]) -> list[bool]:
        """Append one transaction; which of its operations changed something."""
        zxid = len(self.states)
        last = self.states[-1]
        tree = None if last.tree is None else dict(last.tree)
        pzxid, done, closed = last.pzxid, [], set(last.closed)
        for operation, name in operations:
            done.append(True)
            known = tree.get(name) if tree is not None else None
            raw = f"{name}{zxid}".encode()
            if operation == "make root" and tree is None:
                tree, pzxid = {}, zxid
            elif operation == "remove root" and tree == {}:
                tree = None
                closed.clear()
            elif operation == "create" and tree is not None and known is None:
                tree[name], pzxid = Znode(raw, 0, zxid, zxid, 0, 0, 0), zxid
            elif operation == "set" and tree is not None and known is not None:
                tree[name] = Znode(raw, known.version + 1, known.czxid, zxid, 0, 0, 0)
            elif operation == "delete" and tree is not None and known is not None:
                del tree[name]
                pzxid = zxid
                closed.discard(name)
            elif operation == "close" and tree is not None and (known or name == ROOT):
                closed.add(name)
            elif operation == "open":
                closed.discard(name)
            else:
                done[-1] = False
        self.states.append(State(tree, pzxid, frozenset(closed)))
        self.log.append([op for op, ok in zip(operations, done, strict=True) if ok])
        return done

    def apply(self) -> list[tuple[str, str]]:
        """The replica applies the next transaction; the events for the connection."""
        events = []
        for operation, name in self.log[self.applied]:
            if operation in ("close", "open"):
                continue
            if operation in ("create", "make root", "set"):
                path = ROOT if operation == "make root" else name
                kind = "changed" if operation == "set" else "created"
                if path in self.data_watches:
                    self.data_watches.discard(path)
                    events.append((kind, path))
            else:
                path = ROOT if operation == "remove root" else name
                if path in self.data_watches | self.child_watches:
                    self.data_watches.discard(path)
                    self.child_watches.discard(path)
                    events.append(("deleted", path))
            if operation in ("create", "delete") and ROOT in self.child_watches:
                self.child_watches.discard(ROOT)
                events.append(("child", ROOT))
        # Who may not read a znode is not told of it, and the watch is gone all the same. (A znode
        # that goes, goes with its ACL.)
        closed = self.states[self.applied].closed
        self.applied += 1
        silent = [path for kind, path in events if kind != "deleted" and path in closed]
        self.dropped.update(silent)
        return [event for event in events if event[0] == "deleted" or event[1] not in closed]


class World:
    """Everybody involved, and the steps they can take."""

    def __init__(self, make_cache: type[Cache]) -> None:
        self.server = Server()
        self.cache = make_cache(window=2 * BATCH)
        self.online = False
        self.last_zxid = 0  # what the client saw in reply headers
        self.sent: deque[tuple[Request, Any]] = deque()
        self.waiting: deque[tuple[Request, Any, int]] = deque()  # for the replica to catch up
        self.stream: deque[Any] = deque()  # from the server
        self.data_watchers: dict[str, list[Request]] = {}
        self.child_watchers: dict[str, list[Request]] = {}
        self.completions: deque[Any] = deque()
        self.batches: dict[int, list[int]] = {}  # position -> those it comes back with
        self.answered: dict[int, Any] = {}  # position -> what waits for the rest of its batch
        self.callbacks: deque[Callable[[], None]] = deque()
        self.shown: dict[str, tuple[bytes, int]] | None = None
        self.zxid = self.updated = self.position = 0
        self.looks: set[int] = set()  # positions of syncs behind which everything is looked at
        self.own: dict[int, int] = {}  # position of an own write -> its zxid
        self.impatient: deque[tuple[int, str, Znode | None]] = deque()  # answered, and not seen yet
        self.data_reads = 0
        self.misled = False  # the last exact state need not be the one at its zxid
        self.refusals = 0.0  # the chance that an answer says nothing
        self.chance = random.Random(0)
        self.dropped: Counter[str] = Counter()  # as of the answers that the copy has

    # -- the rest of the world

    def begin(self, existing: set[str], root: bool) -> None:
        if not root:
            self.server.commit(("remove root", ""))
        self.server.commit(*(("create", name) for name in sorted(existing)))
        self.server.applied = len(self.server.states) - 1

    def others_write(self, operations: list[tuple[str, str]]) -> None:
        self.server.commit(*operations)

    def others_remove_and_make_root(self) -> None:
        tree = self.server.states[-1].tree
        if tree is None:
            self.server.commit(("make root", ""))
        else:
            self.server.commit(*(("delete", name) for name in tree), ("remove root", ""))

    def replica_applies(self) -> None:
        if self.server.applied < len(self.server.states) - 1:
            events = self.server.apply()
            if self.online:
                self.stream.extend(events)
            self._answer_waiting()

    # -- the connection

    def connect(self, back: int, new_session: bool) -> None:
        if self.online:
            return
        if new_session:
            self.last_zxid = 0
        self.server.applied = max(self.last_zxid, self.server.applied - back, 0)
        self.online = True
        self.callbacks.append(self._connected)

    def disconnect(self) -> None:
        if not self.online:
            return
        self.online = False
        self.server.data_watches.clear()
        self.server.child_watches.clear()
        for queue in (self.sent, self.waiting, self.stream):
            queue.clear()
        self.data_watchers.clear()
        self.child_watchers.clear()
        # The last of a batch gets an answer now, an error, and the others come back with it.
        self._hand_over(list(self.answered.values()))
        self.answered.clear()
        self.batches.clear()
        self.callbacks.append(self._disconnected)

    def _connected(self) -> None:
        self.cache.connected()
        self._pump()

    def _disconnected(self) -> None:
        self.cache.disconnected()

    def server_answers(self) -> None:
        if not self.sent:
            return
        request, write = self.sent.popleft()
        needs = 0
        if request.kind is Kind.SYNC:
            needs = len(self.server.states) - 1
        elif write is not None:
            (done,) = self.server.commit(write)
            needs = len(self.server.states) - 1
            if done:
                self.own[request.position] = needs
        self.waiting.append((request, write, needs))
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        server = self.server
        while self.waiting and server.applied >= self.waiting[0][2]:
            request, write, needs = self.waiting.popleft()
            tree, name, closed = server.now.tree, request.name, server.now.closed
            node = None if tree is None else tree.get(name)
            answer: Any = node
            if request.kind is not Kind.OTHER and self.chance.random() < self.refusals:
                answer = NO_ANSWER
            elif request.kind in READS and name in closed and (node or name == ROOT):
                answer = NO_ANSWER if name == ROOT else REFUSED
            elif request.position in self.looks:
                answer = server.now
            elif request.kind is Kind.CHILDREN:
                answer = None if tree is None else (list(tree), server.now.pzxid)
                if tree is not None:
                    server.child_watches.add(ROOT)
            elif request.kind is Kind.ROOT_EXISTS:
                answer = tree is not None
                server.data_watches.add(ROOT)
            elif request.kind is Kind.STAT or (request.kind is Kind.DATA and node is not None):
                server.data_watches.add(name)
            elif write is not None:
                after = server.states[needs].tree or {}
                answer = after.get(write[1]) if request.position in self.own else None
            self.stream.append((request, write, answer, server.applied, +server.dropped))

    def client_reads_the_socket(self) -> None:
        if not self.stream:
            return
        item = self.stream.popleft()
        if len(item) == 2:
            kind, path = item
            watchers = []
            if kind != "child":
                watchers += self.data_watchers.pop(path, [])
            if kind in ("child", "deleted"):
                watchers += self.child_watchers.pop(path, [])
            for request in watchers:
                self.callbacks.append(self._event_callback(request, kind == "deleted"))
            return
        request, write, answer, zxid, _ = item
        self.last_zxid = max(self.last_zxid, zxid)
        if write is not None and request.position in self.own:
            self.impatient.append((request.position, write[1], answer))
        self.completions.append(item)
        if answer is NO_ANSWER or answer is REFUSED:
            return
        if request.kind is Kind.CHILDREN:
            self.child_watchers.setdefault(ROOT, []).append(request)
        elif request.kind in (Kind.STAT, Kind.DATA, Kind.ROOT_EXISTS):
            self.data_watchers.setdefault(request.name, []).append(request)

    def _event_callback(self, request: Request, deleted: bool) -> Callable[[], None]:
        def event() -> None:
            self.cache.event(request, deleted=deleted)
            self._pump()

        return event

    def completion_task(self) -> None:
        if self.completions:
            self._hand_over(self._completed(self.completions.popleft()))

    def _completed(self, item: Any) -> list[Any]:
        """What comes back with this answer: its whole batch with the last one's."""
        position = item[0].position
        batch = self.batches.get(position, [position])
        self.answered[position] = item
        if position != batch[-1]:
            return []
        return [self.answered.pop(each) for each in batch if each in self.answered]

    def _hand_over(self, items: list[Any]) -> None:
        if items:
            self.callbacks.append(lambda: self._replies(items))

    def _replies(self, items: list[Any]) -> None:
        for request, write, answer, _, dropped in items:
            if request.kind in READS and answer is not NO_ANSWER:
                self.dropped[request.name] = dropped[request.name]
            self._check(self._reply(request, write, answer))
        self._pump()

    def callback_task(self) -> None:
        if self.callbacks:
            self.callbacks.popleft()()

    def _reply(self, request: Request, write: Any, answer: Any) -> Publication | None:
        cache = self.cache
        publication: Publication | None
        if answer is NO_ANSWER:
            cache.no_reply(request)
            return None
        if answer is REFUSED:
            return cache.refused_reply(request, REFUSED)
        if request.kind is Kind.OTHER:
            if isinstance(answer, State):
                tree = answer.tree
                readable = tree is not None and ROOT not in answer.closed
                if readable or tree is None:
                    cache.look_at_root(answer.pzxid if tree is not None else None)
                else:
                    cache.doubt(ROOT)
                for name in cache.to_look_at(2):
                    if name in answer.closed:
                        cache.doubt(name)
                    else:
                        cache.look(name, None if tree is None else tree.get(name))
            if write is not None and answer is not None and write[0] == "set":
                cache.wrote(write[1], answer)
            publication = cache.reply(request)
        elif request.kind is Kind.SYNC:
            publication = cache.sync_reply(request, synced=True)
        elif request.kind is Kind.CHILDREN:
            publication = cache.children_reply(request, *(answer or (None,)))
        elif request.kind is Kind.ROOT_EXISTS:
            publication = cache.root_reply(request, answer)
        elif request.kind is Kind.STAT:
            publication = cache.stat_reply(request, answer)
        else:
            self.data_reads += 1
            publication = cache.data_reply(request, answer)
        return publication

    def _pump(self) -> None:
        batch: list[int] = []
        while (request := self.cache.next_request(self.last_zxid)) is not None:
            if len(batch) == BATCH:
                batch = []
            batch.append(request.position)
            self.batches[request.position] = batch
            self._send(request, None)

    def _send(self, request: Request, write: Any) -> None:
        if self.online:
            self.sent.append((request, write))

    # -- own writes and syncs

    def own_write(self, operation: str, name: str) -> None:
        if not self.online:
            return
        cache = self.cache
        self._send(cache.mark(self.last_zxid), (operation, name))
        known = cache.working(name) is not None
        if cache.predicts(name) and cache.root_exists and known == (operation != "create"):
            cache.expect(
                {
                    "set": {name: Kind.STAT},
                    "create": {name: Kind.DATA, ROOT: Kind.CHILDREN},
                    "delete": {name: None, ROOT: Kind.CHILDREN},
                }[operation]
            )
            self._pump()

    def own_sync(self) -> None:
        if self.online:
            request = self.cache.mark(self.last_zxid)
            self.looks.add(request.position)
            self._send(request, None)
            self.cache.retry()
            self._pump()

    def retry(self) -> None:
        self.cache.retry()
        self._pump()

    def lose_patience(self) -> None:
        """Whoever waits for an own write, or for a state that holds still, waits no longer."""
        written = {}
        if self.impatient:
            position, name, znode = self.impatient.popleft()
            if position > self.cache.position:
                written[name] = znode
        publication = self.cache.force(written)
        if publication is not None:
            assert not publication.exact
            self._take_over(publication)
            self._check_inexact(publication)
            for name, znode in written.items():
                known = self.cache.working(name)
                assert (known is None) == (znode is None)
                assert known is None or znode is None or known.mzxid >= znode.mzxid
        self._pump()

    # -- what has to hold

    def _unknown(self) -> set[str]:
        """What no event tells of: what is refused, and what changed while it was.

        ROOT among them: what there is at all.
        """
        lost = {name for name, n in self.server.dropped.items() if n > self.dropped[name]}
        return lost | {name for name, node in (self.shown or {}).items() if node == _REFUSED}

    def _check_inexact(self, publication: Publication) -> None:
        """Each key shows what it had at that zxid, or what it had later."""
        wanted = [zxid for at, zxid in self.own.items() if at <= publication.position]
        since = max([publication.zxid, *wanted])
        states = [state.contents() for state in self.server.states[since:]]
        unknown = self._unknown()
        assert publication.zxid >= self.zxid
        assert publication.position >= self.position
        if not unknown and not self.misled:
            for name in NAMES:
                shown = (self.shown or {}).get(name)
                assert any(shown == state.get(name) for state in states), name
        self.zxid, self.position = publication.zxid, publication.position

    def _take_over(self, publication: Publication) -> None:
        shown = dict(self.shown or {})
        for delta in publication.deltas:
            assert shown.get(delta.name) == _content(delta.old)
            if delta.new is None:
                del shown[delta.name]
            else:
                shown[delta.name] = (delta.new.raw, delta.new.mzxid)
        assert publication.updated >= self.updated
        if publication.deltas and self.shown is not None:
            assert publication.updated > self.updated
        self.shown, self.updated = shown, publication.updated

    def _check(self, publication: Publication | None) -> None:
        if publication is None:
            return
        assert publication.exact
        self._take_over(publication)
        shown = self.shown
        # It is the state at its zxid, and no reader ever goes back.
        assert publication.zxid < len(self.server.states)
        truth = self.server.states[publication.zxid]
        unknown = self._unknown()
        self.misled = bool(unknown)
        if ROOT not in unknown:
            assert _without(shown, unknown) == _without(truth.contents(), unknown)
        assert publication.zxid >= self.zxid
        assert publication.position >= self.position
        # Whoever waited for this position sees what it wrote.
        for position, zxid in self.own.items():
            if position <= publication.position and not unknown:
                assert publication.zxid >= zxid
        self.zxid, self.position = publication.zxid, publication.position

    def drain(self) -> None:
        """Everybody gets to do all there is to do."""
        while True:
            while self.callbacks:
                self.callback_task()
            if self.completions:
                self.completion_task()
            elif self.stream:
                self.client_reads_the_socket()
            elif self.sent:
                self.server_answers()
            elif self.server.applied < len(self.server.states) - 1:
                self.replica_applies()
            else:
                return

    def finish(self) -> None:
        """In the end everything has arrived, and a reconnect has nothing to fetch."""
        if not self.online:
            self.connect(0, False)
        self.refusals = 0.0
        self.server.commit(*(("open", name) for name in (ROOT, *NAMES)))
        self.drain()
        for _ in NAMES:  # it looks at two of them at a time
            self.own_sync()
            self.drain()
        assert self.cache.settled
        assert self.cache.troubles == 0
        assert self.shown == self.server.states[-1].contents()
        self.data_reads = 0
        self.disconnect()
        self.connect(0, True)
        sent = self.cache.sent
        self.drain()
        assert self.data_reads == 0
        assert self.cache.sent - sent <= (3 if self.cache.root_exists else 4) + len(
            self.shown or {}
        )
        assert self.shown == self.server.states[-1].contents()


def _without(
    shown: dict[str, tuple[bytes, int]] | None, names: set[str]
) -> dict[str, tuple[bytes, int]]:
    return {name: node for name, node in (shown or {}).items() if name not in names}


def _content(znode: Znode | None) -> tuple[bytes, int] | None:
    return None if znode is None else (znode.raw, znode.mzxid)


def walk(seed: int, make_cache: type[Cache] = Cache, world_type: type[World] = World) -> None:
    """Let everybody take steps at random; raise AssertionError where something does not hold."""
    dice = random.Random(seed)
    world = world_type(make_cache)
    world.begin({name for name in NAMES if dice.random() < 0.5}, dice.random() < 0.9)
    troubled = dice.random() < 0.5
    if troubled:
        world.refusals, world.chance = dice.choice([0.0, 0.1, 0.5]), random.Random(seed + 1)
    world.connect(0, True)
    if dice.random() < 0.9:
        world.drain()
    # Some walks have many writes, some a slow replica or a slow task.
    paces = {step: dice.choice([1, 2, 5]) for step in range(5)}
    impatient = dice.random() < 0.5
    for _ in range(dice.choice([20, 40, 80])):
        for step, do in enumerate(
            (
                world.server_answers,
                world.replica_applies,
                world.client_reads_the_socket,
                world.completion_task,
                world.callback_task,
            )
        ):
            for _ in range(dice.randrange(paces[step] + 1)):
                do()
        chance = dice.random()
        if chance < 0.3:
            operations = [
                (dice.choice(["create", "set", "delete", "set"]), dice.choice(NAMES))
                for _ in range(dice.choice([1, 1, 2, 3]))
            ]
            world.others_write(operations)
        elif chance < 0.5:
            world.own_write(dice.choice(["create", "set", "set", "delete"]), dice.choice(NAMES))
        elif chance < 0.55:
            world.own_sync()
        elif chance < 0.6:
            world.disconnect()
        elif chance < 0.63:
            world.others_remove_and_make_root()
        elif chance < 0.7 and impatient:
            world.lose_patience()
        elif chance < 0.78 and troubled:
            name = dice.choice([ROOT, *NAMES])
            world.others_write([(dice.choice(["close", "open"]), name)])
        elif chance < 0.83:
            world.retry()
        if not world.online and dice.random() < 0.5:
            world.connect(dice.randrange(4), dice.random() < 0.5)
    world.finish()


@settings(max_examples=1500, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_published_state_is_the_state_at_its_zxid(seed: int) -> None:
    walk(seed)


# -- mistakes, each of which the machine has to find


class PublishesWhilePending(Cache):
    def _settle(self, request: Request) -> Publication | None:
        if request.epoch == self._epoch and self._root_exists is not None and not self._syncing:
            self._replied = request
            return self._publish(request, exact=True)
        return None


class CountsOlderReplies(Cache):
    def _accept(self, request: Request, *, answered: bool = True) -> bool:
        if request.epoch != self._epoch:
            return False
        self._in_flight -= 1
        self._pending.discard(request.name)
        return True


class IgnoresDeletedEvents(Cache):
    def event(self, request: Request, *, deleted: bool) -> None:
        if not deleted or request.name == ROOT:
            super().event(request, deleted=deleted)


class IgnoresChangesOfChildren(Cache):
    def event(self, request: Request, *, deleted: bool) -> None:
        if deleted or request.name == ROOT:
            super().event(request, deleted=deleted)


class MissesNewKeys(Cache):
    def event(self, request: Request, *, deleted: bool) -> None:
        if request.name != ROOT:
            super().event(request, deleted=deleted)


class KeepsRemovedKeys(Cache):
    def _remove(self, name: str) -> None:
        pass


class ForgetsKeysMadeAgain(Cache):
    def _is_being_read(self, name: str) -> bool:
        return True


class NeverSyncs(Cache):
    def connected(self) -> None:
        super().connected()
        self._want_sync = self._syncing = False


class KeepsTheOldEpoch(Cache):
    def disconnected(self) -> None:
        epoch = self._epoch
        super().disconnected()
        self._epoch = epoch


class TrustsTheCopyAfterReconnect(Cache):
    def connected(self) -> None:
        super().connected()
        for name in self._znodes:
            self._wanted.pop(name, None)
            self._pending.discard(name)


class BelievesOffers(Cache):
    def stat_reply(self, request: Request, stat: Znode | None) -> Publication | None:
        offer = self._offers.get(request.name)
        return super().stat_reply(request, stat if stat is None or offer is None else offer)


class ClaimsTooMuch(Cache):
    def _publish(self, held: Request, *, exact: bool) -> Publication:
        return super()._publish(held._replace(floor=held.floor + 1), exact=exact)


class ClaimsWritesEarly(Cache):
    def _settle(self, request: Request) -> Publication | None:
        if request.epoch == self._epoch:
            self._replied = self._replied._replace(position=self._sent)
        return super()._settle(request)


class ComparesVersionsOnly(Cache):
    def stat_reply(self, request: Request, stat: Znode | None) -> Publication | None:
        known = self._znodes.get(request.name)
        if stat is not None and known is not None and known.version == stat.version:
            stat = known
        return super().stat_reply(request, stat)


class MissesTheRootsReturn(Cache):
    def root_reply(self, request: Request, exists: bool) -> Publication | None:
        return super().root_reply(request, False)


class LaysOverForGood(Cache):
    def force(self, overlay: Mapping[str, Znode | None] | None = None) -> Publication | None:
        publication = super().force(overlay)
        for name in overlay or {}:
            self._wanted.pop(name, None)
            self._pending.discard(name)
        return publication


class TakesOldListsForNew(Cache):
    def _listed(self, names: set[str], before: Request) -> None:
        self._overlaid.clear()
        super()._listed(names, before)


class NeverReadsAgain(Cache):
    def retry(self) -> None:
        pass


class TakesAnErrorForNothing(Cache):
    def no_reply(self, request: Request) -> int:
        self.data_reply(request, None)
        return 0


class TrustsEveryWatch(Cache):
    def look(self, name: str, stat: Znode | None) -> None:
        pass


class TrustsTheListsWatch(Cache):
    def look_at_root(self, pzxid: int | None) -> None:
        pass


class ClaimsWhatIsPending(Cache):
    def _held(self) -> Request:
        return self._replied if self._online else super()._held()


class ClaimsWhatWasOnlyLookedAt(Cache):
    def stat_reply(self, request: Request, stat: Znode | None) -> Publication | None:
        publication = super().stat_reply(request, stat)
        if request.name in self._read and request.epoch == self._epoch:
            self._read[request.name] = request
        return publication


MISTAKES = [
    mistake
    for mistake in list(globals().values())
    if isinstance(mistake, type) and issubclass(mistake, Cache) and mistake is not Cache
]


class RepliesOvertakeEvents(World):
    """Not the cache's mistake but its driver's: replies not sent through the queue of events."""

    def completion_task(self) -> None:
        if self.completions:
            for request, write, answer, _ in self._completed(self.completions.popleft()):
                self._check(self._reply(request, write, answer))
            self._pump()


class ZxidOfLaterReplies(World):
    """The last zxid seen when the reply is handled, instead of when the request was sent."""

    def _reply(self, request: Request, write: Any, answer: Any) -> Publication | None:
        late = Request(request.position, request.epoch, request.kind, request.name, self.last_zxid)
        return super()._reply(late, write, answer)


TRIES = 4000


def _is_found(make_cache: type[Cache], world_type: type[World] = World) -> bool:
    return any(caught(partial(walk, seed, make_cache, world_type)) for seed in range(TRIES))


@pytest.mark.parametrize("seed", [639660664, 2847238704, 1037216283])
def test_what_was_found_stays_mended(seed: int) -> None:
    """By `make hunt`: a child that waits for the list of a root that is gone; a sync that was sent
    before the root was found missing.
    """
    walk(seed)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_is_found(mistake: type[Cache]) -> None:
    assert _is_found(mistake)


@pytest.mark.parametrize("world", [RepliesOvertakeEvents, ZxidOfLaterReplies])
def test_a_mistake_of_the_driver_is_found(world: type[World]) -> None:
    assert _is_found(Cache, world)


def test_force_shows_what_is_known() -> None:
    """A bounded wait ran out: the newest values that were read, with own writes, not exact."""
    cache = Cache()

    def node(raw: bytes, zxid: int) -> Znode:
        return Znode(raw, 0, zxid, zxid, 0, 0, 0)

    def next_request() -> Request:
        request = cache.next_request(0)
        assert request is not None
        return request

    assert cache.force() is None
    cache.connected()
    assert cache.sync_reply(next_request(), synced=True) is None
    assert cache.children_reply(next_request(), ["a", "b"], 2) is None
    first = next_request()
    assert cache.data_reply(first, node(b"1", 1)) is None
    loaded = cache.data_reply(next_request(), node(b"1", 2))
    assert loaded is not None
    assert loaded.exact
    assert cache.force() is None  # nothing new
    cache.event(first, deleted=False)
    assert cache.force() is None  # nothing was read yet
    forced = cache.force({"b": None, "c": node(b"mine", 5)})
    assert forced is not None
    assert not forced.exact
    assert {delta.name: delta.new for delta in forced.deltas} == {"b": None, "c": node(b"mine", 5)}
    assert (forced.zxid, forced.position) == (loaded.zxid, loaded.position)
    # What was laid over the copy is looked at again, before any state is called exact.
    assert cache.data_reply(next_request(), node(b"2", 4)) is None
    assert cache.data_reply(next_request(), None) is None
    settled = cache.data_reply(next_request(), node(b"mine", 5))
    assert settled is not None
    assert settled.exact
    assert [delta.name for delta in settled.deltas] == ["a"]
    assert settled.zxid == 5


def test_a_reply_that_comes_behind_its_watchs_event_brings_the_copy_forward() -> None:
    """Replies are handed over in batches. Keys that change faster would never be shown else."""
    cache = Cache()
    loading(cache, 2)
    for round_ in range(1, 4):
        reads = taken(cache)
        for read in reads:
            cache.event(read, deleted=False)
        for read in reads:
            znode = Znode(b"", round_, 1, read.position, 0, 0, 0)
            assert cache.data_reply(read, znode) is None, "it is pending"
        forced = cache.force()
        assert forced is not None
        assert forced.live
        assert forced.position == reads[0].position
        assert {delta.new.version for delta in forced.deltas if delta.new} == {round_}
    cache.connected()
    late = Znode(b"of an older connection", 9, 1, 9, 0, 0, 0)
    cache.data_reply(reads[0], late)
    assert cache.working(reads[0].name) != late


def test_an_own_write_is_not_taken_back_by_the_reply_to_an_earlier_read() -> None:
    """The caller was woken, and lost patience, before that was handed over."""
    for mine in (Znode(b"mine", 1, 1, 5, 0, 0, 0), None):
        cache = Cache()
        loading(cache, 1)
        read = taken(cache)[0]
        name = read.name
        assert cache.data_reply(read, Znode(b"1", 0, 1, 1, 0, 0, 0)) is not None
        cache.event(read, deleted=False)
        read = taken(cache)[0]
        assert cache.force({name: mine}) is not None
        assert cache.data_reply(read, Znode(b"2", 0, 1, 2, 0, 0, 0)) is None
        assert cache.working(name) == mine


def test_what_was_laid_over_the_copy_is_not_taken_back_by_a_server_that_lags() -> None:
    """A server without a quorum cannot sync: what it shows is held back, not shown as newer."""
    cache = Cache()

    def request() -> Request:
        request = cache.next_request(0)
        assert request is not None
        return request

    cache.connected()
    cache.sync_reply(request(), synced=True)
    assert cache.children_reply(request(), [], 2) is not None
    assert cache.force({"own": Znode(b"mine", 0, 5, 5, 0, 0, 0)}) is not None
    for synced in (False, True):
        cache.connected()
        cache.sync_reply(request(), synced=synced)
        listed = cache.children_reply(request(), [], 2)
        checked = cache.stat_reply(request(), None) if not synced else None
        shown = listed or checked
        assert (shown is not None) is synced


def loading(cache: Cache, names: int) -> None:
    """Bring a cache to where it wants the data of so many children."""
    cache.connected()
    for _ in range(2):
        request = cache.next_request(0)
        assert request is not None
        if request.kind is Kind.SYNC:
            cache.sync_reply(request, synced=True)
        else:
            cache.children_reply(request, [f"{number:04}" for number in range(names)], 1)


def taken(cache: Cache) -> list[Request]:
    """All reads that are to be sent now."""
    return list(iter(lambda: cache.next_request(0), None))  # type: ignore[arg-type]


def test_a_load_leaves_room_for_callers() -> None:
    cache = Cache()
    loading(cache, 3 * WINDOW)
    assert len(taken(cache)) == WINDOW <= 1000


@given(st.lists(st.sampled_from(["reply", "lost", "event", "reconnect"]), max_size=60))
def test_no_more_reads_are_under_way_than_the_window_has_room_for(steps: list[str]) -> None:
    """And no fewer, while any are wanted: replies of an older connection make no room."""
    window, names = 3, 10
    cache = Cache(window)
    loading(cache, names)
    under_way: deque[Request] = deque(taken(cache))
    assert len(under_way) == window
    zxid = 1
    for step in steps:
        if step == "reconnect":
            cache.disconnected()
            assert cache.next_request(0) is None
            loading(cache, names)
            under_way.clear()
        elif step == "lost" and under_way:  # of a connection that is gone
            late = under_way[0]._replace(epoch=under_way[0].epoch - 1)
            assert cache.data_reply(late, None) is None
        elif step == "event" and under_way:
            cache.event(under_way[0], deleted=False)
        elif step == "reply" and under_way:
            request = under_way.popleft()
            zxid += 1
            znode = Znode(b"", 0, zxid, zxid, 0, 0, 0)
            if request.kind is Kind.STAT:
                cache.stat_reply(request, znode)
            else:
                cache.data_reply(request, znode)
        under_way.extend(taken(cache))
        assert min(window, cache.pending) <= len(under_way) <= window
