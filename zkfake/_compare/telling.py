"""Programs and answers in words.

Rules that live here: paths are shown without the root that they all share; the frames are told by
what is in them, so two that look alike may differ, and `differences` says in what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._compare import wire
from zkfake._compare.side import CONNECT, EVENT
from zkfake._compare.steps import Connect, Drop, RawRequest, Send, Split, Zxid
from zkfake._compare.wire import OP_NAMES, OPS, PING
from zkfake._database.acl import OPEN
from zkfake._history import shown
from zkfake._protocol.frames import event_of, read_request
from zkfake._protocol.jute import Reader
from zkfake._protocol.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zkfake._compare.side import Seen

__all__ = ["answers", "program_lines"]

_MOST = 3
"""Answers that are told from the first one that differs."""


def program_lines(steps: Iterable[Any], root: str) -> list[str]:
    """A line for each thing that is done. A connection that is not there is made before, with a new
    session.
    """
    return [_without(root, line) for step in steps for line in _step(step)]


def _without(root: str, line: str) -> str:
    return line.replace(f"{root}/", "/").replace(root, "/")


def _step(step: Any) -> Iterator[str]:
    name = f"connection {step.slot}"
    match step:
        case Connect():
            yield f"{name} is made anew{_handshake(step)}"
        case Drop():
            yield f"{name} is lost"
        case Send():
            together = ", in one piece with the next" if len(step.requests) > 1 else ""
            yield from (f"{name}: {_request(each)}{together}" for each in step.requests[:-1])
            yield from (f"{name}: {_request(each)}" for each in step.requests[-1:])
        case Split():
            yield f"{name}: {_request(step.request)}, in two pieces"


def _handshake(step: Connect) -> str:
    text = ", for a new session"
    if step.session is not None:
        text = f", for session {step.session}, or a new one if there is none"
        text += ", with a wrong password" if step.password == "wrong" else ""
    return text + ("" if step.last_zxid == 0 else ", by a client that has seen later zxids")


def _request(request: RawRequest) -> str:
    zxid = request.zxid.after if isinstance(request.zxid, Zxid) else request.zxid
    since = b"" if zxid is None else wire.i64(zxid)
    frame = wire.request(1, request.op, since + request.body)
    head = read_request(frame, first=False)
    paths = () if request.op == OPS["multi"] else head.paths  # its parts have them
    parts = [head.operation, *paths, shown.request(head.operation, frame)]
    record = OPERATIONS[request.op].read(Reader(frame, 12))
    acl = getattr(record, "acl", None)
    if acl is not None and acl != list(OPEN):
        listed = [f"{each.scheme}:{each.id}:{each.perms}" for each in acl]
        parts.append(f"acl={', '.join(listed) or 'none'}")
    return " ".join(filter(None, parts))


def answers(name: str, seen: Seen | None, same: int, root: str) -> list[str]:
    """What a server answers on a connection behind ``same`` answers that are equal."""
    lines = []
    if seen is not None:
        rest = list(zip(seen.ops, seen.frames, strict=True))[same : same + _MOST]
        while len(rest) > 1 and rest[-1][0] == PING:  # with which each step ends
            rest.pop()
        lines = [_answer(op, payload) for op, payload in rest]
        if len(seen.frames) <= same + _MOST:
            lines += ["closes the connection"] if seen.ended else []
    return [f"{name}: {_without(root, line)}" for line in lines or ["nothing"]]


def _answer(op: int, payload: bytes) -> str:
    if payload.startswith(b"silence"):
        return payload.decode("utf-8", "replace")
    frame = wire.frame(payload)
    if op == EVENT:
        return "event {} {}".format(*event_of(frame))
    if op == PING:
        return "the connection goes on"
    name = "connect" if op == CONNECT else OP_NAMES[op]
    return f"{name} {shown.reply(name, frame)}".rstrip()
