"""How a znode stands in a tree file.

The rules that live here:

- A key that begins with a slash is a znode, any other key says something of the znode that it is
  in. So a file may be flat or nested.
- A value is a text, ``null``, or a table. What it comes to is exactly one list of bytes, and what
  is written is read back as the same bytes. JSON is written without spaces; data that is JSON with
  spaces, or with keys that appear twice, is written as text.
- Text is for people: what has control characters, or is not UTF-8, is written in base64.
- An error names the znode, what is wrong with it, and what is expected.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from zkfake._database.acl import ALL, OPEN
from zkfake._database.log import CONTAINER
from zkfake._database.paths import ROOT, is_valid, split
from zkfake._protocol.records import Acl
from zkfake._trees.plain import PlainZnode

if TYPE_CHECKING:
    from zkfake._protocol.records import Acls

__all__ = ["TreeFileError", "entry_of", "to_acl", "to_text", "znodes_of"]

_PERMISSIONS = {"c": 4, "d": 8, "r": 1, "w": 2, "a": 16}
"""In the order in which ZooKeeper's own tools write them."""

_DATA = ("text", "json", "base64")
_KEYS = (*_DATA, "acl", "ephemeral", "container", "ttl")

MAX_TTL = 0xFFFFFFFFFF
"""The longest time to live that a server accepts, in milliseconds."""

_NOT_FOR_PEOPLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
).search


_NUMBER = re.compile("-?[0-9]{1,10}").fullmatch


class TreeFileError(ValueError):
    """A tree file that cannot be read."""


# -- reading


def znodes_of(table: object) -> dict[str, PlainZnode]:
    """The znodes of a whole file, by path. Raises `TreeFileError`."""
    if not isinstance(table, Mapping):
        raise TreeFileError(
            f'expected a table of znodes by path, such as {{"/a": "text"}}, not {_shown(table)}'
        )
    found: dict[str, PlainZnode] = {}
    for key, value in table.items():
        if not isinstance(key, str) or not key.startswith("/"):
            raise TreeFileError(f"{key!r} is not a path: expected one that begins with a slash")
        _add(found, key, value)
    for path in found:
        parent, _ = split(path)
        if path != ROOT and parent in found and found[parent].ephemeral:
            _refuse(path, f"{parent} is ephemeral, so nothing can be below it")
    return found


def _add(found: dict[str, PlainZnode], path: str, value: object) -> None:
    if not is_valid(path):
        _refuse(
            path,
            "this is not a valid path: expected no component that is empty, '.' or '..', no slash "
            "at the end, and no control characters",
        )
    if path in found:
        _refuse(path, "it is there twice")
    below: list[tuple[str, object]] = []
    if isinstance(value, Mapping):
        own: dict[object, object] = {}
        for key, each in value.items():
            if isinstance(key, str) and key.startswith("/"):
                below.append((key, each))
            else:
                own[key] = each
        found[path] = _znode(path, own)
    else:
        found[path] = PlainZnode(_plain_data(path, "", value))
    for key, each in below:
        _add(found, key if path == ROOT else path + key, each)


def _refuse(path: str, what: str) -> NoReturn:
    raise TreeFileError(f"{path}: {what}")


