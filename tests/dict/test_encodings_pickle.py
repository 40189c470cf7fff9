"""Pickle: what the predecessors stored is read, and nothing a znode names is run."""

import base64
import collections
import contextlib
import datetime as dt
import decimal
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdict._pickles import Pickle
from zkdict.encodings import JSON, Fallback
from zkdict.errors import DecodeError, EncodeError

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.binary().map(bytearray)
    | st.frozensets(st.integers(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=3)
        | st.sets(st.text(), max_size=3)
    ),
    max_leaves=10,
)


@given(plain_values, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_of_every_protocol_is_read(value: Any, protocol: int) -> None:
    back = Pickle().decode(base64.encodebytes(pickle.dumps(value, protocol)))
    assert back == value
    assert type(back) is type(value)


@given(plain_values)
def test_plain_data_is_written_as_the_predecessors_wrote_it(value: Any) -> None:
    data = Pickle().encode(value)
    assert pickle.loads(base64.decodebytes(data)) == value
    assert Pickle().decode(data) == value


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    data = base64.b64encode(pickle.dumps(Evil(os.mkdir, str(target))))
    with pytest.raises(DecodeError) as caught:
        Pickle().decode(data)
    assert not target.exists()
    assert f"Pickle(allow=['{os.mkdir.__module__}.mkdir'])" in str(caught.value)
    Pickle(allow=[f"{os.mkdir.__module__}.mkdir"]).decode(data)
    assert target.exists()  # so it was the allow-list that held it back


def test_the_bytes_never_reach_pythons_own_unpickler(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks names up, by a program of ours that has nothing of the znode."""
    read: list[bytes] = []

    class Unpickler(pickle.Unpickler):
        def __init__(self, file: Any, **options: Any) -> None:
            read.append(file.read())
            file.seek(0)
            super().__init__(file, **options)

    values = [[1, {"a": None}], dt.date(2026, 1, 2), Evil(os.getpid)]
    pickled = [pickle.dumps(value, 2) for value in values]
    monkeypatch.setattr(pickle, "Unpickler", Unpickler)
    for name in ("load", "loads", "_load", "_loads", "_Unpickler"):
        monkeypatch.delattr(pickle, name)
    reader = Pickle(allow=["datetime.date"])
    assert [reader.decode(base64.b64encode(each)) for each in pickled[:2]] == values[:2]
    with pytest.raises(DecodeError, match="getpid"):
        reader.decode(base64.b64encode(pickled[2]))
    assert set(read) == {b"\x80\x02N."}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_protocol_gets_around_the_allow_list(protocol: int) -> None:
    data = base64.b64encode(pickle.dumps(Evil(eval, "1 + 1"), protocol))
    with pytest.raises(DecodeError, match=r"builtins\.eval"):
        Pickle(allow=["builtins.getattr", "builtins.evaluate"]).decode(data)


@pytest.mark.parametrize(
    "call",
    [
        (bytearray, 1 << 40),
        (set, range(1)),
        (frozenset, range(1)),
        (bytes, 1 << 40),
    ],
    ids=["bytearray", "set", "frozenset", "bytes"],
)
def test_a_container_takes_only_what_pickle_gives_it(call: tuple[Any, ...]) -> None:
    data = base64.b64encode(pickle.dumps(Evil(*call), 4))
    with pytest.raises(DecodeError):
        Pickle(allow=["builtins.range"]).decode(data)


def test_a_codec_is_not_looked_up_by_the_name_in_a_znode() -> None:
    pickled = b"c_codecs\nencode\n(V" + b"x" + b"\nVzip\ntR."
    with pytest.raises(DecodeError, match="zip"):
        Pickle().decode(base64.b64encode(pickled))


def test_a_memo_index_makes_no_table_of_its_size() -> None:
    pickled = b"\x80\x02K\x01r" + struct.pack("<I", 0x7FFFFFF0) + b"."
    assert Pickle().decode(base64.b64encode(pickled)) == 1


# Opcodes that build plain values, of every protocol; a program of them is seldom a whole pickle.
opcodes = st.sampled_from(
    [
        *(
            b"N",
            b"\x88",
            b"\x89",
            b"I1\n",
            b"I01\n",
            b"K\x07",
            b"L7L\n",
            b"\x8a\x01\x07",
            b"F1.5\n",
        ),
        *(b"S'a'\n", b'S"b\\x63"\n', b"Vx\n", b"U\x01a", b"T\x01\0\0\0b", b"X\x01\0\0\0z"),
        *(b"\x8c\x01y", b"C\x01x", b"B\x01\0\0\0y", b"G\x3f\xf0\0\0\0\0\0\0", b"M\x01\x02"),
        *(b"(", b"(", b"(", b"0", b"1", b"2", b")", b"]", b"}", b"\x8f"),
        *(b"t", b"\x85", b"\x86", b"\x87", b"l", b"d", b"\x91", b"a", b"e", b"s", b"u", b"\x90"),
        *(b"q\0", b"q\1", b"p2\n", b"r\3\0\0\0", b"\x94", b"h\0", b"h\1", b"g2\n", b"j\3\0\0\0"),
        *(
            b"cbuiltins\nset\n(]tR",
            b"c__builtin__\nfrozenset\n(]K\1atR",
            b"cbuiltins\nbytearray\n)R",
        ),
    ]
)


@settings(max_examples=500)
@given(st.lists(opcodes, max_size=12))
def test_what_is_read_is_what_pickle_reads(program: list[bytes]) -> None:
    pickled = b"\x80\x02((" + b"".join(program) + b"t."
    try:
        value = Pickle().decode(base64.b64encode(pickled))
    except DecodeError:
        return
    assert repr(value) == repr(pickle.loads(pickled))


@pytest.mark.parametrize("encoding", ["latin1", "bytes", "UTF-8"])
@pytest.mark.parametrize("pickled", [b"S'\\xc3\\xa9'\np0\n.", b"U\x02\xc3\xa9q\x00."])
def test_python_2_text_is_read_as_pickle_reads_it(pickled: bytes, encoding: str) -> None:
    value = Pickle(encoding=encoding).decode(base64.b64encode(pickled))
    assert value == pickle.loads(pickled, encoding=encoding)


@given(st.binary())
def test_any_pickle_bytes_give_a_value_or_a_decode_error(data: bytes) -> None:
    for raw in (data, base64.b64encode(data), base64.b64encode(b"\x80\x02" + data + b".")):
        with contextlib.suppress(DecodeError):
            Pickle().decode(raw)


def test_what_is_allowed_is_read_and_written() -> None:
    dates = Pickle(allow=["datetime.date", "decimal.Decimal"])
    for value in [dt.date(2024, 2, 29), {"price": decimal.Decimal("1.10")}]:
        assert dates.decode(dates.encode(value)) == value
    with pytest.raises(EncodeError, match=r"allow=\['datetime.datetime'\]"):
        dates.encode(dt.datetime(2024, 2, 29))


def test_what_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(EncodeError, match="cannot be pickled"):
        Pickle().encode(lambda: 0)


@pytest.mark.parametrize("data", [b"gAJLAS4=!", b"{gAJLAS4=}", b"gAJLAS4"])
def test_what_is_no_base64_is_refused(data: bytes) -> None:
    assert Pickle().decode(b"gAJL\nAS4=\n") == 1
    with pytest.raises(DecodeError, match="not base64"):
        Pickle().decode(data)


def test_one_name_given_as_a_str_is_a_mistake() -> None:
    with pytest.raises(TypeError, match=r"allow=\['datetime.date'\]"):
        Pickle(allow="datetime.date")


# Bytes the real packages wrote. durabledict 0.9.4 ran under Python 2.7 (protocol 2) and 3.8,
# msaStorageDict 0.0.3 under 3.11; how they were made is told in the file beside them.
OLD = Path(__file__).with_name("data") / "predecessor_pickles.json"


def old_values() -> list[Any]:
    return [pytest.param(*case[1:], id=case[0]) for case in JSON.decode(OLD.read_bytes())["cases"]]


@pytest.mark.parametrize(("data", "expected"), old_values())
def test_old_data_is_read(data: str, expected: str) -> None:
    names = ["datetime.date", "datetime.datetime", "decimal.Decimal", "collections.OrderedDict"]
    encoding = Fallback(JSON, Pickle(allow=names, encoding="latin1"))
    value = encoding.decode(data.encode())
    expected_value = eval(expected, {"datetime": dt, **vars(decimal), **vars(collections)})
    assert value == expected_value
    assert type(value) is type(expected_value)
