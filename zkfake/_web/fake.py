"""The fake as the endpoint's routes see it.

Rules that live here:

- This is the only module of the endpoint that knows the inside of a `FakeZooKeeper`.
- Reading needs no session and sets no watch. It takes references under the fake's lock; what takes
  long, sorting and searching, is done without the lock.
- What was in the past is put together in a thread of its own, one state at a time. Meanwhile the
  endpoint's thread answers others.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import split
from zkfake._trees.plain import of_tree
from zkfake._web.begun import BegunFaults
from zkfake._web.errors import Refused
from zkfake._web.live import LiveEvents
from zkfake._web.snapshots import Snapshots
from zkfake._web.writer import TreeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree, Znode
    from zkfake._realtime.server import FakeZooKeeper
    from zkfake._trees.plain import PlainZnode
    from zkfake._web.live import NumberedEvent
    from zkfake._web.waiting import Ended

__all__ = ["ControlledFake", "FoundZnode", "TreePage"]


class FoundZnode(NamedTuple):
    """A znode with the number of its children."""

    path: str
    node: Znode
    children: int


class TreePage(NamedTuple):
    """A znode and some of its children, at one zxid."""

    zxid: int
    znode: FoundZnode
    below: list[FoundZnode]
    last: str
    """The path of the last one that was looked at, whether or not it is there by now."""
    more: bool
    """Whether there are others after it."""


class Count(NamedTuple):
    """What there is at a path and below it."""

    zxid: int
    znodes: int
    data_length: int
    ephemerals: int


class RecentLog(NamedTuple):
    """Transactions. ``first``: the zxid of the oldest state that can be shown."""

    first: int
    last: int
    transactions: list[Transaction]


_MOST_TRANSACTIONS = 10_000

_MOST_TREES = 3


class ControlledFake:
    """One `FakeZooKeeper`."""

    def __init__(self, server: FakeZooKeeper, ended: Ended) -> None:
        """``ended``: set when the endpoint ends."""
        self.server = server
        self.ended = ended
        self.live = LiveEvents()
        self.streams = 0
        """How many read the events as they come."""
        self._trees: dict[int, Tree] = {}
        """Some of the past, by zxid; the one that was asked for last at the end."""
        self._recalling = asyncio.Lock()
        self.faults = BegunFaults(lambda: server.faults)
        # The endpoint is a part of the fake; it has a package of its own because few want it.
        self._ensemble = server._ensemble  # noqa: SLF001
        self._looking = server._looking  # noqa: SLF001
        keeping = server._keeping  # noqa: SLF001
        self.snapshots = Snapshots(server, None if keeping is None else keeping.directory)
        self.writer = TreeWriter(self._ensemble, server._acting, ended)  # noqa: SLF001

    @property
    def version(self) -> str:
        """The version of ZooKeeper that it is."""
        return self._ensemble.settings.version.name

    @property
    def first_zxid(self) -> int:
        """The oldest zxid at which the tree can be shown."""
        return self.log().first

    def begin(self) -> None:
        """Keeps what happens from now on. Cost: a reference per znode."""
        with self._looking():
            self._ensemble.keep_recent(_MOST_TRANSACTIONS)
        self.server._hear(self.live.add)  # noqa: SLF001

    def end(self) -> None:
        """Takes `begin` back. Transactions are kept all the same."""
        self.server._hear_no_more(self.live.add)  # noqa: SLF001

    # -- what happened

    def events(self, after: int, limit: int) -> list[NumberedEvent]:
        """The first events after that number."""
        with self._looking():
            found = self.live.after(after, limit)
        return [self.live.told(*each) for each in found]

    def log(self) -> RecentLog:
        """The transactions that are kept. Cost: a reference for each."""
        with self._looking():
            log = self._ensemble.log
            return RecentLog(log.first_zxid or 0, log.last_zxid, list(log))

    # -- the tree

    @contextmanager
    def _tree(self, at: int | None) -> Iterator[tuple[int, Tree]]:
        """The tree at a zxid that was `recalled`, or the present one, which does not change during
        the block, and its zxid.
        """
        if at is not None:
            yield at, self._trees[at]
            return
        with self._looking():
            yield self._ensemble.log.last_zxid, self._ensemble.tip

    async def recalled(self, at: int | None) -> int | None:
        """Has the tree of that zxid ready for what is asked next, without another ``await``: that
        zxid. Cost: linear in the tree and in what has been committed, unless it was asked for
        lately. Raises `Refused`.
        """
        if at is not None:
            async with self._recalling:
                kept = self._trees.pop(at, None)
                self._trees[at] = kept if kept else await asyncio.to_thread(self._past, at)
                while len(self._trees) > _MOST_TREES:
                    del self._trees[next(iter(self._trees))]
        return at

    def _past(self, at: int) -> Tree:
        """The tree as it was. Raises `Refused`."""
        with self._looking():
            log = self._ensemble.log
            if at > log.last_zxid:
                raise Refused(404, f"There is no zxid {at} so far; the last is {log.last_zxid}")
            first = log.first_zxid or 0
            if at < first:
                raise Refused(409, f"What was at zxid {at} is not kept; the oldest is {first}")
            tree, between = log.towards(at)
        for transaction in between:
            tree.apply(transaction)
        return tree

    def look(self, path: str, at: int | None, after: str, limit: int) -> TreePage:
        """A znode, and ``limit`` of its children in the order of their names. Cost: linear in the
        children. Raises `Refused`.
        """
        with self._tree(at) as (zxid, tree):
            znode = _found(tree, path)
            names = tree.unordered_child_names(path)
        first = nsmallest(limit + 1, (name for name in names if name > after))
        above = path.rstrip("/")
        with self._tree(at) as (_, tree):  # some may be gone by now
            paths = [f"{above}/{name}" for name in first[:limit]]
            below = list(_there(tree, paths))
        return TreePage(zxid, znode, below, paths[-1] if paths else "", 0 < limit < len(first))

    def count(self, path: str, at: int | None) -> Count:
        """What there is at ``path`` and below it. Cost: linear in the whole tree. Raises
        `Refused`.
        """
        zxid, nodes = self._nodes(at)
        if path not in nodes:
            raise missing(path)
        below = path.rstrip("/") + "/"
        counted = [node for each, node in nodes.items() if each == path or each.startswith(below)]
        size = sum(len(node.data or b"") for node in counted)
        return Count(zxid, len(counted), size, sum(1 for node in counted if node.owner))

    def search(
        self,
        matches: Callable[[str, Znode], bool],
        below: str,
        at: int | None,
        after: str,
        limit: int,
    ) -> TreePage:
        """The znode ``below``, and ``limit`` of the znodes below it that match, in the order of
        their paths. Cost: linear in the whole tree. Raises `Refused`.
        """
        zxid, nodes = self._nodes(at)
        if below not in nodes:
            raise missing(below)
        start = below.rstrip("/") + "/"
        found = nsmallest(
            limit + 1,
            (
                path
                for path, node in nodes.items()
                if path > after and path.startswith(start) and path != "/" and matches(path, node)
            ),
        )
        with self._tree(at) as (_, tree):
            page = found[:limit]
            last = page[-1] if page else ""
            return TreePage(
                zxid, _found(tree, below), list(_there(tree, page)), last, 0 < limit < len(found)
            )

    def export(self, path: str, at: int | None) -> list[tuple[str, PlainZnode]]:
        """The znode and all below it, for a tree file. Cost: O(n log n). Raises `Refused`."""
        with self._tree(at) as (_, tree):
            _found(tree, path)
            return list(of_tree(tree, path))

    def _nodes(self, at: int | None) -> tuple[int, dict[str, Znode]]:
        with self._tree(at) as (zxid, tree):
            return zxid, tree.nodes.copy()


def missing(path: str) -> Refused:
    """What is said of a znode that is not there."""
    return Refused(404, f"There is no znode {path}")


def _found(tree: Tree, path: str) -> FoundZnode:
    node = tree.get(path)
    if node is None:
        raise missing(path)
    return FoundZnode(path, node, tree.child_count(path))


def _there(tree: Tree, paths: Iterable[str]) -> Iterator[FoundZnode]:
    for path in paths:
        node = tree.get(path)
        if node is not None:
            yield FoundZnode(path, node, tree.child_count(path))


def name_of(path: str) -> str:
    """The last part of a path."""
    return split(path)[1]
