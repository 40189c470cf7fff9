"""The messages between the servers of an ensemble, and how long they take.

A message is an action at the receiving server. Rules that live here:

* `Turns`: everything that happens in an ensemble of several servers is a turn. A turn that is
  caused by another one runs after it, in FIFO order. So no server is called while it handles
  something else, even if the latency is 0.
* A learner and its leader are joined by one connection, as by TCP: two streams, each in order,
  nothing lost inside a stream. Each message takes the latency of its link; none at all by default,
  which makes it the next turn.
* A cut link stops streams, each direction separately. When it is mended in time, what was on its
  way arrives, in order. An end that has received nothing for ``syncLimit`` ticks closes the
  connection; connected servers send something every half tick. The other end goes on until it
  receives the close, or until it has received nothing for as long itself.
* A paused server receives nothing, sends nothing, and closes no connection; what was sent to it
  waits.
* The close of an end arrives after everything that the end had sent before.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._timers import Timers

Range = tuple[int, int]
"""The shortest and the longest time, milliseconds."""


class Timeline(Protocol):
    """When things happen in an ensemble: the ensemble itself, as its parts see it."""

    random: Random
    timers: Timers
    turns: Turns

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""


def draw(random: Random, between: Range) -> int:
    """A time within the range. Draws from ``random`` only if the range has more than one value."""
    low, high = between
    return low if low == high else random.randint(low, high)


class Turns:
    """Actions, one after the other."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._busy = False

    def post(self, action: Callable[..., object], *args: Any) -> None:
        """Runs ``action`` once everything posted before has run; all of it before this returns,
        unless this is called from a turn.
        """
        self._queue.append((action, args))
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                action, args = self._queue.popleft()
                action(*args)
        finally:
            self._busy = False
            self._queue.clear()


