"""What a request costs the fake, in calls of Python functions: no machine makes those more.

`python -m benchmarks load` tells what becomes of it beside a live server.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ..support import wire

if TYPE_CHECKING:
    from ..support.core import Client, World

DATA = b"x" * 100
MOST = {
    "getData": (wire.path_watch("/a"), 33),
    "setData": (wire.set_data("/a", DATA), 55),
    "create": (wire.create("/a/b", DATA), 66),
}
"""Requests, and the calls that each may take. With ten more, the writes of a hundred pipelining
clients are slower than a live server's.
"""


def calls(client: Client, frame: bytes) -> int:
    """How many Python functions are called until the reply is there to be sent."""
    count = 0

    def profile(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        client.connection.receive(frame, more)
    finally:
        sys.setprofile(before)
    return count


def more() -> bool:
    return True


@pytest.mark.parametrize("op", MOST)
def test_calls_of_a_request(world: World, op: str) -> None:
    body, most = MOST[op]
    client = world.client()
    client.create("/a")
    assert calls(client, client.request(op, body)) <= most
    (reply,) = client.take()
    assert reply
