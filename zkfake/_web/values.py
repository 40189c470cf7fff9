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
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from zkfake._web.errors import Refused

__all__ = [
    "AS_JSON",
    "LONGEST_PATH",
    "AclText",
    "Base64Data",
    "Data",
    "JsonData",
    "Path",
    "SessionText",
    "SnapshotName",
    "TextData",
    "WritablePath",
    "ZxidText",
    "given_bytes",
    "session_id",
    "session_name",
    "shown_data",
    "zxid",
    "zxid_or_none",
]

LONGEST_PATH = 4096

Path = Annotated[str, StringConstraints(max_length=LONGEST_PATH, pattern="^/")]
# ZooKeeper also refuses what is private or beyond U+FFEF: a class of a million characters, which
# tools that make texts of a pattern go through one by one. The leader says that.
_CHARACTERS = "\x00-\x1f\x7f-\x9f"
_OTHER = f"[^/{_CHARACTERS}]"
_NO_DOT = f"[^/.{_CHARACTERS}]"

WritablePath = Annotated[
    str,
    StringConstraints(
        max_length=LONGEST_PATH,
        pattern=rf"^(/|(/({_NO_DOT}{_OTHER}*|\.{_NO_DOT}{_OTHER}*|\.\.{_OTHER}+))+)$",
    ),
]
"""What `zkfake._database.paths.is_valid` accepts, but for characters from U+E000 on."""

AclText = Annotated[
    str, StringConstraints(max_length=4096, pattern="^[^:]+:.*:([cdrwa]{0,5}|-?[0-9]{1,9})$")
]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


AS_JSON = BeforeValidator(_whole)
"""Of whole numbers in a body, behind their bounds: 5.0 is the same as 5 to JSON."""

SnapshotName = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
SessionText = Annotated[str, StringConstraints(pattern=r"^(0x[0-9a-fA-F]{1,16}|-?[0-9]{1,19})$")]
ZxidText = Annotated[str, StringConstraints(pattern=r"^(0x[0-9a-fA-F]{1,16}|[0-9]{1,19})$")]
"""In a query."""


_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class TextData(BaseModel):
    """Data that is UTF-8."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str


class Base64Data(BaseModel):
    """Any bytes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    base64: Annotated[str, StringConstraints(pattern=_BASE64)]


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
        return b64decode(data.base64)
    if isinstance(data, JsonData):
        try:
            text = json.dumps(
                data.json_, separators=(",", ":"), ensure_ascii=False, allow_nan=False
            )
        except ValueError:
            raise Refused(422, "JSON has neither NaN nor infinite numbers") from None
    else:
        text = data if isinstance(data, str) else data.text
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refused(422, "The data has half of a surrogate pair, which is no text") from None


def session_id(text: str) -> int:
    """The number of a session. ``text``: a `SessionText`."""
    number = int(text, 0) if text.startswith("0x") else int(text)
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)  # that of a server from 128 on is negative


def session_name(number: int) -> str:
    """The text for a session."""
    return f"{number & 0xFFFFFFFFFFFFFFFF:#x}"


def zxid(text: str) -> int:
    """The number. ``text``: a `ZxidText`."""
    return int(text, 0) if text.startswith("0x") else int(text)


def zxid_or_none(text: str | None) -> int | None:
    """The same, where there may be none."""
    return None if text is None else zxid(text)
