"""Queues, counters and barriers, with mistakes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from pytest_zkdict.stateful import (
    all_wait_for_all,
    counts_once,
    each_item_at_least_once,
    each_item_once,
)

from .own_recipes import UNSURE, Recipe, machine_for

if TYPE_CHECKING:
    from typing_extensions import Self

# -- queues


@machine_for(each_item_once(), right=True)
class Queue(Recipe):
    """Who takes an item makes a znode for it; who has done it removes both at once."""

    item: str | None = None

    def put(self, item: bytes) -> None:
        self.client.ensure_path(f"{self.path}/items")
        self.client.ensure_path(f"{self.path}/done")
        name = item.decode()
        if self.client.exists(f"{self.path}/done/{name}") is None:
            with suppress(NodeExistsError):
                self.client.create(f"{self.path}/items/{name}")

    def get(self) -> str | None:
        self.client.ensure_path(f"{self.path}/items")
        self.client.ensure_path(f"{self.path}/taken")
        self.client.sync(self.path)
        for name in sorted(self.client.get_children(f"{self.path}/items")):
            if self.take(name):
                return name
        return None

    def take(self, name: str) -> bool:
        self.znode = f"{self.path}/taken/{name}"
        with suppress(NodeExistsError):
            self.client.create(self.znode, ephemeral=True)
        if not self.is_mine(self.znode):
            return False
        if self.client.exists(f"{self.path}/items/{name}") is None:
            self.client.delete(self.znode)
            return False
        self.item = name
        return True

    def consume(self) -> bool:
        both = self.client.transaction()
        both.delete(f"{self.path}/items/{self.item}")
        both.create(f"{self.path}/done/{self.item}")
        both.delete(self.znode)
        return not any(isinstance(each, Exception) for each in both.commit())


@machine_for(each_item_once())
class PutsAgain(Queue):
    """What may have been put already."""

    def put(self, item: bytes) -> None:
        self.client.ensure_path(f"{self.path}/items")
        self.client.ensure_path(f"{self.path}/done")
        self.client.create(f"{self.path}/items/{item.decode()}-", sequence=True)

    def get(self) -> str | None:
        found = super().get()
        return found and found.partition("-")[0]


@machine_for(each_item_once())
class ConsumesInTwoSteps(Queue):
    """It may do one of them in its next session."""

    def consume(self) -> bool:
        with suppress(NoNodeError):
            self.client.delete(f"{self.path}/items/{self.item}")
        with suppress(NodeExistsError):
            self.client.create(f"{self.path}/done/{self.item}")
        with suppress(NoNodeError):
            self.client.delete(self.znode)
        return True


@machine_for(each_item_at_least_once())
class TakesByDeleting(Queue):
    """An item is gone before it is done."""

    def get(self) -> str | None:
        self.client.ensure_path(f"{self.path}/items")
        while True:
            try:
                for name in sorted(self.client.get_children(f"{self.path}/items")):
                    with suppress(NoNodeError):
                        self.client.delete(f"{self.path}/items/{name}")
                        return name
            except UNSURE:  # noqa: PERF203  # it tries again
                self.sleep()
            else:
                return None

    consume = property()  # type: ignore[assignment]  # it has none


@machine_for(each_item_once())
class WaitsOnOneWatch(Queue):
    """Which ends with the connection."""

    def get(self, timeout: float | None = None) -> str | None:
        came = self.client.handler.event_object()

        def told(event: Any) -> None:
            if event.type == "CHILD":
                came.set()

        while True:
            if found := super().get():
                return found
            self.client.get_children(f"{self.path}/items", watch=told)
            if not came.wait(timeout):
                return None
            came.clear()


# -- counters


@machine_for(counts_once(), right=True)
class Counter(Recipe):
    def __iadd__(self, number: int) -> Self:
        self.client.ensure_path(self.path)
        while True:
            data, stat = self.client.get(self.path)
            with suppress(BadVersionError):
                self.client.set(self.path, b"%d" % (int(data or 0) + number), version=stat.version)
                return self

    @property
    def value(self) -> int:
        self.client.ensure_path(self.path)
        return int(self.client.get(self.path)[0] or 0)


@machine_for(counts_once())
class AddsAgain(Counter):
    """What may have been added."""

    def __iadd__(self, number: int) -> Counter:
        while True:
            try:
                super().__iadd__(number)
            except UNSURE:  # noqa: PERF203  # it tries again
                self.sleep()
            else:
                return self


@machine_for(counts_once())
class WritesOverOthers(Counter):
    def __iadd__(self, number: int) -> Counter:
        self.client.ensure_path(self.path)
        data, _ = self.client.get(self.path)
        self.client.set(self.path, b"%d" % (int(data or 0) + number))
        return self


@machine_for(counts_once())
class WaitsForItsTurn(Counter):
    """By a znode that nobody removes when its session is not over."""

    def __iadd__(self, number: int) -> Counter:
        turn = f"{self.path}-turn"
        while True:
            try:
                self.client.create(turn, ephemeral=True)
                break
            except NodeExistsError:
                self.sleep()
        super().__iadd__(number)
        self.client.delete(turn)
        return self


# -- barriers


@machine_for(all_wait_for_all(), right=True)
class Barrier(Recipe):
    """Who comes leaves a znode that stays."""

    def enter(self) -> None:
        self.wait_for("in", 2)

    def leave(self) -> None:
        self.wait_for("out", 2)

    def wait_for(self, which: str, size: int) -> None:
        place = f"{self.path}/{which}"
        while True:
            with suppress(*UNSURE):
                self.client.ensure_path(f"{place}/{self.me}")
                break
            self.sleep()
        while self.number(place) < size:
            self.sleep()

    def number(self, place: str) -> int:
        with suppress(*UNSURE):
            return len(self.client.get_children(place))
        return 0


@machine_for(all_wait_for_all())
class LooksAndThenSetsItsWatch(Barrier):
    def wait_for(self, which: str, size: int) -> None:
        place = f"{self.path}/{which}"
        self.client.ensure_path(f"{place}/{self.me}")
        came = self.client.handler.event_object()
        while len(self.client.get_children(place)) < size:
            self.client.get_children(place, watch=lambda _: came.set())
            came.wait()
            came.clear()


@machine_for(all_wait_for_all())
class WaitsForNobody(Barrier):
    def enter(self) -> None:
        self.wait_for("in", 1)


@machine_for(all_wait_for_all())
class LeavesAlone(Barrier):
    def leave(self) -> None:
        self.wait_for("out", 1)


@machine_for(all_wait_for_all())
class LeavesForGood(Barrier):
    """Who leaves waits for all that came, by znodes that end with their sessions."""

    def leave(self) -> None:
        self.client.create(f"{self.path}/in/{self.me}/out", ephemeral=False)
        while any(
            not self.client.exists(f"{self.path}/in/{name}/out")
            for name in [*self.client.get_children(f"{self.path}/in"), "nobody"]
        ):
            self.sleep()
