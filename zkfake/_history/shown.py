"""What requests and replies say, in a line for people: data, versions, modes, errors by name.

Rules that live here: what is long is cut and says how long it is; what cannot be read is shown as
its size; what proves who somebody is, a password or a token, is never shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._database.log import Create, SetData, Transaction
from zkfake._protocol.frames import REPLY_BODY, read_reply
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import CREATE_FLAGS, Code, Op, read_connect_request, read_stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["error_name", "outcome", "reply", "request", "transaction", "writes"]

_LONGEST = 60
"""Bytes of data, or characters of a name, that are shown."""
_MOST = 8
"""Names of a list, or parts of a multi, that are shown."""


def error_name(code: int) -> str:
    """ZooKeeper's name of an error, such as ``NoNode``; ``ok`` for 0."""
    try:
        words = Code(code).name.split("_")
    except ValueError:
        return f"error {code}"
    return "ok" if code == 0 else "".join(_capital(word) for word in words)


def _capital(word: str) -> str:
    return word if word == "ACL" else word.capitalize()


def request(operation: str, frame: bytes, *, brief: bool = False) -> str:
    """What a request asks for besides its operation and paths; ``frame`` begins with its length.
    ``brief``: without data.
    """
    read = _REQUESTS.get(operation)
    try:
        return "" if read is None else read(frame, brief)
    except (JuteError, ValueError):
        return f"unreadable, {len(frame)} bytes"


def reply(operation: str, frame: bytes) -> str:
    """What a reply says behind its zxid: the error's name, or its body in short."""
    if operation == "connect":
        return _connected(frame)
    _, _, error = read_reply(frame)
    if error:
        return error_name(error)
    read = _REPLIES.get(operation)
    try:
        return "" if read is None else read(Reader(frame, REPLY_BODY))
    except (JuteError, ValueError):
        return f"unreadable, {len(frame)} bytes"


def transaction(done: Transaction) -> str:
    """One entry of the log."""
    return f"zxid={done.zxid:#x}, session={done.session_id:#x}, {outcome(done)}"


def outcome(done: Transaction) -> str:
    """What a transaction does."""
    if done.op is Op.ERROR:
        return "a test replaces the state"
    name = OPERATIONS[done.op].name
    if done.error:
        return f"{name}, {error_name(done.error)}"
    parts = [_part(operation) for operation in done.operations[:_MOST]]
    more = [f"... {len(done.operations)} in all"] if len(done.operations) > _MOST else []
    if len(parts) != 1 or not parts[0].startswith(f"{name} "):
        parts.insert(0, name)
    return "; ".join([*parts, *more])


def _part(operation: Any) -> str:
    text = f"{_OPERATION_NAMES[type(operation).__name__]} {operation.path}"
    if isinstance(operation, Create):
        text += " ephemeral" if operation.owner else ""
    if isinstance(operation, (Create, SetData)):
        text += f" data={data(operation.data)}"
    return text


_OPERATION_NAMES = {
    "Create": "create",
    "Delete": "delete",
    "SetData": "setData",
    "SetAcl": "setACL",
    "Check": "check",
}


def data(value: bytes | None) -> str:
    """Bytes, cut where they are long."""
    if value is None or len(value) <= _LONGEST:
        return repr(value)
    return f"{value[:_LONGEST]!r}... {len(value)} bytes"


def writes(changes: Iterable[tuple[str, bytes | None]]) -> str:
    """What a write leaves of each child."""
    parts = [
        f"{name} {'is gone' if value is None else f'data={data(value)}'}" for name, value in changes
    ]
    return "; ".join(parts[:_MOST]) + (f"; ... {len(parts)} in all" if len(parts) > _MOST else "")


def _names(names: Iterable[str | None] | None) -> str:
    if names is None:
        return "None"
    shown = [str(name)[:_LONGEST] for name in names]
    more = f"... {len(shown)} in all" if len(shown) > _MOST else ""
    return f"{shown[:_MOST]!r}{more}"


# -- requests


def _connect(frame: bytes, _brief: bool) -> str:
    found = read_connect_request(Reader(frame, 4))
    text = f"session={found.session_id:#x}, timeout={found.timeout}, zxid={found.last_zxid_seen:#x}"
    return text + (", read_only" if found.read_only else "")


