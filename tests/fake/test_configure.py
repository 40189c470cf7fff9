"""Settings that change between a stop and the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import Client
from ..support.replies import NO_AUTH, OK, UNIMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = [(31, "digest", wire.digest("bob:secret"))]


@pytest.fixture(params=[1, 3])
def server(request: pytest.FixtureRequest) -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper(servers=request.param) as running:
        yield running


def again(server: FakeZooKeeper, client: Client) -> Client:
    """The client's session on a new connection to the first server."""
    renewed = Client(server.members[0].port, session=client.session, password=client.password)
    assert renewed.session == client.session
    return renewed


def test_the_state_stays_and_the_settings_change(server: FakeZooKeeper) -> None:
    first = Client(server.members[0].port, timeout=30_000)
    ports = [member.port for member in server.members]
    assert first.create("/private", PRIVATE).error == OK
    assert first.create("/mine", flags=1).error == OK
    assert first.read("/private") == NO_AUTH
    ttl = wire.create_ttl("/ttl", b"", wire.OPEN_ACL, 5, 9999)
    assert first.call("createTTL", ttl).error == UNIMPLEMENTED

    server.stop()
    server.configure({"skipACL": "yes", "extendedTypesEnabled": True, "maxSessionTimeout": 9000})
    server.start()
    assert [member.port for member in server.members] == ports
    second = again(server, first)
    assert second.read("/private") == second.read("/mine") == OK
    assert second.call("createTTL", ttl).error == OK
    assert {session.timeout for session in server.sessions} == {9000}

    server.stop()
    server.configure()  # everything by default
    server.start()
    third = again(server, second)
    assert third.read("/private") == NO_AUTH
    assert third.call("createTTL", ttl).error == UNIMPLEMENTED
    for client in (first, second, third):
        client.close()


def test_another_version(server: FakeZooKeeper) -> None:
    def zxid_of_an_event() -> int:
        client = Client(server.members[0].port)
        client.call("exists", wire.path_watch("/a", 1))
        client.send("create", wire.create("/a"))
        event = client.take()
        assert event is not None
        assert client.take() is not None  # the reply
        client.call("delete", wire.path_version("/a"))
        client.close()
        return event.zxid

    assert zxid_of_an_event() > 0
    server.stop()
    server.configure(version="3.8")
    server.start()
    assert zxid_of_an_event() == -1
    server.stop()
    server.configure({"tickTime": 100})  # the version stays
    server.start()
    assert zxid_of_an_event() == -1


def test_what_cannot_be_changes_nothing(server: FakeZooKeeper) -> None:
    with pytest.raises(RuntimeError, match=r"is running; stop\(\) it to configure it"):
        server.configure({"skipACL": True})
    server.stop()
    for settings, version in (({"tickTime": 0}, None), ({"tick": 1}, None), ({}, "3.7")):
        with pytest.raises(ValueError, match=r"tickTime|tick|version"):
            server.configure(settings, version=version)
    server.start()
    client = Client(server.members[0].port)
    assert client.create("/private", PRIVATE).error == OK
    assert client.read("/private") == NO_AUTH
    client.close()
