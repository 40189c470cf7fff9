"""A plain program of two clients finds that `sync` and a read are no barrier, in a hostile world.

One client writes and tells the other one by a message of their own; that one calls `sync` and
reads, and may not find what it was told of: a leader answers its clients' syncs without asking
anybody, whether it lags behind its followers or has been deposed. Live servers do both, see
`tests/ensemble/outcomes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake.simulation import Simulation

if TYPE_CHECKING:
    import queue

    from kazoo.client import KazooClient

WRITES = 10
FIRST = 0
"""The first seed that shows it."""


def unseen(sim: Simulation) -> list[tuple[int, int]]:
    """Each read behind a sync that did not find what its reader had been told of: what it had been
    told, and what it found.
    """
    writer, reader = sim.client("writer"), sim.client("reader")
    messages: queue.Queue[int] = sim.handler().queue_impl()

    def write(client: KazooClient) -> None:
        client.retry(client.ensure_path, "/x")
        for number in range(1, WRITES + 1):
            try:
                client.set("/x", b"%d" % number)
            except KazooException:  # noqa: PERF203
                sim.sleep(0.5)  # nobody is told of a write that may have failed
            else:
                messages.put(number)
        messages.put(0)

    task = sim.spawn(write, writer)
    found = []
    while told := messages.get():
        try:
            reader.sync("/x")
            read = int(reader.get("/x")[0] or 0)
        except KazooException:
            continue
        if read < told:
            found.append((told, read))
    task.result()
    return found


def in_the_world_of(seed: int, profile: str = "hostile") -> list[tuple[int, int]]:
    return Simulation(seed=seed, servers=3, profile=profile).run(unseen)


def test_a_read_behind_a_sync_may_not_find_what_its_reader_was_told_of() -> None:
    assert any(in_the_world_of(seed) for seed in (FIRST, *range(100)))


def test_it_does_where_nothing_lags() -> None:
    assert not any(in_the_world_of(seed, "calm") for seed in range(10))
