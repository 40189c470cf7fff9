"""What can happen in a run: each a step that the run's random source chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..support import wire
from .clients import EPHEMERALS, PAIR, PATHS, TICK, Client
from .watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._ensemble.replica import Replica


class Happening(Watched):
    """What clients do, and what befalls servers and links."""

    def step(self, actions: Sequence[Callable[[], None]]) -> None:
        action = self.random.choice(actions)
        self.steps[action.__name__] += 1
        action()
        for client in self.clients:
            client.collect()

    def _client(self) -> Client:
        return self.random.choice(self.clients)

    def _server(self) -> Replica:
        return self.random.choice(self.servers)

    def value(self) -> bytes:
        self._values += 1
        return b"%d" % self._values

    def write(self) -> None:
        client, value = self._client(), self.value()
        kind = self.random.randrange(6)
        if kind == 0:
            client.send("create", wire.create("/c", value), ("/c",), value)
        elif kind == 1:
            client.send("delete", wire.path_version("/c"), ("/c",))
        elif kind == 2:
            path = self.random.choice(EPHEMERALS)
            client.send("create", wire.create(path, value, flags=1), (path,), value)
        elif kind == 3:
            client.send("setData", wire.set_data("/c", value), ("/c",), value)
        else:
            both = [(5, wire.set_data(path, value)) for path in PAIR]
            client.send("multi", wire.multi(both), PAIR, value)

    def read(self) -> None:
        client, watch = self._client(), self.random.random() < 0.4
        path = self.random.choice((*PATHS, *EPHEMERALS))
        op = "exists" if watch and path not in PAIR else "getData"
        client.send(op, wire.path_watch(path, watch), (path,), watch=watch)

    def sync(self) -> None:
        self._client().send("sync", wire.string("/"))

    def burst(self) -> None:
        """A write, a read, a sync and a read of one client, one behind the other."""
        client = self._client()
        value = self.value()
        both = [(5, wire.set_data(path, value)) for path in PAIR]
        client.send("multi", wire.multi(both), PAIR, value)
        client.send("getData", wire.path_watch("/a"), ("/a",))
        client.send("sync", wire.string("/"))
        client.send("getData", wire.path_watch("/b"), ("/b",))

    def pause(self) -> None:
        self.wait(self.random.randrange(60))

    def long_pause(self) -> None:
        self.wait(self.random.randrange(2 * TICK))

    def reconnect(self) -> None:
        for client in self.clients:
            if not client.connected and self.random.random() < 0.7:
                client.connect(self._server().id)

    def move(self) -> None:
        client = self._client()
        client.connect(self._server().id)

    def silence(self) -> None:
        client = self._client()
        client.silent = not client.silent

    def close(self) -> None:
        client = self._client()
        if client.connected:
            client.send("closeSession", b"")
            client.session, client.password = 0, b""

    def crash(self) -> None:
        self._server().stop()

    def restart(self) -> None:
        for server in self.servers:
            if not server.running:
                server.start()
                return

    def cut(self) -> None:
        one, other = self.random.sample(self.servers, 2)
        self._cut((one.id, other.id))
        if self.random.random() < 0.7:
            self._cut((other.id, one.id))

    def isolate_leader(self) -> None:
        leader = self.ensemble.leader
        if leader is not None:
            for server in self.servers:
                if server.id != leader.id:
                    self._cut((leader.id, server.id))
                    self._cut((server.id, leader.id))

    def _cut(self, pair: tuple[int, int]) -> None:
        self._cuts.append(pair)
        self.ensemble.cut(*pair)

    def mend(self) -> None:
        self._mend()
        self._look_for_lonely_leaders()

    def _mend(self) -> None:
        if self._cuts and self.random.random() < 0.5:
            self.ensemble.mend(*self._cuts.pop(self.random.randrange(len(self._cuts))))
        else:
            cuts, self._cuts = self._cuts, []
            for pair in cuts:
                self.ensemble.mend(*pair)

    def freeze(self) -> None:
        server = self._server()
        server.freeze()
        self._frozen.append(server)

    def unfreeze(self) -> None:
        frozen, self._frozen = self._frozen, []
        for server in frozen:
            server.unfreeze()

    def slow_disk(self) -> None:
        self._server().disk.sync_time = (0, self.random.choice((20, TICK, 2 * TICK)))

    def quicken_disks(self) -> None:
        for server in self.servers:
            server.disk.sync_time = (0, 0)

    def lose_power(self) -> None:
        server = self.random.choice([each for each in self.servers if each.disk] or self.servers)
        server.stop()
        self._lose_power(server)

    def _lose_power(self, server: Replica) -> None:
        last = server.store.log.last_zxid
        server.lose_power()
        self.lost_to_power += server.store.log.last_zxid < last

    def pause_server(self) -> None:
        server = self._server()
        server.pause()
        self._paused.append(server)

    def pause_leader(self) -> None:
        leader = self.ensemble.leader
        if leader is not None:
            server = self.servers[leader.id - 1]
            server.pause()
            self._paused.append(server)
            self.wait(self.random.randrange(3 * TICK))

    def resume(self) -> None:
        paused, self._paused = self._paused, []
        for server in paused:
            server.resume()
        for client in self.clients:
            client.deliver()