def _shown(value: object) -> str:
    """A wrong value, in words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {_shortened(value)}"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, (list, tuple)) else f"the {type(value).__name__} {value}"


def _plain_data(path: str, where: str, value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _encoded(path, value)
    hint = ""
    if isinstance(value, (bool, int, float)):
        hint = f'; write it in quotes, or as {{"json": {json.dumps(value)}}}'
    elif isinstance(value, (list, tuple)):
        hint = '; write it as {"json": [...]}'
    _refuse(path, f"{where}expected text, not {_shown(value)}{hint}")


def _encoded(path: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        _refuse(path, "the text has half of a surrogate pair; write the bytes as base64")


def _znode(path: str, table: Mapping[object, object]) -> PlainZnode:
    for key in table:
        if key not in _KEYS:
            close = get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected {', '.join(_KEYS)}"
            _refuse(path, f"{key!r} is not known of a znode; {hint}, or a path with a slash")
    given = [key for key in _DATA if key in table]
    if len(given) > 1:
        _refuse(path, f"it has {' and '.join(given)}; expected one of them")
    data = _READ[given[0]](path, table[given[0]]) if given else b""
    acl = _acl(path, table["acl"]) if "acl" in table else OPEN
    ephemeral, container = (_flag(path, table, key) for key in ("ephemeral", "container"))
    ttl: Any = table.get("ttl", 0)
    if "ttl" in table and (
        not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 < ttl <= MAX_TTL
    ):
        _refuse(path, f"ttl: expected milliseconds, from 1 to {MAX_TTL}, not {_shown(ttl)}")
    if sum((ephemeral, container, bool(ttl))) > 1:
        _refuse(path, "it can be one of ephemeral, container and ttl")
    return PlainZnode(data, acl, ephemeral, CONTAINER if container else ttl)


def _flag(path: str, table: Mapping[object, object], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        _refuse(path, f"{key}: expected true or false, not {_shown(value)}")
    return value


def _read_text(path: str, value: object) -> bytes | None:
    return _plain_data(path, "text: ", value)


def _read_json(path: str, value: object) -> bytes:
    _check_json(path, value)
    return _encoded(path, _compact(value))


def _check_json(path: str, value: object) -> None:
    """Raises `TreeFileError` for what YAML and TOML have and JSON has not."""
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                _refuse(path, f"json: the key {key!r} is no text; write it in quotes")
            _check_json(path, each)
    elif isinstance(value, list):
        for each in value:
            _check_json(path, each)
    elif isinstance(value, float):
        if value - value != 0:
            _refuse(path, f"json: JSON has no number {value}; write it in quotes")
    elif value is not None and not isinstance(value, (str, int)):
        _refuse(path, f"json: JSON cannot say {_shown(value)}; write it in quotes")


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _read_base64(path: str, value: object) -> bytes:
    if not isinstance(value, str):
        _refuse(path, f"base64: expected text, not {_shown(value)}")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        _refuse(path, f"base64: {_shortened(value)} is not base64: {error}")


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


_READ = {"text": _read_text, "json": _read_json, "base64": _read_base64}


def _acl(path: str, value: object) -> Acls:
    if not isinstance(value, (list, tuple)) or not value:
        _refuse(path, 'acl: expected a list such as ["world:anyone:r", "digest:bob:...:cdrwa"]')
    try:
        return tuple([to_acl(each) for each in value])
    except ValueError as error:
        _refuse(path, f"acl: {error}")


def to_acl(text: object) -> Acl:
    """One entry from its text. Raises `ValueError`."""
    if isinstance(text, str):
        scheme, colon, rest = text.partition(":")
        id_, second, letters = rest.rpartition(":")
        if colon and second:
            if _NUMBER(letters) and -1 << 31 <= int(letters) < 1 << 31:
                return Acl(int(letters), scheme, id_)
            if set(letters) <= _PERMISSIONS.keys() and len(set(letters)) == len(letters):
                return Acl(sum(_PERMISSIONS[letter] for letter in letters), scheme, id_)
            raise ValueError(f"{text!r} ends with {letters!r}; expected letters of 'cdrwa'")
    raise ValueError(f"{text!r}: expected 'scheme:id:permissions', such as 'world:anyone:r'")


# -- writing


def entry_of(znode: PlainZnode) -> object:
    """What stands in a file for a znode."""
    data, acl, ephemeral, reap = znode
    key, value = _written(data)
    if key == "text" and acl == OPEN and not ephemeral and not reap:
        return value
    entry: dict[str, object] = {} if data == b"" else {key: value}
    if acl != OPEN:
        entry["acl"] = list(_texts(acl))
    if ephemeral:
        entry["ephemeral"] = True
    if reap:
        entry.update({"container": True} if reap == CONTAINER else {"ttl": reap})
    return entry


def _written(data: bytes | None) -> tuple[str, object]:
    if not data:
        return "text", None if data is None else ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if _NOT_FOR_PEOPLE(text):
        return "base64", base64.b64encode(data).decode()
    if text[0] in "{[":
        try:
            value = json.loads(text)
            if _compact(value) == text and _is_json(value):
                return "json", value
        except (ValueError, RecursionError):
            pass
    return "text", text


def _is_json(value: object) -> bool:
    try:
        _check_json("", value)
    except TreeFileError:  # NaN, which Python's reader accepts
        return False
    return True


@lru_cache(maxsize=1000)
def _texts(acl: Acls) -> tuple[str, ...]:
    return tuple(map(to_text, acl))


def to_text(entry: Acl) -> str:
    """The text of one entry."""
    perms, scheme, id_ = entry
    letters = "".join(letter for letter, bit in _PERMISSIONS.items() if perms & bit)
    return f"{scheme or ''}:{id_ or ''}:{letters if perms == perms & ALL else perms}"
