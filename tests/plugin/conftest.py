"""What the plugin's tests share: an environment without settings of its own, and a live server."""

from collections.abc import Callable

import pytest

from pytest_zkdict.live import LiveZooKeeper
from pytest_zkdict.servers import ZooKeeperServer
from zkfake import FakeZooKeeper


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The runs within the tests are told everything by the tests."""
    for name in ("ZK_BACKEND", "ZK_REQUIRE_LIVE", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    # Where the live server is may come from outside.
    if home := request.config.getoption("--zk-home"):
        monkeypatch.setenv("ZOOKEEPER_HOME", home)


@pytest.fixture
def live(zk_server: object) -> Callable[..., LiveZooKeeper]:
    """`LiveZooKeeper`, for tests marked as live ones; what it makes is closed with the test."""
    return LiveZooKeeper


@pytest.fixture
def on_this(zk_server: ZooKeeperServer) -> str:
    """The option with which a run within a test uses the outer one's backend: on live its server,
    too, as a JVM of its own takes a second.
    """
    if zk_server.backend == "fake":
        return "--zk-backend=fake"
    return f"--zk-hosts={zk_server.hosts}"


@pytest.fixture
def shared() -> FakeZooKeeper:  # type: ignore[misc]
    """A server that outlives the runs within a test; they use it by ``--zk-hosts``."""
    with FakeZooKeeper() as server:
        yield server
