# ruff: noqa: N818  the public names are the words a handler reads: except VersionConflict
"""Every exception `zkdict` raises of its own: what it carries, and what its text tells the reader.

The rules that live here:

- Each is a `ZkDictError` and, where Python has a word for the same thing, that too (`KeyError`,
  `ValueError`, `TimeoutError`), so code written for a plain dict catches it without knowing this
  package.
- Each can be pickled and copied: the constructor's arguments are `args`, the text is made in
  `__str__`.
- What the server or kazoo answered is chained (`__cause__`) or kept as an attribute, never thrown
  away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

__all__ = [
    "Closed",
    "DecodeError",
    "EncodeError",
    "ForkedDict",
    "InvalidKey",
    "KeyExists",
    "RootMissing",
    "StaleRead",
    "Timeout",
    "TransactionFailed",
    "ValueTooLarge",
    "VersionConflict",
    "WriteUncertain",
    "ZkDictError",
]

_SHOWN_BYTES = 60


class ZkDictError(Exception):
    """The base of every exception of this package's own.

    Others are raised, too: KeyError for a key that is not there, TypeError and ValueError for an
    argument, RuntimeError for a call that would wait for itself, and kazoo's exception for what the
    server has answered (KazooException). Each call says which.
    """


class KeyExists(ZkDictError, KeyError):
    """`add()` or `lease()` found that the key exists already. Nothing was written.

    Attributes:
        key: the key that exists.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"the key {self.key!r} exists already"


class VersionConflict(ZkDictError):
    """A write for one version of a key found another one. Nothing was written (but see `applied`).

    Attributes:
        key: the key that was to be written.
        expected: the version the caller asked for (`zkdict.ABSENT`, -2: the key must not exist;
            `zkdict.ANY`, -1, from `Lease.set`: it must be the lease's).
        actual: the version found, or None where the key does not exist or its version is not known.
            Equal to `expected` where the key was deleted and made again in between: versions
            restart at 0 then, and what differs is the znode's czxid.
        applied: True in the one case where something was written after all: the key was made again
            while the write was under way, and had the very version, so the server set or deleted
            the new znode. Only the answer told.
    """

    def __init__(
        self, key: str, expected: int, actual: int | None = None, *, applied: bool = False
    ) -> None:
        super().__init__(key, expected, actual)
        self.key = key
        self.expected = expected
        self.actual = actual
        self.applied = applied

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {"applied": self.applied}

    def __str__(self) -> str:
        if self.applied:
            found = "it was made again meanwhile, and it is the new one that was written or deleted"
        elif self.actual is None:
            found = _FOUND.get(self.expected, "it is gone or has changed")
        elif self.actual == self.expected:
            found = "it was deleted and made again in between"
        else:
            found = f"it has version {self.actual}"
        wanted = _WANTED.get(self.expected, f"at version {self.expected}")
        return f"the key {self.key!r} was expected {wanted}, but {found}"


_WANTED = {-2: "not to exist", -1: "to be this session's"}
_FOUND = {-2: "it was there", -1: "it is gone, or another session's"}
"""What was found where no version is known, by the version that was expected."""


class TransactionFailed(ZkDictError):
    """One operation of a multi failed, so nothing of the multi was applied.

    Attributes:
        index: which operation, counted from 0 in the order they were sent.
        cause: kazoo's exception for it (`kazoo.exceptions.NoNodeError`, `BadVersionError`, ...).
        key: the key that operation was about, where it is known.
    """

    def __init__(self, index: int, cause: Exception, key: str | None = None) -> None:
        super().__init__(index, cause, key)
        self.index = index
        self.cause = cause
        self.key = key

    def __str__(self) -> str:
        about = "" if self.key is None else f" (key {self.key!r})"
        detail = str(self.cause)
        named = type(self.cause).__name__ + (f": {detail}" if detail else "")
        return f"operation {self.index}{about} failed with {named}; nothing was applied"


