"""One measurement of one implementation, for `dict_comparison` and `dict_calls`: prints JSON.

Runs in the scratch environment. Each implementation is used as its documentation shows, with its
default encoding and `autosync=True`; the work is the same, call for call.
"""

from __future__ import annotations

import base64
import json
import pickle
import sys
import time
import timeit
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/benchmark"
READS = 100  # of every key in turn
READ_KEYS = 1000
CALLS = {
    "d[k]": ("for key in keys: items[key]", True),
    "get": ("for key in keys: items.get(key)", True),
    "get, missing": ("for key in others: items.get(key)", True),
    "in": ("for key in keys: key in items", True),
    "in, missing": ("for key in others: key in items", True),
    "len": ("for key in keys: len(items)", True),
    "iterate": ("for key in items.keys(): pass", False),
    "items": ("for key, value in items.items(): pass", False),
    "values": ("for value in items.values(): pass", False),
    "copy": ("items.copy()", False),
    "==": ("items == whole", False),
    "snapshot, unchanged": ("for key in keys: items.snapshot()", True),
}
"""What a call is named, how it is made, and whether one run makes it READ_KEYS times."""
POLL = 50e-6  # seconds between two looks: a loop without a pause would keep the client from running


class OldDefault:
    """The predecessors' default encoding; durabledict's own ends at Python 3.8."""

    @staticmethod
    def encode(value: Any) -> bytes:
        return base64.encodebytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))

    @staticmethod
    def decode(data: bytes) -> Any:
        return pickle.loads(base64.decodebytes(data))


def encoder_of(implementation: str) -> Callable[[Any], bytes]:
    if implementation == "zkdict":
        from zkdict import JSON

        return JSON.encode
    return OldDefault.encode


def open_dict(implementation: str, client: KazooClient) -> Any:
    if implementation == "zkdict":
        from zkdict import ZooKeeperDict

        return ZooKeeperDict(client, PATH)
    if implementation == "msaStorageDict":
        from msaStorageDict import MSAZookeeperDict  # type: ignore[import-not-found]

        return MSAZookeeperDict(PATH, client)
    from durabledict import ZookeeperDict  # type: ignore[import-not-found]

    return ZookeeperDict(PATH, client, encoding=OldDefault)


@contextmanager
def connected(hosts: str) -> Iterator[KazooClient]:
    client = KazooClient(hosts, timeout=30.0)
    client.start(30)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def prepare(direct: str, implementation: str, keys: int) -> None:
    """Make `keys` keys, past the proxy."""
    encode = encoder_of(implementation)
    with connected(direct) as client:
        if client.exists(PATH):
            client.delete(PATH, recursive=True)
        client.create(PATH)
        pending = [
            client.create_async(f"{PATH}/key {n}", encode(f"value {n}")) for n in range(keys)
        ]
        for result in pending:
            result.get()


@contextmanager
def closed(items: Any) -> Iterator[Any]:
    if hasattr(type(items), "close"):
        with closing(items):
            yield items
    else:
        yield items


def reads(items: Any, count: int) -> list[float]:
    """Seconds for one read of a key that is in the local copy: every key in turn, by equal strs."""
    keys = [f"key {n}" for n in range(count)]
    assert items[keys[7]] == "value 7"
    timer = timeit.Timer("for key in keys: items[key]", globals={"items": items, "keys": keys})
    return [seconds / READS / count for seconds in timer.repeat(60, READS)]


def calls(items: Any) -> dict[str, float]:
    """Seconds for one call of each kind, the best of several; kinds it does not have are left out.

    Keys are equal strs, not the very ones of the dict, as whoever reads has them.
    """
    keys = [f"key {n}" for n in range(READ_KEYS)]
    others = [f"no key {n}" for n in range(READ_KEYS)]
    whole = items.copy()
    found = {}
    for name, (statement, each) in CALLS.items():
        timer = timeit.Timer(
            statement, globals={"items": items, "keys": keys, "others": others, "whole": whole}
        )
        number = 10 if each else 5
        try:
            seconds = min(timer.repeat(30, number))
        except AttributeError:
            continue
        found[name] = seconds / number / (READ_KEYS if each else 1)
    return found


def loads(implementation: str, hosts: str, keys: int) -> list[float]:
    """Seconds from making the dict to knowing all its keys, on a client that is connected."""
    with connected(hosts) as client:
        begin = time.perf_counter()
        if implementation == "kazoo":  # what any dict costs that reads by kazoo: no dict at all
            pending = [client.get_async(f"{PATH}/{n}", print) for n in client.get_children(PATH)]
            assert len([result.get() for result in pending]) == keys
            return [time.perf_counter() - begin]
        with closed(open_dict(implementation, client)) as items:
            assert len(items) == keys
            return [time.perf_counter() - begin]


def changes(implementation: str, hosts: str, keys: int) -> list[float]:
    """Seconds from another client's write to the first read that shows it."""
    encode = encoder_of(implementation)
    with (
        connected(hosts) as client,
        connected(hosts) as writer,
        closed(open_dict(implementation, client)) as items,
    ):
        assert len(items) == keys
        times = []
        for n in range(101 if implementation == "zkdict" else 3):
            value = f"new value {n}"
            begin = time.perf_counter()
            writer.set(f"{PATH}/key 7", encode(value))
            while items["key 7"] != value:
                time.sleep(POLL)
            times.append(time.perf_counter() - begin)
        return times


def measured(work: dict[str, Any]) -> list[float] | dict[str, float]:
    implementation, hosts, keys = work["implementation"], work["hosts"], work["keys"]
    if work["measure"] == "calls":
        if implementation == "dict":
            return calls({f"key {n}": f"value {n}" for n in range(keys)})
        prepare(work["direct"], implementation, keys)
        with connected(hosts) as client, closed(open_dict(implementation, client)) as items:
            return calls(items)
    if implementation == "dict":
        return reads({f"key {n}": f"value {n}" for n in range(READ_KEYS)}, READ_KEYS)
    prepare(work["direct"], implementation, READ_KEYS if work["measure"] == "read" else keys)
    if work["measure"] == "load":
        return loads(implementation, hosts, keys)
    if work["measure"] == "change":
        return changes(implementation, hosts, keys)
    with connected(hosts) as client, closed(open_dict(implementation, client)) as items:
        return reads(items, READ_KEYS)


if __name__ == "__main__":
    json.dump(measured(json.loads(sys.argv[1])), sys.stdout)
