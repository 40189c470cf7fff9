"""What a run failed with, of all that went wrong in it.

Rules that live here:

- A task that failed fails the simulation, unless somebody has asked for its result. So does what
  Python and kazoo only tell of: an error that ends a thread, be it a daemon, one that a callback of
  a client raises, and one that an event loop tells its exception handler. Each of them ends
  something that the program relies on, and no result says so.
- What only kazoo and this distribution have let pass is none of the program: a thread of kazoo's
  ends so when its client is stopped.
- What stopped the run comes before that, and what the program raised before either.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple

from zkfake._simulation.errors import TaskFailed
from zkfake._simulation.lines import is_of_program
from zkfake._simulation.scheduling.watchdog import TaskInterrupted

if TYPE_CHECKING:
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["Failures"]


class _Failed(NamedTuple):
    error: BaseException
    what: str
    unseen: str
    """Why the program may not know of it."""
    task: ScheduledTask | None = None
    """Whose result may be asked for."""

    def told(self, when: str = "") -> str:
        return f"{self.what} failed{when}, and {self.unseen}"

    @property
    def is_known(self) -> bool:
        return self.task is not None and self.task.retrieved


class Failures:
    """What went wrong in one simulation where nobody may have looked."""

    def __init__(self) -> None:
        self.allowed: tuple[type[BaseException], ...] = ()
        """What may go wrong."""
        self._failed: list[_Failed] = []

    def add(self, task: ScheduledTask, error: BaseException) -> None:
        """A task has failed."""
        if not isinstance(error, TaskInterrupted) and (not task.background or is_of_program(error)):
            failed = _Failed(error, f"task {task.name}", "nobody asked for its result", task)
            self._failed.append(failed)

    def add_logged(self, what: str, error: BaseException) -> None:
        """Something failed that has no result, and was logged."""
        if is_of_program(error):
            self._failed.append(_Failed(error, what, "that is only logged"))

    def of_run(
        self, raised: BaseException | None, stopped: BaseException | None
    ) -> BaseException | None:
        """What the run failed with. ``raised``: by the program. ``stopped``: why the scheduler
        could not go on; the program may have swallowed it.
        """
        if isinstance(raised, TaskInterrupted) and stopped is not None:
            return stopped
        if raised is not None:
            return raised
        if stopped is not None:
            return stopped
        for each in self._failed:
            if not each.is_known and not isinstance(each.error, self.allowed):
                failed = TaskFailed(each.told())
                failed.__cause__ = each.error
                return failed
        return None

    def tell(self, failure: BaseException, *, quiet: bool) -> None:
        """Put the errors of failed tasks, which may be its cause, beside what the run failed with.

        Python shows notes from 3.11 on; before, they go to standard error unless ``quiet``.
        """
        for each in self._failed:
            error = each.error
            if not each.is_known and error not in (failure, failure.__cause__):
                trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
                note = f"{each.told(' before')}:\n{trace}"
                if hasattr(failure, "add_note"):
                    failure.add_note(note)
                elif not quiet:
                    sys.stderr.write(f"zkfake.simulation: {note}")
