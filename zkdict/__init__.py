"""A dict whose keys are the child znodes of one ZooKeeper path, read from a live local copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy.events import Changes, Subscription
from zkdict._copy.snapshot import Snapshot
from zkdict._writes.lease import Lease, LeaseState
from zkdict._writes.txn import Txn
from zkdict.aio import AsyncLease, AsyncZooKeeperDict
from zkdict.dict import MSAZookeeperDict, ZooKeeperDict
from zkdict.encodings import BYTES, JSON, TEXT, Compressed, Encoding, Fallback, Model, Pickle
from zkdict.entries import ABSENT, ANY, Change, Entry, State
from zkdict.errors import (
    Closed,
    DecodeError,
    EncodeError,
    ForkedDict,
    InvalidKey,
    KeyExists,
    RootMissing,
    StaleRead,
    Timeout,
    TransactionFailed,
    ValueTooLarge,
    VersionConflict,
    WriteUncertain,
    ZkDictError,
)
from zkdict.keys import validate_key
from zkdict.storage import (
    ConnectionStorageDict,
    MSAConnectionStorageDict,
    MSAStorageDict,
    StorageDict,
)

if TYPE_CHECKING:
    from zkdict.redis import MSARedisDict as MSARedisDict
    from zkdict.redis import RedisDict as RedisDict

__all__ = [
    "ABSENT",
    "ANY",
    "BYTES",
    "JSON",
    "TEXT",
    "AsyncLease",
    "AsyncZooKeeperDict",
    "Change",
    "Changes",
    "Closed",
    "Compressed",
    "ConnectionStorageDict",
    "DecodeError",
    "EncodeError",
    "Encoding",
    "Entry",
    "Fallback",
    "ForkedDict",
    "InvalidKey",
    "KeyExists",
    "Lease",
    "LeaseState",
    "MSAConnectionStorageDict",
    "MSAStorageDict",
    "MSAZookeeperDict",
    "Model",
    "Pickle",
    "RootMissing",
    "Snapshot",
    "StaleRead",
    "State",
    "StorageDict",
    "Subscription",
    "Timeout",
    "TransactionFailed",
    "Txn",
    "ValueTooLarge",
    "VersionConflict",
    "WriteUncertain",
    "ZkDictError",
    "ZooKeeperDict",
    "validate_key",
]


def __getattr__(name: str) -> Any:
    # Not in `__all__`: their module needs the package redis, which is for those who use them.
    if name in ("MSARedisDict", "RedisDict"):
        from zkdict import redis

        return getattr(redis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
