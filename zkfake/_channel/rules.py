"""Faults that wait for their request.

Rules that live here: a rule looks at requests at one point of their way, by client, operation, path
and place in the run; it skips ``nth - 1`` matches and strikes the next ``times``. Pings are not
requests of anybody's: no rule sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from zkfake._channel.outages import check_choice
from zkfake._protocol.frames import OPERATION_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkfake._channel.outages import Driver
    from zkfake._protocol.frames import RequestHead

__all__ = ["ArmedRule", "ChannelRequest", "FaultRules", "Match", "Point", "Rule"]

Point = Literal["before_request", "before_reply", "after_reply"]
"""Where a request is: about to reach the server; carried out, with its reply about to leave; and
right behind that reply.
"""

POINTS = ("before_request", "before_reply", "after_reply")


class ChannelRequest:
    """One request on its way through a channel."""

    __slots__ = ("channel", "head", "number")

    def __init__(self, channel: Any, number: int, head: RequestHead) -> None:
        self.channel = channel
        """Typed by whoever has a driver's own."""
        self.number = number
        """Its place among all requests, from 1; 0 for pings."""
        self.head = head

    def __str__(self) -> str:
        operation, paths = self.head.operation, " ".join(self.head.paths)
        return f"request {self.number} of {self.channel.client}: {operation} {paths}".rstrip()


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a rule is for. ``client`` tells whether a request is one of its client's."""

    client: Callable[[ChannelRequest], bool] | None
    operation: str | None
    path: str | None
    number: int | None

    def __post_init__(self) -> None:
        if self.operation is not None:
            check_choice("operation", self.operation, OPERATION_NAMES)
        if self.path is not None and not isinstance(self.path, str):
            raise TypeError(f"path={self.path!r}; expected a str")
        if self.number is not None and not isinstance(self.number, int):
            raise TypeError(f"number={self.number!r}; expected an int")
        if self.number is not None and self.number < 1:
            raise ValueError(f"number={self.number!r}; requests count from 1")

    def __call__(self, request: ChannelRequest) -> bool:
        head = request.head
        return (
            (self.client is None or self.client(request))
            and (self.operation is None or head.operation == self.operation)
            and (self.number is None or request.number == self.number)
            and (self.path is None or any(fnmatchcase(path, self.path) for path in head.paths))
        )


class Rule:
    """A fault that waits for its requests. A ``with`` block cancels it at its end."""

    def __init__(self, rules: FaultRules, name: str, point: Point) -> None:
        check_choice("point", point, POINTS)
        self._rules = rules
        self.name = name
        """What it does, as the history and the log name it."""
        self.point = point
        """Where it strikes: ``"before_request"``, ``"before_reply"`` or ``"after_reply"``."""
        self.hits: list[str] = []
        """The requests that it struck, oldest first, in words."""

    @property
    def over(self) -> bool:
        """Whether it will strike no more."""
        return self not in self._rules

    def wait(self, timeout: float | None = None, *, hits: int = 1) -> bool:
        """Wait until it has struck ``hits`` times, or is over, or until ``timeout`` seconds have
        passed; ``None`` waits without a limit. Returns whether it has struck so many times. Raises
        `RuntimeError` in the action of a rule in real time.
        """
        return self._rules.wait_for(lambda: len(self.hits) >= hits or self.over, timeout) and (
            len(self.hits) >= hits
        )

    def cancel(self) -> None:
        """It will strike no more."""
        self._rules.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<{self.name}, {len(self.hits)} hits{', over' if self.over else ''}>"


class ArmedRule(Rule):
    """A rule, as channels ask it."""

    def __init__(
        self,
        rules: FaultRules,
        name: str,
        point: Point,
        match: Match,
        nth: int,
        times: int | None,
        action: Callable[[ChannelRequest], bool],
    ) -> None:
        super().__init__(rules, name, point)
        if nth < 1:
            raise ValueError(f"nth={nth}; matching requests count from 1")
        if times is not None and times < 1:
            raise ValueError(f"times={times}; expected 1 or more, or None for all")
        self._match = match
        self._skip = nth - 1
        self._left = times
        self._action = action

    def consider(self, request: ChannelRequest) -> bool:
        """Whether the connection is to be lost."""
        if not self._match(request):
            return False
        if self._skip:
            self._skip -= 1
            return False
        # Before the rule may be over, as `wait` waits for either.
        self.hits.append(str(request))
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.cancel()
        self._rules.struck(self, request)
        return self._action(request)


class FaultRules:
    """The rules of one driver."""

    def __init__(self, driver: Driver, rules: dict[Rule, ArmedRule]) -> None:
        """``rules``: where they are kept."""
        self._driver = driver
        self._rules = rules
        self.wait_for = driver.wait_for

    def __contains__(self, rule: Rule) -> bool:
        return rule in self._rules

    def add(
        self,
        name: str,
        point: Point,
        match: Match,
        nth: int,
        times: int | None,
        action: Callable[[ChannelRequest], bool],
    ) -> Rule:
        """``action`` says whether the request's connection is to be lost."""
        rule = ArmedRule(self, name, point, match, nth, times, action)
        with self._driver.acting():
            self._rules[rule] = rule
        return rule

    def struck(self, rule: Rule, request: ChannelRequest) -> None:
        """A rule hits a request."""
        self._driver.note(rule.name, str(request))
        self._driver.tell()

    def forget(self, rule: Rule) -> None:
        with self._driver.at_work():
            if self._rules.pop(rule, None) is not None:
                self._driver.tell()

    def clear(self) -> None:
        for rule in list(self._rules):
            self.forget(rule)
