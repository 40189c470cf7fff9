"""The public API as it was agreed: names, parameters, defaults, base classes."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

import zkdict
from zkdict import AsyncZooKeeperDict, ZooKeeperDict

SIGNATURES = {
    "__init__": "connection, keyspace, autosync=True, encoding=JSON, old_encoding=None, *, "
    "create=True, acl=None, wait=30.0, on_outage='serve', max_age=None, max_staleness=1.0, "
    "on_bad_value='raise', key_encoding='plain', max_value_bytes=1000000, write_timeout=30.0, "
    "read_only=False, history=None",
    "connect": "hosts, path, **options",
    "copy": "",
    "snapshot": "",
    "entry": "key",
    "raw": "key",
    "pop": "key, default=...",
    "popitem": "",
    "setdefault": "key, default=None",
    "clear": "",
    "update": "other=(), /, **items",
    "update_chunked": "other, *, chunk_bytes=500000",
    "replace_all": "new",
    "put": "key, value, *, version=-1, ephemeral=False",
    "add": "key, value",
    "cas": "entry, value",
    "remove": "key, *, version=-1",
    "modify": "key, fn, *, default=..., attempts=100",
    "transaction": "*, attempts=1",
    "atomically": "fn, *, attempts=100",
    "lease": "key, value",
    "sync": "timeout=None",
    "wait_until": "zxid, timeout=None",
    "wait_for": "pred, timeout=None",
    "wait_ready": "timeout=None",
    "fetch": "key, *, sync=False",
    "on_change": "fn, *, keys=None, initial=False",
    "on_changes": "fn, *, initial=False",
    "on_state": "fn",
    "on_error": "fn",
    "changes": "*, initial=False, timeout=None",
    "close": "",
    "persist": "key, value",
    "depersist": "key",
    "durables": "",
    "last_updated": "",
    "connection_hook": "",
    "validate_key": "key",
}
PROPERTIES = ["age", "autosync", "bad_keys", "no_node_error", "state", "stats", "zxid"]
ERRORS: dict[str, list[type[BaseException]]] = {
    "KeyExists": [KeyError],
    "VersionConflict": [],
    "TransactionFailed": [],
    "WriteUncertain": [],
    "StaleRead": [],
    "InvalidKey": [ValueError],
    "ValueTooLarge": [ValueError],
    "EncodeError": [ValueError],
    "DecodeError": [ValueError],
    "RootMissing": [],
    "Timeout": [TimeoutError],
    "Closed": [],
    "ForkedDict": [],
}


def shown(function: Any) -> str:
    """The parameters but the first, without their types, as they are written."""
    parameters = []
    for each in inspect.signature(function).parameters.values():
        default = each.default
        if default is not inspect.Parameter.empty and type(default) is object:
            default = ...  # "not given"
        parameters.append(each.replace(annotation=inspect.Parameter.empty, default=default))
    if parameters and parameters[0].name in ("self", "cls"):
        del parameters[0]
    text = str(inspect.Signature(parameters))
    return text[1:-1].replace("Ellipsis", "...")


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    assert shown(inspect.unwrap(getattr(ZooKeeperDict, name))) == SIGNATURES[name]


def test_nothing_public_beside_them() -> None:
    public = {name for name in dir(ZooKeeperDict) if not name.startswith("_")}
    mapping = {"get", "items", "keys", "values"}
    assert public - mapping == {*SIGNATURES, *PROPERTIES} - {"__init__"}
    for name in PROPERTIES:
        assert isinstance(inspect.getattr_static(ZooKeeperDict, name), property)


def test_the_awaited_methods_take_what_the_plain_ones_take() -> None:
    for name, method in inspect.getmembers(AsyncZooKeeperDict, inspect.iscoroutinefunction):
        if name in SIGNATURES and name not in ("modify", "put", "update", "setdefault"):
            assert shown(method) == SIGNATURES[name]


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_what_pythons_own_code_catches(name: str) -> None:
    error = getattr(zkdict, name)
    assert error.__bases__ == (zkdict.ZkDictError, *ERRORS[name])


def test_only_one_attempt_of_a_block() -> None:
    with pytest.raises(ValueError, match="atomically"):
        ZooKeeperDict.transaction(None, attempts=2)  # type: ignore[arg-type]


@pytest.mark.in_real_time("it is a process that ends")
def test_a_program_that_just_ends_ends_quietly(zk_hosts: str) -> None:
    """With a dict, a callback and a lease open, on an interpreter that starts no more threads."""
    program = f"""
from zkdict import ZooKeeperDict
items = ZooKeeperDict.connect({zk_hosts!r}, "/dict")
items.on_state(print)
items.on_change(str)
lease = items.lease("a", 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0
    assert done.stderr == b""
