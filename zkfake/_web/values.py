"""The values that requests and replies have, each in one form.

Rules that live here:

- A session is a text, ``0x100000abc0001``, as ZooKeeper prints it: a number of 64 bits is not safe
  in JavaScript. It may be given in decimal, too. A zxid is a number; a query may also have it in
  hexadecimal.
- Times are milliseconds since the epoch, durations seconds, as in Python.
- Data is ``{"text": ...}`` where it is UTF-8, ``{"base64": ...}`` where it is not, and null where
  there is none. It may be given as a plain text, or as ``{"json": ...}``, too.
- An entry of an ACL is ``scheme:id:permissions``; the permissions are letters of ``cdrwa``.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from zkfake._protocol.records import Acl
from zkfake._web.errors import Refused

__all__ = [
    "LONGEST_PATH",
    "Base64Data",
    "Data",
    "JsonData",
    "Path",
    "SessionText",
    "TextData",
    "Zxid",
    "ZxidText",
    "acl_entries",
    "acl_texts",
    "given_bytes",
    "session_id",
    "session_name",
    "shown_data",
    "zxid",
]

LONGEST_PATH = 4096

Path = Annotated[str, StringConstraints(max_length=LONGEST_PATH, pattern="^/")]
SessionText = Annotated[str, StringConstraints(pattern=r"^(0x[0-9a-fA-F]{1,16}|-?[0-9]{1,19})$")]
Zxid = Annotated[int, Field(ge=0, lt=1 << 63)]
ZxidText = Annotated[str, StringConstraints(pattern=r"^(0x[0-9a-fA-F]{1,16}|[0-9]{1,19})$")]
"""In a query."""


class TextData(BaseModel):
    """Data that is UTF-8."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str


class Base64Data(BaseModel):
    """Any bytes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    base64: str


class JsonData(BaseModel):
    """Data that is this value as JSON, without spaces."""

    model_config = ConfigDict(extra="forbid", strict=True)

    json_: Any = Field(alias="json")


Data = TextData | Base64Data | None
GivenData = str | TextData | Base64Data | JsonData | None


def shown_data(data: bytes | None) -> Data:
    """The data of a znode."""
    if data is None:
        return None
    try:
        return TextData(text=data.decode())
    except UnicodeDecodeError:
        return Base64Data(base64=b64encode(data).decode("ascii"))


def given_bytes(data: GivenData) -> bytes | None:
    """The bytes that a client means. Raises `Refused`."""
    if data is None:
        return None
    if isinstance(data, Base64Data):
        try:
            return b64decode(data.base64, validate=True)
        except (Error, ValueError):
            raise Refused(422, "What data.base64 has is not base64") from None
    if isinstance(data, JsonData):
        text = json.dumps(data.json_, separators=(",", ":"), ensure_ascii=False)
    else:
        text = data if isinstance(data, str) else data.text
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refused(422, "The data has half of a surrogate pair, which is no text") from None


def session_id(text: str) -> int:
    """The number of a session. ``text``: a `SessionText`. Raises `Refused`."""
    number = int(text, 0) if text.startswith("0x") else int(text)
    if number >= 1 << 63:  # a server with a number from 128 on
        number -= 1 << 64
    if not -(1 << 63) <= number < 1 << 63:
        raise Refused(422, f"{text} is not a session id: it has more than 64 bits")
    return number


def session_name(number: int) -> str:
    """The text for a session."""
    return f"{number & 0xFFFFFFFFFFFFFFFF:#x}"


def zxid(text: str | None) -> int | None:
    """The number. ``text``: a `ZxidText`. Raises `Refused`."""
    if text is None:
        return None
    number = int(text, 0) if text.startswith("0x") else int(text)
    if number >= 1 << 63:
        raise Refused(422, f"{text} is not a zxid: it has more than 63 bits")
    return number


_PERMISSIONS = {"c": 4, "d": 8, "r": 1, "w": 2, "a": 16}


def acl_texts(acl: tuple[Acl, ...]) -> list[str]:
    """The entries of an ACL. Permissions that ZooKeeper does not know are left out."""
    return [
        f"{entry.scheme or ''}:{entry.id or ''}:"
        + "".join(letter for letter, bit in _PERMISSIONS.items() if entry.perms & bit)
        for entry in acl
    ]


def acl_entries(texts: list[str]) -> list[Acl]:
    """The ACL that a client means. Raises `Refused`."""
    return [_acl_entry(text) for text in texts]


def _acl_entry(text: str) -> Acl:
    scheme, colon, rest = text.partition(":")
    id_, last, letters = rest.rpartition(":")
    if not (colon and last and scheme) or not set(letters) <= set(_PERMISSIONS):
        raise Refused(
            422,
            f"{text!r} is not an entry of an ACL: expected scheme:id:permissions, such as "
            "world:anyone:cdrwa",
        )
    return Acl(sum(_PERMISSIONS[letter] for letter in set(letters)), scheme, id_)
