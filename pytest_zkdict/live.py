"""A real ZooKeeper server for the length of a test run, without a container.

The rules that live here:

- where a server is looked for: an explicit home, else ``ZOOKEEPER_HOME``, else Debian's package;
- what a test server is configured with: loopback only, a port and a data directory of its own,
  no fsync, every four-letter word, a short tick;
- when it counts as started: when it answers ``conf`` with *our* data directory, so neither a server
  that still loads nor another one on the same port is mistaken for it;
- that it ends with its owner. The server is the child of a small Python process, the supervisor,
  which reads a pipe from the owner. Anything arriving there, its end included, ends the server. The
  operating system closes the pipe however the owner dies, so this works everywhere Python does.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "Installation",
    "LiveStartError",
    "LiveUnavailableError",
    "LiveZooKeeper",
    "find_installation",
    "four_letter_word",
]

DEBIAN_JAR = Path("/usr/share/java/zookeeper.jar")
#: Debian's server has no logging backend on its class path; with this one its errors are seen.
DEBIAN_LOGGER = Path("/usr/share/java/slf4j-simple.jar")
DEBIAN_CONF = Path("/etc/zookeeper/conf")

#: Milliseconds. A test of expiry should be over soon, a test in a debugger should not expire.
TICK_TIME = 200
MAX_SESSION_TIMEOUT = 60_000

#: A test server lives for seconds: a quick start beats a fast steady state.
JVM_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Xmx512m",
)

_INSTALL = (
    "On Debian and Ubuntu: apt-get install zookeeper. Elsewhere: install a Java runtime, unpack a "
    "release from https://zookeeper.apache.org/releases.html and name its directory with --zk-home "
    "or ZOOKEEPER_HOME."
)

#: Run as ``python -c``. Arguments: the server's directory, then its command. One word ends it;
#: without a word the owner has died, and nobody else is there to remove the directory.
_SUPERVISOR = """
import shutil, signal, subprocess, sys, threading

directory, command = sys.argv[1], sys.argv[2:]
server = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=directory)
signal.signal(signal.SIGTERM, lambda *_: server.terminate())
orphaned = threading.Event()

def end_on_word():
    word = sys.stdin.readline().strip()
    if not word:
        orphaned.set()
    if word == "stop":
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            pass
    server.kill()

threading.Thread(target=end_on_word, daemon=True).start()
server.wait()
if orphaned.is_set():
    shutil.rmtree(directory, ignore_errors=True)
