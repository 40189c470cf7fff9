"""State machines as tests on the clients of fixtures."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

from hypothesis.errors import Flaky, InvalidArgument
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from pytest_zkdict.stateful._judging import JudgedDicts
from pytest_zkdict.stateful._participants import ParticipantSteps
from pytest_zkdict.stateful._places import ServedPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis import settings
    from kazoo.client import KazooClient

    from pytest_zkdict.stateful.mapping import MappingMachine

__all__ = ["run_machine"]


def run_machine(
    machine: type[MappingMachine | JudgedDicts],
    client_factory: Callable[[], KazooClient],
    *,
    faults: Any = None,
    settings: settings | None = None,
) -> None:
    """Run a state machine as a test, on clients of the plugin's fixtures.

    The clients come from ``client_factory`` (the fixture `zk_client_factory`, or anything that
    gives started clients) and serve all examples; each example has a path to itself. There are as
    many clients as the machine's `size`, and for a `ZooKeeperDictMachine` one more, with which
    strangers write.

    Args:
        machine: the class, of a `MappingMachine` or a `ZooKeeperDictMachine`. It runs in real time
            here.
        client_factory: makes started clients.
        faults: those that may strike the clients and their servers, such as the fixture
            `zk_faults`. Rules whose fault these do not have are never chosen. Durations are a
            hundredth of those in virtual time.
        settings: Hypothesis's, by default those of ``machine.TestCase``.

    Raises what the machine's shortest failing program raises; Hypothesis adds the program as a
    note. If that cannot be repeated, raises the `AssertionError` with the shortest text of those
    that there were. Raises `InvalidArgument` if ``faults`` are given and the machine has no rules
    for them, and for a `RecipeMachine`, which runs in virtual time only.
    """
    given: type = machine  # a caller without a type checker may give any class
    if issubclass(given, ParticipantSteps):
        raise InvalidArgument(
            f"{machine.__name__} runs in virtual time only: leave run_machine() out, and write "
            f"TestIt = {machine.__name__}.TestCase"
        )
    numbers = itertools.count()
    failures: list[AssertionError] = []
    judged = issubclass(machine, JudgedDicts)
    if faults is not None and not judged:
        raise InvalidArgument(
            f"{machine.__name__} has no rules for faults: leave faults= out, or derive it from "
            "ZooKeeperDictMachine"
        )
    clients = [client_factory() for _ in range(machine.size + judged)]

    def example() -> RuleBasedStateMachine:
        path = f"/{machine.__name__}-{next(numbers)}"
        made: MappingMachine | JudgedDicts
        if issubclass(machine, JudgedDicts):
            made = machine(ServedPlace(clients, faults), path)
        else:
            made = machine(clients, path)
        made.failures = failures
        return made

    try:
        run_state_machine_as_test(
            cast("type[RuleBasedStateMachine]", example),
            settings=settings or machine.TestCase.settings,
        )
    except Flaky as flaky:
        # Hypothesis could not repeat it, and may tell of that alone. It did happen.
        if failures:
            raise min(failures, key=lambda failure: len(str(failure))) from flaky
        raise
