"""Jute, ZooKeeper's wire encoding: everything that knows how a value becomes bytes lives here.

All numbers are big-endian. ``int`` is 4 bytes, ``long`` 8, ``bool`` 1 (any non-zero byte is true);
``buffer`` and ``string`` are a 4-byte length and that many bytes (length -1 is null); ``vector`` is
a 4-byte count and its elements (-1 is null, any other negative count reads as empty, as Java's
``BinaryInputArchive`` does). Strings are UTF-8; bytes that are not become U+FFFD on reading, which
the path rules refuse later.
"""

import codecs
import re
from collections.abc import Callable, Iterable
from struct import Struct
from typing import TypeVar

T = TypeVar("T")

_INT = Struct(">i")
_LONG = Struct(">q")


def _replace_as_java(error: UnicodeError) -> tuple[str, int]:
    """U+FFFD for what is no UTF-8, as Java's decoder counts: an encoded surrogate is one mistake,
    not one for each of its bytes.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data, start = error.object, error.start
    if data[start] == 0xED and 0xA0 <= (data[start + 1 : start + 2] or b"\0")[0] <= 0xBF:
        third = (data[start + 2 : start + 3] or b"\0")[0]
        return "\ufffd", start + (3 if 0x80 <= third <= 0xBF else 2)
    return "\ufffd", error.end


codecs.register_error("zkfake.java", _replace_as_java)

NULL = b"\xff\xff\xff\xff"
"""A null buffer, string or vector on the wire."""


class JuteError(ValueError):
    """The bytes are not the expected record: they are too short, or have an invalid length."""


class Reader:
    """Reads values one after the other from ``data``; bytes left over at the end are nobody's
    business.

    Every method raises `JuteError` when the bytes do not hold the value asked for.
    """

    __slots__ = ("_data", "_pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self._data = data
        self._pos = pos

    def read_int(self) -> int:
        pos = self._pos
        try:
            (value,) = _INT.unpack_from(self._data, pos)
        except Exception:
            raise JuteError("the record ends inside an int") from None
        self._pos = pos + 4
        return value  # type: ignore[no-any-return]  # Struct.unpack is untyped

    def read_long(self) -> int:
        pos = self._pos
        try:
            (value,) = _LONG.unpack_from(self._data, pos)
        except Exception:
            raise JuteError("the record ends inside a long") from None
        self._pos = pos + 8
        return value  # type: ignore[no-any-return]

    def read_bool(self) -> bool:
        pos = self._pos
        if pos >= len(self._data):
            raise JuteError("the record ends before a bool")
        self._pos = pos + 1
        return self._data[pos] != 0

    def read_buffer(self) -> bytes | None:
        data, start = self._data, self._pos + 4
        try:
            (length,) = _INT.unpack_from(data, start - 4)
        except Exception:
            raise JuteError("the record ends inside a length") from None
        end = start + length
        if length < 0:
            if length != -1:
                raise JuteError(f"a buffer cannot have {length} bytes")
            self._pos = start
            return None
        if end > len(data):
            raise JuteError(f"a buffer of {length} bytes does not fit the record")
        self._pos = end
        return data[start:end]

    def read_bytes(self, count: int) -> bytes:
        """So many bytes, as they are."""
        start, end = self._pos, self._pos + count
        if not start <= end <= len(self._data):
            raise JuteError(f"the record ends inside {count} bytes")
        self._pos = end
        return self._data[start:end]

    def read_string(self) -> str | None:
        data, start = self._data, self._pos + 4
        try:
            (length,) = _INT.unpack_from(data, start - 4)
        except Exception:
            raise JuteError("the record ends inside a length") from None
        end = start + length
        if length < 0 or end > len(data):
            self.read_buffer()  # null, or no string at all
            return None
        self._pos = end
        return data[start:end].decode("utf-8", "zkfake.java")

    def whole(self) -> bytes:
        """All the bytes, read or not."""
        return self._data

    def skip(self, expected: bytes) -> bool:
        """Whether the next bytes are ``expected``; they are read then."""
        if not self._data.startswith(expected, self._pos):
            return False
        self._pos += len(expected)
        return True

    def read_vector(self, element: Callable[[], T]) -> list[T] | None:
        """A list of what ``element()`` reads, one call per element; ``None`` for null."""
        count = self.read_int()
        if count == -1:
            return None
        return [element() for _ in range(count)]

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._pos

    def rest(self) -> bytes:
        """All the bytes not read yet."""
        value = self._data[self._pos :]
        self._pos = len(self._data)
        return value


pack_int = _INT.pack
pack_long = _LONG.pack


def pack_bool(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def pack_buffer(value: bytes | None) -> bytes:
    if value is None:
        return NULL
    return _INT.pack(len(value)) + value


def pack_string(value: str | None) -> bytes:
    if value is None:
        return NULL
    if not value.isascii():
        # The server writes UTF-16 units one by one: a character outside the basic plane becomes two
        # encoded surrogates.
        value = _ASTRAL.sub(_as_surrogates, value)
    data = value.encode("utf-8", "surrogatepass")
    return _INT.pack(len(data)) + data


_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def _as_surrogates(found: re.Match[str]) -> str:
    beyond = ord(found[0]) - 0x10000
    return chr(0xD800 + (beyond >> 10)) + chr(0xDC00 + (beyond & 0x3FF))


def pack_strings(values: Iterable[str]) -> bytes:
    """A vector of strings."""
    pack = _INT.pack
    parts = [
        pack(len(value)) + value.encode() if value.isascii() else pack_string(value)
        for value in values
    ]
    return _INT.pack(len(parts)) + b"".join(parts)
