"""ZooKeeperDict as a mapping: the same program on it and on a plain dict does the same.

Everything is looked at through a second client's dict after its `sync()`, and in the znodes.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, ItemsView, Iterator, KeysView, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkdict import JSON, KeyExists, Pickle, ZooKeeperDict
from zkdict.keys import KeyCodec

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from pytest_zkdict.clients import ClientFactory


class Pair(NamedTuple):
    one: ZooKeeperDict[Any]
    two: ZooKeeperDict[Any]

    def seen(self) -> dict[str, Any]:
        """What both dicts and the znodes hold; they have to agree, also on the order."""
        self.one.sync()
        self.two.sync()
        items = list(self.two.items())
        assert list(self.one.items()) == items
        assert list(self.two) == list(self.two.keys()) == [key for key, _ in items]
        assert list(self.two.values()) == [value for _, value in items]
        assert list(reversed(self.two)) == [key for key, _ in reversed(items)]
        assert len(self.two) == len(items)
        client, path = self.two.connection, self.two.keyspace
        znodes = {name: client.get(f"{path}/{name}") for name in client.get_children(path)}
        in_order = sorted(znodes, key=lambda name: (znodes[name][1].czxid, name))
        decode = self.two.encoding.decode
        assert [(name, decode(znodes[name][0])) for name in in_order] == items
        return dict(items)


@pytest.fixture
def open_pair(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> Iterator[Callable[..., Pair]]:
    """Opens two dicts of two clients on a new path; a path a call, for Hypothesis to call often."""
    clients = (zk_client, zk_client_factory())
    numbers = itertools.count()
    with contextlib.ExitStack() as exits:

        def new(exits: contextlib.ExitStack = exits, **arguments: Any) -> Pair:
            path = f"/mapping/{next(numbers)}"
            return Pair(
                *(
                    exits.enter_context(ZooKeeperDict[Any](client, path, **arguments))
                    for client in clients
                )
            )

        yield new


# One example after another on the same clients, each on a path of its own.
on_servers = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
legal_keys = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters="/").filter(
        lambda c: not 0x7F <= ord(c) <= 0x9F
    ),
    min_size=1,
    max_size=20,
).filter(lambda key: key not in (".", ".."))


def exact(value: Any) -> Any:
    """A value with the types `==` does not look at."""
    if isinstance(value, list):
        return [exact(element) for element in value]
    if isinstance(value, dict):
        return [(key, exact(element)) for key, element in value.items()]
    return type(value), repr(value)


@on_servers
@given(items=st.dictionaries(legal_keys, json_values, max_size=6))
def test_any_json_comes_back_through_another_client(
    items: dict[str, Any], open_pair: Callable[..., Pair]
) -> None:
    with contextlib.ExitStack() as exits:
        pair = open_pair(exits)
        for key, value in items.items():
            pair.one[key] = value
        assert exact(pair.seen()) == exact(items)


@on_servers
@given(items=st.dictionaries(st.text(st.characters(), max_size=20), json_values, max_size=6))
def test_any_key_comes_back_through_another_client(
    items: dict[str, Any], open_pair: Callable[..., Pair]
) -> None:
    with contextlib.ExitStack() as exits:
        one, two = open_pair(exits, key_encoding="quote")
        one.update(items)
        two.sync()
        assert exact(dict(two)) == exact(dict(one))
        assert exact(dict(sorted(two.items()))) == exact(dict(sorted(items.items())))
        names = set(two.connection.get_children(two.keyspace))
        assert names == set(map(KeyCodec("quote").to_name, items))


# The same program on both.

few_keys = st.sampled_from(["a", "b", "c", "d", "e"])
few_values = st.sampled_from([None, 0, "", [], 1, "x", [None], {"k": 1}])
pairs = st.dictionaries(few_keys, few_values, max_size=4)
Program = list[tuple[str, tuple[Any, ...]]]
programs = st.lists(
    st.one_of(
        st.tuples(st.just("__setitem__"), st.tuples(few_keys, few_values)),
        st.tuples(st.just("__delitem__"), st.tuples(few_keys)),
        st.tuples(st.just("__getitem__"), st.tuples(few_keys)),
        st.tuples(st.just("__contains__"), st.tuples(few_keys)),
        st.tuples(st.just("get"), st.tuples(few_keys) | st.tuples(few_keys, few_values)),
        st.tuples(st.just("pop"), st.tuples(few_keys) | st.tuples(few_keys, few_values)),
        st.tuples(st.just("setdefault"), st.tuples(few_keys) | st.tuples(few_keys, few_values)),
        st.tuples(
            st.just("update"), st.tuples(pairs) | st.tuples(pairs.map(lambda d: [*d.items()]))
        ),
        st.tuples(st.just("__ior__"), st.tuples(pairs)),
        st.tuples(st.just("__or__"), st.tuples(pairs)),
        st.tuples(st.just("__ror__"), st.tuples(pairs)),
        st.tuples(st.just("__eq__"), st.tuples(pairs)),
        st.tuples(st.sampled_from(["clear", "popitem", "copy", "__len__"]), st.just(())),
    ),
    max_size=15,
)


def outcome(items: Any, method: str, arguments: tuple[Any, ...]) -> Any:
    try:
        result = getattr(items, method)(*arguments)
    except Exception as error:
        kind = KeyError if isinstance(error, KeyError) else type(error)
        return kind, error.args if method != "popitem" else ()
    return "itself" if result is items else result


@on_servers
@given(program=programs, which=st.lists(st.integers(0, 1), min_size=15, max_size=15))
def test_a_program_does_what_it_does_to_a_dict(
    program: Program, which: list[int], open_pair: Callable[..., Pair]
) -> None:
    model: dict[str, Any] = {}
    with contextlib.ExitStack() as exits:
        pair = open_pair(exits)
        for (method, arguments), index in zip(program, which, strict=False):
            items = pair[index]
            items.sync()
            done = outcome(items, method, arguments)
            if method == "update" or method == "__ior__":
                # New keys of one transaction have one czxid, and so come in the order of names.
                new: dict[str, Any] = dict(*arguments)
                ordered = {key: new[key] for key in sorted(new)}
                assert done == outcome(model, method, (ordered,))
            else:
                assert done == outcome(model, method, arguments)
            assert list(items.items()) == list(model.items())
        assert list(pair.seen().items()) == list(model.items())


# Single checks.


@pytest.fixture
def pair(open_pair: Callable[..., Pair]) -> Pair:
    return open_pair()


def test_it_is_a_mutable_mapping_with_real_views(pair: Pair) -> None:
    pair.one.update(a=1, b=2)
    assert pair.seen() == {"a": 1, "b": 2}
    for items in pair:
        assert isinstance(items, MutableMapping)
        assert isinstance(items.keys(), KeysView)
        assert isinstance(items.values(), ValuesView)
        assert isinstance(items.items(), ItemsView)
        assert items.keys() & {"b", "c"} == {"b"}
        assert items.keys() | {"c"} == {"a", "b", "c"}
        assert ("a", 1) in items.items()
        assert ("a", 2) not in items.items()
        assert 2 in items.values()
        assert 3 not in items.values()
        assert {**items} == {"a": 1, "b": 2}
        assert bool(items)
        with pytest.raises(TypeError):
            hash(items)


def test_equality_is_that_of_mappings(pair: Pair, open_pair: Callable[..., Pair]) -> None:
    one, two = pair
    one["a"] = [1]
    two.sync()
    other = open_pair().one
    assert one == two == {"a": [1]}
    assert one != other
    assert one != {"a": [2]}
    assert one != [("a", [1])]
    other["a"] = [1]
    assert one == other


def test_keys_come_in_the_order_they_were_made(pair: Pair) -> None:
    one, two = pair
    for key in ("c", "a", "b"):
        one[key] = 0
    two.sync()
    two["a"] = 1  # a change keeps the place
    del two["c"]
    two["c"] = 2  # a new znode goes to the end
    one.sync()
    assert list(one) == list(two) == ["a", "b", "c"]
    assert pair.seen() == {"a": 1, "b": 0, "c": 2}
    assert one.popitem() == ("c", 2)


def test_values_are_copies_of_what_was_assigned(pair: Pair) -> None:
    mine = [1]
    pair.one["a"] = mine
    mine.append(2)
    assert pair.one["a"] == [1]
    assert pair.seen() == {"a": [1]}


def test_a_copy_is_a_plain_dict(pair: Pair) -> None:
    items = pair.one
    items["a"] = [1]
    for shallow in (items.copy(), copy.copy(items)):
        assert type(shallow) is dict
        assert shallow["a"] is items["a"]
    deep = copy.deepcopy(items)
    assert type(deep) is dict
    assert deep == items
    assert deep["a"] is not items["a"]


def test_absent_keys_of_any_kind(pair: Pair) -> None:
    pair.one["1"] = 1
    absent: list[Any] = [1, None, ("1",), "a/b", "", "\ud800", "😀"]
    for key in absent:
        assert key not in pair.one
        assert pair.one.get(key) is None
        with pytest.raises(KeyError):
            pair.one[key]
    with pytest.raises(TypeError):
        pair.one[[]]  # type: ignore[index]


@pytest.mark.parametrize("key", [1, None, b"a", "", ".", "a/b", "\x00", "\ue000", "😀", "\ud800"])
@pytest.mark.parametrize("write", ["__setitem__", "setdefault", "update", "add", "put"])
def test_a_wrong_key_is_refused_before_anything_is_sent(key: Any, write: str, pair: Pair) -> None:
    pair.one["a"] = 1
    with pytest.raises(ValueError, match="cannot be a key"):
        getattr(pair.one, write)(*([{"b": 1, key: 1}] if write == "update" else [key, 1]))
    pair.one["c"] = 2  # the connection lives
    assert pair.seen() == {"a": 1, "c": 2}


@pytest.mark.parametrize("value", [(1,), {1: 2}, float("nan"), b"a", object()])
@pytest.mark.parametrize("write", ["__setitem__", "setdefault", "update", "add", "put"])
def test_a_wrong_value_is_refused_before_anything_is_sent(
    value: Any, write: str, pair: Pair
) -> None:
    pair.one["a"] = 1
    with pytest.raises(ValueError, match="the value of 'x'") as caught:
        getattr(pair.one, write)(*([{"b": 1, "x": value}] if write == "update" else ["x", value]))
    assert caught.value.key == "x"  # type: ignore[attr-defined]
    assert pair.seen() == {"a": 1}


def test_keyword_arguments_of_update_are_keys(pair: Pair) -> None:
    pair.one.update(self=1, other=2, atomic=3)
    pair.one.update([("a", 4)], a=5)
    assert pair.seen() == {"atomic": 3, "other": 2, "self": 1, "a": 5}
    with pytest.raises(TypeError):
        pair.one.update({}, {})  # type: ignore[call-arg]


def test_a_running_loop_is_not_disturbed(pair: Pair) -> None:
    one, two = pair
    one.update({str(n): n for n in range(10)})
    two.sync()
    seen = []
    for key, value in two.items():
        seen.append((key, value))
        one[f"new {key}"] = 0
        del one[key]
        two.sync()
    assert seen == [(str(n), n) for n in range(10)]
    assert len(two) == 10


def test_key_exists_is_a_key_error(pair: Pair) -> None:
    pair.one["a"] = 1
    with pytest.raises(KeyExists) as caught:
        pair.two.add("a", 2)
    assert caught.value.key == "a"
    assert isinstance(caught.value, KeyError)


def test_old_public_names(pair: Pair) -> None:
    one, two = pair
    before = one.last_updated()
    one.persist("a", 1)
    assert one.last_updated() > before
    two.sync()
    assert two.durables() == {"a": 1}
    two.depersist("a")
    with pytest.raises(KeyError):
        two.depersist("a")
    assert pair.seen() == {}
    assert one.autosync is True
    assert one.encoding is JSON
    assert one.old_encoding is None
    assert one.keyspace == two.keyspace
    assert one.connection is not two.connection
    assert issubclass(one.no_node_error, Exception)
    one.connection_hook()


def test_both_orders_of_the_first_two_arguments(zk_client: KazooClient) -> None:
    with (
        ZooKeeperDict[Any](zk_client, "/app") as one,
        ZooKeeperDict[Any]("/app", zk_client, encoding=Pickle()) as two,
    ):
        assert one.keyspace == two.keyspace == "/app"
        assert one.connection is two.connection is zk_client
