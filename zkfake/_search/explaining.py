"""Why a shrunk world fails: what it needs, and where its run parts from one that passes.

Rules that live here: what is said to be needed was left out in a run of its own, and the program
passed, or failed for another reason. The run that passes is the one that is the same for longest.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from zkfake._history.errors import GuaranteeBroken
from zkfake._history.events import Fault
from zkfake._history.telling import Telling
from zkfake._history.verdict import Verdict
from zkfake._search.reasons import reasons
from zkfake._search.senders import sent_from
from zkfake._search.shrinking import parts_of, uneven, without
from zkfake._search.wording import in_words, latency_in_words, named_request

if TYPE_CHECKING:
    from zkfake._history.events import Event, Logged
    from zkfake._search.reasons import Reason
    from zkfake._search.shrinking import Part, Shrunk
    from zkfake._search.trials import Trial, TrialRun

    _Numbered = tuple[int, Event]

__all__ = ["explain"]

_SHOWN = 4
"""Events of each run, from where they part."""
_LONGEST = 110


def explain(trial: Trial, found: Shrunk) -> str:
    """The explanation, some lines of text. Cost: one run for each thing that the world needs, and
    one more.
    """
    world = found.world
    parts = parts_of(world)
    knobs = uneven(world)
    if not parts and not knobs:
        lines = ["It needs no fault and no delay, only the requests in this order."]
    else:
        lines = ["It needs this:" if len(parts) + len(knobs) == 1 else "It needs each of these:"]
    failing = _events(found.run)
    texts = [repr(event) for _, event in failing]
    nearest: tuple[int, list[_Numbered], TrialRun] | None = None
    for part in parts:
        run = without(world, part).run(trial)
        if run.error is None:
            outcome = "it passes"
            passing = _events(run)
            same = _same(texts, passing)
            if nearest is None or same > nearest[0]:
                nearest = same, passing, run
        else:
            outcome = f"it fails with another error, {run.cause}"
        lines += _wrapped(f"- {in_words(part, found.run.simulation)}. Without it, {outcome}.")
    lines += [f"- {latency_in_words(world.profile, knob)}." for knob in knobs]
    passes = None
    if nearest is not None:
        same, passing, passes = nearest
        lines += _parting(failing, passing, same)
    why = _reasons(found, passes, faults=bool(parts))
    lines = [*_why(why), *_where(trial, found, why, parts), *lines]
    error = found.run.error
    if isinstance(error, GuaranteeBroken) and error.findings:
        lines += ["", _story(found.run, error)]
    return "\n".join(lines)


def _reasons(found: Shrunk, passes: TrialRun | None, *, faults: bool) -> list[Reason]:
    """Why it fails, where no story says it. ``passes``: the nearest run that does."""
    error = found.run.error
    if error is None or isinstance(error, GuaranteeBroken):
        return []
    passing = None if passes is None else passes.simulation.history
    return reasons(found.run.simulation.history, error, faults=faults, passing=passing)


def _where(trial: Trial, found: Shrunk, why: list[Reason], parts: list[Part]) -> list[str]:
    """The lines of the program that have asked for what is named. They are kept in a run of their
    own, and told where that is the same run.
    """
    sim, error = found.run.simulation, found.run.error
    events: list[Event | Logged] = [event for reason in why for event in reason.events]
    if isinstance(error, GuaranteeBroken) and error.findings:
        events += error.findings[0].evidence
    named = [named_request(part, sim) for part in parts]
    events += [request for request in named if request is not None]
    again = found.world.run(trial, lines=True).simulation
    if not events or again.history.digest() != sim.history.digest():
        return []
    return sent_from(sim.history, again._lines, events)  # noqa: SLF001  # not for users


def _why(told: list[Reason]) -> list[str]:
    heads = ["Why", *["Besides"] * len(told)]
    text = [f"{head}: {reason.text}" for head, reason in zip(heads, told, strict=False)]
    if told and (hint := told[0].hint):
        text.insert(1, f"Hint: {hint}")
    return [line for each in text for line in _wrapped(each)]


def _wrapped(text: str) -> list[str]:
    return wrap(text, _LONGEST, subsequent_indent="  ", break_on_hyphens=False)


def _events(run: TrialRun) -> list[_Numbered]:
    """The events but for the notes of faults, each with its number in the history."""
    return [
        (number, event)
        for number, event in enumerate(run.simulation.history, 1)
        if not isinstance(event, Fault)
    ]


def _same(texts: list[str], events: list[_Numbered]) -> int:
    """How many events both runs begin with."""
    count = 0
    for text, (_, event) in zip(texts, events, strict=False):
        if text != repr(event):
            break
        count += 1
    return count


def _parting(failing: list[_Numbered], passing: list[_Numbered], same: int) -> list[str]:
    """The events after those that both runs have in common."""
    count = failing[same][0] - 1 if same < len(failing) else same  # as ZKFAKE_BREAK counts
    lines = [f"The runs are the same for {count} events. Then the one that fails has"]
    lines += _told(failing, same)
    lines.append("and the one that passes has")
    lines += _told(passing, same)
    if same < len(failing):
        lines.append(f"ZKFAKE_BREAK={failing[same][0]} starts a debugger there.")
    return lines


def _told(numbered: list[_Numbered], start: int) -> list[str]:
    events = [event for _, event in numbered]
    tell = Telling(events)
    lines = []
    for event in events[start : start + _SHOWN]:
        who, what = tell(event)
        line = f"    {event.time:10.3f}  {who} {what}"
        lines.append(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}...")
    return lines or ["    no further events"]


def _story(run: TrialRun, error: GuaranteeBroken) -> str:
    history = run.simulation.history
    return history.story(Verdict(len(history), None, (), error.findings))
