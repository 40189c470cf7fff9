"""The fixtures of the plugin.

The rules that live here:

- every test has clients and znodes of its own; the clients are stopped and closed before the znodes
  go, whatever the test did;
- a fixture that not every backend has keeps its test on those that have it.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_zkdict.run import Run
from pytest_zkdict.virtual import FAILED, has_one_for_each_example, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kazoo.client import KazooClient

    from pytest_zkdict.clients import ClientFactory, DictFactory, ServerFactory
    from pytest_zkdict.examples import Examples
    from pytest_zkdict.live import LiveZooKeeper
    from pytest_zkdict.run import Target
    from pytest_zkdict.servers import ExternalServer, FakeServer, OwnServer, ZooKeeperServer
    from pytest_zkdict.simulated_server import SimulatedServer
    from zkdict import ZooKeeperDict
    from zkdict.aio import AsyncZooKeeperDict
    from zkfake import Faults
    from zkfake.history import History
    from zkfake.simulation import Simulation

__all__ = [
    "ONLY_ON",
    "_zk_isolation",
    "_zk_target",
    "zk_async_dict",
    "zk_backend",
    "zk_chroot",
    "zk_client",
    "zk_client_factory",
    "zk_dict",
    "zk_dict_factory",
    "zk_example",
    "zk_fake",
    "zk_faults",
    "zk_history",
    "zk_hosts",
    "zk_live",
    "zk_server",
    "zk_server_factory",
    "zk_simulation",
]

#: Fixtures that not every backend has.
ONLY_ON = {
    "zk_fake": ("fake", "simulation"),
    "zk_live": ("live",),
    "zk_simulation": ("simulation",),
}


@pytest.fixture(scope="session")
def _zk_target(request: pytest.FixtureRequest) -> Target:
    """What the test runs on; see `pytest_zkdict.run.Target`."""
    run = Run.of(request.config)
    return cast("Target", getattr(request, "param", None) or run.target(run.options.backends[0]))


@pytest.fixture
def _zk_isolation(_zk_target: Target, request: pytest.FixtureRequest) -> Iterator[None]:
    """Puts the run's servers back after the test; see `pytest_zkdict.isolation`. Its simulation
    begins and ends with it, unless each example has one.
    """
    __tracebackhide__ = True
    run = Run.of(request.config)
    is_virtual = _zk_target.backend == "simulation" and not has_one_for_each_example(request.node)
    run.begin_test(request.node)
    try:
        with simulated(request.node) if is_virtual else nullcontext():
            yield
    finally:
        run.item = None
        run.isolation.end(request.node, failed=FAILED in request.node.stash)


# -- servers


@pytest.fixture(scope="session")
def zk_backend(_zk_target: Target) -> str:
    """``"fake"``, ``"live"`` or ``"simulation"``: which server this test runs on."""
    return _zk_target.backend


@pytest.fixture(scope="session")
def zk_server(_zk_target: Target, request: pytest.FixtureRequest) -> ZooKeeperServer:
    """The run's server, a `pytest_zkdict.servers.ZooKeeperServer`.

    All tests of a run share it whose marks want the same server, so it has to stay up;
    `zk_server_factory` gives one to take down. In the simulation each test has a new one. ``hosts``
    has no chroot: `zk_hosts` is what code under test should get.
    """
    run = Run.of(request.config)
    return run.started_or_skipped(lambda: run.pool.get(run.spec(_zk_target)))


@pytest.fixture
def zk_fake(zk_server: ZooKeeperServer) -> FakeServer | SimulatedServer:
    """`zk_server` as a `pytest_zkdict.servers.FakeServer`, to look inside; not on live.

    It has ``load``, ``dump``, ``snapshot``, ``restore``, ``expire``, ``sessions``, ``watches``,
    ``connections`` and more. The test runs on the fake and in the simulation, where it is a
    `pytest_zkdict.simulated_server.SimulatedServer` with these methods.
    """
    return cast("FakeServer", zk_server)


@pytest.fixture
def zk_live(zk_server: ZooKeeperServer) -> LiveZooKeeper | ExternalServer:
    """`zk_server` as a `pytest_zkdict.live.LiveZooKeeper`; the test runs on live only.

    With ``--zk-hosts`` it is a `pytest_zkdict.servers.ExternalServer`.
    """
    return cast("LiveZooKeeper", zk_server)


@pytest.fixture
def zk_faults(
    zk_server: ZooKeeperServer, _zk_isolation: None, request: pytest.FixtureRequest
) -> Faults:
    """What can be done to `zk_server`, its clients and their connections: `zkfake.Faults`.

    On live they are a `pytest_zkdict.live.faults.LiveFaults`, with ``--zk-hosts`` an
    `pytest_zkdict.live.faults.ExternalFaults`: a proxy is in front of the server for as long as the
    test lasts, and what cannot be done to that server raises `AttributeError`. Every fault is
    healed after the test.
    """
    run = Run.of(request.config)
    # A test that asks for it by `request.getfixturevalue` only has its proxy from now on.
    run.started_or_skipped(run.pool.offer_faults)
    return cast("OwnServer", zk_server).faults


@pytest.fixture
def zk_history(
    zk_server: ZooKeeperServer, _zk_isolation: None, request: pytest.FixtureRequest
) -> History:
    """What happens on `zk_server` in this test: a `zkfake.history.History`.

    On live a proxy in front of the server records what passes, for as long as the test lasts. In a
    simulation it is `Simulation.history`. `zk_dict` and the dicts of `zk_dict_factory` record their
    calls in it. The report of a failing test has what the judges find in it, and its story.
    """
    run = Run.of(request.config)
    # A test that asks for it by `request.getfixturevalue` only is recorded from now on.
    run.started_or_skipped(run.pool.record)
    history = zk_server.history
    assert history is not None
    return history


@pytest.fixture
def zk_server_factory(
    _zk_target: Target, _zk_isolation: None, request: pytest.FixtureRequest
) -> Iterator[ServerFactory]:
    """Servers that the test has to itself: ``server = zk_server_factory(); server.stop()``."""
    from pytest_zkdict.clients import ServerFactory, SimulatedServerFactory

    kind = SimulatedServerFactory if _zk_target.backend == "simulation" else ServerFactory
    with closing(kind(Run.of(request.config), _zk_target)) as factory:
        yield factory


# -- virtual time


@pytest.fixture
def zk_simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A `zkfake.simulation.Simulation` that the test runs in: virtual time, one seed.

    ``@pytest.mark.zookeeper(seed=7, servers=3)`` chooses its arguments; ``zk_simulation(...)``
    takes those that only a simulation has. `zk_client` and the like are its clients, where the test
    has them. The report of a failing test has the seed, and the command that runs it again.
    """
    __tracebackhide__ = True
    with simulated(request.node) as simulation:
        yield simulation


