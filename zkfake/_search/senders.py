"""Which lines of the program have asked for the requests that a report names.

Rules that live here: a line is that of the innermost function that is the program's, as
`zkfake._simulation.lines` has it. What a client asks for in a thread of its own has none. A line is
told once, with all of its requests. A file is told as pytest tells it, by its path from the current
directory; one that is not below that, by its name.
"""

from __future__ import annotations

import os
from textwrap import wrap
from typing import TYPE_CHECKING

from zkfake._history.causes import Circumstances
from zkfake._history.events import Committed, Reply, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from traceback import FrameSummary

    from zkfake._history.events import Event, Logged
    from zkfake._history.recorder import History

__all__ = ["sent_from"]

_LONGEST = 110
_LINES, _KINDS, _NUMBERS = 8, 4, 6
"""How many lines are told at most, kinds of requests of a line, and requests of a kind."""


def sent_from(
    history: History, lines: Mapping[int, FrameSummary], events: Iterable[Event | Logged]
) -> list[str]:
    """The lines of the program that have asked for what these events are about, in lines of text:
    requests, their replies, and what was committed for them. Nothing where there are none.
    ``lines``: by the number of the request. Cost: linear in the history.
    """
    told: dict[str, list[Sent]] = {}
    asked = {event.number: event for event in history.of(Sent)}
    for number in dict.fromkeys(_numbers(history, events)):
        line = lines.get(number)
        if line is not None and number in asked:
            place = f"{_path(line.filename)}:{line.lineno} in {line.name}"
            told.setdefault(place, []).append(asked[number])
    text = [f"- {place}: {_listed(requests)}" for place, requests in list(told.items())[:_LINES]]
    head = ["The program asks for that here:"] if text else []
    return [*head, *(line for each in text for line in _wrapped(each))]


def _numbers(history: History, events: Iterable[Event | Logged]) -> Iterator[int]:
    events = list(events)
    done: dict[int, int] = {}
    if any(isinstance(event, Committed) for event in events):
        seen = Circumstances(list(history.in_order()), has_log=history.log is not None)
        done = {id(entry): number for number, entry in seen.done.items()}
    for event in events:
        if isinstance(event, (Sent, Reply)):
            yield event.number
        elif id(event) in done:
            yield done[id(event)]


def _listed(requests: list[Sent]) -> str:
    alike: dict[str, list[int]] = {}
    for event in requests:
        asked = " ".join([event.operation, *event.paths])
        alike.setdefault(f"of {event.client} ({asked})", []).append(event.number)
    told = [f"{_counted(numbers)} {what}" for what, numbers in alike.items()]
    more = len(told) - _KINDS
    return ", ".join(told[:_KINDS]) + (f" and {more} more" if more > 0 else "")


def _counted(numbers: list[int]) -> str:
    *others, last = map(str, numbers[:_NUMBERS])
    if len(numbers) > _NUMBERS:
        return f"requests {', '.join([*others, last])}, ..."
    return f"requests {', '.join(others)} and {last}" if others else f"request {last}"


def _path(name: str) -> str:
    below = os.path.join(os.getcwd(), "")
    return name.removeprefix(below) if name.startswith(below) else os.path.basename(name)


def _wrapped(text: str) -> list[str]:
    return wrap(text, _LONGEST, subsequent_indent="  ", break_on_hyphens=False)
