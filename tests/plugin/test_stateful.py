"""The state machine passes on the dict, and finds the mistakes that are planted in it.

The mistakes sit in the dict's own methods or between it and its client, not in its inner workings,
so they stay mistakes however those change.
"""

import re
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from kazoo.client import KazooClient

from pytest_zkdict.clients import ClientFactory
from pytest_zkdict.stateful import MappingMachine, run_machine
from zkdict import Timeout, ZooKeeperDict
from zkfake.simulation import Simulation

#: The default number of examples, without the time to make a failing one shorter.
SEARCH = settings(MappingMachine.TestCase.settings, phases=[Phase.generate], database=None)
#: For a machine that passes: `make hunt` runs it with fresh examples, as long as one likes.
FEW = settings(SEARCH, max_examples=25)

Watch = Callable[[Any], None]


def test_the_dict_passes(zk_client_factory: ClientFactory) -> None:
    run_machine(MappingMachine, zk_client_factory, settings=FEW)


def test_a_slow_computer_is_no_failure() -> None:
    """A reply takes longer than a dict holds back what it cannot confirm, unless told otherwise."""
    with Simulation(latency=(0.7, 0.7)) as sim:
        run_machine(MappingMachine, sim.client, settings=FEW)


# As users without the fixtures do it; those with them need no filter.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
class TestOnAFakeOfItsOwn(MappingMachine.TestCase):  # type: ignore[misc,name-defined]
    settings = FEW


def test_the_page_has_the_defaults() -> None:
    page = (Path(__file__).parents[2] / "docs/pytest_state_machines.md").read_text("utf-8")
    for name in ("size", "patience", "ordered", "snapshots"):
        default = getattr(MappingMachine, name)
        shown = default if isinstance(default, bool) else f"{default:g}"
        assert re.search(rf"\| `{name}` \|.*: {shown} \|", page)


# -- planted mistakes


