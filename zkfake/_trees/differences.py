"""What two trees differ in, and the steps that turn one into the other.

The rules that live here:

- Ephemerals belong to sessions: they are no difference, unless the other tree has something that
  stays in their place.
- A parent that a tree does not speak of is implied: a load leaves it as it is, or makes it, empty
  and open. The top is not: without it a tree has an empty one.
- Kinds are compared only where both sides know them: servers do not tell clients what is a
  container or has a time to live.
- Steps are in an order in which a server takes them: parents are made before their children, and
  deleted after them. An ACL that allows more than the old one is set first; any other one last,
  with the data, as it may forbid what is still to be done below.
"""

from __future__ import annotations

from enum import Enum
from os.path import commonprefix
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import ancestors
from zkfake._trees.entries import entry_of
from zkfake._trees.plain import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zkfake._trees.plain import PlainZnode

__all__ = ["Difference", "Step", "StepKind", "differences", "implied", "steps", "told"]

_SHOWN = 60
"""The longest value that is shown as it is, in characters."""


class Difference(NamedTuple):
    """A path at which two trees differ. ``None`` is no znode."""

    path: str
    old: PlainZnode | None
    new: PlainZnode | None


def implied(tree: Mapping[str, PlainZnode]) -> set[str]:
    """The parents that a tree does not speak of, but for the top. Cost: O(n)."""
    above = {
        parent
        for path, znode in tree.items()
        if not znode.ephemeral
        for parent in ancestors(path)[1:-1]
    }
    return above - tree.keys()


def differences(
    old: Mapping[str, PlainZnode],
    new: Mapping[str, PlainZnode],
    *,
    acls: bool = True,
    kinds: bool = True,
) -> Iterator[Difference]:
    """Where ``new`` is not as ``old``, by path, parents first. ``acls``, ``kinds``: whether they
    count. Cost: O(n log n).
    """
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if path == "/":  # a top that is empty may be left out
            before, after = before or EMPTY, after or EMPTY
        if before is None or after is None:
            there = before or after
            if there is not None and not there.ephemeral:
                yield Difference(path, before, after)
        elif before.ephemeral != after.ephemeral or (
            not before.ephemeral
            and (
                before.data != after.data
                or (acls and _unique(before) != _unique(after))
                or (kinds and before.reap != after.reap)
            )
        ):
            yield Difference(path, before, after)


def _unique(znode: PlainZnode) -> tuple[object, ...]:
    """The ACL as a server stores it: an entry counts once."""
    return tuple(dict.fromkeys(znode.acl))


def told(difference: Difference) -> str:
    """One line: ``-`` is only in the old tree, ``+`` only in the new one, ``!`` differs."""
    path, old, new = difference
    if old is None or new is None:
        sign, there = ("+", new) if old is None else ("-", old)
        assert there is not None
        return f"{sign} {path}: {_shown(there)}"
    before, after = _shown(old), _shown(new)
    if before == after:  # what differs is beyond what is shown
        place = len(commonprefix([old.data or b"", new.data or b""]))  # noqa: RUF071  # no paths
        return f"! {path}: {before} differs from byte {place:,} on"
    return f"! {path}: {before} -> {after}"


def _shown(znode: PlainZnode) -> str:
    import json

    entry = entry_of(znode)
    if isinstance(entry, dict):
        entry = {key: _shortened(value) for key, value in entry.items()}
    return json.dumps(_shortened(entry), ensure_ascii=False)


def _shortened(value: object) -> object:
    if isinstance(value, str) and len(value) > _SHOWN:
        return value[: _SHOWN - 3] + "..."
    return value


# -- steps


class StepKind(Enum):
    """What a step does to its znode."""

    CREATE = "create"
    SET_DATA = "write"
    SET_ACL = "set the ACL of"
    DELETE = "delete"


class Step(NamedTuple):
    """One request. ``znode``: what is to be there, `None` after a delete."""

    kind: StepKind
    path: str
    znode: PlainZnode | None


def steps(found: Iterable[Difference], *, acls: bool = True) -> Iterator[Step]:
    """The steps that turn the old tree into the new one. A znode that is deleted while it has
    ephemerals below it is refused by the servers.
    """
    gone, last = [], []
    for path, old, new in found:
        if new is None:
            gone.append(path)
        elif old is None:
            yield Step(StepKind.CREATE, path, new)
        else:
            changed = [Step(StepKind.SET_DATA, path, new)] if old.data != new.data else []
            if not acls or _unique(old) == _unique(new):
                yield from changed
            elif _allows_all(new, old):
                yield Step(StepKind.SET_ACL, path, new)
                yield from changed
            else:
                last += [*changed, Step(StepKind.SET_ACL, path, new)]
    for path in reversed(gone):
        yield Step(StepKind.DELETE, path, None)
    yield from last


def _allows_all(new: PlainZnode, old: PlainZnode) -> bool:
    """Whether the new ACL allows everybody what the old one does."""
    allowed: dict[object, int] = {}
    for entry in new.acl:
        who = entry.scheme, entry.id
        allowed[who] = allowed.get(who, 0) | entry.perms
    return all(entry.perms & ~allowed.get((entry.scheme, entry.id), 0) == 0 for entry in old.acl)
