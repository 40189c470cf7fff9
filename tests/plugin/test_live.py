"""A real server, started and ended from Python."""

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss

from pytest_zkdict.live import (
    LiveMember,
    LiveStartError,
    LiveZooKeeper,
    find_installation,
    four_letter_word,
)
from pytest_zkdict.live import _ports as module
from pytest_zkdict.live._words import is_whole

Live = Callable[..., LiveZooKeeper]

pytestmark = pytest.mark.zk_backend("live")


@contextmanager
def client_of(hosts: str, timeout: float = 10.0) -> Iterator[KazooClient]:
    client = KazooClient(hosts, timeout=timeout)
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()


def directory_of(server: LiveZooKeeper) -> Path:
    answer = four_letter_word("127.0.0.1", server.port, "conf")
    line = next(line for line in answer.splitlines() if line.startswith("dataDir="))
    return Path(line.partition("=")[2]).parent.parent


def nobody_at(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:
        pass  # it is just going
    return False


def test_it_serves_inside_and_is_gone_outside(live: Live) -> None:
    with live() as server:
        assert server.running
        assert server.hosts == f"127.0.0.1:{server.port}"
        assert four_letter_word("127.0.0.1", server.port, "ruok") == "imok"
        port, directory = server.port, directory_of(server)
        with client_of(server.hosts) as client:
            assert client.create("/a") == "/a"
            assert ".".join(map(str, client.server_version())) == server.version
    assert not server.running
    assert nobody_at(port)
    assert not directory.exists()


def test_it_serves_on_loopback_only(live: Live) -> None:
    with live() as server:
        assert f"clientPort={server.port}" in four_letter_word("127.0.0.1", server.port, "conf")
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
        for address in others - {"127.0.0.1", "127.0.1.1", "::1"}:
            with pytest.raises(OSError, match=r"."):
                socket.create_connection((str(address), server.port), timeout=5)


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_a_restarted_server_has_its_port_data_and_sessions(live: Live, kill: bool) -> None:
    # A session that outlives the slowest restart, and a client that finds its way back: a server
    # of 3.8 that starts may take a connection and never read from it, and kazoo waits for the
    # session's timeout divided by the hosts it knows.
    with live(settings={"maxSessionTimeout": 120_000}) as server, ExitStack() as exits:
        client = exits.enter_context(client_of(",".join([server.hosts] * 30), timeout=120.0))
        client.create("/a", b"kept")
        client.create("/e", ephemeral=True)
        hosts, session = server.hosts, client.client_id
        server.stop(kill=kill)
        server.stop()
        assert not server.running
        assert nobody_at(server.port)
        server.start()
        server.start()
        assert server.hosts == hosts
        assert client.retry(client.get, "/a")[0] == b"kept"
        assert client.client_id == session
        assert client.exists("/e").ephemeralOwner == session[0]


def test_a_closed_server_starts_anew(live: Live) -> None:
    server = live()
    for _ in range(2):
        with server, client_of(server.hosts) as client:
            assert client.get_children("/") == ["zookeeper"]
            client.create("/a")
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = server.hosts


def test_settings_and_properties_reach_the_server(live: Live) -> None:
    settings = {"maxSessionTimeout": 12345, "snapCount": 77, "jute.maxbuffer": 4321}
    with live(tick_time=321, settings=settings, properties={"some.name": "a b\\c"}) as server:
        configuration = four_letter_word("127.0.0.1", server.port, "conf").splitlines()
        environment = four_letter_word("127.0.0.1", server.port, "envi")
        monitored = four_letter_word("127.0.0.1", server.port, "mntr")
        for line in ("tickTime=321", "minSessionTimeout=642", "maxSessionTimeout=12345"):
            assert line in configuration
        assert (server.tick_time, server.min_session_timeout) == (321, 0.642)
        assert "maxClientCnxns=0" in configuration
        assert "zookeeper.version=" + server.version in environment
        assert "zk_version" in monitored
        with client_of(server.hosts) as client:
            client.create("/ttl", b"x" * 4000)
            with pytest.raises(ConnectionLoss):
                client.create("/large", b"x" * 5000)


@pytest.mark.parametrize("name", ["clientPort", "dataDir", "clientPortAddress"])
def test_what_the_launcher_decides_itself_is_refused(live: Live, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        live(settings={name: "1"})


def test_a_setting_is_one_line(live: Live) -> None:
    with pytest.raises(ValueError, match=r"^a = .*: expected one line$"):
        live(settings={"a": "1\nclientPort=1"}).start()


def test_users_that_are_no_mapping_are_told_as_by_the_fake(live: Live) -> None:
    with pytest.raises(ValueError, match=r"^sasl\.users = 'bob': expected a mapping from user"):
        live(settings={"sasl.users": "bob"})


def test_a_bad_setting_is_told_with_the_servers_own_words(live: Live) -> None:
    server = live(settings={"initLimit": 5, "tickTime": "quick"})
    with pytest.raises(LiveStartError, match=r"(?s)ended at once.*tickTime=quick"):
        server.start()
    assert not server.running
    server.close()


def test_ports_are_drawn_from_those_that_nobody_is_given() -> None:
    """And every process draws others, though Hypothesis seeds them alike."""
    random.seed(1)
    first = module.free_ports(20)
    random.seed(1)
    second = module.free_ports(20)
    assert first != second
    assert all(10_000 <= port < 30_000 for port in first + second)


def test_no_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(module, "_PORTS", range(number, number + 1))
        text = (
            rf"no free TCP port on 127\.0\.0\.1: 1000 were tried, from {number} to {number}, .*use"
        )
        with pytest.raises(OSError, match=text):
            module.free_port()


def test_a_port_that_somebody_took_is_left_for_another(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken by anybody, by a ZooKeeper even: its answers are not taken for the new server's."""
    with live() as first, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [first.port, other.getsockname()[1]]
        remaining, draw = iter(ports), module.free_port
        monkeypatch.setattr(module, "free_port", lambda: next(remaining, None) or draw())
        # The bare listener never answers: only the new server's end tells that its port was taken.
        with live() as second:
            assert second.port not in ports
            assert not [*remaining]
            assert directory_of(second) != directory_of(first)
        assert first.running


def test_a_whitelist_without_conf_is_the_callers_choice(live: Live) -> None:
    with live(settings={"4lw.commands.whitelist": "ruok, srvr"}) as server:
        assert server.version.count(".") == 2


def test_two_side_by_side(live: Live) -> None:
    with (
        live() as one,
        live() as two,
        client_of(one.hosts) as client,
        client_of(two.hosts) as other,
    ):
        client.create("/a")
        assert other.exists("/a") is None


def test_no_thread_of_ours_is_needed(live: Live) -> None:
    before = set(threading.enumerate())
    with live():
        assert set(threading.enumerate()) == before


def test_a_directory_of_jars_is_a_home_too(live: Live, tmp_path: Path) -> None:
    """The class path that is used anyhow, laid out as a release and as a plain directory."""
    jars: set[Path] = set()
    for path in map(Path, find_installation().class_path):
        jars.update(path.parent.glob("*.jar") if path.name == "*" else [path])
    jars = {jar for jar in jars if jar.suffix == ".jar"}
    for folder in (tmp_path / "plain", tmp_path / "release" / "lib"):
        folder.mkdir(parents=True)
        for jar in jars:
            (folder / jar.name).symlink_to(jar)
    (tmp_path / "release" / "conf").mkdir()
    plain = find_installation(tmp_path / "plain")
    assert plain.class_path == (str(tmp_path / "plain" / "*"),)
    release = find_installation(tmp_path / "release")
    assert release.class_path == (
        str(tmp_path / "release" / "conf"),
        str(tmp_path / "release" / "lib" / "*"),
    )


OWNER = """
import sys
from pytest_zkdict.live import LiveZooKeeper, four_letter_word
server = LiveZooKeeper()
server.start()
print(server.port, flush=True)
print(server.members[0]._directory, flush=True)
{then}
"""


def start_owner(then: str) -> tuple["subprocess.Popen[str]", int, Path]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline()), Path(owner.stdout.readline().strip())


def wait_for_the_end(port: int, connection: socket.socket, directory: Path) -> None:
    """Returns when the server is gone, and fails when it stays."""
    connection.settimeout(30)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    # The rest of it goes right after its connections.
    deadline = time.monotonic() + 30
    while not nobody_at(port) or directory.exists():
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("then", "word"),
    [
        ("sys.stdin.read()", signal.SIGKILL),
        ("sys.stdin.read()", signal.SIGTERM),
        ("sys.stdin.read()", signal.SIGINT),
        ("sys.stdin.read()", None),
        ("sys.stdin.read(); raise RuntimeError('on purpose')", None),
        ("sys.stdin.read(); import os; os._exit(3)", None),
        ("import os\nif os.fork() == 0: sys.exit()\nos.wait(); sys.stdin.read()", signal.SIGKILL),
    ],
    ids=["SIGKILL", "SIGTERM", "SIGINT", "end", "exception", "_exit", "forked child"],
)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_the_server_ends_with_its_owner(live: Live, then: str, word: signal.Signals | None) -> None:
    owner, port, directory = start_owner(then)
    with owner, socket.create_connection(("127.0.0.1", port)) as connection:
        assert directory.exists()
        if word is not None:
            owner.send_signal(word)
        assert owner.stdin is not None
        owner.stdin.close()
        wait_for_the_end(port, connection, directory)


def test_a_garbage_collected_server_ends(live: Live) -> None:
    server = live()
    server.start()
    port, directory = server.port, directory_of(server)
    del server
    assert nobody_at(port)
    assert not directory.exists()


@contextmanager
def member_of(command: str) -> Iterator[LiveMember]:
    """A member that runs this Python program in the place of a server."""
    member = LiveMember(
        1,
        module.free_port(),
        command=(sys.executable, "-c", command),
        settings={},
        others=(),
        start_timeout=10,
    )
    try:
        yield member
    finally:
        member.close()


def test_the_process_of_a_server_that_is_just_starting_is_known() -> None:
    """It is that of this start: another program may have the number of the one before."""
    with member_of("import time; time.sleep(60)") as member:
        member.start(wait=False)
        before = member.pid
        member.stop(kill=True)
        member.start(wait=False)
        assert member.pid != before
        assert member.running
    with pytest.raises(RuntimeError, match="does not run"):
        member.pid  # noqa: B018


class FailedProxy:
    """One that has a failure to tell of."""

    def stop(self) -> None:
        raise RuntimeError("an action of server.faults.upon() failed")


def test_servers_end_though_the_action_of_a_fault_had_failed() -> None:
    with member_of("import time; time.sleep(60)") as member:
        member.start(wait=False)
        server = LiveZooKeeper.__new__(LiveZooKeeper)  # nothing is installed for this test
        server._members = (member,)
        server._proxy = FailedProxy()  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match="an action"):
            server.close()
        assert not member.running


def test_a_leader_that_ends_as_it_is_asked_leads_no_whole_ensemble() -> None:
    leader: Any = SimpleNamespace(mode="leader", port=module.free_port())
    follower: Any = SimpleNamespace(mode="follower", port=leader.port)
    assert not is_whole([leader, follower])


def test_a_killed_pytest_run_leaves_no_server(
    live: Live, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    pytester.makepyfile(
        """
        import sys
        from pytest_zkdict.live import four_letter_word

        def test_it(zk_client, zk_server, capsys):
            with capsys.disabled():
                print("\\nport", zk_server.port, flush=True)
                print("directory", zk_server.members[0]._directory, flush=True)
            sys.__stdin__.read()
        """
    )
    with pytester.popen(
        [sys.executable, "-m", "pytest", "--zk-backend=live", "-s", "-p", "no:cacheprovider"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        said = {}
        while "directory" not in said:
            line = run.stdout.readline()
            assert line, "the run ended before its test began"
            name, _, value = line.strip().partition(" ")
            said[name] = value
        port = int(said["port"])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            run.kill()
            wait_for_the_end(port, connection, Path(said["directory"]))
