"""What one test does to the run's server does not reach the next one, and is told of."""

import signal
import threading

import pytest

from zkfake import FakeZooKeeper

# -- a server that ends


ENDED = """
import os, signal
import pytest
from pytest_zkdict.clients import ServerEndedError

def kill(server):
    if server.backend == "fake":
        server.stop()
    else:
        os.kill(server.members[0].pid, signal.SIGKILL)
        server.members[0]._supervisor.wait(30)

def test_before(zk_client):
    zk_client.create("/a")

def test_kills(zk_server, zk_client):
    kill(zk_server)

def test_after(zk_client):
    assert zk_client.create("/a") == "/a"

def test_fails_by_itself(zk_server, zk_client):
    kill(zk_server)
    assert not "its own mistake"

def test_after_that(zk_client):
    assert zk_client.create("/a") == "/a"

def test_cannot_connect(zk_server, zk_client, zk_client_factory):
    kill(zk_server)
    with pytest.raises(ServerEndedError):
        zk_client_factory()
    zk_server.start()
"""


def test_a_server_that_ends_is_told_of_where_it_ended_and_started_again(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(ENDED)
    result = pytester.runpytest_inprocess(f"--zk-backend={zk_backend}", "-W", "error")
    result.assert_outcomes(passed=5, failed=1, errors=1)
    how = {
        "fake": ["*the fake server at *was stopped and not started again.*"],
        "live": [
            f"*the live server at *was killed by signal {signal.SIGKILL:d}. The end of its log:*"
        ],
    }[zk_backend]
    result.stdout.fnmatch_lines(
        [
            f"*ERROR at teardown of test_kills[[]{zk_backend}]*",
            *how,
            "*zk_server_factory*",
            "*its own mistake*",
            "*- zk_server -*",
            *how,
            "ERROR *::test_kills[[]*",
        ]
    )
    assert "pytest_zkdict/" not in result.stdout.str(), "a traceback of the plugin"


def test_a_server_that_cannot_be_started_again_fails_the_rest_at_once(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def fail():
            raise OSError("its port was taken")

        def test_ends_it(zk_fake):
            zk_fake.close()
            zk_fake.start = fail

        def test_a(zk_client): pass
        def test_b(zk_client): pass
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(["*It could not be started again: its port was taken"])


def test_somebody_elses_server_that_goes_away_fails_the_rest_at_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_zkdict.held._NOTICE", 0.1)
    with FakeZooKeeper() as server:
        monkeypatch.setattr("pytest_zkdict.server_to_stop", server, raising=False)
        pytester.makepyfile(
            """
            import pytest_zkdict

            def test_ends_it(zk_client):
                pytest_zkdict.server_to_stop.members[0].stop()

            def test_a(zk_client): pass
            def test_b(zk_client): pass
            """
        )
        result = pytester.runpytest_inprocess(f"--zk-hosts={server.hosts}")
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*the live server at * does not answer any more*",
            "Until it serves again, all tests that use it fail.",
        ]
    )
    result.stdout.no_fnmatch_line("*The next test gets a server that runs*")


def test_an_action_that_fails_and_a_fake_that_fails_are_told_of_where_it_happened(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_action(zk_faults, zk_client):
            zk_faults.upon(lambda: 1 / 0, operation="create")
            zk_client.create("/a")

        def test_between(zk_client):
            zk_client.create("/a")

        def test_fake(zk_fake, zk_client):
            def fail():
                raise KeyError("planted")

            loop = zk_fake._fake._loop
            loop._flush = fail
            zk_client.create_async("/a").wait(10)
            loop._thread.join(10)
            del loop._flush

        def test_after(zk_client):
            zk_client.create("/a")
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_action*",
            "an action of faults.upon() failed: ZeroDivisionError: division by zero",
            "*ERROR at teardown of test_fake*",
            "zkfake failed; please report this: KeyError: 'planted'",
        ]
    )


# -- what a test does to the server


def test_a_server_is_put_back(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(servers=3)
        class TestIt:
            @pytest.fixture(autouse=True)
            def client(self, zk_fake, zk_client_factory):
                self.fake = zk_fake
                self.client = zk_client_factory()

            def test_leaves_all_sorts_of_things(self, zk_faults):
                zk_faults.drop_before_request(operation="create", times=None)
                number = self.fake.connections[-1].server_id
                others = [other for other in (1, 2, 3) if other != number]
                self.fake.faults.partition(server=others[0])
                self.fake.members[others[1] - 1].lag = 10
                self.fake.members[others[1] - 1].freeze()
                self.fake.load({"/outside/of/the/chroot": b""})

            def test_finds_nothing_of_it(self, zk_faults):
                self.client.create("/a")
                assert zk_faults.outages == ()
                assert [member.lag for member in self.fake.members] == [0, 0, 0]
                assert not any(member.frozen for member in self.fake.members)
                assert not any(path.startswith("/outside") for path in self.fake.dump())
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=2)


