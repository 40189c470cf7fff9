"""Going back: a simulation that is run again up to a point, and stands there.

Rules that live here:

- The same program in the same world makes the same run; that it does is checked, event by event.
- At the point nothing more is done: no task goes on, no timer is up. What the servers and the
  history hold stays as it is. What tasks do as they unwind reaches nobody, but they change their
  clients: so those are looked at before.
- It is run in a thread of its own, as the caller's has a simulation where a debugger stands in one.
"""

from __future__ import annotations

import threading
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, NoReturn

from zkfake._simulation.breaks import Break
from zkfake._simulation.errors import NondeterministicProgram
from zkfake._simulation.scheduling.tasks import MICROSECONDS
from zkfake._simulation.stand_ins.current import current, enter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._history.events import Event
    from zkfake._history.recorder import History

__all__ = ["check_point", "run_up_to"]


class _Arrived(BaseException):
    """Ends the program where it stands."""


def check_point(until: float | str, history: History, now: float) -> None:
    """Raises `ValueError` for a point that the run has not come to."""
    if isinstance(until, float):
        if not 0 <= until <= now:
            raise ValueError(f"until={until}: the run is at {now} virtual seconds")
        return
    wanted = Break.parse(until)
    if wanted.number > len(history):
        raise ValueError(f"until={until}: the run has {len(history)} events")
    if not any(wanted.matches(number, event) for number, event in enumerate(history, 1)):
        raise ValueError(f"until={until!r}: the run has no such event")


def run_up_to(
    past: Any, program: Callable[[Any], object], until: float | str, before: Sequence[Event]
) -> None:
    """Runs ``program`` in ``past``, a new simulation, up to a point that `check_point` has found in
    the history ``before``. Raises `NondeterministicProgram` where the runs differ.
    """
    going = _Going(past, until, before)

    def run() -> None:
        try:
            past.run(partial(going.run, program))
        except BaseException as error:
            going.error = error

    here = current()
    enter(None)  # else the thread would be refused
    try:
        thread = threading.Thread(target=run, name="a simulation run again", daemon=True)
        thread.start()
        thread.join()
    finally:
        enter(here)
    if not going.arrived or going.difference:
        difference = going.difference or f"it ends after event {len(past.history)}"
        raise NondeterministicProgram(
            f"run again, the program makes another run: {difference}"
        ) from going.error


class _Going:
    """The run up to the point."""

    def __init__(self, past: Any, until: float | str, before: Sequence[Event]) -> None:
        self.arrived = False
        self.difference = ""
        self.error: BaseException | None = None
        """What the run ended with."""
        self._past = past
        self._until = until
        self._point = None if isinstance(until, float) else Break.parse(until)
        self._before = before

    def run(self, program: Callable[[Any], object], sim: Any) -> None:
        """Runs the program in ``sim``."""
        history: History = sim.history
        # What there is before the program begins is looked at now: it cannot stand before that.
        for number, event in enumerate(list(history), 1):
            self._look(number, event)
        append = history.append

        def append_and_look(event: Event) -> None:
            append(event)
            self._look(len(history), event)

        history.append = append_and_look
        if isinstance(self._until, float):
            sim._scheduler.call_at(ceil(self._until * MICROSECONDS), self._arrive)  # noqa: SLF001
        program(sim)

    def _look(self, number: int, event: Event) -> None:
        text = repr(event)
        expected = repr(self._before[number - 1]) if number <= len(self._before) else "no event"
        if text != expected:
            self.difference = f"event {number} was {expected}, and is {text}"
            self._arrive()
        if self._point is not None and self._point.matches(number, event):
            self._arrive()

    def _arrive(self) -> NoReturn:
        self.arrived = True
        self._past._stand_still(_Arrived())  # noqa: SLF001  # of the same package
        raise AssertionError("a run goes on that stands still")
