"""The iteration order of ``java.util.HashSet<String>``.

The server keeps child names and a session's ephemeral paths in hash sets, and their order is
visible: in every list of children, and in the order in which a closing session's ephemerals are
deleted. If the fake sorted them, tests that depend on an order would pass by accident, so the order
is reproduced: a table of ``capacity`` buckets, bucket ``spread(hash) & (capacity - 1)``, insertion
order within a bucket, doubled (keeping that order) when more than three quarters full, never
shrunk. A table of less than 64 buckets is also doubled when a ninth entry meets eight in one bucket
(``HashMap.treeifyBin``). A larger one then turns the bucket into a tree, whose order of equals is
the one thing not reproduced here.
"""

from array import array
from bisect import insort
from collections.abc import Iterable, Iterator
from sys import byteorder
from typing import Generic, TypeVar

_UTF16 = "utf-16-le" if byteorder == "little" else "utf-16-be"
_UNKNOWN = -1
"""In the place of a hash, which is unsigned."""


def spread_hash(text: str) -> int:
    """``String.hashCode`` with its upper half folded in, as ``HashMap.hash`` does. Cost: linear in
    the text.
    """
    value = string_hash(text)
    return value ^ (value >> 16)


def string_hash(text: str) -> int:
    """``String.hashCode``, unsigned."""
    value = 0
    units: Iterable[int]
    if text.isascii():
        units = text.encode("ascii")
    else:
        units = array("H", text.encode(_UTF16, "surrogatepass"))
    for unit in units:
        value = (31 * value + unit) & 0xFFFFFFFF
    return value


Pair = TypeVar("Pair", bound=tuple[str, str])


class JavaPairs(Generic[Pair]):
    """Pairs of strings in the order of a ``ConcurrentHashMap``'s keys: the identities of a
    connection are kept in one (as jute records, which hash field by field).

    Adding hashes the new pair alone; the rest of its cost is that of inserting into a list.
    """

    __slots__ = ("_capacity", "_known", "_ordered")

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._capacity = 16
        self._known: dict[Pair, int] = {}
        self._ordered: list[tuple[int, int, Pair]] = []
        """By bucket, and in insertion order within a bucket."""
        for pair in pairs:
            self.add(pair)

    def add(self, pair: Pair) -> bool:
        """Adds ``pair``. Returns whether it is new."""
        known = self._known
        if pair in known:
            return False
        value = 17
        for field in pair:
            value = (37 * value + string_hash(field)) & 0xFFFFFFFF
        known[pair] = value ^ (value >> 16)
        if len(known) >= 3 * self._capacity // 4:
            self._capacity *= 2
            self._ordered = sorted(
                (self._bucket(other), place, other) for place, other in enumerate(known)
            )
        else:
            insort(self._ordered, (self._bucket(pair), len(known) - 1, pair))
        return True

    def _bucket(self, pair: Pair) -> int:
        return self._known[pair] & (self._capacity - 1)

    def as_tuple(self) -> tuple[Pair, ...]:
        """The pairs in order. Cost: one reference per pair."""
        return tuple([pair for _bucket, _place, pair in self._ordered])


class JavaHashSet:
    """A set of strings that iterates as Java's does. Adding, removing and asking are O(1);
    iterating is O(n log n).
    """

    __slots__ = ("_capacity", "_complete", "_hashes", "packed")

    def __init__(self, items: Iterable[str] = (), capacity: int = 16) -> None:
        """``capacity``: buckets at first, a power of two."""
        self._hashes: dict[str, int] = {}
        self._complete = True
        """Whether every hash is known. A string is hashed when its place matters, which for most it
        never does.
        """
        self._capacity = capacity
        self.packed: bytes | None = None
        """The owner's encoding of all strings in their order, cached here. Every change of the set
        clears it.
        """
        for item in items:
            self.add(item)

    def add(self, item: str) -> None:
        hashes = self._hashes
        if item not in hashes:
            if self._capacity < 64 and len(hashes) >= 8:
                mask = self._capacity - 1
                value = spread_hash(item)
                bucket = value & mask
                if sum(other & mask == bucket for other in self._known().values()) >= 8:
                    self._capacity *= 2
                hashes[item] = value
            else:
                hashes[item] = _UNKNOWN
                self._complete = False
            self.packed = None
            if 4 * len(hashes) > 3 * self._capacity:
                self._capacity *= 2

    def _known(self) -> dict[str, int]:
        """The strings with their hashes."""
        hashes = self._hashes
        if not self._complete:
            for item, value in hashes.items():
                if value == _UNKNOWN:
                    hashes[item] = spread_hash(item)
            self._complete = True
        return hashes

    def discard(self, item: str) -> None:
        self._hashes.pop(item, None)
        self.packed = None

    def unordered(self) -> list[str]:
        """The strings, in no order that means anything. Cost: a reference per string."""
        return list(self._hashes)

    def copy(self) -> "JavaHashSet":
        """The same set, capacity and bucket order included."""
        new = JavaHashSet(capacity=self._capacity)
        new._hashes = self._known().copy()
        new.packed = self.packed
        return new

    def clone(self) -> "JavaHashSet":
        """What ``HashSet.clone()`` gives: filled in this set's order into a table sized for what it
        holds now.
        """
        size = int(len(self) / 0.75 + 1)
        return JavaHashSet(self, 1 << (size - 1).bit_length())

    def __contains__(self, item: object) -> bool:
        return item in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)

    def __iter__(self) -> Iterator[str]:
        mask = self._capacity - 1
        # Takes half the time of a key function written in Python.
        buckets = {item: value & mask for item, value in self._known().items()}
        return iter(sorted(buckets, key=buckets.__getitem__))
