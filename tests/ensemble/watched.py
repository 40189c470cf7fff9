"""An ensemble in virtual time, its clients, and what is seen of it from outside."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from zkfake._database.reconfig import initial, parse
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.following import Following
from zkfake._ensemble.leading import Leading
from zkfake._ensemble.replica import Replica
from zkfake._protocol.records import Op
from zkfake._settings import Settings

from ..support import wire
from .clients import CLOCKS, PAIR, START, TICK, TIMEOUT, Client, Heard, Sent, Stream
from .recording import Recording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake._database.log import Transaction


class Watched:
    """One ensemble with its clients, driven by one random source."""

    def __init__(
        self,
        seed: int,
        *,
        voters: int = 3,
        observers: int = 0,
        clients: int = 3,
        latency: int = 0,
        lag: int = 0,
        election: int = 0,
        sync_limit: int = 1,
        remembered: int = 500,
        further: Mapping[str, object] | None = None,
    ) -> None:
        """``latency``, ``lag``, ``election``: the longest, milliseconds. ``sync_limit``: ticks.
        ``remembered``: transactions. ``further``: settings.
        """
        self.random = random = Random(seed)
        settings = Settings.parse(
            {
                "tickTime": TICK,
                "syncLimit": sync_limit,
                "initLimit": 5,
                "commitLogCount": remembered,
                **(further or {}),
            }
        )
        settings = replace(settings, keep_log=None)
        self.ensemble = Ensemble(settings, START, Random(seed + 1))
        self.now = self.began = START
        self.recording = Recording(self.ensemble, lambda: (self.now - START) / 1000)
        self.servers = [
            Replica(self.ensemble, number, observer=number > voters)
            for number in range(1, voters + observers + 1)
        ]
        self.steps: Counter[str] = Counter()
        """How often each action was chosen."""
        self.sent: list[Sent] = []
        self.streams: list[Stream] = []
        self.heard: list[Heard] = []
        self.committed = 0
        """The last zxid that is committed."""
        self.uncovered: list[int] = []
        """zxids that were committed while no quorum had them."""
        self.served: set[int] = set()
        """The clients that had a write answered after the end of all faults."""
        self.applied: dict[int, list[Transaction]] = {}
        self._cuts: list[tuple[int, int]] = []
        self._frozen: list[Replica] = []
        self.lost_to_power = 0
        """How often a server lost something that it had accepted."""
        self._paused: list[Replica] = []
        self.led: dict[int, set[int]] = {}
        """Who led, or was about to, by the epoch."""
        self.lonely: list[int] = []
        """Servers that led for too long without a quorum."""
        self.whole_trees = 0
        """How often a server got a whole tree, as its log did not meet its leader's."""
        self._patience = (sync_limit + 3) * TICK
        self._accompanied: dict[object, int] = {}
        self.two_leaders = 0
        """Milliseconds for which two servers led."""
        self._values = 0
        self._watch_servers()
        self.config = initial(
            [(number, number > voters, "") for number in range(1, voters + observers + 1)], 0
        )
        """The configuration that was committed last."""
        clocks = Random(seed + 2)
        for server in self.servers:
            server.start()
            server.lag = (0, lag)
            server.clock_offset = clocks.choice((0, -CLOCKS, CLOCKS, 7 * CLOCKS))
        self.ensemble.links.latency = (0, latency)
        self.ensemble.election_time = (0, election)
        self.clients = [Client(self, number) for number in range(clients)]
        self.clients[0].connect(1)
        self.wait(50 + 10 * latency + lag)
        for path in PAIR:
            self.clients[0].send("create", wire.create(path, b"0"), (path,), b"0")
        for client in self.clients[1:]:
            client.connect(random.randrange(len(self.servers)) + 1)
        self.wait(50 + 10 * latency + lag)

    # -- what is watched from outside

    def _watch_servers(self) -> None:
        log = self.ensemble.log
        append = log.append

        def committed(transaction: Transaction) -> None:
            zxid = transaction.zxid
            have = [
                server.id
                for server in self.servers
                # What was applied may be forgotten by the log.
                if server.disk.synced >= zxid
                and (
                    server.store.tree.zxid >= zxid
                    or transaction in server.store.log.after(zxid - 1)
                )
            ]
            # Two leaders may find out about the same one.
            if zxid > self.committed:
                covered = self.config.has_quorum(have)
                if transaction.op is Op.RECONFIG and not transaction.error:
                    self.config = parse((transaction.operations[0].data or b"").decode())  # type: ignore[union-attr]
                    covered = covered and self.config.has_quorum(have)
                if not covered:
                    self.uncovered.append(transaction.zxid)
                self.committed = zxid
            append(transaction)

        log.append = committed  # type: ignore[method-assign]
        for server in self.servers:
            self._watch_server(server)

    def _watch_server(self, server: Replica) -> None:
        done: list[Transaction] = []
        self.applied[server.id] = done
        applied, adopt, become = server.applied, server.adopt, server.become

        def note(transaction: Transaction, *rest: Any) -> None:
            done.append(transaction)
            applied(transaction, *rest)

        def take_over(tree: Any, *rest: Any) -> None:
            self.whole_trees += 1
            done[:] = [entry for entry in self.ensemble.log if entry.zxid <= tree.zxid]
            adopt(tree, *rest)

        def take(role: Any) -> None:
            if isinstance(role, Leading):
                self.led.setdefault(role.epoch, set()).add(server.id)
            become(role)

        server.become = take  # type: ignore[method-assign]
        server.applied = note  # type: ignore[method-assign]
        server.adopt = take_over  # type: ignore[method-assign]

    def follows_the_leader(self, server: int) -> bool:
        """Whether ``server`` is, or hears of, the newest leader; else it is about to lose its
        clients, and the newest leader does not know of them.
        """
        leader = self.ensemble.leader
        role = self.servers[server - 1].role
        led_by = role.leader.replica if isinstance(role, Following) else self.servers[server - 1]
        return led_by is leader

    # -- time

    def wait(self, milliseconds: int) -> None:
        """Time passes; clients send pings, and reconnect when they lost their connection."""
        end = self.now + milliseconds
        while True:
            due = self.ensemble.deadline()
            ping = self.now + TIMEOUT // 4
            before = self.now
            self.now = min(end, ping, max(self.now, due if due is not None else end))
            if self.ensemble.deposed:
                self.two_leaders += self.now - before
            self.ensemble.advance(self.now)
            self._look_for_lonely_leaders()
            for client in self.clients:
                client.collect()
                client.keep_alive()
            if self.now >= end:
                return

    def _look_for_lonely_leaders(self) -> None:
        """Nobody leads for long who does not hear, and is heard by, a quorum."""
        for server in self.servers:
            role = server.role
            if not isinstance(role, Leading) or not role.established:
                continue
            if server.paused:
                self._accompanied[role] = self.now
                continue
            heard = [
                other.id
                for other in self.servers
                if other is server
                or (
                    other.running
                    and not other.paused
                    and self.ensemble.links.joined(server.id, other.id)
                )
            ]
            if server.store.config.has_quorum(heard) and not role.retired:
                self._accompanied[role] = self.now
            elif self.now - self._accompanied.setdefault(role, self.now) > self._patience:
                self.lonely.append(server.id)
