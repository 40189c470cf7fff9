"""The state machine, on the fixtures' clients and on a fake of its own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_zkdict.stateful import MappingMachine, run_machine

FEW = settings(MappingMachine.TestCase.settings, max_examples=5)


def test_on_the_fixtures(zk_client_factory):
    run_machine(MappingMachine, zk_client_factory, settings=FEW)


class OnItsOwn(MappingMachine):
    size = 3


TestOnItsOwn = pytest.mark.filterwarnings("ignore:Do not use the `random` module")(
    OnItsOwn.TestCase
)
TestOnItsOwn.settings = FEW


@settings(max_examples=10, deadline=None)
@given(data=st.binary(max_size=100))
def test_given(zk_example, data):
    with zk_example() as example:
        example.client.create("/a", data)
        assert example.client.get("/a")[0] == data
