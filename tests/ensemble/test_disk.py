"""A server's disk by itself."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from zkfake._ensemble.disk import Disk
from zkfake._timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable


class Machine:
    """A clock, and a disk whose syncs take 10 ms."""

    def __init__(self) -> None:
        self.random = Random(0)
        self.now = 0
        self._timers = Timers()
        self.disk = Disk(self, self._call_later)
        self.disk.sync_time = (10, 10)
        self.done: list[str] = []

    def _call_later(self, delay: int, action: Callable[[], None]) -> None:
        self._timers.at(self.now + delay, action)

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds
        self._timers.run_due(self.now)


def test_who_is_called_first_may_let_the_others_go() -> None:
    machine = Machine()
    disk = machine.disk
    disk.write(1, disk.let_go)
    disk.write(2, machine.done.append, "a role that is over")
    machine.wait(10)
    assert machine.done == []
    assert (disk.synced, len(disk)) == (2, 0)


def test_what_is_on_its_way_to_the_disk_is_not_written_again() -> None:
    machine = Machine()
    machine.disk.write(5, machine.done.append, "written")
    machine.wait(6)
    machine.disk.write(4, machine.done.append, "waited for")
    machine.wait(4)
    assert machine.done == ["written", "waited for"]
    machine.disk.write(5, machine.done.append, "there")
    assert machine.done[-1] == "there"


def test_a_disk_that_is_fast_again_ends_what_it_had_begun() -> None:
    machine = Machine()
    machine.disk.write(1, machine.done.append, "one")
    machine.disk.sync_time = (0, 0)
    assert not machine.disk.instant
    machine.disk.write(2, machine.done.append, "two")
    assert machine.done == []
    machine.wait(0)
    assert machine.done == ["one", "two"]
    assert machine.disk.instant


def test_power_takes_what_was_not_synced() -> None:
    machine = Machine()
    machine.disk.write(1, machine.done.append, "one")
    machine.wait(5)
    machine.disk.write(2, machine.done.append, "two")
    machine.wait(5)
    machine.disk.lose(1)
    machine.wait(10)
    assert machine.done == ["one"]
    assert machine.disk.synced == 1
