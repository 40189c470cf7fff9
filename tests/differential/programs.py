"""Draws programs, step by step: single requests, bursts, connections, raw bytes, words.

Rules that live here: how often each kind of step comes, and that none is drawn which a real server
does not survive (`known`).
"""

from __future__ import annotations

from collections.abc import Callable

from zkfake._compare.picking import Pick, RandomPick, one_of, rarely
from zkfake._compare.steps import Connect, Drop, RawRequest, Send, Split, Zxid

from ..support import wire
from ..support.wire import OPS
from .engine.steps import ROOT, Raw, Step, Word
from .known import unsafe
from .requests import BURST_DECK, DECK, LAST_IN_A_BURST, STRANGE_OPS, request
from .values import ACLS, NAMES, QUOTA, QUOTA_DATA, data

Unsafe = Callable[[Step, str], bool]
"""Whether a step is not to be sent to servers of a version."""

LAST_ZXIDS: tuple[Zxid | int, ...] = (
    *(0, Zxid(0), -1, Zxid(10_000)),
    *(-(1 << 63), (1 << 63) - 1),
)


def slot(pick: Pick) -> int:
    return one_of(pick, (0, 0, 0, 1, 1, 2, 3))


def single(pick: Pick) -> Step:
    """One request."""
    if rarely(pick, 1):
        return Send(slot(pick), (RawRequest(one_of(pick, STRANGE_OPS), data(pick) or b""),))
    return Send(slot(pick), (request(pick, DECK),))


def burst(pick: Pick) -> Step:
    """Requests sent in one piece, before any is answered."""
    return Send(slot(pick), pipelined(pick, (2, 3, 5, 9, 20)[pick.below(5)]))


def pipelined(pick: Pick, count: int) -> tuple[RawRequest, ...]:
    """Up to `count` requests to be sent behind one another; fewer if one of them has to be last."""
    made: list[RawRequest] = []
    while len(made) < count:
        made.append(request(pick, BURST_DECK))
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
        tuple(RawRequest(OPS["create"], wire.create(f"{parent}/{n}", flags=kind)) for n in names),
    )


def life(pick: Pick) -> Step:
    """What may happen to one znode and its child, over and over: made, watched, changed, gone."""
    where = f"{ROOT}/{one_of(pick, NAMES[:2])}"
    below = f"{where}/{NAMES[0]}"
    deeds: tuple[tuple[str, bytes], ...] = (
        ("create", wire.create(where)),
        ("getChildren", wire.path_watch(where, 1)),
        ("delete", wire.path_version(where)),
        ("create", wire.create(below)),
        ("getData", wire.path_watch(where, 1)),
        ("delete", wire.path_version(below)),
        ("exists", wire.path_watch(where, 1)),
        ("setData", wire.set_data(where, data(pick))),
        ("addWatch", wire.path_version(where, pick.below(2))),
    )
    made = []
    for _ in range(2 + pick.below(7)):
        name, body = one_of(pick, deeds)
        made.append(RawRequest(OPS[name], body))
    return Send(slot(pick), tuple(made))


def guard(pick: Pick) -> Step:
    """One znode, who may do what with it, and what others see of that."""
    where = f"{ROOT}/{one_of(pick, NAMES[:2])}"
    entries = ACLS[1 + pick.below(13)]
    deeds: tuple[tuple[str, bytes], ...] = (
        ("getACL", wire.string(where)),
        ("create2", wire.create(where, b"", entries)),
        ("getACL", wire.string(where)),
        ("setACL", wire.set_acl(where, entries)),
        ("getData", wire.path_watch(where, 1)),
        ("delete", wire.path_version(where)),
    )
    made = [one_of(pick, deeds) for _ in range(1 + pick.below(3))]
    requests = [RawRequest(OPS[name], body) for name, body in made]
    last = next((n for n, r in enumerate(requests) if r.op in LAST_IN_A_BURST), len(requests))
    return Send(slot(pick), tuple(requests[: last + 1]))


def quota(pick: Pick) -> Step:
    """A quota with its counters, or an end to it."""
    of = QUOTA + one_of(pick, ("", "", "/a"))
    limits, stats = f"{of}/zookeeper_limits", f"{of}/zookeeper_stats"
    if rarely(pick, 25):
        gone = wire.path_version(one_of(pick, (limits, stats)))
        return Send(slot(pick), (RawRequest(OPS["delete"], gone),))
    wanted = [(QUOTA, b""), (of, b""), (limits, one_of(pick, QUOTA_DATA)), (stats, data(pick))]
    return Send(
        slot(pick), tuple(RawRequest(OPS["create"], wire.create(path, d)) for path, d in wanted)
    )


