"""Every verdict of the dict's machine is reached by a mistake that is planted for it."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from pytest_zkdict.stateful import ZooKeeperDictMachine, _dicts, _judging, _leases

from .verdicts import PLANTED, Planted


def _template(argument: ast.expr) -> str:
    """The text of a verdict, with {} for what it fills in."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


VERDICTS = [
    _template(node.args[0])
    for module in (_judging, _leases, _dicts)
    for node in ast.walk(ast.parse(inspect.getsource(module)))
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and node.func.attr == "fail"
]


def run(planted: Planted) -> None:
    state = ZooKeeperDictMachine()
    state.start()
    try:
        planted.program(state)
    except BaseException:
        state.teardown()
        raise
    state.teardown()


def named(planted: Planted) -> str:
    return planted.mistake.name


@pytest.mark.parametrize("planted", PLANTED, ids=named)
def test_a_planted_mistake_reaches_its_verdict(planted: Planted) -> None:
    with planted.mistake.planted(), pytest.raises(AssertionError) as found:
        run(planted)
    said = str(found.value).partition("\nWhat happened:")[0]
    wanted = ".*".join(map(re.escape, planted.verdict.split("{}")))
    assert re.fullmatch(wanted, said, re.DOTALL), str(found.value)


@pytest.mark.parametrize("planted", PLANTED, ids=named)
def test_the_same_program_passes_without_the_mistake(planted: Planted) -> None:
    run(planted)


def test_every_verdict_has_its_mistake() -> None:
    assert len(set(VERDICTS)) == len(VERDICTS), "two verdicts read the same"
    assert {planted.verdict for planted in PLANTED} == set(VERDICTS)


def test_a_key_that_was_made_again_with_its_version_may_be_set() -> None:
    """The server compares versions, and they begin at 0 again: `modify` says that it was so."""
    state = ZooKeeperDictMachine()
    state.start()
    state.modify(on=0, key="a", wait=True)
    state.stranger_replaces(key="a", value=7)
    state.modify(on=0, key="a", wait=False)
    state.teardown()


def test_a_dict_whose_copy_is_not_confirmed_may_be_empty_though_the_path_never_was() -> None:
    """Its own delete is laid over a copy that knows of nothing else."""
    state = ZooKeeperDictMachine()
    state.start()
    state.set(on=1, key="a", value=0, wait=True)
    state.settle()
    state.hold_watches(on=1, seconds=5)
    state.set(on=0, key="b", value=0, wait=True)
    state.pop(on=1, key="a", wait=True)
    state.popitem(on=1, wait=True)
    state.teardown()


def test_an_own_delete_that_changes_nothing_leaves_the_copy_that_was_there() -> None:
    """It is a state that existed, and is older than the delete, which cannot be confirmed."""
    state = ZooKeeperDictMachine()
    state.start()
    state.update(on=0, items={"a": 0, "b": 0}, wait=True)
    state.hold_watches(on=1, seconds=30)
    state.delete(on=1, key="a", wait=False)
    state.hold_events(on=1, seconds=5)
    state.set(on=1, key="b", value=0, wait=False)
    state.teardown()


def test_a_lease_may_be_wanted_again_where_its_dict_was_not_loaded_in_time() -> None:
    state = ZooKeeperDictMachine()
    state.start()
    state.partition(on=1, seconds=60)
    state.lease(on=1)
    state.lease(on=1)
    state.teardown()


def test_where_too_much_is_possible_everything_is_delivered_and_judging_goes_on() -> None:
    state = ZooKeeperDictMachine()
    state.start()
    state.possible.most = 3
    for value in range(3):
        state.replace_all(fault="drop_before_reply", items={"a": value}, on=0, wait=False)
        state.stranger_replaces(key="a", value=7)
        state.stranger_sets(key="b", value=value)
        state.update(items={"a": 0, "b": value}, on=1, wait=False)
    state.teardown()


def test_a_machine_that_is_torn_down_twice_leaves_the_next_one_alone() -> None:
    """A script does that when its last line fails: at the end, and on the way out."""
    over = ZooKeeperDictMachine()
    over.start()
    over.teardown()
    state = ZooKeeperDictMachine()
    state.start()
    over.teardown()
    state.set(on=0, key="a", value=0, wait=True)
    state.teardown()
