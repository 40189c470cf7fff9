"""How fast trees are transferred: ``python -m benchmarks transfer``, or with a number of znodes:
``ZNODES=10000``.

A round trip through everything, each step a process of ``zkfake``: from a file into a fake, from
there into another file and into a live server, from its data directory and from the server itself
into files. At the end all are equal. Beside it kazoo alone: the same creates and reads, many
on their way, and nothing else.

The table has znodes a second, and microseconds of the client's processor time a znode.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from kazoo.client import KazooClient

from pytest_zkdict.live import LiveZooKeeper
from zkfake._trees import files
from zkfake._trees.plain import PlainZnode

ZNODES = int(os.environ.get("ZNODES", "100000"))
BELOW = 500
"""Children of a znode."""
WINDOW = 200


def main() -> bool:
    """Print the table. True if all trees are equal."""
    tree = {}
    for number in range(ZNODES):
        top = f"/{number // BELOW}"
        tree.setdefault(top, PlainZnode(b""))
        tree[f"{top}/{number}"] = PlainZnode(b"%0100d" % number)
    print(f"{len(tree):,} znodes of 100 bytes")
    with tempfile.TemporaryDirectory() as name, LiveZooKeeper() as live:
        first, *others = (str(Path(name) / f"{n}.json") for n in range(4))
        files.write(first, tree.items())
        command = [sys.executable, "-m", "zkfake", "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
            assert serving.stdout is not None
            fake = serving.stdout.readline().strip()
            data = str(live.members[0]._directory / "data")  # noqa: SLF001  # it is ours
            equal = all(
                [
                    _step(len(tree), "load FILE into a fake", "load", f"{fake}/t", first),
                    _step(len(tree), "dump a fake", "dump", f"{fake}/t", "-o", others[0]),
                    _step(len(tree), "copy a fake to a live one", "copy", fake, live.hosts),
                    _step(len(tree), "dump a live one", "dump", f"{live.hosts}/t", "-o", others[1]),
                    _step(len(tree), "dump its data directory", "dump", data, "-o", others[2]),
                ]
            )
            whole = files.read(first)
            below = {f"/t{path}": znode for path, znode in whole.items()} | {"/t": PlainZnode(b"")}
            equal &= files.read(others[0]) == files.read(others[1]) == whole
            equal &= files.read(others[2]) == below
            print("all are equal" if equal else "THERE ARE DIFFERENCES", flush=True)
            for does, way in (("kazoo alone, creates", _create), ("kazoo alone, reads", _read)):
                client = KazooClient(fake)
                client.start()
                client.create(f"/{way.__name__}")
                began, used = time.perf_counter(), time.process_time()
                way(client, ZNODES)
                seconds, own = time.perf_counter() - began, time.process_time() - used
                _print(does, ZNODES, seconds, own)
                client.stop()
                client.close()
            serving.terminate()
    return equal


def _step(znodes: int, does: str, *words: str) -> bool:
    used = _children()
    began = time.perf_counter()
    status = subprocess.run([sys.executable, "-m", "zkfake", *words, "--quiet"], check=False)
    _print(does, znodes, time.perf_counter() - began, _children() - used)
    return status.returncode == 0


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print(does: str, znodes: int, seconds: float, processor: float) -> None:
    rate, each = znodes / seconds, processor / znodes * 1e6
    print(f"{does:28}{seconds:8.1f} s{rate:10,.0f} a second{each:8.0f} us", flush=True)


def _create(client: KazooClient, count: int) -> None:
    asked: deque[object] = deque()
    for number in range(count):
        asked.append(client.create_async(f"/_create/{number}", b"%0100d" % number))
        if len(asked) > WINDOW:
            asked.popleft().get()  # type: ignore[attr-defined]
    for each in asked:
        each.get()  # type: ignore[attr-defined]


def _read(client: KazooClient, count: int) -> None:
    """What a dump asks for each znode: its data and its ACL."""
    asked: deque[object] = deque()
    for number in range(count):
        path = f"/_create/{number}"
        asked += (client.get_async(path), client.get_acls_async(path))
        while len(asked) > 2 * WINDOW:
            asked.popleft().get()  # type: ignore[attr-defined]
    for each in asked:
        each.get()  # type: ignore[attr-defined]
