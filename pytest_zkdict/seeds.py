"""Znodes that tests start with: from a mapping, or from a tree file.

The rules that live here: a file is read where it is named, so that what is wrong in it is told
there. What is left of it are bytes, as in a mapping, where a znode is open and of no special kind;
its ephemerals are left out. A name is relative to the working directory, as for `open`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake._trees.plain import PlainZnode

    Seeds = Mapping[str, bytes | PlainZnode | None]
    Load = Mapping[str, bytes | None] | str | os.PathLike[str]

__all__ = ["seeds", "under"]


def seeds(load: Load | None) -> Seeds:
    """What ``load`` comes to. Raises `ValueError` for a file that cannot be read."""
    if not isinstance(load, (str, os.PathLike)):
        return load or {}
    from zkfake._trees import files
    from zkfake._trees.plain import PlainZnode

    try:
        found = files.read(load)
    except OSError as error:
        raise ValueError(f"{os.fspath(load)}: {error.strerror}") from None
    return {
        path: znode.data if znode == PlainZnode(znode.data) else znode
        for path, znode in found.items()
        if not znode.ephemeral
    }


def under(path: str, znodes: Seeds) -> Seeds:
    """A test's znode, ``path``, with ``znodes`` below it."""
    return {path: b"", **{path if each == "/" else path + each: znodes[each] for each in znodes}}
