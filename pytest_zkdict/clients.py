"""Factories that a test gets: of servers, clients and dicts.

The rules that live here:

- what a factory has made ends with the factory, whatever state the test has left it in;
- a client whose server has ended says so at once.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_zkdict.marks import checked
from pytest_zkdict.seeds import seeds
from pytest_zkdict.simulated_server import SimulatedServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from kazoo.client import KazooClient

    from pytest_zkdict.kazoo_log import RequestLog
    from pytest_zkdict.run import Run, Target
    from pytest_zkdict.seeds import Load
    from pytest_zkdict.servers import OwnServer, ZooKeeperServer
    from zkdict import ZooKeeperDict
    from zkfake.simulation import Simulation

__all__ = [
    "ClientFactory",
    "DictFactory",
    "ServerEndedError",
    "ServerFactory",
    "SimulatedServerFactory",
    "factory_below",
    "made_by",
]

#: Seconds that a client may take to stop at the end of a test before the test is blamed.
STOP_LIMIT = 30.0
#: Seconds that `KazooClient.start` waits for a connection.
START_LIMIT = 15.0


class ServerEndedError(Exception):
    """The server that the run shares has ended, so no client can connect; the text tells how."""


@contextmanager
def made_by(who: str) -> Iterator[None]:
    """Fails the test where something is made with arguments that cannot be. ``who`` has them."""
    wrong = None
    try:
        yield
    except (TypeError, ValueError) as error:
        wrong = f"{who}: {type(error).__name__}: {error}"
    if wrong is not None:
        pytest.fail(wrong, pytrace=False)


class ServerFactory:
    """Starts servers for one test, on the test's backend; they end with the test."""

    def __init__(self, run: Run, target: Target) -> None:
        self._run = run
        self._target = target
        self._exits = ExitStack()

    def __call__(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        servers: int | None = None,
        version: str | None = None,
        tls: ssl.SSLContext | None = None,
        load: Load | None = None,
        history: bool | None = None,
    ) -> OwnServer:
        """A started server; ``settings`` by ZooKeeper's own names, e.g. ``{"tickTime": 100}``.

        ``servers``: how many make the ensemble. ``version``: ``"3.9"`` or ``"3.8"``. ``tls``: a
        server-side context, on the fake. ``load``: znodes that it starts with, or a tree
        file of them. ``history``: whether ``server.history`` records what happens, a
        `zkfake.history.History`; on live that of a proxy in front of it, through which ``hosts``
        leads. The report of a failing test tells the story of it.

        Where ``servers``, ``version`` or ``history`` is left out, the test's marks decide, and then
        the run's settings; ``settings`` are merged with theirs. The znodes of ``--zk-load`` and of
        marks are not loaded.

        Raises `ValueError` for an argument of the wrong form. Fails the test for a version or a
        setting that the fake does not have, and where a live server does not start. Skips it on
        live for another version than the installed one, for ``tls``, and with ``--zk-hosts``.
        Costs a few milliseconds on the fake, half a second a server on live.
        """
        __tracebackhide__ = True
        checked("zk_server_factory", servers=servers, version=version, settings=settings, load=load)
        spec = self._run.spec(
            self._target, called=True, servers=servers, version=version, tls=tls, settings=settings
        )
        pool = self._run.pool
        server = self._run.started_or_skipped(
            lambda: pool.own(spec, history=history), called_by_test=True
        )
        self._exits.enter_context(closing(server))
        pool.lent.append(server)
        self._exits.callback(pool.lent.remove, server)
        if load:
            pool.load(server, seeds(load))
        # What a live server lacks of the fake's faults raises an error that says so.
        return cast("OwnServer", server)

    def close(self) -> None:
        """End every server."""
        self._exits.close()


class SimulatedServerFactory(ServerFactory):
    """Gives the ensemble of the test's simulation, which is there for this test alone, once."""

    def __call__(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        servers: int | None = None,
        version: str | None = None,
        tls: ssl.SSLContext | None = None,
        load: Load | None = None,
        history: bool | None = None,  # noqa: ARG002  # a simulation always has one
    ) -> OwnServer:
        """As `ServerFactory`. Skips the test for what its simulation is not."""
        __tracebackhide__ = True
        checked("zk_server_factory", servers=servers, version=version, settings=settings, load=load)
        server = self._run.pool.get(self._run.spec(self._target))
        assert isinstance(server, SimulatedServer)
        if self._is_given:
            pytest.skip("wants a second ensemble, and the simulation of a test has one")
        wanted = {"settings": settings, "servers": servers, "version": version, "tls": tls}
        if wrong := server.lacks(wanted):
            pytest.skip(
                f"wants an ensemble with {wrong}, and its simulation has begun with another one: "
                f"say so in its mark, @pytest.mark.zookeeper({wrong})"
            )
        self._is_given = True
        if load:
            server.load(seeds(load))
        return cast("OwnServer", server)

    _is_given = False


