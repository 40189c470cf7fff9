"""The base classes of a dict that keeps its items in a store: what any store has to offer.

The rules that live here:

- A store is four methods: `persist`, `depersist`, `durables`, `last_updated`. The whole mapping
  interface follows from them.
- Reads come from a local copy. `autosync=True`: a read first asks `last_updated()` and loads the
  copy again when the store has changed. `autosync=False`: the copy is the one of the last `sync()`
  or own write. The first read loads in either case.
- Own writes are always visible to the next read.
- A copy is replaced whole, never edited: a running iteration keeps the one it began with.
- The names are those of msaStorageDict and durabledict, so a store written for them moves over.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from zkdict._views import Items, Keys, Values
from zkdict.encodings import JSON, Fallback
from zkdict.errors import DecodeError, EncodeError, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import SupportsKeysAndGetItem
    from typing_extensions import Self

    from zkdict.encodings import Encoding

__all__ = [
    "ConnectionStorageDict",
    "MSAConnectionStorageDict",
    "MSAStorageDict",
    "StorageDict",
    "WholeMapping",
    "plain",
]

V = TypeVar("V")
T = TypeVar("T")

_MISSING: Any = object()


class WholeMapping(Mapping[str, V]):
    """A mapping that gives all its items at once, as a plain dict of one state."""

    __slots__ = ()

    @abstractmethod
    def copy(self) -> dict[str, V]:
        """A plain dict of the items."""

    def __or__(self, other: Mapping[str, V]) -> dict[str, V]:
        """A plain dict of both: the result has no store of its own."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return {**self.copy(), **plain(other)}

    def __ror__(self, other: Mapping[str, V]) -> dict[str, V]:
        """A plain dict of both: the result has no store of its own."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return {**plain(other), **self.copy()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """A field of a pydantic model is the very object, and is dumped as a plain dict."""
        from pydantic_core import core_schema

        dump = core_schema.plain_serializer_function_ser_schema(
            cls.copy, return_schema=core_schema.dict_schema()
        )
        return core_schema.is_instance_schema(cls, serialization=dump)


class StorageDict(WholeMapping[V], MutableMapping[str, V], ABC):
    """The base class of a dict that keeps its items in a store.

    A subclass has the methods `persist`, `depersist`, `durables` and `last_updated`. It sets up its
    store, and then calls this constructor, which reads nothing. It turns values into bytes and back
    with `_encode` and `_decode`. It overrides `_pop` and `_setdefault` where its store can do them
    in one step: here they are a read and a write, and another process may write in between.

    Args:
        autosync: whether each read first asks the store if it has changed.
        encoding: how values are stored; strict JSON unless told otherwise.
        old_encoding: an encoding that is also read, never written (see `Fallback`).

    Raises:
        TypeError: an encoding has not the methods of one.
    """

    def __init__(
        self,
        autosync: bool = True,
        encoding: Encoding[V] = JSON,
        old_encoding: Encoding[Any] | None = None,
    ) -> None:
        _check_encoding("encoding", encoding, "encode", "decode")
        if old_encoding is not None:
            _check_encoding("old_encoding", old_encoding, "decode")
        self.autosync = autosync
        self.encoding: Encoding[V] = encoding
        self.old_encoding = old_encoding
        self._codec = encoding if old_encoding is None else Fallback(encoding, old_encoding)
        self._copy: dict[str, V] = {}
        self._copied_at: int | None = None  # last_updated() as it was before the copy was made
        self._loading = threading.Lock()

    # -- the store

    @abstractmethod
    def persist(self, key: str, value: V) -> None:
        """Store `value` under `key`, whether the key exists or not.

        Raises:
            EncodeError: the encoding cannot write `value`. The store has to be as it was then.
            InvalidKey: the store cannot have such a key.
        """

    @abstractmethod
    def depersist(self, key: str) -> None:
        """Remove `key` from the store.

        Raises:
            KeyError: the store has no such key.
        """

    @abstractmethod
    def durables(self) -> dict[str, V]:
        """All items the store has now, as a new dict in the order iteration is to have.

        Raises:
            DecodeError: a stored value is not what the encoding writes.
        """

    @abstractmethod
    def last_updated(self) -> int:
        """A number that grows with every change of the store, whoever makes it.

        Asked before each read of a dict with `autosync=True`, so it should be cheap.
        """

    def _encode(self, value: V, key: str | None = None) -> bytes:
        """`value` as the store keeps it. Raises EncodeError, which names `key`."""
        try:
            return self._codec.encode(value)
        except EncodeError as error:
            error.key = key if error.key is None else error.key
            raise

    def _decode(self, data: bytes, key: str | None = None) -> V:
        """The value of `data`, in `encoding` or else `old_encoding`. Raises DecodeError, which
        names `key`.
        """
        try:
            return self._codec.decode(data)
        except DecodeError as error:
            error.key = key if error.key is None else error.key
            raise

    # -- the copy

    def sync(self, timeout: float | None = None) -> int:
        """Bring the local copy up to date with the store.

        Costs one `last_updated()`, and one `durables()` when the store has changed or this dict
        wrote to it.

        Args:
            timeout: seconds to wait for another thread that is loading; None waits for its end.

        Returns:
            The `last_updated()` the copy is not older than.

        Raises:
            Timeout: another thread was still loading.
            and what `last_updated` and `durables` raise.
        """
        # To `acquire`, -1 is no limit, and what is smaller, or too large, an error.
        patience = -1.0 if timeout is None else min(max(0.0, timeout), threading.TIMEOUT_MAX)
        if not self._loading.acquire(timeout=patience):
            raise Timeout(f"another thread was still loading the dict after {timeout} s")
        try:
            return self._load()
        finally:
            self._loading.release()

    def _load(self) -> int:
        # The number is taken before the items: what changes in between is loaded again next time.
        updated = self.last_updated()
        if updated != self._copied_at:
            self._copy, self._copied_at = self.durables(), updated
        return updated

    def _items(self) -> dict[str, V]:
        """The items reads see now; never changed once returned."""
        if self._copied_at is None or self.autosync:
            self.sync()
        return self._copy

    def _written(self) -> None:
        """Make the next read load the copy, whatever `last_updated()` says."""
        with self._loading:
            self._copied_at = None

    # -- reads

    def __getitem__(self, key: str) -> V:
        """The value of `key`.

        Costs a lookup in the copy; with `autosync=True`, and for the first read, a `sync()` before
        it. So do all reads, and they raise what that raises.

        Raises:
            KeyError: no such key.
        """
        return self._items()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._items())

    def __len__(self) -> int:
        return len(self._items())

    def keys(self) -> Keys:
        """The keys, as a view: live, and each iteration is of one state."""
        return Keys(self, self._state)

    def items(self) -> Items[V]:
        """The items, as a view: live, and each iteration is of one state."""
        return Items(self, self._state)

    def values(self) -> Values[V]:
        """The values, as a view: live, and each iteration is of one state."""
        return Values(self, self._state)

    def _state(self) -> Mapping[str, V]:
        """The items of one state, for iterations and views."""
        return self._items()

    def copy(self) -> dict[str, V]:
        """A plain dict of the items, as reads see them now: O(N)."""
        return dict(self._items())

    def __copy__(self) -> dict[str, V]:
        """The same as `copy()`: a copy has no store of its own."""
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, V]:
        """A plain dict with copies of the values."""
        return copy.deepcopy(self.copy(), memo)

    def __reduce__(self) -> Any:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled, as its connection belongs to this "
            "process: pickle its copy(), or open another one where it is needed"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._items() == plain(other)

    __hash__ = None  # type: ignore[assignment]  # as a dict: it is compared by its items

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc, override]  # | makes a plain dict
        """The same as `update(other)`: written to the store."""
        self.update(other)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items()!r})"

    # -- writes

    def __setitem__(self, key: str, value: V) -> None:
        """Store `value` under `key`. Costs one `persist`; raises what that raises."""
        try:
            self.persist(key, value)
        finally:
            self._written()  # also where an error leaves open whether it is stored

    def __delitem__(self, key: str) -> None:
        """Remove `key`. Costs one `depersist`; raises what that raises, such as KeyError."""
        try:
            self.depersist(key)
        finally:
            self._written()

    def update(
        self, other: SupportsKeysAndGetItem[str, V] | Iterable[tuple[str, V]] = (), /, **items: V
    ) -> None:
        """Store all items, one after the other: not atomic. Costs a `persist` for each; raises what
        that raises, and leaves the items before it stored.
        """
        for key, value in {**plain(other), **items}.items():
            self[key] = value

    @overload
    def pop(self, key: str) -> V: ...
    @overload
    def pop(self, key: str, default: V) -> V: ...
    @overload
    def pop(self, key: str, default: T) -> V | T: ...
    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove `key` and return its value; return `default`, if given, when it does not exist.

        Costs a load and one `depersist`, unless a store does it in one step (`_pop`).

        Raises:
            KeyError: no such key, and no default given.
            and what the store raises.
        """
        try:
            return self._pop(key) if default is _MISSING else self._pop(key, default)
        finally:
            self._written()

    def _pop(self, key: str, /, *default: Any) -> Any:
        """What `pop` does in the store. `default` is one value, or none.

        Here a load and one `depersist`. Two steps: of two processes popping one key, the slower
        one's `depersist` raises KeyError where the store reports the missing key.
        """
        self.sync()
        try:
            value = self._copy[key]
            self.depersist(key)
        except KeyError:
            if not default:
                raise
            return default[0]
        return value

    def popitem(self) -> tuple[str, V]:
        """Remove the last key of the copy and return it with its value. Costs a load and a `pop`,
        and both again where another process has taken that key.

        Raises:
            KeyError: the dict is empty.
        """
        while True:
            self.sync()
            key = next(reversed(self._copy), None)
            if key is None:
                raise KeyError("popitem(): the dict is empty")
            with contextlib.suppress(KeyError):
                return key, self.pop(key)

    def setdefault(self, key: str, default: Any = None) -> V:
        """The value of `key`; if it does not exist, store `default` and return what was stored.

        Costs a load, and where the key is new one `persist` and another load, unless a store does
        it in one step (`_setdefault`).

        Raises:
            KeyError: another process removed the key in that moment (not in a store that does it in
                one step).
            and what the store raises.
        """
        try:
            return self._setdefault(key, default)
        finally:
            self._written()

    def _setdefault(self, key: str, default: Any) -> V:
        """What `setdefault` does in the store.

        Here a load, and where the key is new one `persist` and another load. Two steps: another
        process may store the key in between, and is overwritten.
        """
        self.sync()
        if key not in self._copy:
            self[key] = default
            self.sync()
        return self._copy[key]

    def clear(self) -> None:
        """Remove every key the store has now: not atomic. Costs a load, and a `pop` for each key;
        raises what these raise.
        """
        self.sync()
        for key in self._copy:
            self.pop(key, None)


