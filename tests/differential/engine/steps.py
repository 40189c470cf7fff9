"""Steps that only servers of ours are sent, beside those of `zkfake compare`."""

from __future__ import annotations

from dataclasses import dataclass

from zkfake._compare import steps
from zkfake._compare.steps import Printed

ROOT = "/t"
"""Every example works below this znode, which is there when it starts and gone when it ends."""


@dataclass(frozen=True, repr=False)
class Raw(Printed):
    """Send bytes that are no requests; `cut` says the rest will never come."""

    slot: int
    data: bytes
    cut: bool = False


@dataclass(frozen=True, repr=False)
class Word(Printed):
    """A four-letter word on a connection of its own."""

    word: bytes
    tail: bytes = b""


Step = steps.Step | Raw | Word
