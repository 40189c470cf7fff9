"""How many examples a mistake takes to be found, and how short the program that shows it is."""

from __future__ import annotations

import contextlib
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import Phase, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from pytest_zkdict.stateful import RecipeMachine, ZooKeeperDictMachine

from ..support.mistakes import ROTTEN, RottenMistakeError
from .recorded import faults_of, steps_of

if TYPE_CHECKING:
    from ..support.mistakes import Mistake


@dataclass
class Find:
    """What became of one search."""

    examples: int
    error: BaseException | None = None
    program: str = ""
    first: int = 0
    """How many examples there were when one failed."""

    @property
    def pasted(self) -> str:
        """The program alone, as one would paste it."""
        lines = self.program.splitlines()
        begin = next(number for number, line in enumerate(lines) if line.startswith("state"))
        return "\n".join(lines[begin:]) + "\n"

    @property
    def steps(self) -> list[str]:
        """The calls of the program that do something."""
        return steps_of(self.program)

    @property
    def faults(self) -> list[str]:
        return faults_of(self.program)


def search(
    mistake: Mistake | None,
    *,
    seed: int,
    shrink: bool = True,
    max_examples: int = 100,
    machine: type[ZooKeeperDictMachine | RecipeMachine] = ZooKeeperDictMachine,
) -> Find:
    """Run the machine as a user does, with the mistake planted."""
    count = first = 0

    class Counting(machine):  # type: ignore[valid-type,misc]
        def __init__(self) -> None:
            nonlocal count
            count += 1
            super().__init__()

        def teardown(self) -> None:
            nonlocal first
            try:
                super().teardown()
            except Exception:
                first = first or count
                raise
            if sys.exc_info()[1] is not None:
                first = first or count

    Counting.__name__ = machine.__name__
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    chosen = settings(
        machine.TestCase.settings,
        max_examples=max_examples,
        database=None,
        derandomize=False,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,  # which is more than the program
    )
    logging.disable(logging.CRITICAL)
    planted = contextlib.nullcontext() if mistake is None else mistake.planted()
    try:
        with planted:
            run_state_machine_as_test(with_seed(seed)(Counting), settings=chosen)
    except ROTTEN as error:
        raise RottenMistakeError(f"{type(error).__name__}: {error}") from error
    except Exception as error:
        return Find(count, error, "\n".join(getattr(error, "__notes__", ())), first)
    finally:
        logging.disable(logging.NOTSET)
    return Find(count)
