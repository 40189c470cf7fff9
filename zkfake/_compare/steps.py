"""Steps: what a program does, as plain data.

Rules that live here: a program is a tuple of frozen values that name connections by slot and
sessions by the order of their creation, so that a failing program can be printed, kept and run
again as a regression.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from zkfake._compare.wire import OP_NAMES

__all__ = [
    "Connect",
    "Drop",
    "Printed",
    "RawRequest",
    "Send",
    "Split",
    "Step",
    "Zxid",
    "requests_of",
]


@dataclass(frozen=True)
class Zxid:
    """A zxid counted from the start of the example, so that a program can name one."""

    after: int


class Printed:
    """Shows only the fields that differ from their defaults: programs are printed and kept."""

    def __repr__(self) -> str:
        shown: list[str] = []
        for number, item in enumerate(fields(self)):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if value == item.default:
                continue
            text = (
                f"OPS[{OP_NAMES[value]!r}]"
                if item.name == "op" and value in OP_NAMES
                else repr(value)
            )
            shown.append(text if number < 2 and len(shown) == number else f"{item.name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class RawRequest(Printed):
    """One request. `zxid`, if given, is put in front of the body (setWatches' first field)."""

    op: int
    body: bytes = b""
    xid: int | None = None
    zxid: Zxid | int | None = None


@dataclass(frozen=True, repr=False)
class Connect(Printed):
    """Connect `slot` (dropping what it held): the connect frame, and requests right behind it."""

    slot: int
    session: int | None = None  # the n-th session of the example; None asks for a new one
    password: Literal["right", "wrong", "short", "null"] = "right"
    timeout: int = 130_000
    last_zxid: Zxid | int = 0
    read_only: int | None = 0
    protocol: int = 0
    tail: bytes = b""
    keep: int | None = None  # so many bytes of the connect record only
    then: tuple[RawRequest, ...] = ()


@dataclass(frozen=True, repr=False)
class Send(Printed):
    """Send requests on `slot` in one piece (a slot that is not open is opened first)."""

    slot: int
    requests: tuple[RawRequest, ...]


@dataclass(frozen=True, repr=False)
class Split(Printed):
    """Send one request in two pieces, the second after the server has had time for the first."""

    slot: int
    request: RawRequest
    at: int


@dataclass(frozen=True, repr=False)
class Drop(Printed):
    """Lose the connection without closing the session."""

    slot: int


Step = Connect | Send | Split | Drop


def requests_of(step: object) -> tuple[RawRequest, ...]:
    """The requests that a step sends."""
    match step:
        case Send(_, requests):
            return requests
        case Split(_, request, _):
            return (request,)
        case Connect():
            return step.then
        case _:
            return ()
