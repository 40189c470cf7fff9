"""How a simulated world behaves when nobody interferes: delays, the order of ready tasks, and rates
of faults.

Everything here is permitted by ZooKeeper's contract: a profile makes the world slower, less tidy
and less reliable, never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

__all__ = ["PROFILES", "Profile", "profile_of"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One world. Times are ranges ``(shortest, longest)`` in virtual seconds, rates are chances
    from 0 to 1.

    Raises ``ValueError`` for a range or a chance that cannot be.
    """

    latency: tuple[float, float] = (0.0001, 0.0001)
    """One way between a client and a server."""
    reorder: float = 0.0
    """The chance that the next task is drawn among the ready ones instead of being the oldest."""
    preemption: float = 0.0
    """The chance that a task gives way at a lock, an event or a queue."""
    replica_lag: tuple[float, float] = (0.0, 0.0)
    """From the commit of a transaction until a server applies it, for ensembles."""
    server_latency: tuple[float, float] = (0.0, 0.0)
    """One way between two servers of an ensemble."""
    election_time: tuple[float, float] = (0.2, 0.2)
    """From the loss of the leader until the next one serves, for ensembles."""
    drop_before_request: float = 0.0
    """For each request: the connection is lost before the server has it."""
    drop_before_reply: float = 0.0
    """For each request: it is carried out, and the connection is lost before the reply leaves the
    server.
    """
    drop_after_reply: float = 0.0
    """For each request: the connection is lost right behind its reply."""
    partition: float = 0.0
    """For each request: its client is cut off, both ways or one, for ``outage`` seconds."""
    pause: float = 0.0
    """For each request: its client's tasks stand still for ``outage`` seconds."""
    expire: float = 0.0
    """For each request: its client's session is closed on the server."""
    hold_watches: float = 0.0
    """For each request: its client's watch callbacks are held back for ``outage`` seconds."""
    stop_server: float = 0.0
    """For each request, in an ensemble: a server stops for ``outage`` seconds."""
    isolate_server: float = 0.0
    """For each request, in an ensemble: a server is cut off from the others for as long."""
    freeze_server: float = 0.0
    """For each request, in an ensemble: a server applies nothing for as long."""
    pause_server: float = 0.0
    """For each request, in an ensemble: a server's process stands still for as long."""
    outage: tuple[float, float] = (0.5, 20.0)
    """How long the outages that the rates above begin last."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                if len(value) != 2 or not 0 <= value[0] <= value[1]:
                    raise ValueError(f"{field.name}={value!r} is no range of seconds")
            elif not 0 <= value <= 1:
                raise ValueError(f"{field.name}={value!r} is no chance between 0 and 1")

    @property
    def has_faults(self) -> bool:
        return any(getattr(self, name) for name in FAULT_RATES)


FAULT_RATES = (
    "drop_before_request",
    "drop_before_reply",
    "drop_after_reply",
    "partition",
    "pause",
    "expire",
    "hold_watches",
    "stop_server",
    "isolate_server",
    "freeze_server",
    "pause_server",
)

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
    ),
}


def profile_of(name: str | Profile, knobs: dict[str, Any]) -> Profile:
    """The named profile with some of its knobs set anew.

    Raises ``ValueError`` for an unknown profile and ``TypeError`` for an unknown knob.
    """
    if isinstance(name, str):
        if name not in PROFILES:
            raise ValueError(f"there is no profile {name!r}, only {', '.join(PROFILES)}")
        name = PROFILES[name]
    names = {field.name for field in fields(Profile)}
    for knob in knobs:
        if knob not in names:
            raise TypeError(
                f"{knob!r} is no knob of a profile; there are {', '.join(sorted(names))}"
            )
    return replace(name, **knobs)
