"""What a history shows of requests and replies: readable, bounded, and never a password."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import KazooException

from zkfake._history import shown
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import Code
from zkfake.history import Reply, Sent
from zkfake.simulation import Simulation


def lines() -> list[str]:
    """The requests and replies of one client that does a little of everything."""
    with Simulation() as sim:
        client = sim.client("c", auth_data=[("digest", "bob:secret")])
        client.ensure_path("/app")
        client.create("/app/x", b"y" * 100, ephemeral=True, sequence=True)
        for number in range(9):
            client.create(f"/app/{number}")
        client.get_children("/app", watch=lambda _event: None)
        client.set("/app", b"1", version=0)
        client.get("/app")
        with contextlib.suppress(KazooException):
            client.delete("/none", version=3)
        for path in ("/app", "/none"):
            transaction = client.transaction()
            transaction.create("/app/t" + path[1:], b"q")
            transaction.check(path, 1)
            transaction.set_data("/app", b"zz")
            transaction.commit()
        client.sync("/app")
        sim.settle()
        return [
            repr(event).split("xid=", 1)[1].split(", ", 1)[1][:-1]
            for event in sim.history
            if isinstance(event, (Sent, Reply))
        ]


@pytest.mark.parametrize(
    "line",
    [
        "connect, (), session=0x0, timeout=10000, zxid=0x0",
        "auth, (), scheme='digest'",
        "create, ('/app/x',), data=" + repr(b"y" * 60) + "... 100 bytes, ephemeral sequential",
        "create, ('/app/x',), zxid=0x3, path='/app/x0000000000'",
        "getChildren, ('/app',), watch",
        "setData, ('/app',), data=b'1', version=0",
        "setData, ('/app',), zxid=0xd, version=1",
        "getData, ('/app',), zxid=0xd, data=b'1', version=1",
        "delete, ('/none',), version=3",
        "delete, ('/none',), zxid=0xe, NoNode",
        (
            "multi, ('/app/tapp', '/app', '/app'), "
            "create /app/tapp data=b'q'; check /app version=1; setData /app data=b'zz'"
        ),
        (
            "multi, ('/app/tapp', '/app', '/app'), zxid=0xf, "
            "create path='/app/tapp'; check; setData, version=2"
        ),
        "multi, ('/app/tnone', '/none', '/app'), zxid=0x10, ok; NoNode; RuntimeInconsistency",
        "sync, ('/app',), zxid=0x10",
    ],
)
def test_a_line_says_what_was_asked_and_answered(line: str) -> None:
    assert line in lines()


def test_long_lists_are_cut_and_passwords_are_not_shown() -> None:
    text = "\n".join(lines())
    assert "]... 10 in all" in text
    assert "secret" not in text
    assert max(map(len, text.splitlines())) < 250


def test_every_error_has_its_name() -> None:
    assert [shown.error_name(code) for code in (0, -101, -110, -114, -112, -777)] == [
        "ok", "NoNode", "NodeExists", "InvalidACL", "SessionExpired", "error -777",
    ]  # fmt: skip
    assert len({shown.error_name(code) for code in Code}) == len(Code)


NAMES = st.sampled_from(["connect", "unknown", *(row.name for row in OPERATIONS.values())])


@given(NAMES, st.binary(max_size=80))
def test_no_bytes_are_too_strange_to_be_shown(operation: str, body: bytes) -> None:
    for frame in (body, bytes(12) + body, bytes(20) + body):
        for text in (shown.request(operation, frame), shown.reply(operation, frame)):
            assert "\n" not in text
