"""How a simulated world behaves when nobody interferes: delays, the order of ready tasks, and rates
of faults.

Everything here is permitted by ZooKeeper's contract: a profile makes the world slower, less tidy
and less reliable, never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

from zkfake._channel.outages import check_choice
from zkfake._channel.rules import POINTS, Point
from zkfake._protocol.frames import OPERATION_NAMES
from zkfake._simulation.chance.kinds import CLIENTS, SERVERS

__all__ = ["DRAWING", "FAULT_RATES", "PROFILES", "Profile", "profile_of"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The latencies of a simulation and its faults by chance. Times are ranges ``(shortest,
    longest)`` in virtual seconds, rates are probabilities from 0 to 1.

    Raises `ValueError` for an invalid range or probability, and for an unknown operation or point.
    """

    latency: tuple[float, float] = (0.0001, 0.0001)
    """One way between a client and a server."""
    reorder: float = 0.0
    """The probability that the next task is drawn from the ready ones instead of the first one."""
    preemption: float = 0.0
    """The probability that a task yields at a lock, an event or a queue."""
    replica_lag: tuple[float, float] = (0.0, 0.0)
    """From the commit of a transaction until a server applies it, for ensembles."""
    server_latency: tuple[float, float] = (0.0, 0.0)
    """One way between two servers of an ensemble."""
    election_time: tuple[float, float] = (0.2, 0.2)
    """From the loss of the leader until a server takes part in the next election, for ensembles."""
    drop_before_request: float = 0.0
    """For each request: the connection is lost before the server has it."""
    drop_before_reply: float = 0.0
    """For each request: it is carried out, and the connection is lost before the reply leaves the
    server.
    """
    drop_after_reply: float = 0.0
    """For each request: the connection is lost right after its reply."""
    partition: float = 0.0
    """For each request: its client is cut off, both ways or one, for ``outage`` seconds."""
    pause: float = 0.0
    """For each request: its client's tasks are paused for ``outage`` seconds."""
    expire: float = 0.0
    """For each request: its client's session is closed on the server."""
    hold_watches: float = 0.0
    """For each request: its client's watch callbacks are delayed for ``outage`` seconds."""
    hold_events: float = 0.0
    """For each request: from the next watch event on, what servers send its client is held for as
    long.
    """
    slow: float = 0.0
    """For each request: its client's latency is drawn from ``slowness`` for as long."""
    lose_pings: float = 0.0
    """For each request: its client gets no answers to pings for as long."""
    stop_server: float = 0.0
    """For each request, in an ensemble: a server stops for ``outage`` seconds."""
    isolate_server: float = 0.0
    """For each request, in an ensemble: a server is cut off from the others for as long."""
    freeze_server: float = 0.0
    """For each request, in an ensemble: a server applies nothing for as long."""
    pause_server: float = 0.0
    """For each request, in an ensemble: a server's process is paused for as long."""
    isolate_one_way: float = 0.0
    """For each request, in an ensemble: a server receives nothing from the others, or they
    receive nothing from it.
    """
    partition_servers: float = 0.0
    """For each request, in an ensemble: a link between two servers is cut, both ways or one."""
    lose_quorum: float = 0.0
    """For each request, in an ensemble: so many servers stop that the rest is not a quorum."""
    cut_power: float = 0.0
    """For each request, in an ensemble: a server stops, and loses what its disk had not synced."""
    mute_server: float = 0.0
    """For each request, in an ensemble: a server accepts new connections and does not answer on
    them for ``outage`` seconds.
    """
    lag_server: float = 0.0
    """For each request, in an ensemble: a server applies what is committed late, by ``slowness``.
    """
    slow_servers: float = 0.0
    """For each request, in an ensemble: a link between two servers is slow, by ``slowness``."""
    slow_disk: float = 0.0
    """For each request, in an ensemble: a server's disk is slow, by ``slowness``."""
    skew_clock: float = 0.0
    """For each request, in an ensemble: a server's clock is wrong, by a minute at most."""
    fault_interval: tuple[float, float] = (0.0, 0.0)
    """The time between two faults that begin independently of requests; (0, 0): no such faults.
    The kind is drawn from those with a rate above: a client's or a server's equally often, and each
    kind of these equally often.
    """
    fault_delay: tuple[float, float] = (0.0, 0.0)
    """The time from a request to a fault that is drawn for it; lost connections do not wait."""
    relapse: float = 0.0
    """For each of the next requests of a client after a fault: another one of its own, of a kind
    that has a rate. So faults come while a program recovers.
    """
    most_faults: int = 0
    """How many faults begin at most; 0: any number. Then nothing else goes wrong."""
    struck_operations: tuple[str, ...] = ()
    """The kinds of requests for which faults are drawn, such as ``create``; none: all of them."""
    struck_point: Point = "before_request"
    """Where faults are drawn for a request; lost connections have a rate for each point."""
    outage: tuple[float, float] = (0.5, 20.0)
    """The duration of outages that begin by chance."""
    slowness: tuple[float, float] = (0.0, 2.0)
    """The delay of what is slow by chance: from the shortest one to one drawn from this range."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "most_faults":
                if value < 0:
                    raise ValueError(f"most_faults={value!r}: expected 0 or more")
            elif field.name == "struck_operations":
                if isinstance(value, str):
                    raise ValueError(f"struck_operations={value!r}: expected a tuple of names")
                for name in value:
                    check_choice(field.name, name, OPERATION_NAMES)
            elif field.name == "struck_point":
                check_choice(field.name, value, POINTS)
            elif isinstance(field.default, tuple):
                if not _is_range(value):
                    raise ValueError(
                        f"{field.name}={value!r} is not a range of seconds: expected a tuple "
                        "(shortest, longest) of finite numbers from 0 on"
                    )
            elif isinstance(value, tuple) or not 0 <= value <= 1:
                raise ValueError(f"{field.name}={value!r} is not a probability from 0 to 1")

    @property
    def has_faults(self) -> bool:
        """Whether any fault may occur by chance."""
        return any(getattr(self, name) for name in FAULT_RATES)


def _is_range(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and 0 <= value[0] <= value[1] < inf


FAULT_RATES: tuple[str, ...] = (
    "drop_before_request",
    "drop_before_reply",
    "drop_after_reply",
    *(kind.rate for kind in (*CLIENTS, *SERVERS)),
)

DRAWING: tuple[str, ...] = (
    "fault_interval",
    "fault_delay",
    "relapse",
    "most_faults",
    "struck_operations",
    "struck_point",
    "outage",
    "slowness",
)
"""What else a profile says of faults by chance: when they are drawn, and for how long."""

PROFILES = {
    "calm": Profile(),
    "realistic": Profile(
        latency=(0.0002, 0.003),
        reorder=0.5,
        preemption=0.02,
        replica_lag=(0.0, 0.02),
        server_latency=(0.0, 0.003),
        election_time=(0.2, 2.0),
        drop_before_request=0.0005,
        drop_before_reply=0.0005,
        drop_after_reply=0.0005,
        fault_interval=(60.0, 3600.0),
    ),
    "hostile": Profile(
        latency=(0.0001, 0.2),
        reorder=1.0,
        preemption=0.2,
        replica_lag=(0.0, 2.0),
        server_latency=(0.0, 0.2),
        election_time=(0.2, 15.0),
        drop_before_request=0.02,
        drop_before_reply=0.02,
        drop_after_reply=0.02,
        partition=0.01,
        pause=0.01,
        expire=0.005,
        hold_watches=0.02,
        stop_server=0.003,
        isolate_server=0.003,
        freeze_server=0.003,
        pause_server=0.003,
        hold_events=0.01,
        slow=0.005,
        lose_pings=0.005,
        isolate_one_way=0.002,
        partition_servers=0.002,
        lose_quorum=0.001,
        cut_power=0.003,
        mute_server=0.002,
        lag_server=0.003,
        slow_servers=0.003,
        slow_disk=0.005,
        skew_clock=0.003,
        fault_interval=(1.0, 30.0),
    ),
}


def profile_of(name: str | Profile, knobs: dict[str, Any]) -> Profile:
    """The named profile with some of its knobs set anew.

    Raises ``ValueError`` for an unknown profile and ``TypeError`` for an unknown knob.
    """
    if isinstance(name, str):
        if name not in PROFILES:
            raise ValueError(f"{name!r} is not a profile; expected one of {', '.join(PROFILES)}")
        name = PROFILES[name]
    names = {field.name for field in fields(Profile)}
    for knob in knobs:
        if knob not in names:
            raise TypeError(
                f"{knob!r} is not an argument of a Simulation, nor a knob of a profile; the knobs "
                f"are {', '.join(sorted(names))}"
            )
    return replace(name, **knobs)
