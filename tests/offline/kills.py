"""``python -m tests.offline.kills --kills 300``: a server with a data directory, killed and killed.

Three clients write and read through a proxy, which records them. The server is killed at any
moment, its start included, and started again on the same directory. Then the recording is judged,
beside the log that the directory has: no acknowledged write is lost, none is half done, and zxids,
versions and sequence numbers never fall. The exit status is 1 where anything is broken.
"""

from __future__ import annotations

import argparse
import logging
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import IO, TYPE_CHECKING

from zkfake import FakeZooKeeper
from zkfake._data_dir.codec import unpack_transaction
from zkfake._history.events import Committed, Reply, WatchEvent
from zkfake.history import History
from zkfake.proxy import ZooKeeperProxy

from ..history.traffic import Traffic, connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kazoo.client import KazooClient

    from zkfake._database.log import Transaction

__all__ = ["SERVE", "Killed", "record"]

MAIN = """
from zkfake._data_dir import database
from zkfake._cli import main
database._KEPT = 1 << 30  # the whole log, for the judges
raise SystemExit(main())
"""
SERVE = (sys.executable, "-c", MAIN, "serve")
CLIENTS = 3
TIMEOUT = 20.0
"""Of sessions, seconds: most live through a restart. One client's is short."""

PACE = 0.002
"""Seconds from one request of a client to its next, at most."""

PATIENCE = 120.0


class Killed:
    """A server that is killed and started again on one directory, and one port or more."""

    def __init__(self, directory: Path, servers: int, serve: Sequence[str], options: Sequence[str]):
        with FakeZooKeeper(servers=servers) as free:
            self.ports = [member.port for member in free.members]
        self._command = [*serve, "--data-dir", str(directory), *options]
        self._command += ["--set", "tickTime=500", "--servers", str(servers)]
        self._servers = servers
        self._process: subprocess.Popen[str] | None = None
        self.starts = 0

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self) -> subprocess.Popen[str]:
        # The ports follow each other only if they are free, so a zoo.cfg names them.
        self.starts += 1
        self._process = subprocess.Popen(
            [*self._command, "--config", str(self._config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self._process

    def write_config(self, path: Path) -> None:
        lines = [f"server.{n}=a:1:2;{port}" for n, port in enumerate(self.ports, 1)]
        if self._servers == 1:
            lines = [f"clientPort={self.ports[0]}"]
        path.write_text("\n".join(lines) + "\n")
        self._config = path

    def started(self) -> None:
        """Starts it, and waits until it serves."""
        while True:
            process = self.start()
            if _line(process.stdout) == self.hosts:
                return
            errors = process.communicate()[1]
            # Another program's connection may have one of the ports for a moment.
            assert "cannot listen" in errors, (process.returncode, errors)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            _, errors = process.communicate()
            assert not errors or "cannot listen" in errors, errors


def _line(output: IO[str] | None) -> str:
    assert output is not None
    return output.readline().strip()


def record(
    directory: Path,
    kills: int,
    seed: int,
    servers: int = 1,
    serve: Sequence[str] = SERVE,
    options: Sequence[str] = (),
) -> tuple[History, list[Traffic]]:
    """A server that is killed so often: the history, and who was there."""
    dice = Random(seed)
    killed = Killed(directory / "data", servers, serve, options)
    killed.write_config(directory / "zoo.cfg")
    over = threading.Event()
    try:
        killed.started()
        with ZooKeeperProxy(killed.hosts, history=True) as proxy:
            clients = [
                connected(proxy.hosts, number, TIMEOUT if number else 1.0, PATIENCE)
                for number in range(CLIENTS)
            ]
            traffic = [Traffic(each, n, Random(f"{seed} {n}")) for n, each in enumerate(clients)]
            workers = [threading.Thread(target=each.work, args=(over, PACE)) for each in traffic]
            for worker in workers:
                worker.start()
            try:
                for _ in range(kills):
                    if dice.random() < 0.2:  # while it starts
                        killed.kill()
                        killed.start()
                        over.wait(dice.uniform(0, 0.5))
                        killed.kill()
                        killed.started()
                    _serve_for(traffic, dice.randrange(1, 200))
                    over.wait(dice.uniform(0, 0.01))
                    killed.kill()
                    killed.started()
                _serve_for(traffic, 200)
            finally:
                over.set()
                for worker in workers:
                    worker.join()
                for client in clients:
                    _look(client)
                    with suppress(Exception):
                        client.stop()
                    client.close()
            history = proxy.history
        assert history is not None
        killed.kill()
        return with_log(history, committed(directory / "data")), traffic
    finally:
        killed.kill()


def committed(directory: Path) -> list[Transaction]:
    """The whole log of a data directory."""
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        rows = connection.execute("SELECT zxid, body FROM log ORDER BY zxid").fetchall()
    return [unpack_transaction(zxid, body) for zxid, body in rows if body]


def with_log(seen: History, transactions: Sequence[Transaction]) -> History:
    """The history with a log, each entry where its zxid is first seen."""
    history = History()
    history.log = []
    left = deque(transactions)
    for event in seen:
        zxid = event.zxid if isinstance(event, (Reply, WatchEvent)) else 0
        while left and left[0].zxid <= zxid:
            history._add_logged(Committed(event.time, left.popleft(), (), ()))
        history.append(event)
    for transaction in left:
        history._add_logged(Committed(event.time, transaction, (), ()))
    return history


def _serve_for(traffic: Sequence[Traffic], steps: int) -> None:
    """Until the clients have done so many steps more."""
    end = sum(each.turn for each in traffic) + steps
    patience = time.monotonic() + PATIENCE
    while sum(each.turn for each in traffic) < end:
        # A server refuses clients that have seen more than it has.
        assert time.monotonic() < patience, "the clients do not get on"
        time.sleep(0.001)


def _look(client: KazooClient) -> None:
    """At everything there is, for the judges."""
    client.retry(client.sync, "/")
    paths = ["/"]
    while paths:
        path = paths.pop()
        with suppress(Exception):  # another client's ephemeral may go just now
            client.retry(client.get, path)
            children = client.retry(client.get_children, path)
            paths += [f"{path.rstrip('/')}/{each}" for each in children if each != "zookeeper"]


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.offline.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how often (default: 300)")
    parser.add_argument("--servers", type=int, default=1, help="of the ensemble (default: 1)")
    parser.add_argument("--sync", default="normal", help="of the directory (default: normal)")
    parser.add_argument("--seed", type=int, default=0, help="of traffic and kills (default: 0)")
    parser.add_argument("--keep", help="a file for the recording")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # kazoo warns about every connection that breaks
    with tempfile.TemporaryDirectory() as directory:
        history, traffic = record(
            Path(directory),
            options.kills,
            options.seed,
            options.servers,
            options=("--sync", options.sync),
        )
    if options.keep:
        history.save(options.keep)
    steps, refused = sum(each.turn for each in traffic), sum(each.refused for each in traffic)
    _tell(f"{options.kills} kills, {steps} steps of {len(traffic)} clients, {refused} refused")
    verdict = history.check(complete=True)
    _tell(str(verdict))
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
