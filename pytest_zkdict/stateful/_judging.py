"""What dicts show and answer, held against everything that may have happened."""

from __future__ import annotations

import contextlib
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis.stateful import initialize
from kazoo.exceptions import KazooException

from pytest_zkdict.stateful._faults import FaultSteps, kinds_of_faults
from pytest_zkdict.stateful._listening import DictListener
from pytest_zkdict.stateful._places import SimulatedPlace
from pytest_zkdict.stateful._possible import (
    Applied,
    Possibilities,
    PossibleCall,
    PossibleZnode,
    TooManyCourses,
    agree,
    find,
    may_be,
    text,
)
from zkdict import ZooKeeperDict
from zkdict.errors import Timeout, VersionConflict, WriteUncertain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_zkdict.stateful._places import Place, Running
    from pytest_zkdict.stateful._possible import Course, Znodes
    from pytest_zkdict.stateful._writes import Write
    from zkdict import Snapshot

__all__ = ["JudgedDicts"]


class _JudgedCall:
    """A call under way, and its answer when it has one."""

    def __init__(self, call: PossibleCall, write: Write, text: str) -> None:
        self.call = call
        self.write = write
        self.text = text
        self.running: Running | None = None
        self.value: Any = None
        self.error: Exception | None = None
        self.shows: Znodes = ()
        """What the dict shows after it."""
        self.exact = False
        self.losses: list[Any] = []
        """What waits for its request, to lose the reply."""

    @property
    def shown(self) -> str:
        return repr(self.value) if self.error is None else repr(self.error)


