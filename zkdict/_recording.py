"""What a dict tells a history: its calls, what it sends for them, and the states that it shows.

Rules that live here:

- A dict knows of a history what stands here, and no more: `zkfake.history.History` keeps all of it.
- It tells what callers can see: a call when it begins, and when it returns or raises; a state when
  reads begin to find it. What it sends is told right before, for whoever compares.
- Where it was given no history it tells nothing, and that costs a look at one attribute per write
  and state. Reads are not told.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from zkdict.errors import WriteUncertain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DictHistory", "DictRecorder", "ShownZnode", "shown_znode", "told"]

P = ParamSpec("P")
R = TypeVar("R")

ShownZnode = tuple[bytes | None, int, int, int]
"""Bytes, version, czxid and mzxid; None and -1 where the server refuses to show them."""


class DictRecorder(Protocol):
    """Where one dict's events go."""

    def asked(self, call: str) -> int:
        """A caller's call begins; the number of the call."""

    def sent(self, session: int, writes: Mapping[str, bytes | None]) -> None:
        """A write is sent, in this session: the data of each child after it; None: it is gone."""

    def answered(self, number: int, outcome: str) -> None:
        """The call ends: "returned", "uncertain", or the name of the error it raises."""

    def shown(
        self,
        zxid: int,
        updated: int,
        exact: bool,
        changes: Mapping[str, ShownZnode | None],
    ) -> None:
        """Reads find this state from now on, which differs so from the one before."""


class DictHistory(Protocol):
    """A history that dicts can be given: `zkfake.history.History` is one."""

    def of_dict(self, path: str) -> DictRecorder:
        """A new dict begins, of the znode at this path, chroot included."""


class Recordable(Protocol):
    _recorder: DictRecorder | None


S = TypeVar("S", bound=Recordable)


def told(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method whose calls are told."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **named: P.kwargs) -> R:
        recorder = self._recorder
        if recorder is None:
            return method(self, *args, **named)
        number = recorder.asked(method.__name__.strip("_"))
        outcome = "returned"
        try:
            return method(self, *args, **named)
        except WriteUncertain:
            outcome = "uncertain"
            raise
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            recorder.answered(number, outcome)

    return call


def shown_znode(found: Any) -> ShownZnode | None:
    """An entry, a bad one, or a `ReadZnode`, as it is told."""
    if found is None:
        return None
    if found.czxid <= 0:  # it was never read
        return None, -1, -1, -1
    return found.raw, found.version, found.czxid, found.mzxid
