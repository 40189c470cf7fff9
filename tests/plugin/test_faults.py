"""Faults of the servers that a test uses: the same on both backends, and over with the test."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

from pytest_zkdict.live.faults import _MISSING, ExternalFaults, LiveFaults
from pytest_zkdict.servers import FakeServer
from zkfake import Faults

from .test_docs import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_zkdict.servers import ZooKeeperServer

QUIET = ("-p", "no:cacheprovider", "-p", "no:xdist", "-Werror", "--zk-leaks=fail")


@pytest.mark.usefixtures("zk_faults")
def test_a_server_of_the_tests_own(
    zk_server_factory: Callable[[], Any], zk_client_factory: Callable[..., Any]
) -> None:
    server = zk_server_factory()
    client = zk_client_factory(hosts=server.hosts)
    fault = server.faults.drop_before_reply(client, operation="create", path="/a")
    with fault, pytest.raises(ConnectionLoss):
        client.create("/a")
    assert fault.hits
    assert client.retry(client.exists, "/a")


ONE_SERVER = """
import pytest
from kazoo.exceptions import ConnectionLoss
from pytest_zkdict import factories

module_client = factories.client(scope="module")
late_client = factories.client(scope="module")
seen = []

@pytest.mark.parametrize("rule, there", [
    ("drop_before_request", False), ("drop_before_reply", True), ("drop_after_reply", True),
])
def test_rules(zk_client, zk_client_factory, zk_faults, rule, there):
    other = zk_client_factory()
    with getattr(zk_faults, rule)(zk_client, operation="create", path="/*/a") as fault:
        if rule == "drop_after_reply":
            zk_client.create("/a")
        else:
            with pytest.raises(ConnectionLoss):
                zk_client.create("/a")
    assert len(fault.hits) == 1
    other.sync("/")
    assert (other.exists("/a") is not None) == there

def test_an_expired_session(zk_client, zk_faults, zk_server):
    seen.append(zk_server.hosts)
    zk_client.create("/e", ephemeral=True)
    lost = zk_client.handler.event_object()
    zk_client.add_listener(lambda state: lost.set() if state == "LOST" else None)
    assert zk_faults.expire(zk_client)
    assert lost.wait(30)
    assert zk_client.retry(zk_client.exists, "/e") is None

def test_a_session_that_a_partition_outlasts(zk_client_factory, zk_faults):
    other, client = zk_client_factory(), zk_client_factory(timeout=2.0)
    client.create("/e", ephemeral=True)
    gone = other.handler.event_object()
    assert other.exists("/e", watch=lambda event: gone.set())
    with zk_faults.partition(client):
        assert gone.wait(30)

def test_events_that_are_held(zk_client, zk_client_factory, zk_faults):
    other, events = zk_client_factory(), []
    zk_client.create("/a", b"1")
    zk_client.get("/a", watch=events.append)
    with zk_faults.hold_events(zk_client) as hold:
        other.set("/a", b"2")
        assert hold.wait(30)
        assert not events
    assert zk_client.get("/a")[0] == b"2"

def test_leaves_faults(zk_client, zk_faults, zk_server, module_client):
    zk_faults.slow(zk_client, (0.001, 0.002))
    zk_faults.drop_before_request(operation="delete", times=None)
    zk_faults.partition()
    assert len(zk_faults.outages) == 2
    # One of a wider scope goes past the proxy.
    if zk_server.backend == "live":
        assert module_client.create("/a") == "/a"

def test_finds_none(zk_client, zk_faults, zk_server):
    assert zk_faults.outages == ()
    zk_client.create("/a")
    zk_client.delete("/a")
    assert zk_server.hosts != zk_server.direct_hosts or zk_server.backend == "fake"

def test_finds_no_proxy(zk_client, zk_server, module_client):
    assert zk_server.hosts == zk_server.direct_hosts
    zk_client.create("/a")
    assert module_client.retry(module_client.get_children, "/") in (["a"], [])
    if zk_server.backend == "live":
        assert zk_server.hosts not in seen
        with pytest.raises(AttributeError, match="give the test the fixture zk_faults"):
            zk_server.faults

def test_asks_for_it_late(request, zk_server, zk_client_factory):
    faults = request.getfixturevalue("zk_faults")
    client = zk_client_factory(hosts=zk_server.hosts)
    with faults.drop_before_request(client, operation="create") as fault:
        with pytest.raises(ConnectionLoss):
            client.create("/a")
    assert fault.hits
    request.getfixturevalue("late_client").create("/late")

def test_a_late_client_of_the_module_goes_on(late_client):
    assert late_client.connected
    assert late_client.get_children("/") == ["late"]
