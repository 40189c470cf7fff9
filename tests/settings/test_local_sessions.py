"""Which requests make a local session a global one: on the fake and on a live ensemble."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveZooKeeper
from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import Client
from ..support.replies import OK
from ..support.wire import OPS

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS: dict[str, object] = {
    "tickTime": 200,
    "maxSessionTimeout": 600_000,
    "extendedTypesEnabled": "true",
    "localSessionsEnabled": "true",
    "localSessionsUpgradingEnabled": "true",
}
EPHEMERAL, EPHEMERAL_SEQUENTIAL, SEQUENTIAL = 1, 3, 2


@pytest.fixture
def ports(zk_backend: str, request: pytest.FixtureRequest) -> Iterator[list[int]]:
    if zk_backend == "fake":
        running: FakeZooKeeper | LiveZooKeeper = FakeZooKeeper(servers=2, settings=SETTINGS)
    else:
        home = request.getfixturevalue("live_home")
        running = LiveZooKeeper(home, servers=2, settings=SETTINGS)
    with running:
        yield [member.port for member in running.members]


STAYS: list[tuple[str, bytes]] = [
    ("create", wire.create("/a")),
    ("create", wire.create("/a", flags=SEQUENTIAL)),
    ("create2", wire.create("/b")),
    ("createContainer", wire.create("/c", flags=4)),
    ("createTTL", wire.create_ttl("/d", b"", wire.OPEN_ACL, 5, 9999)),
    ("setData", wire.set_data("/a", b"1")),
    ("setACL", wire.set_acl("/a", wire.OPEN_ACL)),
    ("delete", wire.path_version("/b")),
    (
        "multi",
        wire.multi(
            [(OPS["create"], wire.create("/e")), (OPS["setData"], wire.set_data("/e", b"1"))]
        ),
    ),
    ("exists", wire.path_watch("/a")),
]
"""What asks for no ephemeral znode."""

GOES: list[tuple[str, bytes]] = [
    ("create", wire.create("/x1", flags=EPHEMERAL)),
    ("create2", wire.create("/x2", flags=EPHEMERAL_SEQUENTIAL)),
    (
        "multi",
        wire.multi(
            [
                (OPS["create"], wire.create("/x3")),
                (OPS["create"], wire.create("/x4", flags=EPHEMERAL)),
            ]
        ),
    ),
]


def test_only_who_wants_ephemerals_becomes_global(ports: list[int]) -> None:
    with ExitStack() as exits:

        def client(number: int, **arguments: int | bytes | None) -> Client:
            made = Client(ports[number], **arguments)
            exits.callback(made.close)
            return made

        def is_global(local: Client) -> bool:
            """Whether another server takes the session."""
            known = {"session": local.session, "password": local.password}
            return client(1, **known).session == local.session

        local = client(0)
        local.create("/first")  # of the epoch, which no zxid before tells of
        for op, body in STAYS:
            before = local.call("sync", wire.string("/")).zxid
            reply = local.call(op, body)
            assert (reply.error, reply.zxid) == (OK, before + (op != "exists")), op
            assert not is_global(local), op
        for op, body in GOES:
            local = client(0)
            before = local.call("sync", wire.string("/")).zxid
            # The session's own transaction comes first.
            reply = local.call(op, body)
            assert (reply.error, reply.zxid) == (OK, before + 2), op
            assert is_global(local), op
