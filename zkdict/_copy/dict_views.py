"""`keys()`, `values()` and `items()`: live as a dict's, and each iteration is of one state."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from zkdict._copy.snapshot import Snapshot

__all__ = ["Items", "Keys", "Values"]

V = TypeVar("V")


class _ViewedDict(Protocol[V]):
    def snapshot(self) -> Snapshot[V]: ...


class Keys(KeysView[str]):
    """The keys, in the order of creation."""

    def __init__(self, owner: Any) -> None:
        super().__init__(owner)
        self._owner: _ViewedDict[Any] = owner

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner.snapshot())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._owner.snapshot())


class Items(ItemsView[str, V]):
    """The items: no value of a later state, no KeyError for a key that goes meanwhile."""

    def __init__(self, owner: Any) -> None:
        super().__init__(owner)
        self._owner: _ViewedDict[V] = owner

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return iter(self._owner.snapshot().items())

    def __reversed__(self) -> Iterator[tuple[str, V]]:
        snapshot = self._owner.snapshot()
        return ((key, snapshot[key]) for key in reversed(snapshot))


class Values(ValuesView[V]):
    """The values."""

    def __init__(self, owner: Any) -> None:
        super().__init__(owner)
        self._owner: _ViewedDict[V] = owner

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)

    def __iter__(self) -> Iterator[V]:
        return iter(self._owner.snapshot().values())

    def __reversed__(self) -> Iterator[V]:
        snapshot = self._owner.snapshot()
        return (snapshot[key] for key in reversed(snapshot))