def _record(op: Op) -> Callable[[bytes, bool], str]:
    read = OPERATIONS[op].read
    return lambda frame, brief: _shown(op, read(Reader(frame, 12)), brief)


def _shown(op: Op, record: Any, brief: bool) -> str:
    parts = []
    for name, value in record._asdict().items():
        if name == "data":
            parts += [] if brief else [f"data={data(value)}"]
        elif name == "flags" and op is not Op.CREATE_CONTAINER:
            mode = CREATE_FLAGS.get(value)
            words = [str(value)] if mode is None else [k for k, on in mode._asdict().items() if on]
            parts += [" ".join(words)] if words else []
        elif name == "version" and value != -1:
            parts.append(f"version={value}")
        elif name == "watch" and value:
            parts.append("watch")
        elif name in ("scheme", "timeout", "value", "joining", "leaving", "members"):
            parts.append(f"{name}={value!r}")
        elif name == "ttl" and value != -1:
            parts.append(f"ttl={value}")
        elif name == "relative_zxid":
            parts.append(f"since={value:#x}")
        elif name == "lists":
            parts += [_names(each) for each in value]
    return ", ".join(parts)


def _multi(frame: bytes, brief: bool) -> str:
    record = OPERATIONS[Op.MULTI].read(Reader(frame, 12))
    parts = [
        f"{OPERATIONS[sub.op].name if sub.op in OPERATIONS else 'error'} {sub.record.path}"
        + (f" {shown}" if (shown := _shown(sub.op, sub.record, brief)) else "")
        for sub in record.operations
    ]
    return "; ".join(parts[:_MOST]) + (f"; ... {len(parts)} in all" if len(parts) > _MOST else "")


_HIDDEN = {Op.SASL}
_REQUESTS: dict[str, Callable[[bytes, bool], str]] = {
    "connect": _connect,
    **{
        row.name: _multi if op in (Op.MULTI, Op.MULTI_READ) else _record(row.op)
        for op, row in OPERATIONS.items()
        if op not in _HIDDEN
    },
}


# -- replies


def _connected(frame: bytes) -> str:
    try:
        reader = Reader(frame, 8)
        timeout, session_id = reader.read_int(), reader.read_long()
    except JuteError:
        return f"unreadable, {len(frame)} bytes"
    return f"session={session_id:#x}, timeout={timeout}" if session_id else "no such session"


def _path(reader: Reader) -> str:
    return f"path={reader.read_string()!r}"


def _stat(reader: Reader) -> str:
    return f"version={read_stat(reader).version}"


def _data(reader: Reader) -> str:
    value = reader.read_buffer()
    return f"data={data(value)}, {_stat(reader)}"


def _children(reader: Reader) -> str:
    return _names(reader.read_vector(reader.read_string))


def _results(reader: Reader) -> str:
    """The parts of a multi, by name; a part that failed by its error."""
    parts: list[str] = []
    while True:
        op, done, error = reader.read_int(), reader.read_bool(), reader.read_int()
        if done:
            return "; ".join(parts[:_MOST]) + ("; ..." if len(parts) > _MOST else "")
        if op == Op.ERROR:
            reader.read_int()
            parts.append(error_name(error))
            continue
        if op not in OPERATIONS:
            raise ValueError(f"no operation has the number {op}")
        name = OPERATIONS[op].name
        if op == Op.CREATE:
            parts.append(f"{name} {_path(reader)}")
            continue
        if op == Op.CREATE2:
            name = f"{name} {_path(reader)}"
        if op == Op.GET_DATA:
            name = f"{name} data={data(reader.read_buffer())}"
        if op == Op.GET_CHILDREN:
            name = f"{name} {_children(reader)}"
        if op in (Op.CREATE2, Op.SET_DATA, Op.GET_DATA):
            name = f"{name}, {_stat(reader)}"
        parts.append(name)


_REPLIES: dict[str, Callable[[Reader], str]] = {
    "create": _path,
    "create2": _path,
    "createContainer": _path,
    "createTTL": _path,
    "exists": _stat,
    "setData": _stat,
    "getData": _data,
    "getChildren": _children,
    "getChildren2": _children,
    "getEphemerals": _children,
    "multi": _results,
    "multiRead": _results,
}
