"""Making a tree in a ZooKeeper what another tree says.

The rules that live here: what exists there and differs is left alone, and then nothing is changed
at all, unless the caller says what is to become of it. Parents that nobody speaks of are made,
empty and open. So a load that was interrupted may simply be repeated.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException, NodeExistsError

from zkfake._database.paths import ROOT, ancestors
from zkfake._transfer.connection import LOST, TransferError, named
from zkfake._transfer.reading import is_masked, joined, read
from zkfake._transfer.writing import write
from zkfake._trees.differences import Step, StepKind, differences, implied, steps
from zkfake._trees.plain import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkfake._transfer.connection import PatientClient
    from zkfake._trees.plain import PlainZnode

__all__ = ["Conflicts", "ExistError", "listed", "load"]

_LISTED = 5
"""How many paths an error lists."""


class Conflicts(Enum):
    """What becomes of znodes that exist and differ: an error, before anything is changed; they get
    the data and ACL of the source; or these, and znodes that the source has not are deleted.
    """

    REFUSE = "refuse"
    MERGE = "merge"
    REPLACE = "replace"


class ExistError(TransferError):
    """Znodes exist already, and differ; nothing was changed."""


def load(
    connection: PatientClient,
    top: str,
    source: Mapping[str, PlainZnode],
    conflicts: Conflicts = Conflicts.REFUSE,
    *,
    acls: bool = True,
    reading: Callable[[int, int], object] = lambda _done, _known: None,
    writing: Callable[[int, int], object] = lambda _done, _all: None,
) -> int:
    """Makes ``source`` below the znode ``top``, which is made with its parents where it is missing.
    Ephemerals are left out. Returns how many steps that took.

    ``acls``: whether ACLs are compared and set; without them new znodes are open. ``reading`` and
    ``writing``: are called with how far it is. Raises `ExistError` and `TransferError`.
    """
    wanted = {path: znode for path, znode in source.items() if not znode.ephemeral}
    hidden = [path for path, znode in wanted.items() if acls and is_masked(znode.acl)]
    if hidden:
        raise TransferError(
            f"{listed(ROOT, hidden)}: the hashes in the ACL were hidden from who has read it, so "
            "nobody could use it; read it with the credentials of an administrator, --auth "
            "SCHEME:CREDENTIALS, or give --no-acl"
        )
    unspoken = implied(wanted)
    replace = conflicts is Conflicts.REPLACE
    if not replace:  # --replace makes a top empty that nobody speaks of
        unspoken |= {ROOT} - wanted.keys()
    within = None if replace else wanted.keys() | unspoken
    found = read(connection, top, acls=acls, within=within, progress=reading)
    there: dict[str, PlainZnode] = {}
    first = []
    if found is None:
        _make_parents(connection, top)
        there[ROOT] = wanted.get(ROOT, EMPTY)
        first = [Step(StepKind.CREATE, ROOT, there[ROOT])]
    elif found.unreadable:
        raise TransferError(
            f"{listed(top, found.unreadable)} may not be read; give the credentials of who may, "
            "--auth SCHEME:CREDENTIALS"
        )
    else:
        there = found.znodes
    for path in unspoken:
        wanted[path] = there.get(path, EMPTY)
    different = list(differences(there, wanted, acls=acls, kinds=False))
    ephemeral = [each.path for each in different if each.old is not None and each.old.ephemeral]
    if ephemeral:
        raise ExistError(
            f"{listed(top, ephemeral)} {_exist(ephemeral)} already, as ephemerals of sessions"
        )
    overwritten = [each.path for each in different if each.old is not None]
    if overwritten and conflicts is Conflicts.REFUSE:
        raise ExistError(
            f"{listed(top, overwritten)} {_exist(overwritten)} already, and differ; nothing was "
            "changed. --merge overwrites them, --replace deletes all that the source has not as "
            "well; 'zkfake diff' shows what differs"
        )
    todo = [*first, *steps(different, acls=acls)]
    return write(connection, top, todo, acls=acls, progress=lambda done: writing(done, len(todo)))


def _make_parents(connection: PatientClient, top: str) -> None:
    """Makes what is missing above a znode. What is there may be closed to us, so it is asked for
    first.
    """
    client = connection.client
    above = ancestors(top)[-2:0:-1]
    while above:
        try:
            if connection.result(client.exists_async(above[0])) is None:
                connection.result(client.create_async(above[0]))
        except NodeExistsError:
            pass
        except LOST:
            connection.settle()
            continue
        except KazooException as error:
            raise TransferError(f"cannot create {above[0]}: {named(error)}") from None
        above.pop(0)


def listed(top: str, paths: list[str]) -> str:
    """The first of some paths below ``top``, and how many there are."""
    text = ", ".join(joined(top, path) for path in paths[:_LISTED])
    return text if len(paths) <= _LISTED else f"{text} and {len(paths) - _LISTED:,} more"


def _exist(paths: list[str]) -> str:
    return "exists" if len(paths) == 1 else "exist"
