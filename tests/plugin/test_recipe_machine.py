"""The state machine of recipes passes what is right, finds what is planted, and prints programs."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import run_state_machine_as_test

from pytest_zkdict.stateful import (
    RecipeMachine,
    _holding,
    _meeting,
    _participants,
    _queueing,
    all_wait_for_all,
    at_most_hold,
    counts_once,
    each_item_at_least_once,
    each_item_once,
    mutual_exclusion,
    run_machine,
)

from ..machines import own_locks, own_queues  # noqa: F401  # they fill the tables
from ..machines.measuring import search
from ..machines.own_recipes import MACHINES, RIGHT


class Lock(RecipeMachine):
    promise = mutual_exclusion(believed=True)
    recipe = staticmethod(lambda client, path: client.Lock(path))


class Barrier(RecipeMachine):
    promise = all_wait_for_all()
    recipe = staticmethod(lambda client, path: client.DoubleBarrier(path, 2))


class Queue(RecipeMachine):
    promise = each_item_at_least_once()
    recipe = staticmethod(lambda client, path: client.Queue(path))


class LockingQueue(RecipeMachine):
    promise = each_item_at_least_once()
    recipe = staticmethod(lambda client, path: client.LockingQueue(path))


class PutsTwice(LockingQueue):
    promise = each_item_once()


class Counter(RecipeMachine):
    promise = counts_once()
    recipe = staticmethod(lambda client, path: client.Counter(path))


class Semaphore(RecipeMachine):
    promise = at_most_hold(1)
    recipe = staticmethod(lambda client, path: client.Semaphore(path))


KAZOO = {each.__name__: each for each in (Lock, Barrier, Queue, LockingQueue, Counter, Semaphore)}


def run(machine: type[RecipeMachine], *steps: str) -> str:
    """A program as it is printed; what it fails with."""
    lines = ["state = machine()", "state.start()", *steps, "state.teardown()"]
    names: dict[str, Any] = {"machine": machine}
    try:
        exec("\n".join(lines), names)
    except AssertionError as error:
        names["state"].teardown()  # a script would end here
        return str(error)
    return ""


FAILING = {
    "nobody gets it": (
        MACHINES["LeavesItsZnode"],
        ["state.acquire(on=0)", "state.acquire_within(on=1, timeout=0.5)"],
        "nobody has the lock, and nobody can get it",
    ),
    "waits for ever": (
        MACHINES["MakesItsZnodeAgain"],
        [
            "state.acquire(on=1)",
            "state.drop_before_reply(on=0, operation='create')",
            "state.acquire(on=0)",
        ],
        "nobody has the lock, and after 60 s more client-0 still waits for it",
    ),
    "two believe": (
        Lock,
        ["state.acquire(on=0)", "state.expire(on=0)", "state.acquire(on=1)"],
        "2 hold 'the lock' at once: client-0",
    ),
    "a znode of somebody else": (
        MACHINES["TakesItsLostAnswerForYes"],
        [
            "state.campaign(on=0)",
            "state.drop_before_reply(on=1, operation='create')",
            "state.campaign(on=1)",
        ],
        "client-1 was given it, is connected, and its session is not over",
    ),
    "without the version": (
        MACHINES["WritesWithoutTheVersion"],
        ["state.use(on=0)", "state.expire(on=0)", "state.use(on=1)", "state.use(on=0)"],
        "is recorded as 'written' and never as 'kept'",
    ),
    "consumed twice": (
        MACHINES["ConsumesInTwoSteps"],
        [
            "state.put(on=0)",
            "state.get(on=0)",
            "state.expire(on=0)",
            "state.consume(on=1)",
            "state.consume(on=0)",
        ],
        "'item 1' is recorded as 'done' twice",
    ),
    "put again": (
        MACHINES["PutsAgain"],
        [
            "state.put(on=0)",
            "state.drop_before_reply(on=0, operation='create')",
            "state.put(on=0)",
        ],
        "'item 2' is recorded as 'done' twice",
    ),
    "put twice": (
        PutsTwice,
        [
            "state.put(on=0)",
            "state.drop_before_reply(on=0, operation='create', nth=1)",
            "state.put(on=0)",
        ],
        "'item 2' is recorded as 'done' twice",
    ),
    "deleted before it is done": (
        Queue,
        [
            "state.put(on=0)",
            "state.drop_before_reply(on=1, operation='delete')",
            "state.get_within(on=1, timeout=5.0)",
        ],
        "'item 1' is recorded as 'put' and never as 'worked on'",
    ),
    "deaf": (
        LockingQueue,
        ["state.get(on=0)", "state.expire(on=0)"],
        "an item was put for each who waits, and after 60 s more client-0 still waits",
    ),
    "counts twice": (
        Counter,
        [
            "state.count(on=0)",
            "state.drop_before_reply(on=0, operation='setData')",
            "state.count(on=0)",
        ],
        "the last 'value' of 'it' is 3; the sum of its 'added' is 2",
    ),
    "counts never": (
        MACHINES["WaitsForItsTurn"],
        [
            "state.count(on=0)",
            "state.drop_before_reply(on=0, operation='create')",
            "state.count(on=0)",
            "state.begin_count(on=1)",
        ],
        "everything is healed, and `+= 1` has no answer",
    ),
    "one is in": (
        MACHINES["WaitsForNobody"],
        ["state.enter(on=0)"],
        "client-0 is in, and only client-0 came",
    ),
    "one leaves": (
        MACHINES["LeavesAlone"],
        ["state.enter(on=0)", "state.enter(on=1)", "state.leave(on=0)"],
        "client-0 has left, and client-1 has not begun to leave",
    ),
    "leaves early": (
        Barrier,
        [
            "state.begin_enter(on=0)",
            "state.enter(on=1)",
            "state.drop_before_reply(on=0, operation='delete', nth=2)",
            "state.leave(on=0)",
        ],
        "client-0 has left, and client-1 has not begun to leave",
    ),
    "nobody leaves": (
        MACHINES["LeavesForGood"],
        [],
        "everything is healed, all leave, and after 60 s more",
    ),
    "nobody is told that all came": (
        Barrier,
        ["state.enter(on=0)", "state.expire(on=0)"],
        "everything is healed, all have come, and after 60 s more",
    ),
}
"""A program for each way of failing, and a part of what is said."""


@pytest.mark.parametrize("name", FAILING)
def test_a_program_fails(name: str) -> None:
    machine, steps, says = FAILING[name]
    assert says in run(machine, *steps)


def _template(argument: ast.expr) -> str:
    """A pattern for the text of a verdict."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    return "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in parts)


