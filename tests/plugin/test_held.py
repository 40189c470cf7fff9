"""What is told of a live server that has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_zkdict.held import _how_it_ended


@pytest.mark.parametrize(
    ("status", "log", "told"),
    [
        (None, "", "was stopped and not started again."),
        (1, "", "ended with status 1. The end of its log:\n(empty)"),
        (128, " \n", "ended with status 128. The end of its log:\n(empty)"),
        (137, "out of memory\n", "was killed by signal 9. The end of its log:\nout of memory"),
        (0, "a" * 10 + "b" * 2000, f"ended with status 0. The end of its log:\n{'b' * 2000}"),
    ],
)
def test_how_a_server_ended(status: int | None, log: str, told: str) -> None:
    member: Any = SimpleNamespace(direct_hosts="127.0.0.1:2181", exit_status=status, log=log)
    assert _how_it_ended(member) == f"the live server at 127.0.0.1:2181 {told}"
