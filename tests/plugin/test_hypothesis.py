"""Hypothesis with the plugin: profiles, strategies, and what its statistics tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from kazoo.exceptions import BadArgumentsError
from kazoo.protocol.serialization import Create
from kazoo.security import OPEN_ACL_UNSAFE

from pytest_zkdict.stateful import keys, paths, values
from zkdict import BYTES, JSON, TEXT, ZooKeeperDict
from zkdict.encodings import Pickle
from zkdict.keys import KeyCodec
from zkfake._database.paths import is_valid

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kazoo.client import KazooClient

    Fresh = Callable[..., AbstractContextManager[KazooClient]]

FEW = settings(max_examples=15, derandomize=True, database=None, deadline=None)


@settings(FEW)
@given(drawn=st.lists(paths(), min_size=5, max_size=10))
def test_a_path_can_be_made(zk_fresh: Fresh, drawn: list[str]) -> None:
    with zk_fresh() as client:
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
def test_no_other_name_is_taken(zk_fresh: Fresh, path: str, bad: str) -> None:
    """Sent as it stands: kazoo would change some of them."""
    with zk_fresh() as client:
        client.create(path, makepath=True)
        sent = client.handler.async_result()
        wrong = f"{client.chroot}{path}/{bad}"
        client._call(Create(wrong, b"", OPEN_ACL_UNSAFE, 0), sent)
        with pytest.raises(BadArgumentsError):
            sent.get(timeout=30)
        assert client.get_children(path) == []


@settings(FEW)
@given(drawn=st.dictionaries(keys(), values(), max_size=5))
def test_a_dict_gives_back_what_it_is_given(zk_fresh: Fresh, drawn: dict[str, Any]) -> None:
    with zk_fresh() as client, ZooKeeperDict[Any](client, "/dict") as mapping:
        mapping.update(drawn)
        assert dict(mapping) == drawn


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
        lambda: values(Pickle()),
    ],
)
def test_what_there_is_not_is_told(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument):
        wrong()


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
