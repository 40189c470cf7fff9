"""What lasts until it is healed, and its place in the history.

Rules that live here: an outage begins when it is made and ends once, by ``heal()``, at the end of
its ``with`` block, after its duration, or with all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zkfake.simulation.history import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkfake.simulation.network import Network
    from zkfake.simulation.scheduler import Scheduler

__all__ = ["Direction", "Outage", "Outages"]

Direction = Literal["both", "to_server", "to_client"]
"""Of what a partition between clients and servers stops."""


class Outage:
    """A fault that lasts until it is healed. Healing twice does nothing."""

    def __init__(self, outages: Outages, name: str, text: str, end: Callable[[], None]) -> None:
        self._outages = outages
        self._end = end
        self.name = name
        self.text = text
        self.over = False

    def heal(self) -> None:
        if not self.over:
            self.over = True
            self._end()
            self._outages.ended(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<{self.name} of {self.text}{', over' if self.over else ''}>"


class Outages:
    """The outages of one simulation."""

    def __init__(self, scheduler: Scheduler, network: Network) -> None:
        self._scheduler = scheduler
        self._network = network
        self._present: dict[Outage, None] = {}

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Those that are not over, oldest first."""
        return tuple(self._present)

    def begin(
        self, name: str, text: str, end: Callable[[], None], duration: float | None
    ) -> Outage:
        """Note an outage that has begun; ``end`` ends it."""
        outage = Outage(self, name, text, end)
        self._present[outage] = None
        self.note(name, text)
        when = self._scheduler.deadline_after(duration)
        if when is not None:
            self._scheduler.call_at(when, outage.heal)
        return outage

    def ended(self, outage: Outage) -> None:
        self._present.pop(outage, None)
        self.note(f"{outage.name} healed", outage.text)

    def note(self, name: str, text: str) -> None:
        self._network.history.append(Fault(self._network.time, name, text))
