"""A test that fails is the only one that does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PROJECT = """
import gc

from tests.conftest import _failed_alone
from tests.support.wire import SocketChannel
from zkfake import FakeZooKeeper

def test_fails():
    with FakeZooKeeper() as server:
        host, _, port = server.hosts.rpartition(":")
        channel = SocketChannel((host, int(port)))
        assert False

def test_comes_later():
    gc.collect()
"""


def test_a_failed_test_leaves_no_socket_to_a_later_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(test_it=PROJECT)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(failed=1, passed=1)
