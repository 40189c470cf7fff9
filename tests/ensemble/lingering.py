"""A run whose disks are slow, and whose servers lag: much is proposed that is not committed yet, or
committed that is not applied yet, and then servers end.
"""

from __future__ import annotations

from .clients import TICK
from .run import Run


class Lingering(Run):
    """An ensemble that loses its leader, and others, in the middle of what they write."""

    def linger(self, rounds: int) -> Lingering:
        for _ in range(rounds):
            slow = self.random.choice((0.0, 0.7))
            for server in self.servers:
                if self.random.random() < slow:
                    server.disk.sync_time = (TICK // 4, 2 * TICK)
            for client in self.clients:
                if self.random.random() < 0.5:
                    client.session, client.password = 0, b""  # the old one expires
                    client.connect(self._server().id)
            for _ in range(5):
                self.step([self.write, self.write, self.read, self.sync, self.pause])
            self.wait(self.random.randrange(TICK))
            leader = self.ensemble.leader
            for server in self.servers:
                if server is leader or self.random.random() < 0.3:
                    server.stop()
                    if self.random.random() < 0.6:
                        self._lose_power(server)
            if self.random.random() < 0.5:
                self.quicken_disks()
            self.wait(self.random.randrange(TICK))
            self.start_all()
            self.wait(self.random.randrange(2 * TICK))
            for client in self.clients:
                if not client.connected:
                    client.connect(self._server().id)
            self.wait(self.random.randrange(TICK))
            self.step([self.write, self.read])
        self.settle()
        return self
