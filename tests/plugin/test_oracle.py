"""Every verdict of the published state machine is reached by a mistake that is planted for it.

The mistakes sit in plain mappings, so that each of them has one symptom, and no server is needed.
What a mistake is found by is the verdict itself: a machine that no longer says it fails here.
"""

from __future__ import annotations

import ast
import inspect
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings

from pytest_zkdict.stateful import MappingMachine, run_machine
from pytest_zkdict.stateful import mapping as mapping_module

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCH = settings(
    max_examples=100, derandomize=True, database=None, phases=[Phase.generate], deadline=None
)


# -- the verdicts, as the module has them


def _template(argument: ast.expr) -> str:
    """The text of a verdict, with {} for what it fills in."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


VERDICTS = [
    _template(node.args[0])
    for node in ast.walk(ast.parse(inspect.getsource(mapping_module)))
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and node.func.attr == "fail"
]


# -- mappings


class Right(dict[str, Any]):
    """What two dicts on one path look like where nobody is ever behind: one mapping for both."""

    shared: dict[str, Any]

    def update(self, other: Any = (), /, **items: Any) -> None:
        # New keys of one write come in the order of their names.
        super().update(sorted(dict(other, **items).items()))

    def sync(self, timeout: float) -> None: ...

    def close(self) -> None: ...


class Behind(Right):
    """A copy of what all share, as new as the last write through it or `sync()`; no mistake."""

    def __init__(self, shared: dict[str, Any]) -> None:
        super().__init__(shared)
        self.shared = shared

    @contextmanager
    def _catching_up(self) -> Iterator[None]:
        try:
            yield
        finally:
            dict.clear(self)
            dict.update(self, self.shared)

    def sync(self, timeout: float) -> None:
        with self._catching_up():
            pass

    # A write learns how everything is, also from its refusal.

    def __setitem__(self, key: str, value: Any) -> None:
        with self._catching_up():
            self.shared[key] = value

    def __delitem__(self, key: str) -> None:
        with self._catching_up():
            del self.shared[key]

    def pop(self, key: str, *default: Any) -> Any:
        with self._catching_up():
            return self.shared.pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        with self._catching_up():
            return self.shared.popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        with self._catching_up():
            return self.shared.setdefault(key, default)

    def update(self, other: Any = (), /, **items: Any) -> None:
        with self._catching_up():
            self.shared.update(sorted(dict(other, **items).items()))

    def clear(self) -> None:
        with self._catching_up():
            for key in list(self):
                self.shared.pop(key, None)


# -- one mistake each


class WrongValue(Right):
    """A lookup answers with the value of another key."""

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(min(self, default=key))


class DeletesNothing(Right):
    """A delete of what is not there is no error."""

    def __delitem__(self, key: str) -> None:
        super().pop(key, None)


class DefaultForgotten(Right):
    """A pop with a default raises all the same."""

    def pop(self, key: str, *default: Any) -> Any:
        return super().pop(key)


class PopsAnother(Right):
    """What is popped is right, what is answered is not."""

    def pop(self, key: str, *default: Any) -> Any:
        return ["another", super().pop(key, *default)]


class NothingToPop(Right):
    """A last item is never popped."""

    def popitem(self) -> tuple[str, Any]:
        if len(self) == 1:
            raise KeyError("popitem(): dictionary is empty")
        return super().popitem()


class PopsTheFirst(Right):
    def popitem(self) -> tuple[str, Any]:
        for key in self:
            return key, self.pop(key)
        raise KeyError("popitem(): dictionary is empty")


class HasEverything(Right):
    def __contains__(self, key: object) -> bool:
        return True


class NeverCatchesUp(Behind):
    """What others wrote shows with the next write only."""

    def sync(self, timeout: float) -> None: ...


class SortedByName(Right):
    """All that it shows is right, in the wrong order."""

    def items(self) -> Any:
        return sorted(super().items())


class Longer(Right):
    def __len__(self) -> int:
        return super().__len__() + 1


class NeverSyncs(Right):
    def sync(self, timeout: float) -> None:
        raise TimeoutError


class MixesStates(Behind):
    """It shows two keys as they are now, and the others as they were: no key goes back in time."""

    def _shown(self) -> dict[str, Any]:
        new = {key: value for key, value in self.shared.items() if key in "ab"}
        return {**{key: value for key, value in super().items() if key not in "ab"}, **new}

    def __getitem__(self, key: str) -> Any:
        return self._shown()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._shown()

    def items(self) -> Any:
        shown = self._shown()
        return [(key, shown[key]) for key in self.shared if key in shown] + [
            (key, value) for key, value in shown.items() if key not in self.shared
        ]


#: The verdict that each mistake is to be found by.
PLANTED: list[tuple[type[Right], str]] = [
    (WrongValue, "dict {} has {} for {}; since what it last knew of, that was {}"),
    (DeletesNothing, "it deleted what was not there"),
    (DefaultForgotten, "it had a default"),
    (PopsAnother, "what was popped was {}"),
    (NothingToPop, "there was {}"),
    (PopsTheFirst, "the last of {} is another one"),
    (HasEverything, "it was gone when this dict last looked, and nobody wrote it since"),
    (NeverCatchesUp, "after sync() it should be {}"),
    (SortedByName, "after sync() it should be {}"),
    (Longer, "its length is {}"),
    (NeverSyncs, "sync() did not end within {} s"),
    (MixesStates, "dict {} is {}; since it last looked there only was {}"),
]


def machine_on(mapping: type[Right]) -> type[MappingMachine]:
    class Machine(MappingMachine):
        def new_dict(self, client: Any) -> Any:
            if issubclass(mapping, Behind):
                return mapping(self.dicts[0].shared if self.dicts else {})
            return self.dicts[0] if self.dicts else mapping()

    return Machine


def no_client() -> Any:
    """Plain mappings need none."""
    return None


@pytest.mark.parametrize("mapping", [Right, Behind])
def test_a_mapping_without_a_mistake_passes(mapping: type[Right]) -> None:
    run_machine(machine_on(mapping), no_client, settings=settings(SEARCH, max_examples=40))


@pytest.mark.parametrize(
    ("mapping", "verdict"), PLANTED, ids=[mapping.__name__ for mapping, _ in PLANTED]
)
def test_a_planted_mistake_is_found_by_its_verdict(mapping: type[Right], verdict: str) -> None:
    with pytest.raises(AssertionError) as found:
        run_machine(machine_on(mapping), no_client, settings=SEARCH)
    said = str(found.value).partition("\nWhat happened:\n")[0]
    assert re.fullmatch(".*".join(map(re.escape, verdict.split("{}"))), said, re.DOTALL)


def test_every_verdict_has_its_mistake() -> None:
    assert len(set(VERDICTS)) == len(VERDICTS), "two verdicts read the same"
    assert {verdict for _, verdict in PLANTED} == set(VERDICTS)