def plain(other: Any) -> dict[str, Any]:
    """`other` as a plain dict, of one state where it is a live one.

    `dict(other)` asks for one key after the other: some may be gone by then, or newer.
    """
    return other.copy() if isinstance(other, WholeMapping) else dict(other)


class ConnectionStorageDict(StorageDict[V], ABC):
    """A `StorageDict` whose store is reached through a connection, and has its own place there.

    Args:
        connection: the client of the store; the dict uses it and does not own it.
        keyspace: the place in the store this dict lives in: a path, a table, a prefix.
            Where the two come the other way round (msaStorageDict and durabledict took the keyspace
            first, and documented the connection first) they are told apart by the keyspace's type.
        autosync: as in `StorageDict`.
        encoding: as in `StorageDict`.
        old_encoding: as in `StorageDict`.

    Raises:
        TypeError: neither of the first two is a str, or both are; or an encoding has not the
            methods of one.
    """

    def __init__(
        self,
        connection: Any,
        keyspace: str,
        autosync: bool = True,
        encoding: Encoding[V] = JSON,
        old_encoding: Encoding[Any] | None = None,
    ) -> None:
        self.connection, self.keyspace = _told_apart(connection, keyspace)
        super().__init__(autosync, encoding, old_encoding)
        self.connection_hook()

    def connection_hook(self) -> None:
        """Called once by the constructor, when the attributes are set and before the first load.

        Override it to open the connection, or to make what the keyspace needs.
        """


MSAStorageDict = StorageDict
"""The name the class had in msaStorageDict."""
MSAConnectionStorageDict = ConnectionStorageDict
"""The name the class had in msaStorageDict."""


def _check_encoding(name: str, encoding: Any, *methods: str) -> None:
    if not all(callable(getattr(encoding, method, None)) for method in methods):
        raise TypeError(
            f"{name} must have the methods encode and decode, as JSON and Pickle() do, "
            f"not {encoding!r}"
        )


def _told_apart(connection: Any, keyspace: Any) -> tuple[Any, str]:
    if isinstance(connection, str) and not isinstance(keyspace, str):
        connection, keyspace = keyspace, connection
    if isinstance(connection, str) or not isinstance(keyspace, str):
        raise TypeError(
            "a connection and a keyspace (a str) are needed; got "
            f"{type(connection).__name__} and {type(keyspace).__name__}"
        )
    return connection, keyspace
