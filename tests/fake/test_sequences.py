"""Sequence suffixes: what they count, and what becomes of them at the end of an int32."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ..support import wire
from ..support.core import Client, World
from ..support.replies import NODE_EXISTS

TOP = 2**31 - 1


def test_a_suffix_counts_creates_of_any_kind_and_no_deletes(world: World) -> None:
    client = world.client()
    client.create("/p")
    assert client.create("/p/a-", flags=2) == "/p/a-0000000000"
    client.create("/p/x")
    client.delete("/p/x")
    stat = client.stat("/p")
    assert stat is not None
    assert stat.cversion == 3
    assert client.create("/p/a-", flags=3) == "/p/a-0000000002"


@given(st.lists(st.sampled_from(["create", "sequential", "delete", "fail", "multi fails"])))
def test_suffixes_over_any_history(steps: list[str]) -> None:
    client = World().client()
    client.create("/p")
    made, names = 0, []
    for step in steps:
        if step == "create":
            names.append(client.create(f"/p/x{made}"))
            made += 1
        elif step == "sequential":
            path = client.create("/p/s-", flags=2)
            assert path == f"/p/s-{made:010}"
            names.append(path)
            made += 1
        elif step == "delete" and names:
            client.delete(names.pop(0))
        elif step == "fail":
            client.call("create", wire.create("/p/\x01", flags=0))
        else:
            failing = [(1, wire.create("/p/s-", flags=2)), (13, wire.path_version("/p", 99))]
            client.call("multi", wire.multi(failing))
    stat = client.stat("/p")
    assert stat is not None
    assert (stat.cversion, stat.children) == (2 * made - len(names), len(names))


def nearly_overflowing(world: World, creates: int) -> Client:
    client = world.client()
    client.create("/p")
    nodes = world.ensemble.tip.nodes
    nodes["/p"] = nodes["/p"]._replace(creates=creates)
    return client


def test_the_last_suffix_is_used_once(world: World) -> None:
    client = nearly_overflowing(world, TOP - 1)
    assert client.create("/p/a-", flags=2) == f"/p/a-{TOP - 1}"
    assert client.create("/p/a-", flags=2) == f"/p/a-{TOP}"
    stat = client.stat("/p")
    assert stat is not None
    pzxid = stat.pzxid
    # The counter stays at its end: the same name again.
    assert client.call("create", wire.create("/p/a-", flags=2)).error == NODE_EXISTS
    assert client.create("/p/b-", flags=2) == f"/p/b-{TOP}"
    assert client.create("/p/plain") == "/p/plain"
    stat = client.stat("/p")
    assert stat is not None
    # Frozen with it: the parent's pzxid. What clients see of the counter wraps.
    assert stat.pzxid == pzxid
    assert stat.cversion == 2 * TOP - 4 - 2**32
    client.delete("/p/plain")
    after = client.stat("/p")
    assert after is not None
    assert after.pzxid == world.zxid
    assert client.call("create", wire.create("/p/a-", flags=2)).error == NODE_EXISTS


def test_inside_a_multi_suffixes_turn_negative(world: World) -> None:
    client = nearly_overflowing(world, TOP)
    operations = [(1, wire.create("/p/a-", flags=2)) for _ in range(3)]
    body = client.call("multi", wire.multi(operations)).body
    names = [f"/p/a-{TOP}", "/p/a--2147483648", "/p/a--2147483647"]
    assert (
        body
        == b"".join(wire.multi_header(1, 0, 0) + wire.string(name) for name in names)
        + wire.MULTI_END
    )
    assert client.call("create", wire.create("/p/a-", flags=2)).error == NODE_EXISTS


def test_data_versions_wrap(world: World) -> None:
    client = world.client()
    client.create("/p")
    nodes = world.ensemble.tip.nodes
    nodes["/p"] = nodes["/p"]._replace(version=TOP, aversion=TOP)
    assert client.set("/p", b"").version == -(2**31)
    assert client.call("setACL", wire.set_acl("/p", wire.OPEN_ACL)).stat.aversion == -(2**31)
