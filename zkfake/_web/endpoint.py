"""The life of the endpoint: its socket, its thread, its token.

Rules that live here:

- One thread serves everything, but for putting together what was in the past. It ends with
  `ControlEndpoint.stop`: streams are ended, and what is still under way a second later is broken
  off.
- It listens before `ControlEndpoint.start` returns.
- While nobody asks it for anything, it sleeps.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import uvicorn

from zkfake._ensemble.committed import KeeperError
from zkfake._realtime.listener import address, bind
from zkfake._web.app import application
from zkfake._web.fake import ControlledFake
from zkfake._web.guard import API, Guard

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from typing_extensions import Self

    from zkfake._realtime.server import FakeZooKeeper

__all__ = ["ControlEndpoint"]

# What clients do wrong is not for the standard error of a program that has set up no logging.
logging.getLogger("uvicorn").addHandler(logging.NullHandler())

_PATIENCE = 1
"""Seconds that requests have to end, once it stops."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""One of the addresses that a host that stands for all of them has."""


class ControlEndpoint:
    """The control endpoint of a `zkfake.FakeZooKeeper`: JSON over HTTP, and the console.

    >>> from zkfake import FakeZooKeeper
    >>> with FakeZooKeeper() as server, ControlEndpoint(server) as endpoint:
    ...     print(endpoint.console)  # doctest: +ELLIPSIS
    http://127.0.0.1:.../#token=...

    Whoever has the token can read and change everything that the fake has. ``start()`` and
    ``stop()`` may be called once each, from any thread; a ``with`` block calls both. The fake need
    not run; what needs a fake that runs is answered by status 409 meanwhile.
    """

    def __init__(
        self,
        server: FakeZooKeeper,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
    ) -> None:
        """``host``: the address to listen on. ``port``: 0 for a free one. ``token``: what requests
        have to show; a new one by default. Raises `ValueError` for an invalid token.
        """
        # A header has no spaces at the ends of its value.
        if token is not None and (
            not token or token != token.strip() or not token.isascii() or not token.isprintable()
        ):
            raise ValueError(
                "token: expected a text of printable ASCII characters, without spaces at its ends"
            )
        self._server = server
        self._host = host
        self._port = port
        self.token: str = token or secrets.token_urlsafe(24)
        """What requests have to show."""
        self._thread: threading.Thread | None = None
        self._http: _Http

    @property
    def port(self) -> int:
        """The port that it listens on; before `start` the one that it was given, 0 included."""
        return self._port

    @property
    def url(self) -> str:
        """The address below which its routes are, such as ``http://127.0.0.1:8181/api``. After
        `start` it has the port that the endpoint listens on.
        """
        return f"http://{self._address}{API}"

    @property
    def console(self) -> str:
        """The address of the console, for a browser. It has the token."""
        return f"http://{self._address}/#token={quote(self.token)}"

    @property
    def _address(self) -> str:
        return address(_ANYWHERE.get(self._host, self._host), self._port)

    def start(self) -> Self:
        """Listens, with a thread of its own. Keeps the last transactions and events of the fake
        from now on. Raises `OSError` if it cannot have the address, and `RuntimeError` in a forked
        child and if the system has no thread left. Cost: a reference for each znode.
        """
        listening = bind(self._host, self._port)
        try:
            listening.listen()
            self._port = listening.getsockname()[1]
            self._http = _Http(self._server, self.token, self._host)
            thread = threading.Thread(
                target=self._http.serve_until_ended, args=(listening,), name="zkfake web"
            )
            thread.daemon = True
            self._http.fake.begin()
            try:
                thread.start()
            except BaseException:  # it may be refused
                self._http.fake.end()
                raise
        except BaseException:
            listening.close()
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """Closes the port and ends the thread. Requests under way have a second to end. Does
        nothing if it does not run.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            self._http.end()
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Http(uvicorn.Server):
    """The HTTP server of one endpoint."""

    def __init__(self, server: FakeZooKeeper, token: str, host: str) -> None:
        self.ended = asyncio.Event()
        """Streams and requests that wait have to end."""
        self.fake = ControlledFake(server, self.ended)
        super().__init__(
            uvicorn.Config(
                Guard(application(self.fake), token, host),
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=_PATIENCE,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = threading.Event()

    def serve_until_ended(self, listening: socket.socket) -> None:
        """Serves until `end`, and closes the socket."""
        try:
            asyncio.run(self._serve_here(listening))
        finally:
            with suppress(KeeperError):  # whoever stops the fake is told of it
                self.fake.end()

    async def _serve_here(self, listening: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        if self._ending.is_set():
            self.ended.set()
        await self.serve([listening])

    def end(self) -> None:
        """Lets the thread end. To be called by another one."""
        self._ending.set()
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self.ended.set)

    async def main_loop(self) -> None:
        """What uvicorn has instead looks ten times a second whether it is to end."""
        await self.on_tick(0)
        await self.ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends all connections; those that do not read their replies are broken off."""
        loop = asyncio.get_running_loop()
        for listening in sockets or ():
            with suppress(NotImplementedError):  # Windows
                loop.remove_reader(listening)
        # asyncio never closes a connection that it has accepted just before the listening socket is
        # closed: its task fails. So those tasks come first.
        for _ in range(3):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        state = self.server_state
        late: set[asyncio.Task[None]] = set()
        if state.tasks:
            _, late = await asyncio.wait(set(state.tasks), timeout=_PATIENCE)
        for connection in list(state.connections):
            if late:
                connection.transport.abort()
            else:
                connection.transport.close()
        await super().shutdown(sockets)
        for connection in list(state.connections):
            connection.transport.abort()
