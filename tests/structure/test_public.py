"""What public classes show is what is meant to be shown: plumbing is on private objects."""

from __future__ import annotations

import ast
import re

import pytest

from . import public, signatures

CLASSES = dict(public.classes())

MACHINES = ("pytest_zkdict.stateful.",)
"""Their methods are Hypothesis rules, which say by name what they do."""


def test_the_public_api_is_what_is_listed() -> None:
    changed = public.changes(public.LISTED.read_text("utf-8"), public.listing())
    assert not changed, changed


def test_a_change_names_what_has_changed() -> None:
    said = public.changes("a.f: def f(x)\na.g: def g()\n", "a.f: def f(x, y=1)\na.g: def g()\n")
    assert said.splitlines()[1:3] == ["- a.f: def f(x)", "+ a.f: def f(x, y=1)"]
    assert "python -m tests.structure.public --write" in said
    assert public.changes("a.f: def f(x)\n", "a.f: def f(x)\n") == ""


PROGRAM = """
@dataclass(frozen=True)
class Rule(Generic[V], Base):
    point: str
    most: int = 3
    _hidden = 1
    def __init__(self, wire: Wire, *, times: int | None = None) -> None:
        self._match = None
        self.hits: list[int] = []
        self.plain = wire
    @overload
    def get(self, key: str) -> V: ...
    @overload
    def get(self, key: str, default: T) -> V | T: ...
    def get(self, key, default=None): ...
    @property
    def state(self) -> State: ...
    @state.setter
    def state(self, new: State) -> None: ...
    @classmethod
    async def connect(cls, hosts: str = "a", /, **options: Any) -> Rule: ...
    def __getitem__(self, key: str) -> V: ...
    def _private(self) -> None: ...
"""


def test_what_is_listed_of_a_class() -> None:
    tree = ast.parse(PROGRAM).body[0]
    assert isinstance(tree, ast.ClassDef)
    assert signatures.of_class("Rule", tree) == (
        "@dataclass(frozen=True) class Rule(Generic[V], Base)"
    )
    assert signatures.of_members(tree) == {
        "__getitem__": ["def __getitem__(self, key: str) -> V"],
        "__init__": ["def __init__(self, wire: Wire, *, times: int | None=None) -> None"],
        "connect": [
            "@classmethod async def connect(cls, hosts: str='a', /, **options: Any) -> Rule"
        ],
        "get": [
            "@overload def get(self, key: str) -> V",
            "@overload def get(self, key: str, default: T) -> V | T",
        ],
        "hits": ["hits: list[int]"],
        "most": ["most: int = 3"],
        "plain": ["plain"],
        "point": ["point: str"],
        "state": [
            "@property def state(self) -> State",
            "@state.setter def state(self, new: State) -> None",
        ],
    }


@pytest.mark.parametrize(
    ("face", "name", "line"),
    [
        ("zkdict", "JSON", r"JSON: .*"),
        ("zkfake", "FakeZooKeeper", r"class FakeZooKeeper.*"),  # imported when it is first used
        (
            "pytest_zkdict.fixtures",
            "zk_client",
            r"@pytest\.fixture.* def zk_client\(.*KazooClient.*",
        ),
    ],
)
def test_a_name_is_found_where_it_is_defined(face: str, name: str, line: str) -> None:
    (said,) = signatures.of_name(face, name)
    assert re.fullmatch(line, said), said


@pytest.mark.parametrize("name", [name for name in CLASSES if not name.startswith(MACHINES)])
def test_every_public_method_is_told_of(name: str) -> None:
    assert [each for each, told in public.attributes(CLASSES[name]).items() if not told] == []


def test_new_plumbing_is_seen() -> None:
    assert public.defined(
        """class Rule:
            point: str
            def __init__(self, wire):
                self._match = None
                if wire:
                    self.wire, self.hits = wire, []
            def consider(self, request): ...
            def cancel(self):
                "It will strike no more."
        """
    ) == {"point": True, "wire": True, "hits": True, "consider": False, "cancel": True}
