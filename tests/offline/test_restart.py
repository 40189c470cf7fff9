"""What a server has after it was killed and started again: the fake with a data directory, as the
real one.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError, SessionExpiredError

from pytest_zkdict.live import LiveZooKeeper

from .kills import SERVE, Killed
from .test_data_dir import use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 120
LONG, SHORT = 60.0, 2.0
"""Timeouts of sessions, seconds."""


class Restarting(Protocol):
    """A server that is killed and started again."""

    @property
    def hosts(self) -> str: ...
    def kill(self) -> None: ...
    def started(self) -> None:
        """Starts it, and waits until it serves."""


class LiveRestarting:
    def __init__(self, live: LiveZooKeeper) -> None:
        (self._member,) = live.members
        self.hosts = live.hosts

    def kill(self) -> None:
        self._member.stop(kill=True)

    def started(self) -> None:
        self._member.start()


@pytest.fixture(params=["fake", pytest.param("live", marks=pytest.mark.needs_java)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restarting]:
    logger = logging.getLogger("kazoo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it warns about every connection that breaks
    if request.param == "live":
        with LiveZooKeeper(request.getfixturevalue("live_home")) as live:
            yield LiveRestarting(live)
    else:
        options = ("--set", "maxSessionTimeout=60000", "--set", "extendedTypesEnabled=true")
        killed = Killed(tmp_path / "data", 1, SERVE, (*options, "--version", "3.8"))
        killed.write_config(tmp_path / "zoo.cfg")
        killed.started()
        yield killed
        killed.kill()
    logger.setLevel(level)


def connected(hosts: str, timeout: float, **more: Any) -> KazooClient:
    client = KazooClient(hosts, timeout=timeout, auth_data=[("digest", "bob:secret")], **more)
    client.start(PATIENCE)
    return client


def everything(client: KazooClient) -> dict[str, object]:
    """Of each znode all that a client can see, but for the order of children."""
    found: dict[str, object] = {}
    paths = ["/"]
    while paths:
        path = paths.pop()
        try:
            children = client.get_children(path)
            found[path] = (*client.get(path), client.get_acls(path)[0], set(children))
        except NoNodeError:
            continue  # its session has just expired
        paths += [f"{path.rstrip('/')}/{name}" for name in children]
    del found["/zookeeper/config"]
    return found


def test_a_killed_server_that_is_started_again(server: Restarting) -> None:
    client, other = connected(server.hosts, LONG), connected(server.hosts, SHORT)
    other.create("/short", ephemeral=True)
    use(client)
    client.delete("/a/n-0000000000")
    last = client.create("/last", include_data=True)[1].czxid
    before, session = everything(client), client.client_id
    server.kill()
    for each in (client, other):
        each.stop()
        each.close()
    server.started()

    client = connected(server.hosts, LONG, client_id=session)
    assert client.client_id == session
    after = everything(client)
    for found in (before, after):  # that session may have expired at any time
        found.pop("/short", None)
        data, _, acls, children = found.pop("/")
        found["/"] = (data, acls, children - {"short"})
    assert after == before
    next_ = client.create("/a/n-", sequence=True, include_data=True)
    assert next_[0] == "/a/n-0000000004"
    gone = threading.Event()
    if client.exists("/short", watch=lambda _: gone.set()):
        # Nobody goes on with its session, whose timeout begins anew.
        assert next_[1].czxid == last + 1
        assert gone.wait(PATIENCE)
    with pytest.raises((NoNodeError, SessionExpiredError)):
        client.get("/short")
    assert client.exists("/e").owner_session_id == session[0]
    client.stop()  # and its ephemeral goes with it
    client.close()
    client = connected(server.hosts, LONG)
    assert not client.exists("/e")
    client.stop()
    client.close()
