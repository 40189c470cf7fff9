"""Java's hash set, against a slow and literal one, and against orders that servers gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zkfake._database.hashset import JavaHashSet, JavaPairs, spread_hash, string_hash

if TYPE_CHECKING:
    from kazoo.client import KazooClient


class LiteralHashSet:
    """``java.util.HashSet`` with all its machinery: a table of chains that grows.

    Chains become red-black trees from nine entries on in a table of 64 or more, which this does
    not follow; in a smaller one the table grows instead, which it does.
    """

    def __init__(self, capacity: int = 16) -> None:
        self.table: list[list[str]] = [[] for _ in range(capacity)]
        self.size = 0
        self.has_trees = False

    @staticmethod
    def hash(text: str) -> int:
        value = 0
        encoded = text.encode("utf-16-be", "surrogatepass")
        for at in range(0, len(encoded), 2):
            value = (31 * value + (encoded[at] * 256 + encoded[at + 1])) % 2**32
        return value ^ (value // 2**16)

    def chain(self, item: str) -> list[str]:
        return self.table[self.hash(item) % len(self.table)]

    def add(self, item: str) -> None:
        chain = self.chain(item)
        if item in chain:
            return
        chain.append(item)
        if len(chain) > 8:
            if len(self.table) < 64:
                self.grow()
            else:
                self.has_trees = True
        self.size += 1
        if self.size > 0.75 * len(self.table):
            self.grow()

    def remove(self, item: str) -> None:
        if item in self.chain(item):
            self.chain(item).remove(item)
            self.size -= 1

    def grow(self) -> None:
        old, self.table = self.table, [[] for _ in range(2 * len(self.table))]
        for chain in old:
            for item in chain:
                self.chain(item).append(item)

    def clone(self) -> LiteralHashSet:
        capacity = 1
        while capacity < int(self.size / 0.75 + 1):
            capacity *= 2
        new = LiteralHashSet(capacity)
        for item in self.items():
            new.add(item)
        return new

    def items(self) -> list[str]:
        return [item for chain in self.table for item in chain]


# Doubled digits differ by 32 * n in their hashes: they meet in one chain of small tables.
COLLIDING = [f"{n}{n}" for n in range(10)] + [f"x{n}{n}" for n in range(10)]
NAMES = st.one_of(
    st.sampled_from(COLLIDING),
    st.text(st.characters(codec=None), max_size=4),
    st.integers(0, 99).map(lambda number: f"lock-{number:010}"),
)
STEPS = st.lists(st.tuples(st.booleans() | st.just(True), NAMES), max_size=120)


@given(STEPS, st.sampled_from([8, 16]))
@example([(True, name) for name in COLLIDING], 16)
@example([(True, name) for name in COLLIDING], 8)
def test_same_order_as_the_literal_one(steps: list[tuple[bool, str]], capacity: int) -> None:
    ours, theirs = JavaHashSet(capacity=capacity), LiteralHashSet(capacity)
    for adds, name in steps:
        if adds:
            ours.add(name)
            theirs.add(name)
        else:
            ours.discard(name)
            theirs.remove(name)
        assert len(ours) == theirs.size
        assert (name in ours) == adds
    if not theirs.has_trees:
        assert list(ours) == theirs.items()
        assert list(ours.clone()) == theirs.clone().items()
        assert list(ours.copy()) == theirs.items()


@given(STEPS, STEPS)
def test_a_copy_goes_its_own_way(
    first: list[tuple[bool, str]], then: list[tuple[bool, str]]
) -> None:
    ours = JavaHashSet()
    for adds, name in first:
        (ours.add if adds else ours.discard)(name)
    before, copied = list(ours), ours.copy()
    for adds, name in then:
        (copied.add if adds else copied.discard)(name)
    assert list(ours) == before


@given(STEPS)
def test_what_was_made_of_a_set_is_forgotten_when_it_changes(steps: list[tuple[bool, str]]) -> None:
    ours = JavaHashSet()
    for adds, name in steps:
        changes = (name in ours) != adds
        ours.packed = b"made of it"
        kept = ours.copy()
        (ours.add if adds else ours.discard)(name)
        assert not (changes and ours.packed)
        assert kept.packed == b"made of it"


@pytest.mark.parametrize(
    ("text", "hashed"),
    # "".hashCode() == 0 and "hello".hashCode() == 99162322 are in Java's own documentation and
    # folklore; the upper half is folded in by hand.
    [("", 0), ("a", 97), ("hello", 99162322 ^ (99162322 >> 16)), ("Aa", 2112), ("BB", 2112)],
)
def test_hashes(text: str, hashed: int) -> None:
    assert spread_hash(text) == hashed


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=120))
def test_pairs_are_in_the_order_of_a_concurrent_hash_map(pairs: list[tuple[str, str]]) -> None:
    found = JavaPairs(pairs[:3])
    for pair in pairs[3:]:
        new = pair not in found.as_tuple()
        assert found.add(pair) == new
    distinct = list(dict.fromkeys(pairs))
    size = 16
    while 4 * len(distinct) >= 3 * size:
        size *= 2
    buckets: list[list[tuple[str, str]]] = [[] for _ in range(size)]
    for scheme, name in distinct:
        hashed = (37 * (37 * 17 + string_hash(scheme)) + string_hash(name)) % 2**32
        buckets[(hashed ^ hashed >> 16) % size].append((scheme, name))
    assert found.as_tuple() == tuple(pair for bucket in buckets for pair in bucket)


def test_characters_beyond_the_basic_plane_count_as_two() -> None:
    high, low = 0xD83D, 0xDE00
    value = 31 * high + low
    assert spread_hash("\U0001f600") == value ^ (value >> 16)


NAMES_TO_LIST = {
    "letters": list("hgfedcba"),
    "numbered": [f"n{number}" for number in range(12)],
    "colliding": COLLIDING,
    "unicode": ["zebra", "apple", "\u00dcber", "\u00df", "\ufb01", "lock-0000000001", "a b"],
    "sequential": [f"member_{number:010}" for number in range(60)],
}


@pytest.mark.parametrize("names", NAMES_TO_LIST.values(), ids=NAMES_TO_LIST)
@pytest.mark.parametrize("ephemeral", [False, True], ids=["persistent", "ephemeral"])
def test_a_server_lists_children_in_this_order(
    zk_client: KazooClient, names: list[str], ephemeral: bool
) -> None:
    expected = JavaHashSet(capacity=8)
    for name in names:
        zk_client.create(f"/{name}", ephemeral=ephemeral)
        expected.add(name)
    assert zk_client.get_children("/") == list(expected)
    for name in names[::3]:
        zk_client.delete(f"/{name}")
        expected.discard(name)
    assert zk_client.get_children("/") == list(expected)
