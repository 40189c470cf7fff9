"""The Hypothesis machine: draws programs and runs them on two servers.

Rules that live here: how many steps an example has, and how a run of so many steps is made of
examples. A failing run prints what is left of its steps after shrinking, as Python, to be kept in
`regressions.py`.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from zkfake._compare.driver import DivergenceError

from .engine.report import report
from .programs import step as draw_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._compare.driver import Pair
    from zkfake._compare.shrink import Program

    from .engine.steps import Step

STEPS_IN_AN_EXAMPLE = 100
EXAMPLES_IN_A_CHUNK = 50


class HypothesisPick:
    """`Pick` out of Hypothesis: what it draws, Hypothesis records and shrinks."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def below(self, bound: int) -> int:
        return self._draw(_below(bound))


@cache
def _below(bound: int) -> st.SearchStrategy[int]:
    return st.integers(0, bound - 1)


@st.composite
def steps(draw: Callable[[st.SearchStrategy[int]], int], version: str) -> Step:
    """Any step that a live server of `version` survives."""
    return draw_step(HypothesisPick(draw), version)


class Machine(RuleBasedStateMachine):
    """A machine that remembers the program with which it failed."""

    failed: ClassVar[tuple[Program, DivergenceError] | None] = None


def machine(pair: Pair, version: str) -> type[Machine]:
    """A state machine over `pair`; its servers are used by one example after the other."""

    class DifferentialMachine(Machine):
        def __init__(self) -> None:
            super().__init__()
            self.program: list[Step] = []
            pair.begin()

        @rule(step=steps(version))
        def step(self, step: Step) -> None:
            self.program.append(step)
            with self.remembering():
                pair.step(step)

        def teardown(self) -> None:
            if pair.running:
                with self.remembering():
                    pair.end()

        @contextmanager
        def remembering(self) -> Iterator[None]:
            try:
                yield
            except DivergenceError as divergence:
                type(self).failed = (tuple(self.program), divergence)
                raise

    return DifferentialMachine


def run(pair: Pair, version: str, number_of_steps: int, first_seed: int = 0) -> None:
    """Compare at least `number_of_steps` steps; raises `DivergenceError` with a small program.

    The steps are counted where they are compared. Seeds are `first_seed` and those after it, one a
    chunk of examples, so that a run can be repeated.
    """
    chunk = first_seed
    goal = pair.steps + number_of_steps
    while pair.steps < goal:
        missing = -(-(goal - pair.steps) // STEPS_IN_AN_EXAMPLE)
        profile = settings(
            max_examples=min(missing, EXAMPLES_IN_A_CHUNK),
            stateful_step_count=STEPS_IN_AN_EXAMPLE,
            deadline=None,
            database=None,
            # Each failure costs a new JVM. `shrink` takes out whole steps first and needs fewer.
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        drawn = machine(pair, version)
        try:
            run_state_machine_as_test(seed(chunk)(drawn), settings=profile)
        except Exception:
            if drawn.failed is None:
                raise
        if drawn.failed is not None:
            # Raised out here: Hypothesis' own account of the whole program would hide it.
            raise DivergenceError(report(pair, *drawn.failed))
        chunk += 1
