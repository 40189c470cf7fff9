"""A dict with a watch for each key, and one with a single watch: requests, and the server's memory.

The second one is on a client that can watch a subtree at once (`tests.support.watching_client`).
The server's memory is what its heap has more after a full collection, once the dict is loaded; the
znodes and the connection are there before.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient

from benchmarks.traffic import Traffic
from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from tests.support.watching_client import WatchingClient
from zkdict import State, ZooKeeperDict

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS = {"a watch for each key": KazooClient, "one watch": WatchingClient}
SIZES = (1_000, 10_000, 100_000)
BATCH = 500
PATIENCE = 600
COLLECTIONS = 3
"""The heap's size is the smallest after so many full collections."""


def measure(quick: bool) -> dict[str, Any]:
    """Figures by the kind of watch and the number of keys."""
    found: dict[str, Any] = {name: {} for name in CLIENTS}
    for keys in SIZES[:1] if quick else SIZES:
        for name in CLIENTS:
            print(f"  {name}, {keys} keys", flush=True)
            with LiveZooKeeper(tick_time=2000, jvm_options=()) as server:
                found["version"] = server.version
                found[name][str(keys)] = _measured(server, CLIENTS[name], keys)
    return found


def _measured(server: LiveZooKeeper, kind: type[KazooClient], keys: int) -> dict[str, Any]:
    writer, client = KazooClient(server.hosts, timeout=30.0), kind(server.hosts, timeout=30.0)
    writer.start()
    client.start()
    try:
        _make(writer, keys)
        with Traffic() as traffic:
            traffic.only = {client}
            return _figures(server, writer, client, traffic)
    finally:
        for each in (client, writer):
            each.stop()
            each.close()


def _make(writer: KazooClient, keys: int) -> None:
    writer.ensure_path("/watched")
    for start in range(0, keys, BATCH):
        several = writer.transaction()
        for n in range(start, min(start + BATCH, keys)):
            several.create(f"/watched/key {n}", b"1")
        several.commit()


def _figures(
    server: LiveZooKeeper, writer: KazooClient, client: KazooClient, traffic: Traffic
) -> dict[str, Any]:
    before = _heap(server)
    begin = time.perf_counter()
    with ZooKeeperDict(client, "/watched") as watched:
        assert len(watched) > 0
        found: dict[str, Any] = {"load": {"seconds": time.perf_counter() - begin}}
        found["load"] |= traffic.figures()
        found["watches"] = _watches(server)
        found["heap"] = _heap(server) - before

        def timed(do: Callable[[], object], seen: Callable[[], bool]) -> dict[str, Any]:
            _wait(lambda: watched.state is State.LIVE)
            traffic.reset()
            begin = time.perf_counter()
            do()
            _wait(seen)
            took = time.perf_counter() - begin
            traffic.wait_until_quiet(0.3)
            return {"seconds": took, **traffic.figures()}

        found["change"] = timed(
            lambda: writer.set("/watched/key 7", b"2"), lambda: watched["key 7"] == 2
        )
        found["new"] = timed(lambda: writer.create("/watched/new", b"1"), lambda: "new" in watched)
        found["removed"] = timed(
            lambda: writer.delete("/watched/new"), lambda: "new" not in watched
        )
        loads = watched.stats["reloads"]

        def cut() -> None:
            client._connection._socket.shutdown(socket.SHUT_RDWR)  # noqa: SLF001

        found["reconnect"] = timed(
            cut, lambda: watched.stats["reloads"] > loads and watched.state is State.LIVE
        )
    return found


def _watches(server: LiveZooKeeper) -> int:
    """How many watches the server keeps."""
    answer = four_letter_word("127.0.0.1", server.members[0].port, "mntr")
    (number,) = re.findall(r"zk_watch_count\s+(\d+)", answer)
    return int(number)


def _heap(server: LiveZooKeeper) -> int:
    """Bytes of all that the server's heap has after a full collection."""
    jmap = shutil.which("jmap")
    assert jmap, "jmap is needed: it comes with a JDK"
    sizes = []
    for _ in range(COLLECTIONS):
        histogram = subprocess.run(
            [jmap, "-histo:live", str(server.members[0].pid)],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout
        sizes.append(int(histogram.split()[-1]))
    return min(sizes)


def _wait(condition: Callable[[], bool]) -> None:
    until = time.perf_counter() + PATIENCE
    while not condition():
        assert time.perf_counter() < until
        time.sleep(0.0002)
