"""A dict whose keys are the child znodes of one ZooKeeper path, read from a live local copy."""

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
from zkdict.storage import ConnectionStorageDict, StorageDict

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
