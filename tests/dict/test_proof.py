"""What is found of a write whose answer was lost: every short history, and what it proves.

The rules that live here:

- A judge sees a znode, the root's pzxid, and the floor. It cannot tell the histories that end in
  the same sight from each other. Where they all agree whether the write was applied, the judge has
  to say so; where they do not, it may not.
- Of zxids only the order counts. That there is none between two of them proves something, too, and
  is left aside: a new leader leaves a gap.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pytest

from zkdict._copy.items import ReadZnode
from zkdict._writes import proof
from zkdict._writes.proof import Sighting, WriteJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLOOR = 10
SESSION, OTHER_SESSION = 1, 2
MINE, OTHERS = b"mine", b"another's"


class Key(NamedTuple):
    czxid: int
    mzxid: int
    version: int
    raw: bytes
    owner: int = 0


class World(NamedTuple):
    """The key, when a child of the root came or went last, and the newest zxid."""

    key: Key | None
    pzxid: int
    zxid: int

    def create(self, raw: bytes, owner: int = 0) -> World:
        if self.key is not None:
            return self
        zxid = self.zxid + 1
        return World(Key(zxid, zxid, 0, raw, owner), zxid, zxid)

    def set(self, raw: bytes, version: int | None = None) -> World:
        key = self.key
        if key is None or version not in (None, key.version):
            return self
        zxid = self.zxid + 1
        return self._replace(
            key=key._replace(mzxid=zxid, version=key.version + 1, raw=raw), zxid=zxid
        )

    def delete(self, version: int | None = None) -> World:
        if self.key is None or version not in (None, self.key.version):
            return self
        return World(None, self.zxid + 1, self.zxid + 1)

    def elsewhere(self) -> World:
        return self._replace(zxid=self.zxid + 1)

    def sibling(self) -> World:
        return self._replace(pzxid=self.zxid + 1, zxid=self.zxid + 1)

    def seen(self) -> Sighting:
        key = self.key
        zxids = {FLOOR, self.pzxid, *((key.czxid, key.mzxid) if key else ())}
        ranks = {zxid: rank for rank, zxid in enumerate(sorted(zxids))}
        place = {zxid: FLOOR + rank - ranks[FLOOR] for zxid, rank in ranks.items()}
        found = key and ReadZnode(
            key.raw, key.version, place[key.czxid], place[key.mzxid], 0, 0, key.owner
        )
        return Sighting(found, place[self.pzxid])


BEGINNINGS = [
    World(None, FLOOR, FLOOR),
    World(None, FLOOR - 1, FLOOR),
    *(
        World(Key(czxid, mzxid, version, raw, owner), pzxid, FLOOR)
        for czxid, mzxid, pzxid in itertools.combinations_with_replacement((FLOOR - 1, FLOOR), 3)
        for czxid, mzxid, pzxid in [(czxid, mzxid, pzxid), (czxid, pzxid, mzxid)]
        for version in ([0] if czxid == mzxid else [1, 2])
        if pzxid >= czxid
        for raw in (MINE, OTHERS)
        for owner in (0, SESSION)
    ),
]
OTHERS_STEPS: dict[str, Callable[[World], World]] = {
    "elsewhere": World.elsewhere,
    "sibling": World.sibling,
    "set other": lambda world: world.set(OTHERS),
    "create other": lambda world: world.create(OTHERS),
    "delete": World.delete,
    "set same": lambda world: world.set(MINE),
    "create same": lambda world: world.create(MINE),
    "ephemeral": lambda world: world.create(MINE, OTHER_SESSION),
}
RIVAL = {"rival": lambda world: world.create(MINE, SESSION)}


class Claim:
    """The only call of its session that can have made the key, or not."""

    def __init__(self, alone: bool) -> None:
        self.session = SESSION
        self.alone = lambda: alone


class Write(NamedTuple):
    """What the client asks for, and who judges what became of it."""

    apply: Callable[[World], World]
    judge: WriteJudge
    rivals: bool = False


WRITES = {
    **{
        f"set version {version}": Write(
            lambda world, version=version: world.set(MINE, version),
            proof.updated(MINE, version, FLOOR),
        )
        for version in (0, 1, 2)
    },
    "set": Write(lambda world: world.set(MINE), proof.written(MINE, FLOOR)),
    "create": Write(lambda world: world.create(MINE), proof.created(MINE, FLOOR)),
    "make": Write(
        lambda world: world.create(MINE, SESSION),
        proof.made(FLOOR, Claim(alone=True)),  # type: ignore[arg-type]
    ),
    "make among rivals": Write(
        lambda world: world.create(MINE, SESSION),
        proof.made(FLOOR, Claim(alone=False)),  # type: ignore[arg-type]
        rivals=True,
    ),
    "delete": Write(World.delete, proof.deleted(FLOOR)),
    "delete version 1": Write(lambda world: world.delete(1), proof.deleted(FLOOR)),
}


def histories(write: Write, length: int, unique: bool) -> Iterator[tuple[int, Sighting, bool]]:
    """Up to so many steps of others, what is seen after them, and whether the write was applied."""
    steps = {**OTHERS_STEPS, **(RIVAL if write.rivals else {})}
    if unique:
        steps = {name: step for name, step in steps.items() if "same" not in name}
        del steps["ephemeral"]
    for begin in BEGINNINGS:
        if unique and begin.key is not None and begin.key.raw == MINE:
            continue
        for number in range(length + 1):
            for others in itertools.product(steps.values(), repeat=number):
                for place in (*range(number + 1), None):
                    world, applied = begin, False
                    for index, step in enumerate(others):
                        if index == place:
                            after = write.apply(world)
                            world, applied = after, after is not world
                        world = step(world)
                    if place == number:
                        after = write.apply(world)
                        world, applied = after, after is not world
                    yield number, world.seen(), applied


@pytest.mark.parametrize("unique", [False, True], ids=["anybody's bytes", "unique bytes"])
@pytest.mark.parametrize("name", WRITES)
def test_a_verdict_is_what_every_history_agrees_on(name: str, unique: bool) -> None:
    write = WRITES[name]
    truths: defaultdict[Sighting, set[bool]] = defaultdict(set)
    shortest: dict[Sighting, int] = {}
    for length, seen, applied in histories(write, 3, unique):
        truths[seen].add(applied)
        shortest[seen] = min(length, shortest.get(seen, length))
    verdicts = set()
    for seen, truth in truths.items():
        verdict = write.judge(seen, unique=unique)
        verdicts.add(verdict)
        if len(truth) > 1:
            assert verdict is None, f"{seen}: it can be either"
        elif verdict is None:
            # What one long history alone leads to, a longer one would make ambiguous.
            assert shortest[seen] > 1, f"{seen}: it is {truth}"
        else:
            assert {verdict} == truth, f"{seen}: it is {truth}"
    assert False in verdicts
    assert None in verdicts
    assert (True in verdicts) == (name == "make" or (unique and name in CAN_BE_PROVEN))


CAN_BE_PROVEN = ("set", "set version 0", "set version 1", "set version 2", "create")


@pytest.mark.parametrize("unique", [False, True])
def test_what_only_has_to_be_there(unique: bool) -> None:
    """`stored` says that the bytes are there and were stored since, whoever did it."""
    judge = proof.stored(MINE, FLOOR)
    for name in ("set", "set version 0"):
        for _, seen, applied in histories(WRITES[name], 2, unique=False):
            verdict = judge(seen, unique=unique)
            found = seen.found
            if verdict:
                assert found is not None
                assert found.raw == MINE
                assert found.mzxid > FLOOR
            elif verdict is False:
                assert not applied
