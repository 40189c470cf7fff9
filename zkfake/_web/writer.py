"""Writes of whoever controls the fake, each as one transaction.

Rules that live here:

- A write is a request of no session, which no ACL stops. The leader decides on it by the same rules
  as on any other.
- It is over once it is committed and, with a data directory, written.
- What changes several znodes is one transaction: all of it is done, or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._auth.providers import SUPER
from zkfake._database.acl import OPEN
from zkfake._database.log import CONTAINER, Create
from zkfake._database.paths import ancestors, split
from zkfake._history.shown import error_name
from zkfake._protocol.records import (
    ANY_VERSION,
    Code,
    CreateRequest,
    MultiRequest,
    Op,
    Request,
    SetDataRequest,
    SubRequest,
    VersionedPath,
)
from zkfake._web.errors import Refused
from zkfake._web.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree, TreeChange, Znode
    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._protocol.records import Acl
    from zkfake._web.waiting import Ended

__all__ = ["TreeWriter"]

_PATIENCE = 10
"""Seconds until a write is told to be on its way still."""

_ERRORS = {
    Code.NO_NODE: (404, "There is no znode {path}"),
    Code.NODE_EXISTS: (409, "There is a znode {path} already"),
    Code.BAD_VERSION: (409, "{path} has another version than that"),
    Code.NOT_EMPTY: (
        409,
        "{path} has children; znodes=N deletes them, too",
    ),
    Code.NO_CHILDREN_FOR_EPHEMERALS: (409, "The parent of {path} is ephemeral: it has no children"),
    Code.INVALID_ACL: (409, "The ACL has an entry that no scheme of these servers takes"),
    Code.BAD_ARGUMENTS: (409, "ZooKeeper does not let anybody do this to {path}"),
    Code.QUOTA_EXCEEDED: (409, "A quota forbids it"),
    Code.UNIMPLEMENTED: (
        409,
        "It needs a setting: extendedTypesEnabled, for a time to live",
    ),
}


class TreeWriter:
    """Writes to one ensemble."""

    def __init__(
        self, ensemble: Ensemble, acting: Callable[[], AbstractContextManager[object]], ended: Ended
    ) -> None:
        """``acting``: excludes the driver, as `zkfake._control.control.EnsembleControl` has it."""
        self._ensemble = ensemble
        self._acting = acting
        self._ended = ended

    async def create(
        self,
        path: str,
        data: bytes | None,
        acl: list[Acl],
        *,
        sequential: bool,
        container: bool,
        ttl: int | None,
        parents: bool,
    ) -> tuple[int, str]:
        """The zxid, and the path with its number if it is sequential. Raises `Refused`.

        ``parents``: those that are missing are made, too, empty and open.
        """
        self._check_size(path, data)
        own = _creating(path, data, acl, CONTAINER if container else ttl or 0, sequential)

        def decide(tree: Tree) -> list[SubRequest]:
            missing = [each for each in ancestors(path)[1:] if tree.get(each) is None]
            if missing and not parents:
                raise Refused(404, f'There is no znode {missing[0]} for it; give "parents": true')
            made = [_creating(each, b"", list(OPEN), 0) for each in reversed(missing)]
            return [*made, own]

        done = await self._write(path, decide)
        last = done.operations[-1]
        assert isinstance(last, Create)
        return done.zxid, last.path

    async def set(self, path: str, data: bytes | None, version: int | None) -> tuple[int, int]:
        """The zxid, and the new version. Raises `Refused`."""
        self._check_size(path, data)
        record = SetDataRequest(path, data, ANY_VERSION if version is None else version)
        done = await self._write(path, lambda _tree: [SubRequest(Op.SET_DATA, record)])
        return done.zxid, done.operations[-1].version  # type: ignore[union-attr]

    async def delete(self, path: str, version: int | None) -> int:
        """Deletes one znode: the zxid. Raises `Refused`."""
        record = VersionedPath(path, ANY_VERSION if version is None else version)
        return (await self._write(path, lambda _tree: [SubRequest(Op.DELETE, record)])).zxid

    async def delete_all(self, path: str, version: int | None, znodes: int) -> int:
        """Deletes a znode and all below it, if they are as many as that: the zxid. ``version``: of
        the first. Raises `Refused`.
        """

        def decide(tree: Tree) -> list[SubRequest]:
            if tree.get(path) is None:
                raise Refused(404, f"There is no znode {path}")
            gone = [path, *tree.below(path)]
            if len(gone) != znodes:
                raise Refused(
                    409,
                    f"{path} and what is below it are {len(gone)} znodes, not {znodes}: count "
                    "them again",
                )
            last = VersionedPath(path, ANY_VERSION if version is None else version)
            below = [VersionedPath(each, ANY_VERSION) for each in sorted(gone[1:], reverse=True)]
            return [SubRequest(Op.DELETE, each) for each in (*below, last)]

        return (await self._write(path, decide)).zxid

    async def copy(self, source: str, target: str) -> tuple[int, int, int]:
        """Makes a copy of a znode and all below it, but for ephemerals: the zxid, how many znodes
        were made, and how many ephemerals there are. Raises `Refused`.
        """
        if target == source or target.startswith(source.rstrip("/") + "/"):
            raise Refused(409, f"{target} is {source}, or below it")
        skipped = 0

        def decide(tree: Tree) -> list[SubRequest]:
            nonlocal skipped
            if tree.get(source) is None:
                raise Refused(404, f"There is no znode {source}")
            above, _ = split(target)
            if tree.get(above) is None:
                raise Refused(404, f"There is no znode {above}")
            made = []
            for each in sorted([source, *tree.below(source)]):
                node = tree.nodes[each]
                if node.owner:
                    skipped += 1
                else:
                    made.append(_copying(target + each[len(source) :], node))
            if not made:
                raise Refused(409, f"{source} is ephemeral, and cannot be copied")
            return made

        done = await self._write(target, decide)
        return done.zxid, len(done.operations), skipped

    def _check_size(self, path: str, data: bytes | None) -> None:
        longest = self._ensemble.settings.jute_max_buffer
        if data is not None and len(data) > longest:
            raise Refused(
                409,
                f"The data of {path} has {len(data)} bytes; no client can read more than "
                f"{longest} (jute.maxbuffer)",
            )

    async def _write(self, path: str, decide: Callable[[Tree], list[SubRequest]]) -> Transaction:
        """One transaction of what ``decide`` says. ``path``: what it is about."""
        done: list[Transaction] = []

        def complete(transaction: Transaction, _changes: Sequence[TreeChange]) -> None:
            done.append(transaction)

        with self._acting():
            ensemble = self._ensemble
            if ensemble.leader is None:
                raise Refused(409, "No server leads at present")
            parts = decide(ensemble.tip)
            op, record = parts[0] if len(parts) == 1 else (Op.MULTI, MultiRequest(tuple(parts)))
            ensemble.submit(Request(0, 0, op, record, (SUPER,)), complete)
        if not await until(lambda: bool(done), _PATIENCE, self._ended):
            raise Refused(409, "No quorum has committed it so far; it may yet be done")
        with self._acting():
            pass  # whoever keeps what is committed has written it
        return _checked(done[0], path, parts)


def _checked(done: Transaction, path: str, parts: Sequence[SubRequest]) -> Transaction:
    if not done.error:
        return done
    if len(parts) > 1:
        path = parts[max(0, done.failed_at - 1)].record.path
    status, sentence = _ERRORS.get(done.error, (409, f"ZooKeeper answers {error_name(done.error)}"))
    raise Refused(status, sentence.format(path=path))


def _creating(
    path: str, data: bytes | None, acl: list[Acl], reap: int, sequential: bool = False
) -> SubRequest:
    if reap == CONTAINER:
        return SubRequest(Op.CREATE_CONTAINER, CreateRequest(path, data, acl, 4))
    if reap:
        return SubRequest(
            Op.CREATE_TTL, CreateRequest(path, data, acl, 6 if sequential else 5, reap)
        )
    return SubRequest(Op.CREATE, CreateRequest(path, data, acl, 2 if sequential else 0))


def _copying(path: str, node: Znode) -> SubRequest:
    return _creating(path, node.data, list(node.acl), node.reap)