class ClientFactory:
    """Makes the clients of one test, on the test's own znodes; they end with the test."""

    def __init__(
        self,
        hosts: str,
        trouble: Callable[[], str | None] | None = None,
        requests: RequestLog | None = None,
    ) -> None:
        """``trouble`` tells what has become of the server, `None` while it serves. ``requests``
        keeps what the clients ask.
        """
        self._hosts = hosts
        self._trouble = trouble
        self._requests = requests
        self._exits = ExitStack()

    def __call__(self, *, start: bool = True, **arguments: Any) -> KazooClient:
        """A `kazoo.client.KazooClient` with these arguments, started unless ``start`` is false.

        ``hosts`` may be among them; otherwise it is the test's chroot on the test's server. A start
        costs one connection and one session. Raises `ServerEndedError` when the server has ended,
        and what `KazooClient` and `KazooClient.start` raise. In a test that runs in virtual time on
        a server in real time it fails the test.
        """
        __tracebackhide__ = True
        if _is_virtual():
            pytest.fail(
                "a client in real time cannot be used in virtual time: take clients from "
                "zk_simulation.client(), or leave zk_simulation out",
                pytrace=False,
            )
        from kazoo.client import KazooClient

        logger = None if self._requests is None else self._requests.logger()
        client = KazooClient(**{"hosts": self._hosts, "logger": logger, **arguments})
        self._exits.callback(_end, client)
        if start:
            if "hosts" in arguments or self._trouble is None:
                client.start()
            else:
                _start(client, self._trouble)
        return client

    def close(self) -> None:
        """Stop and close every client, whatever state it is in; then raise what failed."""
        self._exits.close()


class SimulatedClientFactory(ClientFactory):
    """Makes the clients of a test in a simulation."""

    def __init__(self, hosts: str, simulation: Simulation) -> None:
        super().__init__(hosts)
        self._simulation = simulation

    def __call__(self, *, start: bool = True, **arguments: Any) -> KazooClient:
        """As `ClientFactory`, but for ``handler``, which is the simulation's."""
        __tracebackhide__ = True
        arguments = {"hosts": self._hosts, **arguments}
        client = self._simulation.client(start=start, **arguments)
        self._exits.callback(_stop_and_close, client)
        return client


def factory_below(
    path: str, server: ZooKeeperServer, run: Run, *, direct: bool = False
) -> ClientFactory:
    """Makes clients whose chroot is ``path``, on a server that the run shares. ``direct``: past the
    proxy that a live server may have at present.
    """
    pool = run.pool
    hosts = (server.direct_hosts if direct else server.hosts) + path
    if isinstance(server, SimulatedServer):
        return SimulatedClientFactory(hosts, server.simulation)
    return ClientFactory(hosts, lambda: pool.trouble(server), pool.requests)


def _is_virtual() -> bool:
    """Whether this thread runs a simulation."""
    module = sys.modules.get("zkfake._simulation.stand_ins.current")
    return module is not None and module.current() is not None


def _start(client: KazooClient, trouble: Callable[[], str | None]) -> None:
    """As `KazooClient.start`, which would wait in vain for a server that is gone."""
    __tracebackhide__ = True
    started = client.start_async()
    deadline = time.monotonic() + START_LIMIT
    while not started.wait(0.2):
        ended = trouble()
        if ended is not None:
            raise ServerEndedError(ended)
        if time.monotonic() > deadline:
            raise client.handler.timeout_exception("Connection time-out")


def _stop_and_close(client: KazooClient) -> None:
    client.stop()
    client.close()


def _end(client: KazooClient) -> None:
    from kazoo.handlers.threading import SequentialThreadingHandler

    if not isinstance(client.handler, SequentialThreadingHandler):
        _stop_and_close(client)  # greenlets can't be waited for from a thread
        return
    # kazoo waits without a limit for a callback that doesn't return. One test must not hang a run.
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _stop_and_close(client)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="zk_client teardown", daemon=True)
    thread.start()
    thread.join(STOP_LIMIT)
    if thread.is_alive():
        pytest.fail(
            f"a KazooClient did not stop in {STOP_LIMIT:g} s: a watch callback, a listener or a "
            "completion of the test has not returned",
            pytrace=False,
        )
    if errors:
        raise errors[0]


class DictFactory:
    """Makes the dicts of one test, each on a client of its own; they end with the test."""

    def __init__(
        self,
        clients: ClientFactory,
        path: str = "/zk_dict",
        *,
        server: ZooKeeperServer | None = None,
    ) -> None:
        """``server``: the one whose history, if it has one at the time, a dict is given."""
        self._clients = clients
        self._path = path
        self._server = server
        self._exits = ExitStack()

    def __call__(
        self, path: str | None = None, *, client: KazooClient | None = None, **options: Any
    ) -> ZooKeeperDict[Any]:
        """A `zkdict.ZooKeeperDict` at ``path`` (``/zk_dict``), with these options of its own.

        Dicts of one path share their znodes, as those of several processes do. ``client``: the
        client to use, rather than a new one. Costs a client, and the load of the dict. Raises what
        `ZooKeeperDict` raises.
        """
        __tracebackhide__ = True
        from zkdict import ZooKeeperDict

        own = self._clients() if client is None else client
        if self._server is not None:
            options.setdefault("history", self._server.history)
        mapping = ZooKeeperDict[Any](own, self._path if path is None else path, **options)
        return self._exits.enter_context(closing(mapping))

    def close(self) -> None:
        """Close every dict."""
        self._exits.close()


# Python's own errors name a function so: what a test calls is the fixture.
ServerFactory.__call__.__qualname__ = "zk_server_factory"
SimulatedServerFactory.__call__.__qualname__ = "zk_server_factory"
ClientFactory.__call__.__qualname__ = "zk_client_factory"
SimulatedClientFactory.__call__.__qualname__ = "zk_client_factory"
DictFactory.__call__.__qualname__ = "zk_dict_factory"
