"""Fixtures of your own: other scopes, other names, other settings.

In a ``conftest.py``::

    from pytest_zkdict import factories

    three_servers = factories.server(servers=3, settings={"tickTime": 100})
    three_client = factories.client("three_servers")
    module_client = factories.client(scope="module")
    prices = factories.dict("three_client", path="/prices")

The rules that live here:

- each server is one of its own, on the backends of the run; a mark beats a factory, which beats the
  run's settings. A simulation has one ensemble, so such tests are left out there;
- each client is on znodes of its own, for as long as its scope lasts; they begin with the ``load``
  of the run, the server, the marks and the client, and go with the client.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_zkdict.clients import factory_below, made_by
from pytest_zkdict.marks import checked
from pytest_zkdict.run import Run, Target
from pytest_zkdict.seeds import seeds

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from kazoo.client import KazooClient

    from pytest_zkdict.seeds import Load
    from zkdict import ZooKeeperDict
    from zkdict.aio import AsyncZooKeeperDict

__all__ = ["client", "dict", "server"]

Scope = Literal["session", "package", "module", "class", "function"]

_count = 0


def _leave_out(request: pytest.FixtureRequest, what: str) -> None:
    """Skips a test in the simulation, which cannot have what a fixture of ours is."""
    pytest.skip(
        f"the fixture {request.fixturename} is {what}. @pytest.mark.zk_backend('both') leaves the "
        "test out"
    )


def server(
    *,
    servers: int | None = None,
    version: str | None = None,
    tls: ssl.SSLContext | None = None,
    settings: Mapping[str, object] | None = None,
    load: Load | None = None,
    scope: Scope = "session",
    name: str | None = None,
) -> Any:
    """A fixture that is a server: a `pytest_zkdict.servers.ZooKeeperServer`.

    ``servers``: how many make the ensemble. ``version``: ``"3.9"`` or ``"3.8"``; a live server of
    another version skips the test. ``tls``: a server-side context, on the fake; on live it skips
    the test. ``settings``: by ZooKeeper's own names. ``load``: znodes that it begins with, or a
    tree file of them, and is put back to after each test; every client on it finds them below its
    chroot, too. ``name``: of the fixture, where it is not the variable's.

    With ``--zk-hosts`` it is the server that is named there, and skips the test where it wants
    several servers, settings or ``tls``. In the simulation it skips the test: there is one ensemble
    for each test. Raises `ValueError` for an argument of the wrong form, and for a file that cannot
    be read. On the fake, an unknown version or setting fails the test.
    """
    global _count
    _count += 1
    own_name = f"{name or 'server'} {_count}"
    checked("factories.server", servers=servers, version=version, settings=settings, load=load)

    @pytest.fixture(scope=scope, name=name)
    def zookeeper_server(_zk_target: Target, request: pytest.FixtureRequest) -> Iterator[Any]:
        """A ZooKeeper server, fake or live, made by pytest_zkdict.factories.server."""
        run = Run.of(request.config)
        if _zk_target.backend == "simulation":
            _leave_out(request, "a server of its own: the simulation of a test has one ensemble")
        spec = run.spec(
            _zk_target,
            own_name,
            servers=servers,
            version=version,
            tls=tls,
            settings=settings,
            load=seeds(load),
        )
        who = f"the fixture {request.fixturename}, of factories.server"
        yield run.started_or_skipped(lambda: run.pool.get(spec), who)
        if scope != "session":
            run.pool.end(spec)

    return zookeeper_server


def client(
    server: str = "zk_server",
    *,
    load: Load | None = None,
    scope: Scope = "function",
    name: str | None = None,
    **arguments: Any,
) -> Any:
    """A fixture that is a started `kazoo.client.KazooClient`, on znodes of its own.

    ``server``: the name of the fixture that is its server. ``load``: znodes that it finds, by their
    paths below its chroot, or a tree file of them. ``arguments``: of `KazooClient`. In the
    simulation a client of a wider scope than ``"function"`` skips the test. Raises `ValueError` for
    a ``load`` that cannot be; an argument that `KazooClient` does not have fails the test.
    """
    checked("factories.client", load=load)

    @pytest.fixture(scope=scope, name=name)
    def zookeeper_client(
        _zk_target: Target, request: pytest.FixtureRequest
    ) -> Iterator[KazooClient]:
        """A started KazooClient on znodes of its own, made by pytest_zkdict.factories.client."""
        if _zk_target.backend == "simulation" and scope != "function":
            _leave_out(request, f"a client of the scope {scope!r}: a simulation ends with its test")
        with ExitStack() as exits:
            run = Run.of(request.config)
            where = request.getfixturevalue(server)
            path = exits.enter_context(run.chroot(request.node, where, seeds(load)))
            # One that outlives the test must not be connected through the test's proxy.
            direct = scope != "function"
            clients = exits.enter_context(closing(factory_below(path, where, run, direct=direct)))
            with made_by(f"the fixture {request.fixturename}, of factories.client"):
                made = clients(**arguments)
            if scope != "function":
                run.isolation.adopt()
            yield made

    return zookeeper_client


def dict(  # noqa: A001  # as users say it: factories.dict
    client: str = "zk_client",
    path: str = "/zk_dict",
    *,
    asynchronous: bool = False,
    scope: Scope = "function",
    name: str | None = None,
    **options: Any,
) -> Any:
    """A fixture that is a `zkdict.ZooKeeperDict`, or an `AsyncZooKeeperDict` of one.

    ``client``: the name of the fixture that is its client. ``path``: where its keys are.
    ``options``: of `ZooKeeperDict`; what it refuses fails the test. The dict is closed at the end
    of its scope. Unless its client is `zk_client`, whose znodes go with the test, the znodes below
    ``path`` are deleted then.
    """

    @pytest.fixture(scope=scope, name=name)
    def zookeeper_dict(
        _zk_target: Target, request: pytest.FixtureRequest
    ) -> Iterator[ZooKeeperDict[Any] | AsyncZooKeeperDict[Any]]:
        """A ZooKeeperDict, made by pytest_zkdict.factories.dict."""
        from zkdict import ZooKeeperDict

        own = request.getfixturevalue(client)
        with made_by(f"the fixture {request.fixturename}, of factories.dict"):
            made = ZooKeeperDict[Any](own, path, **options)
        with closing(made) as mapping:
            if scope != "function":
                Run.of(request.config).isolation.adopt()
            if asynchronous:
                from zkdict.aio import AsyncZooKeeperDict

                yield AsyncZooKeeperDict(mapping)
            else:
                yield mapping
        if client != "zk_client":
            own.delete(path, recursive=True)

    return zookeeper_dict
