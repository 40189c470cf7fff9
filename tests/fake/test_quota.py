"""Quotas: the text they are kept in, what they count, what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from zkfake._database import quota

from ..support import wire
from ..support.core import Client, World
from ..support.replies import BAD_VERSION, OK, QUOTA_EXCEEDED

NUMBERS = st.integers(-1, 2**40)


@given(
    st.fixed_dictionaries(
        {"count": NUMBERS, "bytes": NUMBERS},
        optional={"byteHardLimit": NUMBERS, "countHardLimit": NUMBERS},
    )
)
def test_rendered_text_reads_back(values: dict[str, int]) -> None:
    assert quota.parse(quota.render(values)) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"", {}),
        (b"count=3,bytes=20", {"count": 3, "bytes": 20}),
        (
            b"count=3,bytes=20=;byteHardLimit=64;countHardLimit=5",
            {"count": 3, "bytes": 20, "byteHardLimit": 64, "countHardLimit": 5},
        ),
        (b"count==7,bytes=-1,", {"count": -1, "bytes": -1}),
    ],
)
def test_texts(text: bytes | None, values: dict[str, int]) -> None:
    assert quota.parse(text) == values


@pytest.mark.parametrize("text", [None, b"count=many", b"count=", b"nonsense", b",count=1"])
def test_text_that_is_none(text: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|no value|data is null"):
        quota.parse(text)


@pytest.mark.parametrize(
    ("path", "found"),
    [("/a", "/a"), ("/a/b/c", "/a/b"), ("/ab", None), ("/a/bc", "/a"), ("/", None)],
)
def test_the_deepest_quota_counts(path: str, found: str | None) -> None:
    assert quota.deepest(path, ["/a", "/a/b", "/x"]) == found


def set_quota(client: Client, path: str, limits: bytes) -> None:
    made = "/zookeeper/quota"
    for name in path.strip("/").split("/"):
        made += f"/{name}"
        if client.stat(made) is None:
            client.create(made)
    client.create(f"{made}/zookeeper_limits", limits)
    client.create(f"{made}/zookeeper_stats", b"count=0,bytes=0")


def stats(client: Client, path: str) -> bytes | None:
    return client.get(f"/zookeeper/quota{path}/zookeeper_stats")


class QuotaMachine(RuleBasedStateMachine):
    """The counters of two nested quotas, against a recount."""

    @initialize()
    def start(self) -> None:
        self.client = World().client()
        self.data: dict[str, bytes] = {}
        for path in ("/a", "/a/b"):
            self.client.create(path)
            self.data[path] = b""
        set_quota(self.client, "/a", b"count=-1,bytes=-1")
        set_quota(self.client, "/a/b", b"count=-1,bytes=-1")
        self.counted = {"/a": (2, 0), "/a/b": (1, 0)}

    def count(self, path: str, znodes: int, size: int) -> None:
        """Only the deepest quota counts a write."""
        at = "/a/b" if path.startswith("/a/b") and path[4:5] in ("", "/") else "/a"
        old = self.counted[at]
        self.counted[at] = old[0] + znodes, old[1] + size

    @rule(parent=st.sampled_from(["/a", "/a/b"]), name=st.sampled_from("xyz"), data=st.binary())
    def create(self, parent: str, name: str, data: bytes) -> None:
        path = f"{parent}/{name}"
        if path not in self.data:
            self.client.create(path, data)
            self.data[path] = data
            self.count(path, 1, len(data))

    @rule(data=st.data(), content=st.binary())
    def set(self, data: st.DataObject, content: bytes) -> None:
        path = data.draw(st.sampled_from(sorted(self.data)))
        self.client.set(path, content)
        self.count(path, 0, len(content) - len(self.data[path]))
        self.data[path] = content

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        leaves = [path for path in sorted(self.data) if path[-1] in "xyz"]
        if leaves:
            path = data.draw(st.sampled_from(leaves))
            self.client.delete(path)
            self.count(path, -1, -len(self.data.pop(path)))

    @rule()
    def fail(self) -> None:
        self.client.call("create", wire.create("/a/b", b"there already"))
        self.client.call("setData", wire.set_data("/a", b"longer", 99))

    @invariant()
    def counters_are_right(self) -> None:
        for path, (znodes, size) in self.counted.items():
            assert stats(self.client, path) == f"count={znodes},bytes={size}".encode()


TestQuotas = QuotaMachine.TestCase


def test_counting_leaves_no_other_trace(world: World) -> None:
    client, watcher = world.client(), world.client()
    client.create("/a")
    set_quota(client, "/a", b"count=10,bytes=100")
    path = "/zookeeper/quota/a/zookeeper_stats"
    before = watcher.stat(path, watch=1)
    watcher.get(path, watch=1)
    client.create("/a/x", b"12345")
    after = client.stat(path)
    assert before is not None
    assert after is not None
    assert watcher.events() == []
    assert after == before.__class__(**{**vars(before), "length": after.length})
    assert stats(client, "/a") == b"count=2,bytes=5"


def test_a_quota_that_goes_counts_no_more(world: World) -> None:
    client = world.client()
    client.create("/a")
    set_quota(client, "/a", b"count=1,bytes=1")
    client.delete("/zookeeper/quota/a/zookeeper_limits")
    client.create("/a/x", b"12345")
    assert stats(client, "/a") == b"count=1,bytes=0"


@pytest.fixture
def limited() -> Client:
    """``/a`` may hold three znodes and ten bytes, and the server enforces it."""
    client = World({"enforceQuota": "true"}).client()
    client.create("/a")
    set_quota(client, "/a", b"count=1,bytes=1=;byteHardLimit=10;countHardLimit=3")
    return client


def test_hard_limits_refuse(limited: Client) -> None:
    client = limited
    client.create("/a/1", b"12345")
    for body, error in (
        (wire.create("/a/2", b"123456"), QUOTA_EXCEEDED),
        (wire.create("/a/2", b"12345"), OK),
        (wire.create("/a/3"), QUOTA_EXCEEDED),
        (wire.create("/a/1/x"), QUOTA_EXCEEDED),
        (wire.create("/b", b"beside it"), OK),
    ):
        assert client.call("create", body).error == error
    assert client.call("setData", wire.set_data("/a", b"1")).error == QUOTA_EXCEEDED
    assert client.call("setData", wire.set_data("/a", b"1", 99)).error == QUOTA_EXCEEDED
    assert client.call("setData", wire.set_data("/a", b"", 99)).error == BAD_VERSION
    assert client.call("setData", wire.set_data("/a/1", b"1")).error == OK
    client.delete("/a/2")
    assert client.call("create", wire.create("/a/3")).error == OK


def test_a_multi_may_overshoot(limited: Client) -> None:
    operations = [(1, wire.create(f"/a/{number}")) for number in range(9)]
    reply = limited.call("multi", wire.multi(operations))
    assert reply.body.startswith(wire.multi_header(1, 0, 0))
    assert stats(limited, "/a") == b"count=10,bytes=0"
    assert limited.call("create", wire.create("/a/more")).error == QUOTA_EXCEEDED
    # What makes nothing more is not refused for what is too much already.
    limited.set("/a/1", b"12345")


def test_without_enforcement_limits_are_advice(world: World) -> None:
    client = world.client()
    client.create("/a")
    set_quota(client, "/a", b"count=1,bytes=1=;byteHardLimit=1;countHardLimit=1")
    client.create("/a/x", b"far too long")


def test_limits_that_make_no_sense_end_nothing(limited: Client) -> None:
    limited.set("/zookeeper/quota/a/zookeeper_limits", b"count=x=;countHardLimit=many")
    reply = limited.call("create", wire.create("/a/x", b"1"))
    assert reply.error != OK
    assert limited.ping().error == OK


def test_statistics_that_make_no_sense_end_nothing(limited: Client) -> None:
    limited.set("/zookeeper/quota/a/zookeeper_stats", b"nonsense=all")
    limited.call("create", wire.create("/a/x", b"1"))
    assert limited.ping().error == OK


def test_without_enforcement_either(world: World) -> None:
    client = world.client()
    client.create("/a")
    set_quota(client, "/a", b"count=1,bytes=1")
    client.set("/zookeeper/quota/a/zookeeper_stats", b"nonsense=all")
    client.call("create", wire.create("/a/x", b"1"))
    assert client.ping().error == OK


def test_statistics_that_are_not_there_count_from_minus_one() -> None:
    assert quota.parse(quota.add(b"count=3", 1, 5)) == {"count": 4, "bytes": 4}
    assert quota.parse(quota.add(b"bytes=3", 1, 5)) == {"count": 0, "bytes": 8}
