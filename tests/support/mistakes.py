"""Planted mistakes: how each list of them is kept, and when one counts as found.

The rules that live here:

- A mistake is a function that plants it by a `pytest.MonkeyPatch`; a list of them is a `Mistakes`.
- A mistake is found when a check of the project's refuses what it leads to, or when the code itself
  stumbles over it.
- A TypeError, AttributeError or NameError (or an import, or syntax, that fails) says that the
  mistake no longer fits the code it is planted in. That is not found: it has to be mended.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

ROTTEN = (TypeError, AttributeError, NameError, ImportError, SyntaxError)

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]
Check = Callable[[], object]
_P = TypeVar("_P", bound=Plant)
_C = TypeVar("_C", bound=type)


class RottenMistakeError(Exception):
    """A planted mistake does not fit the code any more: mend it."""


@dataclass(frozen=True)
class Mistake:
    """One mistake, and what has to find it where that is not the same for a whole list."""

    name: str
    plant: Plant
    found_by: Any = None

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """The code has the mistake within the block."""
        with Patch.context() as patch:
            self.plant(patch)
            yield

    def is_found(self, checks: Iterable[Check]) -> bool:
        """Whether one of the checks fails with the mistake planted; none is made after that.

        Raises:
            RottenMistakeError: one fails because the mistake does not fit the code.
        """
        with self.planted():
            return any(map(caught, checks))


class Mistakes(dict[str, Mistake]):
    """The mistakes of one place, by their names, in the order in which they stand there."""

    def __call__(self, plant: _P) -> _P:
        """A decorator for the function that plants a mistake, which gets its name."""
        return self._add(plant.__name__, plant)

    def found_by(self, *finders: Any) -> Callable[[_P], _P]:
        """The same, with what has to find it: once for each, if there are several."""

        def add(plant: _P) -> _P:
            for finder in finders:
                more = f" ({finder})" if len(finders) > 1 else ""
                self._add(plant.__name__ + more, plant, finder)
            return plant

        return add

    def instead_of(self, owner: object, name: str) -> Callable[[_C], _C]:
        """A decorator for a class with a mistake: it takes the place of `owner.name`."""

        def add(kind: _C) -> _C:
            self._add(kind.__name__, lambda patch: patch.setattr(owner, name, kind))
            return kind

        return add

    @property
    def each(self) -> pytest.MarkDecorator:
        """Runs a test for each `mistake`."""
        return pytest.mark.parametrize("mistake", self.values(), ids=list(self))

    def _add(self, name: str, plant: _P, finder: Any = None) -> _P:
        assert name not in self, f"two mistakes are called {name!r}"
        self[name] = Mistake(name, plant, finder)
        return plant


def wrap(patch: Patch, owner: Any, name: str, around: Callable[..., Any]) -> None:
    """`owner.name` becomes `around(original, *arguments)`, in `owner`'s dispatch tables too."""
    original = getattr(owner, name)

    def replacement(*arguments: Any, **named: Any) -> Any:
        return around(original, *arguments, **named)

    for table in [each for each in vars(owner).values() if isinstance(each, dict)]:
        for key in [key for key, value in table.items() if value is original]:
            patch.setitem(table, key, replacement)
    patch.setattr(owner, name, replacement)


def caught(check: Check) -> bool:
    """Whether `check` fails, with a mistake that is planted at present.

    Raises:
        RottenMistakeError: it fails because the mistake does not fit the code.
    """
    try:
        check()
    except Exception as error:
        for each in _with_causes(error):
            if isinstance(each, ROTTEN):
                raise RottenMistakeError(f"{type(each).__name__}: {each}") from error
        return True
    return False


@contextlib.contextmanager
def logged_counts() -> Iterator[None]:
    """A mistake in a callback is not found either where it does not fit: kazoo only logs that.

    Raises (at the end of the block):
        RottenMistakeError
    """
    handler = _Listening(logging.ERROR)
    root, disabled = logging.getLogger(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.removeHandler(handler)
    if handler.heard is not None:
        raise RottenMistakeError(f"a callback raised {handler.heard!r}") from handler.heard


class _Listening(logging.Handler):
    heard: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if any(isinstance(each, ROTTEN) for each in _with_causes(error)):
            self.heard = error


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    todo, seen = [error], set[int]()
    for each in todo:  # grows
        if each is not None and id(each) not in seen:  # they may go in a circle
            seen.add(id(each))
            yield each
            todo += [each.__cause__, *getattr(each, "exceptions", ())]  # of a group
