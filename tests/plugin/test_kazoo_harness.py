"""``-p pytest_zkdict.kazoo_harness``: a project's own KazooTestHarness tests, on the fake."""

from __future__ import annotations

import importlib.util
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict import kazoo_harness
from pytest_zkdict.kazoo_harness import FakeCluster
from pytest_zkdict.live import four_letter_word
from zkfake._simulation.patching import supported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_zkdict.kazoo_harness import FakeClusterMember

PLUGIN = ("-p", "pytest_zkdict.kazoo_harness")

DOWNSTREAM = """
    import os
    import threading

    from kazoo.exceptions import NodeExistsError
    from kazoo.testing import KazooTestCase, KazooTestHarness


    class TestLeader(KazooTestHarness):
        def setUp(self):
            self.setup_zookeeper()

        def tearDown(self):
            self.teardown_zookeeper()

        def test_client_and_chroot(self):
            self.client.create("/a", b"1")
            with self.assertRaises(NodeExistsError):
                self.client.create("/a")
            assert self.client.get("/a")[0] == b"1"
            assert self.client.chroot.startswith("/kazootests")

        def test_other_test_sees_an_empty_chroot(self):
            assert self.client.get_children("/") == []

        def test_lost_connection_and_session(self):
            self.client.create("/e", ephemeral=True)
            self.lose_connection(threading.Event)
            assert self.client.exists("/e")
            session = self.client.client_id
            self.expire_session(threading.Event)
            assert self.client.client_id != session

        def test_members(self):
            client = self._get_client()
            client.start()
            client.create("/kept")
            assert [server.running for server in self.cluster] == [True, True, True]
            self.cluster[0].stop()
            assert not self.cluster[0].running
            assert client.retry(client.exists, "/kept")
            self.cluster[0].run()
            self.cluster[0].run()
            assert self.cluster[0].running

        def test_server_version(self):
            version = ".".join(map(str, self.client.server_version()))
            assert version == os.environ["ZOOKEEPER_VERSION"]


    class TestCase(KazooTestCase):
        def test_it(self):
            assert self.client.command(b"ruok") == "imok"
"""


def test_a_projects_tests_run_unchanged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(DOWNSTREAM)
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=6)


def test_under_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(DOWNSTREAM)
    pytester.runpytest_subprocess(*PLUGIN, "-n", "2").assert_outcomes(passed=6)


def test_a_conftest_can_name_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["pytest_zkdict.kazoo_harness"]')
    pytester.makepyfile(DOWNSTREAM)
    pytester.runpytest_subprocess("-k", "test_it").assert_outcomes(passed=1, deselected=5)


def test_the_environment_chooses_the_version(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(DOWNSTREAM)
    monkeypatch.setenv("ZOOKEEPER_VERSION", "3.8.0")
    result = pytester.runpytest_subprocess(*PLUGIN, "-k", "test_server_version")
    result.assert_outcomes(passed=1, deselected=5)
    monkeypatch.setenv("ZOOKEEPER_VERSION", "2.7.0")
    result = pytester.runpytest_subprocess(*PLUGIN, "-k", "test_server_version")
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(["*ValueError: version '2.7' is not known*"])


def test_nothing_stays_behind(pytester: pytest.Pytester) -> None:
    """Neither a patch nor a thread nor a port: the run is over."""
    pytester.makepyfile(DOWNSTREAM)
    program = """if True:
        import os, sys, threading, pytest
        os.environ.pop("ZOOKEEPER_VERSION", None)
        assert pytest.main(["-q", "-p", "pytest_zkdict.kazoo_harness", "-k", "Leader"]) == 0
        assert "ZOOKEEPER_VERSION" not in os.environ
        import kazoo.testing.harness
        assert kazoo.testing.harness.CLUSTER is None
        assert "zkfake" not in {thread.name for thread in threading.enumerate()}
    """
    said = pytester.run(sys.executable, "-c", program)
    assert said.ret == 0, said.stdout.str()


GONE = """
    import sys, types
    testing = sys.modules["kazoo.testing"] = types.ModuleType("kazoo.testing")
    testing.__path__ = []
    pytest_plugins = ["pytest_zkdict.kazoo_harness"]
"""
REBUILT = """
    import sys, types
    harness = sys.modules["kazoo.testing.harness"] = types.ModuleType("kazoo.testing.harness")
    harness.KazooTestHarness = harness.KazooTestCase = object
    pytest_plugins = ["pytest_zkdict.kazoo_harness"]
"""


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (GONE, "kazoo.testing.harness cannot be imported"),
        (REBUILT, "kazoo.testing.harness has no CLUSTER, ZookeeperCluster"),
    ],
    ids=["gone", "rebuilt"],
)
def test_a_kazoo_that_is_built_otherwise_is_refused(
    pytester: pytest.Pytester, plugin: str, said: str
) -> None:
    pytester.makepyfile(otherwise=plugin, test_it="def test_it(): pass")
    result = pytester.runpytest_subprocess("-p", "otherwise")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "ERROR: pytest_zkdict.kazoo_harness supports kazoo 2.8 to 2.11, not the installed one"
    result.stderr.fnmatch_lines([f"{text} (*): {said}*"])
    assert "Traceback" not in result.stderr.str()


def test_an_argument_that_no_supported_kazoo_gives_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"supports kazoo .*: it gives its cluster shape, size2"):
        FakeCluster(size2=3, shape="ring")


def test_harness_and_simulation_support_the_same() -> None:
    assert supported.SUPPORTED == kazoo_harness._SUPPORTED


# -- the cluster by itself


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    cluster = FakeCluster(configuration_entries=["4lw.commands.whitelist=*"])
    yield cluster
    cluster.terminate()