"""


def test_faults_of_connections_end_with_their_test(pytester: pytest.Pytester, on_this: str) -> None:
    """And nothing of them is left: no thread, and no socket."""
    threads, sockets = set(threading.enumerate()), _descriptors()
    pytester.makepyfile(ONE_SERVER)
    pytester.runpytest_inprocess(*QUIET, on_this).assert_outcomes(passed=11)
    assert set(threading.enumerate()) <= threads
    assert _descriptors() <= sockets


def _descriptors() -> int:
    """How many this process has, or 0 where nothing tells."""
    return len(os.listdir("/dev/fd")) if Path("/dev/fd").is_dir() else 0


THREE_SERVERS = """
import pytest
from kazoo.exceptions import ConnectionLoss

# A server that gets too little of a busy machine is late. After 40 ticks, 8 s, it counts as gone.
pytestmark = pytest.mark.zookeeper(servers=3, settings={"syncLimit": 40, "initLimit": 60})

def modes(server):
    return sorted(str(member.mode) for member in server.members)

def leader(server):
    return next(member.id for member in server.members if member.mode == "leader")

def test_a_leader_that_dies(zk_client, zk_client_factory, zk_faults, zk_server):
    zk_client.retry(zk_client.ensure_path, "/a")
    first = leader(zk_server)
    with zk_faults.stop_server(None) as outage:
        assert zk_faults.outages == (outage,)
        assert not zk_server.members[first - 1].running
        zk_client.retry(zk_client.set, "/a", b"2")
        assert leader(zk_server) != first
        zk_client_factory().get("/a")  # a new client, though a server is stopped
    assert zk_server.members[first - 1].running
    assert zk_client.retry(zk_client.get, "/a")[0] == b"2"

def test_leaves_no_quorum(zk_client, zk_faults, zk_server):
    zk_client.retry(zk_client.ensure_path, "/a")
    zk_faults.lose_quorum()
    assert [member.running for member in zk_server.members] == [True, False, False]

def test_leaves_a_leader_that_stands_still(zk_client_factory, zk_faults, zk_server):
    assert modes(zk_server) == ["follower", "follower", "leader"]
    client = zk_client_factory(timeout=1.0)
    client.retry(client.ensure_path, "/a")
    first = leader(zk_server)
    pause = zk_faults.pause_server(None)
    assert zk_server.members[first - 1].running
    client.retry(client.set, "/a", b"1")
    zk_faults.pause_server(first)  # twice: it goes on when both are healed
    pause.heal()

def test_finds_nothing_of_it(zk_client, zk_client_factory, zk_faults, zk_server):
    assert modes(zk_server) == ["follower", "follower", "leader"]
    zk_client.retry(zk_client.ensure_path, "/a")
    # Servers have the numbers of their places.
    for number, member in enumerate(zk_server.members, start=1):
        client = zk_client_factory(hosts=member.hosts)
        with zk_faults.drop_before_request(client, operation="exists"):
            with pytest.raises(ConnectionLoss):
                client.exists("/a")
        with zk_faults.partition(server=number) as outage:
            held = client.exists_async("/")
            assert outage.wait(30)
        assert held.get(timeout=30)

def test_a_duration(zk_client, zk_faults, zk_server):
    outage = zk_faults.pause_server(3, duration=0.01)
    while not outage.over:
        pass
    outage.heal()  # returns when the one that is at it is done
    assert zk_server.members[2].mode is not None

def test_what_cannot_be(zk_faults):
    with pytest.raises(ValueError, match="there is no server 4, only 1 to 3"):
        zk_faults.stop_server(4)
    with pytest.raises(TypeError, match="True is not a server"):
        zk_faults.pause_server(True)

def test_the_processes(zk_live, record_property):
    for member in zk_live.members:
        record_property("pid", member.pid)
