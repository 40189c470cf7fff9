"""Swarm: every seed draws the kind of world that it runs in.

Rules that live here: a world has only some of the kinds of faults, each at a rate of its own, so
that faults do not mask each other (Groce et al., "Swarm Testing", 2012). A mistake that needs one
lost reply is found in a world of few faults, one that needs three in a world of many; so worlds
differ in how many there are, and in which requests they are for. Rates and times are drawn so that
each order of magnitude is as likely as the others. What the program gives is not drawn.
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

_COMMON = (
    "drop_before_request",
    "drop_before_reply",
    "drop_after_reply",
    "expire",
    "partition",
    "pause",
)
"""What goes wrong most often, and hurts most programs. Few kinds are of these, by that share."""
_COMMON_SHARE = 0.6
_FEW_KINDS = (0, 1, 1, 2, 2, 3, 3, 4)
"""How many kinds of faults a world has; where it is not one of `_SHARES`."""
_SHARES = (0.3, 0.6, 0.9)
"""How many of the kinds of faults a world has that has many."""
_MANY = 0.4
"""How many worlds have many. The shares below are of all worlds, too."""
_SPAN = (0.2, 20.0)
"""A rate in a world of many kinds, beside that of the hostile profile: from one that a long program
survives to one that strikes at every few requests of a short one.
"""
_FEW_SPAN = (0.005, 0.5)
"""A rate in a world of few kinds, at each request."""
_MOST = (1, 1, 2, 2, 3, 4)
"""How many faults there are at most, in `_LIMITED` of the worlds."""
_MOST_OF_ALL = 2_000
"""How many there are at most in the other worlds. Hardly one in 1,000 has half as many."""
_LIMITED = 0.5
_AIMED = (
    ("create",),
    ("create",),
    ("setData",),
    ("delete",),
    ("create", "setData", "delete", "multi"),
    ("create", "setData", "delete", "multi"),
    ("getData", "getChildren", "getChildren2", "exists"),
    ("getChildren", "getChildren2"),
    ("getData",),
    ("exists",),
    ("connect",),
)
"""The requests that faults are drawn for, in `_AIM` of the worlds."""
_AIM = 0.5
_BY_TIME = 0.5
_BEHIND_REPLIES = 0.5
"""In how many worlds faults begin after replies and not before requests."""
_EXPIRES = 0.5
"""In how many of the worlds in which sessions would not expire they do."""
_RARE = 0.001
"""The rate of expiry in the others. It is still there for faults by time, and beside slow threads.
"""
_SLOW_ONLY = 0.3
"""In how many of the worlds with slow threads nothing happens but beside them."""
_AGAIN = 0.4
"""In how many worlds a client is struck again while its program recovers."""
_LATER = 0.3
"""In how many worlds faults come a while after the request that they are drawn for."""
_SERVERS = (1, 1, 1, 3, 3, 3, 3, 5)
_SCHEDULES = ("fifo", "random", "pct", "pct")


def draw_swarm(
    seed: int, servers: int | None, schedule: str | Mapping[int, int] | None
) -> tuple[Profile, int, str | Mapping[int, int]]:
    """The profile of the seed's world, its servers and its schedule. The last two are drawn where
    they are ``None``; the others are the same then.
    """
    random = Random(f"{seed}/swarm")

    def up_to(low: float, high: float, never: float) -> tuple[float, float]:
        """A range from 0, or nothing with the probability ``never``."""
        longest = _between(random, low, high)
        return (0.0, 0.0 if random.random() < never else longest)

    drawn_servers = random.choice(_SERVERS)
    drawn_schedule = random.choice(_SCHEDULES)
    many = random.random() < _MANY
    share = random.choice(_SHARES)
    kinds = random.choice(_FEW_KINDS)
    values: dict[str, Any] = {
        "latency": (0.0001, max(0.0001, up_to(0.0005, 0.5, 0.2)[1])),
        "replica_lag": up_to(0.01, 5.0, 0.4),
        "server_latency": up_to(0.0005, 0.5, 0.4),
        "election_time": (0.2, _between(random, 0.2, 20.0)),
        "outage": (0.01, _between(random, 0.1, 60.0)),
        "slowness": (0.0, _between(random, 0.01, 5.0)),
        "preemption": _between(random, 0.01, 0.5),
    }
    few = {
        random.choice(_COMMON if random.random() < _COMMON_SHARE else FAULT_RATES)
        for _ in range(kinds)
    }
    rates = _many_rates(random, share) if many else _few_rates(random, few)
    values |= _when(random, many)
    often, expires = random.random() < _EXPIRES, _between(random, *_FEW_SPAN)
    if drawn_schedule == "pct" and random.random() < _SLOW_ONLY:
        rates = {"expire": _RARE}
    elif any(rates.values()) and not rates["expire"]:
        rates["expire"] = expires if often else _RARE
    if random.random() >= _LATER:
        del values["fault_delay"]
    return (
        Profile(**values, **rates),
        drawn_servers if servers is None else servers,
        drawn_schedule if schedule is None else schedule,
    )


def _between(random: Random, low: float, high: float) -> float:
    return round(log_uniform(random, low, high), 6)


def _many_rates(random: Random, share: float) -> dict[str, Any]:
    hostile = PROFILES["hostile"]
    rates = {}
    for name in FAULT_RATES:
        rate = min(1.0, getattr(hostile, name) * _between(random, *_SPAN))
        rates[name] = round(rate, 6) if random.random() < share else 0.0
    return rates


def _few_rates(random: Random, kinds: set[str]) -> dict[str, Any]:
    rates = {name: _between(random, *_FEW_SPAN) for name in FAULT_RATES}
    return {name: rate if name in kinds else 0.0 for name, rate in rates.items()}


def _when(random: Random, many: bool) -> dict[str, Any]:
    """How many faults there are, and when."""
    values: dict[str, Any] = {}
    pause = _between(random, 0.5, 100.0)
    if random.random() < _BY_TIME:
        values["fault_interval"] = (pause / 10, pause)
    most, aim = random.choice(_MOST), random.choice(_AIMED)
    values["fault_delay"] = (0.0, _between(random, 0.001, 10.0))
    if random.random() < _LIMITED and not many:
        values["most_faults"] = most
    if random.random() < _AIM and not many:
        values["struck_operations"] = aim
    if random.random() < _BEHIND_REPLIES:
        values["struck_point"] = "after_reply"
    relapse = _between(random, 0.05, 0.9)
    if random.random() < _AGAIN:
        values["relapse"] = relapse
        values["most_faults"] = 2 * values.get("most_faults", 0)
    # Where a fault strikes nearly every request, a program that tries again goes on until the time
    # is over: one world of a thousand would take as long as all the others.
    values["most_faults"] = values.get("most_faults") or _MOST_OF_ALL
    return values


def scheduled_profile(profile: Profile, schedule: str | Mapping[int, int] | None) -> Profile:
    """The profile with the ``reorder`` and ``preemption`` of a schedule."""
    if schedule is None or schedule == "pct":
        return profile
    if schedule == "random":
        return replace(profile, reorder=1.0, preemption=profile.preemption or 0.1)
    return replace(profile, reorder=0.0, preemption=0.0)
