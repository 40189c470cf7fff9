"""All that the live copy deals with, step by step: a walk is chosen by its seed.

A server, a replica that lags, one connection and kazoo's three tasks are modelled step by step, and
take their steps in any order the real ones could.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from zkdict._copy.cache import Cache
from zkdict._copy.items import ROOT, Kind, Publication, ReadZnode, SentRequest

from .cache_server import Server, State

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ["a", "b", "c"]
BATCH = 2  # reads that come back together
READS = {Kind.CHILDREN, Kind.ROOT_EXISTS, Kind.STAT, Kind.DATA}
NO_ANSWER = "an error that says nothing"
REFUSED = ReadZnode(b"", -1, 0, 0, 0, 0, 0, PermissionError())
_REFUSED = (REFUSED.raw, REFUSED.mzxid)


class World:
    """Everybody involved, and the steps they can take."""

    watch_requests = 0  # that set a watch and read nothing, for each connection

    def __init__(self) -> None:
        self.server = Server()
        self.cache = Cache(window=2 * BATCH)
        self.online = False
        self.last_zxid = 0  # what the client saw in reply headers
        self.sent: deque[tuple[SentRequest, Any]] = deque()
        self.waiting: deque[tuple[SentRequest, Any, int]] = deque()  # for the replica to catch up
        self.stream: deque[Any] = deque()  # from the server
        self.data_watchers: dict[str, list[SentRequest]] = {}
        self.child_watchers: dict[str, list[SentRequest]] = {}
        self.completions: deque[Any] = deque()
        self.batches: dict[int, list[int]] = {}  # position -> those it comes back with
        self.answered: dict[int, Any] = {}  # position -> what waits for the rest of its batch
        self.callbacks: deque[Callable[[], None]] = deque()
        self.shown: dict[str, tuple[bytes, int]] | None = None
        self.zxid = self.updated = self.position = 0
        self.looks: set[int] = set()  # positions of syncs behind which everything is looked at
        self.own: dict[int, int] = {}  # position of an own write -> its zxid
        self.impatient: deque[tuple[int, str, ReadZnode | None]] = (
            deque()
        )  # answered, and not seen yet
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
            answer = self._answer(request, write, needs)
            self.stream.append((request, write, answer, server.applied, +server.dropped))

    def _answer(self, request: SentRequest, write: Any, needs: int) -> Any:
        server = self.server
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
            if tree is not None and self._sets_watch(request):
                server.child_watches.add(ROOT)
        elif request.kind is Kind.ROOT_EXISTS:
            answer = tree is not None
            server.data_watches.add(ROOT)
        elif request.kind is Kind.STAT or (request.kind is Kind.DATA and node is not None):
            if self._sets_watch(request):
                server.data_watches.add(name)
        elif write is not None:
            after = server.states[needs].tree or {}
            answer = after.get(write[1]) if request.position in self.own else None
        return answer

    def _sets_watch(self, request: SentRequest) -> bool:
        return request.kind in READS

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
        if answer is NO_ANSWER or answer is REFUSED or not self._sets_watch(request):
            return
        if request.kind is Kind.CHILDREN:
            self.child_watchers.setdefault(ROOT, []).append(request)
        elif request.kind in (Kind.STAT, Kind.DATA, Kind.ROOT_EXISTS):
            self.data_watchers.setdefault(request.name, []).append(request)

    def _event_callback(self, request: SentRequest, deleted: bool) -> Callable[[], None]:
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

    def _reply(self, request: SentRequest, write: Any, answer: Any) -> Publication | None:
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

    def _send(self, request: SentRequest, write: Any) -> None:
        if self.online:
            self.sent.append((request, write))

    # -- own writes and syncs

    def own_write(self, operation: str, name: str) -> None:
        if not self.online:
            return
        cache = self.cache
        self._send(cache.mark(self.last_zxid), (operation, name))
        known = cache.peek(name) is not None
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
                known = self.cache.peek(name)
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
        for name, new in publication.changes.items():
            if new is None:
                del shown[name]
            else:
                assert shown.get(name) != (new.raw, new.mzxid)
                shown[name] = (new.raw, new.mzxid)
        assert publication.updated >= self.updated
        if publication.changes and self.shown is not None:
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
            assert self.cache.root_exists == (truth.tree is not None)
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
        most = (3 if self.cache.root_exists else 4) + len(self.shown or {})
        assert self.cache.sent - sent <= most + self.watch_requests
        assert self.shown == self.server.states[-1].contents()


def _without(
    shown: dict[str, tuple[bytes, int]] | None, names: set[str]
) -> dict[str, tuple[bytes, int]]:
    return {name: node for name, node in (shown or {}).items() if name not in names}


def walk(seed: int, make: Callable[[], World] | None = None) -> None:
    """Let everybody take steps at random; raise AssertionError where something does not hold.

    `make`: makes the world.
    """
    dice = random.Random(seed)
    world = (make or World)()
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
