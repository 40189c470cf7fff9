"""Faults that wait for their request.

Rules that live here: a rule looks at requests at one point of their way, by client, operation, path
and place in the run; it skips ``nth - 1`` matches and strikes the next ``times``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkfake.simulation.links import Request

__all__ = ["Match", "Point", "Rule", "Rules"]

Point = Literal["before_request", "before_reply", "after_reply"]


@dataclass(frozen=True, slots=True)
class Match:
    client: str | None
    operation: str | None
    path: str | None
    number: int | None

    def __call__(self, request: Request) -> bool:
        head = request.head
        return (
            (self.client is None or request.link.client == self.client)
            and (self.operation is None or head.operation == self.operation)
            and (self.number is None or request.number == self.number)
            and (self.path is None or any(fnmatchcase(path, self.path) for path in head.paths))
        )


class Rule:
    """A fault that waits for its requests. ``hits`` lists those that it struck."""

    def __init__(
        self,
        rules: Rules,
        name: str,
        point: Point,
        match: Match,
        nth: int,
        times: int | None,
        action: Callable[[Request], bool],
    ) -> None:
        if nth < 1 or (times is not None and times < 1):
            raise ValueError(f"nth={nth} and times={times} count from 1")
        self._rules = rules
        self._match = match
        self._skip = nth - 1
        self._left = times
        self._action = action
        self.name = name
        self.point = point
        self.hits: list[str] = []

    def consider(self, request: Request) -> bool:
        """Whether the connection is to be lost."""
        if not self._match(request):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.cancel()
        self.hits.append(str(request))
        self._rules.struck(self, request)
        return self._action(request)

    def cancel(self) -> None:
        self._rules.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.cancel()


class Rules:
    """The rules of one simulation. ``struck`` is told of every request that one of them hits."""

    def __init__(self, struck: Callable[[Rule, Request], None]) -> None:
        self.struck = struck
        self._rules: dict[Rule, None] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def add(
        self,
        name: str,
        point: Point,
        match: Match,
        nth: int,
        times: int | None,
        action: Callable[[Request], bool],
    ) -> Rule:
        """``action`` says whether the request's connection is to be lost."""
        rule = Rule(self, name, point, match, nth, times, action)
        self._rules[rule] = None
        return rule

    def consider(self, point: Point, request: Request) -> bool:
        """Whether a rule has the request's connection lost."""
        lost = False
        for rule in list(self._rules):
            if rule.point == point and rule.consider(request):
                lost = True
        return lost

    def forget(self, rule: Rule) -> None:
        self._rules.pop(rule, None)

    def clear(self) -> None:
        self._rules.clear()
