"""Draws requests: every type, with right and wrong arguments, now and then damaged.

Rules that live here: how often each type comes, and which may share a burst. The real server
answers some requests out of turn (auth, sasl, anything it does not know) and closes after others;
what is in front of or behind such a request in a burst is then answered or not by chance, so these
travel alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._compare.picking import Pick, one_of, rarely
from zkfake._compare.steps import RawRequest

from ..support import wire
from ..support.wire import OPS
from .engine.servers import SUPER
from .engine.steps import ROOT
from .values import (
    CREDENTIALS,
    NAMES,
    QUOTA_DATA,
    TTLS,
    acl,
    data,
    flags,
    new_path,
    path,
    paths,
    version,
    watch,
    zxid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _create(pick: Pick) -> bytes:
    made = new_path(pick)
    if isinstance(made, str) and made.endswith("zookeeper_limits"):
        return wire.create(made, one_of(pick, QUOTA_DATA))
    return wire.create(made, data(pick), acl(pick), flags(pick))


def _create_ttl(pick: Pick) -> bytes:
    flag = one_of(pick, (5, 6, 5, 6, 5, 0, 1, 2, 3, 4, 7, 9, -1))
    return wire.create_ttl(new_path(pick), data(pick), acl(pick), flag, one_of(pick, TTLS))


def _set_data(pick: Pick) -> bytes:
    made = path(pick)
    if isinstance(made, str) and made.endswith("zookeeper_limits"):
        return wire.set_data(made, one_of(pick, QUOTA_DATA), version(pick))
    return wire.set_data(made, data(pick), version(pick))


def _path_version(pick: Pick) -> bytes:
    return wire.path_version(path(pick), version(pick))


def _path_watch(pick: Pick) -> bytes:
    return wire.path_watch(path(pick), watch(pick))


def _path(pick: Pick) -> bytes:
    return wire.string(path(pick))


def _set_acl(pick: Pick) -> bytes:
    return wire.set_acl(path(pick), acl(pick), version(pick))


def _add_watch(pick: Pick) -> bytes:
    return wire.path_version(path(pick), one_of(pick, (0, 1, 0, 1, 0, 1, 2, -1)))


def _watcher(pick: Pick) -> bytes:
    return wire.path_version(path(pick), one_of(pick, (3, 1, 2, 4, 5, 3, 0, 6, 7, -1)))


def _path_lists(count: int) -> Callable[[Pick], bytes]:
    def lists(pick: Pick) -> bytes:
        return b"".join(wire.strings(paths(pick)) for _ in range(count))

    return lists


def _empty(pick: Pick) -> bytes:
    return b""


def _prefix(pick: Pick) -> bytes:
    return wire.string(one_of(pick, (ROOT, "/", "", None, " ", ROOT + "/a", "t", ROOT + "/")))


def _session_timeout(pick: Pick) -> bytes:
    return wire.i32(one_of(pick, (130_000, 120_000, 100_000, 2_147_483_647)))


def _reconfig(pick: Pick) -> bytes:
    members = [one_of(pick, (None, "", "server.2=127.0.0.1:1:2:participant")) for _ in range(3)]
    return b"".join(map(wire.string, members)) + wire.i64(one_of(pick, (-1, 0, 7)))


def _auth(pick: Pick) -> bytes:
    others = ("ip", "ip", "ensemble", "world", "super", "sasl", "x509", "nonsense", "", None)
    scheme = one_of(pick, ("digest",) * 12 + others)
    credential = one_of(
        pick,
        (
            *(c.encode() for c in (*CREDENTIALS, *CREDENTIALS, SUPER)),
            *(b"", b"u", b"u:p:q", b":", b"\xff", None),
        ),
    )
    return wire.auth(scheme, credential, one_of(pick, (0, 0, 4, 100)))


WRITES_IN_MULTI: tuple[tuple[str, Callable[[Pick], bytes]], ...] = (
    ("create", _create),
    ("setData", _set_data),
    ("delete", _path_version),
    ("check", _path_version),
    ("create2", _create),
    ("createContainer", _create),
    ("createTTL", _create_ttl),
)
STRANGERS_IN_MULTI: tuple[tuple[str, Callable[[Pick], bytes]], ...] = (
    ("setACL", _set_acl),
    ("deleteContainer", _path),
    ("exists", _path_watch),
    ("getData", _path_watch),
    ("getChildren", _path_watch),
    ("getChildren2", _path_watch),
    ("multi", _empty),
    ("sync", _path),
    ("ping", _empty),
    ("closeSession", _empty),
)
READS_IN_MULTI: tuple[tuple[str, Callable[[Pick], bytes]], ...] = (
    ("getData", _path_watch),
    ("getChildren", _path_watch),
)


def _operations(
    pick: Pick, table: Sequence[tuple[str, Callable[[Pick], bytes]]], count: int
) -> list[tuple[int, bytes]]:
    made = []
    for _ in range(count):
        name, body = one_of(pick, table)
        made.append((OPS[name], body(pick)))
    return made


def _end(pick: Pick) -> bytes:
    if rarely(pick, 4):
        return one_of(
            pick,
            (b"", wire.multi_header(0, 1, 0), wire.multi_header(14, 7, -5), wire.MULTI_END + b"xx"),
        )
    return wire.MULTI_END


def _plain_operations(pick: Pick) -> list[tuple[int, bytes]]:
    """Operations that mostly succeed, so that whole multis do."""
    made = []
    for _ in range(1 + pick.below(4)):
        where = f"{ROOT}/{one_of(pick, NAMES[:4])}"
        kind = pick.below(6)
        if kind < 3:
            op = one_of(pick, ("create", "create", "create2", "createContainer"))
            made.append(
                (
                    OPS[op],
                    wire.create(
                        where + one_of(pick, ("", "/m", "/m")),
                        data(pick),
                        flags=one_of(pick, (2, 2, 0, 3, 1)),
                    ),
                )
            )
        elif kind < 4:
            made.append((OPS["setData"], wire.set_data(one_of(pick, (ROOT, where)), data(pick))))
        elif kind < 5:
            made.append((OPS["check"], wire.path_version(ROOT, -1)))
        else:
            made.append((OPS["delete"], wire.path_version(where)))
    return made


def _multi(pick: Pick) -> bytes:
    kind = pick.below(10)
    if kind < 4:
        return wire.multi(_plain_operations(pick))
    operations = _operations(pick, WRITES_IN_MULTI, pick.below(5))
    if kind == 9:
        operations.insert(
            pick.below(len(operations) + 1), _operations(pick, STRANGERS_IN_MULTI, 1)[0]
        )
    return wire.multi(operations, _end(pick))


def _multi_read(pick: Pick) -> bytes:
    operations = _operations(pick, READS_IN_MULTI, pick.below(5))
    if rarely(pick, 20):
        table = one_of(pick, (STRANGERS_IN_MULTI, WRITES_IN_MULTI))
        extra = _operations(pick, table, 1 + pick.below(2))
        operations = one_of(pick, (operations + extra, extra))
    return wire.multi(operations, _end(pick))


# (weight, type, body, may travel in a burst)
TABLE: tuple[tuple[int, str, Callable[[Pick], bytes], bool], ...] = (
    (14, "create", _create, True),
    (6, "create2", _create, True),
    (7, "delete", _path_version, True),
    (6, "setData", _set_data, True),
    (6, "getData", _path_watch, True),
    (6, "exists", _path_watch, True),
    (5, "getChildren", _path_watch, True),
    (5, "getChildren2", _path_watch, True),
    (9, "multi", _multi, True),
    (4, "multiRead", _multi_read, True),
    (3, "setACL", _set_acl, True),
    (4, "getACL", _path, True),
    (3, "addWatch", _add_watch, True),
    (2, "removeWatches", _watcher, True),
    (2, "checkWatches", _watcher, True),
    (2, "setWatches", _path_lists(3), True),
    (2, "setWatches2", _path_lists(5), True),
    (2, "createContainer", _create, True),
    (2, "createTTL", _create_ttl, True),
    (1, "deleteContainer", _path, True),
    (1, "sync", _path, True),
    (1, "getEphemerals", _prefix, True),
    (1, "getAllChildrenNumber", _path, True),
    (1, "ping", _empty, True),
    (2, "whoAmI", _empty, True),
    (1, "reconfig", _reconfig, True),
    (1, "createSession", _session_timeout, True),
    (4, "auth", _auth, False),
    (1, "sasl", lambda pick: wire.buffer(data(pick)), False),
    (1, "check", _path_version, False),
    (2, "closeSession", _empty, False),
)
DECK = tuple(entry for entry in TABLE for _ in range(entry[0]))
BURST_DECK = tuple(entry for entry in DECK if entry[3])
# A server answers what is behind these by what it has planned or by what it has done, whichever it
# is at, and the two differ: for ACLs, for containers made with another mode, and for what an
# unreadable operation leaves behind of the multi in front of it.
LAST_IN_A_BURST = frozenset(OPS[name] for name in ("setACL", "createContainer", "multi"))
# A reply of xid -2 looks like a ping's: fine where it is certain to come, in its turn, with an xid.
_NO_ODD_XID = ("auth", "sasl", "check", "createSession", "closeSession")
_HAVE_ZXID = ("setWatches", "setWatches2")
STRANGE_OPS = (0, 10, 99, 999, -1, -12, 23, 108, 2147483647, -2147483648)
# No request has xid -1: its reply could not be told from an event. -2 is a ping reply's.
XIDS = (0, 1, -8, -4, 2147483647, -2147483648, -2, -9)
BAD_INTS = (-1, -2, 2147483647, -2147483648, 5, 1 << 20)


def request(
    pick: Pick, deck: Sequence[tuple[int, str, Callable[[Pick], bytes], bool]]
) -> RawRequest:
    """One request, now and then with its record damaged."""
    _, name, body, _ = one_of(pick, deck)
    record = body(pick)
    if rarely(pick, 5):
        record = damage(pick, record)
    xid = one_of(pick, XIDS) if rarely(pick, 4) and name not in _NO_ODD_XID else None
    relative = zxid(pick) if name in _HAVE_ZXID else None
    return RawRequest(OPS[name], record, xid, relative)


def damage(pick: Pick, record: bytes) -> bytes:
    """A record cut short, drawn out, or with a length or a count that is wrong."""
    kind = pick.below(4)
    if kind == 0 or len(record) < 4:
        return record[: pick.below(len(record) + 1)]
    if kind == 1:
        return record + one_of(pick, (b"\0", b"trailing", b"\xff" * 9))
    at = 0 if kind == 2 else pick.below(len(record) - 3)
    return record[:at] + wire.i32(one_of(pick, BAD_INTS)) + record[at + 4 :]
