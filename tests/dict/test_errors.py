"""Exceptions: caught as what Python calls them, told in words, and able to travel."""

import copy
import pickle
from enum import Enum

import pytest
from kazoo.exceptions import NoNodeError

from zkdict import errors
from zkdict._arguments import root_path
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


class State(Enum):
    LOADING = 1
    STALE = 4


EXAMPLES: list[tuple[ZkDictError, type[Exception], str]] = [
    (KeyExists("a"), KeyError, "the key 'a' exists already"),
    (
        VersionConflict("a", 3, 4),
        ZkDictError,
        "'a' was expected at version 3, but it has version 4",
    ),
    (VersionConflict("a", 3), ZkDictError, "at version 3, but it is gone or has changed"),
    (VersionConflict("a", 0, 0), ZkDictError, "it was deleted and made again in between"),
    (VersionConflict("a", -2, 7), ZkDictError, "expected not to exist, but it has version 7"),
    (VersionConflict("a", -2), ZkDictError, "expected not to exist, but it was there"),
    (
        VersionConflict("a", -1),
        ZkDictError,
        "expected to be this session's, but it is gone, or another session's",
    ),
    (
        TransactionFailed(1, NoNodeError(), "a"),
        ZkDictError,
        "operation 1 (key 'a') failed with NoNodeError",
    ),
    (
        WriteUncertain("pop", "a"),
        ZkDictError,
        "the pop of the key 'a' may or may not have been applied",
    ),
    (WriteUncertain("update"), ZkDictError, "the update may or may not have been applied"),
    (WriteUncertain("replace_all"), ZkDictError, "applied, but perhaps not all of it"),
    (StaleRead(1.5, State.STALE), ZkDictError, "1.500 s ago; the dict is STALE"),
    (StaleRead(float("inf"), State.LOADING), ZkDictError, "is LOADING: nothing was loaded yet"),
    (InvalidKey("a/b", "a slash"), ValueError, "'a/b' cannot be a key: a slash"),
    (ValueTooLarge(2, 1, "a"), ValueError, "the value of 'a' takes 2 bytes; at most 1 are allowed"),
    (ValueTooLarge(2, 1), ValueError, "update_chunked()"),
    (EncodeError("a reason"), ValueError, "a reason"),
    (EncodeError("a reason", "a"), ValueError, "the value of 'a': a reason"),
    (DecodeError("a reason"), ValueError, "a reason"),
    (
        DecodeError("a reason", "a", b"xyz"),
        ValueError,
        "'a' does not decode: a reason (3 bytes: b'xyz')",
    ),
    (DecodeError("a reason", "a", b"x" * 1000), ValueError, "(1000 bytes: b'xxx"),
    (RootMissing("/app"), ZkDictError, "create=True and without read_only=True"),
    (Timeout("too late"), TimeoutError, "too late"),
    (Closed(), ZkDictError, "closed"),
    (ForkedDict(), ZkDictError, "make a new KazooClient and a new dict in the child"),
]


def test_every_exception_has_an_example() -> None:
    shown = {type(error).__name__ for error, _, _ in EXAMPLES}
    assert shown == set(errors.__all__) - {"ZkDictError"}


@pytest.mark.parametrize(("error", "also", "said"), EXAMPLES)
def test_what_it_is_and_says(error: ZkDictError, also: type[Exception], said: str) -> None:
    assert isinstance(error, (ZkDictError, also))
    assert isinstance(error, also)
    assert said in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(("error", "also", "said"), EXAMPLES)
def test_it_travels(error: ZkDictError, also: type[Exception], said: str) -> None:
    def attributes(one: ZkDictError) -> dict[str, object]:
        return {name: value for name, value in vars(one).items() if name != "cause"}

    for twin in (*(pickle.loads(pickle.dumps(error, n)) for n in range(6)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert attributes(twin) == attributes(error)


def test_a_keyspace_is_not_called_a_key() -> None:
    with pytest.raises(InvalidKey) as caught:
        root_path("/a//b")
    error = caught.value
    assert str(error) == "'/a//b' cannot be a keyspace: it is a path, and has an empty component"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_was_filled_in_later_travels_too() -> None:
    error = DecodeError("a reason")
    error.key, error.raw = "a", b"x"
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.key, twin.raw) == ("a", b"x")


def test_only_the_dicts_own_uncertainty_can_be_resolved() -> None:
    asked: list[tuple[float | None, bool]] = []

    def resolver(timeout: float | None, unique: bool) -> bool:
        asked.append((timeout, unique))
        return True

    error = WriteUncertain("pop", "a", resolver)
    assert error.resolve(2.5)
    assert error.resolve(unique=True)
    assert asked == [(2.5, False), (None, True)]
    with pytest.raises(RuntimeError, match="read the key"):
        pickle.loads(pickle.dumps(error)).resolve()
