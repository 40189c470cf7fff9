"""Swarm: every seed draws the kind of world that it runs in.

Rules that live here: a world has only some of the kinds of faults, each at a rate of its own, so
that faults do not mask each other (Groce et al., "Swarm Testing", 2012). Rates and times are drawn
so that each order of magnitude is as likely as the others. What the program gives is not drawn.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from zkfake._simulation.chance.profiles import FAULT_RATES, PROFILES, Profile
from zkfake._simulation.drawing import log_uniform

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SWARM", "draw_swarm", "scheduled_profile"]

SWARM = "swarm"

_SHARES = (0.0, 0.1, 0.3, 0.6, 0.9)
"""How many of the kinds of faults a world has: one of these."""
_SPAN = (0.2, 20.0)
"""A rate, beside that of the hostile profile: from one that a long program survives to one that
strikes at every few requests of a short one.
"""
_SERVERS = (1, 1, 1, 3, 3, 3, 3, 5)
_SCHEDULES = ("fifo", "random", "pct", "pct")


def draw_swarm(
    seed: int, servers: int | None, schedule: str | Mapping[int, int] | None
) -> tuple[Profile, int, str | Mapping[int, int]]:
    """The profile of the seed's world, its servers and its schedule. The last two are drawn where
    they are ``None``; the others are the same then.
    """
    random = Random(f"{seed}/swarm")

    def between(low: float, high: float) -> float:
        return round(log_uniform(random, low, high), 6)

    def up_to(low: float, high: float, never: float) -> tuple[float, float]:
        """A range from 0, or nothing with the probability ``never``."""
        longest = between(low, high)
        return (0.0, 0.0 if random.random() < never else longest)

    hostile = PROFILES["hostile"]
    drawn_servers = random.choice(_SERVERS)
    drawn_schedule = random.choice(_SCHEDULES)
    share = random.choice(_SHARES)
    values: dict[str, Any] = {
        "latency": (0.0001, max(0.0001, up_to(0.0005, 0.5, 0.2)[1])),
        "replica_lag": up_to(0.001, 5.0, 0.4),
        "server_latency": up_to(0.0005, 0.5, 0.4),
        "election_time": (0.2, between(0.2, 20.0)),
        "outage": (0.01, between(0.1, 60.0)),
        "slowness": (0.0, between(0.01, 5.0)),
        "preemption": between(0.01, 0.5),
    }
    for name in FAULT_RATES:
        rate = min(1.0, getattr(hostile, name) * between(*_SPAN))
        values[name] = round(rate, 6) if random.random() < share else 0.0
    pause = between(1.0, 300.0)
    if share and random.random() < 0.5:
        values["fault_interval"] = (pause / 10, pause)
    return (
        Profile(**values),
        drawn_servers if servers is None else servers,
        drawn_schedule if schedule is None else schedule,
    )


def scheduled_profile(profile: Profile, schedule: str | Mapping[int, int] | None) -> Profile:
    """The profile with the ``reorder`` and ``preemption`` of a schedule."""
    if schedule is None or schedule == "pct":
        return profile
    if schedule == "random":
        return replace(profile, reorder=1.0, preemption=profile.preemption or 0.1)
    return replace(profile, reorder=0.0, preemption=0.0)
