"""Encodings: what is written comes back as it was, what would not is refused."""

import collections
import contextlib
import dataclasses
import enum
import gzip
import json
import os
import tracemalloc
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zkdict.encodings
from zkdict._pickles import Pickle
from zkdict.encodings import (
    BYTES,
    JSON,
    JSON_MAX_DEPTH,
    TEXT,
    Compressed,
    Encoding,
    Fallback,
    Model,
)
from zkdict.errors import DecodeError, EncodeError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    """A value with its exact types and the order of its keys: what `==` does not look at."""
    if type(value) is list:
        return [shape(element) for element in value]
    if type(value) is dict:
        return [(key, shape(element)) for key, element in value.items()]
    return type(value), repr(value)


@given(json_values)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert shape(JSON.decode(JSON.encode(value))) == shape(value)


@given(json_values)
def test_json_is_json_for_everybody(value: Any) -> None:
    assert json.loads(JSON.encode(value).decode()) == value


class Colour(enum.IntEnum):
    RED = 1


class Name(enum.Enum):
    A = "a"


class Text(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


in_itself: list[Any] = []
in_itself.append(in_itself)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((1, 2), "tuple would come back as a list"),
        ({"a": [0, (1,)]}, "at value['a'][1], tuple would come back as a list"),
        (Point(1, 2), "Point would come back as a list"),
        ({1: "a"}, "the key 1 is int: in JSON every key is a str"),
        ({"a": {None: 1}}, "at value['a'], the key None is NoneType"),
        ({Text("a"): 1}, "Text"),
        (float("nan"), "nan is not a JSON number"),
        ([float("-inf")], "at value[0], -inf is not a JSON number"),
        (Colour.RED, "Colour would come back as int"),
        (Name.A, "JSON has no"),
        (Text("a"), "Text would come back as str"),
        (collections.OrderedDict(a=1), "OrderedDict would come back as dict"),
        (b"a", "JSON has no bytes: use BYTES or Pickle"),
        ({1, 2}, "JSON has no set"),
        (object(), "JSON has no object"),
        ("\ud800", "lone surrogate"),
        ({"\udc00": 1}, "lone surrogate"),
        ("\ud83d\ude00", "lone surrogate"),  # json would join the two into one character
        (in_itself, "or contains itself"),
        (nested(JSON_MAX_DEPTH + 1), f"deeper than {JSON_MAX_DEPTH}"),
    ],
)
def test_json_refuses_what_would_come_back_different(value: Any, said: str) -> None:
    with pytest.raises(EncodeError) as caught:
        JSON.encode(value)
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_json_is_short_and_readable() -> None:
    assert (
        JSON.encode({"\u00e9": [1, None], "b": "\u4e2d"})
        == '{"\u00e9":[1,null],"b":"\u4e2d"}'.encode()
    )


def test_json_takes_the_deepest_value_it_promises() -> None:
    value = nested(JSON_MAX_DEPTH)
    assert JSON.decode(JSON.encode(value)) == value


def test_json_takes_a_large_value() -> None:
    value = {f"key {i}": [{"i": i, "text": "x" * 10, "ok": True}] for i in range(5000)}
    assert JSON.decode(JSON.encode(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"\xff",
        b"\xef\xbb\xbf1",
        b"'a'",
        b"1 2",
        b"{",
        b"gAVLGS4=",
    ],
)
def test_json_says_no_to_other_bytes(data: bytes) -> None:
    with pytest.raises(DecodeError, match="not JSON"):
        JSON.decode(data)


def test_json_says_no_to_nesting_without_end() -> None:
    with pytest.raises(DecodeError):
        JSON.decode(b"[" * 500_000)


@given(st.text())
def test_text_comes_back(value: str) -> None:
    assert TEXT.decode(TEXT.encode(value)) == value


