"""What public classes show is what is meant to be shown: plumbing is on private objects."""

from __future__ import annotations

import pytest

from . import public

CLASSES = dict(public.classes())

MACHINES = ("pytest_zkdict.stateful.",)
"""Their methods are Hypothesis rules, which say by name what they do."""


def test_the_public_attributes_are_those_that_are_listed() -> None:
    assert public.listing() == public.LISTED.read_text("utf-8"), (
        "is what is new meant for users? Then run: python -m tests.structure.public --write"
    )


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
