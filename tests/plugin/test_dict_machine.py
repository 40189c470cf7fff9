"""The state machine of the dict passes, with every fault, and finds what is planted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pytest_zkdict.stateful import MappingMachine, ZooKeeperDictMachine, run_machine

from ..machines.dict_mistakes import MISTAKES
from ..machines.measuring import search
from ..machines.recorded import replay

if TYPE_CHECKING:
    from pytest_zkdict.clients import ClientFactory

FEW = settings(
    ZooKeeperDictMachine.TestCase.settings,
    max_examples=3,
    stateful_step_count=12,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_dict_passes_in_virtual_time() -> None:
    run_state_machine_as_test(
        ZooKeeperDictMachine,
        settings=settings(FEW, max_examples=25, stateful_step_count=50),
    )


@pytest.mark.zookeeper(servers=3)
def test_the_dict_passes_in_real_time(zk_client_factory: ClientFactory, zk_faults: Any) -> None:
    run_machine(ZooKeeperDictMachine, zk_client_factory, faults=zk_faults, settings=FEW)


@pytest.mark.parametrize("name", ["modifies_without_a_version", "takes_no_answer_for_done"])
def test_a_planted_mistake_is_found(name: str) -> None:
    find = search(MISTAKES[name], seed=1, shrink=False)
    assert find.error is not None


def test_what_is_printed_fails_the_same_way() -> None:
    mistake = MISTAKES["pops_the_first_item"]
    find = search(mistake, seed=1, shrink=False)
    assert find.error is not None
    with mistake.planted(), pytest.raises(AssertionError) as again:
        replay(find.pasted)
    assert str(again.value) == str(find.error)
    replay(find.pasted)  # without the mistake


def test_a_machine_may_leave_all_faults_out() -> None:
    class Calm(ZooKeeperDictMachine):
        faults = frozenset()

    Calm.TestCase.settings = settings(
        max_examples=2, stateful_step_count=5, deadline=None, database=None
    )
    Calm.TestCase("runTest").runTest()


def test_a_machine_without_faults_says_so(zk_client_factory: ClientFactory) -> None:
    with pytest.raises(Exception, match="MappingMachine has no rules for faults"):
        run_machine(MappingMachine, zk_client_factory, faults=object())
