"""A fake on sockets whose faults are tried on unmodified clients."""

from __future__ import annotations

import queue
from typing import Any

from kazoo.client import KazooClient

from zkfake import FakeZooKeeper

PATIENCE = 60.0
"""Seconds; nobody waits as long unless something is broken."""


class Faulty:
    """A fake on sockets, its faults, and clients that end with the test."""

    def __init__(self, **arguments: Any) -> None:
        self.server = FakeZooKeeper(settings={"tickTime": 200}, **arguments).start()
        self.faults = self.server.faults
        self._clients: list[KazooClient] = []

    def client(self, hosts: str | None = None, *, start: bool = True, **more: Any) -> KazooClient:
        arguments: dict[str, Any] = {"timeout": 10.0, "randomize_hosts": False, **more}
        client = KazooClient(hosts or self.server.hosts, **arguments)
        self._clients.append(client)
        if start:
            client.start(PATIENCE)
        return client

    def member(self, mode: str) -> Any:
        return next(member for member in self.server.members if member.mode == mode)

    def close(self) -> None:
        self.faults.heal()
        for client in self._clients:
            client.stop()
            client.close()
        self.server.stop()


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
