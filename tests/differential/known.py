"""The one list of known and wanted differences, each with its reason.

`unsafe` picks out requests that are not sent to a real server at all: it does not survive them, or
answers them by chance. `DIFFERENCES` is what a reader of the documentation wants to know; a test
keeps it in step with `docs/differences.md`.
"""

from __future__ import annotations

import struct

from zkfake._compare.steps import RawRequest, requests_of

from ..support import wire
from ..support.wire import OPS

DIFFERENCES: dict[str, str] = {
    "createTTL with a plain mode and ttl -1": (
        "Ends the real server for good. The fake answers BadArguments, as for any other ttl that"
        " does not go with the mode."
    ),
    "A write that cannot be read, on an ensemble of 3.9 (all but multi and createSession; also"
    " deleteContainer of a null path, and a multi that creates without a list of ACLs)": (
        "The real leader proposes it under a zxid that is taken, so it is never committed, nor is"
        " anything after it until there is another leader: in the whole ensemble no write, sync or"
        " new session is answered. The fake answers MarshallingError, as a standalone server does."
    ),
    "A reconfig that cannot be read, or a multi with a null path, on an ensemble of 3.8": (
        "It is no transaction, and the server it came through waits for its commit: it answers no"
        " write, sync or new session any more, and the leader no request behind a write of the same"
        " session, until there is another leader. The fake answers MarshallingError."
    ),
    "A check outside a multi that holds, on an ensemble of 3.8": (
        "No server can read the transaction again: the others leave the leader, which cannot be"
        " started any more. The fake goes on, and answers nothing, as a standalone server does."
    ),
    "`enableEagerACLCheck`: a null path in a create or delete, or a null id in a list of ACLs": (
        "The server stumbles over it before the leader hears of it: it drops every client, and has"
        " to find its place in the ensemble again. The fake leaves it to the leader, which answers"
        " MarshallingError."
    ),
    "A znode `zookeeper_limits` right below `/zookeeper/quota`, or deleted elsewhere below"
    " `/zookeeper`": "Ends the real server for good. To the fake it is a znode like others.",
    "Counters of a quota overwritten with something else": (
        "The next write below the quota ends the real server for good. The fake leaves the counters"
        " as they are."
    ),
    "A persistent watch on a null path, 3.8": (
        "The real server fails when it has to forget it, so it never closes that connection. The"
        " fake closes it."
    ),
    "A null path in a multi, 3.8": (
        "The real server takes a zxid and forgets it, so the next write leaves one out, and sends"
        " a body behind the error. The fake does as 3.9: one zxid, no body."
    ),
    "A session created anew with a short timeout (createSession within a session)": (
        "May expire at the real server's next tick, before the next request is heard. The fake's"
        " ticks come as punctually, but at other moments."
    ),
    "Requests right behind a setACL, a container with an ephemeral mode, or a multi that breaks"
    " off, in one burst": (
        "The real server checks them by what it has planned or by what it has done, whichever it is"
        " at; the two differ. The fake has always done it. In an ensemble a follower may reply to a"
        " setACL before the leader has done it: a write of another session may then still be"
        " checked by the old ACL."
    ),
    "Requests under a hard quota in one burst": (
        "The real server may check one before the one in front of it has been counted. The fake has"
        " always counted it."
    ),
    "A request behind one that ends the connection": (
        "Whether the real server still answers it, with SessionExpired or at all, is a matter of"
        " time. The fake does not."
    ),
    "The old connection of a session that moved, when it is closed at its new server": (
        "Whether it still hears of the session's ephemerals that go is a matter of time. The fake"
        " closes it first."
    ),
    "The order of children whose names collide": (
        "A bucket of more than eight names in a hash table of 64 or more is a tree in the real"
        " server; the fake keeps the order in which they came."
    ),
    "Four-letter words": (
        "`envi`, `dirs` and `hash` tell of the machine and the JVM, and are not compared; nor is"
        " most of `mntr`; nor are ports, clocks, latencies, directories and traffic in the others."
    ),
}

NULL = b"\xff\xff\xff\xff"
_TTL_FLAGS = (5, 6)


def unsafe(step: object, version: str) -> bool:
    """Whether the step is not to be sent to a real server of this version ("3.8" or "3.9")."""
    return any(_unsafe(request, version) for request in requests_of(step))


def _unsafe(request: RawRequest, version: str) -> bool:
    if version == "3.8":
        if request.op == OPS["setWatches2"]:
            return _sticks(request.body)
        if request.op == OPS["addWatch"]:
            return request.body[:4] == NULL
        if request.op == OPS["multi"] and _leaves_a_hole(request.body):
            return True
    if b"/zookeeper/quota/zookeeper_limits" in request.body:
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
