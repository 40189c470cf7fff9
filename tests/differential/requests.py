"""Draws steps: every request type, with right and wrong arguments, in bursts and alone.

A step is drawn through `Pick`, one small number at a time, so that Hypothesis can drive (and shrink)
the drawing, and so can a plain random source where a million steps are wanted. Choices are ordered
from plain to odd: shrinking goes to the front.

Rules that live here: which values are worth sending, and which requests may share a burst. The real
server answers some requests out of turn (auth, sasl, anything it does not know) and closes after
others; what is in front of or behind such a request in a burst is then answered or not by chance,
so these travel alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from . import wire
from .driver import ROOT, Drop, Open, Raw, Request, Send, Split, Step, Word, Zxid
from .known import unsafe
from .servers import SUPER
from .wire import OPEN_ACL, OPS, Acl

T = TypeVar("T")
SLOTS = 4


class Pick(Protocol):
    """A source of small numbers."""

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1; 0 is the simplest."""


class RandomPick:
    """`Pick` from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return int(self._random.random() * bound)


def one_of(pick: Pick, values: Sequence[T]) -> T:
    return values[pick.below(len(values))]


def rarely(pick: Pick, times_in_100: int) -> bool:
    return pick.below(100) >= 100 - times_in_100


# -- values ----------------------------------------------------------------------------------------

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
    [(wire.PERM_ALL, "x509", "CN=u")],
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
    return one_of(pick, ACLS[: (1, 1, 1, 1, 12, len(ACLS))[pick.below(6)]])


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


# -- bodies ----------------------------------------------------------------------------------------


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
    return wire.i32(one_of(pick, (30_000, 20_000, 60_000, 2_147_483_647)))


def _reconfig(pick: Pick) -> bytes:
    members = [one_of(pick, (None, "", "server.2=127.0.0.1:1:2:participant")) for _ in range(3)]
    return b"".join(map(wire.string, members)) + wire.i64(one_of(pick, (-1, 0, 7)))


def _auth(pick: Pick) -> bytes:
    scheme = one_of(
        pick, ("digest", "digest", "digest", "digest", "ip", "world", "super", "nonsense", "", None)
    )
    credential = one_of(
        pick,
        (*(c.encode() for c in (*CREDENTIALS, SUPER)), b"", b"u", b"u:p:q", b":", b"\xff", None),
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
    (2, "getACL", _path, True),
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
    (1, "whoAmI", _empty, True),
    (1, "reconfig", _reconfig, True),
    (1, "createSession", _session_timeout, True),
    (2, "auth", _auth, False),
    (1, "sasl", lambda pick: wire.buffer(data(pick)), False),
    (1, "check", _path_version, False),
    (2, "closeSession", _empty, False),
)
_DECK = tuple(entry for entry in TABLE for _ in range(entry[0]))
_BURST_DECK = tuple(entry for entry in _DECK if entry[3])
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


def request(pick: Pick, deck: Sequence[tuple[int, str, Callable[[Pick], bytes], bool]]) -> Request:
    """One request, now and then with its record damaged."""
    _, name, body, _ = one_of(pick, deck)
    record = body(pick)
    if rarely(pick, 5):
        record = damage(pick, record)
    xid = one_of(pick, XIDS) if rarely(pick, 4) and name not in _NO_ODD_XID else None
    relative = zxid(pick) if name in _HAVE_ZXID else None
    return Request(OPS[name], record, xid, relative)


def damage(pick: Pick, record: bytes) -> bytes:
    """A record cut short, drawn out, or with a length or a count that is wrong."""
    kind = pick.below(4)
    if kind == 0 or len(record) < 4:
        return record[: pick.below(len(record) + 1)]
    if kind == 1:
        return record + one_of(pick, (b"\0", b"trailing", b"\xff" * 9))
    at = 0 if kind == 2 else pick.below(len(record) - 3)
    return record[:at] + wire.i32(one_of(pick, BAD_INTS)) + record[at + 4 :]


# -- steps -----------------------------------------------------------------------------------------


def slot(pick: Pick) -> int:
    return one_of(pick, (0, 0, 0, 1, 1, 2, 3))


def single(pick: Pick) -> Step:
    """One request."""
    if rarely(pick, 1):
        return Send(slot(pick), (Request(one_of(pick, STRANGE_OPS), data(pick) or b""),))
    return Send(slot(pick), (request(pick, _DECK),))


def burst(pick: Pick) -> Step:
    """Requests sent in one piece, before any is answered."""
    return Send(slot(pick), pipelined(pick, (2, 3, 5, 9, 20)[pick.below(5)]))


def pipelined(pick: Pick, count: int) -> tuple[Request, ...]:
    """Up to `count` requests to be sent behind one another; fewer if one of them has to be last."""
    made: list[Request] = []
    while len(made) < count:
        made.append(request(pick, _BURST_DECK))
        if made[-1].op in LAST_IN_A_BURST:
            break
    return tuple(made)


def crowd(pick: Pick) -> Step:
    """Many children under one node: the order in which a server lists them is its hash table's."""
    parent = one_of(pick, (ROOT, ROOT + "/a"))
    kind = one_of(pick, (2, 3, 0, 1))
    names = [f"{one_of(pick, ('s', 'k', 'n-', 'é'))}{pick.below(50)}" for _ in range(12)]
    return Send(
        slot(pick),
        tuple(Request(OPS["create"], wire.create(f"{parent}/{n}", flags=kind)) for n in names),
    )


