"""Hypothesis with the plugin: profiles, strategies, and what its statistics tell."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from kazoo.exceptions import BadArgumentsError, ConnectionLoss, KazooException
from kazoo.protocol.serialization import Create
from kazoo.security import OPEN_ACL_UNSAFE

from pytest_zkdict.stateful import faults, keys, paths, values
from zkdict import BYTES, JSON, TEXT
from zkdict.encodings import Pickle
from zkdict.keys import KeyCodec
from zkfake._database.paths import is_valid
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from pytest_zkdict.examples import Examples

FEW_MORE = settings(max_examples=300, derandomize=True, database=None, deadline=None)
FEW = settings(max_examples=15, derandomize=True, database=None, deadline=None)


@settings(FEW)
@given(drawn=st.lists(paths(), min_size=5, max_size=10))
def test_a_path_can_be_made(zk_example: Examples, drawn: list[str]) -> None:
    with zk_example() as example:
        client = example.client
        for path in drawn:
            client.create(path, makepath=True) if not client.exists(path) else None
            assert client.exists(path)


def test_paths_are_those_of_the_rule() -> None:
    """More of them than a server can be asked for in a moment."""

    @settings(FEW, max_examples=500)
    @given(paths(max_size=2))
    def check(path: str) -> None:
        assert is_valid(path)
        assert path.split("/")[1] != "zookeeper"
        assert all(1 <= len(name) <= 2 for name in path.split("/")[1:])
        assert path.count("/") <= 3

    check()


CHARACTERS = st.sampled_from("\0\x01\x1f\x7f\x9f\ue000\uf8ff\ufff0\uffff\U00010000\U0010ffff")
NAMES = st.sampled_from(["", ".", ".."]) | st.builds(
    "{}{}{}".format, st.sampled_from(["", "a"]), CHARACTERS, st.sampled_from(["", "b"])
)


@settings(FEW)
@given(path=paths(), bad=NAMES)
def test_no_other_name_is_taken(zk_example: Examples, path: str, bad: str) -> None:
    """Sent as it stands: kazoo would change some of them."""
    with zk_example() as example:
        client = example.client
        client.create(path, makepath=True)
        sent = client.handler.async_result()
        wrong = f"{client.chroot}{path}/{bad}"
        client._call(Create(wrong, b"", OPEN_ACL_UNSAFE, 0), sent)
        with pytest.raises(BadArgumentsError):
            sent.get(timeout=30)
        assert client.get_children(path) == []


@settings(FEW)
@given(drawn=st.dictionaries(keys(), values(), max_size=5))
def test_a_dict_gives_back_what_it_is_given(zk_example: Examples, drawn: dict[str, Any]) -> None:
    with zk_example() as example:
        example.dict.update(drawn)
        assert dict(example.dict) == drawn


@pytest.mark.parametrize("encoding", [JSON, TEXT, BYTES])
def test_values_come_back(encoding: Any) -> None:
    @settings(FEW, max_examples=400)
    @given(values(encoding))
    def check(value: Any) -> None:
        back = encoding.decode(encoding.encode(value))
        assert (type(back), back) == (type(value), value)

    check()


@pytest.mark.parametrize("mode", ["plain", "quote"])
def test_keys_have_names(mode: Any) -> None:
    codec = KeyCodec(mode, at_root=True)

    @settings(FEW, max_examples=100)
    @given(keys(key_encoding=mode))
    def check(key: str) -> None:
        assert codec.from_name(codec.to_name(key)) == key

    check()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: paths(max_depth=0),
        lambda: paths(max_size=0),
        lambda: keys(key_encoding="other"),
        lambda: faults("ann"),
        lambda: faults(servers=0),
        lambda: faults(requests=0),
        lambda: faults(kinds=["drop"]),
        lambda: faults(kinds=["expire"]),
        lambda: faults(["ann"], kinds=["freeze"]),
        lambda: values(Pickle()),
    ],
)
def test_what_there_is_not_is_told(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument):
        wrong()


# -- faults


class Asked:
    """Faults that only keep what they are asked for."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any, **options: Any) -> None:
            calls, self.calls = self.calls, []
            given = [each() if callable(each) else each for each in arguments]
            self.calls = [*calls, (name, given, options, self.calls)]

        return call


