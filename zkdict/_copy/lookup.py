"""The dicts that reads look into: exactly one of these answers a read.

The rules that live here:

- Where every key has a value it is a plain dict, so that a read costs what a dict's costs.
- `WithBadKeys` also knows the keys that have no value. Only a dict with such keys pays for them.
- `GATED` stands in while the copy may not be read. Whatever looks into it finds `GatedRead`.
- A reader follows one reference to one of these, without a lock. So what is shown is changed either
  by one atomic operation on the dict, or by putting another dict in its place.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkdict._copy.items import ReadZnode

__all__ = ["GATED", "BadEntry", "GatedRead", "WithBadKeys"]

V = TypeVar("V")

_MISSING: Final[Any] = object()


class BadEntry:
    """A key whose znode cannot be read or decoded."""

    __slots__ = ("czxid", "error", "mzxid", "raw", "refused", "version")

    def __init__(self, znode: ReadZnode, error: Exception) -> None:
        self.raw = znode.raw
        self.version = znode.version
        self.czxid = znode.czxid
        self.mzxid = znode.mzxid
        self.error = error
        self.refused = znode.error is not None
        """Whether the server refused to show it: no event will tell when it may be read."""

    def fresh_error(self) -> Exception:
        """A copy of the error to raise: an exception that is raised twice drags its past along."""
        error = copy.copy(self.error)
        error.__cause__ = self.error.__cause__
        return error


class WithBadKeys(dict[str, V]):
    """The values of the keys that have one; a bad key is there too, and reading it raises."""

    __slots__ = ("_bad",)

    def __init__(self, values: Mapping[str, V], bad: Mapping[str, BadEntry]) -> None:
        super().__init__(values)
        self._bad = bad

    def __missing__(self, key: str) -> NoReturn:
        if key in self._bad:
            raise self._bad[key].fresh_error()
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, _MISSING)
        if value is not _MISSING:
            return value
        if key in self._bad:
            raise self._bad[key].fresh_error()
        return default

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._bad

    def __len__(self) -> int:
        return super().__len__() + len(self._bad)


class GatedRead(Exception):  # noqa: N818  it says what happened, and no user ever sees it
    """The copy may not be read before somebody has asked whether it may."""


class _Gated(dict[str, Any]):
    __slots__ = ()

    def _ask(self, *_: Any) -> NoReturn:
        raise GatedRead

    __missing__ = get = __contains__ = __len__ = _ask


GATED: Final[dict[str, Any]] = _Gated()
"""What is shown while reads are gated."""
