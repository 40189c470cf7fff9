"""The pages about the dict run as they stand; and the old names are there."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import kazoo.client
import redis

import zkdict.redis

if TYPE_CHECKING:
    import pytest

    from pytest_zkdict.clients import ClientFactory

    from ..support.redis_server import RedisServer

DOCS = Path(__file__).parents[2] / "docs"


def run_page(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8").replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, name, str(DOCS / name), 0)
    assert len(test.examples) > 10
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_the_examples_of_the_migration_page_run(
    zk_client_factory: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = zk_client_factory(start=False)
    monkeypatch.setattr(kazoo.client, "KazooClient", lambda: client)  # the test's own server
    run_page("migration.md")


def test_the_examples_of_the_dicts_page_run(
    zk_client_factory: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [zk_client_factory(start=False) for _ in range(2)]
    monkeypatch.setattr(kazoo.client, "KazooClient", clients.pop)
    run_page("zkdict.md")


def test_the_examples_of_the_encodings_page_run() -> None:
    run_page("encodings.md")


def test_the_examples_of_the_page_for_writers_of_a_store_run(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "Redis", redis_server.client)
    run_page("own_store.md")


def test_the_code_on_that_page_is_that_of_the_module() -> None:
    code = _bare(inspect.getsource(zkdict.redis))
    page = (DOCS / "own_store.md").read_text(encoding="utf-8")
    shown = [
        part
        for block in re.findall("```python\n(.*?)```", page, re.S)
        for part in block.split("\n\n")
    ]
    assert len(shown) == 4
    for part in shown:
        assert _bare(part) in code, part


def _bare(code: str) -> str:
    """Without indentation and docstrings."""
    lines = map(str.strip, re.sub(r'"""(?s:.*?)"""', "", code).splitlines())
    return "\n".join(line for line in lines if line)


def test_the_old_names() -> None:
    assert issubclass(zkdict.MSAZookeeperDict, zkdict.ZooKeeperDict)
    assert issubclass(zkdict.ZooKeeperDict, zkdict.ConnectionStorageDict)
    assert issubclass(zkdict.ConnectionStorageDict, zkdict.StorageDict)
    for name in (
        "persist",
        "depersist",
        "durables",
        "last_updated",
        "sync",
        "connection_hook",
        "no_node_error",
    ):
        assert hasattr(zkdict.ZooKeeperDict, name)
    assert callable(zkdict.validate_key)


def test_every_public_name_is_there_and_documented() -> None:
    for name in zkdict.__all__:
        assert hasattr(zkdict, name), name
        public = getattr(zkdict, name)
        if isinstance(public, type):
            assert public.__doc__, name