def test_what_a_test_leaves_outside_of_its_chroot_goes(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_zkdict import factories

        seeded = factories.server(load={"/config/a": b"1"})
        client = factories.client("seeded")
        module_client = factories.client("seeded", scope="module")

        def test_leaves(seeded, client, zk_client_factory):
            assert client.get("/config/a")[0] == b"1"
            other = zk_client_factory(hosts=seeded.hosts)
            other.set("/config/a", b"2")
            other.create("/mine/child", makepath=True)

        def test_finds_nothing(seeded, client, zk_client_factory):
            other = zk_client_factory(hosts=seeded.hosts)
            assert other.get("/config/a")[0] == b"1"
            assert other.exists("/mine") is None

        def test_a(module_client):
            module_client.create("/kept")

        def test_b(client, module_client):
            client.create("/kept")
            assert module_client.exists("/kept")
        """
    )
    result = pytester.runpytest_inprocess(f"--zk-backend={zk_backend}", "-Werror")
    result.assert_outcomes(passed=4)


def test_a_test_has_one_client_and_no_more(
    pytester: pytest.Pytester, on_this: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has no client of its own: the fake is put back in process, and a live server by one
    connection that stays open.
    """
    from kazoo.client import KazooClient

    made: list[KazooClient] = []
    start = KazooClient.start_async
    monkeypatch.setattr(
        KazooClient, "start_async", lambda client: (made.append(client), start(client))[1]
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(5))
        def test_it(zk_client, number): pass
        """
    )
    pytester.runpytest_inprocess(on_this).assert_outcomes(passed=5)
    assert len(made) == 5


# -- what a test leaves behind


LEAKS = """
import threading
from kazoo.client import KazooClient

kept = []

def test_leaves_a_client(zk_hosts):
    client = KazooClient(zk_hosts)
    client.start()
    client.create("/e", ephemeral=True)
    client.get("/e", watch=print)
    kept.append(client)

def test_leaves_nothing(zk_hosts, zk_client, zk_dict):
    pass

def test_stops_it(zk_hosts):
    client = kept.pop()
    client.stop()
    client.close()

def test_leaves_a_thread_of_its_own(zk_client):
    end = threading.Event()
    kept.append(end)
    threading.Thread(target=end.wait, daemon=True).start()

def test_ends_it(zk_client):
    kept.pop().set()
"""


LEFT = [
    "*test_leaves_a_client*",
    "*the test left behind:",
    "*  the session 0x* of the client at *",
    "*  the thread *, of kazoo.*",
    "*A client that a test starts has to be stopped and closed: client.stop(), client.close().",
]


def test_a_fake_that_a_test_leaves_is_to_be_stopped(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeZooKeeper()
    monkeypatch.setattr("pytest_zkdict.left", fake, raising=False)
    pytester.makepyfile(
        """
        import pytest_zkdict

        def test_it(zk_client):
            pytest_zkdict.left.start()
        """
    )
    try:
        result = pytester.runpytest_inprocess("--zk-leaks=fail")
    finally:
        fake.stop()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*  the thread *, of zkfake.*", "A dict that a test makes has to be closed, a fake or *"]
    )
    result.stdout.no_fnmatch_line("A client that a test starts *")


def test_what_a_test_leaves_is_told_of_in_that_test(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytester.makepyfile(LEAKS)
    arguments = ("--zk-leaks=fail", f"--zk-backend={zk_backend}", "-Werror")
    result = pytester.runpytest_inprocess(*arguments)
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(LEFT)
    if zk_backend == "fake":
        result.stdout.fnmatch_lines(["*session 0x* of the client at *, 1 ephemeral znode, 1 watch"])


@pytest.mark.parametrize("option", ["warn", None, "ignore"])
def test_what_a_test_leaves_is_warned_of_unless_told_otherwise(
    pytester: pytest.Pytester, option: str | None
) -> None:
    pytester.makepyfile(LEAKS)
    arguments = [] if option is None else [f"--zk-leaks={option}"]
    result = pytester.runpytest_inprocess(*arguments, "-Wdefault")
    result.assert_outcomes(passed=5, warnings=0 if option == "ignore" else 1)
    if option != "ignore":
        result.stdout.fnmatch_lines(LEFT)
        # As the place of the warning the test is named, and not the plugin.
        result.stdout.fnmatch_lines(["*.py:6: ZooKeeperLeakWarning: the test left behind:"])


def test_where_warnings_are_errors_a_leak_is_told_without_the_plugins_own_lines(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(LEAKS)
    result = pytester.runpytest_inprocess("-Werror")
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(LEFT)
    assert "pytest_zkdict/" not in result.stdout.str()


def test_a_thread_of_the_dicts_that_rests_is_no_leak(pytester: pytest.Pytester) -> None:
    """Those that make the calls for asyncio are the process's; here they never end."""
    pytester.makeconftest("import zkdict._threads\nzkdict._threads._IDLE = 600")
    pytester.makepyfile(
        """
        import asyncio

        def test_it(zk_async_dict):
            async def use():
                await zk_async_dict.set("a", 1)

            asyncio.run(use())
        """
    )
    pytester.runpytest_subprocess("--zk-leaks=fail").assert_outcomes(passed=1)


def test_a_test_that_failed_has_one_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from kazoo.client import KazooClient

        kept = []

        def test_it(zk_hosts):
            client = KazooClient(zk_hosts)
            client.start()
            kept.append(client)
            assert False

        def test_ends_it(zk_hosts):
            client = kept.pop()
            client.stop()
            client.close()
        """
    )
    result = pytester.runpytest_inprocess("--zk-leaks=fail")
    result.assert_outcomes(failed=1, passed=1)


def test_a_fixture_that_leaves_a_client_is_told_of(pytester: pytest.Pytester) -> None:
    """It is set up before the plugin's own fixtures of the test."""
    pytester.makepyfile(
        """
        import pytest
        from kazoo.client import KazooClient

        kept = []

        @pytest.fixture
        def app(zk_server):
            client = KazooClient(zk_server.hosts)
            client.start()
            kept.append(client)

        def test_it(app, zk_client): pass

        def test_ends_it(zk_server):
            client = kept.pop()
            client.stop()
            client.close()
        """
    )
    pytester.runpytest_inprocess("--zk-leaks=fail").assert_outcomes(passed=2, errors=1)


def test_fixtures_of_a_wider_scope_are_no_leak(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from kazoo.client import KazooClient
        from pytest_zkdict import factories

        module_client = factories.client(scope="module")
        module_dict = factories.dict("module_client", scope="module")

        @pytest.fixture(scope="module")
        def own(zk_server):
            client = KazooClient(zk_server.hosts)
            client.start()
            yield client
            client.stop()
            client.close()

        @pytest.fixture
        def app(zk_hosts):
            client = KazooClient(zk_hosts)
            client.start()
            yield client
            client.stop()
            client.close()

        def test_a(zk_client, own, app, module_dict): module_dict["a"] = 1
        def test_b(zk_client, own, app, module_dict): assert module_dict == {"a": 1}
        def test_c(request, zk_client): request.getfixturevalue("late")

        def test_d(zk_server, own):
            disconnected = own.handler.event_object()
            own.add_listener(lambda state: disconnected.set() if state == "SUSPENDED" else None)
            zk_server.stop()
            assert disconnected.wait(30)
            zk_server.start()

        def test_e(own):
            connected = own.handler.event_object()
            own.add_listener(lambda state: connected.set() if state == "CONNECTED" else None)
            assert own.connected or connected.wait(30)

        late = factories.client(scope="module")
        """
    )
    pytester.runpytest_inprocess("--zk-leaks=fail").assert_outcomes(passed=5)


def test_the_scope_is_that_of_the_fixture_that_overrides(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef own(): ...")
    pytester.makepyfile(
        """
        import pytest
        from kazoo.client import KazooClient

        @pytest.fixture(scope="module")
        def own(zk_server):
            client = KazooClient(zk_server.hosts)
            client.start()
            yield client
            client.stop()
            client.close()

        def test_a(zk_client, own): ...
        def test_b(zk_client, own): ...
        """
    )
    pytester.runpytest_inprocess("--zk-leaks=fail").assert_outcomes(passed=2)


def test_nothing_grows(pytester: pytest.Pytester, on_this: str) -> None:
    """No thread and no descriptor is left, however many tests there were."""
    before = set(threading.enumerate())
    pytester.makepyfile(
        """
        import os, threading
        import pytest

        counts = []

        @pytest.mark.parametrize("number", range(30))
        def test_it(zk_dict, zk_simulation, number):
            counts.append((threading.active_count(), len(os.listdir("/dev/fd"))))

        def test_count():
            # The server may be about to close what the last client had.
            threads, descriptors = (now - then for then, now in zip(counts[2], counts[-1]))
            assert threads <= 1 and descriptors <= 4
        """
    )
    result = pytester.runpytest_inprocess(on_this)
    result.assert_outcomes(passed=31)
    assert set(threading.enumerate()) <= before


def test_faults_that_do_not_heal_are_told_of_where_they_were_made(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_fake, zk_faults, zk_client):
            def fail():
                del zk_fake.heal
                raise RuntimeError("planted")

            zk_fake.heal = fail

        def test_after(zk_client):
            zk_client.create("/a")
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", "RuntimeError: planted"])


def test_what_happens_to_a_server_between_two_tests_is_warned_of(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def stops_it(zk_server):
            zk_server.stop()

        def test_it(zk_client):
            assert zk_client.get_children("/") == []
        """
    )
    result = pytester.runpytest_inprocess("-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    told = "*ZooKeeperServerWarning: before this test, the fake server at * was stopped and not *"
    result.stdout.fnmatch_lines([told])
