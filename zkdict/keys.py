"""Which texts can be keys, and how a key becomes the name of a znode and back.

The rules that live here:

- A key is checked before anything is sent. The server's own path rules decide
  (`PathUtils.validatePath`): it looks at UTF-16 code units, so it refuses every character beyond
  U+FFFF along with the surrogates.
- "plain": the key is the znode's name, as any other tool sees it.
- "quote": any text is a key. What cannot stand in a name is written as `%XX`, byte for byte of its
  UTF-8, as in URLs, so any language can read it. Every key has exactly one name: a znode whose name
  is not the one we would have written stands for no key, and the dict leaves it alone.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Concatenate, Final, Literal, ParamSpec, TypeVar, overload
from urllib.parse import unquote_to_bytes

from zkdict.errors import InvalidKey

if TYPE_CHECKING:
    from collections.abc import Callable

    P = ParamSpec("P")

__all__ = ["MAX_NAME_BYTES", "KeyCodec", "KeyEncoding", "not_a_str", "validate_key"]

R = TypeVar("R")

KeyEncoding = Literal["plain", "quote"]

MAX_NAME_BYTES: Final = 32_768
"""The longest name allowed, in bytes of UTF-8. Ours, not the server's: a request carries the path
beside the value, and one that passes `jute.maxbuffer` (1,048,575 bytes) costs the connection
instead of an error.
"""

# What the server refuses in a path component, as a client can see it: one character class, used by
# both modes.
_CONTROL = "\x00-\x1f\x7f-\x9f"
_REFUSED = f"{_CONTROL}\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff"
_refused_or_slash = re.compile(f"[/{_REFUSED}]")
_to_escape = re.compile(f"[%/{_REFUSED}]")
_DOTS = (".", "..")
_SERVERS_OWN = "zookeeper"  # /zookeeper: quotas and the ensemble's configuration
_EMPTY_NAME = "%"  # a lone % is no escape, so it is free to stand for the empty key
_QUOTE_HINT = 'key_encoding="quote" allows any text'


@overload
def validate_key(  # type: ignore[overload-overlap]  # a function is never a key
    key: Callable[P, R], /
) -> Callable[P, R]: ...
@overload
def validate_key(key: object, /, *, at_root: bool = False) -> None: ...
def validate_key(key: Any, /, *, at_root: bool = False) -> Any:
    """Check that `key` can be the name of a znode, as it stands.

    Costs a scan of the key; sends nothing. Given a function instead of a key it is a decorator, as
    it was in msaStorageDict: the method it decorates gets its first argument after `self` checked.

    Args:
        key: the key to check. Anything but a str is refused.
        at_root: True where the dict lives directly under the server's root, whose child `zookeeper`
            belongs to the server.

    Raises:
        InvalidKey: it cannot; the text says why, and what to do instead.
    """
    if callable(key) and not isinstance(key, str):
        return _validating(key)
    if not isinstance(key, str):
        raise not_a_str(key)
    _check(key, at_root)
    return None


def _check(key: str, at_root: bool) -> None:
    if not key:
        raise InvalidKey(key, f"it is empty, which is the dict's own znode; {_QUOTE_HINT}")
    if key in _DOTS:
        raise InvalidKey(key, f"ZooKeeper allows no path component {key!r}; {_QUOTE_HINT}")
    if at_root and key == _SERVERS_OWN:
        raise InvalidKey(
            key, "/zookeeper belongs to the server: choose another key, or a path below the root"
        )
    found = _refused_or_slash.search(key)
    if found:
        raise InvalidKey(key, f"{_what_is(found.group())} at index {found.start()}; {_QUOTE_HINT}")
    _check_length(key, key)


def _validating(
    method: Callable[Concatenate[Any, str, P], R],
) -> Callable[Concatenate[Any, str, P], R]:
    @functools.wraps(method)
    def checked(self: Any, key: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        validate_key(key)
        return method(self, key, *args, **kwargs)

    return checked


def not_a_str(key: object) -> InvalidKey:
    """The error for a key that is no str."""
    return InvalidKey(key, f"a key is a str, not {type(key).__name__}: convert it first")


def _what_is(character: str) -> str:
    code = ord(character)
    named = f"U+{code:04X}"
    if character == "/":
        return "it has a slash, which separates znodes,"
    if code > 0xFFFF:
        return f"it has {named}, beyond U+FFFF (ZooKeeper sees its surrogates and refuses them),"
    if 0xD800 <= code <= 0xDFFF:
        return f"it has {named}, a lone surrogate,"
    if 0xE000 <= code <= 0xF8FF:
        return f"it has {named}, a private-use character that ZooKeeper refuses,"
    if code >= 0xFFF0:
        return f"it has {named}, a special character that ZooKeeper refuses,"
    return f"it has {named}, a control character,"


def _check_length(key: str, name: str) -> None:
    # A character is one to three bytes here, so most names need no count.
    if len(name) * 3 > MAX_NAME_BYTES:
        size = len(name.encode())
        if size > MAX_NAME_BYTES:
            raise InvalidKey(
                key, f"its znode's name takes {size} bytes; at most {MAX_NAME_BYTES} are allowed"
            )


class KeyCodec:
    """Turns keys into znode names and back.

    Args:
        mode: "plain", where the key is the name and has to be a legal one, or "quote", where any
            text is a key.
        at_root: True where the dict lives directly under the server's root. The server's own child
            `zookeeper` is then no key in "plain" mode and is kept clear of in "quote" mode.

    Raises:
        ValueError: `mode` is neither.
    """

    __slots__ = ("_at_root", "mode")

    def __init__(self, mode: KeyEncoding = "plain", *, at_root: bool = False) -> None:
        if mode not in ("plain", "quote"):
            raise ValueError(f'key_encoding is "plain" or "quote", not {mode!r}')
        self.mode: KeyEncoding = mode
        self._at_root = at_root

    def __repr__(self) -> str:
        return f"KeyCodec({self.mode!r}, at_root={self._at_root})"

    def to_name(self, key: object) -> str:
        """The name of the znode that holds `key`. Costs a scan of the key.

        Raises:
            InvalidKey: it is not a str, its name would be too long, or (plain) it is not a legal
                name.
        """
        if not isinstance(key, str):
            raise not_a_str(key)
        if self.mode == "plain":
            _check(key, self._at_root)
            return key
        name = self._quoted(key)
        _check_length(key, name)
        return name

    def from_name(self, name: str) -> str:
        """The key that the znode `name` holds: the inverse of `to_name`. Costs a scan of the name.

        Raises:
            InvalidKey: no key has this name. In "quote" mode it was not written by this codec
                ("100%", or "%41" for what would be "A"); in both, `zookeeper` directly under the
                root is the server's.
        """
        if self._at_root and name == _SERVERS_OWN:
            raise InvalidKey(name, "/zookeeper belongs to the server")
        if self.mode == "plain" or "%" not in name:
            return name
        if name == _EMPTY_NAME:
            return ""
        try:
            key = unquote_to_bytes(name).decode("utf-8", "surrogatepass")
        except UnicodeError:
            key = None
        if key is None or self._quoted(key) != name:
            raise InvalidKey(
                name,
                'key_encoding="quote" writes no such name, so the znode stands for no key; '
                'a dict with key_encoding="plain" reaches it',
            )
        return key

    def _quoted(self, key: str) -> str:
        if not key:
            return _EMPTY_NAME
        if key in _DOTS:
            return "%2E" * len(key)
        if self._at_root and key == _SERVERS_OWN:
            return f"%{ord(key[0]):02X}{key[1:]}"
        return _to_escape.sub(_escape, key)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogatepass"))
