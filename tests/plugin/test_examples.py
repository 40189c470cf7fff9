"""`zk_example`: a clean place for each example, on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kazoo.exceptions import ConnectionLoss

if TYPE_CHECKING:
    from pytest_zkdict.examples import Examples


def test_an_example_has_what_the_fixtures_give_a_test(
    zk_example: Examples, zk_backend: str
) -> None:
    for _ in range(2):
        with zk_example() as example:
            faults, history = example.faults, example.history
            client, other = example.client, example.client_factory()
            assert example.client is client
            assert example.dict is example.dict
            assert example.hosts.endswith(client.chroot)
            assert (example.simulation is None) is (zk_backend != "simulation")
            assert client.get_children("/") == ["zk_dict"]
            example.dict["tea"] = 3
            assert dict(example.dict_factory()) == {"tea": 3}
            drop = faults.drop_before_reply(client, operation="create")
            with pytest.raises(ConnectionLoss):
                client.create("/a")
            assert drop.over
            assert other.exists("/a")
            assert len(history)
            faults.partition(other)
            faults.drop_before_request(operation="create", times=None)
    assert faults.outages == ()


@pytest.mark.parametrize("wanted", ["faults", "history"])
def test_what_needs_a_proxy_is_asked_for_before_the_clients(
    zk_example: Examples, zk_backend: str, wanted: str
) -> None:
    """In every example: what the last one had is not there any more."""
    for late in (True, False, True):
        with zk_example() as example:
            client = example.client if late else None
            if late and zk_backend == "live":
                with pytest.raises(RuntimeError, match="before the first client"):
                    getattr(example, wanted)
            else:
                assert getattr(example, wanted) is not None
                client = example.client
            assert client is not None
            assert client.exists("/a") is None


IN_VIRTUAL_TIME = """
import random, time
import pytest
from hypothesis import given, settings, strategies as st
from kazoo.exceptions import ConnectionLoss
from pytest_zkdict.stateful import faults

few = settings(max_examples=5, database=None, deadline=None)
seen = []

@few
@given(st.integers())
def test_each_has_one_of_its_own(zk_example, number):
    with zk_example() as example:
        time.sleep(100)
        example.dict["key"] = random.random()
        example.client_factory(name="ann").create("/a", sequence=True)
        example.faults.partition("ann", duration=50)
        assert 100 <= example.simulation.now < 200
        seen.append(example.simulation.history.digest())

def test_they_are_the_same():
    assert (len(seen), len(set(seen))) == (5, 1)

def test_beside_other_fixtures_there_is_one(zk_example, zk_client, zk_server):
    time.sleep(50)
    for _ in range(2):
        with zk_example() as example:
            assert example.simulation is zk_server.simulation
            assert example.simulation.now >= 50
            assert example.client.chroot != zk_client.chroot

runs = []

@pytest.mark.zk_explore(seeds=2, allow=Exception)
def test_an_explored_one(zk_example):
    with zk_example() as one:
        sim = one.simulation
    with zk_example() as other:
        assert other.simulation is sim
    runs.append(sim)

def test_what_was_explored():
    assert len(set(map(id, runs))) == 2

@few
@given(st.integers(0, 1))
def test_fails(zk_example, number):
    with zk_example() as example:
        example.client.create(f"/number{number}")
        assert number == 0

@few
@given(st.integers(0, 1))
def test_a_task_fails(zk_example, number):
    with zk_example() as example:
        example.simulation.spawn(lambda: 1 // (1 - number))
        time.sleep(1)
"""


def test_in_virtual_time_each_example_has_a_simulation_of_its_own(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(IN_VIRTUAL_TIME)
    result = pytester.runpytest_inprocess(
        *("--zk-backend=simulation", "-Werror", "-p", "no:cacheprovider", "-p", "no:xdist")
    )
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(
        [
            "E *zk_example=zk_example,",
            "E *number=1,",
            "*- zk_simulation -*",
            "*asks server 1: create */number1*",
            "E *TaskFailed: *",
        ]
    )
    assert "zkfake.simulation: " not in result.stdout.str() + result.stderr.str()
