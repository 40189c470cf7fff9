"""Strategies for what ZooKeeper and the dict take: paths, keys and values.

The rules that live here: what is drawn is accepted, as it stands, by every server and every
encoding that it is for; among it is what programs rarely think of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from zkdict.encodings import BYTES, JSON, TEXT

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["keys", "paths", "values"]

# What a server takes in a name (`PathUtils.validatePath`), but for the slash.
_characters = st.one_of(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E),
    st.characters(min_codepoint=0xA0, max_codepoint=0xD7FF),
    st.characters(min_codepoint=0xF900, max_codepoint=0xFFEF),
).filter(lambda character: character != "/")


def _names(max_size: int) -> SearchStrategy[str]:
    plain = st.sampled_from(["a", "b", "c", "...", "a.b", " ", "%", "\u00e9", "\u2028"])
    drawn = st.text(_characters, min_size=1, max_size=max_size)
    return (plain | drawn).filter(lambda name: name not in (".", "..") and len(name) <= max_size)


def paths(*, max_depth: int = 3, max_size: int = 20) -> SearchStrategy[str]:
    """Paths of znodes that a program may make: absolute, at most ``max_depth`` names of at most
    ``max_size`` characters each; not the root, and nothing below ``/zookeeper``, which is the
    server's.

    Raises `InvalidArgument` for less than one name, or one character.
    """
    if max_depth < 1 or max_size < 1:
        raise InvalidArgument(f"paths(max_depth={max_depth}, max_size={max_size}): at least 1 each")
    names = st.lists(_names(max_size), min_size=1, max_size=max_depth)
    return names.filter(lambda found: found[0] != "zookeeper").map(
        lambda found: "/" + "/".join(found)
    )


def keys(*, key_encoding: str = "plain", max_size: int = 20) -> SearchStrategy[str]:
    """Keys of a `zkdict.ZooKeeperDict`: names of znodes, or any text with
    ``key_encoding="quote"``, of at most ``max_size`` characters.

    Raises `InvalidArgument` for another encoding.
    """
    if key_encoding == "quote":
        # UTF-8 has no surrogates.
        return st.text(st.characters(blacklist_categories=["Cs"]), max_size=max_size)
    if key_encoding != "plain":
        raise InvalidArgument(f'key_encoding is "plain" or "quote", not {key_encoding!r}')
    return _names(max_size).filter(lambda name: name != "zookeeper")


def values(encoding: Any = JSON) -> SearchStrategy[Any]:
    """Values that a dict with this encoding stores and gives back as they were: for `JSON`,
    `TEXT` and `BYTES` of `zkdict`.

    Raises `InvalidArgument` for another encoding.
    """
    text = st.text(st.characters(blacklist_categories=["Cs"]))
    if encoding is TEXT:
        return text
    if encoding is BYTES:
        return st.binary()
    if encoding is not JSON:
        raise InvalidArgument(f"values({encoding!r}): expected JSON, TEXT or BYTES")
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        text,
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=5,
    )
