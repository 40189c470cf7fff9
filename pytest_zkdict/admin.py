"""The client with which a run prepares and tidies up its live server.

The rules that live here:

- one client for the whole run, connected while the server is. It is the superuser where the server
  is the run's own;
- a request whose answer is lost is sent again: each can be repeated. A server that stays away for
  `PATIENCE` is an error, and no test waits for it a second time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Admin", "super_digest"]

#: Seconds that a server may be away before a test is told so.
PATIENCE = 20.0

#: A server that is starting may take a connection and never read from it. kazoo waits for it as
#: long as its session may last, divided by the hosts that it was given: half a second.
_TIMES = 20

T = TypeVar("T")


def super_digest(password: str) -> str:
    """What the server is told, so that ``super`` with this password may do everything."""
    digest = base64.b64encode(hashlib.sha1(f"super:{password}".encode()).digest())
    return f"super:{digest.decode()}"


class Admin:
    """The run's own client of one live server."""

    def __init__(self, hosts: str, password: str | None = None) -> None:
        """Raises what `KazooClient.start` raises."""
        from kazoo.client import KazooClient
        from kazoo.retry import KazooRetry

        auth = None if password is None else [("digest", f"super:{password}")]
        self._hosts = hosts
        self._given_up = False
        # What becomes of the server is told where it matters, and not in the log of a test.
        logger = logging.getLogger("pytest_zkdict.admin")
        logger.setLevel(logging.CRITICAL)
        self.client = KazooClient(
            ",".join([hosts] * _TIMES),
            timeout=_TIMES * 0.5,
            auth_data=auth,
            logger=logger,
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.2),
        )
        try:
            self.client.start()
        except BaseException:
            self.close()
            raise

    @property
    def connected(self) -> bool:
        """Whether the server answers."""
        return bool(self.client.connected)

    def close(self) -> None:
        """End the client."""
        self.client.stop()
        self.client.close()

    def load(self, znodes: Mapping[str, bytes | None]) -> None:
        """Make or overwrite znodes, parents included."""
        from kazoo.exceptions import NodeExistsError, NoNodeError

        def write(path: str, data: bytes | None) -> None:
            try:
                self.client.create(path, data, makepath=True)
            except NodeExistsError:
                with contextlib.suppress(NoNodeError):
                    self.client.set(path, data)

        for path, data in znodes.items():
            self._call(write, path, data)

    def children(self, path: str) -> list[str]:
        """The names of its children."""
        found: list[str] = self._call(self.client.get_children, path)
        return found

    def remove(self, path: str) -> bool:
        """Remove a znode with all below it. False where that takes a right that we do not have."""
        from kazoo.exceptions import NoAuthError, NotEmptyError

        try:
            # A client that the test left behind may still be writing.
            for _ in range(50):
                with contextlib.suppress(NotEmptyError):
                    self._call(self.client.delete, path, recursive=True)
                    return True
            self._call(self.client.delete, path, recursive=True)
        except NoAuthError:
            return False
        return True

    def _call(self, request: Callable[..., T], *arguments: Any, **named: Any) -> T:
        from kazoo.exceptions import ConnectionLoss, SessionExpiredError

        while True:
            self._wait()
            with contextlib.suppress(ConnectionLoss, SessionExpiredError):
                return request(*arguments, **named)

    def _wait(self) -> None:
        if not self.wait(0 if self._given_up else PATIENCE):
            self._given_up = True
            raise ConnectionError(f"the live server at {self._hosts} does not answer any more")
        self._given_up = False

    def wait(self, seconds: float) -> bool:
        """Whether the server answers, within that time at the latest."""
        import threading

        if self.connected:
            return True
        back = threading.Event()

        def listen(state: str) -> None:
            if state == "CONNECTED":
                back.set()

        self.client.add_listener(listen)
        try:
            return self.connected or back.wait(seconds)
        finally:
            self.client.remove_listener(listen)
