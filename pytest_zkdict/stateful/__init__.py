"""Hypothesis state machines for what stands on ZooKeeper.

`ZooKeeperDictMachine` has every operation of `zkdict.ZooKeeperDict` and every fault as rules, and
runs in virtual time, so a failure can be repeated and shrinks::

    TestDict = ZooKeeperDictMachine.TestCase

`MappingMachine` has the operations of any mapping, and no faults: override
`MappingMachine.new_dict`. With the plugin's fixtures both run on the fake and on the live server::

    def test_dict(zk_client_factory):
        run_machine(MappingMachine, zk_client_factory)

`paths`, `keys`, `values` and `faults` are strategies, for these and for other tests.

(A `TestCase` of a `MappingMachine` starts a fake for each example. Where warnings are errors, that
wants ``@pytest.mark.filterwarnings("ignore:Do not use the `random` module")``: kazoo's threads use
the global generator. With the fixtures it is seen to.)
"""

try:
    import hypothesis  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the state machines need Hypothesis: pip install 'zkdict[hypothesis]'", name=error.name
    ) from error

from pytest_zkdict.stateful._dicts import ZooKeeperDictMachine
from pytest_zkdict.stateful._recipe_promises import (
    RecipePromise,
    all_wait_for_all,
    at_most_hold,
    counts_once,
    each_item_at_least_once,
    each_item_once,
    mutual_exclusion,
    one_leader,
)
from pytest_zkdict.stateful._recipes import RecipeMachine
from pytest_zkdict.stateful._running import run_machine
from pytest_zkdict.stateful._strategies import faults, keys, paths, values
from pytest_zkdict.stateful.mapping import ABSENT, MappingMachine

__all__ = [
    "ABSENT",
    "MappingMachine",
    "RecipeMachine",
    "RecipePromise",
    "ZooKeeperDictMachine",
    "all_wait_for_all",
    "at_most_hold",
    "counts_once",
    "each_item_at_least_once",
    "each_item_once",
    "faults",
    "keys",
    "mutual_exclusion",
    "one_leader",
    "paths",
    "run_machine",
    "values",
]
