"""Locks, semaphores and elections, with mistakes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError

from pytest_zkdict.stateful import RecipeMachine, at_most_hold, mutual_exclusion, one_leader
from zkfake.history import at_least_once

from .own_recipes import UNSURE, Recipe, machine_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

# -- locks


@machine_for(mutual_exclusion(), right=True)
class Lock(Recipe):
    """The lowest number holds it."""

    limit = 1

    def acquire(self, timeout: float | None = None) -> bool:
        tries = 0
        while timeout is None or tries < timeout:
            with suppress(*UNSURE, NoNodeError):  # of a server that is behind
                self.client.ensure_path(self.path)
                self.client.sync(self.path)
                if self.has_it(self.line()):
                    return True
            self.sleep()
            tries += 1
        self.give_up()
        return False

    def line(self) -> list[str]:
        return sorted(self.client.get_children(self.path), key=lambda name: name[-10:])

    def has_it(self, line: list[str]) -> bool:
        if not any(name.startswith(self.me) for name in line):
            self.stand_in_line()
        for name in line[: self.limit]:
            self.znode = f"{self.path}/{name}"
            if name.startswith(self.me) and self.is_mine(self.znode):
                return True
        return False

    def stand_in_line(self) -> None:
        self.client.create(f"{self.path}/{self.me}-", ephemeral=True, sequence=True)

    def give_up(self) -> None:
        while True:
            try:
                self.release()
            except UNSURE:  # noqa: PERF203  # it tries again
                self.sleep()
            else:
                return

    def release(self) -> None:
        self.client.sync(self.path)
        for name in self.line():
            if name.startswith(self.me):
                with suppress(NoNodeError):
                    self.client.delete(f"{self.path}/{name}")


@machine_for(at_most_hold(2), right=True)
class Semaphore(Lock):
    limit = 2


@machine_for(mutual_exclusion())
class MakesItsZnodeAgain(Lock):
    """Whose first one may be there."""

    mine = ""

    def has_it(self, line: list[str]) -> bool:
        if not self.mine:
            self.mine = self.client.create(f"{self.path}/{self.me}-", ephemeral=True, sequence=True)
            line = self.line()
        self.znode = self.mine
        if line and self.mine == f"{self.path}/{line[0]}":
            return self.is_mine(self.mine)
        if self.mine not in [f"{self.path}/{name}" for name in line]:
            self.mine = ""
        return False

    def release(self) -> None:
        if self.mine:
            with suppress(NoNodeError):
                self.client.delete(self.mine)
        self.mine = ""


@machine_for(mutual_exclusion())
class HasItWhereNobodyIsBefore(Lock):
    """Its own znode may be gone, too."""

    mine = ""

    def has_it(self, line: list[str]) -> bool:
        if not self.mine:
            self.mine = self.client.create(f"{self.path}/{self.me}-", ephemeral=True, sequence=True)
            line = self.line()
        self.znode = self.mine
        return all(name[-10:] >= self.mine[-10:] for name in line)

    def release(self) -> None:
        super().release()
        self.mine = ""


@machine_for(mutual_exclusion())
class LeavesItsZnode(Lock):
    """When the time is over."""

    def give_up(self) -> None:
        pass


@machine_for(mutual_exclusion())
class ReleasesOnce(Lock):
    def release(self) -> None:
        with suppress(*UNSURE):
            super().release()


@machine_for(mutual_exclusion())
class LooksAndThenCreates(Recipe):
    def acquire(self) -> bool:
        self.client.ensure_path(self.path)
        self.znode = f"{self.path}/{self.me}"
        while True:
            with suppress(*UNSURE):
                if self.client.get_children(self.path) in ([], [self.me]):
                    with suppress(NodeExistsError):
                        self.client.create(self.znode, ephemeral=True)
                    return self.is_mine(self.znode)
            self.sleep()

    def release(self) -> None:
        with suppress(NoNodeError):
            self.client.delete(f"{self.path}/{self.me}")


@machine_for(mutual_exclusion())
class WaitsForTheOneBefore(Lock):
    """And watches a znode that may have gone already."""

    def acquire(self, timeout: float | None = None) -> bool:
        self.client.ensure_path(self.path)
        self.stand_in_line()
        while True:
            line = self.line()
            before = [name for name in line if name.startswith(self.me) or name == line[0]]
            if not before or before[0].startswith(self.me):
                self.znode = f"{self.path}/{line[0]}" if line else None
                return bool(line)
            gone = self.client.handler.event_object()
            self.client.exists(f"{self.path}/{before[0]}", watch=lambda _, gone=gone: gone.set())
            gone.wait()


@machine_for(at_most_hold(2))
class CountsAndThenTakes(Lock):
    limit = 2

    def has_it(self, line: list[str]) -> bool:
        self.znode = f"{self.path}/{self.me}"
        if self.me not in line and len(line) < self.limit:
            with suppress(NodeExistsError):
                self.client.create(self.znode, ephemeral=True)
        elif self.me not in line:
            return False
        return self.is_mine(self.znode)


# -- elections


@machine_for(one_leader(), right=True)
class Election(Recipe):
    """Who made the znode leads."""

    def run(self, lead: Callable[[], None]) -> None:
        self.client.ensure_path(self.path)
        self.znode = f"{self.path}/leader"
        while not self.is_elected():
            self.sleep()
        try:
            lead()
        finally:
            self.resign()

    def is_elected(self) -> bool:
        assert self.znode is not None
        with suppress(*UNSURE):
            self.client.sync(self.path)
            with suppress(NodeExistsError):
                self.client.create(self.znode, ephemeral=True)
            return self.is_mine(self.znode)
        return False

    def resign(self) -> None:
        assert self.znode is not None
        with suppress(NoNodeError):
            while True:
                try:
                    if self.is_mine(self.znode):
                        self.client.delete(self.znode)
                    return
                except UNSURE:  # noqa: PERF203  # it tries again
                    self.sleep()


@machine_for(one_leader())
class TakesItsLostAnswerForYes(Election):
    """Who is not answered believes that the znode that is there is its own."""

    def is_elected(self) -> bool:
        assert self.znode is not None
        try:
            self.client.create(self.znode, ephemeral=True)
        except NodeExistsError:
            return False
        except UNSURE:
            with suppress(KazooException):
                return self.client.exists(self.znode) is not None
        return True


class JournalMachine(RecipeMachine):
    promises = (at_least_once("kept", of="written", maybe="tried"),)
    entries = 0

    def work(self, recipe: Any) -> None:
        self.entries += 1
        recipe.write(self.entries, self.history)

    def at_rest(self, client: KazooClient) -> None:
        if client.exists("/journal"):
            for entry in client.get("/journal")[0].split():
                self.history.record("kept", int(entry))


@machine_for(one_leader(), JournalMachine, right=True)
class Journal(Election):
    """What the leader has in memory, it writes."""

    checks = True

    def run(self, lead: Callable[[], None]) -> None:
        def begin() -> None:
            self.client.ensure_path("/journal")
            self.client.sync("/journal")
            self.journal, stat = self.client.get("/journal")
            self.version = stat.version
            if self.znode and self.is_mine(self.znode):  # that took a while
                lead()

        super().run(begin)

    def write(self, entry: int, history: Any) -> None:
        history.record("tried", entry)
        journal = self.journal + b"%d " % entry
        version = self.version if self.checks else -1
        with suppress(BadVersionError):
            self.version = self.client.set("/journal", journal, version=version).version
            self.journal = journal
            history.record("written", entry)


@machine_for(one_leader(), JournalMachine)
class WritesWithoutTheVersion(Journal):
    """That it had when it was elected."""

    checks = False
