"""``python -m tests.history.live --seconds 600``: a live ensemble under every fault, judged.

Three servers of a real ZooKeeper stand behind the proxy, which records four clients. Servers are
killed, stopped and started again, and every fault of connections strikes. The recording is kept
in a file, and judged. The exit status is 1 where anything is broken.

A fault strikes a server only while all of them serve; with ``--relentless`` also while others are
still on their way back. ZooKeeper 3.8.0 loses acknowledged writes then: see docs/history.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from pytest_zkdict.live import LiveZooKeeper

from .traffic import Traffic, connected

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from pytest_zkdict.live.faults import LiveFaults
    from zkfake import Outage
    from zkfake.history import History

__all__ = ["record"]

CLIENTS = 4
TIMEOUT = 3.0
"""Of sessions, seconds: short, so that partitions end them."""

PACE = 0.03
"""Seconds from one request of a client to its next, at most."""

PATIENCE = 60.0


class Enemy:
    """Whoever does the faults, one after the other."""

    def __init__(
        self,
        live: LiveZooKeeper,
        faults: LiveFaults,
        clients: list[KazooClient],
        dice: Random,
        relentless: bool,
    ) -> None:
        self.live = live
        self.faults = faults
        self.clients = clients
        self.dice = dice
        self.relentless = relentless
        self.done: Counter[str] = Counter()
        self._outage: Outage | None = None
        """The last one of servers."""

    def strike(self) -> float:
        """One fault. Returns how long to wait for the next one, seconds."""
        name, length = self.dice.choice(FAULTS)
        if name in OF_SERVERS and not (self.relentless or self._is_whole()):
            return 0.1
        with suppress(ValueError, RuntimeError):  # no session at present; nobody leads
            getattr(self, f"_{name}")()
            self.done[name] += 1
            return self.dice.uniform(0.5, 1) * length
        return 0.1

    def _is_whole(self) -> bool:
        """Whether every server serves."""
        if self._outage is not None and not self._outage.over:
            return False
        return all(member.mode is not None for member in self.live.members)

    def _client(self) -> KazooClient:
        return self.dice.choice(self.clients)

    def _server(self) -> int | None:
        """One of the three, or the leader, whoever it is."""
        return self.dice.choice((1, 2, 3, None, None))

    def _kill(self) -> None:
        duration = self.dice.uniform(0.1, 2)
        self._outage = self.faults.stop_server(self._server(), duration=duration)

    def _stop(self) -> None:
        """For a moment, or so long that another one leads."""
        duration = self.dice.choice((0.3, 2, 7))
        self._outage = self.faults.pause_server(self._server(), duration=duration)

    def _lose_quorum(self) -> None:
        self._outage = self.faults.lose_quorum(duration=self.dice.uniform(0.5, 2))

    def _drop(self) -> None:
        self.faults.drop(self.dice.choice((None, self._client())))

    def _partition(self) -> None:
        """For a moment, or so long that the session ends."""
        self.faults.partition(
            self._client(),
            self.dice.choice((None, None, 1, 2, 3)),
            direction=self.dice.choice(("both", "both", "to_server", "to_client")),
            duration=self.dice.choice((0.5, 2 * TIMEOUT)),
        )

    def _slow(self) -> None:
        self.faults.slow(self._client(), (0.01, self.dice.uniform(0.02, 0.2)), duration=1)

    def _hold_events(self) -> None:
        self.faults.hold_events(self._client(), duration=self.dice.uniform(0.1, 1))

    def _lose_pings(self) -> None:
        self.faults.lose_pings(self._client(), duration=TIMEOUT)

    def _lose(self) -> None:
        rule = self.dice.choice(
            (
                self.faults.drop_before_request,
                self.faults.drop_before_reply,
                self.faults.drop_after_reply,
            )
        )
        rule(self._client(), operation=self.dice.choice((None, "setData", "create", "multi")))

    def _expire(self) -> None:
        with suppress(OSError):
            self.faults.expire(self._client())


FAULTS = (
    ("kill", 3),
    ("kill", 3),
    ("stop", 4),
    ("stop", 4),
    ("lose_quorum", 4),
    ("drop", 0.5),
    ("partition", 2),
    ("partition", 3),
    ("slow", 1),
    ("hold_events", 1),
    ("lose_pings", 1),
    ("lose", 0.5),
    ("lose", 0.5),
    ("expire", 2),
)
"""What may be done, and about how many seconds later the next thing may be."""


OF_SERVERS = ("kill", "stop", "lose_quorum")


def record(
    seconds: float, seed: int, home: str | None = None, *, relentless: bool = False
) -> tuple[History, Counter[str], list[Traffic]]:
    """A live ensemble for so long. Returns the history, what was done, and who was there."""
    with LiveZooKeeper(home, servers=3) as live, live.proxied(history=True) as faults:
        clients = [connected(live.hosts, number, TIMEOUT, PATIENCE) for number in range(CLIENTS)]
        over = threading.Event()
        traffic = [
            Traffic(client, number, Random(f"{seed} {number}"))
            for number, client in enumerate(clients)
        ]
        workers = [threading.Thread(target=each.work, args=(over, PACE)) for each in traffic]
        enemy = Enemy(live, faults, clients, Random(seed), relentless)
        end = time.monotonic() + seconds
        for worker in workers:
            worker.start()
        try:
            while (left := end - time.monotonic()) > 0:
                over.wait(min(left, enemy.strike()))
        finally:
            faults.heal()
            over.set()
            for worker in workers:
                worker.join()
            for client in clients:
                with suppress(Exception):
                    client.stop()
                client.close()
        history = live.history
        assert history is not None
        return history, enemy.done, traffic


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.history.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (default: 600)")
    parser.add_argument("--seed", type=int, default=0, help="of traffic and faults (default: 0)")
    parser.add_argument("--home", help="where the server is (default: the one that is found)")
    parser.add_argument("--keep", default="live.jsonl", help="the file (default: live.jsonl)")
    parser.add_argument("--relentless", action="store_true", help="while others are not back, too")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # kazoo warns about every connection that a fault breaks
    history, done, traffic = record(
        options.seconds, options.seed, options.home, relentless=options.relentless
    )
    history.save(options.keep)
    steps, refused = sum(each.turn for each in traffic), sum(each.refused for each in traffic)
    _tell(f"{steps} steps of {len(traffic)} clients, {refused} of them ended with an error")
    _tell(", ".join(f"{name}: {times}" for name, times in sorted(done.items())))
    verdict = history.check(complete=True)
    _tell(str(verdict))
    _tell(f"kept in {options.keep}")
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