class Bent:
    """A client that a dict may be given in place of a KazooClient; subclasses bend what passes."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client
        self._watched: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def bend(self, result: Any, change: Callable[[Any], Any]) -> Any:
        """The same pending result, with another value."""
        bent = self._client.handler.async_result()

        def done(result: Any) -> None:
            try:
                value = result.get_nowait()
            except Exception as error:
                bent.set_exception(error)
            else:
                bent.set(change(value))

        result.rawlink(done)
        return bent

    def first_time(self, path: str) -> bool:
        new = path not in self._watched
        self._watched.add(path)
        return new


class Straight(Bent):
    """No mistake: what the others do besides their mistakes."""

    def get_async(self, path: str, watch: Watch | None = None) -> Any:
        return self.bend(self._client.get_async(path, watch), lambda value: value)

    def get_children_async(self, path: str, watch: Any = None, **arguments: Any) -> Any:
        result = self._client.get_children_async(path, watch, **arguments)
        return self.bend(result, lambda value: value)


class StaleAfterDelete(Bent):
    """A delete by another client goes unseen, until something else happens."""

    def __init__(self, client: KazooClient) -> None:
        super().__init__(client)
        self._listed: set[str] = set()

    def get_async(self, path: str, watch: Watch | None = None) -> Any:
        def deaf(event: Any) -> None:
            if watch is not None and event.type != "DELETED":
                watch(event)

        return self._client.get_async(path, deaf)

    def get_children_async(self, path: str, watch: Any = None, **arguments: Any) -> Any:
        def deaf(event: Any) -> None:
            if event.type == "CHILD" and set(self._client.get_children(path, deaf)) < self._listed:
                return
            watch(event)

        def remember(value: tuple[list[str], Any]) -> tuple[list[str], Any]:
            self._listed = set(value[0])
            return value

        given = watch and deaf
        return self.bend(self._client.get_children_async(path, given, **arguments), remember)


class MissedNewKey(Bent):
    """The children are watched once: later ones go unseen."""

    def get_children_async(self, path: str, watch: Any = None, **arguments: Any) -> Any:
        watch = watch if self.first_time(path) else None
        return self._client.get_children_async(path, watch, **arguments)


class NotRearmed(Bent):
    """A key is watched once: its second change goes unseen."""

    def get_async(self, path: str, watch: Watch | None = None) -> Any:
        return self._client.get_async(path, watch if self.first_time(path) else None)


class LostUpdate(ZooKeeperDict[Any]):
    """An update writes back all that the dict had at its last sync, whatever others wrote since."""

    _had: dict[str, Any] = {}  # noqa: RUF012

    def sync(self, timeout: float | None = None) -> int:
        zxid = super().sync(timeout)
        self._had = dict(self)
        return zxid

    def update(self, other: Any = (), /, **items: Any) -> None:
        super().update({**self._had, **dict(other, **items)})


class WrongPopDefault(ZooKeeperDict[Any]):
    """A default that is falsy is no default."""

    def pop(self, key: str, /, *default: Any) -> Any:
        return super().pop(key, *filter(None, default))


def machine_for(make: Callable[[KazooClient, str], Any]) -> type[MappingMachine]:
    class Machine(MappingMachine):
        # A dict that its server lies to may wait for ever; that's a mistake found, too.
        patience = 3.0

        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            mapping: MutableMapping[str, Any] = make(client, self.path)
            return mapping

    return Machine


def behind(client_type: type[Bent]) -> Callable[[KazooClient, str], Any]:
    return lambda client, path: ZooKeeperDict(client_type(client), path, max_staleness=30.0)


def bent(dict_type: type[ZooKeeperDict[Any]]) -> Callable[[KazooClient, str], Any]:
    return lambda client, path: dict_type(client, path, max_staleness=30.0)


def test_what_the_planted_mistakes_have_in_common_is_none(zk_client_factory: ClientFactory) -> None:
    class Machine(MappingMachine):
        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            return super().new_dict(cast("KazooClient", Straight(client)))

    run_machine(Machine, zk_client_factory, settings=FEW)


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(behind(StaleAfterDelete), id="stale copy after a remote delete"),
        pytest.param(behind(MissedNewKey), id="missed new key"),
        pytest.param(behind(NotRearmed), id="watch not re-armed"),
        pytest.param(bent(LostUpdate), id="lost update"),
        pytest.param(bent(WrongPopDefault), id="wrong pop default"),
    ],
)
def test_a_planted_mistake_is_found(mistake: Callable[[KazooClient, str], Any]) -> None:
    """In virtual time: in real time a busy computer would look like a mistake, too."""
    with pytest.raises((AssertionError, Timeout)) as found, Simulation() as sim:
        run_machine(machine_for(mistake), sim.client, settings=SEARCH)
    # A pop of what the dict never learns is gone tries again until its deadline.
    assert found.type is Timeout or "What happened:\n  dict " in str(found.value)


def test_a_planted_mistake_is_found_on_any_server(zk_client_factory: ClientFactory) -> None:
    class Machine(MappingMachine):
        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            return WrongPopDefault(client, self.path, max_staleness=30.0)

    with pytest.raises(AssertionError, match=r"What happened:\n  dict "):
        run_machine(Machine, zk_client_factory, settings=SEARCH)


# -- what users do with it


def test_a_failure_tells_the_program_and_the_answers() -> None:
    short = settings(MappingMachine.TestCase.settings, stateful_step_count=20, database=None)
    with pytest.raises(AssertionError) as found, Simulation() as sim:
        run_machine(machine_for(bent(WrongPopDefault)), sim.client, settings=short)
    # Hypothesis makes it as short as can be: one pop, with the first of the defaults.
    assert str(found.value).splitlines() == [
        "it had a default",
        "What happened:",
        "  dict 0: pop('a', None) -> KeyError",
    ]


def test_a_subclass_chooses_keys_and_values_and_adds_rules(
    zk_client_factory: ClientFactory,
) -> None:
    used: set[str] = set()

    class Counters(MappingMachine):
        keys = st.sampled_from(["one", "two"])
        values = st.integers(1000, 1010)
        size = 3

        @rule(on=st.integers(0, 2))
        def swap(self, on: int) -> None:
            self._catch_up(on)
            mapping = self.dicts[on]
            changes = {"one": mapping.get("two", 0), "two": mapping.get("one", 0)}
            self.did(on, f"swap: {changes}")
            mapping.update(changes)
            self.wrote(on, changes)

        @invariant()
        def all_are_counters(self) -> None:
            assert len(self.dicts) == 3
            for key, value in self.model.items():
                used.add(key)
                assert value == 0 or 1000 <= value <= 1010

    run_machine(Counters, zk_client_factory, settings=settings(SEARCH, max_examples=20))
    assert used == {"one", "two"}


class PlainDict(dict[str, Any]):
    def sync(self, timeout: float) -> None: ...

    def close(self) -> None: ...


def test_it_works_on_any_mapping(zk_client_factory: ClientFactory) -> None:
    """Two names for one plain dict are what two dicts on one path should look like."""

    class OneForAll(MappingMachine):
        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            return self.dicts[0] if self.dicts else PlainDict()

    class OneForEach(MappingMachine):
        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            return PlainDict()

    # Only the order of new keys of one update differs from a znodes': by name, at one czxid.
    OneForAll.ordered = False
    run_machine(OneForAll, zk_client_factory, settings=FEW)
    with pytest.raises(AssertionError, match="What happened:"):
        run_machine(OneForEach, zk_client_factory, settings=SEARCH)


def test_given_settings_are_used(zk_client_factory: ClientFactory) -> None:
    examples = []

    class Counting(MappingMachine):
        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            examples.append(self.path)
            return super().new_dict(client)

    run_machine(Counting, zk_client_factory, settings=settings(SEARCH, max_examples=3))
    assert 0 < len(examples) <= 3 * 2
    assert len(set(examples)) == len(examples) / 2, "each example has a path to itself"


def test_a_dict_that_can_not_be_made_leaves_nothing_behind() -> None:
    class Broken(MappingMachine):
        def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
            raise RuntimeError("no dict")

    with pytest.raises(RuntimeError, match="no dict"):
        run_state_machine_as_test(Broken, settings=settings(SEARCH, max_examples=3))
