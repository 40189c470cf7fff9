"""The pytest plugin: options, and the fixtures built on them.

The rules that live here:

- which backends a run has: the option beats the ini file, which beats the environment; without any
  of them it is the fake, which needs nothing but Python;
- a test that uses any of the fixtures runs once on each backend and has its name in its id;
- a live half that can not run is skipped with a reason that says what to install, or fails where
  the run says that it requires the live server;
- whatever a test did, its clients are stopped and closed before its znodes go.

pytest loads this module into every run of everybody who has the package installed. So it imports
nothing but pytest: not kazoo, not hypothesis, not the fake, before a test asks for them.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    import pluggy
    from kazoo.client import KazooClient

    from pytest_zkdict.servers import OwnServer, ServerPool, ZooKeeperServer
    from zkdict import ZooKeeperDict
    from zkfake.simulation import Simulation

__all__ = ["ClientFactory", "ServerFactory"]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "fake": ("fake",),
    "live": ("live",),
    "both": ("fake", "live"),
}

#: How long, in seconds, a client may take to stop at the end of a test before the test is blamed.
_STOP_LIMIT = 30.0


@dataclass
class _Run:
    """What the options of this run come to."""

    backends: tuple[str, ...]
    require_live: bool
    hosts: str | None
    home: str | None
    exits: ExitStack

    @cached_property
    def pool(self) -> ServerPool:
        from pytest_zkdict.servers import ServerPool

        return self.exits.enter_context(closing(ServerPool(hosts=self.hosts, home=self.home)))


T = TypeVar("T")

_RUN = pytest.StashKey[_Run]()
_SIMULATION = pytest.StashKey["Simulation"]()


# -- options


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zookeeper", "ZooKeeper, fake or live")
    group.addoption(
        "--zk-backend",
        metavar="fake|live|both",
        help="what stands behind the zk_* fixtures (default: the ini option zk_backend, then "
        "$ZK_BACKEND, then fake)",
    )
    group.addoption(
        "--zk-hosts",
        metavar="HOST:PORT,...",
        help="the live server to use, optionally with a chroot; else one is started",
    )
    group.addoption(
        "--zk-home",
        metavar="DIR",
        help="where the live server to start is: an unpacked release or a directory of its jars "
        "(default: $ZOOKEEPER_HOME, then Debian's package)",
    )
    group.addoption(
        "--zk-require-live",
        action="store_true",
        help="fail, rather than skip, tests whose live server can not be had ($ZK_REQUIRE_LIVE=1)",
    )
    parser.addini("zk_backend", "what stands behind the zk_* fixtures: fake, live or both")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "zk_backend(name): run this test on one backend only, 'fake' or 'live'",
    )
    config.addinivalue_line(
        "markers",
        "zk_simulation(**arguments): the arguments of the Simulation that the fixture makes",
    )
    config.stash[_RUN] = _Run(
        backends=_backends(config),
        require_live=config.getoption("--zk-require-live")
        or os.environ.get("ZK_REQUIRE_LIVE", "").lower() not in ("", "0", "false", "no"),
        hosts=config.getoption("--zk-hosts"),
        home=config.getoption("--zk-home"),
        exits=ExitStack(),
    )


def _backends(config: pytest.Config) -> tuple[str, ...]:
    for source, value in (
        ("--zk-backend", config.getoption("--zk-backend")),
        ("the ini option zk_backend", config.getini("zk_backend")),
        ("the environment variable ZK_BACKEND", os.environ.get("ZK_BACKEND")),
    ):
        if value:
            if value not in _CHOICES:
                raise pytest.UsageError(
                    f"{source} is {value!r}; choose one of {', '.join(_CHOICES)}"
                )
            return _CHOICES[value]
    return _CHOICES["fake"]


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(_RUN, None)
    if run is not None:
        run.exits.close()


# -- one test, several backends


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "zk_backend" not in metafunc.fixturenames:
        return
    only = {mark.args[0] for mark in metafunc.definition.iter_markers("zk_backend")}
    if unknown := only.difference(_CHOICES["both"]):
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: the marker zk_backend takes 'fake' or 'live', "
            f"not {sorted(unknown)}"
        )
    backends = metafunc.config.stash[_RUN].backends
    metafunc.parametrize(
        "zk_backend",
        [backend for backend in backends if not only or backend in only]
        or [
            pytest.param(backend, marks=pytest.mark.skip(reason=f"needs --zk-backend {backend}"))
            for backend in sorted(only)
        ],
        indirect=True,
        # Of the session, so that pytest runs all tests of one backend side by side.
        scope="session",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # kazoo's threads draw from the global random generator, and Hypothesis takes that for a
    # strategy's doing when it happens while an example is drawn.
    innocent = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
    for item in items:
        if "zk_backend" in getattr(item, "fixturenames", ()):
            item.add_marker(innocent)


@pytest.fixture(scope="session")
def zk_backend(request: pytest.FixtureRequest) -> str:
    """``"fake"`` or ``"live"``: which server this test runs on."""
    # unittest's test cases are never parametrised: they get the first.
    return cast("str", getattr(request, "param", request.config.stash[_RUN].backends[0]))


# -- servers


def _or_skip(run: _Run, start: Callable[[], T]) -> T:
    from pytest_zkdict.live import LiveUnavailableError

    try:
        return start()
    except LiveUnavailableError as error:
        reason = str(error)
    if run.require_live:
        pytest.fail(f"the live server is required: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def zk_server(zk_backend: str, request: pytest.FixtureRequest) -> ZooKeeperServer:
    """The run's server, a `pytest_zkdict.servers.ZooKeeperServer`.

    All tests of a run share it, so it has to stay up; `zk_server_factory` gives one to take down.
    ``hosts`` has no chroot: `zk_hosts` is what code under test should get.
    """
    run = request.config.stash[_RUN]
    return _or_skip(run, lambda: run.pool.get(zk_backend))


class ServerFactory:
    """Starts servers for one test, on the test's backend; they end with the test."""

    def __init__(self, run: _Run, backend: str) -> None:
        self._run = run
        self._backend = backend
        self._exits = ExitStack()

    def __call__(self, settings: Mapping[str, object] | None = None) -> OwnServer:
        """A started server; ``settings`` by ZooKeeper's own names, e.g. ``{"tickTime": 100}``.

        Raises `ValueError` for a setting that the backend does not have. Costs a few milliseconds
        on the fake, half a second on live.
        """
        if self._backend == "live" and self._run.pool.external:
            pytest.skip("needs a server of its own, and --zk-hosts names somebody else's")
        server = _or_skip(self._run, lambda: self._run.pool.own(self._backend, settings))
        return self._exits.enter_context(closing(server))

    def close(self) -> None:
        self._exits.close()


