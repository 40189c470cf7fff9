"""Mistakes planted in kazoo's recipes, each with the recipe whose oracle has to find it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import BadVersionError, NodeExistsError
from kazoo.recipe import partitioner
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.cache import TreeNode
from kazoo.recipe.counter import Counter
from kazoo.recipe.election import Election
from kazoo.recipe.lease import NonBlockingLease
from kazoo.recipe.lock import Lock, Semaphore
from kazoo.recipe.party import Party
from kazoo.recipe.queue import LockingQueue

from ...support.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...support.mistakes import Patch

MISTAKES = Mistakes()


@MISTAKES.found_by("Lock", "Election")
def takes_the_lock_whoever_is_first(patch: Patch) -> None:
    patch.setattr(Lock, "_get_predecessor", lambda self, node: None)


@MISTAKES.found_by("Lock")
def looks_only_at_its_neighbour(patch: Patch) -> None:
    """Goes ahead when the one before it is gone, though there may be others before that."""
    get_predecessor = Lock._get_predecessor

    def once(self: Any, node: str) -> Any:
        if getattr(self, "waited_with", None) == node:
            return None
        self.waited_with = node
        return get_predecessor(self, node)

    patch.setattr(Lock, "_get_predecessor", once)


@MISTAKES.found_by("Lock")
def sets_no_watch(patch: Patch) -> None:
    """Waits for its predecessor and is not told when that goes."""
    patch.setattr(Lock, "_watch_predecessor", lambda self, event: None)


@MISTAKES.found_by("Lock")
def forgets_to_delete_its_node(patch: Patch) -> None:
    patch.setattr(Lock, "_delete_node", lambda self, node: None)


@MISTAKES.found_by("Lock")
def holds_with_a_deleted_node(patch: Patch) -> None:
    """Gives the lock back as soon as it has it, and believes that it has it."""
    inner_acquire = Lock._inner_acquire

    def acquire(self: Any, *arguments: Any, **named: Any) -> Any:
        gotten = inner_acquire(self, *arguments, **named)
        if gotten:
            self._delete_node(self.node)
        return gotten

    patch.setattr(Lock, "_inner_acquire", acquire)


@MISTAKES.found_by("Election")
def leads_without_the_lock(patch: Patch) -> None:
    """Waits for a moment, then leads whatever came of it."""

    def run(self: Any, function: Any, *arguments: Any) -> None:
        gotten = self.lock.acquire(blocking=False)
        if not gotten:
            self.lock.node = self.lock.client.create(
                self.lock.create_path, ephemeral=True, sequence=True
            ).rpartition("/")[2]
            self.lock.is_acquired = True
        try:
            function(*arguments)
        finally:
            self.lock.release()

    patch.setattr(Election, "run", run)


@MISTAKES.found_by("Semaphore")
def counts_one_lease_too_many(patch: Patch) -> None:
    get_lease = Semaphore._get_lease

    def more(self: Any, *arguments: Any) -> Any:
        self.max_leases += 1
        try:
            return get_lease(self, *arguments)
        finally:
            self.max_leases -= 1

    patch.setattr(Semaphore, "_get_lease", more)


@MISTAKES.found_by("Semaphore")
def counts_leases_without_the_lock(patch: Patch) -> None:
    """Counts, and takes a lease a moment later, while others do the same."""

    def acquire(self: Any, blocking: bool, timeout: float | None = None) -> bool:
        if not self.assured_path:
            self._ensure_path()
        gotten = False
        while not gotten:
            gotten = self._get_lease()
            if not gotten:
                self.client.handler.sleep_func(0.2)
        return gotten

    patch.setattr(Semaphore, "_inner_acquire", acquire)


@MISTAKES.found_by("Semaphore")
def keeps_its_lease(patch: Patch) -> None:
    patch.setattr(Semaphore, "release", lambda self: True)


@MISTAKES.found_by("LockingQueue")
def marks_no_item(patch: Patch) -> None:
    """Gives an item without its mark: others get it too."""

    def take(self: Any, entry: str) -> Any:
        value, _ = self.client.retry(self.client.get, f"{self._entries_path}/{entry}")
        return entry, value

    patch.setattr(LockingQueue, "_take", take)


@MISTAKES.found_by("LockingQueue")
def takes_what_is_taken(patch: Patch) -> None:
    """A mark that is there already is good enough, whoever made it."""
    take = LockingQueue._take

    def anyway(self: Any, entry: str) -> Any:
        create = self.client.create
        self.client.create = _unless_there(create)
        try:
            return take(self, entry)
        finally:
            self.client.create = create

    patch.setattr(LockingQueue, "_take", anyway)
    patch.setattr(LockingQueue, "_filter_locked", lambda self, values, taken: sorted(values))


def _unless_there(create: Callable[..., Any]) -> Callable[..., Any]:
    def tolerant(path: str, *arguments: Any, **named: Any) -> Any:
        try:
            return create(path, *arguments, **named)
        except NodeExistsError:
            return path

    return tolerant


@MISTAKES.found_by("LockingQueue")
def deletes_late(patch: Patch) -> None:
    """Says yes, gives the mark back, and leaves deleting the item for later."""

    def consume(self: Any) -> bool:
        entry, _ = self.processing_element
        self.client.delete(f"{self._lock_path}/{entry}")
        self.processing_element = None
        return True

    patch.setattr(LockingQueue, "consume", consume)


@MISTAKES.found_by("LockingQueue")
def deletes_early(patch: Patch) -> None:
    """The item is gone when it is given, not when it is consumed."""
    take = LockingQueue._take

    def at_once(self: Any, entry: str) -> Any:
        taken = take(self, entry)
        if taken is not None:
            self.client.delete(f"{self._entries_path}/{entry}")
        return taken

    patch.setattr(LockingQueue, "_take", at_once)


@MISTAKES.found_by("Counter")
def writes_whatever_the_version_is(patch: Patch) -> None:
    """Two clients add to the same value, and one of them is lost."""
    _counting(patch, lambda counter, value, _version: counter.client.set(counter.path, value))


@MISTAKES.found_by("Counter")
def takes_a_refusal_for_success(patch: Patch) -> None:
    def write(counter: Any, value: bytes, version: int) -> None:
        with suppress(BadVersionError):
            counter.client.set(counter.path, value, version=version)

    _counting(patch, write)


@MISTAKES.found_by("Counter")
def adds_twice(patch: Patch) -> None:
    change = Counter._change

    def twice(self: Any, value: int) -> Any:
        change(self, value)
        return change(self, value)

    patch.setattr(Counter, "_change", twice)


@MISTAKES.found_by("SetPartitioner")
def locks_nothing(patch: Patch) -> None:
    """Takes its share without the locks: for a moment two have the same."""
    patch.setattr(partitioner.SetPartitioner, "_partitioner", lambda self, _me, _all, items: items)
    patch.setattr(Lock, "acquire", lambda self, **_options: True)


@MISTAKES.found_by("Barrier")
def lets_everybody_through(patch: Patch) -> None:
    patch.setattr(Barrier, "wait", lambda self, timeout=None: True)


@MISTAKES.found_by("DoubleBarrier")
def enters_alone(patch: Patch) -> None:
    patch.setattr(DoubleBarrier, "_inner_enter", lambda self: True)


@MISTAKES.found_by("Party")
def never_leaves(patch: Patch) -> None:
    patch.setattr(Party, "leave", lambda self: True)


@MISTAKES.found_by("NonBlockingLease")
def takes_a_lease_that_lasts(patch: Patch) -> None:
    decode = NonBlockingLease._decode

    def over(self: Any, raw: bytes) -> Any:
        return {**decode(self, raw), "end": "2000-01-01T00:00:00"}

    patch.setattr(NonBlockingLease, "_decode", over)


@MISTAKES.found_by("TreeCache")
def hears_of_no_change(patch: Patch) -> None:
    patch.setattr(TreeNode, "_refresh_data", lambda self: None)


def _counting(patch: Patch, write: Callable[[Any, bytes, int], object]) -> None:
    def change(self: Any, value: int) -> None:
        before, version = self._value()
        write(self, repr(before + value).encode(), version)

    patch.setattr(Counter, "_inner_change", change)
