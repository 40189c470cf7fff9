"""A znode without its history: what another server needs in order to make an equal one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.acl import OPEN
from zkfake._database.log import CONTAINER
from zkfake._database.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._database.tree import Tree
    from zkfake._protocol.records import Acls

__all__ = ["EMPTY", "SYSTEM", "PlainZnode", "is_system", "of_tree"]

SYSTEM = "/zookeeper"
"""What is there, and below, belongs to the servers."""


class PlainZnode(NamedTuple):
    """Data, ACL and kind. ``reap``: `zkfake._database.log.CONTAINER`, a time to live in
    milliseconds, or 0.
    """

    data: bytes | None
    acl: Acls = OPEN
    ephemeral: bool = False
    reap: int = 0

    @property
    def container(self) -> bool:
        return self.reap == CONTAINER


EMPTY = PlainZnode(b"")
"""What a parent is that is made because it is missing."""


def is_system(path: str) -> bool:
    """Whether a znode is ``/zookeeper`` or below it."""
    return path == SYSTEM or path.startswith(SYSTEM + "/")


def of_tree(tree: Tree, path: str = ROOT) -> Iterator[tuple[str, PlainZnode]]:
    """The znode ``path`` as ``/`` and all below it, sorted by path, so parents come first.
    ``/zookeeper`` is left out, and so is a top that is `EMPTY`. Raises `KeyError` where there is no
    such znode. Cost: O(n log n).
    """
    prefix = "" if path == ROOT else path
    top = _plain(tree, path)
    if top != EMPTY:
        yield ROOT, top
    for each in sorted(tree.below(path)):
        if prefix or not is_system(each):
            yield each[len(prefix) :], _plain(tree, each)


def _plain(tree: Tree, path: str) -> PlainZnode:
    node = tree.nodes[path]
    return PlainZnode(node.data, node.acl, bool(node.owner), node.reap)
