"""A run of an ensemble in virtual time: clients, faults and delays, all drawn from one seed.

The run only does and records; `checks` judges what was recorded. Clients speak bytes to connections
of the core. Each keeps its session, the highest zxid it saw and what it sent, and goes on at
another server when its connection is lost, as a real client library does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._ensemble.leading import Leading

from ..support import wire
from .clients import PATHS, TICK
from .happening import Happening

if TYPE_CHECKING:
    from zkfake._ensemble.replica import Replica


class Run(Happening):
    """The programs."""

    def traffic(self, steps: int) -> Run:
        """Clients alone: no fault, nobody is silent."""
        calm = [self.write, self.write, self.read, self.read, self.read, self.sync, self.burst]
        for _ in range(steps):
            self.step([*calm, self.pause, self.pause])
        return self

    def trouble(self, steps: int) -> Run:
        """Clients and every fault there is, and then the end of all faults."""
        calm = [self.write, self.write, self.read, self.read, self.sync, self.burst, self.pause]
        faults = [
            self.move,
            self.silence,
            self.close,
            self.crash,
            self.restart,
            self.restart,
            self.cut,
            self.isolate_leader,
            self.mend,
            self.mend,
            self.freeze,
            self.unfreeze,
            self.slow_disk,
            self.quicken_disks,
            self.lose_power,
            self.pause_server,
            self.pause_leader,
            self.resume,
            self.resume,
            self.long_pause,
        ]
        for _ in range(steps):
            self.step([*calm, *calm, self.reconnect, self.reconnect, *faults])
        self.settle()
        return self

    def wander(self, steps: int) -> Run:
        """Clients write, read and go to another server, over and over."""
        for _ in range(steps):
            self.step([self.write, self.write, self.read, self.move, self.pause, self.reconnect])
        self.settle()
        return self

    def corner(self, rounds: int) -> Run:
        """Clients write to a leader that loses sight of all other voters."""
        for _ in range(rounds):
            leader = self.ensemble.leader
            if leader is not None:
                for client in self.clients:
                    client.connect(leader.id)
                self.wait(20)
                self._corner(leader.id)
            for _ in range(4):
                self.step([self.write, self.read])
            self.wait(self.random.randrange(2 * TICK))
            self.mend()
            self.long_pause()
            self.reconnect()
        self.settle()
        return self

    def depose(self, rounds: int) -> Run:
        """Leaders stand still, or lose sight of the others, until another one leads; meanwhile one
        client stays with them.
        """
        loyal, *others = self.clients
        for _ in range(rounds):
            leader = self.ensemble.leader
            if leader is not None:
                loyal.connect(leader.id)
                self.wait(20)
                if self.random.random() < 0.5:
                    self._corner(leader.id)
                else:
                    self.servers[leader.id - 1].pause()
                    self._paused.append(self.servers[leader.id - 1])
                self.wait(TICK + self.random.randrange(2 * TICK))
                rest = [server for server in self.servers if server.id != leader.id]
                for client in others:
                    client.connect(self.random.choice(rest).id)
                for _ in range(6):
                    self.step([self.write, self.read, self.pause])
                self.resume()
                self._upset()
                for _ in range(4):
                    path = self.random.choice(PATHS)
                    loyal.send("getData", wire.path_watch(path), (path,))
                    if self.random.random() < 0.5:
                        loyal.send("sync", wire.string("/"))
                    else:
                        value = self.value()
                        loyal.send("setData", wire.set_data("/c", value), ("/c",), value)
                    self.wait(self.random.randrange(30))
            self.mend()
            self.long_pause()
            for server in self.servers:
                server.start()
            self.reconnect()
        self.settle()
        return self

    def rotate(self, rounds: int) -> Run:
        """A server is away while much is written, comes back, and then the leader crashes."""
        for _ in range(rounds):
            absent = self._server()
            absent.stop()
            self.wait(2 * TICK)
            self.reconnect()
            for _ in range(8):
                self.step([self.write, self.write, self.pause, self.reconnect])
            absent.start()
            self.wait(TICK)
            leader = self.ensemble.leader
            if leader is not None:
                self.servers[leader.id - 1].stop()
            self.wait(TICK)
            self.reconnect()
            self.step([self.write])
            for server in self.servers:
                server.start()
        self.settle()
        return self

    def relapse(self, rounds: int) -> Run:
        """Leaders lose sight of the others until a new one is about to lead; then they see them
        again, and one of those who elected it crashes.
        """
        for _ in range(rounds):
            leader = self.ensemble.leader
            if leader is not None:
                for client in self.clients:
                    client.connect(leader.id)
                self.wait(20)
                self._corner(leader.id)
                for _ in range(60):
                    self.wait(TICK // 20)
                    if self._is_about_to_lead():
                        break
                for server in self.servers:
                    if self.random.random() < 0.5:
                        self._crash(server)
                while self._cuts:
                    self.mend()
                self._meet_the_new_leader()
            self.step([self.write])
            self.wait(TICK // 2)
            for server in self.servers:
                server.start()
            self.reconnect()
        self.settle()
        return self

    def _is_about_to_lead(self) -> bool:
        roles = [server.role for server in self.servers]
        return any(isinstance(role, Leading) and not role.established for role in roles)

    def _meet_the_new_leader(self) -> None:
        """Everybody reads from it as soon as it serves."""
        for _ in range(60):
            self.wait(TICK // 20)
            leader = self.ensemble.leader
            if leader is not None:
                for client in self.clients:
                    client.connect(leader.id)
                    for path in PATHS:
                        client.send("getData", wire.path_watch(path), (path,))
                return

    def _upset(self) -> None:
        if self.random.random() < 0.7:
            self._crash(self._server())

    def _crash(self, server: Replica) -> None:
        """It may come back at once."""
        server.stop()
        if self.random.random() < 0.7:
            server.start()

    def start_all(self) -> None:
        for server in self.servers:
            server.start()

    def _corner(self, leader: int) -> None:
        for server in self.servers:
            if not server.observer and server.id != leader:
                self._cut((leader, server.id))
                self._cut((server.id, leader))

    def settle(self) -> None:
        """Heals everything, and waits until all is quiet."""
        self.resume()
        self.unfreeze()
        self.quicken_disks()
        while self._cuts:
            self.mend()
        self.start_all()
        self.wait(20 * TICK)
        served: set[int] = set()
        for _ in range(60):
            for client in self.clients:
                client.silent = False
                if not client.connected:
                    client.connect(self._server().id)
            self.wait(TICK)
            for client in self.clients:
                if client.number not in served:
                    value = self.value()
                    client.send("setData", wire.set_data("/a", value), ("/a",), value)
            self.wait(TICK)
            served |= {s.client for s in self.sent if s.answered and s.time > self.now - 2 * TICK}
            if len(served) == len(self.clients) and all(c.connected for c in self.clients):
                break
        self.served = served
        self.wait(20 * TICK)
