"""Every divergence found so far, as a small program with a name.

Each was once answered differently by the fake and a live server; the text beside it says what the
live server does.
"""

from __future__ import annotations

from zkfake._compare.steps import Connect, Drop, RawRequest, Send, Split, Zxid

from ..support import wire
from ..support.wire import OPEN_ACL, OPS
from .engine.steps import Step, Word

Program = tuple[Step, ...]

READ_ONLY = [(wire.PERM_READ, "world", "anyone")]
ELSEWHERE = [(wire.PERM_ALL, "ip", "10.0.0.1")]


def ask(name: str, body: bytes = b"", slot: int = 0, xid: int | None = None) -> Send:
    return Send(slot, (RawRequest(OPS[name], body, xid),))


def multi(*operations: tuple[str, bytes], op: str = "multi", end: bytes = wire.MULTI_END) -> Send:
    return ask(op, wire.multi([(OPS[name], body) for name, body in operations], end))


def set_watches(*lists: list[str | bytes | None] | None, after: int = 0) -> Send:
    name = "setWatches" if len(lists) == 3 else "setWatches2"
    body = b"".join(map(wire.strings, lists))
    return Send(0, (RawRequest(OPS[name], body, zxid=Zxid(after)),))


def exists(path: str, watch: int = 1, slot: int = 0) -> Send:
    return ask("exists", wire.path_watch(path, watch), slot)


def create(path: str, flags: int = 0) -> tuple[str, bytes]:
    return ("create", wire.create(path, flags=flags))


