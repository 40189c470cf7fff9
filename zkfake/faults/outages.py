"""What lasts until it is healed, and what faults need of the driver they work in.

Rules that live here: an outage begins when it is made and ends once, by ``heal()``, at the end of
its ``with`` block, after its duration, or with all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from zkfake.ensemble import Ensemble
    from zkfake.replica import Replica

__all__ = ["Direction", "Outage", "Outages", "World", "check_choice"]

Direction = Literal["both", "to_server", "to_client"]
"""Of what a partition between clients and servers stops."""


class World(Protocol):
    """The driver of a fake, as its faults see it."""

    @property
    def ensemble(self) -> Ensemble: ...
    @property
    def replicas(self) -> Sequence[Replica]: ...
    def acting(self) -> AbstractContextManager[None]:
        """`at_work`, for who begins something. Raises `RuntimeError` where nothing runs."""

    def at_work(self) -> AbstractContextManager[None]:
        """Nobody else is at work while the block lasts."""

    def call(self, action: Callable[[], object]) -> None:
        """Let the core do something, and see to what came of it."""

    def stop_server(self, number: int) -> None: ...
    def start_server(self, number: int) -> None: ...
    def later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        """Call ``action`` when that time has passed, unless what is returned is called before."""

    def note(self, name: str, text: str) -> None:
        """A fault begins, strikes or ends."""

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until ``condition`` holds, asked after each `tell`. False when time was up first."""

    def tell(self) -> None:
        """What somebody waits for may have happened."""


class Outage:
    """A fault that lasts until it is healed. Healing twice does nothing."""

    def __init__(self, name: str, text: str, heal: Callable[[Outage], None]) -> None:
        self._heal = heal
        self.name = name
        self.text = text
        self.over = False

    def heal(self) -> None:
        """End it."""
        self._heal(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<{self.name} of {self.text}{', over' if self.over else ''}>"


class Outages:
    """The outages of one fake."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._present: dict[Outage, Callable[[], None]] = {}

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Those that are not over, oldest first."""
        return tuple(self._present)

    def heal(self) -> None:
        """End every outage."""
        for outage in self.outages:
            outage.heal()

    def _begin(
        self,
        name: str,
        text: str,
        begin: Callable[[], object],
        end: Callable[[], object],
        duration: float | None,
    ) -> Outage:
        if duration is not None and not duration >= 0:
            raise ValueError(f"duration={duration!r}; expected seconds, 0 or more")

        def heal(outage: Outage) -> None:
            with self._world.at_work():
                if not outage.over:
                    outage.over = True
                    end()
                    self._present.pop(outage, _nothing)()
                    self._world.note(f"{name} healed", text)

        begin()
        outage = Outage(name, text, heal)
        self._present[outage] = _nothing
        self._world.note(name, text)
        if duration is not None:
            self._present[outage] = self._world.later(duration, outage.heal)
        return outage


def _nothing() -> None:
    pass


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raises `ValueError` for a value that is none of those there are."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}; there are {', '.join(choices)}")
