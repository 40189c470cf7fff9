"""A request or its answer is lost: what each write says, and whether `resolve()` is right."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import Closed, VersionConflict, WriteUncertain, ZooKeeperDict

Dict = ZooKeeperDict[Any]
Open = Callable[..., Dict]


def claim(items: Dict) -> None:
    with items.transaction() as txn:
        txn.pop("a")


# What it is called, the request it makes, how it is called, and what `resolve()` says when it was
# applied; False is what it says when it was not. None: it cannot tell, and says so.
WRITES: list[tuple[str, str, Callable[[Dict], object], bool | None]] = [
    ("add", "create", lambda d: d.add("new", "mine"), True),
    ("setdefault", "create", lambda d: d.setdefault("new", "mine"), True),
    ("put absent", "create", lambda d: d.put("new", "mine", version=-2), True),
    ("put version", "setData", lambda d: d.put("a", "mine", version=0), True),
    ("put ephemeral", "create", lambda d: d.put("new", "mine", ephemeral=True), True),
    ("put ephemeral over", "multi", lambda d: d.put("a", "mine", ephemeral=True), True),
    ("lease", "create", lambda d: d.lease("new", "mine"), True),
    ("cas", "setData", lambda d: d.cas(d.entry("a"), "mine"), True),
    ("modify", "setData", lambda d: d.modify("a", lambda _: "mine"), True),
    ("modify new", "create", lambda d: d.modify("new", lambda _: "mine", default=0), True),
    ("del", "delete", lambda d: d.__delitem__("a"), True),
    ("clear", "multi", lambda d: d.clear(), True),
    ("pop", "multi", lambda d: d.pop("a"), None),
    ("popitem", "multi", lambda d: d.popitem(), None),
    ("remove", "multi", lambda d: d.remove("a"), None),
    ("remove version", "multi", lambda d: d.remove("a", version=0), None),
    ("claim", "multi", claim, None),
    ("replace_all", "multi", lambda d: d.replace_all({"new": "mine"}), True),
    ("atomically", "multi", lambda d: d.atomically(lambda t: t.update(new="mine")), True),
]

each_write = pytest.mark.parametrize(
    ("request_name", "write", "applied"),
    [pytest.param(*row[1:], id=row[0]) for row in WRITES],
)


@pytest.fixture
def items(proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open) -> Dict:
    """A dict behind a proxy, with one key, and nothing under way."""
    items = open_dict(client_behind(proxy, timeout=30.0))
    items["a"] = "old"
    items.sync()
    return items


@each_write
def test_an_answer_is_lost(
    request_name: str, write: Any, applied: bool | None, items: Dict, proxy: Any, open_dict: Open
) -> None:
    proxy.lose(request_name, "reply")
    with pytest.raises(WriteUncertain) as caught:
        write(items)
    if applied is None:
        with pytest.raises(WriteUncertain) as still:
            caught.value.resolve(timeout=60)
        with pytest.raises(WriteUncertain):  # and it can be asked again
            still.value.resolve(timeout=60)
    else:
        assert caught.value.resolve(timeout=60) is applied
    truth = open_dict()
    assert "a" not in truth or "mine" in truth.values()
    items.sync()
    assert dict(items) == dict(truth)


@each_write
def test_a_request_is_lost(
    request_name: str, write: Any, applied: bool | None, items: Dict, proxy: Any, open_dict: Open
) -> None:
    proxy.lose(request_name, "request")
    with pytest.raises(WriteUncertain) as caught:
        write(items)
    assert caught.value.resolve(timeout=60) is False
    assert dict(open_dict()) == {"a": "old"}


@each_write
@pytest.mark.parametrize("lost", ["request", "reply"])
def test_somebody_else_came_in_between(
    lost: str,
    request_name: str,
    write: Any,
    applied: bool | None,
    items: Dict,
    proxy: Any,
    open_dict: Open,
) -> None:
    """Another client has taken what was there and made it again: nobody can tell any more."""
    proxy.lose(request_name, lost)
    with pytest.raises(WriteUncertain) as caught:
        write(items)
    other = open_dict()
    other.clear()
    other.update({"a": "old", "new": "another's"})
    with pytest.raises(WriteUncertain):
        caught.value.resolve(timeout=60)


@pytest.mark.parametrize("lost", ["request", "reply"])
@pytest.mark.parametrize(
    ("request_name", "write"),
    [
        ("setData", lambda d: d.__setitem__("a", "mine")),
        ("create", lambda d: d.__setitem__("new", "mine")),
        ("multi", lambda d: d.update(a="mine", new="mine")),
        ("multi", lambda d: d.__ior__({"new": "mine"})),
        ("multi", lambda d: d.update_chunked({"a": "mine", "new": "mine"})),
    ],
)
def test_storing_a_value_is_sent_again(
    lost: str, request_name: str, write: Any, items: Dict, proxy: Any, open_dict: Open
) -> None:
    proxy.lose(request_name, lost)
    write(items)
    assert "mine" in items.values()
    assert dict(open_dict()) == dict(items)


@pytest.mark.parametrize(
    ("request_name", "write"),
    [
        ("setData", lambda d: d.__setitem__("a", "mine")),
        ("multi", lambda d: d.update(a="mine", new="mine")),
        ("create", lambda d: d.add("new", "mine")),
    ],
)
def test_a_dict_that_is_closed_does_not_know_either(
    request_name: str, write: Any, items: Dict, proxy: Any
) -> None:
    """`Closed` would say that nothing was sent."""
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            write(items)
        except BaseException as error:
            outcome.append(error)

    proxy.lose(request_name, "silence")
    thread = threading.Thread(target=run)
    thread.start()
    assert proxy.lost.wait(60)
    items.close()
    thread.join(60)
    (error,) = outcome
    assert isinstance(error, WriteUncertain)
    with pytest.raises(Closed):
        error.resolve()


@pytest.mark.parametrize(
    ("request_name", "write", "left"),
    [
        ("setData", lambda d: d.__setitem__("a", "mine"), {"a": "mine"}),
        ("multi", lambda d: d.update(new="mine"), {"a": "old", "new": "mine"}),
    ],
)
def test_the_deadline_passes_without_an_answer(
    request_name: str,
    write: Any,
    left: dict[str, Any],
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
) -> None:
    items = open_dict(client_behind(proxy, timeout=30.0), write_timeout=1.0)
    other = open_dict()
    other["a"] = "old"
    items.sync()
    proxy.lose(request_name, "silence")
    with pytest.raises(WriteUncertain) as caught:
        write(items)
    proxy.drop()
    assert caught.value.resolve(timeout=60) is True
    other.sync()
    assert dict(other) == left


def test_the_znode_was_made_again_behind_the_copys_back(
    zk_client: KazooClient,
    zk_client_factory: Callable[..., KazooClient],
    open_dict: Open,
    hold_callbacks: Any,
) -> None:
    """It has the very version, so the server takes the write: that is said, and not tried again."""
    client = zk_client_factory()
    items = open_dict(client, max_staleness=0.05)
    for write, left in (
        (lambda: items.cas(items.entry("a"), "mine"), b'"mine"'),
        (lambda: items.modify("a", lambda value: f"{value}+"), b'"old+"'),
    ):
        zk_client.create("/dict/a", b'"old"')
        items.sync()
        with hold_callbacks(client):
            multi = zk_client.transaction()
            multi.delete("/dict/a")
            multi.create("/dict/a", b'"new"')
            multi.commit()
            with pytest.raises(VersionConflict, match="made again") as caught:
                write()
        assert caught.value.applied
        assert zk_client.get("/dict/a")[0] == left
        zk_client.delete("/dict/a")
        items.sync()


def test_a_conflict_says_that_nothing_was_written(zk_client: KazooClient, open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    with pytest.raises(VersionConflict) as caught:
        items.put("a", 2, version=7)
    assert not caught.value.applied
    assert zk_client.get("/dict/a")[0] == b"1"