class End:
    """One end of a connection between a learner and its leader."""

    __slots__ = ("_last", "_links", "_on_lost", "_under_way", "open", "peer", "source", "target")

    def __init__(self, links: Links, source: int, target: int, on_lost: Callable[[], None]) -> None:
        self.open = True
        self.peer: End
        self.source = source
        self.target = target
        self._links = links
        self._on_lost = on_lost
        self._under_way: deque[tuple[int, Callable[..., None], tuple[Any, ...]]] = deque()
        self._last = 0

    def send(self, action: Callable[..., None], *args: Any) -> None:
        """Runs ``action`` at the other end after the latency, unless that end is closed by then."""
        links = self._links
        now = links.clock.now
        due = max(self._last, now + links.draw_latency(self.source, self.target))
        self._last = due
        if due <= now and not self._under_way and not links.is_held(self.source, self.target):
            links.turns.post(self._deliver, action, args)
        else:
            self._under_way.append((due, action, args))
            links.timers.at(due, self.arrive)

    def arrive(self) -> None:
        """Delivers what is due."""
        links = self._links
        while (
            self._under_way
            and self._under_way[0][0] <= links.clock.now
            and not links.is_held(self.source, self.target)
        ):
            _, action, args = self._under_way.popleft()
            self._deliver(action, args)

    def __str__(self) -> str:
        return f"the link from server {self.source} to server {self.target}"

    @property
    def busy(self) -> bool:
        """Whether something is on its way from here."""
        return bool(self._under_way)

    def _deliver(self, action: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self.peer.open:
            action(*args)

    def close(self) -> None:
        """Closes the connection here. The other end loses it after what was sent before."""
        if self.open:
            self.open = False
            self.send(self.peer.lose)
            self._links.forget(self)

    def give_up(self) -> None:
        """Nothing was received here for too long: the connection is closed and lost."""
        if self.open:
            self.close()
            self._on_lost()

    def lose(self) -> None:
        """The connection is over."""
        if self.open:
            self.open = False
            self._links.forget(self)
            self._on_lost()


class Links:
    """The links between the servers of one ensemble: latencies, cuts, connections."""

    def __init__(self, clock: Timeline, turns: Turns, timers: Timers, random: Random) -> None:
        self.clock = clock
        self.turns = turns
        self.timers = timers
        self.latency: Range = (0, 0)
        """The latency of every link that has none of its own."""
        self.choose: Callable[[list[End]], int] | None = None
        """Which message arrives first, of those that are due at one server at the same time, each
        on a connection of its own. By default it is the one that was sent first.
        """
        self.patience = 0
        """Milliseconds of silence after which an end closes its connection."""
        self.rhythm = 1
        """The longest time between two messages of connected servers, milliseconds."""
        self._random = random
        self._latencies: dict[tuple[int, int], Range] = {}
        self._cuts: dict[tuple[int, int], int] = {}
        self._cut_number = 0
        self._latest_cut: dict[tuple[int, int], int] = {}
        self._deaf: dict[int, list[tuple[int, int]]] = {}
        """The paused servers, each with the cuts that it has yet to notice."""
        self._ends: dict[End, None] = {}

    # -- latency

    def set_latency(self, source: int, target: int, latency: Range | None) -> None:
        """Sets the latency of messages from one server to another; ``None``: the default one."""
        if latency is None:
            self._latencies.pop((source, target), None)
        else:
            self._latencies[source, target] = latency

    def draw_latency(self, source: int, target: int) -> int:
        latency = self._latencies.get((source, target), self.latency)
        return draw(self._random, latency)

    # -- which arrives first

    def first(self, due: list[Callable[[], None]]) -> int:
        """The place of the action that comes next, of all timers of one time."""
        if self.choose is None:
            return 0
        racing: dict[End, int] = {}
        target = 0
        for place, action in enumerate(due):
            end = getattr(action, "__self__", None)
            if isinstance(end, End) and end.busy and not self.is_held(end.source, end.target):
                target = target or end.target
                if end.target == target:
                    racing.setdefault(end, place)
            if not racing:
                return 0  # what comes next is no message
        return [*racing.values()][self.choose([*racing])] if len(racing) > 1 else 0

    # -- cuts

    def is_cut(self, source: int, target: int) -> bool:
        return bool(self._cuts) and (source, target) in self._cuts

    def is_held(self, source: int, target: int) -> bool:
        """Whether messages do not arrive at present."""
        return self.is_cut(source, target) or target in self._deaf

    def joined(self, one: int, other: int) -> bool:
        """Whether two servers receive each other's messages."""
        return not self.is_cut(one, other) and not self.is_cut(other, one)

    def cut(self, source: int, target: int) -> None:
        """Stops messages from ``source`` to ``target``. Each cut needs a `mend` of its own."""
        key = (source, target)
        self._cuts[key] = self._cuts.get(key, 0) + 1
        if self._cuts[key] == 1:
            self._cut_number += 1
            number = self._latest_cut[key] = self._cut_number

            def give_up() -> None:
                if key in self._cuts and self._latest_cut[key] == number:
                    self._break(key)

            now = self.clock.now
            heard = now - now % self.rhythm
            self.timers.at(max(now + 1, heard + self.patience), give_up)

    def mend(self, source: int, target: int) -> None:
        """Takes one `cut` back. Raises `KeyError` where there is none."""
        key = (source, target)
        self._cuts[key] -= 1
        if not self._cuts[key]:
            del self._cuts[key]
            for end in self._between(key):
                if (end.source, end.target) == key:
                    self._resume(end)

    def _resume(self, end: End) -> None:
        """What was held on its way from ``end`` arrives after the latency."""
        # As late as anything sent now: so a server may serve its clients before it learns that its
        # leader has closed the connection, as a real one may.
        delay = self.draw_latency(end.source, end.target)
        if delay:
            self.timers.at(self.clock.now + delay, end.arrive)
        else:
            self.turns.post(end.arrive)

    def _break(self, key: tuple[int, int]) -> None:
        """A server has received nothing from another one for too long."""
        target = key[1]
        if target in self._deaf:
            self._deaf[target].append(key)
            return
        for end in self._between(key):
            if end.source == target:
                end.give_up()

    def stand_still(self, server: int) -> None:
        """Nothing arrives at ``server`` until `go_on`, and it closes no connection."""
        self._deaf[server] = []

    def go_on(self, server: int) -> None:
        """What was sent to ``server`` meanwhile arrives now."""
        overdue = self._deaf.pop(server)
        for end in list(self._ends):
            if end.target == server:
                self._resume(end)
        for key in overdue:
            if key in self._cuts:
                self.turns.post(self._break, key)

    def _between(self, key: tuple[int, int]) -> list[End]:
        return [end for end in self._ends if {end.source, end.target} == {*key}]

    # -- connections

    @property
    def quiet(self) -> bool:
        """Whether no message is on its way."""
        return not any(end.busy for end in self._ends)

    def connect(
        self,
        one: int,
        other: int,
        on_lost: Callable[[], None],
        on_lost_there: Callable[[], None],
    ) -> End:
        """A new connection; the end of ``one``."""
        end, peer = End(self, one, other, on_lost), End(self, other, one, on_lost_there)
        end.peer, peer.peer = peer, end
        self._ends[end] = self._ends[peer] = None
        return end

    def forget(self, end: End) -> None:
        if not end.peer.open:
            self._ends.pop(end, None)
            self._ends.pop(end.peer, None)