def accepts(server: FakeClusterMember) -> bool:
    try:
        socket.create_connection((server.host, server.client_port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_one_member_at_a_time(cluster: FakeCluster) -> None:
    first = cluster[0]
    address = first.address
    assert not any(server.running for server in cluster)
    assert not accepts(first)
    first.run()
    assert [server.running for server in cluster] == [True, False, False]
    assert accepts(first)
    cluster.start()
    assert all(server.running for server in cluster)
    first.stop()
    assert not accepts(first)
    assert first.address == address


def test_all_members_at_once(cluster: FakeCluster) -> None:
    cluster.start()
    assert all(map(accepts, cluster))
    cluster.stop()
    assert not any(server.running for server in cluster)
    assert not any(map(accepts, cluster))
    cluster.stop()  # without effect
    cluster.start()
    assert all(map(accepts, cluster))


def test_every_four_letter_word_is_answered(cluster: FakeCluster) -> None:
    cluster.start()
    assert four_letter_word(*_address(cluster[0]), "ruok") == "imok"


def test_what_stopped_members_know_comes_back_and_what_all_lost_does_not(
    cluster: FakeCluster,
) -> None:
    from kazoo.client import KazooClient

    def exists() -> bool:
        client = KazooClient(",".join(server.address for server in cluster))
        client.start()
        try:
            client.ensure_path("/a/b")
            return client.exists("/kept") is not None
        finally:
            client.ensure_path("/kept")
            client.stop()
            client.close()

    cluster.start()
    assert not exists()
    cluster.stop()
    cluster.start()
    assert exists()
    cluster[0].reset()
    cluster[0].run()
    assert exists()
    cluster[1].reset()
    cluster[2].destroy()
    cluster[1].run()
    cluster[2].run()
    assert exists()
    cluster.reset()
    cluster.start()
    assert not exists()
    cluster.terminate()
    cluster.start()
    assert not exists()


def test_a_stop_that_takes_the_quorum_returns_when_the_last_member_has_noticed() -> None:
    from kazoo.client import KazooClient

    cluster = FakeCluster(configuration_entries=["4lw.commands.whitelist=*", "tickTime=200"])
    try:
        cluster.start()
        cluster[2].stop()
        client = KazooClient(cluster[0].address)
        client.start()
        client.ensure_path("/in/the/logs/of/the/first/two/only")
        cluster[1].stop()
        cluster[2].run()
        client.retry(client.sync, "/")  # once there is a leader again: the one whose log is ahead
        assert "Mode: leader" in four_letter_word(*_address(cluster[0]), "srvr")
        client.stop()
        client.close()
        cluster[2].stop()
        assert "Mode: leader" not in four_letter_word(*_address(cluster[0]), "srvr")
    finally:
        cluster.terminate()


FRESH = """
    from kazoo.client import KazooClient
    from kazoo.testing import KazooTestCase

    class TestMembers(KazooTestCase):
        def test_a_write_is_everywhere_when_its_reply_is_there(self):
            members = [KazooClient(server.address) for server in self.cluster]
            for member in members:
                member.start()
            path = self.client.chroot
            stale = 0
            for n in range(60):
                data = b"%d" % n
                members[n % 3].set(path, data)
                for reply in [member.get_async(path) for member in members]:
                    stale += reply.get(timeout=30)[0] != data
            for member in members:
                member.stop()
                member.close()
            assert stale == 0
"""


def test_no_stale_reads_by_default(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FRESH)
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_members_can_take_their_time(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FRESH)
    slow = pytester.runpytest_subprocess(*PLUGIN, "-o", "kazoo_harness_latency=20")
    slow.assert_outcomes(failed=1)
    bad = pytester.runpytest_subprocess(*PLUGIN, "-o", "kazoo_harness_latency=soon")
    bad.stderr.fnmatch_lines(["*kazoo_harness_latency = soon: expected milliseconds, 0 or more*"])


def test_observers() -> None:
    cluster = FakeCluster(
        size=5, observer_start_id=4, configuration_entries=["4lw.commands.whitelist=*"]
    )
    cluster.start()
    try:
        assert [_mode(server) for server in cluster].count("observer") == 2
    finally:
        cluster.terminate()


def _mode(server: FakeClusterMember) -> str:
    return four_letter_word(*_address(server), "srvr").split("Mode: ")[1].split("\n")[0]


def _address(server: FakeClusterMember) -> tuple[str, int]:
    return server.host, server.client_port


def test_settings_come_from_every_place() -> None:
    settings = kazoo_harness._settings(
        ["reconfigEnabled=true", " localSessionsEnabled = false "],
        ["-Dzookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU="],
        'Server {\n org...DigestLoginModule required\n user_super="a b"\n user_jaas="c";\n};',
    )
    assert settings == {
        "tickTime": 2000,
        "maxClientCnxns": 0,
        "4lw.commands.whitelist": "*",
        "readonlymode.enabled": True,
        "reconfigEnabled": "true",
        "localSessionsEnabled": "false",
        "DigestAuthenticationProvider.superDigest": "super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
        "sasl.users": {"super": "a b", "jaas": "c"},
    }


def test_what_the_fake_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="snapCount"):
        FakeCluster(configuration_entries=["snapCount=5"]).start()
    with pytest.raises(ValueError, match="DigestLoginModule"):
        FakeCluster(
            jaas_config="Server { com.sun.security.auth.module.Krb5LoginModule required; };"
        )


@pytest.mark.skipif(
    importlib.util.find_spec("jks") is not None, reason="pyjks is installed: there is TLS"
)
def test_tls_without_the_packages_for_it(cluster: FakeCluster) -> None:
    with pytest.raises(RuntimeError, match="pyjks"):
        cluster.get_ssl_client_configuration()
    with pytest.raises(RuntimeError, match="pyjks"):
        _ = cluster[0].secure_address
