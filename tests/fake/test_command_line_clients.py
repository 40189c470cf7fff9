"""The clients that come with ZooKeeper, Java's and C's, against ``zkfake serve`` and a live server.

Both servers have to bring about the same lines, so the live one vouches for what is expected here.
Without the clients the tests are skipped, or fail where the run requires the live server.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveUnavailableError, find_installation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JAVA_CLIENT = Path("/usr/share/zookeeper/bin/zkCli.sh")
JAVA_MAIN = "org.apache.zookeeper.ZooKeeperMain"
C_CLIENT = Path("/usr/lib/zookeeper/bin/cli_mt")
SETTINGS = {"extendedTypesEnabled": "true"}
LIMIT = 60.0


def unavailable(config: pytest.Config, what: str) -> None:
    """Skips the test, or fails it where the run wants everything there."""
    if config.getoption("--zk-require-live") or os.environ.get("ZK_REQUIRE_LIVE", "0") != "0":
        pytest.fail(f"{what}, and the run requires it", pytrace=False)
    pytest.skip(what)


def serve(*arguments: str) -> Iterator[str]:
    """The connect string of a ``zkfake serve`` process, which has to end well."""
    command = [sys.executable, "-m", "zkfake", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.terminate()
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()


@pytest.fixture
def hosts(zk_backend: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty server of the test's own."""
    if zk_backend == "fake":
        yield from serve(*(f"--set={name}={value}" for name, value in SETTINGS.items()))
    else:
        yield request.getfixturevalue("zk_server_factory")(SETTINGS).hosts


# -- Java's client


@pytest.fixture
def java_client(pytestconfig: pytest.Config) -> list[str]:
    """The command of ``zkCli.sh``, or of the class behind it where a home has none."""
    home = pytestconfig.getoption("--zk-home") or os.environ.get("ZOOKEEPER_HOME")
    script = Path(home, "bin", "zkCli.sh") if home else JAVA_CLIENT
    try:
        installation = find_installation(home)
    except LiveUnavailableError as error:
        unavailable(pytestconfig, f"Java's command-line client is not there: {error}")
    if script.exists():
        return [str(script)]
    return [installation.java, "-cp", os.pathsep.join(installation.class_path), JAVA_MAIN]


def converse(client: Sequence[str], hosts: str, commands: str) -> list[str]:
    """The lines that the Java client prints, with the times taken out."""
    done = subprocess.run(
        [*client, "-server", hosts],
        input=f"{commands}\nquit\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,  # 3.9 ends with 1, 3.8 with 0
    )
    said = re.sub(r"(?m)^([cm]time) = .*", r"\1 = <time>", done.stdout)
    said = re.sub(r"(?m)^(WatchedEvent .*?) zxid: -?\d+$", r"\1", said)
    return said.splitlines()


def stat(czxid: int, mzxid: int, version: int, aversion: int, length: int) -> list[str]:
    return [
        f"cZxid = {czxid:#x}",
        "ctime = <time>",
        f"mZxid = {mzxid:#x}",
        "mtime = <time>",
        f"pZxid = {czxid:#x}",
        "cversion = 0",
        f"dataVersion = {version}",
        f"aclVersion = {aversion}",
        "ephemeralOwner = 0x0",
        f"dataLength = {length}",
        "numChildren = 0",
    ]


#: Commands, in order, and the lines that each brings about. The session is zxid 1.
CONVERSATION: list[tuple[str, list[str]]] = [
    ("create /a hello", ["Created /a"]),
    ("ls /", ["[a, zookeeper]"]),
    ("stat /a", stat(2, 2, 0, 0, 5)),
    ("get -s /a", ["hello", *stat(2, 2, 0, 0, 5)]),
    ("set /a world", []),
    ("get -w /a", ["world"]),
    ("set /a third", ["WatchedEvent state:SyncConnected type:NodeDataChanged path:/a"]),
    ("set -v 7 /a never", ["version No is not valid : /a"]),
    ("getAcl /a", ["'world,'anyone", ": cdrwa"]),
    ("addauth digest u:p", []),
    ("setAcl /a auth:u:p:cdrwa", []),
    (
        "getAcl -s /a",
        ["'digest,'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=", ": cdrwa", *stat(2, 4, 2, 1, 5)],
    ),
    ("create -e /eph x", ["Created /eph"]),
    ("create -s /seq- x", ["Created /seq-0000000002"]),
    ("create -c /container", ["Created /container"]),
    ("create -t 100000 /ttl x", ["Created /ttl"]),
    ("create /eph/child x", ["Ephemerals cannot have children: /eph/child"]),
    ("create /nowhere/child x", ["Node does not exist: /nowhere/child"]),
    ("addWatch -m PERSISTENT /w", []),
    ("create /w 1", ["WatchedEvent state:SyncConnected type:NodeCreated path:/w"]),
    ("set /w 2", ["WatchedEvent state:SyncConnected type:NodeDataChanged path:/w"]),
    ("addWatch -m PERSISTENT_RECURSIVE /r", []),
    ("create /r 1", ["WatchedEvent state:SyncConnected type:NodeCreated path:/r"]),
    ("create /r/x 1", ["WatchedEvent state:SyncConnected type:NodeCreated path:/r/x"]),
    ("setquota -n 5 /r", []),
    (
        "listquota /r",
        [
            "Output quota for /r count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=-1",
            "Output stat for /r count=2,bytes=2",
        ],
    ),
    ("delquota -n /r", []),
    ("removewatches /w", ["WatchedEvent state:SyncConnected type:PersistentWatchRemoved path:/w"]),
    ("whoami", ["Auth scheme: User", "ip: 127.0.0.1", "digest: u"]),
    ("getAllChildrenNumber /", ["14"]),
    ("getEphemerals", ["[/eph]"]),
    ("sync /", ["Sync is OK"]),
    ("config", []),
    ("delete /r", ["Node not empty: /r"]),
    (
        "deleteall /r",
        [
            "WatchedEvent state:SyncConnected type:NodeDeleted path:/r/x",
            "WatchedEvent state:SyncConnected type:NodeDeleted path:/r",
        ],
    ),
    ("delete /a", []),
    ("ls /", ["[container, eph, seq-0000000002, ttl, w, zookeeper]"]),
]


