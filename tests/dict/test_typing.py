"""What a user's type checker says about a dict of ints."""

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from typing import Any
from zkdict import Change, Entry, Snapshot, ZooKeeperDict

def use(client: Any) -> int:
    with ZooKeeperDict[int](client, "/app/config") as d:
        d["a"] = 1
        total: int = d["a"] + sum(d.values())
        popped: int | None = d.pop("a", None)
        entry: Entry[int] = d.put("a", 2)
        total += d.cas(entry, 3).value + d.modify("a", lambda n: n + 1).value
        merged: dict[str, int] = d | {"b": 2}
        state: Snapshot[int] = d.snapshot()
        d.update(merged, c=3)
        d.on_change(told, keys="a")
        for batch in d.changes(timeout=1.0):
            for change in batch:
                told(change)
        with d.transaction() as txn:
            txn["a"] = txn["b"] + 1
        name: str = d.atomically(lambda t: str(t["a"]))
        return total + len(name) + state["a"] + (popped or 0) + d.wait_for(lambda s: s["a"])

def told(change: Change[int]) -> None:
    if change.new is not None:
        print(change.new.value + 1)
"""

BAD = """
from typing import Any
from zkdict import ZooKeeperDict

def use(client: Any) -> None:
    d = ZooKeeperDict[int](client, "/app/config")
    d["a"] = "text"
    text: str = d["a"]
    d[1] = 1
    d.modify("a", lambda n: str(n))
    d.update({"a": "text"})
"""

TESTS = """
from pytest_zkdict import factories
from pytest_zkdict.clients import ClientFactory, DictFactory, ServerFactory
from pytest_zkdict.servers import FakeServer
from zkfake import Faults

server = factories.server(servers=3, settings={"tickTime": 100}, load={"/a": b"1"})

def test_faults(zk_server_factory: ServerFactory, zk_faults: Faults, zk_fake: FakeServer) -> None:
    server = zk_server_factory({"tickTime": 100}, servers=3, version="3.8", load={"/a": None})
    with server.faults.drop_before_reply(operation="create"), zk_faults.partition(server=1):
        server.stop()
    zk_fake.load({"/a": b"1"})
    before = zk_fake.snapshot()
    print(zk_fake.dump()["/a"], zk_fake.sessions[0].ephemerals, zk_fake.watches[0].path)
    zk_fake.restore(before)
    zk_fake.expire(zk_fake.connections[0].session_id)

def test_dicts(zk_dict_factory: DictFactory, zk_client_factory: ClientFactory) -> None:
    prices = zk_dict_factory("/prices", client=zk_client_factory(timeout=3.0))
    prices["a"] = 1
"""


def test_a_users_file_and_a_users_mistakes(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "test_good.py").write_text(TESTS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".cache"),
            *("good.py", "bad.py", "test_good.py"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=240,
    )
    assert not done.stderr
    errors = [line.split(":") for line in done.stdout.splitlines() if ": error:" in line]
    assert {file for file, *_ in errors} == {"bad.py"}
    found = sorted({int(line) for _, line, *_ in errors})
    first = 1 + BAD.splitlines().index('    d["a"] = "text"')
    assert found == [first, first + 1, first + 2, first + 3, first + 4]
