"""What a run failed with, of all that went wrong in it.

Rules that live here: a task that failed fails the simulation, unless somebody has asked for its
result. What stopped the run comes before that, and what the program raised before either.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

from zkfake._simulation.errors import TaskFailed
from zkfake._simulation.scheduling.watchdog import TaskInterrupted

if TYPE_CHECKING:
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["Failures"]


class Failures:
    """The tasks of one simulation that failed."""

    def __init__(self) -> None:
        self._failed: list[tuple[ScheduledTask, BaseException]] = []

    def add(self, task: ScheduledTask, error: BaseException) -> None:
        """A task of the program has failed."""
        if not isinstance(error, TaskInterrupted):
            self._failed.append((task, error))

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
        for task, cause in self._failed:
            if not task.retrieved:
                failed = TaskFailed(f"task {task.name} failed, and nobody asked for its result")
                failed.__cause__ = cause
                return failed
        return None

    def tell(self, failure: BaseException, *, quiet: bool) -> None:
        """Put the errors of failed tasks, which may be its cause, beside what the run failed with.

        Python shows notes from 3.11 on; before, they go to standard error unless ``quiet``.
        """
        for task, cause in self._failed:
            if not task.retrieved and cause not in (failure, failure.__cause__):
                trace = "".join(traceback.format_exception(type(cause), cause, cause.__traceback__))
                note = f"task {task.name} failed before, and nobody asked for its result:\n{trace}"
                if hasattr(failure, "add_note"):
                    failure.add_note(note)
                elif not quiet:
                    sys.stderr.write(f"zkfake.simulation: {note}")
