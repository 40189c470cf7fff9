"""The simplest things that can go wrong.

One fault at one request, one slow task, or a fault of which somebody hears late.

Rules that live here: a program that does the same again and again has hundreds of requests of one
kind, and what goes wrong at one of them goes wrong at the first of them. So the first of each kind
comes first, then the second of each, and so on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from zkfake._history.events import Reply, Sent
from zkfake._history.reading import WRITES
from zkfake._simulation.chance.chance import FaultMoment, Struck
from zkfake._simulation.chance.kinds import drawn
from zkfake._simulation.scheduling.schedules import Delay

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from zkfake._channel.rules import Point
    from zkfake._simulation.scheduling.schedules import TaskStep
    from zkfake._simulation.simulation import Simulation

__all__ = [
    "LONG",
    "SOON",
    "answers_of",
    "in_turn",
    "is_left_out",
    "last_answered",
    "late_clients",
    "late_servers",
    "late_sessions",
    "moments_near",
    "simple_parts",
    "slow_tasks",
]

LONG = 1.5
"""An outage, in the longest session timeouts."""
SOON = 0.01
"""A short while, in the longest session timeouts: how long the news takes to a client that is slow,
or for how long a task stands still while its client hears of something.
"""
_AT_ONCE = 0.001
"""From a step to a fault right after it, in seconds."""
_NEAR = 6
"""How many of the requests around a fault it is tied to, for a try."""


_DRAWN = re.compile(r"[0-9a-f]{32}|\d+")
"""What differs between the names of znodes that are of one kind: random names, and numbers."""

_T = TypeVar("_T")

_RATES = {"freeze": "freeze_server"}
"""The rates of faults whose methods have another name."""


def is_left_out(method: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a search is not to have that fault: its rate is given as 0 among the arguments of its
    simulations.
    """
    return arguments.get(_RATES.get(method, method)) == 0


def simple_parts(sim: Simulation) -> Iterator[Struck]:
    """One fault at one request: every kind at every request of a run, the simplest kinds first.

    ``sim``: the run without any fault.
    """
    servers = len(sim.replicas)
    long = LONG * sim.longest_session
    requests = [(event.client, nth) for event, nth in _each_kind(sim)]
    for method in ("drop_before_reply", "drop_before_request", "drop_after_reply"):
        for client, nth in requests:
            yield _at((client, nth), method, client, point="before_request", nth=nth)
    for client, nth in requests:
        yield _at((client, nth), "expire", client, point="before_request")
        yield _at((client, nth), "expire", client, point="after_reply")
    for method in ("pause", "partition", "hold_watches", "hold_events"):
        for client, nth in requests:
            yield _at((client, nth), method, client, point="after_reply", duration=long)
    if servers > 1:
        for client, nth in requests:
            for server in range(1, servers + 1):
                yield _at((client, nth), "freeze", server, point="before_request", duration=long)
            yield _at((client, nth), "stop_server", point="before_request", duration=long)


def late_servers(sim: Simulation) -> Iterator[tuple[Struck, Struck]]:
    """The reply to a write is lost, and a server has not heard of the write: the client may come to
    that one. ``sim``: the run without any fault.
    """
    long = LONG * sim.longest_session
    for event, nth in _each_kind(sim):
        if event.operation not in WRITES:
            continue
        request, client = (event.client, nth), event.client
        for server in range(1, len(sim.replicas) + 1):
            yield (
                _at(request, "drop_before_reply", client, point="before_request", nth=nth),
                _at(request, "freeze", server, point="before_request", duration=long),
            )


def late_clients(sim: Simulation) -> Iterator[tuple[Struck, Struck]]:
    """A session ends, and others hear of it before its client does. ``sim``: the run without any
    fault.
    """
    long, late = LONG * sim.longest_session, SOON * sim.longest_session
    points: tuple[Point, ...] = ("before_request", "after_reply")
    for event, nth in _each_kind(sim):
        request, client = (event.client, nth), event.client
        for point in points:
            yield (
                _at(request, "slow", client, (late, late), point=point, duration=long),
                _at(request, "expire", client, point=point),
            )


def late_sessions(sim: Simulation) -> Iterator[tuple[Struck, Struck, Struck]]:
    """A session ends, and its client's next one goes on at once at a server that has not heard of
    it, nor of what was done just before. ``sim``: the run without any fault.
    """
    long = LONG * sim.longest_session
    for event, nth in _each_kind(sim):
        client = event.client
        # After the first handshake one that is refused, and that of the next session.
        moves = drawn("drop_after_reply", client, operation="connect", nth=3)
        for before in range(min(3, nth - 1)):
            for server in range(1, len(sim.replicas) + 1):
                since = (client, nth - before)
                yield (
                    _at(since, "freeze", server, point="before_request", duration=long),
                    _at((client, nth), "expire", client, point="before_request"),
                    Struck(FaultMoment(0.0, client, nth + 2, "after_reply"), moves),
                )


