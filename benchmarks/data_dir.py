"""What a data directory costs: ``python -m benchmarks data_dir``.

Creates of 100 bytes, straight at the core, with so many at a time: what a round of the servers has
committed is written at once. In memory and for each way to sync, as one table: processor time of a
create, its ratio to that in memory, and the time that passes, in which the disk is waited for. And
how long a start takes with 100,000 znodes in the directory.
"""

from __future__ import annotations

import statistics
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zkfake import FakeZooKeeper
from zkfake._connection.connection import Connection
from zkfake._data_dir.keeping import Keeping
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

AT_A_TIME = (1, 10, 100)
SYNCS = ("off", "normal", "full")
CREATES = 2000
ZNODES = 100_000
MOST = 4.0
"""Times the processor time in memory, for ``normal`` and 100 at a time."""

_INT = struct.Struct(">i")
_OPEN = _INT.pack(1) + _INT.pack(31) + _INT.pack(5) + b"world" + _INT.pack(6) + b"anyone"


def main(rounds: int = 5) -> bool:
    """Print the tables. True if the target is met."""
    print("microseconds of processor time a create, times those in memory, microseconds that pass")
    print(f"{'at a time':>10}{'memory':>10}" + "".join(f"{each:>24}" for each in SYNCS))
    met = True
    for together in AT_A_TIME:
        figures = {name: _measure(name, together, rounds) for name in ("memory", *SYNCS)}
        whole = figures["memory"][0]
        line = f"{together:10}{whole:10.1f}"
        for name in SYNCS:
            cpu, wall = figures[name]
            line += f"{cpu:10.1f}{cpu / whole:6.2f}{wall:8.0f}"
        print(line, flush=True)
        met = met and (together < max(AT_A_TIME) or figures["normal"][0] < MOST * whole)
    _start()
    return met


def _measure(name: str, together: int, rounds: int) -> tuple[float, float]:
    """Microseconds of a create: processor time, and the time that passes; medians."""
    ensemble = Ensemble(Settings.parse({"4lw.commands.whitelist": "*"}, "3.9"), 1_700_000_000_000)
    replica = Replica(ensemble)
    with tempfile.TemporaryDirectory(dir=".") as directory:
        flush: Callable[[], object] = tuple
        keeping = None if name == "memory" else Keeping(ensemble, directory, name)
        if keeping is not None:
            flush = keeping.begin()
        replica.start()
        connection = Connection(replica, ("127.0.0.1", 1), lambda _: None, ())
        connection.receive(_frame(struct.pack(">iqiqi16s?", 0, 0, 40_000, 0, 16, bytes(16), False)))
        seen: list[tuple[float, float]] = []
        number = 0
        for _ in range(rounds):
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(CREATES // together):
                requests = []
                for _ in range(together):
                    number += 1
                    requests.append(_create(b"/%09d" % number))
                connection.receive(b"".join(requests))
                flush()
                connection.take_output()
            seen.append((time.process_time() - cpu, time.perf_counter() - wall))
        if keeping is not None:
            keeping.end()
    cpus, walls = zip(*seen, strict=True)
    scale = 1e6 / CREATES
    return statistics.median(cpus) * scale, statistics.median(walls) * scale


def _frame(payload: bytes) -> bytes:
    return _INT.pack(len(payload)) + payload


def _buffer(data: bytes) -> bytes:
    return _INT.pack(len(data)) + data


def _create(path: bytes) -> bytes:
    head = _INT.pack(1) + _INT.pack(1)
    return _frame(head + _buffer(path) + _buffer(b"x" * 100) + _OPEN + _INT.pack(0))


def _start() -> None:
    with tempfile.TemporaryDirectory(dir=".") as directory:
        path = Path(directory) / "data"
        with FakeZooKeeper(data_dir=path) as server:
            server.load({f"/{number % 100}/{number}": bytes(100) for number in range(ZNODES)})
        start = time.process_time()
        with FakeZooKeeper(data_dir=path):
            seconds = time.process_time() - start
        size = sum(each.stat().st_size for each in path.iterdir())
    print(
        f"\na start with {ZNODES:,} znodes of 100 bytes: {seconds:.1f} s of processor time, "
        f"{size / 1e6:.0f} MB"
    )