class JudgedDicts(FaultSteps):
    """Several dicts on one path; each call, each look and the end are judged."""

    #: How many dicts, each on a client of its own.
    size: ClassVar[int] = 2
    #: Seconds, virtual ones in a simulation, after which a call without an answer is a failure.
    patience: ClassVar[float] = 600.0
    #: Arguments of each `Simulation`. With this limit a leader is deposed, and others elected,
    #: sooner than clients leave a server that does not answer.
    simulation: ClassVar[dict[str, Any]] = {"servers": 3, "settings": {"syncLimit": 1}}
    #: Arguments of each dict.
    options: ClassVar[dict[str, Any]] = {}

    dicts: list[ZooKeeperDict[Any]]
    """Those of this example."""

    def __init__(self, place: Place | None = None, path: str = "/dict") -> None:
        super().__init__()
        self.path = path
        self.dicts = []
        self._given = place
        self.numbers = itertools.count(1)
        self.possible = Possibilities(self.size)
        self._asked: list[_JudgedCall | None] = []
        self.opened: list[ZooKeeperDict[Any]] = []
        """Further dicts, which are closed at the end."""
        self._listeners: list[DictListener] = []
        self._states: dict[int, tuple[Any, ...]] = {}
        """What was shown as of each zxid."""
        self._uncertain: list[tuple[_JudgedCall, WriteUncertain]] = []
        self._nobody_can_tell = False
        """There are too many courses: nothing is judged until everything was delivered."""

    # -- hooks

    def new_place(self) -> Place:
        """The world of one example: by default a simulation. Raises `ModuleNotFoundError` where
        greenlet is missing.
        """
        return SimulatedPlace(self.size, dict(self.simulation))

    def new_dict(self, on: int) -> ZooKeeperDict[Any]:
        """A dict on ``self.path``, of the client of that number, from 0."""
        assert self.place is not None
        return ZooKeeperDict[Any](
            self.place.clients[on], self.path, history=self.place.history, **self.options
        )

    # -- the life of one example

    @initialize(faults=kinds_of_faults)
    def start(self, faults: list[str] | None = None) -> None:
        self.kinds = faults
        self.place = self._given or self.new_place()
        for on in range(self.size):
            mapping = self.new_dict(on)
            self.dicts.append(mapping)
            self._asked.append(None)
            self._listeners.append(DictListener(mapping, self.place.clients[on]))

    def _close(self, error: BaseException | None) -> None:
        for listener in self._listeners:
            listener.close()
        for mapping in (*self.dicts, *self.opened):
            with contextlib.suppress(*(() if error is None else (Exception,))):
                mapping.close()

    def _finish(self) -> None:
        self.settle_all()
        assert self.place is not None
        if self.place.history is not None:
            self.place.history.check().raise_if_broken()

    def await_rest(self) -> None:
        """Called when every fault is healed: waits for what a subclass has under way."""

    def look_at_rest(self) -> None:
        """Called when everything is delivered: a subclass may compare what it knows with what is
        there.
        """

    # -- calls

    def do(self, on: int, write: Write, text: str, *, wait: bool, fault: str | None) -> None:
        """Have a dict make a call. ``text``: the call, for the report of a failure. ``wait``:
        whether to wait for its answer, and judge it. ``fault``: what strikes just before.
        """
        assert self.place is not None
        self.answered(on)
        if len(self.possible.pending) > self.size or len(self.possible.courses) > 200:
            self.settle_all()
        listener = self._listeners[on]
        repeated = partial(listener.has_lost, listener.losses) if write.repeats else _never
        call = PossibleCall(
            next(self.numbers),
            on,
            write.commits,
            repeated,
            write.times,
            not self.dicts[on].snapshot().exact,
        )
        self.spread(lambda: self.possible.begin(call))
        asked = self._asked[on] = _JudgedCall(call, write, text)
        mapping = self.dicts[on]

        def run() -> None:
            try:
                asked.value = write.do(mapping)
            except Exception as error:
                asked.error = error

        asked.losses = self.meet(fault, [on])
        asked.running = self.place.start(run, self.place.clients[on])
        if wait:
            self.answered(on)
            self.tell_others(on)
        else:
            self.did(f"dict {on}: {text} ...")
        self.look_at_all()

    def answered(self, on: int) -> None:
        """Wait for the call of this dict that is under way; fails unless its answer is possible."""
        asked = self._asked[on]
        if asked is None:
            return
        assert self.place is not None
        assert asked.running is not None
        if not self.place.wait(asked.running, self.patience):
            self.fail(f"dict {on}: {asked.text} has no answer after {self.patience:g} s")
        self._asked[on] = None
        for loss in asked.losses:
            loss.cancel()
        self.look_at(on)  # what it showed before it answered
        snapshot = self.dicts[on].snapshot()
        asked.shows, asked.exact = _znodes(snapshot), snapshot.exact
        self.did(f"dict {on}: {asked.text} -> {asked.shown}")
        self._judge(asked)

    def _judge(self, asked: _JudgedCall) -> None:
        call, error = asked.call, asked.error
        if isinstance(error, WriteUncertain):
            self._uncertain.append((asked, error))
            return
        known = {Timeout, *asked.write.refused}
        if error is not None and type(error) not in known and not _was_made(error):
            raise error
        if not self.keep(lambda course: self._explained(course, asked)):
            self.fail(
                f"dict {call.on}: {asked.text} -> {asked.shown}, and now it is "
                f"{plain(asked.shows)}; {self.what_was()}"
            )
        self.possible.end(call)

    def _resolve(self, asked: _JudgedCall, error: WriteUncertain) -> None:
        """Ask what became of a write; what the answer proves has to be so."""
        try:
            applied = error.resolve(timeout=self.patience)
        except (WriteUncertain, KazooException):
            return  # nothing is proven
        self.did(f"dict {asked.call.on}: {asked.text}: resolve() -> {applied}")
        if applied and not asked.write.proves:
            return

        def is_so(course: Course) -> Iterator[Course]:
            if (course.of(asked.call) is not None) == applied:
                yield course

        if not self.keep(is_so):
            self.fail(
                f"dict {asked.call.on}: {asked.text} was uncertain, and resolve() said {applied}; "
                f"{self.what_was()}"
            )

    def _explained(self, course: Course, asked: _JudgedCall) -> Iterator[Course]:
        call, write = asked.call, asked.write
        applied = course.of(call)
        if _was_made(asked.error):
            if applied is not None:
                yield course
        elif asked.error is not None:
            test = write.refused.get(type(asked.error))
            if applied is None and (test is None or test(course.during(call))):
                yield course
        elif applied is not None:
            if _answers(applied.answer, asked.value):
                yield from _sees_own(course, applied, asked)
        elif write.unapplied is not None:
            place = write.unapplied(course.during(call), asked.value)
            if place is not None:
                yield course.sees(call.on, place)

    def tell_others(self, on: int | None) -> None:
        """Who wrote tells the other dicts, where servers may differ: what they sync to has it."""
        if self.servers_differ:
            for other, asked in enumerate(self._asked):
                if other != on and asked is None:
                    self.catch_up(other)

    def catch_up(self, on: int) -> None:
        """`sync()` of a dict."""
        mark = self.mark()
        try:
            self.dicts[on].sync(timeout=self.patience)
        except Timeout:
            self.possible.forget(mark)
            return
        self.did(f"dict {on}: sync()")
        self.look_at(on)  # what it showed before
        self.possible.caught_up(on, mark)
        self.look_at(on)

    def comes_true(self, condition: Callable[[], bool]) -> bool:
        """Whether it is true within `patience`; time passes until then."""
        assert self.place is not None
        return self.place.comes_true(condition, self.patience)

    def mark(self) -> int:
        """A mark at the newest state of each course, for `Possibilities.caught_up` or `forget`."""
        number = next(self.numbers)
        self.spread(lambda: self.possible.mark(number))
        return number

    def keep(self, explain: Any) -> bool:
        """Keep the courses that explain what was seen, as `explain` makes them; whether any do."""
        if not self._nobody_can_tell:
            try:
                return self.possible.keep(explain)
            except TooManyCourses:
                self._nobody_can_tell = True
        return True

    def spread(self, action: Callable[[], None]) -> None:
        """Call ``action``, which adds to the possible courses. Where these become too many, nothing
        is judged until everything is delivered.
        """
        if not self._nobody_can_tell:
            try:
                action()
            except TooManyCourses:
                self._nobody_can_tell = True
            else:
                return
        self.settle_all()
        action()

    def what_was(self) -> str:
        """The last states that the path may have had, for the report of a failure."""
        states = max((course.states for course in self.possible.courses), key=len)
        return "the path may have been " + ", ".join(str(plain(state)) for state in states[-4:])

    # -- looks

    def look_at(self, on: int) -> None:
        """Judge each state that a dict has shown since the last look."""
        for snapshot in self._listeners[on].looks():
            self._judge_look(on, snapshot)

    def _judge_look(self, on: int, snapshot: Snapshot[Any]) -> None:
        state = _znodes(snapshot)
        if not snapshot.exact:
            self._look_at_each(on, state)
            return
        known = self._states.setdefault(snapshot.zxid, state)
        if known != state:
            self.fail(
                f"as of {snapshot.zxid:#x} dict {on} is {plain(state)}; {plain(known)} was shown "
                "before"
            )

        def shows(course: Course) -> Iterator[Course]:
            for place, was in enumerate(course.since(on), course.seen[on]):
                if agree(was, state) and course.keeps_floors(on, place, state):
                    yield course.sees(on, place)
                    return

        if not self.keep(shows):
            self.fail(f"dict {on} is {plain(state)}; {self.what_was()}")

    def _look_at_each(self, on: int, state: Znodes) -> None:
        """The state need not have existed; each key is as it was once, and none goes back."""
        states = (state, *(was for course in self.possible.courses for was in course.since(on)))
        for key in sorted({znode.key for was in states for znode in was}):
            shown = find(state, key)

            def had(course: Course, key: str = key, shown: Any = shown) -> Iterator[Course]:
                if (seen := course.sees_key(on, key, shown)) is not None:
                    yield seen

            if not self.keep(had):
                self.fail(
                    f"dict {on} is {plain(state)}, with {key!r} of no time; {self.what_was()}"
                )

    def look_at_all(self) -> None:
        """Look at every dict, as `look_at`."""
        for on in range(len(self.dicts)):
            self.look_at(on)

    # -- the end

    def settle_all(self) -> None:
        """Heal every fault, wait until everything is delivered, and judge: all dicts are equal."""
        assert self.place is not None
        delivered = self.place.settle(self.outages)
        self.outages.clear()
        self.servers_differ = False
        for on in range(self.size):
            self.answered(on)
        uncertain, self._uncertain = self._uncertain, []
        for asked, error in uncertain:
            self._resolve(asked, error)
        self.await_rest()
        self.did("everything is healed and delivered")
        self._agree_unasked()
        final: list[Znodes] = []
        for on, mapping in enumerate(self.dicts):
            mapping.sync(timeout=self.patience)
            final.append(_znodes(mapping.snapshot()))
            if final[0] != final[on]:
                self.fail(
                    f"everything was delivered, and dict 0 is {plain(final[0])}, "
                    f"dict {on} is {plain(final[on])}"
                )
        now = final[0]
        if not self.keep(lambda course: [course] if agree(course.now, now) else []):
            self.fail(
                f"everything was delivered, and the dicts are {plain(now)}; {self.what_was()}"
            )
        self._look_at_what_was_told()
        self.look_at_rest()
        self.look_at_all()
        if delivered or self._nobody_can_tell:
            self.possible.settled(now)
            self._nobody_can_tell = False

    def _agree_unasked(self) -> None:
        """A dict needs no `sync()` to become as new as the path."""

        def agree_by_now() -> bool:
            first, *others = [_znodes(mapping.snapshot()) for mapping in self.dicts]
            return all(other == first for other in others) and any(
                agree(course.now, first) for course in self.possible.courses
            )

        try:
            self.possible.spread()
        except TooManyCourses:
            self._nobody_can_tell = True
        if self._nobody_can_tell:
            return
        if not self.comes_true(agree_by_now):
            shown = ", ".join(
                f"dict {on} is {plain(_znodes(mapping.snapshot()))}"
                for on, mapping in enumerate(self.dicts)
            )
            self.fail(f"everything was delivered long ago, and {shown}; {self.what_was()}")

    def _look_at_what_was_told(self) -> None:
        """What `on_changes` told of leads to what is there."""
        for on, (listener, mapping) in enumerate(zip(self._listeners, self.dicts, strict=True)):

            def is_so(listener: DictListener = listener, mapping: Any = mapping) -> bool:
                return bool(listener.told == dict(mapping.snapshot().items()))

            # It is told by a task of its own.
            if not self.comes_true(is_so):
                shown = dict(mapping.snapshot().items())
                self.fail(f"dict {on} told of {listener.told}, and is {shown}")


