"""What kazoo does not do: it sends no ``setWatches``, and nothing before its handshake is answered.

So these histories are written here, event by event.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from zkfake._database.log import Create, Delete, SetData, Transaction
from zkfake._history.checking import check
from zkfake._history.judges.order import SAID_LESS
from zkfake._protocol.jute import pack_buffer, pack_int, pack_string, pack_strings
from zkfake._protocol.records import Acl, Op, pack_connect_response, pack_reply, pack_stat
from zkfake.history import Committed, Connected, Disconnected, Reply, Sent, WatchEvent

from ..support import wire

if TYPE_CHECKING:
    from zkfake.history import Verdict

OPEN = (Acl(31, "world", "anyone"),)
SET = SetData("/a", b"1", 1)
DELETE = Delete("/a")
CREATE = Create("/c", b"", OPEN, 0, 0, 1)
CHILD = Create("/a/x", b"", OPEN, 0, 0, 1)
LISTS = ("data", "exist", "child")


def frame(payload: bytes) -> bytes:
    return pack_int(len(payload)) + payload


def committed(zxid: int, operation: Any) -> Committed:
    return Committed(zxid / 10, Transaction(zxid, 0, 9, Op.MULTI, (operation,)))


def connected(time: float, link: int, session: int) -> list[Any]:
    asked = bytes(12) + struct.pack(">iq", 8000, session) + pack_buffer(bytes(16))
    given = pack_connect_response(8000, 1, bytes(16), None)
    return [
        Connected(time, "c", link, 1),
        Sent(time, "c", link, link, 0, "connect", (), frame(asked)),
        Reply(time, "c", link, link, 0, "connect", (), 0, 0, frame(given)),
    ]


def came_back(kind: str, path: str, change: Any, told: str | None, *, later: Any = None) -> Verdict:
    """A client that watched a path comes back after a change, of which it is told, or not. After
    one more change it is shown the state, untold.
    """
    lists = [pack_strings([path] if kind == each else []) for each in LISTS]
    asked = frame(struct.pack(">iiq", -8, Op.SET_WATCHES, 2) + b"".join(lists))
    entries = [
        *connected(0.0, 1, 0),
        committed(1, Create("/a", b"", OPEN, 0, 0, 1)),
        committed(2, Create("/b", b"", OPEN, 0, 0, 2)),
        committed(3, change),
        *connected(0.4, 2, 1),
        Sent(0.5, "c", 2, 3, -8, "setWatches", (), asked),
        *([WatchEvent(0.6, "c", 2, told, path, -1)] if told else []),
        Reply(0.7, "c", 2, 3, -8, "setWatches", (), 3, 0, frame(pack_reply(-8, 3, 0, b""))),
    ]
    if later is not None:
        read = struct.pack(">ii", 1, Op.EXISTS) + pack_string("/b") + b"\0"
        answer = pack_reply(1, 8, 0, pack_stat(2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2))
        entries += [
            committed(8, later),
            Sent(0.9, "c", 2, 4, 1, "exists", ("/b",), frame(read)),
            Reply(1.0, "c", 2, 4, 1, "exists", ("/b",), 8, 0, frame(answer)),
        ]
    return check(entries, has_log=True)


class Case(NamedTuple):
    kind: str
    path: str
    change: Any
    due: str | None
    """What the client has to be told of."""


CASES = [
    Case("data", "/a", SET, "DATA_CHANGED"),
    Case("data", "/a", DELETE, "DELETED"),
    Case("data", "/a", CHILD, None),
    Case("exist", "/c", CREATE, "CREATED"),
    Case("exist", "/c", SET, None),
    Case("child", "/a", CHILD, "CHILDREN_CHANGED"),
    Case("child", "/a", DELETE, "DELETED"),
    Case("child", "/a", SET, None),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_changed_meanwhile_is_told(case: Case) -> None:
    assert came_back(*case).broken == ()
    if case.due is not None:
        (finding,) = came_back(*case._replace(due=None)).broken
        assert finding.judge == "watches are told"
        assert f"came back with a watch on {case.path} as of 0x2" in str(finding)


@pytest.mark.parametrize(
    ("kind", "path", "later", "is_due"),
    [
        ("data", "/a", SET, True),
        ("data", "/a", CHILD, False),
        ("exist", "/c", CREATE, True),
        ("exist", "/c", SET, False),
        ("child", "/a", CHILD, True),
        ("child", "/a", DELETE, True),
        ("child", "/a", SET, False),
    ],
)
def test_what_changes_later_is_told(kind: str, path: str, later: Any, is_due: bool) -> None:
    verdict = came_back(kind, path, Create("/z", b"", OPEN, 0, 0, 3), None, later=later)
    assert [finding.judge for finding in verdict.broken] == ["watches are told"] * is_due


@pytest.mark.parametrize("times", [1, 2])
def test_a_write_may_be_sent_before_the_handshake_is_answered(times: int) -> None:
    opened, shaken, answered = connected(0.0, 1, 0)
    body = pack_string("/a") + pack_buffer(b"1") + pack_int(-1)
    write = Sent(0.0, "c", 1, 2, 1, "setData", ("/a",), frame(struct.pack(">ii", 1, 5) + body))
    entries = [
        Committed(-1.0, Transaction(1, 0, 9, Op.CREATE, (Create("/a", b"", OPEN, 0, 0, 1),))),
        *(opened, shaken, write, answered),
        *(
            Committed(1.0 + zxid, Transaction(zxid, 0, 1, Op.SET_DATA, (SET,)))
            for zxid in range(2, 2 + times)
        ),
    ]
    broken = check(entries, has_log=True).broken
    assert [each.judge for each in broken] == ["carried out once"] * (times - 1)


def made(zxid: int, *paths: str) -> list[Any]:
    """A multi that makes sequential znodes, and its answer."""
    asked = wire.multi((Op.CREATE, wire.create(path[:-10], flags=2)) for path in paths)
    given = b"".join(wire.multi_header(Op.CREATE, err=0) + pack_string(path) for path in paths)
    head = struct.pack(">ii", zxid, Op.MULTI)
    answer = frame(pack_reply(zxid, zxid, 0, given + wire.MULTI_END))
    return [
        Sent(float(zxid), "c", 1, zxid, zxid, "multi", paths, frame(head + asked)),
        Reply(float(zxid), "c", 1, zxid, zxid, "multi", paths, zxid, 0, answer),
    ]


@pytest.mark.parametrize("second", [1, 5, 7])
def test_every_number_of_a_multi_is_looked_at(second: int) -> None:
    entries = [
        *connected(0.0, 1, 0),
        committed(1, Create("/a", b"", OPEN, 0, 0, 1)),
        *made(2, "/zookeeper/n-0000000003", "/b/n-0000000000", "/a/n-0000000005"),
        *made(3, f"/a/n-{second:010}"),
    ]
    judges = [each.judge for each in check(entries, has_log=True).broken]
    assert ("sequence numbers grow" in judges) == (second <= 5)


def asks(time: float, link: int, number: int, operation: str) -> Sent:
    head = struct.pack(">ii", number, wire.OPS[operation])
    body = wire.set_data("/a", b"1") if operation == "setData" else wire.path_watch("/a")
    return Sent(time, "c", link, number, number, operation, ("/a",), frame(head + body))


def is_shown(time: float, link: int, number: int, zxid: int) -> Reply:
    answer = frame(pack_reply(number, zxid, -101, b""))
    return Reply(time, "c", link, number, number, "exists", ("/a",), zxid, -101, answer)


def back_with(said: int, shown: int) -> list[Any]:
    """A client that was shown the state of 9 takes its session to another connection, and keeps
    the first one for a while.
    """
    opened, shaken, answered = connected(2.0, 2, 1)
    shaken = shaken._replace(frame=shaken.frame[:8] + struct.pack(">q", said) + shaken.frame[16:])
    return [
        *connected(0.0, 1, 0),
        *(asks(1.0, 1, 3, "exists"), is_shown(1.0, 1, 3, 9)),
        *(opened, shaken, answered),
        *(asks(3.0, 2, 4, "exists"), is_shown(3.0, 2, 4, shown)),
        WatchEvent(4.0, "c", 1, "CREATED", "/zookeeper/a", 10),
    ]


@pytest.mark.parametrize(
    ("said", "shown", "is_back"),
    [(9, 12, False), (9, 9, False), (9, 8, True), (5, 6, False), (5, 4, True), (0, 3, False)],
)
def test_who_says_less_than_was_seen_is_taken_at_its_word(
    said: int, shown: int, is_back: bool
) -> None:
    verdict = check(back_with(said, shown), has_log=False)
    judges = [each.judge for each in verdict.broken]
    assert judges == ["never back"] * is_back
    assert (SAID_LESS in verdict.undecided.get("never back", {})) == (said < 9)


@pytest.mark.parametrize("link", [1, 2])
@pytest.mark.parametrize("shared", [False, True])
def test_writes_of_a_session_that_has_moved_are_not_answered(shared: bool, link: int) -> None:
    """To servers it may have moved from the connection that was made last, too."""
    opened, shaken, answered = connected(1.0, 2, 1)
    first, second = connected(0.0, 1, 0), [opened, shaken, answered] if shared or link == 2 else []
    if not shared and link == 2:
        first.append(Disconnected(0.5, "c", 1, "client"))
    asked = asks(2.0, link, 3, "setData"), asks(2.0, link, 4, "exists"), is_shown(3.0, link, 4, 9)
    broken = check([*first, *second, *asked], has_log=False).broken
    assert [each.judge for each in broken] == ["replies in order"] * (not shared)


def test_a_part_of_a_multi_that_has_no_operation_is_unreadable() -> None:
    entry = made(2, "/a/n-0000000000")[1]
    spoilt = entry._replace(frame=entry.frame[:20] + struct.pack(">i", 77) + entry.frame[24:])
    assert "unreadable" in repr(spoilt)
