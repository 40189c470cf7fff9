"""Dicts that do everything and note what they saw; `party_judge` compares it with the server's log.

The rules that live here:

- Every value that is written is written once, so the log tells which call wrote it. But for
  `COMMON`, which all of them write: the log tells whose session it was.
- A call that returned is in the log exactly once; one that may be sent again (it stores a value,
  whatever is there) at least once. A call that raised anything but `WriteUncertain` is not in it,
  and what `resolve()` says is so.
- What dicts show is judged by the history that they tell: their own writes, what was committed
  before a `sync()`, exact states, and that nothing goes back.
- The changes that were told lead from the first state to the last.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException

from zkdict import ABSENT, ANY, Change, Entry, Snapshot, WriteUncertain, ZooKeeperDict
from zkdict.errors import VersionConflict, ZkDictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.simulation import Simulation

ROOT = "/app"
KEYS = ["a", "b", "c", "d"]
FOR_EVER = 1e6
COMMON = "common"

Contents = dict[str, tuple[bytes, int, int, int]]


def contents(sim: Simulation, zxid: int) -> Contents:
    """The keys at this zxid, each with bytes, version, czxid and mzxid."""
    tree = sim.at(zxid)
    if tree.get(ROOT) is None:
        return {}
    found: Contents = {}
    for name in tree.child_names(ROOT):
        node = tree.nodes[f"{ROOT}/{name}"]
        found[name] = (node.data or b"", node.version, node.czxid, node.mzxid)
    return found


def shown(entries: dict[str, Entry[Any]]) -> Contents:
    return {
        key: (entry.raw, entry.version, entry.czxid, entry.mzxid) for key, entry in entries.items()
    }


def entries_of(snapshot: Snapshot[Any]) -> dict[str, Entry[Any]]:
    """Those of the keys that could be read."""
    found = {}
    for key in snapshot:
        with contextlib.suppress(KazooException):
            found[key] = snapshot.entry(key)
    return found


@dataclass
class Write:
    """One call that writes, and what became of it."""

    name: str
    values: dict[str, bytes]  # what it may store
    deletes: set[str]  # what it may delete
    repeats: bool
    start: int
    outcome: str = "under way"
    resolved: bool | None = None
    end: int = 0
    taken: bytes | None = None
    common: str | None = None  # the key where it may store `COMMON`

    def __str__(self) -> str:
        return (
            f"{self.name} {self.values} {sorted(self.deletes)} {self.start}-{self.end} "
            f"{self.outcome} {self.resolved}"
        )


@dataclass
class Party:
    """One dict, its client, and all that it did and saw."""

    sim: Simulation
    name: str
    options: dict[str, Any]
    writes: list[Write] = field(default_factory=list)
    steps: list[tuple[int, Contents]] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)
    counter: int = 0
    jailed: bool = False  # whether reads are refused: then an event may be missed until a sync
    lease: Any = None
    releases: bool = False  # whether its program releases the lease
    released: list[Any] = field(default_factory=list)  # those that `release` was called of

    def open(self, **arguments: Any) -> None:
        """``arguments``: of its client."""
        self.client = self.sim.client(self.name, **arguments)
        self._note_session("")
        self.client.add_listener(self._note_session)
        self.items: ZooKeeperDict[Any] = ZooKeeperDict(
            self.client, ROOT, wait=FOR_EVER, history=self.sim.history, **self.options
        )
        self.told = 0
        self.followed: Contents = {}
        self.items.on_error(self.errors.append)
        # The first state, and from there on what was told.
        self.items.on_changes(self._follow, initial=True)

    def _note_session(self, _state: str) -> None:
        if self.client.client_id is not None:
            self.sessions.add(self.client.client_id[0])

    def _follow(self, changes: list[Change[Any]]) -> None:
        for change in changes:
            assert change.zxid >= self.told, "changes came out of order"
            self.told = change.zxid
            if change.kind == "resynced":
                continue
            before = self.followed.get(change.key)
            if change.kind == "added":
                assert before is None, f"{change.key} was added twice"
            elif change.old is None:  # it could not be read
                assert before is None
            else:
                assert before == shown({change.key: change.old})[change.key]
            if change.new is None:
                self.followed.pop(change.key, None)
            else:
                self.followed |= shown({change.key: change.new})
        self.steps.append((self.told, dict(self.followed)))

    @property
    def committed(self) -> int:
        return self.sim.last_zxid

    def value(self) -> str:
        self.counter += 1
        return f"{self.name}{self.counter}"

    # -- writing

    def call(
        self,
        name: str,
        do: Callable[[], Any],
        values: dict[str, str] | None = None,
        deletes: set[str] | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        raws = {key: f'"{value}"'.encode() for key, value in (values or {}).items()}
        write = Write(name, raws, deletes or set(), repeats, self.committed)
        self.writes.append(write)
        try:
            result = do()
        except WriteUncertain as error:
            write.outcome = "uncertain"
            write.resolved = self._resolve(error)
        except (ZkDictError, KazooException, KeyError) as error:
            write.outcome = f"raised {type(error).__name__}"
            if isinstance(error, VersionConflict) and getattr(error, "applied", False):
                write.outcome = "uncertain"  # it says that it wrote, to another znode
        else:
            write.outcome = "returned"
            if isinstance(result, Entry):
                write.taken = result.raw
        write.end = self.committed

    def _resolve(self, error: WriteUncertain) -> bool | None:
        try:
            return error.resolve(timeout=3600)
        except (WriteUncertain, KazooException):
            return None

    def sync(self) -> None:
        try:
            self.items.sync()
        except KazooException:  # the root may not be read, or the server throttles
            assert self.jailed

    def wait_until(self) -> None:
        zxid = self.committed
        try:
            self.items.wait_until(zxid)
        except KazooException:
            assert self.jailed
        else:
            assert self.items.zxid >= zxid

    # -- the program

    def work(self, steps: int) -> None:
        dice = random.Random(f"{self.sim.seed}/{self.name}")
        actions = [
            self.set, self.set, self.delete, self.pop, self.popitem, self.setdefault, self.update,
            self.ior, self.clear, self.replace_all, self.update_chunked, self.put, self.ephemeral,
            self.add, self.cas, self.remove, self.modify, self.transaction, self.claim,
            self.atomically, self.common, self.common,
        ]  # fmt: skip
        release = dice.randrange(steps) if self.releases else None
        for step in range(steps):
            if step == release:
                self.release(KEYS[0], dice)
            key = dice.choice(KEYS)
            roll = dice.random()
            if roll < 0.1:
                self.sync()
            elif roll < 0.15:
                self.wait_until()
            elif roll < 0.3:
                self.sim.sleep(dice.choice([0, 0.1, 3, 30]))
            else:
                dice.choice(actions)(key, dice)

    def keep_in_step(self, steps: int, pauses: tuple[float, ...], writes: float = 0.5) -> None:
        """Write, with that chance, or sync; and pause for so many seconds."""
        dice = random.Random(f"{self.sim.seed}/{self.name}")
        for _ in range(steps):
            if dice.random() < writes:
                self.set(dice.choice(KEYS), dice)
            else:
                self.sync()
            self.sim.sleep(dice.choice(pauses))

    def compete(self, steps: int) -> None:
        """Write what the others write, where they write it."""
        dice = random.Random(f"{self.sim.seed}/{self.name}")
        for _ in range(steps):
            dice.choice([self.common, self.common, self.common, self.delete])(KEYS[0], dice)
            self.sim.sleep(dice.choice([0, 0.1, 1]))

    def set(self, key: str, _: random.Random) -> None:
        value = self.value()
        self.call("set", lambda: self.items.__setitem__(key, value), {key: value}, repeats=True)

    def delete(self, key: str, _: random.Random) -> None:
        self.call("del", lambda: self.items.__delitem__(key), deletes={key})

    def pop(self, key: str, _: random.Random) -> None:
        self.call("pop", lambda: self._taken(self.items.pop(key)), deletes={key})

    def _taken(self, value: str) -> str:
        self.writes[-1].taken = f'"{value}"'.encode()
        return value

    def popitem(self, _key: str, _: random.Random) -> None:
        self.call("popitem", lambda: self._taken(self.items.popitem()[1]), deletes=set(KEYS))

    def setdefault(self, key: str, _: random.Random) -> None:
        value = self.value()

        def do() -> None:
            if self.items.setdefault(key, value) != value:
                self.writes[-1].values = {}  # another value was there

        self.call("setdefault", do, {key: value})

    def update(self, key: str, dice: random.Random) -> None:
        values = {each: self.value() for each in dict.fromkeys([key, dice.choice(KEYS)])}
        self.call("update", lambda: self.items.update(values), values, repeats=True)

    def ior(self, key: str, _: random.Random) -> None:
        values = {key: self.value()}
        self.call("|=", lambda: self.items.__ior__(values), values, repeats=True)

    def clear(self, _key: str, _: random.Random) -> None:
        self.call("clear", self.items.clear, deletes=set(KEYS))

    def replace_all(self, key: str, _: random.Random) -> None:
        values = {key: self.value()}
        deletes = set(KEYS) - {key}
        self.call(
            "replace_all", lambda: self.items.replace_all(values), values, deletes, repeats=True
        )

    def update_chunked(self, key: str, dice: random.Random) -> None:
        values = {each: self.value() for each in dict.fromkeys([key, dice.choice(KEYS)])}
        self.call(
            "update_chunked",
            lambda: self.items.update_chunked(values, chunk_bytes=FOR_EVER),  # type: ignore[arg-type]
            values,
            repeats=True,
        )

    def put(self, key: str, dice: random.Random) -> None:
        value, version = self.value(), dice.choice([ANY, ABSENT, 0, 1])
        self.call(
            "put",
            lambda: self.items.put(key, value, version=version),
            {key: value},
            repeats=version == ANY,
        )

    def ephemeral(self, key: str, _: random.Random) -> None:
        value = self.value()
        self.call(
            "put ephemeral",
            lambda: self.items.put(key, value, ephemeral=True),
            {key: value},
            {key},
        )

    def add(self, key: str, _: random.Random) -> None:
        value = self.value()
        self.call("add", lambda: self.items.add(key, value), {key: value})

    def cas(self, key: str, _: random.Random) -> None:
        value = self.value()
        try:
            entry = self.items.entry(key)
        except (KeyError, KazooException):
            return
        self.sim.sleep(0.1)
        self.call("cas", lambda: self.items.cas(entry, value), {key: value})

    def remove(self, key: str, dice: random.Random) -> None:
        version = dice.choice([ANY, 0, 1])
        self.call("remove", lambda: self.items.remove(key, version=version), deletes={key})

    def modify(self, key: str, _: random.Random) -> None:
        # The last value that was made up is the one that is stored.
        write_values: dict[str, str] = {}

        def change(_value: Any) -> str:
            write_values[key] = self.value()
            self.writes[-1].values = {key: f'"{write_values[key]}"'.encode()}
            return write_values[key]

        self.call("modify", lambda: self.items.modify(key, change, default="none"))

    def transaction(self, key: str, dice: random.Random) -> None:
        other, value = dice.choice(KEYS), self.value()
        values = {key: value}

        def do() -> None:
            with self.items.transaction() as txn:
                txn.get(other)
                txn[key] = value

        self.call("transaction", do, values)

    def claim(self, key: str, _: random.Random) -> None:
        def do() -> None:
            with self.items.transaction() as txn:
                self._taken(txn.pop(key))

        self.call("claim", do, deletes={key})

    def atomically(self, key: str, dice: random.Random) -> None:
        other = dice.choice(KEYS)

        def move(txn: Any) -> None:
            value = self.value()
            self.writes[-1].values = {key: f'"{value}"'.encode()}
            self.writes[-1].deletes = {other} - {key} if other in txn else set()
            txn.pop(other, None)
            txn[key] = value

        self.call("atomically", lambda: self.items.atomically(move))

    def common(self, key: str, dice: random.Random) -> None:
        """What others write as well, where the key is as it was."""
        how = dice.choice(["add", "put", "ephemeral", "cas", "modify", "transaction"])

        def do() -> None:
            self.writes[-1].common = key
            if how == "add":
                self.items.add(key, COMMON)
            elif how == "put":
                self.items.put(key, COMMON, version=dice.choice([ABSENT, 0, 1, 2]))
            elif how == "ephemeral":
                self.items.put(key, COMMON, version=ABSENT, ephemeral=True)
            elif how == "cas":
                self.items.cas(self.items.entry(key), COMMON)
            elif how == "modify":
                self.items.modify(key, lambda _: COMMON, default="none")
            else:
                with self.items.transaction() as txn:
                    if txn.get(key) != COMMON:
                        txn[key] = COMMON
                    else:
                        self.writes[-1].common = None

        self.call(f"common {how}", do)

    def hold(self, key: str, _: random.Random) -> None:
        """A lease."""
        value = self.value()

        def do() -> None:
            self.lease = self.items.lease(key, value)
            self.writes[-1].repeats = True  # it may have to be made again already

        self.call("lease", do, {key: value})

    def release(self, key: str, dice: random.Random) -> None:
        """Of the lease it has; else of a new one."""
        if self.lease is None:
            self.hold(key, dice)
        lease, self.lease = self.lease, None
        if lease is not None:
            self.released.append(lease)
            self.call("release", lease.release)
