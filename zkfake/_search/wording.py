"""What happens in a world, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._history.events import Reply, Sent
from zkfake._search.simple import answers_of, last_answered
from zkfake._search.worlds import decisions
from zkfake._simulation.chance.chance import Struck
from zkfake._simulation.network.network import MessageDelay
from zkfake._simulation.scheduling.schedules import Delay

if TYPE_CHECKING:
    from zkfake._search.shrinking import Part
    from zkfake._simulation.chance.kinds import DrawnFault
    from zkfake._simulation.chance.profiles import Profile
    from zkfake._simulation.simulation import Simulation

__all__ = ["in_words", "latency_in_words", "named_request"]

_FAULTS = {
    "drop_before_request": "the connection of {} is lost",
    "drop_before_reply": "the connection of {} is lost",
    "drop_after_reply": "the connection of {} is lost",
    "drop": "the connection of {} is lost",
    "expire": "the session of {} expires",
    "pause": "{} is paused",
    "partition": "the network of {} is cut",
    "hold_watches": "the watch callbacks of {} wait",
    "hold_events": "the watch events for {} are held back",
    "slow": "the network of {} is slow",
    "lose_pings": "the answers to the pings of {} are lost",
    "stop_server": "server {} stops",
    "cut_power": "server {} loses power",
    "lose_quorum": "the servers lose their quorum",
    "isolate": "server {} is cut off from the others",
    "partition_servers": "the link between servers {} and {} is cut",
    "freeze": "server {} is frozen (it answers, and applies nothing)",
    "pause_server": "server {} is paused",
    "mute_server": "server {} does not answer new connections",
    "lag": "server {} applies late",
    "slow_servers": "the link between servers {} and {} is slow",
    "slow_disk": "the disk of server {} is slow",
    "skew_clock": "the clock of server {} is wrong by {} s",
}

_POINTS = {
    "drop_before_request": "before {} arrives",
    "drop_before_reply": "before the reply to {}",
    "drop_after_reply": "right after the reply to {}",
    "before_request": "at {}",
    "before_reply": "before the reply to {}",
    "after_reply": "once the server has replied to {}",
}
"""When a fault strikes: that of its own, or the point at which it begins."""

_LATENCIES = {
    "latency": "messages between clients and servers take",
    "replica_lag": "servers apply transactions late:",
    "server_latency": "messages between servers take",
    "election_time": "elections take",
}


def latency_in_words(profile: Profile, knob: str) -> str:
    """What a latency of the world is, in words."""
    return f"{_LATENCIES[knob]} {_span(*getattr(profile, knob))}"


def _span(low: float, high: float) -> str:
    return f"{high:g} s" if low == high else f"{low:g} to {high:g} s"


def in_words(part: Part, sim: Simulation) -> str:
    """What it does, in words. ``sim``: a simulation in which it happened."""
    if isinstance(part, Struck):
        lasts = "duration" in dict(part.fault.options)
        return f"{_fault(part.fault)}{',' * lasts} {_moment(part, sim, lasts)}"
    if isinstance(part, Delay):
        return _delay(part, sim)
    if isinstance(part, MessageDelay):
        return _message(part, sim)
    order = decisions(sim).schedule.orders.get(part.number)
    return f"at choice {part.number} {order or 'the first one is chosen, as ever'}"


def _delay(part: Delay, sim: Simulation) -> str:
    """A task that stands still, or gives way, and what it was answered just before."""
    text = f"task {part.task} " + (
        f"stands still for {part.seconds:g} s" if part.seconds else "gives way"
    )
    step = decisions(sim).schedule.stood.get((part.task, part.step))
    nth = last_answered(step, answers_of(sim)) if step is not None and step.answered else 0
    if step is not None and nth:
        request = _request(step.client, nth, _requests(step.client, sim))
        text += f" after the answer to {request},"
    return f"{text} at its step {part.step}{step.place if step else ''}"


def _fault(fault: DrawnFault) -> str:
    given: list[Any] = [*fault.arguments]
    if fault.method == "stop_server" and not given:
        given = ["(the leader)"]
    text = _FAULTS[fault.method].format(*given)
    options = dict(fault.options)
    if options.get("direction", "both") != "both":
        text += f" one way ({options['direction']})"
    if options.get("way", "both") != "both":
        text += f" one way ({options['way']})"
    for low, high in [each for each in given if isinstance(each, tuple)]:
        text += f", by {_span(low, high)}"
    duration = options.get("duration")
    return text if duration is None else f"{text} for {duration:g} s"


def _moment(struck: Struck, sim: Simulation, lasts: bool) -> str:
    moment = struck.moment
    if moment.is_start:
        return "from the start"
    if moment.by_time:
        return f"at {moment.time:.3f} s"
    request = _request(moment.client, moment.nth, _requests(moment.client, sim))
    method = struck.fault.method
    if lasts and moment.point == "before_request":
        return f"from {request} on"
    return _POINTS[method if method in _POINTS else moment.point].format(request)


def _message(part: MessageDelay, sim: Simulation) -> str:
    """The way of a request, or of its reply, where the history shows whose it is."""
    client = part.client
    ways = _ways(part, sim)
    if len(ways) != 1:  # a handshake, a ping or a watch event, or two at the same time
        return f"message {part.nth} from or to {client} takes {part.seconds:g} s"
    ((way, nth),) = ways
    request = _request(client, nth, _requests(client, sim))
    return f"{way.format(request, f'{part.seconds:g} s')} (message {part.nth})"


def _ways(part: MessageDelay, sim: Simulation) -> list[tuple[str, int]]:
    """Of which requests of the client, from 1, it may be the way, and which way."""
    sent, due = sim._network.way_of(part) or (-1.0, -1.0)  # noqa: SLF001  # not for users
    requests = _requests(part.client, sim)
    replies = {event.number: event.time for event in sim.history.of(Reply)}
    return [
        *(("{} takes {} to arrive", n) for n, each in enumerate(requests, 1) if each.time == sent),
        *(
            ("the reply to {} takes {} to arrive", n)
            for n, each in enumerate(requests, 1)
            if replies.get(each.number) == due and each.time < sent
        ),
    ]


def _requests(client: str, sim: Simulation) -> list[Sent]:
    return [event for event in sim.history.of(Sent) if event.number and event.client == client]


def _request(client: str, nth: int, requests: list[Sent]) -> str:
    """The request, by its number in the history, as the story has it, and by its place among those
    of its client, as the program has it.
    """
    ordinal = f"{nth}{_ending(nth)}"
    if len(requests) < nth:
        return f"the {ordinal} request of {client}"
    event = requests[nth - 1]
    asked = " ".join([event.operation, *event.paths])
    return f"request {event.number}, the {ordinal} of {client} ({asked})"


def _ending(number: int) -> str:
    """What an ordinal ends with."""
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def named_request(part: Part, sim: Simulation) -> Sent | None:
    """The request that `in_words` names, if it names one."""
    if isinstance(part, Struck) and part.moment.client and not part.moment.by_time:
        client, nth = part.moment.client, part.moment.nth
    elif isinstance(part, Delay):
        step = decisions(sim).schedule.stood.get((part.task, part.step))
        if step is None or not step.answered:
            return None
        client, nth = step.client, last_answered(step, answers_of(sim))
    elif isinstance(part, MessageDelay):
        client = part.client
        ways = _ways(part, sim)
        nth = ways[0][1] if len(ways) == 1 else 0
    else:
        return None
    requests = _requests(client, sim)
    return requests[nth - 1] if 0 < nth <= len(requests) else None
