"""Jute: what is packed reads back, and no cut-off record reads as anything else."""

import re
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zkfake._protocol.jute import (
    JuteError,
    Reader,
    pack_bool,
    pack_buffer,
    pack_int,
    pack_long,
    pack_string,
    pack_strings,
)
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import (
    Acl,
    MultiRequest,
    Op,
    read_connect_request,
)

from ..support import wire

INTS = st.integers(-(2**31), 2**31 - 1)
LONGS = st.integers(-(2**63), 2**63 - 1)
# Of the basic plane: what lies beyond does not read back as it was (see below).
TEXTS = st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF))
VALUES = st.one_of(
    st.tuples(st.just("int"), INTS),
    st.tuples(st.just("long"), LONGS),
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("buffer"), st.none() | st.binary()),
    st.tuples(st.just("string"), st.none() | TEXTS),
    st.tuples(st.just("strings"), st.lists(TEXTS)),
)
PACK: dict[str, Callable[[Any], bytes]] = {
    "int": pack_int,
    "long": pack_long,
    "bool": pack_bool,
    "buffer": pack_buffer,
    "string": pack_string,
    "strings": pack_strings,
}


def read(reader: Reader, kind: str) -> object:
    if kind == "strings":
        return reader.read_vector(reader.read_string)
    value: object = getattr(reader, f"read_{kind}")()
    return value


@given(st.lists(VALUES), st.binary())
def test_what_is_packed_reads_back(values: list[tuple[str, Any]], rest: bytes) -> None:
    reader = Reader(b"".join(PACK[kind](value) for kind, value in values) + rest)
    assert [read(reader, kind) for kind, _ in values] == [value for _, value in values]
    assert reader.left == len(rest)
    assert reader.rest() == rest
    assert reader.left == 0


@given(VALUES)
def test_every_shorter_record_is_an_error(value: tuple[str, Any]) -> None:
    kind, content = value
    packed = PACK[kind](content)
    for length in range(len(packed)):
        with pytest.raises(JuteError):
            read(Reader(packed[:length]), kind)


@given(st.integers(-(2**31), -2))
def test_a_negative_length_is_an_error_but_a_negative_count_is_empty(length: int) -> None:
    with pytest.raises(JuteError):
        Reader(pack_int(length) + b"abc").read_buffer()
    assert Reader(pack_int(length)).read_vector(lambda: 1) == []


def test_null_and_empty_are_not_the_same() -> None:
    assert pack_buffer(None) == pack_string(None) == b"\xff\xff\xff\xff"
    assert pack_buffer(b"") == pack_string("") == pack_strings([]) == bytes(4)
    reader = Reader(b"\xff\xff\xff\xff" * 3)
    assert (reader.read_buffer(), reader.read_string()) == (None, None)
    assert reader.read_vector(reader.read_int) is None


def test_any_byte_but_zero_is_true() -> None:
    assert [Reader(bytes([byte])).read_bool() for byte in (0, 1, 2, 255)] == [False] + 3 * [True]


def test_a_count_without_elements_is_an_error_at_once() -> None:
    with pytest.raises(JuteError):
        Reader(pack_int(2**31 - 1)).read_vector(Reader(b"").read_int)


@given(st.binary() | st.lists(st.sampled_from(b"a\x80\x9f\xa0\xbf\xc0\xed\xef")).map(bytes))
@example(b"\xed\xbf\xbf")
def test_any_bytes_are_some_string(data: bytes) -> None:
    text = Reader(pack_buffer(data)).read_string()
    assert text is not None
    # As Java counts mistakes: an encoded surrogate is one, where Python sees one in each byte.
    surrogates = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]?")
    assert text == surrogates.sub(b"\xff", data).decode("utf-8", "replace")


@given(st.text(st.characters(min_codepoint=0x10000)))
def test_what_lies_beyond_the_basic_plane_is_written_as_two_surrogates(text: str) -> None:
    packed = pack_string(text)[4:]
    units = struct.unpack(f">{2 * len(text)}H", text.encode("utf-16-be"))
    assert packed == b"".join(chr(unit).encode("utf-8", "surrogatepass") for unit in units)


# -- request records: built by the raw client, read by the protocol


