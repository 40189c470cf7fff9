"""Every test has its own znodes and clients, and nothing of them is left afterwards."""

import re
import socket
import threading
from contextlib import ExitStack, closing

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_digest_acl

from pytest_zkdict import clients
from pytest_zkdict.clients import ClientFactory, ServerFactory
from pytest_zkdict.live._ports import free_port
from pytest_zkdict.pool import ServerPool, WantedServer
from pytest_zkdict.servers import ExternalServer, ZooKeeperServer
from zkdict import ZooKeeperDict
from zkfake import FakeZooKeeper, Faults


def left_on(server: FakeZooKeeper) -> list[str]:
    client = KazooClient(server.hosts)
    client.start()
    try:
        return [name for name in client.get_children("/") if name != "zookeeper"]
    finally:
        client.stop()
        client.close()


def run_on(pytester: pytest.Pytester, shared: FakeZooKeeper, *arguments: str) -> pytest.RunResult:
    hosts = f"--zk-hosts={shared.hosts}"
    return pytester.runpytest_inprocess("--zk-backend=live", hosts, "-Werror", *arguments)


def test_each_test_starts_empty_and_can_not_see_the_others(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    pytester.makepyfile(
        """
        import pytest

        seen = set()

        @pytest.mark.parametrize("number", range(3))
        def test_it(zk_client, zk_chroot, number):
            assert zk_client.get_children("/") == []
            zk_client.create("/a/b", b"1", makepath=True)
            assert zk_chroot not in seen
            seen.add(zk_chroot)
        """
    )
    run_on(pytester, shared).assert_outcomes(passed=3)
    assert left_on(shared) == []


def test_what_stood_on_the_server_before_stays(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    client = KazooClient(shared.hosts)
    client.start()
    client.create("/precious/data", b"1", makepath=True)
    client.stop()
    client.close()
    pytester.makepyfile("def test_it(zk_client): zk_client.delete('/', recursive=True)")
    run_on(pytester, shared)
    assert left_on(shared) == ["precious"]


def test_hosts_may_name_a_chroot_of_their_own(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_client, zk_hosts, zk_chroot, zk_server):
            assert zk_chroot.startswith("/team/tests/pytest-")
            assert zk_hosts == zk_server.hosts + zk_chroot
            zk_client.create("/a")
        """
    )
    hosts = f"--zk-hosts={shared.hosts}/team/tests/"
    pytester.runpytest_inprocess("--zk-backend=live", hosts).assert_outcomes(passed=1)
    assert left_on(shared) == ["team"]


@pytest.mark.parametrize(
    "body",
    [
        "assert False",
        "zk_client.stop()",
        "zk_client.stop(); zk_client.close()",
        "zk_client_factory(start=False)",
        "zk_client_factory().create('/e', ephemeral=True)",
        "[zk_client_factory() for _ in range(5)]",
        "zk_client.restart()",
        "zk_client.get_async('/missing')",
        "import pytest; pytest.skip('no')",
        "zk_client.ChildrenWatch('/', lambda children: None); zk_client.create('/a')",
        "zk_client._connection._socket.shutdown(2)",
        "other = zk_client_factory(client_id=zk_client.client_id); other.stop()",
    ],
)
def test_whatever_a_test_did_nothing_is_left(
    pytester: pytest.Pytester, shared: FakeZooKeeper, body: str
) -> None:
    before = set(threading.enumerate())
    pytester.makepyfile(
        f"""
        def test_it(zk_client, zk_client_factory):
            zk_client.create("/tree/of/znodes", makepath=True)
            {body}
        """
    )
    run_on(pytester, shared).assert_outcomes(
        passed=0 if "assert" in body or "skip" in body else 1,
        failed=1 if "assert" in body else 0,
        skipped=1 if "skip" in body else 0,
    )
    assert left_on(shared) == []
    assert set(threading.enumerate()) <= before


def test_a_callback_that_never_returns_is_an_error_and_no_hang(
    pytester: pytest.Pytester, shared: FakeZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "STOP_LIMIT", 0.2)
    release = threading.Event()
    monkeypatch.setattr(clients, "release", release, raising=False)
    before = set(threading.enumerate())
    pytester.makepyfile(
        """
        from pytest_zkdict import clients

        def test_it(zk_client):
            entered = zk_client.handler.event_object()
            def watch(event):
                entered.set()
                clients.release.wait(60)
            zk_client.exists("/a", watch=watch)
            zk_client.create("/a")
            assert entered.wait(60)
        """
    )
    try:
        result = run_on(pytester, shared)
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*a KazooClient did not stop*callback*"])
        assert left_on(shared) == []
    finally:
        release.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)


def lock(client: KazooClient) -> None:
    client.create("/mine/child", makepath=True)
    client.set_acls("/mine", [make_digest_acl("somebody", "else", all=True)])


def test_locked_znodes_go_too_where_the_server_is_the_runs_own(
    zk_server: ZooKeeperServer, pytestconfig: pytest.Config
) -> None:
    with closing(ServerPool(hosts=None, home=pytestconfig.getoption("--zk-home"))) as pool:
        server = pool.get(WantedServer(zk_server.backend))
        with pool.chroot(server) as path, closing(ClientFactory(server.hosts + path)) as factory:
            lock(factory())
        with closing(ClientFactory(server.hosts)) as factory:
            assert factory().get_children("/") == ["zookeeper"]


def test_locked_znodes_on_somebody_elses_server_stay_with_a_warning(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    pytester.makepyfile(
        """
        from kazoo.security import make_digest_acl

        def test_it(zk_client):
            zk_client.create("/mine/child", makepath=True)
            zk_client.set_acls("/mine", [make_digest_acl("somebody", "else", all=True)])
        """
    )
    hosts = f"--zk-hosts={shared.hosts}"
    result = pytester.runpytest_inprocess("--zk-backend=live", hosts, "-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*a test locked znodes under /pytest-main-*; they stay*"])
    assert len(left_on(shared)) == 1


def test_a_client_that_still_writes_does_not_keep_the_znodes(zk_server: ZooKeeperServer) -> None:
    """A thread the test forgot: it ends when its znodes are gone, so the removal has to win."""
    with closing(ServerPool(hosts=zk_server.hosts, home=None)) as pool:
        server = pool.get(WantedServer("live"))
        with ExitStack() as exits:
            path = exits.enter_context(pool.chroot(server))
            with closing(ClientFactory(server.hosts + path)) as factory:
                client = factory()
                pending = [client.create_async("/n-", sequence=True) for _ in range(2000)]
                exits.close()
                for result in pending:
                    result.wait(30)
        with closing(ClientFactory(server.hosts)) as clients:
            assert clients().exists(path) is None


# -- the fixtures themselves


def test_servers_look_alike(zk_server: ZooKeeperServer, zk_backend: str) -> None:
    assert zk_server.backend == zk_backend
    host, _, port = zk_server.hosts.partition(":")
    assert host
    assert int(port) > 0
    assert re.fullmatch(r"\d+\.\d+\.\d+", zk_server.version)
    assert zk_server.tick_time > 0
    assert zk_server.min_session_timeout * 1000 >= zk_server.tick_time


def test_a_server_tells_what_it_grants(zk_server: ZooKeeperServer) -> None:
    """What is read from outside is what the run's own server was set up with."""
    outside = ExternalServer.at(zk_server.hosts)
    assert outside.min_session_timeout == zk_server.min_session_timeout
    assert outside.tick_time == zk_server.tick_time
    assert outside.version == zk_server.version


def test_one_server_serves_the_whole_run(zk_server: ZooKeeperServer, zk_hosts: str) -> None:
    assert zk_hosts.startswith(zk_server.hosts + "/pytest-")


def test_a_server_to_take_down(
    zk_server_factory: ServerFactory, zk_client_factory: ClientFactory
) -> None:
    # A session that outlives the slowest restart: a tick of 100 ms would grant 2 s at most. A
    # server of 3.8 that starts may take a connection and never read from it, and kazoo waits for
    # the session's timeout divided by the hosts it knows.
    server = zk_server_factory({"tickTime": 100, "maxSessionTimeout": 120_000})
    assert server.tick_time == 100
    client = zk_client_factory(
        hosts=",".join([server.hosts] * 30),
        timeout=120.0,
        connection_retry={"max_delay": 0.05, "max_tries": -1},
    )
    client.create("/a", b"kept")
    client.create("/e", ephemeral=True)
    session = client.client_id
    suspended, connected = threading.Event(), threading.Event()
    client.add_listener(
        lambda state: (connected if state == KazooState.CONNECTED else suspended).set()
    )
    server.stop()
    assert suspended.wait(30)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server.hosts.rpartition(":")[2])))
    server.start()
    assert connected.wait(30)
    assert client.client_id == session
    assert client.get("/a")[0] == b"kept"
    assert client.exists("/e") is not None


