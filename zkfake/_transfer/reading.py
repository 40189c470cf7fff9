"""Reading a tree from a ZooKeeper.

The rules that live here:

- Many requests are on their way, and a bounded number. A request that is lost is sent again.
- The tree is not of one moment: what is deleted meanwhile is left out, what is created may be.
- What may not be read is counted, with its path; it is up to the caller what that means.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.exceptions import NoAuthError, NoNodeError

from zkfake._protocol.records import Acl
from zkfake._transfer.connection import LOST
from zkfake._trees.plain import EMPTY, PlainZnode, is_system

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from zkfake._protocol.records import Acls
    from zkfake._transfer.connection import PatientClient

__all__ = ["ReadTree", "is_masked", "joined", "read", "read_one"]

WINDOW = 200
"""The most znodes that are asked for at a time."""


class ReadTree(NamedTuple):
    """``znodes``: by path below the top, which is ``/`` and always there. ``unreadable``: paths.
    ``masked``: paths whose ACLs have hashes that only an administrator may see.
    """

    znodes: dict[str, PlainZnode]
    unreadable: list[str]
    masked: list[str]


class _ZnodeRequests(NamedTuple):
    """Requests that are on their way. ``znode``: what is known once only the names of the children
    are missing.
    """

    path: str
    data: Any = None
    acl: Any = None
    children: Any = None
    znode: PlainZnode | None = None


def joined(top: str, path: str) -> str:
    """The path on the servers of ``path`` below ``top``."""
    if path == "/":
        return top
    return path if top == "/" else top + path


def read(
    connection: PatientClient,
    top: str,
    *,
    acls: bool = True,
    within: Container[str] | None = None,
    progress: Callable[[int, int], object] = lambda _done, _known: None,
) -> ReadTree | None:
    """The znode ``top`` and all below it; ``None`` where there is no such znode. ``/zookeeper`` is
    left out.

    ``acls``: whether ACLs are read, too; without them all are open. ``within``: the only paths
    below ``top`` that are wanted. ``progress``: is called with how many were read, and how many are
    known of. Raises `TransferError`.
    """
    client = connection.client
    waiting, asked = deque(["/"]), deque[_ZnodeRequests]()
    found = ReadTree({}, [], [])
    while waiting or asked:
        while waiting and len(asked) < WINDOW:
            path = waiting.popleft()
            where = joined(top, path)
            asked.append(
                _ZnodeRequests(
                    path, client.get_async(where), client.get_acls_async(where) if acls else None
                )
            )
        answer = asked.popleft()
        path, names = answer.path, []
        try:
            if answer.znode is None:
                znode, children = _znode(connection, answer)
                if children:  # most have none, and are not asked for their names
                    where = joined(top, path)
                    asked.append(
                        _ZnodeRequests(path, children=client.get_children_async(where), znode=znode)
                    )
                    continue
            else:
                znode, names = answer.znode, connection.result(answer.children)
        except LOST:
            waiting.appendleft(path)
            connection.settle()
        except NoNodeError:
            if path == "/":
                return None
        except NoAuthError:
            found.unreadable.append(path)
        else:
            found.znodes[path] = znode
            if acls and is_masked(znode.acl):
                found.masked.append(path)
            for name in sorted(names):
                below = f"/{name}" if path == "/" else f"{path}/{name}"
                if (top != "/" or not is_system(below)) and (within is None or below in within):
                    waiting.append(below)
        progress(len(found.znodes), len(found.znodes) + len(waiting) + len(asked))
    return found


def _znode(connection: PatientClient, answer: _ZnodeRequests) -> tuple[PlainZnode, int]:
    """The znode, and how many children it has."""
    data, stat = connection.result(answer.data)
    acl = None if answer.acl is None else connection.result(answer.acl)
    entries = EMPTY.acl if acl is None else _acls(tuple(acl[0]))
    return PlainZnode(data, entries, bool(stat.ephemeralOwner)), stat.numChildren


def read_one(connection: PatientClient, path: str, *, acls: bool = True) -> PlainZnode:
    """A znode. Raises what kazoo raises, and `TransferError`."""
    client = connection.client
    data, stat = connection.result(client.get_async(path))
    acl = connection.result(client.get_acls_async(path))[0] if acls else None
    entries = EMPTY.acl if acl is None else _acls(tuple(acl))
    return PlainZnode(data, entries, bool(stat.ephemeralOwner))


@lru_cache(maxsize=1000)
def _acls(entries: tuple[Any, ...]) -> Acls:
    return tuple(Acl(entry.perms, entry.id.scheme, entry.id.id) for entry in entries)


@lru_cache(maxsize=1000)
def is_masked(acl: Acls) -> bool:
    """Whether it is as a server shows it to a client without ADMIN."""
    return any(each.scheme == "digest" and (each.id or "").endswith(":x") for each in acl)
