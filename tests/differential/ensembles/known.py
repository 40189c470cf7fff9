"""The one list of what is not sent to a live ensemble, beyond what no live server is sent.

All of it comes to one thing: a transaction that is none. 3.9 proposes a write that it cannot read
under the last zxid once more, and never commits it, nor what comes after it. 3.8 takes a zxid
before it reads, but for `reconfig`, and then waits for a commit that never comes; and it proposes a
`check` that no other server can read. `docs/differences.md` says what comes of each.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from zkfake._compare.steps import RawRequest, requests_of

from ...support.wire import OPS
from .. import known

if TYPE_CHECKING:
    from collections.abc import Callable

_RECORDS = {
    "create": "sbai",
    "create2": "sbai",
    "createContainer": "sbai",
    "createTTL": "sbail",
    "delete": "si",
    "setData": "sbi",
    "setACL": "sai",
    "check": "si",
    "reconfig": "sssl",
    "deleteContainer": "p",
}
"""Fields: s string, p string that is there, b buffer, a ACLs, i int, l long, y byte."""
_READS = {"getData": "sy", "getChildren": "sy"}
"""What else a multi may be read with."""


def unsafe(step: object, version: str) -> bool:
    """Whether the step is not to be sent to an ensemble of this version ("3.8" or "3.9")."""
    return known.unsafe(step, version) or any(
        waits_for_ever(each, version) for each in requests_of(step)
    )


def waits_for_ever(request: RawRequest, version: str) -> bool:
    """Whether it is a write that uses no zxid: 3.9 takes none where it cannot read the record,
    3.8 takes one first, but for `reconfig`.
    """
    op = next((name for name in _RECORDS if OPS[name] == request.op), None)
    if op is None:
        return request.op == OPS["multi"] and version == "3.9" and _has_null_acls(request.body)
    readable = _is_readable(request.body, _RECORDS[op])
    if version == "3.8" and op == "check":
        return readable
    if version == "3.8" and op != "reconfig":
        return False
    return not readable


def _is_readable(body: bytes, fields: str) -> bool:
    at = 0
    try:
        for field in fields:
            at = _END[field](body, at)
    except (struct.error, ValueError):
        return False
    return at <= len(body)


def _buffer(body: bytes, at: int) -> int:
    (length,) = struct.unpack_from(">i", body, at)
    if length < -1 or at + 4 + length > len(body):
        raise ValueError
    return at + 4 + max(length, 0)


def _there(body: bytes, at: int) -> int:
    end = _buffer(body, at)
    if end == at + 4 and body[at] == 0xFF:
        raise ValueError
    return end


def _acls(body: bytes, at: int) -> int:
    (count,) = struct.unpack_from(">i", body, at)
    at += 4
    for _ in range(count):
        at = _buffer(body, _buffer(body, at + 4))
    return at


_END: dict[str, Callable[[bytes, int], int]] = {
    "s": _buffer,
    "p": _there,
    "b": _buffer,
    "a": _acls,
    "i": lambda body, at: at + 4,
    "l": lambda body, at: at + 8,
    "y": lambda body, at: at + 1,
}


def _has_null_acls(body: bytes) -> bool:
    """Whether a create in a multi has no list of ACLs: 3.9 stumbles over it while it reads."""
    at = 0
    try:
        while True:
            op, done, _ = struct.unpack_from(">i?i", body, at)
            at += 9
            records = {**_RECORDS, **_READS}
            fields = next((records[name] for name in records if OPS[name] == op), None)
            if done or fields is None:
                return False
            for field in fields:
                if field == "a" and body[at : at + 4] == known.NULL:
                    return True
                at = _END[field](body, at)
    except (struct.error, ValueError):
        return False