REGRESSIONS: dict[str, Program] = {
    # -- multis: what the create mode has to say
    "multi, create2 answers as create in 3.8": (multi(("create2", wire.create("/t/a"))),),
    "multi, a container by its operation": (
        multi(("createContainer", wire.create("/t/a"))),
        multi(("createContainer", wire.create("/t/b", flags=2))),
    ),
    "multi, a container by its mode": (multi(create("/t/a", 4), create("/t/a/b")),),
    "multi, an unknown mode": (multi(create("/t/a"), create("/t/b", 9)),),
    "multi, an unknown mode after a failure": (multi(create("/t/a/b"), create("/t/b", 9)),),
    "multi, a TTL mode under create": (multi(create("/t/a"), create("/t/b", 5)),),
    "multi, a TTL mode under create2 after a failure": (
        multi(create("/t/a/b"), ("create2", wire.create("/t/c", flags=6))),
    ),
    "multi, createTTL with a plain mode ignores the ttl": (
        multi(
            ("createTTL", wire.create_ttl("/t/b", b"", OPEN_ACL, 1, 1)),
            ("createTTL", wire.create_ttl("/t/a", b"", OPEN_ACL, 3, 2)),
            ("createTTL", wire.create_ttl("/t/c", b"", OPEN_ACL, 4, 0)),
        ),
    ),
    "multi, createTTL with an unknown mode": (
        multi(("createTTL", wire.create_ttl("/t/b", b"", OPEN_ACL, 7, 1000)), create("/t/a")),
    ),
    "multi, createTTL with a container mode and a parent that is missing": (
        multi(("createTTL", wire.create_ttl("/t/b/c", b"", OPEN_ACL, 4, 1000))),
    ),
    "multi, a container made with an ephemeral mode takes no child yet": (
        multi(("createContainer", wire.create("/t/b", flags=1)), create("/t/b/m")),
        multi(("createContainer", wire.create("/t/b", flags=1))),
        ask("create", wire.create("/t/b/m")),
    ),
    "multi, no ACL list": (
        multi(create("/t/a"), ("create", wire.create("/t/b", acl=None))),
        ask("create", wire.create("/t/c")),
    ),
    "multi, no ACL list behind a read": (
        multi(("getChildren", wire.path_watch("/t")), ("create", wire.create("/t/b", acl=None))),
        multi(create("/t/b"), ("getChildren", wire.path_watch("/t"))),
    ),
    "multi, no path": (multi(create("/t/a/b"), ("create", wire.create(None))), exists("/t")),
    "multiRead, no path": (
        multi(
            ("getData", wire.path_watch("/t")),
            ("getChildren", wire.path_watch(None)),
            op="multiRead",
        ),
    ),
    "multiRead, writes only": (multi(create("/t/a"), op="multiRead"),),
    # -- watches
    "setWatches does what comes before a null path": (
        set_watches(["/t/a", "/t", None, "/t/b"], ["/t"], ["/t"]),
        set_watches(["/t/a"], None, ["/t/b"]),
        set_watches(["/t/a"], ["/t"], None),
        ask("delete", wire.path_version("/t")),
    ),
    "setWatches2 does what comes before a null path": (
        set_watches(["/t/a"], [], [None], ["/t/b"], ["/t/c"]),
        set_watches([], ["/t"], [], ["/t/b"], None),
        ask("create", wire.create("/t/b")),
    ),
    "a null path can be watched persistently": (
        ask("addWatch", wire.path_version(None, 0)),
        ask("checkWatches", wire.path_version(None, 3)),
        Word(b"wchs"),
    ),
    "checkWatches finds anybody's watch in 3.8": (
        exists("/t/a", slot=1),
        ask("getChildren", wire.path_watch("/t", 1), slot=1),
        *(
            ask("checkWatches", wire.path_version(path, kind))
            for path in ("/t", "/t/a")
            for kind in (1, 2, 3)
        ),
    ),
    "checkWatches trips over paths without a slash in 3.8": (
        *(ask("checkWatches", wire.path_version(path, 3)) for path in ("t", "t/a", "", None)),
        ask("addWatch", wire.path_version("/t", 1)),
        *(ask("checkWatches", wire.path_version(path, 3)) for path in ("t", "t/a", "", None)),
    ),
    "wchs after the last watch was removed": (
        exists("/t/a"),
        ask("removeWatches", wire.path_version("/t/a", 2)),
        Word(b"wchs"),
    ),
    "an event reaches only who may read": (
        exists("/t/a", slot=1),
        ask("create", wire.create("/t/a", acl=ELSEWHERE)),
        ask("addWatch", wire.path_version("/t/b", 1)),
        ask("create2", wire.create("/t/b", acl=ELSEWHERE)),
        ask("delete", wire.path_version("/t/b")),
        exists("/t/b", 0),
    ),
    # -- what cannot be read
    "a truncated createSession uses a zxid": (ask("createSession"), exists("/t")),
    "a truncated write": (
        *(ask(name, b"\0\0\0\4/t") for name in ("create", "delete", "setData", "setACL")),
        exists("/t"),
    ),
    "a truncated check": (ask("check", b"\0\0\0\4/t"), exists("/t")),
    "a truncated reconfig": (ask("reconfig", b"\0\0\0\4"), exists("/t")),
    "a truncated multi": (ask("multi", b"\0\0\0\5"), exists("/t")),
    "deleteContainer by name, and by no name": (
        ask("create", wire.create("/t/b")),
        ask("deleteContainer", wire.string("/t/b")),
        ask("deleteContainer", b"/t/b"),
        ask("deleteContainer", wire.string(None) + b"/t/b"),
        exists("/t"),
    ),
    "sasl without a token ends the connection": (ask("sasl", wire.buffer(None)), exists("/t")),
    "sasl with a token": (ask("sasl", wire.buffer(b"x")), exists("/t")),
    # -- text
    "an encoded surrogate is one mistake": (
        *(
            ask("sync", wire.string(b"/t/" + bad))
            for bad in (b"\xed\xa0\x80", b"\xed\xa0x", b"\xed", b"\xff\xfe", b"\xc3", b"\xf0\x9f")
        ),
    ),
    "a character beyond the basic plane comes back as two surrogates": (
        ask("sync", wire.string("/t/\U0001f600")),
        set_watches(["/t/\U0001f600"], [], []),
    ),
    # -- quotas
    "a limit that cannot be read spoils writes below it": tuple(
        step
        for text in (b"nonsense", b"count=", b"count=,bytes=-1", b",count=1", b"count==7", None)
        for step in (
            ask("create", wire.create("/zookeeper/quota/t")),
            ask("create", wire.create("/zookeeper/quota/t/zookeeper_limits", text)),
            ask("create", wire.create("/t/a", flags=2)),
            multi(create("/t/b"), create("/t/c")),
            ask("delete", wire.path_version("/zookeeper/quota/t/zookeeper_limits")),
        )
    ),
    "the counters of what is not there are zero": (
        ask("create", wire.create("/zookeeper/quota/t")),
        ask("create", wire.create("/zookeeper/quota/t/a")),
        ask("create", wire.create("/zookeeper/quota/t/a/zookeeper_limits", b"count=1,bytes=1")),
        ask("create", wire.create("/zookeeper/quota/t/a/zookeeper_stats", b"mine")),
        ask("getData", wire.path_watch("/zookeeper/quota/t/a/zookeeper_stats")),
    ),
    # -- identities
    "whoAmI in the order of a hash table": (
        *(
            step
            for credential in (b"u", b"\xff", b"super:secret", b"v:q", b"u:p", b"")
            for step in (ask("auth", wire.auth("digest", credential)), ask("whoAmI"))
        ),
    ),
    "an auth entry stands for all identities": (
        ask("auth", wire.auth("digest", b"u:p")),
        ask("auth", wire.auth("digest", b"v:q")),
        ask("create2", wire.create("/t/a", acl=[(31, "auth", "")])),
        ask("getACL", wire.string("/t/a")),
    ),
    # -- four-letter words
    "dump counts the connection that asks": (Word(b"dump"), exists("/t"), Word(b"dump")),
    "cons shows the xid of a ping": (ask("ping"), Word(b"cons"), ask("ping", xid=7), Word(b"cons")),
    "cons after createSession": (ask("createSession", wire.i32(130_000)), Word(b"cons")),
    # -- connections
    "a request in two pieces": (
        Split(0, RawRequest(OPS["sync"], wire.string("/t")), at=5),
        Split(0, RawRequest(OPS["create"], wire.create("/t/a")), at=17),
    ),
    "a wrong password ends the old connection": (
        exists("/t/a"),
        Connect(1, session=0, password="wrong"),
        ask("create", wire.create("/t/a"), slot=2),
        exists("/t/a"),
    ),
    "a lost connection leaves its ephemerals": (
        ask("create", wire.create("/t/e", flags=1)),
        Drop(0),
        exists("/t/e", 0, slot=1),
        Connect(0, session=0),
        ask("getEphemerals", wire.string("/")),
        ask("closeSession"),
        exists("/t/e", 0, slot=1),
    ),
}