# -- clients


@pytest.fixture
def zk_chroot(
    zk_server: ZooKeeperServer, _zk_isolation: None, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The path of the znode that this test has to itself; it is removed with all below it."""
    with Run.of(request.config).chroot(request.node, zk_server) as path:
        yield path


@pytest.fixture
def zk_hosts(zk_server: ZooKeeperServer, zk_chroot: str) -> str:
    """The connect string with the test's chroot, for code that makes its own clients."""
    return zk_server.hosts + zk_chroot


@pytest.fixture
def zk_client_factory(
    zk_server: ZooKeeperServer, zk_chroot: str, request: pytest.FixtureRequest
) -> Iterator[ClientFactory]:
    """Makes started clients on the test's own znodes: ``zk_client_factory(timeout=1.0)``."""
    from pytest_zkdict.clients import factory_below

    run = Run.of(request.config)
    with closing(factory_below(zk_chroot, zk_server, run)) as factory:
        yield factory


@pytest.fixture
def zk_client(zk_client_factory: ClientFactory) -> KazooClient:
    """A started `kazoo.client.KazooClient` on the test's own znodes."""
    return zk_client_factory()


@pytest.fixture(scope="session")
def zk_example(zk_server: ZooKeeperServer, request: pytest.FixtureRequest) -> Examples:
    """A clean place for each example of Hypothesis: ``with zk_example() as example: ...``

    What the other fixtures are for a test, its attributes are for the length of the block:
    ``example.client``, ``example.client_factory``, ``example.dict``, ``example.faults``; see
    `pytest_zkdict.examples.Example`. In the simulation each block has one of its own.
    """
    from pytest_zkdict.examples import Examples

    return Examples(Run.of(request.config), zk_server)


# -- dicts


@pytest.fixture
def zk_dict(zk_client: KazooClient, zk_server: ZooKeeperServer) -> Iterator[ZooKeeperDict[Any]]:
    """An empty `zkdict.ZooKeeperDict` on `zk_client`, at the path ``/zk_dict``."""
    from zkdict import ZooKeeperDict

    with closing(ZooKeeperDict[Any](zk_client, "/zk_dict", history=zk_server.history)) as mapping:
        yield mapping


@pytest.fixture
def zk_dict_factory(
    zk_client_factory: ClientFactory, zk_server: ZooKeeperServer
) -> Iterator[DictFactory]:
    """Makes dicts on the test's own znodes: ``zk_dict_factory("/prices")``, each with a client."""
    from pytest_zkdict.clients import DictFactory

    with closing(DictFactory(zk_client_factory, server=zk_server)) as factory:
        yield factory


@pytest.fixture
def zk_async_dict(zk_dict: ZooKeeperDict[Any]) -> AsyncZooKeeperDict[Any]:
    """`zk_dict` for asyncio: a `zkdict.aio.AsyncZooKeeperDict`. Any plugin for asyncio will do."""
    from zkdict.aio import AsyncZooKeeperDict

    return AsyncZooKeeperDict(zk_dict)
