"""Faults by lines of text, for programs in any language.

The rules that live here:

- a line names a method of `ProxyFaults` and its arguments, as the shell splits them:
  ``drop_before_reply operation=create path='/orders/*'``;
- what lasts gets a number, from 1 on, by which later lines mean it;
- each line has one answer: ``ok``, with what was asked for, or ``error:`` and what is wrong;
- ``heal`` and ``hits`` are lines too, but no faults: they mean one that has begun.

An endpoint that several programs can use at once is not here: one process starts the proxy and
talks to it.
"""

from __future__ import annotations

import inspect
import shlex
from typing import TYPE_CHECKING, Any

from zkfake._channel.outages import Hold
from zkfake._channel.rules import Rule
from zkfake._proxy.faults import ProxyFaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.outages import Outage

__all__ = ["FAULTS", "OTHERS", "Control"]

FAULTS = (
    "drop",
    "drop_after_reply",
    "drop_before_reply",
    "drop_before_request",
    "expire",
    "hold_events",
    "lose_pings",
    "partition",
    "slow",
)
"""The methods that a line may name."""

OTHERS = ("heal", "hits")
"""The lines that are about faults that have begun."""


def _whole(text: str) -> int:
    return int(text, 0)


def _whole_or_none(text: str) -> int | None:
    return None if text == "none" else _whole(text)


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    return float(low), float(high or low)


_READ: dict[str, tuple[Callable[[str], object], str]] = {
    "client": (_whole, "a session id, such as 0x100000001"),
    "direction": (str, "to_server, to_client or both"),
    "duration": (float, "seconds"),
    "latency": (_range, "seconds, or a range such as 0.1:0.5"),
    "nth": (_whole, "a number"),
    "number": (_whole, "a number"),
    "operation": (str, "ZooKeeper's name of an operation"),
    "path": (str, "a path"),
    "server": (_whole, "a server's number, from 1"),
    "times": (_whole_or_none, "a number or none"),
}
"""The parser of each argument, and its description."""


class Control:
    """Executes lines on the faults of one proxy."""

    def __init__(self, faults: ProxyFaults) -> None:
        self._faults = faults
        self._begun: list[Rule | Outage] = []

    def answer(self, line: str) -> str:
        """As `do`, but returns an error as the answer."""
        try:
            said = self.do(line)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            return f"error: {error}"
        return f"ok {said}".rstrip()

    def do(self, line: str) -> str:
        """Carries a line out, and returns what it asks for. Raises `ValueError` for a line that is
        not one, and what the fault raises.
        """
        words = shlex.split(line, comments=True)
        if not words:
            return ""
        name, arguments = words[0], words[1:]
        if name == "heal":
            if len(arguments) > 1:
                raise ValueError(f"heal takes one number or none, not {len(arguments)}")
            return self._heal(*arguments)
        if name == "hits":
            if len(arguments) != 1:
                raise ValueError(f"hits takes the number of one fault, not {len(arguments)}")
            return str(self._hits(self._numbered(*arguments)))
        if name not in FAULTS:
            known = ", ".join((*FAULTS, *OTHERS))
            raise ValueError(f"{name!r} is not a fault; there are {known}")
        return self._begin(name, arguments)

    def begin(self, line: str) -> None:
        """Begins the fault that a line names. Raises `ValueError` for a line that names none, and
        what the fault raises.
        """
        words = shlex.split(line, comments=True)
        if not words:
            raise ValueError(f"expected a fault; there are {', '.join(FAULTS)}")
        name, arguments = words[0], words[1:]
        if name in OTHERS:
            raise ValueError(
                f"{name!r} is not a fault; it is for standard input, and for a fault that has begun"
            )
        if name not in FAULTS:
            raise ValueError(f"{name!r} is not a fault; there are {', '.join(FAULTS)}")
        self._begin(name, arguments)

    def _begin(self, name: str, arguments: list[str]) -> str:
        done = getattr(self._faults, name)(**_read(name, arguments))
        if isinstance(done, int):
            return str(int(done))
        self._begun.append(done)
        return str(len(self._begun))

    def _heal(self, number: str | None = None) -> str:
        if number is None:
            self._faults.heal()
            return ""
        begun = self._numbered(number)
        if isinstance(begun, Rule):
            begun.cancel()
        else:
            begun.heal()
        return ""

    def _hits(self, begun: Rule | Outage) -> int:
        if isinstance(begun, Rule):
            return len(begun.hits)
        return int(isinstance(begun, Hold) and begun.struck)

    def _numbered(self, number: str) -> Rule | Outage:
        if number.isdecimal() and 0 < int(number) <= len(self._begun):
            return self._begun[int(number) - 1]
        raise ValueError(f"{number!r} is not the number of a fault: {len(self._begun)} have begun")


def _read(name: str, arguments: list[str]) -> dict[str, Any]:
    """The arguments of a fault."""
    parameters = inspect.signature(getattr(ProxyFaults, name)).parameters
    known = [each for each in parameters if each in _READ]
    found: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or key not in known:
            raise ValueError(
                f"{argument!r} is not an argument of {name}: expected {', '.join(known)}, each as "
                "NAME=VALUE"
            )
        if key in found:
            raise ValueError(f"{argument!r}: {key} is given twice")
        read, what = _READ[key]
        try:
            found[key] = read(text)
        except ValueError:
            raise ValueError(f"{argument!r}: expected {what}") from None
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in found:
            raise ValueError(f"{name} needs {key}=, {_READ[key][1]}")
    return found
