"""Makes a failing program small: leave steps out, then requests, as long as it still fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zkfake._compare.steps import Connect, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Program", "shrink"]

Program = tuple[Any, ...]
"""Steps, those of the tests included."""


def shrink(program: Sequence[Any], fails: Callable[[Program], bool]) -> Program:
    """A program that fails still, from which no step and no request can be left out alone.

    Runs `fails` some log2(n) * n times in the worst case; `program` itself must fail.
    """
    best = _without_parts(tuple(program), fails)
    for index, step in enumerate(best):
        match step:
            case Send(slot, requests) if len(requests) > 1:
                best = _replace(best, index, _fewer(best, index, slot, fails))
            case Connect(then=then) if then:
                candidate = _replace(best, index, replace(step, then=()))
                best = candidate if fails(candidate) else best
            case _:
                pass
    return _without_parts(best, fails)


def _without_parts(program: Program, fails: Callable[[Program], bool]) -> Program:
    size = max(len(program) // 2, 1)
    while True:
        start = 0
        while start < len(program):
            candidate = program[:start] + program[start + size :]
            if candidate and fails(candidate):
                program = candidate
            else:
                start += size
        if size == 1:
            return program
        size = max(size // 2, 1)


def _fewer(program: Program, index: int, slot: int, fails: Callable[[Program], bool]) -> Send:
    step = program[index]
    assert isinstance(step, Send)
    kept = list(step.requests)
    for position in reversed(range(len(kept))):
        fewer = kept[:position] + kept[position + 1 :]
        if fewer and fails(_replace(program, index, Send(slot, tuple(fewer)))):
            kept = fewer
    return Send(slot, tuple(kept))


def _replace(program: Program, index: int, step: object) -> Program:
    return (*program[:index], step, *program[index + 1 :])