sys.exit(server.returncode & 255)
"""


class LiveUnavailableError(Exception):
    """This machine has no Java or no ZooKeeper server; the text says what to install."""


class LiveStartError(Exception):
    """The server did not start; the text carries the end of its output and its settings."""


@dataclass(frozen=True)
class Installation:
    """What it takes to run a server: the ``java`` command and the class path."""

    java: str
    class_path: tuple[str, ...]


def find_installation(home: str | os.PathLike[str] | None = None) -> Installation:
    """Find Java and a ZooKeeper server.

    ``home`` is an unpacked release (``lib/*.jar`` and ``conf``) or any directory with the server's
    jars; the default is ``$ZOOKEEPER_HOME``, then Debian's package. Java is ``$JAVA_HOME``'s,
    then the ``java`` of the ``PATH``. Costs a few directory look-ups.

    Raises `LiveUnavailableError` when Java or the server is not installed, `ValueError` when a home
    was named and holds no server.
    """
    return Installation(java=_find_java(), class_path=_find_class_path(home))


def _find_java() -> str:
    java_home = os.environ.get("JAVA_HOME")
    if java_home:
        found = shutil.which("java", path=os.path.join(java_home, "bin"))
        if found:
            return found
    found = shutil.which("java")
    if found is None:
        raise LiveUnavailableError(
            f"a live ZooKeeper needs Java, and there is none here. {_INSTALL}"
        )
    return found


def _find_class_path(home: str | os.PathLike[str] | None) -> tuple[str, ...]:
    named = os.fspath(home) if home is not None else os.environ.get("ZOOKEEPER_HOME")
    if named:
        return _class_path_of_home(Path(named))
    if DEBIAN_JAR.exists():
        # The jar's manifest names the rest of its class path.
        entries = [DEBIAN_CONF, DEBIAN_JAR, DEBIAN_LOGGER]
        return tuple(str(entry) for entry in entries if entry.exists())
    raise LiveUnavailableError(f"there is no ZooKeeper server here. {_INSTALL}")


def _class_path_of_home(home: Path) -> tuple[str, ...]:
    # 3.5 and later keep every jar in lib, 3.4 its own one level above; Homebrew nests in libexec.
    for base in (home, home / "libexec"):
        folders = [folder for folder in (base, base / "lib") if any(folder.glob("*.jar"))]
        if any(_is_server_jar(jar.name) for folder in folders for jar in folder.glob("*.jar")):
            conf = [str(base / "conf")] if (base / "conf").is_dir() else []
            return (*conf, *(str(folder / "*") for folder in folders))
    raise ValueError(
        f"no ZooKeeper server in {str(home)!r} (named by --zk-home or ZOOKEEPER_HOME): expected "
        f"zookeeper-<version>.jar in the directory itself or in its lib"
    )


def _is_server_jar(name: str) -> bool:
    return re.fullmatch(r"zookeeper(-\d[\w.-]*)?\.jar", name) is not None


def four_letter_word(host: str, port: int, word: str, timeout: float = 5.0) -> str:
    """Send one of ZooKeeper's four-letter words and return the answer; one connection.

    ``timeout`` is in seconds. Raises `OSError` when nobody accepts or the server hangs up half way.
    """
    with socket.create_connection((host, port), timeout=timeout) as connection:
        connection.sendall(word.encode("ascii"))
        answer = bytearray()
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode("utf-8", "replace")


def free_port() -> int:
    """A TCP port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveZooKeeper:
    """One real ZooKeeper server on a free port of loopback, with a data directory of its own.

    A context manager: entering starts the server, leaving ends it and removes its directory::

        with LiveZooKeeper() as server:
            client = KazooClient(server.hosts)

    ``home``: where the server is (see `find_installation`). ``tick_time`` is ZooKeeper's
    ``tickTime`` in milliseconds; sessions get from twice that up to a minute (ZooKeeper's own limit
    is twenty times that). ``settings`` are further settings by ZooKeeper's own names, the lines of
    ``zoo.cfg``; ``jute.maxbuffer`` is understood too. ``properties`` are Java system properties,
    without ``-D``. ``jvm_options`` replaces the options for a quick start. ``start_timeout`` is in
    seconds.

    A start costs about half a second. The server ends with this process, even with a killed one.

    Raises `LiveUnavailableError` (nothing to run) and `ValueError` (a home without a server, a
    setting that the launcher itself decides); `start` raises `LiveStartError`.
    """

    backend: Literal["live"] = "live"

    _MAIN_CLASS = "org.apache.zookeeper.server.ZooKeeperServerMain"
    _OWN_SETTINGS = frozenset({"clientPort", "clientPortAddress", "dataDir"})

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        tick_time: int = TICK_TIME,
        settings: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        jvm_options: Sequence[str] = JVM_OPTIONS,
        start_timeout: float = 60.0,
    ) -> None:
        own = self._OWN_SETTINGS.intersection(settings or {})
        if own:
            raise ValueError(
                f"LiveZooKeeper decides these settings itself: {', '.join(sorted(own))}"
            )
        self._installation = find_installation(home)
        given = dict(settings or {})
        # Of all settings only these can't stand in zoo.cfg, where they'd get a prefix.
        jute = {name: given.pop(name) for name in list(given) if name.startswith("jute.")}
        self._settings: dict[str, object] = {
            "tickTime": tick_time,
            "maxSessionTimeout": MAX_SESSION_TIMEOUT,
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "*",
            "admin.enableServer": False,
            "forceSync": "no",
            **given,
        }
        self._properties: dict[str, object] = {
            "zookeeper.extendedTypesEnabled": True,
            "org.slf4j.simpleLogger.defaultLogLevel": "error",
            **jute,
            **(properties or {}),
        }
        self._jvm_options = tuple(jvm_options)
        self._start_timeout = start_timeout
        self._port: int | None = None
        self._directory: Path | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._ender: (
            weakref.finalize[[Path, subprocess.Popen[bytes] | None, int], LiveZooKeeper] | None
        ) = None

    # -- what tests ask

    @property
    def hosts(self) -> str:
        """The connect string, e.g. ``"127.0.0.1:40001"``; the same again after a restart."""
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        if self._port is None:
            raise RuntimeError("the server has not been started")
        return self._port

    @property
    def tick_time(self) -> int:
        """ZooKeeper's ``tickTime``, in milliseconds."""
        return int(str(self._settings["tickTime"]))

    @property
    def min_session_timeout(self) -> float:
        """The shortest session timeout that the server grants, in seconds."""
        return int(str(self._settings.get("minSessionTimeout", 2 * self.tick_time))) / 1000

    @property
    def version(self) -> str:
        """The server's version, e.g. ``"3.8.0"``; asks the server (one connection)."""
        answer = four_letter_word("127.0.0.1", self.port, "srvr")
        found = re.search(r"version: (\d+(?:\.\d+)+)", answer)
        if found is None:
            raise RuntimeError(f"the server does not tell its version: {answer!r}")
        return found[1]

    @property
    def running(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    @property
    def log(self) -> str:
        """What the server has written to its output so far."""
        if self._directory is None:
            return ""
        return (self._directory / "server.log").read_text("utf-8", "replace")

    # -- its life

    def start(self) -> None:
        """Start the server and wait until it serves; after `stop`, on the same port and data.

        Does nothing when it runs. Raises `LiveStartError`.
        """
        if self.running:
            return
        deadline = time.monotonic() + self._start_timeout
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="zookeeper-"))
            self._arm(None)
        if self._port is not None:
            if not self._launch(self._directory, self._port, deadline):
                raise LiveStartError(f"port {self._port} was taken while the server was stopped")
            return
        # A free port is only known to have been free: somebody may be quicker than the JVM.
        for _ in range(20):
            port = free_port()
            if self._launch(self._directory, port, deadline):
                self._port = port
                return
        raise LiveStartError("20 free ports in a row were taken before the server could listen")

    def stop(self, *, kill: bool = False) -> None:
        """End the server and keep its data; its sessions go on when it is started again.

        ``kill``: at once, as a crash does. Does nothing when it does not run.
        """
        if self._supervisor is not None:
            _end(self._supervisor, b"kill" if kill else b"stop")
            self._supervisor = None
            self._arm(None)

    def close(self) -> None:
        """End the server and remove its data; started again, it is a new one. Idempotent."""
        if self._ender is not None:
            self._ender()
        self._ender = None
        self._supervisor = None
        self._directory = None
        self._port = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<LiveZooKeeper {'' if self._port is None else self.hosts + ' '}{state}>"

    # -- how

    def _launch(self, directory: Path, port: int, deadline: float) -> bool:
        """True: it serves. False: the port belongs to somebody else."""
        self._spawn(directory, port)
        return self._is_up(directory, port, deadline)

    def _is_up(self, directory: Path, port: int, deadline: float) -> bool:
        """Waits until the process that was started serves; as `_launch`."""
        supervisor = self._supervisor
        assert supervisor is not None
        while True:
            serving = _data_directory(port)
            # Without `conf` on its whitelist (a caller's choice) the server can only be believed.
            if serving == directory / "data" or serving == "unknown":
                return True
            taken = serving is not None
            ended = False
            try:
                # The pause between two questions, which the end of the server cuts short.
                supervisor.wait(0.02)
                ended = True
            except subprocess.TimeoutExpired:
                pass
            if taken or (ended and _is_taken(port)):
                self.stop(kill=True)
                return False
            if ended or time.monotonic() > deadline:
                text = self.log.strip()[-4000:]
                self.stop(kill=True)
                if "Unable to locate a Java Runtime" in text:  # macOS's placeholder for java
                    raise LiveUnavailableError(f"a live ZooKeeper needs Java. {_INSTALL}")
                happened = "ended at once" if ended else f"was not up in {self._start_timeout:g} s"
                config = (directory / "zoo.cfg").read_text("utf-8")
                raise LiveStartError(
                    f"the ZooKeeper server {happened}. Its output:\n{text}\nIts settings:\n{config}"
                )

    def _spawn(self, directory: Path, port: int) -> None:
        """Starts the process, and does not wait for it."""
        settings = {
            **self._settings,
            "dataDir": directory / "data",
            "clientPort": port,
            "clientPortAddress": "127.0.0.1",
        }
        # zoo.cfg is a Java properties file, where a backslash escapes.
        config = "".join(f"{name}={_as_text(value)}\n" for name, value in settings.items())
        config = config.replace("\\", "\\\\")
        (directory / "zoo.cfg").write_text(config, "utf-8")
        command = [
            self._installation.java,
            *self._jvm_options,
            *(f"-D{name}={_as_text(value)}" for name, value in self._properties.items()),
            "-cp",
            os.pathsep.join(self._installation.class_path),
            self._MAIN_CLASS,
            str(directory / "zoo.cfg"),
        ]
        with open(directory / "server.log", "wb") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SUPERVISOR, str(directory), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                bufsize=0,
                # Ctrl-C in a terminal goes to the whole group; tests need the server to clean up.
                start_new_session=True,
            )
        self._supervisor = supervisor
        self._arm(supervisor)

    def _arm(self, supervisor: subprocess.Popen[bytes] | None) -> None:
        """Tie the server and its directory to the life of this object and the interpreter."""
        if self._ender is not None:
            self._ender.detach()
        assert self._directory is not None
        self._ender = weakref.finalize(
            self, _end_and_remove, self._directory, supervisor, os.getpid()
        )


def _as_text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"a setting is one line, not {text!r}")
    return text


def _data_directory(port: int) -> Path | Literal["unknown"] | None:
    """The data directory of the server on this port; None while nobody serves there."""
    try:
        # A short wait: 3.9 drops the word, but not the connection, of who asks while it loads.
        answer = four_letter_word("127.0.0.1", port, "conf", timeout=0.5)
        if "not in the whitelist" in answer:
            answer = four_letter_word("127.0.0.1", port, "srvr", timeout=0.5)
            return None if "not currently serving" in answer else "unknown"
    except OSError:
        return None
    found = re.search(r"^dataDir=(.*)$", answer, re.MULTILINE)
    # ZooKeeper names the directory of its format's version, within the one it was told.
    return Path(found[1].strip()).parent if found else None


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the server itself binds, or the remains of its own connections would count.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _end(supervisor: subprocess.Popen[bytes], word: bytes) -> None:
    assert supervisor.stdin is not None
    with contextlib.suppress(OSError):  # it may have ended before
        # A word, not only the end of the pipe: a forked child of ours may hold the pipe open.
        supervisor.stdin.write(word + b"\n")
    supervisor.stdin.close()
    try:
        supervisor.wait(20)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _end_and_remove(
    directory: Path, supervisor: subprocess.Popen[bytes] | None, owner: int
) -> None:
    if os.getpid() != owner:
        return  # a forked child: the server is its parent's
    if supervisor is not None:
        _end(supervisor, b"kill")
    shutil.rmtree(directory, ignore_errors=True)
