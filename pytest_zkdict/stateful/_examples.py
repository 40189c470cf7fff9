"""The life of one example of a machine: its program, its world, and how both end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from hypothesis.stateful import RuleBasedStateMachine

if TYPE_CHECKING:
    from pytest_zkdict.stateful._places import Place

__all__ = ["ExampleSteps"]


class ExampleSteps(RuleBasedStateMachine):
    """What all machines have whose examples have a world of their own."""

    place: Place | None

    def __init__(self) -> None:
        super().__init__()
        self.place = None
        self.failures: list[AssertionError] = []
        self._program: list[str] = []

    def fail(self, why: str) -> NoReturn:
        """Raise `AssertionError` with the reason, and every call and answer so far."""
        failure = AssertionError("\n".join([why, "What happened:", *self._program]))
        self.failures.append(failure)
        raise failure

    def did(self, what: str) -> None:
        """Note a call and its answer, for the report of a failure."""
        self._program.append(f"  {what}")

    def teardown(self) -> None:
        place = self.place
        if place is None:
            return
        # A step that failed tells enough; what it left behind is no second failure.
        error = sys.exc_info()[1]
        try:
            if error is None:
                try:
                    self._finish()
                except BaseException as failure:
                    error = failure
                    raise
        finally:
            self.place = None  # a failing script may call this again
            try:
                self._close(error)
            finally:
                place.close(error)

    def _finish(self) -> None:
        """All steps were made: heal everything, and judge."""

    def _close(self, error: BaseException | None) -> None:
        """End what the example has opened; ``error``: it failed."""
