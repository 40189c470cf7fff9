"""Pickled values, for reading what msaStorageDict and durabledict have stored.

The rules that live here:

- The bytes are base64 of a pickle: what both predecessors write by default.
- A pickle may name any function to call. Here it may name only what the caller allowed, beside the
  plain containers; how it is read, and what that may cost, is bounded by `unpickling`.
- What is written stays readable: by the predecessors, and under the same allow-list by this.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import io
import pickle
from typing import TYPE_CHECKING, Any, Final, TypeVar

from zkdict._unpickling import Machine
from zkdict.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Pickle"]

T = TypeVar("T")

_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # Python 2 wrote the left ones


class Pickle:
    """Base64 pickles, the default encoding of msaStorageDict and durabledict. For migration.

    Plain data (None, bool, numbers, str, bytes, list, tuple, dict, set) reads as it is. Any class
    or function a pickle names is refused unless it is in `allow`, and the error says what to add.
    Allow only what you would let the writers of the znodes call with arguments of their choice, and
    set attributes of: data classes, not `os.system`. (A function in `allow` may be called once more
    than it is named: an object that it gives twice is not new, and is not changed.)

    What reading may cost is bounded, whatever the bytes. A pickle has at most 1,000,000 opcodes.
    Values nest at most 200 levels deep. What they share counts each time: at most 16 Mi (2**24)
    objects and characters. Keys may not collide by the thousand, and no value contains itself.
    Reading takes about 1 us an opcode, which is some ten times as long as `pickle.loads`.

    Args:
        allow: names as "module.name", such as "datetime.date" or "decimal.Decimal".
        protocol: the pickle protocol written. 2 can be read by every Python the predecessors ran
            on, Python 2 included.
        encoding: how text of Python 2's `str` type is read, as in `pickle.loads`; "latin1" is what
            its pickled dates need.

    Raises:
        TypeError: `allow` is a str.
        EncodeError: the value cannot be pickled, or not be read again under this allow-list.
        DecodeError: the bytes are not base64 of a pickle, or the pickle names something that is not
            allowed, or reading it would cost too much.
    """

    __slots__ = ("_allowed", "_encoding", "_protocol")

    def __init__(
        self, *, allow: Iterable[str] = (), protocol: int = 2, encoding: str = "ASCII"
    ) -> None:
        if isinstance(allow, str):
            raise TypeError(f"allow takes several names: allow=[{allow!r}]")
        self._allowed = frozenset(allow)
        self._protocol = protocol
        self._encoding = encoding

    def encode(self, value: Any) -> bytes:
        """`value` as a base64 pickle. Costs an unpickling too: it must be readable again."""
        try:
            pickled = pickle.dumps(value, self._protocol)
        except Exception as error:  # a class's own __reduce__ may raise anything
            raise EncodeError(f"it cannot be pickled: {error}") from error
        try:
            self._load(pickled)
        except DecodeError as error:
            raise EncodeError(f"it could not be read back: {error.reason}") from error
        return base64.encodebytes(pickled)

    def decode(self, data: bytes) -> Any:
        """The value of the base64 pickle `data`."""
        try:
            pickled = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error as error:
            raise DecodeError(f"it is not base64: {error}") from error
        return self._load(pickled)

    def _load(self, pickled: bytes) -> Any:
        try:
            return Machine(self._find, self._encoding).load(pickled)
        except Exception as error:  # damaged pickles raise nearly anything
            raise DecodeError(f"it is not a readable pickle: {error}") from error

    def _find(self, module: str, name: str, protocol: int) -> tuple[Any, Callable[..., Any] | None]:
        """What a pickle names, if it is plain or allowed (see `unpickling.Find`)."""
        renamed = _RENAMED.get(module, module)
        full_name = f"{renamed}.{name}"
        if full_name in _PLAIN:
            return _PLAIN[full_name]
        if full_name not in self._allowed:
            raise pickle.UnpicklingError(
                f"it names {full_name}, which is not allowed; if that is safe to call with any "
                f"arguments, read it with Pickle(allow=[{full_name!r}])"
            )
        # The standard's own look-up: Python 2's names below protocol 3, dotted ones from 4 on.
        finder = pickle.Unpickler(io.BytesIO(b"\x80%cN." % protocol))
        finder.load()
        return finder.find_class(renamed, name), None

    def __repr__(self) -> str:
        return f"Pickle(allow={sorted(self._allowed)!r})"


# The plain containers that pickle names, instead of having an opcode for them. They take what
# pickle writes and nothing else: bytearray(10**12) would fill the memory.


def _bytearray(data: bytes | str = b"", encoding: str = "latin-1") -> bytearray:
    return bytearray(_latin1(data, encoding) if isinstance(data, str) else _only(bytes, data))


def _latin1(text: str, encoding: str = "latin-1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it has bytes in the encoding {encoding!r}")
    return _only(str, text).encode("latin-1")


def _bytes() -> bytes:
    return b""  # protocol 2 calls bytes() for empty ones only


def _complex(real: float, imaginary: float) -> complex:
    return complex(_only(float, real), _only(float, imaginary))


def _set(items: list[Any] | None = None) -> set[Any]:
    return set() if items is None else set(_only(list, items))


def _frozenset(items: list[Any] | None = None) -> frozenset[Any]:
    return frozenset(_set(items))


def _only(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise pickle.UnpicklingError(
            f"it has {type(value).__name__} where pickle writes {kind.__name__}"
        )
    return value


_PLAIN: Final[dict[str, tuple[Any, Callable[..., Any]]]] = {
    "_codecs.encode": (codecs.encode, _latin1),
    "builtins.bytearray": (bytearray, _bytearray),
    "builtins.bytes": (bytes, _bytes),
    "builtins.complex": (complex, _complex),
    "builtins.frozenset": (frozenset, _frozenset),
    "builtins.set": (set, _set),
}
"""Every pickle may name these: the object, and what is called in its place."""
