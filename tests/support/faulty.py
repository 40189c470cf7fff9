"""Servers whose faults are tried on unmodified clients: the simulation's, the fake's own, and those
of a proxy in front of a server.
"""

from __future__ import annotations

import queue
import re
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient

from pytest_zkdict.live import four_letter_word
from zkfake import FakeZooKeeper
from zkfake.proxy import ZooKeeperProxy

from .settings import QUICK
from .wire import SocketChannel

if TYPE_CHECKING:
    from zkfake._channel.connections import ConnectionFaults
    from zkfake.simulation import Simulation

PATIENCE = 60.0
"""Seconds; nobody waits as long unless something is broken."""


class Clients:
    """Makes clients that end with the test."""

    hosts: str
    faults: ConnectionFaults

    def __init__(self) -> None:
        self._clients: list[KazooClient] = []

    def client(self, hosts: str | None = None, *, start: bool = True, **more: Any) -> KazooClient:
        arguments: dict[str, Any] = {"timeout": 10.0, "randomize_hosts": False, **more}
        client = KazooClient(hosts or self.hosts, **arguments)
        self._clients.append(client)
        if start:
            client.start(PATIENCE)
        return client

    def dump(self) -> dict[str, bytes | None]:
        """The data of every znode by path, without ``/zookeeper``."""
        raise NotImplementedError

    def session_ids(self) -> set[int]:
        """Those that are open."""
        raise NotImplementedError

    def title(self, client: KazooClient) -> str:
        """What the hits of rules call the client."""
        return f"session {session_of(client):#x}"

    def raw(self) -> SocketChannel:
        """A connection without a client."""
        host, _, port = self.hosts.rpartition(":")
        return SocketChannel((host, int(port)), patience=PATIENCE)

    def close(self) -> None:
        self.faults.heal()
        for client in self._clients:
            client.stop()
            client.close()


class Virtual(Clients):
    """A simulation that has begun."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self._sim = sim
        self.hosts = sim.hosts
        self.faults = sim.faults

    def title(self, client: KazooClient) -> str:
        return str(client.handler.client_name)

    def raw(self) -> SocketChannel:
        network = self._sim._network
        plain: Any = network.connect("raw", (self._sim.replicas[0].host, 2181), PATIENCE)
        return SocketChannel.over(plain, patience=PATIENCE)

    def dump(self) -> dict[str, bytes | None]:
        nodes = self._sim.replicas[0].tree.nodes
        return {
            path: node.data
            for path, node in nodes.items()
            if path != "/" and not path.startswith("/zookeeper")
        }

    def session_ids(self) -> set[int]:
        return {session.id for session in self._sim._network.servers.ensemble.sessions}


class Faulty(Clients):
    """A fake on sockets."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.server = FakeZooKeeper(settings=QUICK, **arguments).start()
        self.faults = self.server.faults

    @property
    def hosts(self) -> str:  # type: ignore[override]
        return self.server.hosts

    def member(self, mode: str) -> Any:
        return next(member for member in self.server.members if member.mode == mode)

    def dump(self) -> dict[str, bytes | None]:
        return self.server.dump()

    def session_ids(self) -> set[int]:
        return {session.id for session in self.server.sessions}

    def close(self) -> None:
        super().close()
        self.server.stop()


class Proxied(Clients):
    """A proxy in front of one server, which may have served tests before."""

    def __init__(self, server_hosts: str) -> None:
        super().__init__()
        self._server_hosts = server_hosts
        self._proxy = ZooKeeperProxy(server_hosts).start()
        self.hosts = self._proxy.hosts
        self.faults = self._proxy.faults
        self._direct = KazooClient(server_hosts)
        self._direct.start(PATIENCE)

    def dump(self) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        paths = [f"/{name}" for name in self._direct.get_children("/") if name != "zookeeper"]
        while paths:
            path = paths.pop(0)
            found[path] = self._direct.get(path)[0]
            paths += [f"{path}/{name}" for name in self._direct.get_children(path)]
        return found

    def session_ids(self) -> set[int]:
        host, _, port = self._server_hosts.partition(":")
        text = four_letter_word(host, int(port), "dump", timeout=PATIENCE)
        return {int(found, 16) for found in re.findall(r"0x[0-9a-f]+", text)}

    def close(self) -> None:
        super().close()
        self._proxy.stop()
        for path in self.dump():
            if path.count("/") == 1:
                self._direct.delete(path, recursive=True)
        self._direct.stop()
        self._direct.close()


class States:
    """What a client tells of its state, in order."""

    def __init__(self, client: KazooClient) -> None:
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        client.add_listener(self._told.put)

    def expect(self, *states: str) -> None:
        assert [self._told.get(timeout=PATIENCE) for _ in states] == list(states)

    def wait_for(self, state: str) -> None:
        while self._told.get(timeout=PATIENCE) != state:
            pass


def session_of(client: KazooClient) -> int:
    return int(client.client_id[0])