def _never() -> bool:
    return False


def _was_made(error: Exception | None) -> bool:
    """Whether it says that it was applied to a key that was made again with the same version."""
    return isinstance(error, VersionConflict) and error.applied


def _sees_own(course: Course, applied: Applied, asked: _JudgedCall) -> Iterator[Course]:
    """The course, if the dict shows its own write."""
    shows, newer = asked.shows, course.states[applied.place :]
    if asked.exact and any(agree(state, shows) for state in newer):
        yield course.sees(asked.call.on, applied.place)
        return
    # Until an own write is confirmed it may be laid over a copy that is older.
    on = asked.call.on
    for key in applied.keys:
        is_ = find(shows, key)
        if not any(may_be(find(state, key), is_) for state in newer):
            return
    yield course.with_floors(
        {(on, key): max(course.oldest(on, key), applied.place) for key in applied.keys}
    )


def _znodes(snapshot: Snapshot[Any]) -> Znodes:
    found = []
    for key in snapshot:
        entry = snapshot.entry(key)
        found.append(PossibleZnode(key, text(entry.value), entry.version))
    return tuple(found)


def _answers(expected: Any, answer: Any) -> bool:
    """Whether this is the answer, but for a version that nobody knows."""
    if isinstance(expected, tuple) and isinstance(answer, tuple):
        return len(expected) == len(answer) and all(map(_answers, expected, answer))
    return expected is None or bool(expected == answer)


def plain(state: Sequence[PossibleZnode]) -> dict[str, str]:
    return {key: f"{value} v{version}" for key, value, version in state}