def asked(fault: Callable[[Any], object]) -> list[object]:
    faults = Asked()
    fault(faults)
    return faults.calls


def test_a_fault_pastes_as_it_is_shown() -> None:
    seen = set()

    @settings(FEW, max_examples=200)
    @given(faults(["ann", "bob"], servers=3))
    def check(fault: Callable[[Any], object]) -> None:
        text = repr(fault)
        assert asked(eval(text)) == asked(fault) != []
        seen.add(re.findall(r"faults\.(?!upon)(\w+)\(", text)[0])

    check()
    assert len(seen) == 13


def work(sim: Simulation) -> None:
    clients = [sim.client(name) for name in ("ann", "bob")]
    for number in range(3):
        for client in clients:
            with suppress(KazooException):
                client.create(f"/{number}", ephemeral=True)
        sim.sleep(2)


@settings(FEW, max_examples=40)
@given(
    st.sampled_from([1, 3]).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(faults(["ann", "bob"], servers=n), min_size=2, max_size=4)
        )
    )
)
def test_what_is_drawn_is_a_fault_and_no_error(
    drawn: tuple[int, list[Callable[[Any], object]]],
) -> None:
    servers, plan = drawn
    with Simulation(servers=servers) as sim:
        for fault in plan:
            fault(sim.faults)
        work(sim)
        sim.settle()
        sim.history.check().raise_if_broken()


def put(client: KazooClient, job: bytes) -> None:
    """The mistake is to try again what may have been done."""
    try:
        client.create("/jobs/job-", job, sequence=True)
    except ConnectionLoss:
        client.retry(client.create, "/jobs/job-", job, sequence=True)


def test_what_is_needed_is_what_is_left() -> None:
    def fails(drawn: tuple[list[bytes], list[Callable[[Any], object]]]) -> bool:
        jobs, plan = drawn
        with Simulation() as sim:
            sim.load({"/jobs": b""})
            for fault in plan:
                fault(sim.faults)
            client = sim.client("shop")
            try:
                for job in jobs:
                    put(client, job)
            except KazooException:
                return False
            return len(sim.dump("/jobs")) > 1 + len(jobs)

    plans = st.lists(faults(["shop"]), max_size=4)
    jobs, plan = find(st.tuples(st.lists(st.binary(), max_size=4), plans), fails, settings=FEW_MORE)
    assert jobs == [b""]
    assert repr(plan) == "[lambda faults: faults.drop_before_reply('shop', nth=2)]"


MACHINE = """
from hypothesis import settings
from pytest_zkdict.stateful import RecipeMachine, mutual_exclusion

class LockMachine(RecipeMachine):
    promise = mutual_exclusion()
    faults = frozenset({"expire"})
    recipe = staticmethod(lambda client, path: client.Lock(path))

class TestLock(LockMachine.TestCase):
    settings = settings(LockMachine.TestCase.settings, max_examples=5, derandomize=True)

def test_the_profile():
    for found in settings(), LockMachine.TestCase.settings:
        assert found.max_examples == EXPECTED
"""


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [((), 100), (("--hypothesis-profile=zk_ci",), 50)],
)
def test_a_profile_is_there_and_no_default(
    pytester: pytest.Pytester, chosen: tuple[str, ...], expected: int
) -> None:
    pytester.makepyfile(test_machine=MACHINE.replace("EXPECTED", str(expected)))
    quiet = ("-p", "no:cacheprovider", "-p", "no:xdist", "-k", "test_the_profile")
    result = pytester.runpytest_subprocess(*quiet, *chosen)
    result.assert_outcomes(passed=1, deselected=1)


def test_the_examples_of_ci_are_always_the_same_ones() -> None:
    ci, nightly = settings.get_profile("zk_ci"), settings.get_profile("zk_nightly")
    assert (ci.derandomize, ci.database, nightly.derandomize) == (True, None, False)
    assert (ci.deadline, nightly.deadline) == (None, None)


def test_statistics_tell_what_a_machine_saw(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_machine=MACHINE)
    result = pytester.runpytest_inprocess(
        *("-p", "no:cacheprovider", "-p", "no:xdist", "-k", "TestLock"),
        "--hypothesis-show-statistics",
    )
    result.assert_outcomes(passed=1, deselected=1)
    text = "\n".join(result.outlines)
    assert re.search(r"\d+\.\d+%, ZooKeeper: session gone", text)
