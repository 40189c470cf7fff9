"""Checks the constructor's arguments.

The rules that live here:

- An invalid argument is refused at once, with a text that says what is valid.
- kazoo turns paths and ACLs into bytes on its connection's task, and an error ends that task. So
  they are checked before kazoo gets them.
"""

from __future__ import annotations

from typing import Any

from kazoo.security import ACL

from zkdict.errors import InvalidKey
from zkdict.keys import validate_key

__all__ = ["acl_list", "one_of", "root_path"]


def root_path(keyspace: str) -> str:
    """The path of a keyspace: it begins with one slash, and does not end with one.

    Raises:
        InvalidKey: it has an empty component between others, or one that cannot be the name of a
            znode.
    """
    stripped = keyspace.strip("/")
    parts = stripped.split("/") if stripped else []
    if not all(parts):
        raise _no_keyspace(keyspace, "it is a path, and has an empty component")
    for part in parts:
        try:
            validate_key(part)
        except InvalidKey as error:  # noqa: PERF203
            reason = error.reason.partition(";")[0]  # the rest is advice for keys
            raise _no_keyspace(keyspace, f"in {part!r}, {reason}") from None
    return "/" + "/".join(parts)


def _no_keyspace(keyspace: str, reason: str) -> InvalidKey:
    error = InvalidKey(keyspace, reason)
    error._what = "a keyspace"  # noqa: SLF001  it says "a key" of all others
    return error


def acl_list(acl: Any) -> list[ACL] | None:
    """kazoo's ACLs as a list; None, for kazoo's default, stays None. Raises TypeError."""
    if acl is None:
        return None
    if not isinstance(acl, list | tuple) or not all(isinstance(each, ACL) for each in acl):
        raise TypeError(f"acl must be a list of kazoo.security.ACL, not {acl!r}")
    return list(acl)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the `allowed` ones."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
