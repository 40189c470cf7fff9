"""One measurement of one dict, for `benchmarks.figures.dicts`: prints JSON.

Runs in the scratch environment, where the other dicts are. Each is used as its documentation
shows. kazoo's TreeCache is no dict: a thin class around it has the methods of one.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from kazoo.recipe.cache import TreeCache, TreeEvent

from benchmarks import dict_worker
from benchmarks.dict_worker import closed, connected, encoder_of
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kazoo.client import KazooClient

KINDS = {"d[k]", "get", "in", "iterate", "items"}
POLL = dict_worker.POLL
BURST = 2_000
"""Changes a second."""


class CachedTree:
    """A TreeCache of the children of a path, read as a dict is."""

    def __init__(self, client: KazooClient, path: str) -> None:
        self._path = path
        self._cache = TreeCache(client, path)
        ready = threading.Event()
        self._cache.listen(lambda e: ready.set() if e.event_type == TreeEvent.INITIALIZED else None)
        self._cache.start()
        assert ready.wait(600)

    def __getitem__(self, key: str) -> str:
        found = self._cache.get_data(f"{self._path}/{key}")
        if found is None:
            raise KeyError(key)
        return found.data.decode()

    def get(self, key: str) -> str | None:
        found = self._cache.get_data(f"{self._path}/{key}")
        return None if found is None else found.data.decode()

    def __contains__(self, key: str) -> bool:
        return self._cache.get_data(f"{self._path}/{key}") is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._cache.get_children(self._path))

    keys = __iter__

    def __len__(self) -> int:
        return len(self._cache.get_children(self._path))

    def items(self) -> list[tuple[str, str]]:
        return [(key, self[key]) for key in self]

    def copy(self) -> dict[str, str]:
        return dict(self.items())

    def close(self) -> None:
        self._cache.close()


def open_dict(implementation: str, client: KazooClient, path: str) -> Any:
    if implementation == "TreeCache":
        return CachedTree(client, path)
    dict_worker.PATH = path
    return dict_worker.open_dict(implementation, client)


def encoder(implementation: str) -> Callable[[str], bytes]:
    return str.encode if implementation == "TreeCache" else encoder_of(implementation)


def prepare(direct: str, implementation: str, path: str, keys: int) -> None:
    """Make the znodes, five hundred in a transaction."""
    encode = encoder(implementation)
    with connected(direct) as client:
        client.ensure_path(path)
        for start in range(0, keys, 500):
            several = client.transaction()
            for n in range(start, min(start + 500, keys)):
                several.create(f"{path}/key {n}", encode(f"value {n}"))
            several.commit()


def calls(work: dict[str, Any]) -> dict[str, float]:
    """Seconds of a call of each kind."""
    implementation, keys, path = work["implementation"], work["keys"], "/calls"
    dict_worker.CALLS = {kind: dict_worker.CALLS[kind] for kind in KINDS}
    if implementation == "dict":
        return dict_worker.calls({f"key {n}": f"value {n}" for n in range(keys)})
    path += f"-{implementation}-{time.time_ns()}"
    prepare(work["hosts"], implementation, path, keys)
    with (
        connected(work["hosts"]) as client,
        closed(open_dict(implementation, client, path)) as items,
    ):
        return dict_worker.calls(items)


def sizes(work: dict[str, Any]) -> dict[str, Any]:
    """What a load, a change by another client and a write take."""
    implementation, keys, hosts = work["implementation"], work["keys"], work["hosts"]
    path = f"/sizes-{implementation}-{keys}"
    prepare(hosts, implementation, path, keys)
    encode, found = encoder(implementation), {}
    with connected(hosts) as client, connected(hosts) as writer, Traffic() as traffic:
        traffic.only = {client}
        begin = time.perf_counter()
        with closed(open_dict(implementation, client, path)) as items:
            assert len(items) == keys
            found["load"] = {"seconds": time.perf_counter() - begin, **traffic.figures()}

            def change(n: int) -> None:
                value = f"new value {n}"
                writer.set(f"{path}/key 7", encode(value))
                while items["key 7"] != value:
                    time.sleep(POLL)

            def write(n: int) -> None:
                items["key 8"] = f"new value {n}"

            found["change"] = repeated(traffic, change, work["times"])
            if implementation != "TreeCache":
                found["write"] = repeated(traffic, write, work["times"])
    return found


def repeated(traffic: Traffic, do: Callable[[int], None], times: int) -> dict[str, Any]:
    """The median of some times, and the traffic of each, on the average."""
    seconds, sent, received, requests = [], 0, 0, 0
    for n in range(times):
        traffic.reset()
        begin = time.perf_counter()
        do(n)
        seconds.append(time.perf_counter() - begin)
        traffic.wait_until_quiet(0.05)
        figures = traffic.figures()
        sent, received = sent + figures["sent"], received + figures["received"]
        requests += sum(figures["requests"].values())
    return {
        "seconds": statistics.median(seconds),
        "sent": sent / times,
        "received": received / times,
        "requests": requests / times,
    }


def memory(work: dict[str, Any]) -> dict[str, float]:
    """Bytes a key, of what Python has allocated for the dict."""
    implementation, keys = work["implementation"], work["keys"]
    path = f"/memory-{implementation}-{keys}"
    if implementation == "dict":
        pairs = [(f"key {n}", f"value {n}") for n in range(keys)]
        text = json.dumps(pairs)
        del pairs
        tracemalloc.start()
        kept = dict(json.loads(text))
        size = tracemalloc.get_traced_memory()[0]
        return {"bytes": size / len(kept)}
    prepare(work["hosts"], implementation, path, keys)
    with connected(work["hosts"]) as client:
        tracemalloc.start()
        with closed(open_dict(implementation, client, path)) as items:
            assert len(items) == keys
            assert items["key 7"]
            return {"bytes": tracemalloc.get_traced_memory()[0] / keys}


def burst(work: dict[str, Any]) -> dict[str, Any]:
    """What 2,000 changes a second by another process cost this one, which reads all the while."""
    implementation, keys, hosts = work["implementation"], work["keys"], work["hosts"]
    path = f"/burst-{implementation}"
    prepare(hosts, implementation, path, keys)
    with connected(hosts) as client, Traffic() as traffic:
        traffic.only = {client}
        with closed(open_dict(implementation, client, path)) as items:
            assert len(items) == keys
            wanted = {**work, "measure": "writer", "path": path}
            command = [sys.executable, __file__, json.dumps(wanted)]
            traffic.reset()
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None
                writer.stdout.readline()  # it begins
                begin, used = time.perf_counter(), time.process_time()
                while writer.poll() is None:
                    items["key 7"]
                    time.sleep(0.01)
                during = time.process_time() - used
                ended = time.perf_counter()
                written = json.loads(writer.stdout.readline())
            until = ended + 60
            while items["key 0"] != "the last" and time.perf_counter() < until:
                time.sleep(0.01)
            return {
                "share": during / (ended - begin),
                "behind": time.perf_counter() - ended,
                "seconds": ended - begin,
                **written,
                **traffic.figures(),
            }


def write(work: dict[str, Any]) -> dict[str, float]:
    """The other process of `burst`: so many changes a second."""
    encode, path, keys = encoder(work["implementation"]), work["path"], work["keys"]
    chance = random.Random(1)
    with connected(work["hosts"]) as client:
        print("begins", flush=True)
        begin, number, pending = time.perf_counter(), 0, []
        while (passed := time.perf_counter() - begin) < work["seconds"]:
            while number < passed * BURST:
                name = f"{path}/key {chance.randrange(keys)}"
                pending.append(client.set_async(name, encode(f"change {number}")))
                number += 1
            time.sleep(0.002)
        for each in pending:
            each.get()
        client.set(f"{path}/key 0", encode("the last"))
        return {"rate": number / (time.perf_counter() - begin)}


def many(work: dict[str, Any]) -> dict[str, Any]:
    """So many dicts of ten keys on one client."""
    implementation, count, hosts = work["implementation"], work["dicts"], work["hosts"]
    path, keys = f"/many-{implementation}-{count}", 10
    for n in range(count):
        prepare(hosts, implementation, f"{path}/{n}", keys)
    with connected(hosts) as client, connected(hosts) as writer, Traffic() as traffic:
        traffic.only = {client}
        threads = threading.active_count()
        begin, used = time.perf_counter(), time.process_time()
        dicts = [open_dict(implementation, client, f"{path}/{n}") for n in range(count)]
        assert all(len(each) == keys for each in dicts)
        found = {
            "seconds": time.perf_counter() - begin,
            "processor": time.process_time() - used,
            **traffic.figures(),
        }
        encode = encoder(implementation)
        traffic.reset()
        begin, used = time.perf_counter(), time.process_time()
        pending = [writer.set_async(f"{path}/{n}/key 7", encode("new")) for n in range(count)]
        for each in pending:
            each.get()
        while not all(each["key 7"] == "new" for each in dicts):
            time.sleep(0.005)
        found["change"] = {
            "seconds": time.perf_counter() - begin,
            "processor": time.process_time() - used,
            **traffic.figures(),
        }
        found["threads"] = threading.active_count() - threads
        for each in dicts:
            if hasattr(each, "close"):
                each.close()
        return found


MEASURES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "calls": calls,
    "sizes": sizes,
    "memory": memory,
    "burst": burst,
    "writer": write,
    "many": many,
}

if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    print(json.dumps(MEASURES[wanted["measure"]](wanted)), flush=True)
