"""Every call of a dict that writes: how it is made, what it may do, and which answers explain it.

A negative answer (`KeyError`, say) may be that of a copy, or of a server, that is behind: it is
explained by any state that the dict may still show.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_zkdict.stateful._possible import PossibleZnode, find, put, text
from zkdict import ABSENT as NO_KEY
from zkdict import ANY, Entry, ZooKeeperDict
from zkdict.errors import KeyExists, TransactionFailed, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_zkdict.stateful._possible import Course, Znodes

    Dict = ZooKeeperDict[Any]
    Commits = Callable[[Course], Iterator[tuple[Znodes, Any]]]

__all__ = [
    "Write", "add", "atomically", "cas", "clear", "counted", "delete", "modify", "pop",
    "pop_or", "popitem", "put_version", "remove", "replace_all", "setdefault", "store", "swapped",
    "transaction",
]  # fmt: skip


def _entry(found: Entry[Any]) -> tuple[str, int]:
    return text(found.value), found.version


@dataclass(frozen=True)
class Write:
    """One call."""

    do: Callable[[Dict], Any]
    """Makes it; what it returns is compared."""
    commits: Commits
    repeats: bool = False
    times: int = 1
    """Of how many transactions it is, at most."""
    unapplied: Callable[[Course, Any], int | None] | None = None
    """Whether it may return this and have written nothing: the place of the oldest state that the
    dict may show after that; ``None``: it may not.
    """
    proves: bool = True
    """Whether `WriteUncertain.resolve` is True only if this very call was applied."""
    refused: Mapping[type[Exception], Callable[[Course], bool]] = field(default_factory=dict)
    """The errors it may raise, and whether they are explained."""


def _shown(on: int, test: Callable[[Znodes], bool]) -> Callable[[Course], bool]:
    return lambda course: any(test(state) for state in course.since(on))


def _oldest(course: Course, on: int, test: Callable[[Znodes], bool]) -> int | None:
    places = enumerate(course.since(on), course.seen[on])
    return next((place for place, state in places if test(state)), None)


def store(items: Mapping[str, Any], do: Callable[[Dict], Any]) -> Write:
    """``d[key] = value``, `update` and others that store values, whatever is there."""
    changes = {key: text(value) for key, value in items.items()}

    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        yield put(course.now, changes), None

    def call(mapping: Dict) -> None:
        do(mapping)

    def nothing(_course: Course, _answer: Any) -> int | None:
        return None if changes else 0

    return Write(call, commits, repeats=True, unapplied=nothing, proves=False)


def delete(on: int, key: str) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        if find(course.now, key):
            yield put(course.now, {key: None}), None

    def gone(state: Znodes) -> bool:
        return find(state, key) is None

    return Write(
        lambda mapping: mapping.__delitem__(key),
        commits,
        proves=False,
        refused={KeyError: _shown(on, gone)},
    )


def _takes(key: str) -> Commits:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        if (znode := find(course.now, key)) is not None:
            yield put(course.now, {key: None}), znode.value

    return commits


def pop(on: int, key: str) -> Write:
    return Write(
        lambda mapping: text(mapping.pop(key)),
        _takes(key),
        refused={KeyError: _shown(on, lambda state: find(state, key) is None)},
    )


def pop_or(on: int, key: str, default: Any) -> Write:
    def missed(course: Course, answer: Any) -> int | None:
        gone = _shown(on, lambda state: find(state, key) is None)
        return course.seen[on] if answer == text(default) and gone(course) else None

    return Write(lambda mapping: text(mapping.pop(key, default)), _takes(key), unapplied=missed)


def popitem(on: int) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        last = {state[-1].key for state in course.wholes(on) if state}
        for key, value, _version in course.now:
            if key in last:
                yield put(course.now, {key: None}), (key, value)

    def call(mapping: Dict) -> Any:
        key, value = mapping.popitem()
        return key, text(value)

    return Write(call, commits, refused={KeyError: lambda course: not all(course.wholes(on))})


def clear(on: int) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        for keys in {frozenset(each.key for each in state) for state in course.wholes(on)}:
            left = put(course.now, dict.fromkeys(keys))
            if left != course.now:
                yield left, None

    def were_gone(course: Course, _answer: Any) -> int | None:
        """By when all keys of a state that it showed were gone."""
        if course.mixed and not all(course.wholes(on)):
            return course.seen[on]
        shown: list[set[str]] = []
        for place, state in enumerate(course.since(on), course.seen[on]):
            there = {each.key for each in state}
            shown.append(there)
            if any(not there & keys for keys in shown):
                return place
        return None

    return Write(lambda mapping: mapping.clear(), commits, unapplied=were_gone, proves=False)


def setdefault(on: int, key: str, value: Any) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        if find(course.now, key) is None:
            yield put(course.now, {key: text(value)}), text(value)

    def was_there(course: Course, answer: Any) -> int | None:
        had = _shown(on, lambda state: _value(state, key) == answer)
        return course.seen[on] if had(course) else None

    return Write(lambda mapping: text(mapping.setdefault(key, value)), commits, unapplied=was_there)


def _value(state: Znodes, key: str) -> str | None:
    znode = find(state, key)
    return None if znode is None else znode.value


def _version(state: Znodes, key: str) -> int | None:
    znode = find(state, key)
    return NO_KEY if znode is None else znode.version


def _is(state: Znodes, key: str, version: int) -> bool:
    """Whether the key may have this version, `ABSENT` and `ANY` among them."""
    return version == ANY or _version(state, key) in (version, None)


def _is_not(state: Znodes, key: str, version: int) -> bool:
    found = _version(state, key)
    return found is None or found != version


def add(on: int, key: str, value: Any) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        if find(course.now, key) is None:
            yield put(course.now, {key: text(value)}), (text(value), 0)

    return Write(
        lambda mapping: _entry(mapping.add(key, value)),
        commits,
        refused={KeyExists: _shown(on, lambda state: find(state, key) is not None)},
    )


def put_version(on: int, key: str, value: Any, version: int) -> Write:
    """`put` of what has this version, `zkdict.ABSENT` and `zkdict.ANY` among them."""

    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        if _is(course.now, key, version):
            state = put(course.now, {key: text(value)})
            yield state, (text(value), _version(state, key))

    other = _shown(on, lambda state: _is_not(state, key, version))
    return Write(
        lambda mapping: _entry(mapping.put(key, value, version=version)),
        commits,
        repeats=version == ANY,
        proves=version != ANY,
        refused={} if version == ANY else {VersionConflict: other},
    )


def cas(on: int, entry: Entry[Any], value: Any) -> Write:
    """The entry is one that dict ``on`` showed just now."""
    key, was = entry.key, PossibleZnode(entry.key, *_entry(entry))

    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        znode = find(course.now, key)
        if znode is not None and znode.version in (entry.version, None):
            # One that was made again with this version is set as well: the answer tells.
            answer = (text(value), entry.version + 1) if znode.agrees(was) else None
            yield put(course.now, {key: text(value)}), answer

    def other(state: Znodes) -> bool:
        znode = find(state, key)
        return znode is None or znode.version is None or znode != was

    return Write(
        lambda mapping: _entry(mapping.cas(entry, value)),
        commits,
        refused={VersionConflict: _shown(on, other)},
    )


def remove(on: int, key: str, version: int) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        znode = find(course.now, key)
        if znode is not None and _is(course.now, key, version):
            yield put(course.now, {key: None}), (znode.value, znode.version)

    return Write(
        lambda mapping: _entry(mapping.remove(key, version=version)),
        commits,
        refused={
            KeyError: _shown(on, lambda state: find(state, key) is None),
            VersionConflict: _shown(on, lambda state: _is_not(state, key, version)),
        },
    )


def counted(value: Any) -> Any:
    """What `modify` makes of a value: a lost update shows in the next one."""
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else 1


def modify(on: int, key: str) -> Write:
    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        znode = find(course.now, key)
        if znode is None:
            made = text(counted(0))
            yield put(course.now, {key: made}), (made, 0)
            return
        seen = [known for state in course.since(on) if (known := find(state, key))]
        for value in dict.fromkeys(
            known.value
            for known in seen
            if known.version == znode.version or None in (known.version, znode.version)
        ):
            made = text(counted(json.loads(value)))
            state = put(course.now, {key: made})
            # One that was made again with this version is set as well: the answer tells.
            yield state, (made, _version(state, key)) if value == znode.value else None

    return Write(lambda mapping: _entry(mapping.modify(key, counted, default=0)), commits)


def replace_all(on: int, items: Mapping[str, Any]) -> Write:
    wanted = {key: text(value) for key, value in items.items()}

    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        # What was added meanwhile goes in a transaction of its own; what was gone may come back.
        for known in dict.fromkeys(course.wholes(on)):
            changes: dict[str, str | None] = {
                key: value for key, value in wanted.items() if _value(known, key) != value
            }
            changes.update((each.key, None) for each in known if each.key not in wanted)
            state = put(course.now, changes)
            if state != course.now:
                yield state, None

    def done(course: Course, _answer: Any) -> int | None:
        def is_so(state: Znodes) -> bool:
            return {key: value for key, value, _ in state} == wanted

        if course.mixed and any(map(is_so, course.wholes(on))):
            return course.seen[on]
        return _oldest(course, on, is_so)

    def call(mapping: Dict) -> None:
        mapping.replace_all(dict(items))

    return Write(call, commits, repeats=True, times=3, unapplied=done, proves=False)


def swapped(value: Any) -> Any:
    """What `transaction` and `atomically` store for a value that they read."""
    # A list says no more than its length, so that values do not grow with each transaction.
    return ["of", len(value) if isinstance(value, list) else value]


def _derives(on: int, read: str, key: str) -> Commits:
    """Stores in ``key`` what was read of another key, if that has its version still."""

    def commits(course: Course) -> Iterator[tuple[Znodes, Any]]:
        version = _version(course.now, read)
        states = [
            state
            for state in course.since(on)
            if version is None or _version(state, read) in (version, None)
        ]
        for known in {_value(state, read) for state in states}:
            value = swapped(None if known is None else json.loads(known))
            yield put(course.now, {key: text(value)}), None

    return commits


def transaction(on: int, read: str, key: str) -> Write:
    def call(mapping: Dict) -> None:
        with mapping.transaction() as txn:
            txn[key] = swapped(txn.get(read))

    def changed(course: Course) -> bool:
        for each in (read, key):
            found = {find(state, each) for state in course.since(on)}
            if len(found) > 1 or any(znode and znode.version is None for znode in found):
                return True
        return False

    return Write(
        call,
        _derives(on, read, key),
        refused={TransactionFailed: changed, VersionConflict: changed},
    )


def atomically(on: int, read: str, key: str) -> Write:
    def derive(txn: Any) -> None:
        txn[key] = swapped(txn.get(read))

    return Write(lambda mapping: mapping.atomically(derive), _derives(on, read, key))