PATHS = st.none() | TEXTS
ACLS = st.none() | st.lists(st.tuples(INTS, PATHS, PATHS), max_size=3)
RECORDS: dict[str, st.SearchStrategy[tuple[bytes, tuple[Any, ...]]]] = {
    "create": st.builds(
        lambda p, d, a, f: (wire.create(p, d, a, f), (p, d, a and [Acl(*e) for e in a], f, -1)),
        PATHS,
        st.none() | st.binary(),
        ACLS,
        INTS,
    ),
    "createTTL": st.builds(
        lambda p, d, a, f, t: (
            wire.create_ttl(p, d, a, f, t),
            (p, d, a and [Acl(*e) for e in a], f, t),
        ),
        PATHS,
        st.none() | st.binary(),
        ACLS,
        INTS,
        LONGS,
    ),
    "delete": st.builds(lambda p, v: (wire.path_version(p, v), (p, v)), PATHS, INTS),
    "exists": st.builds(lambda p, w: (wire.path_watch(p, w), (p, bool(w))), PATHS, st.booleans()),
    "setData": st.builds(
        lambda p, d, v: (wire.set_data(p, d, v), (p, d, v)), PATHS, st.none() | st.binary(), INTS
    ),
    "setACL": st.builds(
        lambda p, a, v: (wire.set_acl(p, a, v), (p, a and [Acl(*e) for e in a], v)),
        PATHS,
        ACLS,
        INTS,
    ),
    "addWatch": st.builds(lambda p, v: (wire.path_version(p, v), (p, v)), PATHS, INTS),
    "sync": st.builds(lambda p: (wire.string(p), (p,)), PATHS),
    "auth": st.builds(
        lambda k, s, c: (wire.auth(s, c, k), (k, s, c)), INTS, PATHS, st.none() | st.binary()
    ),
    "setWatches": st.builds(
        lambda z, a, b, c: (
            wire.i64(z) + wire.strings(a) + wire.strings(b) + wire.strings(c),
            (z, (a, b, c)),
        ),
        LONGS,
        *[st.lists(TEXTS, max_size=3)] * 3,
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_request_records(name: str) -> None:
    operation = OPERATIONS[wire.OPS[name]]

    @given(RECORDS[name], st.binary(max_size=8))
    def reads_back(record: tuple[bytes, tuple[Any, ...]], rest: bytes) -> None:
        body, expected = record
        # An empty list of ACLs and none at all are told apart.
        assert tuple(operation.read(Reader(body + rest))) == expected
        for length in range(len(body)):
            with pytest.raises(JuteError):
                operation.read(Reader(body[:length]))

    reads_back()


def test_connect_requests_may_leave_the_last_byte_out() -> None:
    for flag, expected in ((None, None), (0, False), (1, True), (255, True)):
        record = wire.connect(last_zxid=-1, timeout=5, session=9, password=None, read_only=flag)
        assert read_connect_request(Reader(record)) == (-1, 5, 9, None, expected)
    whole = wire.connect(read_only=None)
    for length in range(len(whole)):
        with pytest.raises(JuteError):
            read_connect_request(Reader(whole[:length]))


def multi(*operations: tuple[str, bytes]) -> MultiRequest:
    body = wire.multi([(wire.OPS[name], record) for name, record in operations])
    record: MultiRequest = OPERATIONS[wire.OPS["multi"]].read(Reader(body))
    return record


@pytest.mark.parametrize(
    "operations",
    [
        [("setACL", wire.set_acl("/a", wire.OPEN_ACL))],
        [("exists", wire.path_watch("/a"))],
        [("delete", wire.path_version("/a")), ("getData", wire.path_watch("/a"))],
    ],
    ids=["setACL", "exists", "mixed"],
)
def test_what_cannot_be_a_multi(operations: list[tuple[str, bytes]]) -> None:
    with pytest.raises(JuteError):
        multi(*operations)


def test_a_multi_ends_at_the_first_header_that_says_done() -> None:
    one = struct.pack(">i?i", 2, False, -1) + wire.path_version("/a")
    end = struct.pack(">i?i", 999, True, 7)
    found = OPERATIONS[Op.MULTI].read(Reader(one + end + one))
    assert found.operations == ((Op.DELETE, ("/a", -1)),)


def test_bytes_that_are_expected_are_skipped() -> None:
    reader = Reader(b"abcabd", 3)
    assert not reader.skip(b"abc")
    assert reader.skip(b"ab")
    assert reader.rest() == b"d"
    assert not reader.skip(b"x")
