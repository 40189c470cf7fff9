"""What may be true of one path while calls are under way, answers are lost and copies are behind.

A *course* is one way in which everything may have happened: the states that the path went through,
in order, and which call was applied where. Nobody can tell from outside which course is the real
one, so all of them are kept. Each observation leaves those that explain it; one that no course
explains is a mistake.

The rules that live here:

- A call may be applied between its begin and its answer, once; if it was sent again (it stores
  values, whatever is there, and its connection was lost), several times.
- A call whose answer was lost may be applied at any time until everything was delivered, or never.
- What a dict shows is a state of the course, and none before one that it showed, wrote or answered
  with. Where its copy could not be confirmed, each key is as it was in some state; none goes back.
- A call whose negative answer goes by a copy goes by what the dict showed when the call began, or
  by something newer.
- What is compared is a key's value and its version, and the order of the keys: that of their
  creation; those of one transaction by name. Where a call may have been sent again, nobody knows
  the version.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "Course",
    "Possibilities",
    "PossibleCall",
    "PossibleZnode",
    "TooManyCourses",
    "Znodes",
    "agree",
    "find",
    "may_be",
    "put",
    "text",
]  # fmt: skip

#: So often a call that may be sent again is applied at most. Applied again at once it leaves the
#: same state, as nobody knows the version; between the writes of others twice is what is tried.
_TIMES = 2
#: More are not tried.
_MIXTURES = 100


class PossibleZnode(NamedTuple):
    """A key, its value as JSON, and its version; ``None``: it may be any."""

    key: str
    value: str
    version: int | None

    def agrees(self, other: PossibleZnode) -> bool:
        """Whether both may be the same."""
        return self[:2] == other[:2] and (
            self.version == other.version or self.version is None or other.version is None
        )


Znodes = tuple[PossibleZnode, ...]


def may_be(one: PossibleZnode | None, other: PossibleZnode | None) -> bool:
    """Whether both may be the same; ``None``: there is no such key."""
    if one is None or other is None:
        return one is other
    return one.agrees(other)


def agree(one: Znodes, other: Znodes) -> bool:
    """Whether both may be the same state."""
    return len(one) == len(other) and all(a.agrees(b) for a, b in zip(one, other, strict=True))


def text(value: Any) -> str:
    """A value as it is compared."""
    return json.dumps(value, sort_keys=True)


def find(state: Znodes, key: str) -> PossibleZnode | None:
    """What the key is in this state."""
    return next((znode for znode in state if znode.key == key), None)


def put(state: Znodes, changes: Mapping[str, str | None]) -> Znodes:
    """The state after one transaction; ``None`` deletes."""
    found: list[PossibleZnode] = []
    for znode in state:
        if znode.key not in changes:
            found.append(znode)
        elif (value := changes[znode.key]) is not None:
            version = None if znode.version is None else znode.version + 1
            found.append(PossibleZnode(znode.key, value, version))
    known = {znode.key for znode in state}
    new = [(key, changes[key]) for key in sorted(changes.keys() - known)]
    found += [PossibleZnode(key, value, 0) for key, value in new if value is not None]
    return tuple(found)


class Applied(NamedTuple):
    """Where a call was applied last, how often, what it then answers, and which keys it changed."""

    place: int
    times: int
    answer: Any
    keys: tuple[str, ...]


class Course(NamedTuple):
    """One way in which everything may have happened."""

    states: tuple[Znodes, ...]
    """Those since the last time that everything was delivered."""
    seen: tuple[int, ...]
    """For each dict the place of the oldest state that it may still show."""
    begun: tuple[tuple[int, int], ...] = ()
    """For each call under way the place of the oldest state that it may go by."""
    applied: tuple[tuple[int, Applied], ...] = ()
    keys: tuple[tuple[tuple[int, str], int], ...] = ()
    """For a dict and a key the place of the oldest state whose value of the key it may still show,
    where that is newer than what `seen` says.
    """
    mixed: bool = False
    """As a call knows it: whether its copy may be of no single state."""

    @property
    def now(self) -> Znodes:
        return self.states[-1]

    def since(self, on: int) -> tuple[Znodes, ...]:
        """The states that dict ``on`` may show."""
        return self.states[self.seen[on] :]

    def since_when(self, number: int) -> int:
        """The place at a mark, or at the beginning of a call."""
        return dict(self.begun).get(number, 0)

    def during(self, call: PossibleCall) -> Course:
        """The course as the call knows it."""
        seen = (*self.seen[: call.on], self.since_when(call.number), *self.seen[call.on + 1 :])
        mixed = call.mixed or any(of == call.on for (of, _), _ in self.keys)
        return self._replace(seen=seen, mixed=mixed)

    def wholes(self, on: int) -> tuple[Znodes, ...]:
        """What a call of dict ``on`` may go by, where it goes by all keys: states; or, where the
        copy could not be confirmed, each key as it was at some time.
        """
        states = self.since(on)
        if not self.mixed:
            return states
        names = sorted({znode.key for state in states for znode in state})
        each = [dict.fromkeys(find(state, name) for state in states) for name in names]
        mixtures = itertools.islice(itertools.product(*each), _MIXTURES)
        orders = (itertools.permutations(filter(None, mixture)) for mixture in mixtures)
        return (*states, *itertools.chain.from_iterable(orders))

    def of(self, call: PossibleCall) -> Applied | None:
        return dict(self.applied).get(call.number)

    def sees(self, on: int, place: int) -> Course:
        """The course in which dict ``on`` shows nothing older than this from now on."""
        if place <= self.seen[on]:
            return self
        seen = (*self.seen[:on], place, *self.seen[on + 1 :])
        keys = tuple(each for each in self.keys if each[0][0] != on or each[1] > place)
        return self._replace(seen=seen, keys=keys)

    def with_floors(self, floors: Mapping[tuple[int, str], int]) -> Course:
        """The course with these entries of `keys`."""
        return self._replace(keys=tuple(sorted({**dict(self.keys), **floors}.items())))

    def oldest(self, on: int, key: str | None = None) -> int:
        """The place of the oldest state whose value of the key dict ``on`` may still show; without
        a key, of the oldest that it may show as a whole.
        """
        newer = (place for (of, what), place in self.keys if of == on and key in (what, None))
        return max((self.seen[on], *newer))

    def keeps_floors(self, on: int, place: int, state: Znodes) -> bool:
        """Whether dict ``on`` may show this state of this place. One that is older than what the
        dict showed of a key has to show the same of it: an own delete of a key that the copy has
        not leaves the copy as it was.
        """
        return place >= self.oldest(on) or all(
            self.sees_key(on, key, find(state, key)) is not None
            for (of, key), _ in self.keys
            if of == on
        )

    def sees_key(self, on: int, key: str, value: PossibleZnode | None) -> Course | None:
        """The course in which dict ``on`` shows this value of the key; ``None``: it cannot."""
        oldest = self.oldest(on, key)
        for place, state in enumerate(self.states[oldest:], oldest):
            if may_be(find(state, key), value):
                if place <= self.seen[on]:
                    return self
                return self.with_floors({(on, key): place})
        return None


@dataclass(frozen=True, eq=False)
class PossibleCall:
    """A call of dict ``on`` that writes."""

    number: int
    on: int
    commits: Callable[[Course], Iterable[tuple[Znodes, Any]]]
    """What it may make of the newest state of a course, and what it then answers."""
    repeated: Callable[[], bool] = lambda: False
    """Whether it may have been sent again by now."""
    times: int = 1
    """How often it is applied at most, unless it was sent again."""
    mixed: bool = False
    """Whether its dict showed a copy that could not be confirmed, when the call began."""


class TooManyCourses(Exception):  # noqa: N818  no error: everything has to be delivered first
    """More courses than are worth keeping."""


@dataclass
class Possibilities:
    """All courses that explain what was seen."""

    dicts: int
    most: int = 2_000
    courses: list[Course] = field(default_factory=list)
    pending: dict[int, PossibleCall] = field(default_factory=dict)
    """The calls that may yet be applied."""

    def __post_init__(self) -> None:
        self.settled(())

    def settled(self, state: Znodes) -> None:
        """Everything was delivered, and this is what is left."""
        self.courses = [Course((state,), (0,) * self.dicts)]
        self.pending.clear()

    def begin(self, call: PossibleCall) -> None:
        self.spread()
        self.pending[call.number] = call
        self._mark(call.number, lambda course: course.seen[call.on])

    def mark(self, number: int) -> None:
        """Remember the newest state of each course."""
        self.spread()
        self._mark(number, lambda course: len(course.states) - 1)

    def _mark(self, number: int, place: Callable[[Course], int]) -> None:
        self.courses = [
            course._replace(begun=(*course.begun, (number, place(course))))
            for course in self.courses
        ]

    def caught_up(self, on: int, number: int) -> None:
        """Dict ``on`` shows nothing older than what was newest at this mark."""
        self.courses = [course.sees(on, course.since_when(number)) for course in self.courses]
        self.forget(number)

    def end(self, call: PossibleCall) -> None:
        """The call was answered: from now on it is not applied."""
        self.pending.pop(call.number, None)  # unless everything was delivered meanwhile
        self.forget(call.number)

    def forget(self, number: int) -> None:
        """A mark or a call is done with."""
        self.courses = _distinct(
            course._replace(
                begun=tuple(each for each in course.begun if each[0] != number),
                applied=tuple(each for each in course.applied if each[0] != number),
            )
            for course in self.courses
        )

    def keep(self, explain: Callable[[Course], Iterable[Course]]) -> bool:
        """Keep the courses that explain an observation, as it makes them; whether there are any."""
        self.spread()
        kept = _distinct(each for course in self.courses for each in explain(course))
        if kept:
            self.courses = kept
        return bool(kept)

    def spread(self) -> None:
        """Apply what may have been applied by now, in every order."""
        known = {_key(course): course for course in self.courses}
        new = list(known.values())
        while new:
            made = [each for course in new for each in self._steps(course)]
            new = []
            for course in made:
                key = _key(course)
                if key not in known:
                    known[key] = course
                    new.append(course)
            if len(known) > self.most:
                raise TooManyCourses
        self.courses = list(known.values())

    def _steps(self, course: Course) -> Iterator[Course]:
        applied = dict(course.applied)
        for number, call in self.pending.items():
            times = applied[number].times if number in applied else 0
            again = call.repeated()
            if times >= max(call.times, _TIMES if again else 1):
                continue
            for state, answer in call.commits(course.during(call)):
                made = _unsure(course.now, state) if again else state
                states = course.states if made == course.now else (*course.states, made)
                keys = tuple(sorted({each.key for each in {*course.now} ^ {*made}}))
                done = {**applied, number: Applied(len(states) - 1, times + 1, answer, keys)}
                yield course._replace(states=states, applied=tuple(sorted(done.items())))


def _unsure(before: Znodes, after: Znodes) -> Znodes:
    """The versions of what a call made, if it may have been sent several times."""
    return tuple(each if each in before else each._replace(version=None) for each in after)


def _key(course: Course) -> Any:
    """Two courses that differ only in what nobody may show any more are one."""
    old = min((*course.seen, *(place for _, place in course.begun)))
    if old == 0:
        return course
    return (
        course.states[old:],
        tuple(place - old for place in course.seen),
        tuple((number, place - old) for number, place in course.begun),
        tuple(
            (number, each._replace(place=max(each.place - old, 0)))
            for number, each in course.applied
        ),
        tuple((which, place - old) for which, place in course.keys),
    )


def _distinct(courses: Iterable[Course]) -> list[Course]:
    return list({_key(course): course for course in courses}.values())
