"""The one list of known and wanted differences, each with its reason.

`unsafe` names requests that are not sent to a real server at all, because it does not survive them;
`DIFFERENCES` is what a reader of the documentation wants to know, and is kept in step with
`docs/differences.md` by a test.
"""

from __future__ import annotations

import struct

from . import wire
from .steps import Open, Request, Send, Split, Step
from .wire import OPS

DIFFERENCES: dict[str, str] = {}

NULL = b"\xff\xff\xff\xff"
_TTL_FLAGS = (5, 6)


def unsafe(step: Step, version: str) -> bool:
    """Whether the step is not to be sent to a real server of this version ("3.8" or "3.9")."""
    match step:
        case Send(_, requests):
            pass
        case Split(_, request, _):
            requests = (request,)
        case Open():
            requests = step.then
        case _:
            return False
    return any(_unsafe(request, version) for request in requests)


def _unsafe(request: Request, version: str) -> bool:
    if version == "3.8":
        if request.op == OPS["setWatches2"]:
            return _sticks(request.body)
        if request.op == OPS["addWatch"]:
            return request.body[:4] == NULL
        if request.op == OPS["multi"] and _leaves_a_hole(request.body):
            return True
    if request.op in (OPS["setData"], OPS["multi"]) and b"zookeeper_stats" in request.body:
        # The counters of a quota are text that clients may set, and the server dies of nonsense.
        return True
    if request.op == OPS["createTTL"]:
        return _kills_the_leader(request.body)
    if request.op == OPS["createSession"] and len(request.body) >= 4:
        # A short timeout lets the session expire at the server's next tick, whenever that is.
        return int(struct.unpack_from(">i", request.body)[0]) < 100_000
    return False


def _sticks(body: bytes) -> bool:
    """A persistent watch on a null path: the real server fails when it wants to forget it, at the
    end of the connection, and leaves the socket open for ever."""
    try:
        at = 0
        for kind in range(5):
            (count,) = struct.unpack_from(">i", body, at)
            at += 4
            for _ in range(count):
                (length,) = struct.unpack_from(">i", body, at)
                at += 4 + max(length, 0)
                if length == -1 and kind >= 3:
                    return True
    except struct.error:
        pass
    return False


def _leaves_a_hole(body: bytes) -> bool:
    """A multi with a null path: 3.8.0 takes a zxid and then forgets it, so the next write skips it.

    Found by its bytes, an operation's header with a null behind it: that is never too few.
    """
    return any(wire.multi_header(op) + NULL in body for op in OPS.values())


def _kills_the_leader(body: bytes) -> bool:
    """createTTL with a plain flag and ttl -1: the request thread of the real server dies of it."""
    try:
        at = 0
        for _ in range(2):  # path, data
            (length,) = struct.unpack_from(">i", body, at)
            at += 4 + max(length, 0)
        (count,) = struct.unpack_from(">i", body, at)
        at += 4
        for _ in range(count):
            at += 4
            for _ in range(2):
                (length,) = struct.unpack_from(">i", body, at)
                at += 4 + max(length, 0)
        flags, ttl = struct.unpack_from(">iq", body, at)
    except struct.error:
        return False
    return flags not in _TTL_FLAGS and ttl < 0
