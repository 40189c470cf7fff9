"""RedisDict: a dict on one Redis hash, and a counter that tells whether the hash has changed.

The rules that live here:

- The counter grows in the same step of the server as the hash changes. So a copy that was loaded
  after the counter was read has every change up to there.
- A write that may not be made twice is sent once. redis-py sends a command again whose answer was
  lost, by its default since 6.0; but not on a connection that watches a key.
- A value that does not decode stays where it is.
- The hash and the counter have the names that they have in msaStorageDict and durabledict.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from zkdict.errors import DecodeError, InvalidKey, WriteUncertain
from zkdict.keys import not_a_str
from zkdict.storage import ConnectionStorageDict, plain

try:
    from redis.client import NEVER_DECODE
    from redis.exceptions import WatchError
except ImportError as error:
    raise ImportError(
        "RedisDict needs the package redis, which is not installed: pip install 'zkdict[redis]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed import SupportsKeysAndGetItem

__all__ = ["MSARedisDict", "RedisDict"]

V = TypeVar("V")

# KEYS: the hash, the counter. ARGV: the key, and a value.
_TAKE = """
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found and (not ARGV[2] or found == ARGV[2]) then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('INCR', KEYS[2])
end
return found
"""
_ADD = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then
    redis.call('INCR', KEYS[2])
end
return redis.call('HGET', KEYS[1], ARGV[1])
"""


