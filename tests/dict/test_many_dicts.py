"""Many dicts on one client: what each of them costs is counted."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from zkdict import BYTES, ZooKeeperDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from pytest_zkdict.clients import ClientFactory

MANY = 30


class CountedTasks:
    """Counts the tasks of a client's handler that were started and have not ended."""

    def __init__(self, client: KazooClient) -> None:
        self.running = 0
        self._lock = threading.Lock()
        self._spawn = client.handler.spawn
        client.handler.spawn = self.spawn

    def spawn(self, function: Callable[..., Any], *arguments: Any) -> Any:
        def run() -> None:
            try:
                function(*arguments)
            finally:
                self._add(-1)

        self._add(1)
        return self._spawn(run)

    def _add(self, number: int) -> None:
        with self._lock:
            self.running += number


def test_a_dict_has_no_task_and_a_change_costs_one_read(
    zk_client: KazooClient,
    zk_client_factory: ClientFactory,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    client = zk_client_factory()
    tasks = CountedTasks(client)
    for number in range(MANY):
        zk_client.ensure_path(f"/dicts/{number}")
        zk_client.create(f"/dicts/{number}/a", b"1")
    with ExitStack() as exits:
        dicts = [
            exits.enter_context(ZooKeeperDict(client, f"/dicts/{number}", encoding=BYTES))
            for number in range(MANY)
        ]
        eventually(lambda: tasks.running == 0)
        before = [items.stats["requests"] for items in dicts]
        # A sync, the list, and the key; and the watch, where that is a request.
        assert before == [3 + hasattr(client, "add_watch_async")] * MANY
        zk_client.set("/dicts/7/a", b"2")
        eventually(lambda: dicts[7]["a"] == b"2")
        requests = [
            items.stats["requests"] - count for items, count in zip(dicts, before, strict=False)
        ]
        assert requests == [int(number == 7) for number in range(MANY)]
        assert tasks.running == 0
