"""Pickled values, for reading what msaStorageDict and durabledict have stored.

The rules that live here:

- The bytes are base64 of a pickle: what both predecessors write by default.
- A pickle may name any function to call. Here it may name only what the caller allowed, beside the
  plain containers, and those are checked so that no few bytes can fill the memory.
- What is written stays readable: by the predecessors, and under the same allow-list by this.
"""

from __future__ import annotations

import base64
import binascii
import io
import pickle
import pickletools
from typing import TYPE_CHECKING, Any, Final, TypeVar

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
    set attributes of: data classes, not `os.system`.

    Args:
        allow: names as "module.name", such as "datetime.date" or "decimal.Decimal".
        protocol: the pickle protocol written. 2 can be read by every Python the predecessors ran
            on, Python 2 included.
        encoding: how text of Python 2's `str` type is read, as in `pickle.loads`; "latin1" is what
            its pickled dates need.

    Raises:
        EncodeError: the value cannot be pickled, or not be read again under this allow-list.
        DecodeError: no base64 of a pickle, or it names something that is not allowed.
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
            raise EncodeError(f"cannot be pickled: {error}") from error
        try:
            self._load(pickled)
        except DecodeError as error:
            raise EncodeError(f"would not be readable again: {error.reason}") from error
        return base64.encodebytes(pickled)

    def decode(self, data: bytes) -> Any:
        """The value of the base64 pickle `data`."""
        try:
            pickled = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error as error:
            raise DecodeError(f"no base64: {error}") from error
        return self._load(pickled)

    def _load(self, pickled: bytes) -> Any:
        try:
            _check_memo(pickled)
            unpickler = _Restricted(io.BytesIO(pickled), encoding=self._encoding)
            unpickler.allowed = self._allowed
            return unpickler.load()
        except Exception as error:  # damaged pickles raise nearly anything
            raise DecodeError(f"no readable pickle: {error}") from error

    def __repr__(self) -> str:
        return f"Pickle(allow={sorted(self._allowed)!r})"


def _check_memo(pickled: bytes) -> None:
    """Refuse a memo index beyond the pickle's length: CPython would make a table of that size."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > len(pickled):
            raise pickle.UnpicklingError(f"memo index {argument} in {len(pickled)} bytes")


class _Restricted(pickle.Unpickler):
    allowed: frozenset[str] = frozenset()

    def find_class(self, module: str, name: str) -> Any:
        module = _RENAMED.get(module, module)
        full_name = f"{module}.{name}"
        if full_name in self.allowed:
            return super().find_class(module, name)
        plain = _PLAIN.get(full_name)
        if plain is None:
            raise pickle.UnpicklingError(
                f"it names {full_name}, which is not allowed; if that is safe to call with any "
                f"arguments, read it with Pickle(allow=[{full_name!r}])"
            )
        return plain


class _Plain:
    """A container that pickle names instead of having an opcode for it.

    Called with other arguments than pickle writes it refuses: bytearray(10**12) would fill the
    memory. And it cannot be changed: a pickle may set attributes of whatever it has named.
    """

    __slots__ = ("_make",)

    _make: Callable[..., Any]

    def __init__(self, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"it sets the attribute {name!r} of a function")


def _bytearray(data: bytes | str = b"", encoding: str = "latin-1") -> bytearray:
    return bytearray(_latin1(data, encoding) if isinstance(data, str) else _only(bytes, data))


def _latin1(text: str, encoding: str = "latin-1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes as {encoding!r}")
    return _only(str, text).encode("latin-1")


def _bytes() -> bytes:
    return b""  # protocol 2 calls bytes() for empty ones only


def _set(items: list[Any] | None = None) -> set[Any]:
    return set() if items is None else set(_only(list, items))


def _frozenset(items: list[Any] | None = None) -> frozenset[Any]:
    return frozenset(_set(items))


def _only(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise pickle.UnpicklingError(f"{type(value).__name__} where pickle has {kind.__name__}")
    return value


_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "_codecs.encode": _Plain(_latin1),
    "builtins.bytearray": _Plain(_bytearray),
    "builtins.bytes": _Plain(_bytes),
    "builtins.complex": complex,
    "builtins.frozenset": _Plain(_frozenset),
    "builtins.set": _Plain(_set),
}
