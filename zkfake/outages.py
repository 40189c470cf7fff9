"""Which links between servers an outage cuts. Names and meanings are those of the simulation's
faults.
"""

from collections.abc import Iterable
from typing import Literal

Way = Literal["both", "out", "in"]
"""Both ways, or only what goes out of the server named first, or only what comes in to it."""


def cuts(one: int, others: Iterable[int], way: Way) -> list[tuple[int, int]]:
    """(source, target) of each link from or to server ``one`` that is cut. Raises `ValueError` for
    a way that is none.
    """
    if way not in ("both", "out", "in"):
        raise ValueError(f"way = {way!r}: expected 'both', 'out' or 'in'")
    found = []
    for other in others:
        if way != "in":
            found.append((one, other))
        if way != "out":
            found.append((other, one))
    return found
