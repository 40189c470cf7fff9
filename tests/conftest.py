"""What all tests share: pytester, Hypothesis profiles, where the live server is, the check that no
test leaves a thread, the limit of a test that hangs.
"""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from kazoo.client import KazooClient

from pytest_zkdict.clients import ClientFactory, SimulatedClientFactory
from pytest_zkdict.live import LiveUnavailableError, LiveZooKeeper, find_installation
from pytest_zkdict.options import DEFAULT_VERSION

from .support import watching_client, wire
from .support.backend import deselect, has_live, keep_in_real_time, refuse_java
from .support.hangs import *  # noqa: F403
from .support.nightly import mark_nightly

pytest_plugins = ["pytester"]

# Every client is one that can watch a subtree, in a run that says so; see `make watching`.
if "ZKDICT_CLIENT" in os.environ:
    watching_client.install(os.environ["ZKDICT_CLIENT"])

WEB = Path(__file__).parent / "web"

# A project of its own; see `make downstream`.
collect_ignore = ["downstream"]

settings.register_profile(
    "default",
    deadline=None,  # a live server, a loaded machine: time says nothing about right or wrong
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# The same examples each time, and fewer: fresh ones are for `make hunt` and `make nightly`, where a
# failure stops nobody.
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, max_examples=30)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    keep_in_real_time(metafunc.definition)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: Python's collector does not look at it, neither
    meanwhile, which is a third of the time that collecting takes, nor later.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mark_nightly(config, items)
    deselect(config, items)
    # Tests in a browser first: at the end workers would share them out, and start a browser each.
    items.sort(key=lambda item: WEB not in item.path.parents)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Its runs are without the plugins that pyproject.toml leaves out."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:schemathesis -p no:anyio")
    return pytester


@pytest.fixture
def zk_client_factory(zk_client_factory: ClientFactory) -> Callable[..., KazooClient]:
    """In real time sessions last for 30 s. kazoo gives a connection up after two thirds of that
    without an answer, and on a busy computer a JVM may stand still for longer than it would with
    kazoo's own 10 s.
    """
    if isinstance(zk_client_factory, SimulatedClientFactory):
        return zk_client_factory
    return partial(zk_client_factory, timeout=30.0)


@pytest.fixture(autouse=True, scope="session")
def _no_java(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    if not has_live(request.config):
        refuse_java(tmp_path_factory.mktemp("no-java"))


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Every thread that a test started has ended when the test has."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 10
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
        assert not thread.is_alive(), f"the test left the thread {thread.name!r} running"


@pytest.fixture(autouse=True)
def _failed_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails leaves no open socket: Python would tell of it when it collects it, which
    is during some later test, and that would fail as well.
    """
    wire.opened.clear()
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        wire.close_opened()


@pytest.fixture(autouse=True)
def _tracer_kept() -> Iterator[None]:
    """Coverage is measured to the end: no test takes its trace function away."""
    before = sys.gettrace()
    yield
    assert sys.gettrace() is before, "the test left another trace function"


@pytest.fixture(scope="session")
def live_home(request: pytest.FixtureRequest) -> str | None:
    """Where the live server is (`--zk-home`; None: wherever it is found); skips without one."""
    home: str | None = request.config.getoption("--zk-home")
    try:
        find_installation(home)
    except LiveUnavailableError as reason:
        wanted = request.config.getoption("--zk-require-live") or os.environ.get("ZK_REQUIRE_LIVE")
        if wanted:
            pytest.fail(f"the live server is required: {reason}", pytrace=False)
        pytest.skip(str(reason))
    return home


@pytest.fixture(scope="session")
def live_version(request: pytest.FixtureRequest) -> str:
    """ "3.8" or "3.9": the version that the fake has to have beside the live server."""
    if not has_live(request.config):
        return DEFAULT_VERSION
    with LiveZooKeeper(request.getfixturevalue("live_home")) as server:
        return ".".join(server.version.split(".")[:2])