def test_each_verdict_is_reached() -> None:
    verdicts = {
        _template(node.args[0])
        for module in (_participants, _holding, _queueing, _meeting)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "fail"
        and isinstance(node.args[0], (ast.Constant, ast.JoinedStr))  # the others are the judges'
    }
    said = [run(machine, *steps) for machine, steps, _ in FAILING.values()]
    assert len(verdicts) == 8
    for verdict in verdicts:
        assert any(re.match(verdict, text) for text in said), verdict


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    machine = RIGHT[name]
    chosen = settings(
        machine.TestCase.settings, max_examples=6, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)


def test_an_item_that_was_presumed_done_may_be_done() -> None:
    """Its `consume()` raised, and was not carried out; who has it tries again after a while."""
    steps = [
        "state.put(on=0)",
        "state.get(on=0)",
        "state.stop_server(server=None, seconds=5)",
        "state.begin_consume(on=0)",
        "state.settle()",
        "state.consume(on=0)",
    ]
    assert run(RIGHT["Queue"], *steps) == ""


@pytest.mark.parametrize(
    "name", ["MakesItsZnodeAgain", "TakesItsLostAnswerForYes", "TakesByDeleting"]
)
def test_a_mistake_is_found(name: str) -> None:
    """In a lock, an election and a queue."""
    assert search(None, seed=1, machine=MACHINES[name], shrink=False).error is not None


def test_what_is_printed_fails_the_same_way() -> None:
    find = search(None, seed=1, machine=MACHINES["WaitsForNobody"])
    assert find.error is not None
    assert len(find.steps) <= 6
    steps = [line for line in find.program.splitlines() if re.match(r"state\.(?!start|tear)", line)]
    assert run(MACHINES["WaitsForNobody"], *steps) == str(find.error)


def test_a_semaphore_hands_out_the_lease_of_a_lost_session() -> None:
    """kazoo's: see docs/recipes.md."""
    program = ["state.delay_task(on=0, step=%d, seconds=30)", "state.begin_acquire(on=0)"]
    program += ["state.wait(seconds=1)", "state.expire(on=0)"]
    said = [run(Semaphore, program[0] % step, *program[1:]) for step in range(1, 30)]
    assert any("client-0 was given it, is connected" in text for text in said)


def test_what_is_missing_is_told() -> None:
    class Nothing(RecipeMachine):
        pass

    class NoRecipe(RecipeMachine):
        promise = mutual_exclusion()

    class TooFew(NoRecipe):
        promise = at_most_hold(2)

    for machine, says in (
        (Nothing, "Nothing has no promise"),
        (NoRecipe, "NoRecipe has no recipe"),
        (TooFew, "choose size = 3 or more"),
    ):
        state = machine()
        with pytest.raises(InvalidArgument, match=says):
            state.start()
        if state.place is not None:
            state.place.close(ValueError())
    with pytest.raises(InvalidArgument, match="at least 1"):
        at_most_hold(0)
    with pytest.raises(InvalidArgument, match="NoRecipe runs in virtual time only: leave run_mach"):
        run_machine(NoRecipe, object)  # type: ignore[arg-type]


def test_a_machine_has_the_rules_of_its_promise() -> None:
    class Later(Counter):
        promise = mutual_exclusion()
        faults = Counter.faults - {"expire"} | {"hold_watches"}

    assert Counter.count is not None
    assert Counter.acquire is None  # type: ignore[comparison-overlap]
    assert Counter.use is None  # type: ignore[comparison-overlap]
    assert Later.count is None  # type: ignore[comparison-overlap]
    assert Later.expire is None  # type: ignore[comparison-overlap]
    assert Later.acquire is RecipeMachine.acquire
    assert Later.hold_watches is RecipeMachine.hold_watches
