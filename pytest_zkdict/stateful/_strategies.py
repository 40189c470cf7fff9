"""Strategies for what ZooKeeper and the dict take, paths, keys and values, and for faults.

The rules that live here: what is drawn is accepted, as it stands, by every server and every
encoding that it is for; among it is what programs rarely think of. A fault strikes at a request, so
that it can be drawn before there are clients, and ends by itself; it raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from zkdict.encodings import BYTES, JSON, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hypothesis.strategies import SearchStrategy

__all__ = ["faults", "keys", "paths", "values"]

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


# -- faults


class _FaultCall:
    """A call of a method of the faults of a simulation. ``repr`` of it is a function that makes the
    same call.
    """

    def __init__(
        self, method: str, *arguments: Any, upon: _FaultCall | None = None, **options: Any
    ) -> None:
        """``upon``: what happens then."""
        self._method = method
        self._arguments = arguments
        self._options = options
        self._upon = upon

    def __call__(self, faults: Any) -> object:
        upon = self._upon
        first = () if upon is None else (_named(upon, faults),)
        return getattr(faults, self._method)(*first, *self._arguments, **self._options)

    def __str__(self) -> str:
        given = [] if self._upon is None else [f"lambda: {self._upon}"]
        given += map(repr, self._arguments)
        given += [f"{name}={value!r}" for name, value in self._options.items()]
        return f"faults.{self._method}({', '.join(given)})"

    def __repr__(self) -> str:
        return f"lambda faults: {self}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """What Hypothesis prints: otherwise it would show how it was drawn."""
        printer.text(repr(self))


def _named(call: _FaultCall, faults: Any) -> Callable[[], object]:
    """The call as a function of its name, which the history tells."""

    def strike() -> object:
        return call(faults)

    strike.__name__ = call._method  # noqa: SLF001  # of this module
    return strike


_DROPS = ("drop_before_reply", "drop_before_request", "drop_after_reply")
_OF_CLIENTS = ("expire", "pause", "partition", "hold_watches", "hold_events")
_OF_SERVERS = ("stop_server", "pause_server")
_OF_ENSEMBLES = ("isolate", "freeze", "lose_quorum")
_KINDS = (*_DROPS, *_OF_CLIENTS, *_OF_SERVERS, *_OF_ENSEMBLES)
"""The simplest ones first: what is drawn shrinks to them."""

_POINTS = st.sampled_from(["before_request", "before_reply", "after_reply"])
_DURATIONS = st.sampled_from([1.0, 5.0, 30.0])
"""Seconds: shorter and longer than a session."""


def faults(
    clients: Collection[str] = (),
    *,
    servers: int = 1,
    kinds: Collection[str] | None = None,
    requests: int = 10,
) -> SearchStrategy[Callable[[Any], object]]:
    """Faults of a simulation. What is drawn is to be called with its faults: ``fault(sim.faults)``.

    Each strikes once, at one of the next ``requests`` requests, and lasts at most 30 virtual
    seconds. One without an effect does no harm: a session that is over cannot expire, and a server
    that is down cannot stop. ``repr`` of it is a ``lambda`` that does the same.

    ``clients``: names, as `Simulation.client` is given them. Without any, a fault of a connection
    is one of whoever sends that request, and those that need a client are not drawn. ``servers``:
    how many there are; with one, what only an ensemble can have is not drawn. ``kinds``: the names
    of those that may be drawn, of `zkfake.simulation.Faults`; all by default.

    Raises `InvalidArgument` for what is none of these kinds, and where none is left.
    """
    if isinstance(clients, str) or servers < 1 or requests < 1:
        raise InvalidArgument(
            f"faults({clients!r}, servers={servers!r}, requests={requests!r}): expected the names "
            "of clients, and at least 1 server and 1 request"
        )
    if unknown := sorted(set(kinds or ()) - set(_KINDS)):
        raise InvalidArgument(
            f"kinds={unknown!r}: faults() draws {', '.join(_KINDS)}, each upon a request"
        )
    there = [
        kind
        for kind in _KINDS
        if (kinds is None or kind in kinds)
        and (clients or kind not in _OF_CLIENTS)
        and (servers > 1 or kind not in _OF_ENSEMBLES)
    ]
    if not there:
        raise InvalidArgument("faults(): no kind is left that clients and servers allow")
    who = st.sampled_from(sorted(clients)) if clients else st.none()
    return st.sampled_from(there).flatmap(lambda kind: _fault(kind, who, servers, requests))


def _fault(
    kind: str, who: SearchStrategy[str | None], servers: int, requests: int
) -> SearchStrategy[_FaultCall]:
    nth = st.integers(1, requests)
    if kind in _DROPS:
        return st.builds(
            lambda client, nth: _FaultCall(kind, *_given(client), **_place(nth)), who, nth
        )

    def upon(client: str | None, server: int, seconds: float, point: str, nth: int) -> _FaultCall:
        of = _given(client) if kind in _OF_CLIENTS else (server,) * (kind != "lose_quorum")
        lasts: dict[str, Any] = {} if kind == "expire" else {"duration": seconds}
        at = {} if point == "before_request" else {"point": point}
        then = _FaultCall(kind, *of, **lasts)
        return _FaultCall("upon", *_given(client), upon=then, **at, **_place(nth))

    return st.builds(upon, who, st.integers(1, servers), _DURATIONS, _POINTS, nth)


def _given(client: str | None) -> tuple[str, ...]:
    return () if client is None else (client,)


def _place(nth: int) -> dict[str, Any]:
    """The arguments without what is the default."""
    return {} if nth == 1 else {"nth": nth}