def moments_near(sim: Simulation, struck: Struck) -> list[FaultMoment]:
    """The requests around a fault that began at a time, the nearest first: those of the client that
    it strikes, or of any.
    """
    struck_client = [each for each in struck.fault.arguments[:1] if isinstance(each, str)]
    found: list[tuple[float, FaultMoment]] = []
    sent: dict[int, int] = {}
    counts: dict[str, int] = {}
    for event in sim.history:
        point: Point = "before_request" if isinstance(event, Sent) else "after_reply"
        if not isinstance(event, (Sent, Reply)) or not event.number:
            continue
        if struck_client and event.client != struck_client[0]:
            continue
        if isinstance(event, Sent):
            nth = sent[event.number] = counts[event.client] = counts.get(event.client, 0) + 1
        else:
            nth = sent.get(event.number, 0)
        if nth:
            away = abs(event.time - struck.moment.time)
            found.append((away, FaultMoment(0.0, event.client, nth, point)))
    found.sort(key=lambda each: each[0])
    return [moment for _, moment in found[:_NEAR]]


def _numbered(sim: Simulation) -> Iterator[tuple[Sent, int]]:
    """The requests of a run, each with its number among those of its client."""
    counts: dict[str, int] = {}
    for event in sim.history.of(Sent):
        if event.number:
            counts[event.client] = counts.get(event.client, 0) + 1
            yield event, counts[event.client]


def _each_kind(sim: Simulation) -> list[tuple[Sent, int]]:
    """The requests of a run, each with its number among those of its client: the first of each kind
    first, then the second of each. Of one kind are those of one client that ask for the same of
    znodes with similar names.
    """

    def kind(request: tuple[Sent, int]) -> Hashable:
        event, _ = request
        return event.client, event.operation, *(_DRAWN.sub("#", path) for path in event.paths)

    return in_turn(_numbered(sim), kind)


def in_turn(items: Iterable[_T], kind: Callable[[_T], Hashable]) -> list[_T]:
    """The first one of each kind, then the second one of each, and so on."""
    counts: dict[Hashable, int] = {}
    ranked = []
    for item in items:
        which = kind(item)
        rank = counts[which] = counts.get(which, 0) + 1
        ranked.append((rank, item))
    return [item for _, item in sorted(ranked, key=lambda each: each[0])]


def _at(
    request: tuple[str, int], method: str, *arguments: Any, point: Point, **options: Any
) -> Struck:
    return Struck(FaultMoment(0.0, *request, point), drawn(method, *arguments, **options))


def slow_tasks(
    sim: Simulation, steps: Sequence[TaskStep], delays: Mapping[str, Sequence[float]]
) -> Iterator[tuple[Delay | Struck, ...]]:
    """One task stands still at one of its steps: by itself, and while its client's session ends.

    ``sim``: a run in which no task stood still. ``steps``: those of its tasks that count.
    ``delays``: for how long a task stood still in the world that fails, by the place. Steps at
    these places come first, and among them those at which a task of the program has got an answer.
    """
    answers = answers_of(sim)
    longest = max(each for seconds in delays.values() for each in seconds)
    candidates = in_turn(
        (step for step in steps if step.place in delays or (step.answered and not step.background)),
        lambda step: (step.place, step.client),
    )
    candidates.sort(key=lambda step: (step.place not in delays, not step.answered, step.background))
    for step in candidates:
        ends = list(_ends_beside(step, answers))
        for seconds in delays.get(step.place, [longest]):
            delay = Delay(step.task, step.number, seconds)
            yield (delay,)
            for end in ends:
                yield (end, delay)


def answers_of(sim: Simulation) -> dict[str, list[tuple[float, int]]]:
    """When each client was answered, and which of its requests, from 1, by client."""
    numbers: dict[int, int] = {}
    counts: dict[str, int] = {}
    answers: dict[str, list[tuple[float, int]]] = {}
    for event in sim.history:
        if isinstance(event, Sent) and event.number:
            numbers[event.number] = counts[event.client] = counts.get(event.client, 0) + 1
        elif isinstance(event, Reply) and event.number in numbers:
            answers.setdefault(event.client, []).append((event.time, numbers[event.number]))
    return answers


def last_answered(step: TaskStep, answers: Mapping[str, Sequence[tuple[float, int]]]) -> int:
    """Which request of its client was answered last before a step; 0, if none was."""
    before = [nth for time, nth in answers.get(step.client, ()) if time <= step.time]
    return before[-1] if before else 0


def _ends_beside(
    step: TaskStep, answers: Mapping[str, Sequence[tuple[float, int]]]
) -> Iterator[Struck]:
    """The session of the task's client ends with its last answer before the step; and if that was a
    while ago, right after the step. Of a task that has no client: that of who was answered last.
    """
    before = [
        (time, nth, client)
        for client in ([step.client] if step.client in answers else answers)
        for time, nth in answers[client]
        if time <= step.time
    ]
    if not before:
        return
    answered, nth, client = max(before)
    ends = drawn("expire", client)
    yield Struck(FaultMoment(0.0, client, nth, "after_reply"), ends)
    if answered < step.time:
        after = step.time + _AT_ONCE
        yield Struck(FaultMoment(after, client, nth, "after_reply", by_time=True), ends)
