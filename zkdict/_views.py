"""`keys()`, `values()` and `items()`: live as a dict's, and each iteration is of one state.

`state` is what gives that state of the owner: a mapping that does not change.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Items", "Keys", "Values"]

V = TypeVar("V")


class Keys(KeysView[str]):
    """The keys."""

    def __init__(self, owner: Any, state: Callable[[], Any]) -> None:
        super().__init__(owner)
        self._state = state

    def __iter__(self) -> Iterator[str]:
        keys: Iterator[str] = iter(self._state())
        return keys

    def __reversed__(self) -> Iterator[str]:
        keys: Iterator[str] = reversed(self._state())
        return keys


class Items(ItemsView[str, V]):
    """The items: no value of a later state, no KeyError for a key that goes meanwhile."""

    def __init__(self, owner: Any, state: Callable[[], Any]) -> None:
        super().__init__(owner)
        self._state = state

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return iter(self._state().items())

    def __reversed__(self) -> Iterator[tuple[str, V]]:
        state = self._state()
        return ((key, state[key]) for key in reversed(state))


class Values(ValuesView[V]):
    """The values."""

    def __init__(self, owner: Any, state: Callable[[], Any]) -> None:
        super().__init__(owner)
        self._state = state

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)

    def __iter__(self) -> Iterator[V]:
        return iter(self._state().values())

    def __reversed__(self) -> Iterator[V]:
        state = self._state()
        return (state[key] for key in reversed(state))
