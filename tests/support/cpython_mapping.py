"""CPython's own mapping tests, for dicts that are in a store.

One dict writes, another client's dict reads, and what was written is looked up in the store.

`test.mapping_tests` comes with most Pythons; where it does not, `test_mapping.py` has checks of the
same things. What a plain dict does and these cannot is listed in `INSTEAD`, with the reason.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, ItemsView, Iterator, MutableMapping
from typing import Any, NamedTuple

try:
    mapping_tests: Any = importlib.import_module("test.mapping_tests")
except ImportError:
    mapping_tests = None

INSTEAD = {
    "test_fromkeys": "a new dict needs a place in the store",
    "test_copy": "a copy has no place of its own: it is a plain dict",
    "test_setdefault": "it changes the returned list in place, which no store can notice",
    "test_popitem": "the same with 4,095 keys, twice",
}


class Stored(NamedTuple):
    """What is in the store, past the dicts."""

    value: Callable[[str], Any]
    """Decoded. Raises KeyError."""
    number: Callable[[], int]
    """Of the keys."""


class ThroughStore(MutableMapping[Any, Any]):
    """Writes with one dict, reads with another once that is in step, and looks into the store.

    The tests use a few int keys: they stand as "int:1" here.
    """

    def __init__(
        self, writer: Any, reader: Any, stored: Stored, sync: Callable[[], object] = lambda: None
    ) -> None:
        self.writer = writer
        self.reader = reader
        self._stored = stored
        self._sync = sync

    def synced(self) -> Any:
        self._sync()
        return self.reader

    def __getitem__(self, key: Any) -> Any:
        return self.synced()[as_text(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.writer[as_text(key)] = value
        assert self._stored.value(as_text(key)) == value

    def __delitem__(self, key: Any) -> None:
        del self.writer[as_text(key)]
        with contextlib.suppress(KeyError):
            self._stored.value(as_text(key))
            raise AssertionError(f"{key!r} is still there")

    def __iter__(self) -> Iterator[Any]:
        return map(as_given, iter(self.synced()))

    def __len__(self) -> int:
        reader = self.synced()
        assert self._stored.number() == len(reader)
        return len(reader)

    def __contains__(self, key: Any) -> bool:
        return as_text(key) in self.synced()

    def _views(self) -> Any:
        """The reader's own views, wherever the test has no int keys."""
        reader = self.synced()
        return super() if any(key.startswith("int:") for key in reader) else reader

    def keys(self) -> Any:
        return self._views().keys()

    def values(self) -> Any:
        return self._views().values()

    def items(self) -> Any:
        return self._views().items()

    def get(self, *arguments: Any) -> Any:
        return self.synced().get(*arguments)

    def pop(self, *arguments: Any) -> Any:
        return self.writer.pop(*arguments)

    def popitem(self, *arguments: Any) -> Any:
        return self.writer.popitem(*arguments)

    def setdefault(self, *arguments: Any) -> Any:
        return self.writer.setdefault(*arguments)

    def clear(self, *arguments: Any) -> None:
        self.writer.clear(*arguments)

    def update(self, *arguments: Any, **named: Any) -> None:
        if not arguments:
            self.writer.update(**named)
            return
        (other,) = arguments
        if hasattr(other, "keys"):
            with contextlib.suppress(TypeError):
                if any(isinstance(key, int) for key in other.keys()):  # noqa: SIM118
                    other = {as_text(key): other[key] for key in other.keys()}  # noqa: SIM118
        elif isinstance(other, (ItemsView, list)):
            other = [(as_text(pair[0]), *pair[1:]) for pair in other]
        self.writer.update(other, **named)


def as_text(key: Any) -> Any:
    return f"int:{key}" if isinstance(key, int) else key


def as_given(key: str) -> Any:
    return int(key.removeprefix("int:")) if key.startswith("int:") else key


def _tests() -> Iterator[tuple[str, str]]:
    if mapping_tests is not None:
        for case, left_out in (("BasicTestMappingProtocol", {}), ("TestMappingProtocol", INSTEAD)):
            for name in dir(getattr(mapping_tests, case)):
                if name.startswith("test_") and name not in left_out:
                    yield case, name


TESTS = list(_tests())
"""The classes of CPython's tests, and the tests."""


def run(case: str, name: str, make: Callable[..., ThroughStore]) -> None:
    """Run one of `TESTS` on what ``make`` makes."""
    test = getattr(mapping_tests, case)(name)
    test.type2test = make
    getattr(test, name)()


def filled(made: ThroughStore, arguments: tuple[Any, ...], named: dict[str, Any]) -> ThroughStore:
    """A new dict with what a dict's constructor was given."""
    if arguments or named:
        made.update(*arguments, **named)
    return made