class RedisDict(ConnectionStorageDict[V]):
    """A dict on one Redis hash.

    Reads come from a copy in memory. `autosync=True`: each read first asks for the counter, one
    small request, and loads the hash again where it has changed. `autosync=False`: the copy is that
    of the constructor, the last `sync()`, or the first read after the last own write. Keys come in
    the order that Redis has: that of insertion in a small hash (512 keys, with keys and values of
    at most 64 bytes, by Redis' default), and no particular one in a larger one.

    `d[key] = value`, `update` and `clear` are one request. They store or remove whatever is there,
    so redis-py, or the caller, may repeat them. `del` and `setdefault` take three, `pop` four (one
    if there is no such key), and `popitem` those and a `sync()`. These are not repeated: of many
    poppers exactly one gets the value.

    What redis-py raises comes through: `redis.exceptions.ConnectionError`, `TimeoutError` and
    others. Where `pop`, `popitem`, `del` or `setdefault` was sent and its answer was lost, they
    raise WriteUncertain.

    Who changes the hash by other means has to `INCR` the counter, whose key is the keyspace and
    "last_updated". In a Redis Cluster put the keyspace into braces, as in "{settings}": then both
    are in one slot. A failover of Redis can lose the last changes, and the counter goes back with
    them. A copy that has them is loaded again at the next read, unless as many changes were made
    since: then it is taken for current until the next change.

    Args:
        connection: a `redis.Redis` client; or a `RedisCluster`. It is not closed.
        keyspace: the key of the hash. Either of the two may come first.
        autosync: as in `StorageDict`.
        encoding: as in `StorageDict`.
        old_encoding: as in `StorageDict`.

    Raises:
        TypeError: the client is one for asyncio; or as `ConnectionStorageDict`.
        DecodeError: a stored value is not what the encoding writes. No read succeeds then.
        redis.exceptions.RedisError: the first load failed.
    """

    def connection_hook(self) -> None:
        """Load the dict: two requests. Called by the constructor, which raises what this raises."""
        if inspect.iscoroutinefunction(self.connection.execute_command):
            raise TypeError(
                "RedisDict needs a redis.Redis client, not one for asyncio: use it in a thread"
            )
        self._counter = f"{self.keyspace}last_updated"
        self.sync()

    # -- the store

    def persist(self, key: str, value: V) -> None:
        """Store `value`. One request.

        Raises:
            InvalidKey, EncodeError: nothing was sent.
            RedisError: with a lost connection it may be stored.
        """
        self._store({key: value})

    def depersist(self, key: str) -> None:
        """Remove `key`. Three requests.

        Raises:
            KeyError: Redis has no such key.
            WriteUncertain: the answer was lost.
            RedisError: nothing was removed.
        """
        if self._once("del", key, _TAKE, _field_of_absent(key)) is None:
            raise KeyError(key)

    def durables(self) -> dict[str, V]:
        """All items of the hash. One request.

        Raises:
            DecodeError: a field or a value does not decode.
            RedisError.
        """
        found = self._raw("HGETALL", self.keyspace)
        return {(key := _key(field)): self._decode(data, key) for field, data in found.items()}

    def last_updated(self) -> int:
        """The counter, which grows with every change of the hash; 0 before the first one. One
        request. Raises RedisError.
        """
        return int(self.connection.get(self._counter) or 0)

    # -- writes of one step

    def _pop(self, key: str, /, *default: Any) -> Any:
        try:
            return self._taken(key)
        except KeyError:
            if not default:
                raise
            return default[0]

    def _taken(self, key: str) -> V:
        # Decoded first, and then deleted if it is still the same: else a value that does not decode
        # would be gone.
        field = _field_of_absent(key)
        data = self._raw("HGET", self.keyspace, field)
        while data is not None:
            value = self._decode(data, key)
            found = self._once("pop", key, _TAKE, field, data)
            if found == data:
                return value
            data = found
        raise KeyError(key)

    def _setdefault(self, key: str, default: Any) -> V:
        field, data = _field(key), self._encode(default, key)
        return self._decode(self._once("setdefault", key, _ADD, field, data), key)

    def update(
        self, other: SupportsKeysAndGetItem[str, V] | Iterable[tuple[str, V]] = (), /, **items: V
    ) -> None:
        """Store all items in one step: others see all of them or none. One request.

        Raises:
            InvalidKey, EncodeError: nothing was sent.
            RedisError: with a lost connection they may be stored.
        """
        try:
            self._store({**plain(other), **items})
        finally:
            self._written()

    def clear(self) -> None:
        """Remove every key in one step. One request. Raises RedisError, as `update`."""
        try:
            self._transact("DEL", self.keyspace)
        finally:
            self._written()

    def _store(self, items: Mapping[str, V]) -> None:
        pairs = [(_field(key), self._encode(value, key)) for key, value in items.items()]
        if pairs:
            self._transact("HSET", self.keyspace, *(each for pair in pairs for each in pair))

    # -- requests

    def _raw(self, *command: Any) -> Any:
        """The reply, in bytes: also with a client that decodes replies for others."""
        return self.connection.execute_command(*command, **{NEVER_DECODE: True})

    def _transact(self, *command: Any) -> None:
        with self.connection.pipeline(transaction=True) as pipe:
            pipe.execute_command(*command)
            pipe.incr(self._counter)
            pipe.execute()

    def _once(self, operation: str, key: str, script: str, *arguments: Any) -> Any:
        """Run a script, and never twice."""
        with self.connection.pipeline(transaction=True) as pipe:
            pipe.watch(self._counter)  # from here on redis-py repeats nothing (see above)
            try:
                return pipe.execute_command(
                    "EVAL",
                    script,
                    2,
                    self.keyspace,
                    self._counter,
                    *arguments,
                    **{NEVER_DECODE: True},
                )
            except WatchError as error:  # for a lost connection; no MULTI was sent
                raise WriteUncertain(operation, key) from error


MSARedisDict = RedisDict
"""The name the class had in msaStorageDict."""


def _field(key: str) -> bytes:
    """The hash's field for a key. Raises InvalidKey."""
    if not isinstance(key, str):
        raise not_a_str(key)
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise InvalidKey(key, "it has a lone surrogate, which UTF-8 cannot encode") from error


def _field_of_absent(key: str) -> bytes:
    """The field of a key that may be missing. What cannot be a key is: raises KeyError."""
    try:
        return _field(key)
    except InvalidKey as error:
        raise KeyError(key) from error


def _key(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"the hash has the field {field!r}, which is not UTF-8") from error
