"""A request or its answer is lost: what each write says, and whether `resolve()` is right."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from zkdict import Closed, VersionConflict, WriteUncertain, ZkDictError, ZooKeeperDict

Dict = ZooKeeperDict[Any]
Open = Callable[..., Dict]


def claim(items: Dict) -> None:
    with items.transaction() as txn:
        txn.pop("a")


UNIQUE = "unique"
"""It is proven where the caller says that nobody else writes these bytes."""

# What it is called, the request it makes, how it is called, and what `resolve()` says when it was
# applied; False is what it says when it was not. None: it cannot tell, and says so.
WRITES: list[tuple[str, str, Callable[[Dict], object], Any]] = [
    ("add", "create", lambda d: d.add("new", "mine"), UNIQUE),
    ("setdefault", "create", lambda d: d.setdefault("new", "mine"), UNIQUE),
    ("put absent", "create", lambda d: d.put("new", "mine", version=-2), UNIQUE),
    ("put version", "setData", lambda d: d.put("a", "mine", version=0), UNIQUE),
    ("put ephemeral", "create", lambda d: d.put("new", "mine", ephemeral=True), True),
    ("put ephemeral over", "multi", lambda d: d.put("a", "mine", ephemeral=True), True),
    ("lease", "create", lambda d: d.lease("new", "mine"), True),
    ("cas", "setData", lambda d: d.cas(d.entry("a"), "mine"), UNIQUE),
    ("modify", "setData", lambda d: d.modify("a", lambda _: "mine"), UNIQUE),
    ("modify new", "create", lambda d: d.modify("new", lambda _: "mine", default=0), UNIQUE),
    ("del", "delete", lambda d: d.__delitem__("a"), True),
    ("clear", "multi", lambda d: d.clear(), True),
    ("pop", "multi", lambda d: d.pop("a"), None),
    ("popitem", "multi", lambda d: d.popitem(), None),
    ("remove", "multi", lambda d: d.remove("a"), None),
    ("remove version", "multi", lambda d: d.remove("a", version=0), None),
    ("claim", "multi", claim, None),
    ("replace_all", "multi", lambda d: d.replace_all({"new": "mine"}), UNIQUE),
    ("atomically", "multi", lambda d: d.atomically(lambda t: t.update(new="mine")), UNIQUE),
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
    request_name: str, write: Any, applied: Any, items: Dict, proxy: Any, open_dict: Open
) -> None:
    proxy.lose(request_name, "reply")
    with pytest.raises(WriteUncertain) as caught:
        write(items)
    if applied is True:
        assert caught.value.resolve(timeout=60) is True
    else:
        with pytest.raises(WriteUncertain) as still:
            caught.value.resolve(timeout=60)
        if applied is UNIQUE:  # and it can be asked again
            assert still.value.resolve(timeout=60, unique=True) is True
        else:
            with pytest.raises(WriteUncertain):
                still.value.resolve(timeout=60, unique=True)
    truth = open_dict()
    assert "a" not in truth or "mine" in truth.values()
    items.sync()
    assert dict(items) == dict(truth)


@each_write
def test_a_request_is_lost(
    request_name: str, write: Any, applied: Any, items: Dict, proxy: Any, open_dict: Open
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
    applied: Any,
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


# -- the same bytes from two clients


@pytest.fixture
def rival(
    proxy_factory: Callable[[], Any], client_behind: Callable[..., KazooClient], open_dict: Open
) -> tuple[Dict, Any]:
    """Another dict, behind a proxy of its own."""
    proxy = proxy_factory()
    return open_dict(client_behind(proxy, timeout=30.0)), proxy


SAME = [
    ("setData", lambda d: d.cas(d.entry("a"), "taken")),
    ("setData", lambda d: d.put("a", "taken", version=0)),
    ("setData", lambda d: d.modify("a", lambda _: "taken")),
    ("multi", lambda d: d.atomically(lambda t: t.update({t["a"] and "a": "taken"}), attempts=1)),
    ("create", lambda d: d.add("new", "taken")),
    ("create", lambda d: d.setdefault("new", "taken")),
    ("create", lambda d: d.put("new", "taken", ephemeral=True)),
]


def verdict(error: WriteUncertain) -> bool | None:
    try:
        return error.resolve(timeout=60)
    except WriteUncertain:
        return None


@pytest.mark.parametrize("first_lost", ["request", "reply"])
@pytest.mark.parametrize(("request_name", "write"), SAME)
def test_at_most_one_of_two_is_told_that_it_was_the_one(
    first_lost: str, request_name: str, write: Any, items: Dict, proxy: Any, rival: Any
) -> None:
    other, other_proxy = rival
    other.sync()
    proxy.lose(request_name, first_lost)
    with pytest.raises(WriteUncertain) as first:
        write(items)
    other_proxy.lose(request_name, "reply")
    try:
        write(other)
    except WriteUncertain as second:
        told = [verdict(error) for error in (first.value, second)]
        assert told.count(True) <= 1
        if first_lost == "request":
            assert told[0] is not True
        else:
            assert told[0] is not False
    except (ZkDictError, KazooException):
        assert first_lost == "reply"  # it came late, and has seen that


def test_an_increment_that_never_arrived_was_not_made_by_another(
    items: Dict, proxy: Any, rival: Any
) -> None:
    other, _ = rival
    items["count"] = 5
    other.sync()
    proxy.lose("setData", "request")
    with pytest.raises(WriteUncertain) as caught:
        items.modify("count", lambda count: count + 1)
    assert other.modify("count", lambda count: count + 1).value == 6
    with pytest.raises(WriteUncertain):
        caught.value.resolve(timeout=60)


def test_what_was_there_already_was_not_written_again(items: Dict, proxy: Any) -> None:
    """The newest zxid that was seen is that of the very znode."""
    items["a"] = "same"
    for write in (
        lambda: items.put("a", "same", version=1),
        lambda: items.cas(items.entry("a"), "same"),
        lambda: items.modify("a", lambda value: value),
    ):
        proxy.lose("setData", "request")
        with pytest.raises(WriteUncertain) as caught:
            write()
        assert caught.value.resolve(timeout=60) is False
        assert items.entry("a").version == 1


def test_one_key_of_an_update_is_not_all_of_it(
    items: Dict, proxy: Any, open_dict: Open, client_behind: Callable[..., KazooClient]
) -> None:
    """Another client stores the same under one of the keys."""
    dicts = open_dict(client_behind(proxy, timeout=30.0), write_timeout=1.0)
    proxy.lose("multi", "silence")
    with pytest.raises(WriteUncertain) as caught:
        dicts.update(x=1, y=2)
    proxy.drop()
    truth = open_dict()
    for key in ("x", "y"):
        truth.pop(key, None)
    truth["x"] = 1
    with pytest.raises(WriteUncertain):
        caught.value.resolve(timeout=60)
    truth["y"] = 2
    assert caught.value.resolve(timeout=60) is True


def test_two_calls_of_one_session(
    proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    """An ephemeral key names its session, not the dict that made it."""
    client = client_behind(proxy, timeout=30.0)
    one, two = (open_dict(client, write_timeout=1.0) for _ in range(2))
    proxy.lose("create", "silence")
    errors = []
    for items in (one, two):
        with pytest.raises(WriteUncertain) as caught:
            items.put("new", "mine", version=-2, ephemeral=True)
        errors.append(caught.value)
    proxy.drop()
    for error in errors:
        with pytest.raises(WriteUncertain):
            error.resolve(timeout=60)
