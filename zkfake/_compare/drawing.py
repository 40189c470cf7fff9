"""Draws programs for somebody else's server.

Rules that live here:

- Whatever is sent can be read: records are whole, paths and lists are there. Some servers do not
  survive what cannot be read.
- No znode but the root and those below it is named, and the root gets no siblings.
- Whatever is kept is open to the steward, who has to delete it.
- What depends on how the server is set up is not drawn: times to live, quotas, other schemes than
  ``world`` and ``digest``, SASL, reconfiguration, four-letter words.
- What ZooKeeper decides by what it has planned, or by what it has done, whichever it is at, comes
  last in a burst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._compare import wire
from zkfake._compare.picking import Pick, RandomPick, one_of, rarely
from zkfake._compare.steps import Connect, Drop, RawRequest, Send, Split, Step
from zkfake._compare.wire import OPEN_ACL, OPS, PERM_ADMIN, PERM_ALL, PERM_CREATE, PERM_READ, Acl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CREDENTIAL", "program"]

CREDENTIAL = "zkfake:compare"
"""The steward's, for the scheme ``digest``. It is no secret: whoever finds what was left behind can
delete it.
"""

_TIMEOUT = 30_000
"""Of sessions, milliseconds."""

_EVERYTHING, _NOTHING = 0, 1 << 62
"""To a client that has seen nothing all is news, to one that has seen everything nothing is. What
lies between is the server's.
"""

_NAMES = ("a", "b", "c", "ab", "d-", "s0000000000", "s0000000001", "s0000000002", "é", "a.b")
_ODD_ENDS = ("/", "//a", "/.", "/./a", "/a/../b", "/...", "/a\0", "/a\x01b", "/\x7f", "/\ufff0")
_DATA = (b"", b"x", b"some bytes", b"\0\xff", b"y" * 300, None)
_VERSIONS = (-1, 0, 1, 2, 3, -2, 2147483647)
_USERS = ("u:p", "v:q", "u:q")


def _open_to_the_steward(*entries: Acl) -> tuple[Acl, ...]:
    return (*entries, (PERM_ALL, "digest", wire.digest(CREDENTIAL)))


_ACLS: tuple[Sequence[Acl], ...] = (
    OPEN_ACL,
    _open_to_the_steward((PERM_READ, "world", "anyone")),
    _open_to_the_steward((PERM_ALL, "auth", "")),
    _open_to_the_steward((PERM_ALL, "digest", wire.digest("u:p"))),
    _open_to_the_steward((PERM_READ | PERM_ADMIN, "digest", wire.digest("v:q"))),
    _open_to_the_steward((PERM_ALL & ~PERM_READ, "world", "anyone")),
    _open_to_the_steward((PERM_ALL & ~PERM_ADMIN, "world", "anyone")),
    _open_to_the_steward((PERM_CREATE, "world", "anyone")),
    [*OPEN_ACL, *OPEN_ACL],
    _open_to_the_steward(),
    # Not valid, so never kept.
    [],
    [(PERM_ALL, "world", "someone")],
    [(PERM_ALL, "digest", "u")],
    [(PERM_ALL, "ip", "300.1.1.1")],
    [(PERM_ALL, "nonsense", "u")],
)


def program(seed: int, length: int, root: str) -> tuple[Step, ...]:
    """As many steps below ``root``; the same ones for the same seed and length."""
    drawing = _Drawing(RandomPick(seed), root)
    return tuple(drawing.step() for _ in range(length))


class _Drawing:
    """Draws steps, one after the other."""

    def __init__(self, pick: Pick, root: str) -> None:
        self._pick = pick
        self._root = root

    # -- steps

    def step(self) -> Step:
        """Any step."""
        return one_of(self._pick, _STEPS)(self)

    def single(self) -> Step:
        """One request."""
        return Send(self.slot(), (self.request(alone=True),))

    def burst(self) -> Step:
        """Requests sent in one piece, before any is answered."""
        made: list[RawRequest] = []
        count = one_of(self._pick, (2, 3, 5, 9, 20))
        while len(made) < count and not (made and made[-1].op in _LAST_IN_A_BURST):
            made.append(self.request(alone=False))
        return Send(self.slot(), tuple(made))

    def life(self) -> Step:
        """What may happen to one znode and its child, over and over."""
        pick = self._pick
        where = f"{self._root}/{one_of(pick, _NAMES[:2])}"
        below = f"{where}/{_NAMES[0]}"
        deeds = (
            ("create", wire.create(where)),
            ("getChildren", wire.path_watch(where, 1)),
            ("delete", wire.path_version(where)),
            ("create", wire.create(below)),
            ("getData", wire.path_watch(where, 1)),
            ("delete", wire.path_version(below)),
            ("exists", wire.path_watch(where, 1)),
            ("setData", wire.set_data(where, self.data())),
            ("addWatch", wire.path_version(where, pick.below(2))),
        )
        made = [one_of(pick, deeds) for _ in range(2 + pick.below(7))]
        return Send(self.slot(), tuple(RawRequest(OPS[name], body) for name, body in made))

    def guard(self) -> Step:
        """Somebody says who it is, or guards a znode by that, and looks at it."""
        pick = self._pick
        slot = one_of(pick, (0, 0, 1))
        if pick.below(2):
            return Send(slot, (RawRequest(OPS["auth"], self.auth()),))
        where, acl = f"{self._root}/{one_of(pick, _NAMES[:2])}", one_of(pick, _ACLS[2:5])
        deeds = (
            ("create", wire.create(where, acl=acl)),
            ("getACL", wire.string(where)),
            ("getData", wire.path_watch(where, 1)),
            ("delete", wire.path_version(where)),
            ("setACL", wire.set_acl(where, acl)),
        )
        made: list[RawRequest] = []
        while len(made) < 3 and not (made and made[-1].op in _LAST_IN_A_BURST):
            name, body = one_of(pick, deeds)
            made.append(RawRequest(OPS[name], body))
        return Send(slot, tuple(made))

    def crowd(self) -> Step:
        """Many children: the order in which a server lists them is its own."""
        pick = self._pick
        parent, mode = one_of(pick, (self._root, f"{self._root}/a")), one_of(pick, (2, 3, 0, 1))
        names = [f"{one_of(pick, ('s', 'k', 'n-', 'é'))}{pick.below(50)}" for _ in range(12)]
        made = [
            RawRequest(OPS["create"], wire.create(f"{parent}/{name}", flags=mode)) for name in names
        ]
        made.append(RawRequest(OPS["getEphemerals"], self.prefix()))
        return Send(self.slot(), tuple(made))

    def connect(self) -> Step:
        """A new connection, for a new session or an old one."""
        pick = self._pick
        session = pick.below(4) if pick.below(3) else None
        wrong = session is not None and rarely(pick, 15)
        return Connect(
            self.slot(),
            session,
            password="wrong" if wrong else "right",
            timeout=_TIMEOUT,
            last_zxid=_NOTHING if rarely(pick, 5) else 0,
        )

    def drop(self) -> Step:
        """A connection is lost."""
        return Drop(self.slot())

    def split(self) -> Step:
        """A request that arrives in two pieces."""
        return Split(self.slot(), self.request(alone=False), 1 + self._pick.below(20))

    # -- requests

    def request(self, *, alone: bool) -> RawRequest:
        """One request; ``alone``: with none behind it before it is answered."""
        name, body = one_of(self._pick, _ALONE if alone else _TOGETHER)
        since = None
        if name in ("setWatches", "setWatches2"):
            since = one_of(self._pick, (_EVERYTHING, _NOTHING))
        return RawRequest(OPS[name], body(self), zxid=since)

    def create(self) -> bytes:
        flags = one_of(self._pick, (0, 0, 1, 2, 3)[: (2, 5)[self._pick.below(2)]])
        return wire.create(self.new_path(), self.data(), self.acl(), flags)

    def odd_create(self) -> bytes:
        """With a mode that there is not; alone, for the whole of a multi cannot be read then."""
        flags = one_of(self._pick, (0, 1, 2, 3, 7, -1))
        return wire.create(self.new_path(), self.data(), self.acl(), flags)

    def delete(self) -> bytes:
        """Also of `check`, whose record is the same."""
        return wire.path_version(self.path(), self.version())

    def set_data(self) -> bytes:
        return wire.set_data(self.path(), self.data(), self.version())

    def set_acl(self) -> bytes:
        return wire.set_acl(self.path(), self.acl(), self.version())

    def read(self) -> bytes:
        return wire.path_watch(self.path(), self._pick.below(2))

    def named(self) -> bytes:
        return wire.string(self.path())

    def add_watch(self) -> bytes:
        return wire.path_version(self.path(), one_of(self._pick, (0, 1, 0, 1, 0, 1, 2, -1)))

    def watcher(self) -> bytes:
        return wire.path_version(self.path(), one_of(self._pick, (3, 1, 2, 4, 5, 3, 0)))

    def watches(self) -> bytes:
        return b"".join(wire.strings(self.paths()) for _ in range(3))

    def all_watches(self) -> bytes:
        return b"".join(wire.strings(self.paths()) for _ in range(5))

    def empty(self) -> bytes:
        return b""

    def prefix(self) -> bytes:
        return wire.string(self._root + one_of(self._pick, ("", "/", "/a", "/s")))

    def auth(self) -> bytes:
        credential = one_of(self._pick, _USERS).encode()
        return wire.auth("nonsense" if rarely(self._pick, 5) else "digest", credential)

    def multi(self) -> bytes:
        pick = self._pick
        count = pick.below(5)
        made = [one_of(pick, _IN_MULTI) for _ in range(count)]
        if pick.below(2):
            return wire.multi([(OPS[name], body(self)) for name, body in made])
        return wire.multi([self.likely() for _ in range(1 + count)])

    def likely(self) -> tuple[int, bytes]:
        """An operation that mostly succeeds, so that whole multis do."""
        pick = self._pick
        where = f"{self._root}/{one_of(pick, _NAMES[:4])}"
        kind = pick.below(6)
        if kind < 3:
            below = one_of(pick, ("", "/m", "/m"))
            body = wire.create(where + below, self.data(), flags=one_of(pick, (2, 2, 0, 3, 1)))
            return OPS[one_of(pick, ("create", "create", "create2"))], body
        if kind < 4:
            return OPS["setData"], wire.set_data(one_of(pick, (self._root, where)), self.data())
        if kind < 5:
            return OPS["check"], wire.path_version(self._root, -1)
        return OPS["delete"], wire.path_version(where)

    def multi_read(self) -> bytes:
        pick = self._pick
        names = [one_of(pick, ("getData", "getChildren")) for _ in range(pick.below(5))]
        return wire.multi([(OPS[name], self.read()) for name in names])

    # -- values

    def slot(self) -> int:
        return one_of(self._pick, (0, 0, 0, 1, 1, 2, 3))

    def path(self) -> str:
        """Mostly a good one, of few, so that requests meet."""
        pick = self._pick
        made = self._root
        if rarely(pick, 5):
            return made + one_of(pick, _ODD_ENDS)
        for _ in range((0, 1, 1, 1, 1, 2, 2, 3)[pick.below(8)]):
            made += "/" + one_of(pick, _NAMES[: (3, 3, 3, len(_NAMES))[pick.below(4)]])
        return made

    def new_path(self) -> str:
        """One for a create; sometimes a prefix for a sequence. Never the root: in a sequence that
        would be a sibling of it.
        """
        made = self.path()
        if made == self._root or self._pick.below(8) == 7:
            return made.rstrip("/") + one_of(self._pick, ("/a", "/s", "/", "/d-"))
        return made

    def paths(self) -> list[str]:
        return [self.path() for _ in range(self._pick.below(4))]

    def data(self) -> bytes | None:
        return one_of(self._pick, _DATA)

    def acl(self) -> Sequence[Acl]:
        return one_of(self._pick, _ACLS[: (1, 1, 1, 5, 9, len(_ACLS))[self._pick.below(6)]])

    def version(self) -> int:
        return one_of(self._pick, _VERSIONS[: (1, 1, 4, len(_VERSIONS))[self._pick.below(4)]])


_IN_MULTI: tuple[tuple[str, Callable[[_Drawing], bytes]], ...] = (
    ("create", _Drawing.create),
    ("setData", _Drawing.set_data),
    ("delete", _Drawing.delete),
    ("check", _Drawing.delete),
    ("create2", _Drawing.create),
)
# (weight, type, body, may have others behind it before it is answered)
_TABLE: tuple[tuple[int, str, Callable[[_Drawing], bytes], bool], ...] = (
    (12, "create", _Drawing.create, True),
    (2, "create", _Drawing.odd_create, True),
    (6, "create2", _Drawing.create, True),
    (7, "delete", _Drawing.delete, True),
    (6, "setData", _Drawing.set_data, True),
    (6, "getData", _Drawing.read, True),
    (6, "exists", _Drawing.read, True),
    (5, "getChildren", _Drawing.read, True),
    (5, "getChildren2", _Drawing.read, True),
    (9, "multi", _Drawing.multi, True),
    (4, "multiRead", _Drawing.multi_read, True),
    (3, "setACL", _Drawing.set_acl, True),
    (4, "getACL", _Drawing.named, True),
    (3, "addWatch", _Drawing.add_watch, True),
    (2, "removeWatches", _Drawing.watcher, True),
    (2, "checkWatches", _Drawing.watcher, True),
    (2, "setWatches", _Drawing.watches, True),
    (2, "setWatches2", _Drawing.all_watches, True),
    (2, "createContainer", _Drawing.create, True),
    (1, "sync", _Drawing.named, True),
    (1, "getEphemerals", _Drawing.prefix, True),
    (1, "getAllChildrenNumber", _Drawing.named, True),
    (1, "ping", _Drawing.empty, True),
    (4, "auth", _Drawing.auth, False),
    (2, "closeSession", _Drawing.empty, False),
)
_ALONE = tuple((name, body) for weight, name, body, _ in _TABLE for _ in range(weight))
_TOGETHER = tuple(
    (name, body) for weight, name, body, both in _TABLE for _ in range(weight) if both
)
_LAST_IN_A_BURST = frozenset(OPS[name] for name in ("setACL", "createContainer", "multi"))
_STEPS = tuple(
    make
    for weight, make in (
        (60, _Drawing.single),
        (8, _Drawing.burst),
        (9, _Drawing.life),
        (8, _Drawing.guard),
        (2, _Drawing.crowd),
        (6, _Drawing.connect),
        (2, _Drawing.drop),
        (2, _Drawing.split),
    )
    for _ in range(weight)
)