def quota(pick: Pick) -> Step:
    """A quota with its counters, or an end to it."""
    of = QUOTA + one_of(pick, ("", "", "/a"))
    limits, stats = f"{of}/zookeeper_limits", f"{of}/zookeeper_stats"
    if rarely(pick, 25):
        gone = wire.path_version(one_of(pick, (limits, stats)))
        return Send(slot(pick), (Request(OPS["delete"], gone),))
    wanted = [(QUOTA, b""), (of, b""), (limits, one_of(pick, QUOTA_DATA)), (stats, data(pick))]
    return Send(
        slot(pick), tuple(Request(OPS["create"], wire.create(path, d)) for path, d in wanted)
    )


def connect(pick: Pick) -> Step:
    """A new connection, for a new session or an old one, behaving or not."""
    session = pick.below(4) if pick.below(3) > 0 else None
    odd = rarely(pick, 30)
    then: tuple[Request, ...] = ()
    if rarely(pick, 30):
        then = pipelined(pick, 1 + pick.below(3))
    if not odd:
        return Open(slot(pick), session, then=then)
    # No requests behind a connect that may be refused: how far they get is a matter of time.
    return Open(
        slot(pick),
        session,
        password=one_of(pick, ("right", "right", "wrong", "short", "null")),
        timeout=one_of(pick, (30_000, 0, -1, 1, 20_000, 89_999, 2_147_483_647)),
        last_zxid=one_of(pick, (0, Zxid(0), -1, Zxid(10_000), -(1 << 63), (1 << 63) - 1)),
        read_only=one_of(pick, (0, 1, None, 2, 255)),
        protocol=one_of(pick, (0, 1, -1, 2_147_483_647)),
        tail=one_of(pick, (b"", b"", b"", b"x", b"\0" * 20)),
        keep=one_of(pick, (None, None, None, None, 44, 43, 40, 28, 27, 24, 20, 8, 3)),
    )


def raw(pick: Pick) -> Step:
    """Bytes that are no frames, or no whole ones."""
    kind = pick.below(6)
    if kind == 0:
        whole = wire.request(1, one_of(pick, (1, 3, 14)), request(pick, _BURST_DECK).body)
        return Raw(slot(pick), whole[: pick.below(len(whole))], cut=True)
    if kind == 1:
        length = one_of(pick, (-1, -2, -2147483648, 1_048_576, 2_147_483_647))
        return Raw(slot(pick), wire.i32(length) + b"some bytes behind")
    if kind == 2:
        return Raw(slot(pick), wire.frame(bytes(pick.below(8))))
    if kind == 3:
        # A second connect: its first twelve bytes are a header of xid 0 and type 0.
        return Send(slot(pick), (Request(0, wire.connect()[8:], xid=0),))
    return Raw(slot(pick), one_of(pick, (b"ruok", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0")))


def split(pick: Pick) -> Step:
    """A request that arrives in two pieces."""
    return Split(slot(pick), request(pick, _BURST_DECK), 1 + pick.below(20))


def drop(pick: Pick) -> Step:
    return Drop(slot(pick))


COMPARABLE_WORDS = (
    *(b"ruok", b"isro", b"srvr", b"stat", b"wchs", b"wchc", b"wchp", b"cons", b"dump", b"conf"),
    *(b"crst", b"srst", b"gtmk", b"RUOK", b"kill", b"reqs", b"GET ", b"zzzz"),
)


def word(pick: Pick) -> Step:
    """A four-letter word."""
    return Word(one_of(pick, COMPARABLE_WORDS), one_of(pick, (b"", b"", b"\n", b" and more")))


_STEPS: tuple[tuple[int, Callable[[Pick], Step]], ...] = (
    (70, single),
    (8, burst),
    (2, crowd),
    (1, quota),
    (6, connect),
    (2, drop),
    (2, split),
    (1, raw),
    (2, word),
)
_STEP_DECK = tuple(make for weight, make in _STEPS for _ in range(weight))


def step(pick: Pick, version: str) -> Step:
    """Any step that a real server of this version survives."""
    made = one_of(pick, _STEP_DECK)(pick)
    return Drop(slot(pick)) if unsafe(made, version) else made


def program(seed: int, length: int, version: str) -> tuple[Step, ...]:
    """A program drawn from a seed."""
    pick = RandomPick(seed)
    return tuple(step(pick, version) for _ in range(length))