def connect(pick: Pick) -> Step:
    """A new connection, for a new session or an old one, behaving or not."""
    session = pick.below(4) if pick.below(3) > 0 else None
    odd = rarely(pick, 30)
    then: tuple[RawRequest, ...] = ()
    if rarely(pick, 30):
        then = pipelined(pick, 1 + pick.below(3))
    if not odd:
        return Connect(slot(pick), session, then=then)
    cut = one_of(pick, (None, None, None, None, 44, 43, 40, 28, 27, 24, 20, 8, 3))
    # No requests behind a connect that may be refused: how far they get is a matter of time.
    return Connect(
        slot(pick),
        session,
        password=one_of(pick, ("right", "right", "wrong", "short", "null")),
        timeout=one_of(pick, (130_000, 0, -1, 1, 120_000, 599_999, 2_147_483_647)),
        last_zxid=one_of(pick, LAST_ZXIDS),
        read_only=one_of(pick, (0, 1, None, 2, 255)),
        protocol=one_of(pick, (0, 1, -1, 2_147_483_647)),
        # Cut or drawn out, not both: other bytes in the place of the password's last ones are the
        # right ones now and then, and then on one side alone.
        tail=b"" if cut else one_of(pick, (b"", b"", b"", b"x", b"\0" * 20)),
        keep=cut,
    )


def raw(pick: Pick) -> Step:
    """Bytes that are no frames, or no whole ones."""
    kind = pick.below(6)
    if kind == 0:
        whole = wire.request(1, one_of(pick, (1, 3, 14)), request(pick, BURST_DECK).body)
        return Raw(slot(pick), whole[: pick.below(len(whole))], cut=True)
    if kind == 1:
        length = one_of(pick, (-1, -2, -2147483648, 1_048_576, 2_147_483_647))
        return Raw(slot(pick), wire.i32(length) + b"some bytes behind")
    if kind == 2:
        return Raw(slot(pick), wire.frame(bytes(pick.below(8))))
    if kind == 3:
        # A second connect: its first twelve bytes are a header of xid 0 and type 0.
        return Send(slot(pick), (RawRequest(0, wire.connect()[8:], xid=0),))
    return Raw(slot(pick), one_of(pick, (b"ruok", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0")))


def split(pick: Pick) -> Step:
    """A request that arrives in two pieces."""
    return Split(slot(pick), request(pick, BURST_DECK), 1 + pick.below(20))


def drop(pick: Pick) -> Step:
    return Drop(slot(pick))


COMPARABLE_WORDS = (
    *(
        b"ruok",
        b"isro",
        b"srvr",
        b"stat",
        b"wchs",
        b"wchc",
        b"wchp",
        b"cons",
        b"dump",
        b"conf",
        b"mntr",
    ),
    *(b"crst", b"srst", b"gtmk", b"RUOK", b"kill", b"reqs", b"GET ", b"zzzz"),
)


def word(pick: Pick) -> Step:
    """A four-letter word."""
    return Word(one_of(pick, COMPARABLE_WORDS), one_of(pick, (b"", b"", b"\n", b" and more")))


_STEPS: tuple[tuple[int, Callable[[Pick], Step]], ...] = (
    (60, single),
    (8, burst),
    (6, life),
    (5, guard),
    (2, crowd),
    (1, quota),
    (6, connect),
    (2, drop),
    (2, split),
    (1, raw),
    (2, word),
)
_STEP_DECK = tuple(make for weight, make in _STEPS for _ in range(weight))


def step(pick: Pick, version: str, unsafe: Unsafe = unsafe) -> Step:
    """Any step that a real server of this version survives; `unsafe` tells what it does not."""
    made = one_of(pick, _STEP_DECK)(pick)
    return Drop(slot(pick)) if unsafe(made, version) else made


def program(seed: int, length: int, version: str, unsafe: Unsafe = unsafe) -> tuple[Step, ...]:
    """A program drawn from a seed."""
    pick = RandomPick(seed)
    return tuple(step(pick, version, unsafe) for _ in range(length))
