"""Mistakes planted in the dict, each of which its state machine has to find."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zkdict._copy import events, shared
from zkdict._copy import feed as feeds
from zkdict._writes import compare, lease, multi, sender, single, txn
from zkdict.dict import ZooKeeperDict
from zkdict.errors import WriteUncertain

from ..dict import cache_mistakes
from ..support.mistakes import Mistakes, wrap

if TYPE_CHECKING:
    from ..support.mistakes import Patch

MISTAKES = Mistakes()

#: Those of the live copy that programs can come across. The others say too much of themselves (an
#: exact state that is none), or need more than two clients.
OF_THE_COPY = [
    "PublishesWhilePending", "CountsOlderReplies", "IgnoresDeletedEvents",
    "IgnoresChangesOfChildren", "MissesNewKeys", "KeepsRemovedKeys", "ForgetsKeysMadeAgain",
    "KeepsTheOldEpoch", "TrustsTheCopyAfterReconnect", "ClaimsTooMuch",
    "ClaimsWritesEarly", "ComparesVersionsOnly", "TakesOldListsForNew", "LaysOverForGood",
]  # fmt: skip


def _of_the_copy(name: str) -> None:
    mistake = cache_mistakes.MISTAKES[name]

    def plant(patch: Patch) -> None:
        mistake.plant(patch)
        made = cache_mistakes.in_the_dict(cache_mistakes.cache_world.Cache)
        patch.setattr(shared, "SubtreeCache", made)

    plant.__name__ = name
    MISTAKES(plant)


for _name in OF_THE_COPY:
    _of_the_copy(_name)


@MISTAKES
def syncs_without_a_quorum(patch: Patch) -> None:
    def barrier(self: Any) -> Any:
        return self.client.sync_async(self.path)

    patch.setattr(feeds.Feed, "barrier", barrier)


@MISTAKES
def modifies_without_a_version(patch: Patch) -> None:
    def around(original: Any, self: Any, name: str, raw: bytes, *more: Any) -> Any:
        return original(self, name, raw, -1, *more[1:])

    wrap(patch, single.Writer, "_set", around)


@MISTAKES
def transactions_check_nothing(patch: Patch) -> None:
    patch.setattr(multi.Multi, "check", lambda *_: None)
    patch.setattr(multi.Multi, "check_absent", lambda *_: None)


def _sent_again(original: Any, *arguments: Any, **named: Any) -> Any:
    """After a lost reply, as what stores a value is."""
    try:
        return original(*arguments, **named)
    except sender.UnansweredError:
        return original(*arguments, **named)


@MISTAKES
def sends_a_delete_again(patch: Patch) -> None:
    wrap(patch, single.Writer, "send_delete", _sent_again)


@MISTAKES
def sends_a_pop_again(patch: Patch) -> None:
    def around(original: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except WriteUncertain:
            return original(*arguments, **named)

    wrap(patch, single.Writer, "take", around)


@MISTAKES
def sends_an_add_again(patch: Patch) -> None:
    wrap(patch, single.Writer, "send_create", _sent_again)


@MISTAKES
def takes_no_answer_for_done(patch: Patch) -> None:
    def around(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return original(self, *arguments, **named)
        except sender.UnansweredError:
            return []

    wrap(patch, multi.Multi, "commit", around)


@MISTAKES
def returns_before_it_shows(patch: Patch) -> None:
    patch.setattr(sender.Sender, "_await_position", lambda *_, **__: True)


@MISTAKES
def clears_what_it_has_read(patch: Patch) -> None:
    """And not what it shows."""

    def key_names(self: Any) -> list[str]:
        return list(self.feed.cache.working_names())

    patch.setattr(single.Writer, "key_names", key_names)


@MISTAKES
def clears_key_by_key(patch: Patch) -> None:
    def clear(writer: Any) -> None:
        writer.begin(loaded=True)
        for name in writer.key_names():
            with suppress(KeyError):  # it is gone meanwhile
                writer.delete(writer.codec.from_name(name))

    patch.setattr(txn, "clear", clear)


@MISTAKES
def updates_key_by_key(patch: Patch) -> None:
    def update(writer: Any, items: Any) -> None:
        for key, value in items.items():
            writer.set(key, value)

    patch.setattr(txn, "update", update)


@MISTAKES
def pops_the_first_item(patch: Patch) -> None:
    def popitem(self: Any) -> Any:
        for key in self.snapshot():
            return key, self.pop(key)
        raise KeyError("popitem(): the dict is empty")

    patch.setattr(ZooKeeperDict, "popitem", popitem)


@MISTAKES
def sets_by_default_what_is_there(patch: Patch) -> None:
    def setdefault(self: Any, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    patch.setattr(ZooKeeperDict, "setdefault", setdefault)


@MISTAKES
def adds_where_the_copy_has_nothing(patch: Patch) -> None:
    def add(writer: Any, key: str, value: Any, *, ephemeral: bool = False) -> Any:
        if writer.feed.cache.peek(writer.codec.to_name(key)) is not None:
            raise compare.KeyExists(key)
        return writer.decode(key, writer.set(key, value))

    patch.setattr(compare, "add", add)


@MISTAKES
def a_lease_never_comes_back(patch: Patch) -> None:
    patch.setattr(lease.Lease, "_is_due", lambda self: False)


@MISTAKES
def a_release_gives_up(patch: Patch) -> None:
    """Where the connection is lost."""

    def remove(original: Any, self: Any, deadline: Any) -> None:
        if self._writer.feed.connected:
            original(self, deadline)
        self._in_doubt = False

    wrap(patch, lease.Lease, "_remove", remove)


@MISTAKES
def tells_nothing_after_an_outage(patch: Patch) -> None:

    def changed(original: Any, self: Any, changes: Any) -> None:
        if not any(change.kind == "resynced" for change in changes):
            original(self, changes)

    wrap(patch, events.Dispatcher, "changed", changed)
