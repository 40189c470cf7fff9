"""Many processes on one dict: no update lost, no job done twice, nobody gets an odd error."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from zkdict import ZooKeeperDict

Open = Callable[..., ZooKeeperDict[Any]]

CYCLES = int(os.environ.get("ZKDICT_ROUNDS", "500")) * 3 // 20
"""Of create and delete, at least; ZKDICT_ROUNDS=10000 makes them 1,500."""

PROCESS = """
import json, sys
from kazoo.client import KazooClient
from zkdict import ZooKeeperDict
{imports}
client = KazooClient(sys.argv[1])
client.start()
items = ZooKeeperDict(client, "/dict")
items.wait_for(lambda now: "go" in now, timeout=60)
print(json.dumps({expression}))
client.stop()
client.close()
"""


def in_processes(
    hosts: str, items: ZooKeeperDict[Any], expression: str, count: int = 2, imports: str = ""
) -> list[Any]:
    """What this expression gives in processes which begin at the same moment."""
    program = PROCESS.format(expression=expression, imports=imports)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, hosts], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(count)
    ]
    items["go"] = True
    results = []
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        results.append(json.loads(out))
    return results


@pytest.mark.in_real_time("other processes share the dict")
def test_each_job_is_popped_once(zk_hosts: str, open_dict: Open) -> None:
    items = open_dict()
    items.update({f"job{number:03}": number for number in range(100)})
    taken = in_processes(
        zk_hosts,
        items,
        'sorted(v for n in range(100) if (v := items.pop(f"job{n:03}", None)) is not None)',
    )
    items.sync()
    assert sorted(taken[0] + taken[1]) == list(range(100))
    assert list(items) == ["go"]


@pytest.mark.in_real_time("other processes share the dict")
def test_popitem_gives_each_item_once(zk_hosts: str, open_dict: Open) -> None:
    items = open_dict()
    items["go"] = None  # the oldest: what is popped last
    items.update({f"job{number:03}": number for number in range(100)})
    taken = in_processes(
        zk_hosts,
        items,
        "take()",
        imports="""
def take():
    taken = []
    while True:
        try:
            key, value = items.popitem()
        except KeyError:
            return taken
        if key == "go":  # the other process may not have seen it yet
            items["go"] = True
            return taken
        taken.append(value)
""",
    )
    assert sorted(taken[0] + taken[1]) == list(range(100))


@pytest.mark.in_real_time("other processes share the dict")
def test_increments_add_up(zk_hosts: str, open_dict: Open) -> None:
    items = open_dict()
    items["count"] = 0
    in_processes(
        zk_hosts,
        items,
        '[items.modify("count", lambda n: n + 1, attempts=1000).version for _ in range(50)]',
    )
    items.sync()
    assert items["count"] == 100
    assert items.entry("count").version == 100


@pytest.mark.in_real_time("other processes share the dict")
def test_one_setdefault_wins(zk_hosts: str, open_dict: Open) -> None:
    items = open_dict()
    answers = in_processes(
        zk_hosts,
        items,
        '[items.setdefault(f"k{n}", f"{os.getpid()}") for n in range(100)]',
        imports="import os",
    )
    items.sync()
    stored = [items[f"k{number}"] for number in range(100)]
    assert answers == [stored, stored]


def test_sets_beside_a_deleter(zk_client: KazooClient, open_dict: Open) -> None:
    """A set is a set or a create: never an error, never an empty znode in between."""
    writer, reader = open_dict(), open_dict()
    stop = threading.Event()
    empty: list[bytes] = []

    def look(change: Any) -> None:
        if change.new is None and change.kind != "removed":
            empty.append(change)

    reader.on_change(look)

    def delete() -> None:
        while not stop.is_set():
            writer.pop("a", None)
            with contextlib.suppress(NoNodeError):
                zk_client.delete("/dict/a")

    deleter = threading.Thread(target=delete)
    deleter.start()
    try:
        for number in range(300):
            writer["a"] = number
    finally:
        stop.set()
        deleter.join(30)
    reader.sync()
    assert not empty
    assert not reader.bad_keys


@pytest.mark.in_real_time("other processes share the dict")
def test_a_reader_beside_creates_and_deletes(zk_hosts: str, open_dict: Open) -> None:
    """Reading raises KeyError or nothing, iterating never raises."""
    items = open_dict()

    def write() -> None:
        for number in range(100 * CYCLES):
            if number >= CYCLES and "seen" in items:
                break
            items["a"] = number
            del items["a"]
        items["end"] = True

    writer = threading.Thread(target=write)
    imports = """
def read():
    items["reading"] = True
    states = set()
    while "end" not in items:
        for key, value in items.items():
            assert key is not None and value is not None
        len(items)
        try:
            states.add(items["a"])
        except KeyError:
            states.add(None)
        if len(states) == 3:
            items["seen"] = True
    return len(states)
"""
    items.on_change(lambda change: writer.start(), keys="reading")
    (states,) = in_processes(zk_hosts, items, "read()", count=1, imports=imports)
    writer.join(60)
    assert states > 2  # it did look while they came and went


def test_threads_share_one_dict(open_dict: Open) -> None:
    items = open_dict()
    items["count"] = 0

    def work(number: int) -> None:
        for step in range(20):
            items[f"{number}-{step}"] = step
            assert items[f"{number}-{step}"] == step
            items.modify("count", lambda n: n + 1, attempts=1000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert items["count"] == 160
    assert len(items) == 161
