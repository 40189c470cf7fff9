"""What is left of a failing program, as Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._compare.driver import DivergenceError
from zkfake._compare.shrink import Program, shrink

if TYPE_CHECKING:
    from zkfake._compare.driver import Pair


def report(pair: Pair, program: Program, divergence: DivergenceError) -> str:
    """What is left of `program`, as Python, and where the answers differ."""
    last = divergence

    def fails(candidate: Program) -> bool:
        nonlocal last
        try:
            pair.run(candidate)
        except DivergenceError as found:
            last = found
            return True
        return False

    if not fails(program):
        return f"seen once, not again: a race?\n{divergence}"
    small = shrink(program, fails)
    fails(small)
    return "\n".join([*map(repr, small), str(last)])