def test_java_client(hosts: str, java_client: list[str]) -> None:
    said = converse(java_client, hosts, "\n".join(command for command, _ in CONVERSATION))
    expected = [line for _, lines in CONVERSATION for line in lines]
    missing = Counter(expected) - Counter(said)
    assert not missing, "\n".join(said)
    # Besides those that come of the connection itself, no event but the expected ones.
    events = [line for line in said if line.startswith("WatchedEvent") and "type:None" not in line]
    assert events == [line for line in expected if line.startswith("WatchedEvent")]


@pytest.mark.zk_backend("fake")
def test_java_client_on_an_ensemble(zk_backend: str, java_client: list[str]) -> None:
    for hosts in serve("--servers", "3"):
        assert hosts.count(",") == 2
        said = converse(java_client, hosts, "create /a 1\nget /a\nconfig")
    assert {"Created /a", "1", "version=0"} <= set(said), "\n".join(said)
    assert [line[:9] for line in said if line.startswith("server.")] == [
        "server.1=",
        "server.2=",
        "server.3=",
    ]


# -- C's client


class CClient:
    """A conversation with ``cli_mt``. It carries out commands in the background, so one waits."""

    def __init__(self, hosts: str) -> None:
        self._process = subprocess.Popen(
            [str(C_CLIENT), hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._said = ""

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def expect(self, pattern: str) -> None:
        """Waits for a match in what it prints, and passes over everything up to there."""
        assert self._process.stderr is not None
        output = self._process.stderr.fileno()
        deadline = time.monotonic() + LIMIT
        while not (match := re.search(pattern, self._said)):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([output], [], [], max(left, 0))
            data = os.read(output, 1 << 16) if ready else b""
            assert data, f"{pattern!r} did not come after {self._said!r}"
            self._said += data.decode()
        self._said = self._said[match.end() :]

    def __call__(self, command: str, *patterns: str) -> None:
        self._input.write(f"{command}\n".encode())
        for pattern in patterns:
            self.expect(pattern)

    def close(self) -> None:
        """Ends it well."""
        self._input.write(b"quit\n")
        self._process.communicate(timeout=LIMIT)
        assert self._process.returncode == 0

    def kill(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()
        self._process.communicate(timeout=LIMIT)


@pytest.fixture
def c_client(hosts: str, pytestconfig: pytest.Config) -> Iterator[CClient]:
    if not C_CLIENT.exists():
        unavailable(pytestconfig, f"C's client {C_CLIENT} is not there: apt install zookeeper-bin")
    client = CClient(hosts)
    yield client
    client.kill()


def test_c_client(c_client: CClient) -> None:
    c_client.expect(r"SESSION_EVENT state = CONNECTED_STATE")
    c_client("create /c", r"\[/c\]: rc = 0\n\tname = /c\n")
    c_client("create +e /c/eph", r"\[/c/eph\]: rc = 0\n\tname = /c/eph\n")
    c_client("create +s /c/seq-", r"rc = 0\n\tname = /c/seq-0000000001\n")
    c_client("create2 /d", r"\[/d\]: rc = 0\n\tname = /d\n\tctime = .*\n\tczxid=5\n")
    c_client("create +c /container", r"rc = 0\n\tname = /container\n")
    c_client("create +t=100000 /ttl", r"rc = 0\n\tname = /ttl\n")
    c_client("create /c", r"\[/c\]: rc = -110\n")
    c_client("set /c hello", r"/c: rc = 0", r"czxid=2\n.*\n\tmzxid=9\n\tversion=1\taversion=0\n")
    c_client("get /c", r"/c: rc = 0\n value_len = 5\nhello\nStat:\n", r"mzxid=9\n")
    c_client("ls /c", r"/c: rc = 0\n\teph\n\tseq-0000000001\n")
    c_client("ls2 /c", r"/c: rc = 0\n\teph\n\tseq-0000000001\n", r"czxid=2\n")
    c_client("wexists /c")
    c_client("set /c changed", r"Watcher CHANGED_EVENT .* for path /c\n", r"version=2")
    c_client("delete /c/eph", r"Watcher CHILD_EVENT .* for path /c\n", r"/c/eph: rc = 0\n")
    c_client("delete /c", r"/c: rc = -111\n")
    c_client("sync /c", r"\[/c\]: rc = 0\n\tname = /c\n")
    c_client("addauth digest u:p")
    c_client("config", r"/zookeeper/config: rc = 0\n value_len = 0\n", r"aversion=ffffffff\n")
    c_client("get /nowhere", r"/nowhere: rc = -101\n")
    c_client.close()