class WriteUncertain(ZkDictError):
    """A write was sent, and no answer came, or none that can be read: it may or may not be applied.

    A write that must not be sent twice (`pop`, `add`, `cas`, `remove`, transactions, ...) raises it
    as soon as the connection is lost. All others are sent again, and raise it when their time is
    over. `resolve()` looks for what became of it. Reads show that, too, once the connection is
    back.

    Attributes:
        operation: what was attempted, such as "pop".
        key: the key it was about, or None for a write of several keys.
    """

    def __init__(
        self,
        operation: str,
        key: str | None = None,
        resolver: Callable[[float | None, bool], bool] | None = None,
    ) -> None:
        super().__init__(operation, key)
        self.operation = operation
        self.key = key
        self._resolver = resolver

    def __str__(self) -> str:
        if self.operation == "replace_all":  # of which one transaction was applied
            return (
                "the replace_all was applied, but perhaps not all of it: keys that other clients "
                "wrote meanwhile may be left; call it again"
            )
        about = "" if self.key is None else f" of the key {self.key!r}"
        advice = "" if self._resolver is None else "; resolve() reads back which"
        return (
            f"no answer came after sending: the {self.operation}{about} may or may not have been "
            f"applied{advice}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The resolver belongs to the dict and its connection: it does not travel.
        return type(self), (self.operation, self.key)

    def resolve(self, timeout: float | None = None, *, unique: bool = False) -> bool:
        """Read back from the server whether the write was applied.

        Costs N + 2 requests for the N keys of the write, in one round trip, and nothing if the
        answer came after all. Waits for the connection to come back.

        Args:
            timeout: seconds to wait for an answer; None waits as long as it takes.
            unique: True if no other client, and no other call, writes these bytes: the value says
                whose it is. Then it is a proof that they are there.

        Returns:
            True where it is proven that this very write was applied. Where all it wanted was that
            values are stored (`d[key] = value`, `update`): they are there, and were stored since.
            Of `del` and `clear`: the keys were removed since, whoever did it.
            False where it is proven that it was not applied.

        Raises:
            Timeout: no answer within `timeout`.
            WriteUncertain: what was found proves neither. The bytes are there, but anybody may have
                written them; another client wrote the key since; a popped key is gone, and anybody
                may have taken it. It can be resolved again.
            Closed, ForkedDict: the dict has no connection any more.
            KazooException: the server refused to show the key, or it has no quorum to ask
                (NotReadOnlyCallError).
            RuntimeError: this copy came out of a pickle and has no connection to ask; or it is a
                `RedisDict`'s, whose store keeps no trace of who wrote what.
        """
        if self._resolver is None:
            raise RuntimeError(
                "only the exception that a ZooKeeperDict raised can resolve(), no pickled copy and "
                "no other dict's: read the key"
            )
        return self._resolver(timeout, unique)


class StaleRead(ZkDictError):
    """A read was refused because nothing was loaded yet, or because the local copy is older than
    the caller allowed (`on_outage`, `max_age`).

    Attributes:
        age: seconds since the server last confirmed the copy; infinite where nothing was loaded.
        state: the dict's `State` at that moment.
    """

    def __init__(self, age: float, state: Enum) -> None:
        super().__init__(age, state)
        self.age = age
        self.state = state

    def __str__(self) -> str:
        if self.age == float("inf"):
            return f"the dict is {self.state.name}: nothing was loaded yet; wait_ready() waits"
        return (
            f"the server last confirmed the local copy {self.age:.3f} s ago; "
            f"the dict is {self.state.name}"
        )


class InvalidKey(ZkDictError, ValueError):
    """A key cannot be the name of a znode, a keyspace cannot be its path, or a znode's name stands
    for no key. Nothing was sent.

    Attributes:
        key: the key (or keyspace, or znode name) as given; usually a str.
        reason: what is wrong with it and what to do.
    """

    def __init__(self, key: object, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason
        self._what = "a key"  # or what else it was given as

    def __str__(self) -> str:
        shown = repr(self.key)
        if len(shown) > _SHOWN_BYTES:
            shown = shown[:_SHOWN_BYTES] + "..."
        return f"{shown} cannot be {self._what}: {self.reason}"


class ValueTooLarge(ZkDictError, ValueError):
    """An encoded value (or a whole multi) is larger than the server would accept. Nothing was sent.

    Attributes:
        size: its size in bytes.
        limit: the most that is allowed, in bytes: `max_value_bytes`, which is to be less than the
            server's `jute.maxbuffer`.
        key: the key, or None for a write of several keys.
    """

    def __init__(self, size: int, limit: int, key: str | None = None) -> None:
        super().__init__(size, limit, key)
        self.size = size
        self.limit = limit
        self.key = key

    def __str__(self) -> str:
        if self.key is None:
            return (
                f"the write takes {self.size} bytes; at most {self.limit} fit into one request: "
                "split it (update_chunked() does, without being atomic)"
            )
        return (
            f"the value of {self.key!r} takes {self.size} bytes; at most {self.limit} are allowed: "
            "store less, use Compressed(...), or raise max_value_bytes together with the "
            "jute.maxbuffer of the servers"
        )


class EncodeError(ZkDictError, ValueError):
    """A value cannot be written with this encoding, or would come back different. Nothing was sent.

    Attributes:
        reason: what is wrong, and where in the value.
        key: the key it was to be stored under, where it is known.
    """

    def __init__(self, reason: str, key: str | None = None) -> None:
        super().__init__(reason, key)
        self.reason = reason
        self.key = key

    def __str__(self) -> str:
        return self.reason if self.key is None else f"the value of {self.key!r}: {self.reason}"


class DecodeError(ZkDictError, ValueError):
    """A znode's bytes are not what the dict's encoding writes. Other keys are not affected.

    An encoding raises it with the reason alone; the dict fills in the rest.

    Attributes:
        reason: what is wrong with the bytes.
        key: the key, or None where an encoding was called by itself.
        raw: the znode's bytes, or None where they are not known.
    """

    def __init__(self, reason: str, key: str | None = None, raw: bytes | None = None) -> None:
        super().__init__(reason, key, raw)
        self.reason = reason
        self.key = key
        self.raw = raw

    def __reduce__(self) -> tuple[Any, ...]:
        # key and raw may have been filled in after the constructor ran.
        return type(self), (self.reason, self.key, self.raw)

    def __str__(self) -> str:
        about = "" if self.key is None else f"the value of {self.key!r} does not decode: "
        if self.raw is None:
            return about + self.reason
        shown = repr(self.raw[:_SHOWN_BYTES]) + ("..." if len(self.raw) > _SHOWN_BYTES else "")
        return f"{about}{self.reason} ({len(self.raw)} bytes: {shown})"


class RootMissing(ZkDictError):
    """The dict's own znode does not exist, and the dict may not make it (`create=False`, or
    `read_only=True`), or cannot: the client's chroot does not exist, and lies two levels or more
    below what does.

    Attributes:
        path: that znode's path, as the client sees it.
        chroot: the client's chroot, if that is what is missing; else None.
    """

    def __init__(self, path: str, chroot: str | None = None) -> None:
        super().__init__(path, chroot)
        self.path = path
        self.chroot = chroot

    def __str__(self) -> str:
        if self.chroot is not None:
            return (
                f"the client's chroot {self.chroot} does not exist, and a client cannot make what "
                "lies above its own chroot: make it with a client without a chroot, by "
                f"ensure_path({self.chroot!r})"
            )
        return (
            f"the znode {self.path} does not exist: create it, or open the dict with create=True "
            "and without read_only=True"
        )


class Timeout(ZkDictError, TimeoutError):
    """A deadline passed. What was waited for may still happen. A write that may have been applied
    raises `WriteUncertain` instead.
    """


class Closed(ZkDictError):
    """The dict was used after `close()`, or closed while a call was waiting."""

    def __init__(self, message: str = "the dict is closed") -> None:
        super().__init__(message)


class ForkedDict(ZkDictError):
    """A dict made before `os.fork()` was used in the child, where its connection's threads do not
    exist.
    """

    def __init__(
        self,
        message: str = "this dict was made before fork(), and its connection has no threads in "
        "this process: make a new KazooClient and a new dict in the child",
    ) -> None:
        super().__init__(message)