@pytest.fixture
def zk_server_factory(zk_backend: str, request: pytest.FixtureRequest) -> Iterator[ServerFactory]:
    """Servers that the test has to itself: ``server = zk_server_factory(); server.stop()``.

    Those of the fake have ``server.faults`` as well: `zkfake.faults.realtime.Faults`.
    """
    factory = ServerFactory(request.config.stash[_RUN], zk_backend)
    yield factory
    factory.close()


# -- clients


class ClientFactory:
    """Makes the clients of one test, on the test's own znodes; they end with the test."""

    def __init__(self, hosts: str) -> None:
        self._hosts = hosts
        self._exits = ExitStack()

    def __call__(self, *, start: bool = True, **arguments: Any) -> KazooClient:
        """A `kazoo.client.KazooClient` with these arguments, started unless ``start`` is false.

        ``hosts`` may be among them; otherwise it is the test's chroot on the test's server. A start
        costs one connection and one session.
        """
        from kazoo.client import KazooClient

        client = KazooClient(**{"hosts": self._hosts, **arguments})
        self._exits.callback(_end, client)
        if start:
            client.start()
        return client

    def close(self) -> None:
        """Stop and close every client, whatever state it is in; then raise what failed."""
        self._exits.close()


def _end(client: KazooClient) -> None:
    from kazoo.handlers.threading import SequentialThreadingHandler

    def stop_and_close() -> None:
        client.stop()
        client.close()

    if not isinstance(client.handler, SequentialThreadingHandler):
        stop_and_close()  # greenlets can't be waited for from a thread
        return
    # kazoo waits without a limit for a callback that doesn't return. One test must not hang a run.
    errors: list[BaseException] = []

    def run() -> None:
        try:
            stop_and_close()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="zk_client teardown", daemon=True)
    thread.start()
    thread.join(_STOP_LIMIT)
    if thread.is_alive():
        raise TimeoutError(
            f"a KazooClient did not stop in {_STOP_LIMIT:g} s: a watch callback, a listener or a "
            "completion of the test has not returned"
        )
    if errors:
        raise errors[0]


@pytest.fixture
def zk_chroot(zk_server: ZooKeeperServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """The path of the znode that this test has to itself; it is removed with all below it."""
    with request.config.stash[_RUN].pool.chroot(zk_server) as path:
        yield path


@pytest.fixture
def zk_hosts(zk_server: ZooKeeperServer, zk_chroot: str) -> str:
    """The connect string with the test's chroot, for code that makes its own clients."""
    return zk_server.hosts + zk_chroot


@pytest.fixture
def zk_client_factory(zk_hosts: str) -> Iterator[ClientFactory]:
    """Makes started clients on the test's own znodes: ``zk_client_factory(timeout=1.0)``."""
    factory = ClientFactory(zk_hosts)
    yield factory
    factory.close()


@pytest.fixture
def zk_client(zk_client_factory: ClientFactory) -> KazooClient:
    """A started `kazoo.client.KazooClient` on the test's own znodes."""
    return zk_client_factory()


@pytest.fixture
def zk_dict(zk_client: KazooClient) -> Iterator[ZooKeeperDict[Any]]:
    """An empty `zkdict.ZooKeeperDict` on `zk_client`, at the path ``/zk_dict``."""
    from zkdict import ZooKeeperDict

    with closing(ZooKeeperDict[Any](zk_client, "/zk_dict")) as mapping:
        yield mapping


# -- virtual time


@pytest.fixture
def zk_simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A `zkfake.simulation.Simulation` that the test runs in: virtual time, one seed.

    ``@pytest.mark.zk_simulation(seed=7, servers=3)`` chooses its arguments. A test that fails tells
    the seed, and how to run it again. Needs the extra ``simulation``.
    """
    from zkfake.simulation import Simulation

    marker = request.node.get_closest_marker("zk_simulation")
    with Simulation(**(marker.kwargs if marker else {})) as simulation:
        request.node.stash[_SIMULATION] = simulation
        yield simulation


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    outcome = yield
    simulation = item.stash.get(_SIMULATION, None)
    if simulation is not None and call.excinfo is not None:
        text = f"seed {simulation.seed}; to run it again: {simulation.replay}"
        outcome.get_result().sections.append(("zk_simulation", text))
