"""How values become the bytes of a znode, and back.

The rules that live here:

- No envelope: the bytes are the value, as zkCli, Java or any other client would write and read it.
- An encoding is strict when it writes: a value that would be read back as a different one raises
  EncodeError, before anything is sent.
- An encoding raises DecodeError, and nothing else, for any bytes that it cannot read.
- Bytes from a znode are not trusted. Decoding runs no code that they name, checks every size that
  they state, and has limits for memory and time.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, TypeVar

from zkdict._pickles import Pickle
from zkdict.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["BYTES", "JSON", "TEXT", "Compressed", "Encoding", "Fallback", "Model", "Pickle"]

V = TypeVar("V")

JSON_MAX_DEPTH: Final = 200
"""How deep lists and dicts may nest in a JSON value. A fixed number, below the recursion limit of
every Python and of the parsers other languages use, so what one process wrote another can read."""
JSON_MAX_VALUES: Final = 1_000_000
"""How many values and keys a JSON text may hold. A znode of 1 MB cannot hold as many, but 16 KB of
gzip can hold five millions. A list takes about thirty times the memory of its text, so this limits
a value to about 120 MB."""


class Encoding(Protocol[V]):
    """An encoding: any object with these two methods."""

    def encode(self, value: V) -> bytes:
        """The bytes for `value`.

        Raises:
            EncodeError: it cannot be written, or would be read back as a different value.
        """

    def decode(self, data: bytes) -> V:
        """The value of `data`.

        Raises:
            DecodeError: `data` is not what this encoding writes.
        """


class _Json:
    """Strict JSON (RFC 8259) in UTF-8."""

    def encode(self, value: Any) -> bytes:
        _check_json(value)
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            data = text.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(
                "the str contains a lone surrogate, which UTF-8 cannot encode"
            ) from error
        except ValueError as error:  # an int of more digits than sys.set_int_max_str_digits()
            raise EncodeError(f"it cannot be written as JSON: {error}") from error
        if _holds_too_much(data):
            raise EncodeError(_TOO_MUCH)
        return data

    def decode(self, data: bytes) -> Any:
        if len(data) > JSON_MAX_VALUES and _holds_too_much(data):
            raise DecodeError(_TOO_MUCH)
        try:
            return _parsed(data.decode())
        except UnicodeDecodeError as error:
            raise DecodeError(f"not JSON, not even UTF-8: {error}") from error
        except (ValueError, RecursionError) as error:
            if not data:
                raise DecodeError("not JSON: the znode is empty") from error
            raise DecodeError(f"not JSON: {error}") from error

    def __repr__(self) -> str:
        return "JSON"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text} does not fit into a float")
    return number


def _parsed(text: str) -> Any:
    try:
        value, end = _json_decoder.raw_decode(text)
    except ValueError:
        pass
    else:
        if end == len(text):
            return value
    return _json_decoder.decode(text)  # allows white space around it; says what is wrong


_json_decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)

_TOO_MUCH = f"it has more than {JSON_MAX_VALUES:,} values and keys: store it under several keys"


def _holds_too_much(data: bytes) -> bool:
    """Whether a JSON text holds more values and keys than it may. Costs nothing for small ones."""
    if len(data) <= JSON_MAX_VALUES or _separators(data) < JSON_MAX_VALUES:
        return False
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 2 * JSON_MAX_VALUES:  # each string is a value or a key
        return True
    bare = b"0".join(unescaped.split(b'"')[::2])
    return _separators(bare) - bare.count(b"[]") - bare.count(b"{}") >= JSON_MAX_VALUES


def _separators(data: bytes) -> int:
    """How many there are of what stands before each value and key but the first."""
    return sum(map(data.count, (b",", b":", b"[", b"{")))


_LEAVES = frozenset({str, int, bool, type(None)})


def _check_json(value: Any) -> None:
    """Raise EncodeError unless `value` consists of what JSON gives back as it was."""
    if type(value) in _LEAVES:
        return
    pending: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]
    while pending:
        item, where = pending.pop()
        kind = type(item)
        if kind in _LEAVES:
            continue
        if kind is float:
            if item - item != 0:  # nan or an infinity
                raise _refused(where, f"{item} is not a JSON number")
        elif len(where) >= JSON_MAX_DEPTH and kind in (list, dict):
            raise _refused(
                where[:3], f"it nests deeper than {JSON_MAX_DEPTH} levels, or contains itself"
            )
        elif kind is list:
            pending.extend((element, (*where, index)) for index, element in enumerate(item))
        elif kind is dict:
            for key, element in item.items():
                if type(key) is not str:
                    shown = f"the key {key!r} is {_named(type(key))}"
                    raise _refused(where, f"{shown}: in JSON every key is a str")
                pending.append((element, (*where, key)))
        else:
            raise _refused(where, _why_not(kind))


def _named(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _why_not(kind: type) -> str:
    for plain in (bool, int, float, str, list, dict):
        if issubclass(kind, plain):
            return f"{_named(kind)} would come back as {plain.__name__}: convert it first"
    if issubclass(kind, tuple):
        return f"{_named(kind)} would come back as a list: make it a list"
    hint = "use BYTES or Pickle" if issubclass(kind, (bytes, bytearray)) else "convert it first"
    return f"JSON has no {_named(kind)}: {hint}"


def _refused(where: tuple[Any, ...], reason: str) -> EncodeError:
    place = "".join(f"[{step!r}]" for step in where)
    return EncodeError(f"at value{place}, {reason}" if place else reason)


class _Text:
    """A str as UTF-8."""

    def encode(self, value: str) -> bytes:
        if type(value) is not str:
            raise EncodeError(f"TEXT takes a str, not {_named(type(value))}")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(
                "the str contains a lone surrogate, which UTF-8 cannot encode"
            ) from error

    def decode(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise DecodeError(f"not UTF-8: {error}") from error

    def __repr__(self) -> str:
        return "TEXT"


class _Bytes:
    """The bytes themselves."""

    def encode(self, value: bytes) -> bytes:
        if type(value) is not bytes:
            raise EncodeError(f"BYTES takes bytes, not {_named(type(value))}")
        return value

    def decode(self, data: bytes) -> bytes:
        return data

    def __repr__(self) -> str:
        return "BYTES"


JSON: Final[Encoding[Any]] = _Json()
"""Strict JSON in UTF-8: None, bool, int, finite float, str, list, dict with str keys, and exactly
these types. Refused are tuples, other keys, NaN and infinities, bytes, subclasses such as IntEnum,
lone surrogates, nesting beyond 200 levels and more than 1,000,000 values: each would come back
different, or not at all.
Writing costs one walk over the value more than `json.dumps` does."""

TEXT: Final[Encoding[str]] = _Text()
"""A str as UTF-8. Any valid UTF-8 reads as one. A str with a lone surrogate is refused."""

BYTES: Final[Encoding[bytes]] = _Bytes()
"""The bytes themselves: any znode reads. Only `bytes` is written: convert anything else first."""


class Fallback(Generic[V]):
    """Writes one encoding and reads several, for moving from one to another while both are in use.

    Reading tries `new`, then each of `old` in turn; the first that can read the bytes wins, so the
    strictest has to come first: TEXT reads nearly everything, and BYTES everything.

    Args:
        new: the encoding to write, and to try first.
        old: the encodings to try after it.

    Raises:
        EncodeError: `new` cannot write the value; the old encodings are never written.
        DecodeError: none of them can read the bytes; the text has the reason of each.
    """

    __slots__ = ("_all",)

    def __init__(self, new: Encoding[V], *old: Encoding[Any]) -> None:
        self._all: tuple[Encoding[Any], ...] = (new, *old)

    def encode(self, value: V) -> bytes:
        """`value` as `new` writes it."""
        data: bytes = self._all[0].encode(value)
        return data

    def decode(self, data: bytes) -> V:
        """The value of `data`, by the first encoding that can read it."""
        reasons: list[str] = []
        for encoding in self._all:
            try:
                value: V = encoding.decode(data)
            except DecodeError as error:  # noqa: PERF203  a few encodings, not a hot loop
                reasons.append(f"{encoding!r}: {error.reason}")
            else:
                return value
        raise DecodeError("; ".join(reasons))

    def __repr__(self) -> str:
        return f"Fallback({', '.join(map(repr, self._all))})"


_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's wbits for a gzip header and checksum


class Compressed(Generic[V]):
    """Compresses what another encoding writes, where that makes it smaller.

    The format is gzip (RFC 1952), whose first two bytes tell it from anything JSON or UTF-8 text
    can start with. So values others wrote uncompressed are read as they are, and others read the
    compressed ones with the gzip they have.

    Args:
        inner: the encoding whose bytes are compressed.
        min_size: bytes from which on it is worth trying.
        max_size: the most bytes a value may have before compression. A znode of 1 MB can unfold to
            1 GB: reading stops at this size. What `inner` makes of so many bytes is its own to
            bound, as JSON, Model and Pickle do.

    Raises:
        EncodeError: `inner` cannot write the value, or it takes more than `max_size` bytes.
        DecodeError: damaged or truncated gzip data, more than `max_size` bytes, or `inner` cannot
            read what was in it.
    """

    __slots__ = ("_inner", "_max_size", "_min_size")

    def __init__(
        self, inner: Encoding[V], min_size: int = 4096, *, max_size: int = 16 * 1024 * 1024
    ) -> None:
        self._inner = inner
        self._min_size = min_size
        self._max_size = max_size

    def encode(self, value: V) -> bytes:
        """`value` as `inner` writes it, compressed if that makes it smaller."""
        data = self._inner.encode(value)
        if len(data) > self._max_size:
            raise EncodeError(
                f"it takes {len(data)} bytes before compression; at most {self._max_size} "
                "(max_size) would be read back"
            )
        looks_packed = data.startswith(_GZIP_MAGIC)  # only compressed can it be told apart
        if len(data) < self._min_size and not looks_packed:
            return data
        deflate = zlib.compressobj(wbits=_GZIP_WINDOW)
        packed = deflate.compress(data) + deflate.flush()
        return packed if looks_packed or len(packed) < len(data) else data

    def decode(self, data: bytes) -> V:
        """The value of `data`, compressed or not."""
        if not data.startswith(_GZIP_MAGIC):
            return self._inner.decode(data)
        inflate = zlib.decompressobj(wbits=_GZIP_WINDOW)
        try:
            unpacked = inflate.decompress(data, self._max_size + 1)
        except zlib.error as error:
            raise DecodeError(f"the gzip data is damaged: {error}") from error
        if len(unpacked) > self._max_size:
            raise DecodeError(f"it unpacks to more than {self._max_size} bytes (max_size)")
        if not inflate.eof:
            raise DecodeError("the gzip data is truncated")
        if inflate.unused_data:
            raise DecodeError(f"{len(inflate.unused_data)} bytes follow the end of the gzip data")
        return self._inner.decode(unpacked)

    def __repr__(self) -> str:
        return f"Compressed({self._inner!r}, min_size={self._min_size})"


class Model(Generic[V]):
    """Values of one type, checked and written as JSON by pydantic.

    The type may be a pydantic model, a dataclass, a TypedDict, or any type annotation pydantic's
    `TypeAdapter` takes, such as `list[int]`. Needs pydantic 2: `pip install "zkdict[pydantic]"`.
    Each write is read back in memory and compared, so it costs about twice a `TypeAdapter` dump.

    Args:
        type_: the type of the values.

    Raises:
        ImportError: pydantic 2 is not installed.
        EncodeError: the value is not of this type, or would not come back equal.
        DecodeError: the bytes are not JSON of this type, or hold more than 1,000,000 values and
            keys.
    """

    __slots__ = ("_adapter", "_type")

    def __init__(self, type_: type[V]) -> None:
        try:
            from pydantic import TypeAdapter
        except ImportError as error:
            raise ImportError(
                'Model needs pydantic 2: pip install "zkdict[pydantic]"', name="pydantic"
            ) from error
        self._type = type_
        self._adapter: TypeAdapter[V] = TypeAdapter(type_)

    def encode(self, value: V) -> bytes:
        """`value` as JSON, with the field names (aliases) its type says."""
        adapter = self._adapter
        try:
            adapter.validate_python(value, strict=True)  # dump_json writes True as 1 for an int
            data = adapter.dump_json(value, by_alias=True, warnings="error")
            back = adapter.validate_json(data)
        except ValueError as error:  # pydantic's errors are ValueErrors
            raise EncodeError(f"it is not a valid {self._name}: {error}") from error
        if _holds_too_much(data):
            raise EncodeError(_TOO_MUCH)
        widened = type(value) is int and type(back) is float  # 1 is a fine value for a float
        if back != value or (type(back) is not type(value) and not widened):
            raise EncodeError(
                f"this {self._name} would be read back as a different value: {back!r}"
            )
        return data

    def decode(self, data: bytes) -> V:
        """The value of `data`, validated."""
        if _holds_too_much(data):
            raise DecodeError(_TOO_MUCH)
        try:
            return self._adapter.validate_json(data)
        except ValueError as error:
            raise DecodeError(f"it is not a valid {self._name}: {error}") from error

    @property
    def _name(self) -> str:
        return getattr(self._type, "__name__", None) or repr(self._type)

    def __repr__(self) -> str:
        return f"Model({self._name})"
