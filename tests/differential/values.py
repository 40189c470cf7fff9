"""Draws values: paths, data, ACLs, versions, zxids, right ones and wrong ones.

Rules that live here: which values are worth sending. There are few names, so that requests meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._compare.picking import Pick, one_of, rarely
from zkfake._compare.steps import Zxid

from ..support import wire
from ..support.wire import OPEN_ACL, Acl
from .engine.steps import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("a", "b", "c", "ab", "d-", "s0000000000", "s0000000001", "s0000000002", "é", "a.b")
QUOTA = f"/zookeeper/quota{ROOT}"
SYSTEM_PATHS = (
    "/",
    "/zookeeper",
    "/zookeeper/config",
    "/zookeeper/quota",
    QUOTA,
    f"{QUOTA}/zookeeper_limits",
    f"{QUOTA}/zookeeper_stats",
    f"{QUOTA}/a",
    f"{QUOTA}/a/zookeeper_limits",
    f"{QUOTA}/a/zookeeper_stats",
)
BAD_PATHS: tuple[str | bytes | None, ...] = (
    "",
    None,
    "t",
    "t/a",
    f"{ROOT}/",
    f"{ROOT}/a/",
    f"{ROOT}//a",
    "//",
    f"{ROOT}/.",
    f"{ROOT}/..",
    f"{ROOT}/./a",
    f"{ROOT}/a/../b",
    f"{ROOT}/...",
    f"{ROOT}/a\0",
    f"{ROOT}/a\x01b",
    f"{ROOT}/\x7f",
    f"{ROOT}/\x9f",
    f"{ROOT}/\xa0",
    f"{ROOT}/\ud7ff",
    f"{ROOT}/\ue000",
    f"{ROOT}/\uf8ff",
    f"{ROOT}/\uf900",
    f"{ROOT}/\ufeff",
    f"{ROOT}/\uffef",
    f"{ROOT}/\ufff0",
    f"{ROOT}/\U0001f600",
    ROOT.encode() + b"/\xff\xfe",
    ROOT.encode() + b"/\xed\xa0\x80",
    ROOT.encode() + b"/\xc3",
)
DATA: tuple[bytes | None, ...] = (
    b"",
    b"x",
    None,
    b"some bytes",
    b"\0\xff",
    b"y" * 300,
)
QUOTA_DATA = (
    b"count=5,bytes=-1",
    b"count=2,bytes=10=;byteHardLimit=20;countHardLimit=4",
    b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3",
    b"count=-1,bytes=-1=;byteHardLimit=30;countHardLimit=-1",
    b"nonsense",
)
VERSIONS = (-1, 0, 1, 2, 3, -2, 2147483647, -2147483648)
CREDENTIALS = ("u:p", "v:q", "u:q")
ACLS: tuple[Sequence[Acl] | None, ...] = (
    OPEN_ACL,
    [(wire.PERM_READ, "world", "anyone")],
    [(wire.PERM_ALL, "auth", "")],
    [(wire.PERM_ALL, "digest", wire.digest("u:p"))],
    [(wire.PERM_READ | wire.PERM_ADMIN, "digest", wire.digest("v:q"))],
    [(wire.PERM_READ, "world", "anyone"), (wire.PERM_ALL, "digest", wire.digest("u:p"))],
    [(wire.PERM_ALL & ~wire.PERM_READ, "world", "anyone")],
    [(wire.PERM_ALL & ~wire.PERM_ADMIN, "world", "anyone")],
    [(wire.PERM_CREATE, "world", "anyone")],
    [(wire.PERM_ALL, "ip", "127.0.0.1")],
    [(wire.PERM_ALL, "ip", "127.0.0.0/8"), (wire.PERM_READ, "world", "anyone")],
    [(wire.PERM_ALL, "ip", "10.0.0.1")],
    [*OPEN_ACL, *OPEN_ACL],
    [(wire.PERM_READ, "auth", "x"), (wire.PERM_READ, "auth", "y"), *OPEN_ACL],
    [(0, "world", "anyone"), *OPEN_ACL],
    [(255, "world", "anyone")],
    [],
    None,
    [(wire.PERM_ALL, "world", "someone")],
    [(wire.PERM_ALL, "world", None)],
    [(wire.PERM_ALL, "digest", None)],
    [(wire.PERM_ALL, "digest", "u:")],
    [(wire.PERM_ALL, "digest", ":p")],
    [(wire.PERM_ALL, "digest", "a:b:")],
    [(wire.PERM_ALL, "digest", "a:b:c")],
    [(wire.PERM_ALL, "digest", "")],
    [(wire.PERM_ALL, "ip", "300.1.1.1")],
    [(wire.PERM_ALL, "ip", "127.0.0.1/33")],
    [(wire.PERM_ALL, "ip", "::1")],
    [(wire.PERM_ALL, "ip", "127.0.0.1/-1")],
    [(wire.PERM_ALL, "ip", None)],
    [(wire.PERM_ALL, None, "anyone")],
    [(wire.PERM_ALL, "", "")],
    [(wire.PERM_ALL, "super", "")],
    [(wire.PERM_ALL, "sasl", "u")],
    [(wire.PERM_ALL, "sasl", "u@R1@R2")],
    [(wire.PERM_ALL, "sasl", None)],
    [(wire.PERM_ALL, "x509", "CN=u")],
    [(wire.PERM_ALL, "x509", "u")],
    [(wire.PERM_ALL, "x509", None)],
    [(wire.PERM_ALL, "ensemble", "one")],
    [(wire.PERM_ALL, "nonsense", "u")],
    [(wire.PERM_ALL, "auth", None)],
)
TTLS = (1000, 1, (1 << 40) - 1, 1 << 40, 0, -1, -2, (1 << 63) - 1)


def path(pick: Pick) -> str | bytes | None:
    """Mostly a path under the root, few enough of them that requests meet."""
    kind = pick.below(100)
    if kind < 88:
        made = ROOT
        for _ in range((0, 1, 1, 1, 1, 2, 2, 3)[pick.below(8)]):
            made += "/" + one_of(pick, NAMES[: (3, 3, 3, len(NAMES))[pick.below(4)]])
        return made
    if kind < 92:
        return one_of(pick, SYSTEM_PATHS)
    return one_of(pick, BAD_PATHS)


def new_path(pick: Pick) -> str | bytes | None:
    """A path for a create; sometimes a prefix for a sequence."""
    made = path(pick)
    if isinstance(made, str) and pick.below(8) == 7:
        return made + one_of(pick, ("/s", "/", "/d-", "/.", "//"))
    return made


def data(pick: Pick) -> bytes | None:
    return one_of(pick, DATA)


def acl(pick: Pick) -> Sequence[Acl] | None:
    return one_of(pick, ACLS[: (1, 1, 1, 8, 14, len(ACLS))[pick.below(6)]])


def version(pick: Pick) -> int:
    return one_of(pick, VERSIONS[: (1, 1, 4, len(VERSIONS))[pick.below(4)]])


def flags(pick: Pick) -> int:
    return one_of(pick, (0, 0, 1, 2, 3, 0, 1, 4, 5, 6, 7, -1, 9)[: (2, 5, 13)[pick.below(3)]])


def watch(pick: Pick) -> int:
    return one_of(pick, (0, 1, 1, 2))


def zxid(pick: Pick) -> Zxid | int:
    if pick.below(4) < 3:
        return Zxid(one_of(pick, (0, 1, 2, 3, 5, 8, 13, 21, 40)))
    return one_of(pick, (0, -1, 1, (1 << 62), -(1 << 63)))


def paths(pick: Pick) -> list[str | bytes | None] | None:
    count = pick.below(4)
    if rarely(pick, 3):
        return None
    return [path(pick) for _ in range(count)]