def test_settings_go_by_zookeepers_names(
    zk_server_factory: ServerFactory, zk_client_factory: ClientFactory
) -> None:
    server = zk_server_factory({"minSessionTimeout": 3000, "jute.maxbuffer": 5000})
    assert ExternalServer.at(server.hosts).min_session_timeout == server.min_session_timeout == 3
    client = zk_client_factory(hosts=server.hosts)
    client.create("/small", b"x" * 4000)
    with pytest.raises(ConnectionLoss):
        client.create("/large", b"x" * 6000)


def test_a_server_of_ones_own_can_not_be_had_from_outside(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    pytester.makepyfile("def test_it(zk_server_factory): zk_server_factory()")
    result = run_on(pytester, shared, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*--zk-hosts names somebody else's"])


def test_a_server_of_another_kind_can_not_be_had_from_outside(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(servers=3)
        def test_three(zk_client): pass

        @pytest.mark.zookeeper(settings={"tickTime": 100})
        def test_fast(zk_client): pass
        """
    )
    result = run_on(pytester, shared, "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*--zk-hosts names somebody else's"] * 2)


def test_who_is_no_zookeeper_is_told_apart() -> None:
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while not ended.is_set():
                with listener.accept()[0] as connection:
                    connection.recv(1000)  # what is unread would reset the connection

        thread = threading.Thread(target=hang_up)
        thread.start()
        host, port = listener.getsockname()
        try:
            with pytest.raises(ConnectionError, match="accepted but does not answer as ZooKeeper"):
                ExternalServer.at(f"{host}:{port}")
        finally:
            ended.set()
            socket.create_connection((host, port)).close()
            thread.join()


def test_hosts_where_nobody_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(zk_client): pass")
    hosts = f"127.0.0.1:{free_port()}"
    result = pytester.runpytest_inprocess(f"--zk-hosts={hosts}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"ConnectionError: no ZooKeeper answers at {hosts} (*refused*): is it running*"]
    )
    assert "pytest_zkdict/" not in result.stdout.str()


def test_one_of_several_hosts_that_answers_is_enough(
    pytester: pytest.Pytester, shared: FakeZooKeeper
) -> None:
    pytester.makepyfile("def test_it(zk_client): pass")
    hosts = f"--zk-hosts=127.0.0.1:{free_port()},{shared.hosts}"
    pytester.runpytest_inprocess(hosts).assert_outcomes(passed=1)


def test_the_factory_passes_kazoos_arguments_on(zk_client_factory: ClientFactory) -> None:
    client = zk_client_factory(start=False, timeout=3.5, read_only=True)
    assert not client.connected
    assert client.read_only
    client.start()
    assert client.get_children("/") == []
    own = zk_client_factory()
    assert own.client_id != client.client_id


@pytest.mark.zk_backend("fake")
def test_a_server_that_never_answers_is_not_waited_for_without_end(
    zk_client_factory: ClientFactory, zk_faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "START_LIMIT", 0.1)
    with zk_faults.partition(), pytest.raises(KazooTimeoutError, match="Connection time-out"):
        zk_client_factory()


@pytest.mark.zk_backend("fake")
def test_a_client_on_greenlets_is_ended_too(zk_client_factory: ClientFactory) -> None:
    from kazoo.handlers.gevent import SequentialGeventHandler

    client = zk_client_factory(handler=SequentialGeventHandler())
    assert client.get_children("/") == []
    clients._end(client)
    assert not client.connected
    assert client._connection._read_sock is None


def test_a_client_that_cannot_be_stopped_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_client, monkeypatch):
            stop = zk_client.stop

            def stops_badly():
                stop()
                zk_client.close()
                raise RuntimeError("planted")

            zk_client.stop = stops_badly
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: planted"])


def test_the_dict_is_live_and_on_the_tests_own_client(
    zk_dict: ZooKeeperDict[object], zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    assert dict(zk_dict) == {}
    assert zk_dict.connection is zk_client
    zk_dict["exchange_rate"] = 25
    other = ZooKeeperDict[object](zk_client_factory(), zk_dict.keyspace)
    with closing(other):
        other.sync()
        assert dict(other) == {"exchange_rate": 25}


def test_wider_fixtures_can_use_the_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from kazoo.client import KazooClient

        @pytest.fixture(scope="module")
        def everyones(zk_server):
            client = KazooClient(zk_server.hosts)
            client.start()
            client.create("/everyones")
            yield client
            client.stop()
            client.close()

        def test_a(everyones):
            assert everyones.exists("/everyones")

        def test_b(everyones, zk_client):
            assert zk_client.get_children("/") == []
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=2)


def test_a_server_that_is_asked_for_in_the_middle_of_a_test_is_no_leak(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    """Neither its thread, nor the run's own client of a live one."""
    pytester.makeconftest(
        """
        from pytest_zkdict import factories

        other = factories.server(settings={"tickTime": 100})
        other_client = factories.client("other")
        """
    )
    pytester.makepyfile(
        """
        def test_it(other_client, zk_client):
            other_client.create("/a")
        """
    )
    result = pytester.runpytest_inprocess("--zk-leaks=fail", f"--zk-backend={zk_backend}")
    result.assert_outcomes(passed=1)