@given(st.binary())
def test_bytes_come_back(value: bytes) -> None:
    assert BYTES.decode(BYTES.encode(value)) == value


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        (TEXT, b"a"),
        (TEXT, 1),
        (TEXT, Text("a")),
        (TEXT, "\ud800"),
        (BYTES, "a"),
        (BYTES, bytearray(b"a")),
    ],
)
def test_text_and_bytes_refuse_other_types(encoding: Encoding[Any], value: Any) -> None:
    with pytest.raises(EncodeError):
        encoding.encode(value)


def test_text_says_no_to_other_bytes() -> None:
    with pytest.raises(DecodeError, match="UTF-8"):
        TEXT.decode(b"\xff")


# Any bytes at all: a value or DecodeError, whatever the encoding.


@dataclasses.dataclass
class Rate:
    name: str
    rate: float


ALL: list[Encoding[Any]] = [
    JSON,
    TEXT,
    BYTES,
    Pickle(allow=["datetime.date"]),
    Fallback(JSON, Pickle()),
    Compressed(JSON, 0, max_size=1000),
    Compressed(Compressed(Pickle())),
    Model(Rate),
    Model(list[int]),
]


@pytest.mark.parametrize("encoding", ALL, ids=repr)
@given(data=st.binary() | json_values.map(JSON.encode) | st.binary().map(gzip.compress))
def test_any_bytes_give_a_value_or_a_decode_error(encoding: Encoding[Any], data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        encoding.decode(data)


@pytest.mark.parametrize("encoding", ALL, ids=repr)
@given(value=json_values)
def test_any_value_is_refused_or_comes_back(encoding: Encoding[Any], value: Any) -> None:
    try:
        data = encoding.encode(value)
    except EncodeError:
        return
    assert type(data) is bytes
    assert shape(encoding.decode(data)) == shape(value)


# Fallback


def test_fallback_reads_both_and_writes_the_new() -> None:
    both = Fallback(JSON, Pickle())
    assert both.encode([1]) == b"[1]"
    assert both.decode(b"[1]") == [1]
    assert both.decode(Pickle().encode((1, 2))) == (1, 2)
    with pytest.raises(EncodeError):
        both.encode((1, 2))


def test_fallback_tells_why_each_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        Fallback(JSON, Pickle(), TEXT).decode(b"\xff")
    for part in ("JSON: not JSON", "Pickle(", "TEXT: not UTF-8"):
        assert part in str(caught.value)


def test_fallback_hides_no_fault_of_an_encoding() -> None:
    class Broken:
        def encode(self, value: Any) -> bytes:
            raise ZeroDivisionError

        def decode(self, data: bytes) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Fallback(Broken(), JSON).decode(b"1")


# Compressed


@given(st.binary(max_size=300) | st.binary().map(gzip.compress), st.integers(0, 400))
def test_compressed_comes_back_even_if_it_looks_compressed(value: bytes, min_size: int) -> None:
    encoding = Compressed(BYTES, min_size)
    assert encoding.decode(encoding.encode(value)) == value


def test_compressed_shrinks_what_is_long_and_leaves_what_is_short() -> None:
    encoding = Compressed(JSON)
    assert encoding.encode("short") == b'"short"'
    data = encoding.encode("long" * 10_000)
    assert len(data) < 1000
    assert json.loads(gzip.decompress(data)) == "long" * 10_000  # for others it is plain gzip


def test_compressed_keeps_what_does_not_shrink() -> None:
    noise = os.urandom(8192).replace(b"\x1f", b"\x00")
    assert Compressed(BYTES, 0).encode(noise) == noise


def test_compressed_reads_what_others_wrote() -> None:
    assert Compressed(JSON).decode(b"[1]") == [1]
    assert Compressed(JSON).decode(gzip.compress(b"[1]", mtime=0)) == [1]


def test_compressed_writes_the_same_bytes_for_the_same_value() -> None:
    assert Compressed(JSON, 0).encode("a" * 99) == Compressed(JSON, 0).encode("a" * 99)


def test_a_zip_bomb_is_refused_before_it_unfolds() -> None:
    bomb = gzip.compress(bytes(200_000_000), mtime=0)
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="more than 16777216 bytes"):
            Compressed(BYTES).decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000  # peak, in bytes
    finally:
        tracemalloc.stop()
    assert len(Compressed(BYTES, max_size=200_000_000).decode(bomb)) == 200_000_000


