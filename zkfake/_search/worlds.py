"""A world without chance: everything that a seed has decided, spelled out.

Rules that live here: a run keeps what chance decides in it; a world of all that, without any
chance, makes the same run. A world is also the text of a program that makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from zkfake._search.trials import name_of
from zkfake._simulation.chance.profiles import DRAWING, FAULT_RATES, PROFILES, Profile
from zkfake._simulation.simulation import in_code

if TYPE_CHECKING:
    from zkfake._search.trials import Trial, TrialRun
    from zkfake._simulation.chance.chance import Struck
    from zkfake._simulation.network.network import MessageDelay
    from zkfake._simulation.scheduling.schedules import Delay
    from zkfake._simulation.simulation import ChanceDecisions, Simulation

__all__ = ["Choice", "World", "decisions", "program_text", "recorded", "run_recorded"]

_CALM = PROFILES["calm"]
_OF_CHANCE = frozenset({*FAULT_RATES, *DRAWING})
"""What a profile says of faults by chance."""


@dataclass(frozen=True, slots=True)
class Choice:
    """At the choice of that ``number``, the ready task at ``place`` ran, from 0, or the message at
    that place arrived.
    """

    number: int
    place: int


@dataclass(frozen=True, slots=True)
class World:
    """A simulated world in which chance decides nothing, but for what ``profile`` says of the
    latencies of servers, and what the program draws itself.
    """

    seed: int
    servers: int
    profile: Profile
    faults: tuple[Struck, ...] = ()
    delays: tuple[Delay, ...] = ()
    messages: tuple[MessageDelay, ...] = ()
    choices: tuple[Choice, ...] = ()

    def run(self, trial: Trial, *, steps: bool = False, lines: bool = False) -> TrialRun:
        """Runs the program in it. ``steps``: the steps of all tasks are kept. ``lines``: the line
        that asks for each request is kept.
        """
        others = {name: each for name, each in trial.arguments.items() if name not in _FIELDS}

        def begin(sim: Simulation) -> None:
            if steps:
                decisions(sim).schedule.steps = []
            if lines:
                sim._keep_lines()  # noqa: SLF001  # not for users
            self.begin(sim)

        return replace(trial, arguments=others).run(begin, **self.arguments)

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of `Simulation`."""
        return {
            "seed": self.seed,
            "servers": self.servers,
            "profile": self.profile,
            "schedule": {choice.number: choice.place for choice in self.choices},
        }

    def begin(self, sim: Simulation) -> None:
        """Arms what happens in it, at the start of a simulation."""
        for delay in self.delays:
            sim.faults.delay_task(delay.task, step=delay.step, seconds=delay.seconds)
        for message in self.messages:
            sim.faults.delay_message(message.client, nth=message.nth, seconds=message.seconds)
        for struck in self.faults:
            _arm(sim, struck)

    @property
    def lines(self) -> list[str]:
        """The lines of a program that arm what happens in it."""
        return [
            *(_fault_line(struck) for struck in self.faults),
            *(
                f"sim.faults.delay_task({each.task!r}, step={each.step}, seconds={each.seconds!r})"
                for each in self.delays
            ),
            *(
                f"sim.faults.delay_message({each.client!r}, nth={each.nth}, "
                f"seconds={each.seconds!r})"
                for each in self.messages
            ),
        ]

    @property
    def parts_as_text(self) -> list[str]:
        """A line for each thing that happens in it."""
        choices = [f"schedule={{{each.number}: {each.place}}}" for each in self.choices]
        return [*self.lines, *choices]

    def text(self, trial: Trial) -> str:
        """The program to paste: it runs the program of ``trial`` in this world."""
        given = self._given
        for name, value in trial.arguments.items():
            if name not in {"seed", "servers", "profile", "schedule", *given, *_FIELDS}:
                given[name] = value
        return program_text(trial, given, self.lines)

    @property
    def statements(self) -> str:
        """The world in one line: the statements that make it, with semicolons between them."""
        given = self._given
        return "; ".join([f"Simulation({in_code(given)})", *self.lines])

    @property
    def _given(self) -> dict[str, Any]:
        """The arguments of its `Simulation`, as far as they are not the default."""
        given: dict[str, Any] = {}
        if self.seed:
            given["seed"] = self.seed
        if self.servers != 1:
            given["servers"] = self.servers
        if self.choices:
            given["schedule"] = {choice.number: choice.place for choice in self.choices}
        for field in fields(Profile):
            value = getattr(self.profile, field.name)
            if field.name not in _OF_CHANCE and value != getattr(_CALM, field.name):
                given[field.name] = value
        return given


_FIELDS = frozenset(field.name for field in fields(Profile))


def program_text(trial: Trial, given: dict[str, Any], lines: list[str]) -> str:
    """A program that runs that of ``trial`` in a simulation with the arguments ``given``."""
    body = [*lines]
    if trial.allow:
        names = ", ".join(each.__name__ for each in trial.allow)
        body += [f"with suppress({names}):", f"    {name_of(trial.program)}(sim)"]
    else:
        body.append(f"{name_of(trial.program)}(sim)")
    if trial.check is not None:
        body += ["sim.settle()", f"{name_of(trial.check)}(sim)"]
    imports = ["from zkfake.simulation import Simulation", ""]
    if trial.allow:
        imports = ["from contextlib import suppress", "", *imports]
    begin = f"with Simulation({in_code(given)}) as sim:"
    return "\n".join([*imports, begin, *(f"    {line}" for line in body)])


def run_recorded(trial: Trial, **arguments: Any) -> TrialRun:
    """Runs the program with the seed's chance, and keeps what that decides."""
    return trial.run(decisions, **arguments)


def decisions(sim: Simulation) -> ChanceDecisions:
    """What chance has decided in a simulation; called at its start, it is kept."""
    return sim._decided()  # noqa: SLF001  # not for users


def recorded(run: TrialRun) -> World:
    """The world of a run that `run_recorded` has made."""
    sim = run.simulation
    schedule, messages, faults = decisions(sim)
    calm = {name: getattr(_CALM, name) for name in _OF_CHANCE}
    return World(
        sim.seed,
        len(sim.replicas),
        replace(sim.profile, **calm, latency=_CALM.latency, reorder=0.0, preemption=0.0),
        tuple(faults),
        tuple(schedule.delays),
        tuple(messages),
        tuple(Choice(number, place) for number, place in schedule.choices.items()),
    )


def _arm(sim: Simulation, struck: Struck) -> None:
    fault, moment = struck.fault, struck.moment
    if fault.method.startswith("drop_") or moment.is_start:
        fault.begin(sim.faults)
        return

    def strike() -> None:
        fault.begin(sim.faults)

    strike.__name__ = fault.method
    if moment.by_time:
        sim.faults.at(moment.time, strike)
    else:
        sim.faults.upon(strike, moment.client, point=moment.point, nth=moment.nth)


def _fault_line(struck: Struck) -> str:
    fault, moment = struck.fault, struck.moment
    call = f"sim.faults.{fault}"
    if fault.method.startswith("drop_") or moment.is_start:
        return call
    if moment.by_time:
        return f"sim.faults.at({moment.time!r}, lambda: {call})"
    point = "" if moment.point == "before_request" else f"point={moment.point!r}, "
    return f"sim.faults.upon(lambda: {call}, {moment.client!r}, {point}nth={moment.nth})"
