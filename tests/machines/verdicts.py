"""A mistake and a program for each verdict of the dict's machine.

The mistakes are as coarse as can be: what counts is that the verdict is reached. Where one of
`dict_mistakes` reaches it, it is that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkdict import Entry, ZooKeeperDict
from zkdict._writes import compare, lease
from zkdict._writes.single import Writer
from zkdict.errors import KeyExists, WriteUncertain

from ..support.mistakes import Mistakes, wrap
from .dict_mistakes import MISTAKES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_zkdict.stateful import ZooKeeperDictMachine

    from ..support.mistakes import Mistake, Patch

    Program = Callable[[ZooKeeperDictMachine], None]

__all__ = ["PLANTED", "Planted"]

COARSE = Mistakes()


class Planted(NamedTuple):
    """What reaches a verdict."""

    verdict: str
    """Its text, with {} for what is filled in."""
    mistake: Mistake
    program: Program


PLANTED: list[Planted] = []


def reaches(verdict: str, mistake: str) -> Callable[[Program], Program]:
    """A decorator for the program that reaches the verdict with that mistake."""

    def add(program: Program) -> Program:
        known = COARSE[mistake] if mistake in COARSE else MISTAKES[mistake]
        PLANTED.append(Planted(verdict, known, program))
        return program

    return add


# -- answers


@COARSE
def never_answers(patch: Patch) -> None:
    def clear(self: Any) -> None:
        self._feed.client.handler.event_object().wait()

    patch.setattr(ZooKeeperDict, "clear", clear)


@reaches("dict {}: {} has no answer after {} s", "never_answers")
def _(state: ZooKeeperDictMachine) -> None:
    state.clear(on=0, wait=True)


@reaches("dict {}: {} -> {}, and now it is {}; {}", "sends_an_add_again")
def _(state: ZooKeeperDictMachine) -> None:
    state.drop_before_reply(on=0, operation=None, nth=1)
    state.add(on=0, key="a", value=0, wait=True)


@COARSE
def resolves_to_no(patch: Patch) -> None:
    patch.setattr(WriteUncertain, "resolve", lambda *_, **__: False)


@reaches("dict {}: {} was uncertain, and resolve() said {}; {}", "resolves_to_no")
def _(state: ZooKeeperDictMachine) -> None:
    state.drop_before_reply(on=0, operation=None, nth=1)
    state.add(on=0, key="a", value=0, wait=True)
    state.wait(seconds=10)


@COARSE
def fetches_nothing(patch: Patch) -> None:
    def fetch(self: Any, key: str, *, sync: bool = False) -> Entry[Any]:
        raise KeyError(key)

    patch.setattr(ZooKeeperDict, "fetch", fetch)


@reaches("dict {} fetched {} of {}; {}", "fetches_nothing")
def _(state: ZooKeeperDictMachine) -> None:
    state.set(on=0, key="a", value=0, wait=True)
    state.fetch(on=0, key="a", sync=False)


@COARSE
def deletes_from_its_copy(patch: Patch) -> None:
    def delete(writer: Writer[Any], key: str) -> None:
        with writer.feed.lock:
            position = writer.feed.cache.sent + 1
        writer.feed.overlay({writer.codec.to_name(key): None}, position)
        writer.refresh()

    patch.setattr(Writer, "delete", delete)


@reaches("a stranger could {}; {}", "deletes_from_its_copy")
def _(state: ZooKeeperDictMachine) -> None:
    state.set(on=0, key="a", value=0, wait=True)
    state.settle()
    state.delete(on=0, key="a", wait=True)
    state.stranger_deletes(keys={"a"})


# -- looks


@reaches("as of {} dict {} is {}; {} was shown before", "ClaimsTooMuch")
def _(state: ZooKeeperDictMachine) -> None:
    state.set(on=0, key="a", value=0, wait=True)
    state.set(on=1, key="b", value=0, wait=True)
    state.set(on=0, key="a", value=0, wait=True)


@reaches("dict {} is {}; {}", "transactions_check_nothing")
def _(state: ZooKeeperDictMachine) -> None:
    state.stranger_sets(key="a", value=0)
    state.transaction(on=0, read="a", key="b", wait=True)


@reaches("dict {} is {}, with {} of no time; {}", "TakesOldListsForNew")
def _(state: ZooKeeperDictMachine) -> None:
    state.hold_watches(on=0, seconds=5)
    state.add(on=0, key="a", value=0, wait=True)
    state.add(on=0, key="b", value=0, wait=True)


# -- at rest


@reaches("everything was delivered long ago, and {}; {}", "LaysOverForGood")
def _(state: ZooKeeperDictMachine) -> None:
    state.hold_watches(on=0, seconds=5)
    state.add(on=0, key="a", value=0, wait=True)
    state.settle()
    state.stranger_sets(key="a", value=7)


@COARSE
def deletes_after_a_sync(patch: Patch) -> None:
    def sync(original: Any, self: Any, timeout: float | None = None) -> Any:
        try:
            return original(self, timeout)
        finally:
            self._feed.client.delete_async(f"{self._feed.path}/a")

    wrap(patch, ZooKeeperDict, "sync", sync)


@reaches("everything was delivered, and dict 0 is {}, dict {} is {}", "deletes_after_a_sync")
def _(state: ZooKeeperDictMachine) -> None:
    state.set(on=0, key="a", value=0, wait=True)


@COARSE
def deletes_before_a_sync(patch: Patch) -> None:
    def sync(original: Any, self: Any, timeout: float | None = None) -> Any:
        self._feed.client.delete_async(f"{self._feed.path}/a")
        return original(self, timeout)

    wrap(patch, ZooKeeperDict, "sync", sync)


@reaches("everything was delivered, and the dicts are {}; {}", "deletes_before_a_sync")
def _(state: ZooKeeperDictMachine) -> None:
    state.set(on=0, key="a", value=0, wait=True)


@reaches("dict {} told of {}, and is {}", "tells_nothing_after_an_outage")
def _(state: ZooKeeperDictMachine) -> None:
    state.partition(on=0, seconds=30)
    state.wait(seconds=10)
    state.stranger_sets(key="a", value=0)


# -- leases


@COARSE
def holds_what_is_there(patch: Patch) -> None:
    def add(original: Any, writer: Any, key: str, value: Any, **named: Any) -> Any:
        try:
            return original(writer, key, value, **named)
        except KeyExists:
            return None

    wrap(patch, compare, "add", add)
    patch.setattr(lease.Lease, "state", lease.LeaseState.HELD)


@reaches("everything was delivered, and dicts {} hold one lease", "holds_what_is_there")
def _(state: ZooKeeperDictMachine) -> None:
    state.lease(on=0)
    state.lease(on=1)


@COARSE
def leases_another_value(patch: Patch) -> None:
    def add(original: Any, writer: Any, key: str, value: Any, **named: Any) -> Any:
        return original(writer, key, f"not {value}", **named)

    wrap(patch, compare, "add", add)


@reaches("dict {} holds its lease, and the key is {}", "leases_another_value")
def _(state: ZooKeeperDictMachine) -> None:
    state.lease(on=0)


@COARSE
def leases_for_ever(patch: Patch) -> None:
    def add(original: Any, writer: Any, key: str, value: Any, **_: Any) -> Any:
        return original(writer, key, value)

    wrap(patch, compare, "add", add)
    patch.setattr(lease.Lease, "state", lease.LeaseState.HELD)


@reaches("dict {} holds a lease of session {}, not of its own", "leases_for_ever")
def _(state: ZooKeeperDictMachine) -> None:
    state.lease(on=0)


@reaches(
    "everything was delivered, and dicts {} did not get their lease", "a_lease_never_comes_back"
)
def _(state: ZooKeeperDictMachine) -> None:
    state.lease(on=0)
    state.expire(on=0)


@reaches("every lease was released, and the key is {}", "a_release_gives_up")
def _(state: ZooKeeperDictMachine) -> None:
    state.lease(on=0)
    state.lose_quorum(seconds=5)
    state.wait(seconds=0.5)
    state.release(on=0)