def test_compressed_writes_nothing_it_would_not_read() -> None:
    encoding = Compressed(BYTES, max_size=1000)
    assert encoding.decode(encoding.encode(bytes(1000))) == bytes(1000)
    with pytest.raises(EncodeError, match="at most 1000"):
        encoding.encode(bytes(1001))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-3], "truncated"),
        (lambda data: data + b"x", "1 bytes follow the end"),
        (lambda data: data[:2] + b"\x00" + data[3:], "damaged"),
        (lambda data: data[:-8] + bytes(4) + data[-4:], "damaged"),
    ],
)
def test_damaged_compression_is_told(spoil: Any, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        Compressed(TEXT, 0).decode(spoil(gzip.compress(b"hello hello hello", mtime=0)))


# What decoding may cost.


def gzipped(head: bytes, part: bytes, tail: bytes, size: int) -> bytes:
    """Head, as many parts as `size` bytes take, and tail."""
    return gzip.compress(head + part * (size // len(part)) + tail, compresslevel=1)


@pytest.mark.parametrize(
    "part",
    [b"[],", b"{},", b'{"a":{}},', b"[" * 100 + b"]" * 100 + b",", b"1,", b'"ab",', b'"\\"",1,'],
    ids=["lists", "dicts", "dicts in dicts", "deep", "numbers", "strings", "quotes"],
)
@pytest.mark.parametrize("inner", [JSON, Model(list[Any])], ids=repr)
def test_a_few_bytes_do_not_become_millions_of_objects(part: bytes, inner: Encoding[Any]) -> None:
    data = gzipped(b"[", part, b"1]", 16_000_000)
    assert len(data) < 160_000
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="more than 1,000,000 values and keys"):
            Compressed(inner).decode(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


def values_and_keys(value: Any) -> int:
    if isinstance(value, list):
        return 1 + sum(map(values_and_keys, value))
    if isinstance(value, dict):
        return 1 + sum(1 + values_and_keys(element) for element in value.values())
    return 1


tricky_text = st.text(st.sampled_from('",:[]{}\\a'), max_size=5)


@pytest.mark.parametrize("inner", [JSON, Model(Any)], ids=repr)
@given(
    value=st.recursive(
        st.none() | tricky_text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(tricky_text, inner, max_size=4),
    )
)
def test_as_many_values_as_may_be(inner: Encoding[Any], value: Any) -> None:
    count = values_and_keys(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zkdict.encodings, "JSON_MAX_VALUES", count)
        data = inner.encode(value)
        assert inner.decode(data) == value
        if count > 1:
            patch.setattr(zkdict.encodings, "JSON_MAX_VALUES", count - 1)
            with pytest.raises(EncodeError, match="values and keys"):
                inner.encode(value)
            with pytest.raises(DecodeError, match="values and keys"):
                inner.decode(data)


def test_text_is_not_counted() -> None:
    text = "and so on, and on: [" * 100_000
    assert JSON.decode(JSON.encode([text])) == [text]


def test_an_empty_znode_is_told_apart() -> None:
    """What zkCli and ensure_path make: no damaged value, but none at all."""
    for data, reason in ((b"", "the znode is empty"), (b" ", "Expecting value")):
        with pytest.raises(DecodeError) as caught:
            JSON.decode(data)
        assert str(caught.value).startswith(f"not JSON: {reason}")


def test_compression_is_tried_from_min_size_on() -> None:
    encoding = Compressed(BYTES, min_size=100)
    assert encoding.encode(b"a" * 99) == b"a" * 99
    assert len(encoding.encode(b"a" * 100)) < 100
