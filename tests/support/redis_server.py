"""A real Redis for tests: Debian's `redis-server`, on a socket file in a folder of its own.

``ZK_REQUIRE_REDIS=1`` makes a test fail where there is none, instead of being skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

__all__ = ["RedisServer", "redis_server"]

_INSTALL = "the tests of RedisDict need redis-server: on Debian, apt-get install redis-server"


class RedisServer:
    """A Redis that keeps nothing on disk: `with RedisServer() as server`."""

    def __init__(self, *options: str) -> None:
        self._options = options
        # Not in pytest's folders: the path of a socket has at most 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.path = str(self._folder / "socket")
        self._process: subprocess.Popen[str] | None = None
        self._clients: list[Redis] = []

    def start(self) -> None:
        """Start it, empty. Returns when it accepts connections."""
        arguments = ["--port", "0", "--unixsocket", self.path, "--save", "", *self._options]
        command = ["redis-server", *arguments, "--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        told = []
        for line in self._process.stdout:  # a few lines: the pipe never fills
            told.append(line)
            if "ready to accept connections" in line.lower():
                return
        raise AssertionError(f"redis-server did not start:\n{''.join(told)}")

    def stop(self) -> None:
        """End it, and every connection."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def client(self, **options: Any) -> Redis:
        """A client that repeats nothing, unless told otherwise."""
        return self.client_over(UnixDomainSocketConnection, **options)

    def client_over(self, connection_class: type, **options: Any) -> Redis:
        """A client whose connections are of this class."""
        options = {"retry": Retry(NoBackoff(), 0), **options}
        pool = ConnectionPool(connection_class=connection_class, path=self.path, **options)
        self._clients.append(Redis(connection_pool=pool))
        return self._clients[-1]

    def close_clients(self) -> None:
        """Close what `client` has made."""
        for client in self._clients:
            client.connection_pool.disconnect()
        self._clients.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_clients()
        self.stop()
        shutil.rmtree(self._folder)


@pytest.fixture(scope="session")
def _running() -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        if os.environ.get("ZK_REQUIRE_REDIS", "0") != "0":
            pytest.fail(f"a Redis is required: {_INSTALL}", pytrace=False)
        pytest.skip(_INSTALL)
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(_running: RedisServer) -> Iterator[RedisServer]:
    """An empty Redis."""
    _running.client().flushall()
    yield _running
    _running.close_clients()