"""


def test_faults_of_servers_end_with_their_test(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    """And no process is left, though it stood still."""
    threads = set(threading.enumerate())
    pytester.makepyfile(THREE_SERVERS)
    run = pytester.inline_run(*QUIET, f"--zk-backend={zk_backend}")
    run.assertoutcome(passed=6 + (zk_backend == "live"), skipped=int(zk_backend == "fake"))
    pids = [
        value
        for report in run.getreports("pytest_runtest_logreport")
        for _, value in report.user_properties  # type: ignore[attr-defined]
        if report.when == "call"
    ]
    assert len(pids) == (3 if zk_backend == "live" else 0)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert set(threading.enumerate()) <= threads


def test_a_fake_is_put_back_when_one_server_leads_all_others() -> None:
    """One that stood still takes itself for the leader until it notices."""
    settings = {"tickTime": 100, "syncLimit": 2, "initLimit": 20}
    with closing(FakeServer(settings, servers=3)) as server:
        (paused,) = [member for member in server.members if member.mode == "leader"]
        server.faults.pause_server(None)
        others = [member for member in server.members if member is not paused]
        while "leader" not in {member.mode for member in others}:
            pass
        assert paused.mode == "leader"
        server.put_back()
        assert sorted(str(member.mode) for member in server.members) == [
            *("follower", "follower", "leader")
        ]


# -- what a test is told


def _names(faults: type) -> set[str]:
    return {name for name in dir(faults) if not name.startswith("_")}


def test_every_fault_is_there_or_says_why_not() -> None:
    assert _names(Faults) - _names(LiveFaults) == set(_MISSING)
    assert not set(_MISSING) & _names(LiveFaults)


def test_a_fault_that_no_real_server_has(
    zk_faults: Any, zk_backend: str, zk_server: ZooKeeperServer
) -> None:
    if zk_backend == "fake":
        assert all(hasattr(zk_faults, name) for name in _MISSING)
        return
    assert not any(hasattr(zk_faults, name) for name in _MISSING)
    with pytest.raises(AttributeError) as told:
        zk_faults.lag(1, (1.0, 2.0))
    assert str(told.value) == (
        "a live server has no fault 'lag': nothing tells a real server to apply late; "
        "pause_server() stops the whole process. Mark the test with zk_backend('fake') to run it "
        "on the fake only"
    )
    with pytest.raises(AttributeError, match="'LiveFaults' has no attribute 'drop_after'"):
        zk_faults.drop_after()


def test_somebody_elses_server_is_neither_stopped_nor_paused(
    pytester: pytest.Pytester, on_this: str, zk_backend: str
) -> None:
    if zk_backend == "fake":
        return
    pytester.makepyfile("def test_it(zk_client, zk_faults): zk_faults.stop_server(1)")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", on_this)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *'stop_server': --zk-hosts names a server that the plugin did not start. Mark *"]
    )
    pytester.makepyfile("def test_it(zk_client, zk_faults): zk_faults.freeze(1)")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", on_this)
    result.stdout.fnmatch_lines(["E *'freeze': nothing tells a real server to apply late. Mark *"])
    assert _names(LiveFaults) - _names(ExternalFaults) == {
        *("lose_quorum", "pause_server", "stop_server", "stopped_servers")
    }


def test_a_report_names_the_faults_and_goes_past_them(
    pytester: pytest.Pytester, on_this: str
) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_client, zk_faults):
            zk_client.create("/a", b"tea", ephemeral=True)
            zk_faults.partition()
            assert zk_client.get_async("/a").wait(0.01)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", on_this)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- ZooKeeper (*) at 127.0.0.1:* -*",
            "faults:",
            "  <partition of every client and every server, both>",
            "znodes:",
            "  /a  b'tea', version 0, ephemeral of 0x*",
            "sessions:",
            "  0x* of 127.0.0.1:*, ephemerals: /a",
            "*client 1: Sending request *: GetData(path='/a')",
        ]
    )


def test_what_goes_wrong_is_told_of_where_it_happened(
    pytester: pytest.Pytester, on_this: str
) -> None:
    """An action that fails, and a proxy or a fake that fails itself."""
    pytester.makepyfile(
        """
        def test_action(zk_faults, zk_client):
            zk_faults.upon(lambda: 1 / 0, operation="create")
            zk_client.create("/a")

        def test_between(zk_faults, zk_client):
            zk_client.create("/a")

        def test_dead(zk_faults, zk_server, zk_client):
            def fail():
                raise KeyError("planted")

            loop = (zk_server._proxy if zk_server.backend == "live" else zk_server._fake)._loop
            loop._flush = fail
            zk_client.create_async("/a")
            loop._thread.join(30)
            del loop._flush

        def test_after(zk_faults, zk_client):
            zk_client.create("/a")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", on_this)
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_action*",
            "an action of faults.upon() failed: ZeroDivisionError: division by zero",
            "*ERROR at teardown of test_dead*",
            "zkfake failed; please report this: KeyError: 'planted'",
        ]
    )


@pytest.mark.zk_backend("live")
def test_workers_have_a_proxy_each(pytester: pytest.Pytester, on_this: str) -> None:
    """Each worker's tests cut off all of their clients, and nobody else's."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(zk_client, zk_faults, number):
            for round in range(5):
                with zk_faults.partition() as outage:
                    created = zk_client.create_async(f"/{round}")
                    assert outage.wait(30)
                    assert not created.ready()
                created.get(timeout=30)
            assert len(zk_faults.outages) == 0
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n2", on_this)
    result.assert_outcomes(passed=4)


# -- the page


ON_LIVE = {
    name: example
    for name, example in EXAMPLES.items()
    if name.startswith("pytest_faults") and "servers" not in name
}


@pytest.mark.zk_backend("live")
def test_the_examples_of_the_page_run_on_a_live_server(
    pytester: pytest.Pytester, on_this: str
) -> None:
    """All but the one of an ensemble, which `test_faults_of_servers_end_with_their_test` has."""
    assert len(ON_LIVE) == 4
    for example in ON_LIVE.values():
        for name, text in example.files.items():
            (pytester.path / name).write_text(text, "utf-8")
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess(*QUIET, on_this)
    result.assert_outcomes(passed=6)
