"""One ZooKeeper server in a JVM of its own: a member of a `pytest_zkdict.live.LiveZooKeeper`.

The rules that live here:

- when a server counts as started: when it answers ``conf`` with *our* data directory, so neither a
  server that still loads nor another one on the same port is mistaken for it;
- that it ends with its owner. The server is the child of a small Python process, the supervisor,
  which reads a pipe from the owner. Anything arriving there, its end included, ends the server. The
  operating system closes the pipe however the owner dies, so this works everywhere Python does.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_zkdict.live._installation import INSTALL, LiveUnavailableError
from pytest_zkdict.live._words import four_letter_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Run as ``python -c``. Arguments: the server's directory, then its command. One word ends it;
#: without a word the owner has died, and nobody else is there to remove the directory.
_SUPERVISOR = """
import os, shutil, signal, subprocess, sys, threading

directory, command = sys.argv[1], sys.argv[2:]
server = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=directory)
with open(os.path.join(directory, "pid"), "w") as file:
    file.write(str(server.pid) + "\\n")
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
status = server.returncode
sys.exit(status & 255 if status >= 0 else 128 - status)
"""


class LiveStartError(Exception):
    """A server did not start, or servers found no leader. The text says what happened; where a
    server ended or was too slow, it has the end of its output and its settings.
    """


class LiveMember:
    """One server of a `pytest_zkdict.live.LiveZooKeeper`, which makes it: see its ``members``.

    ``id`` is its number in the ensemble, from 1. It keeps its ``port`` and its data while it is
    stopped. Programs do not make one.
    """

    def __init__(
        self,
        number: int,
        port: int,
        *,
        command: Sequence[str],
        settings: Mapping[str, object],
        others: Sequence[int],
        start_timeout: float,
        jaas: str | None = None,
    ) -> None:
        """``command`` lacks the settings' file. ``others``: its ports within the ensemble.
        ``jaas``: the text of a JAAS file.
        """
        self.id = number
        self.port = port
        self._command = tuple(command)
        self._settings = settings
        self._others = tuple(others)
        self._start_timeout = start_timeout
        self._jaas = jaas
        self.proxied_hosts: str | None = None
        """``host:port`` of the proxy in front of it."""
        self._closed = False
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._directory = Path(tempfile.mkdtemp(prefix="zookeeper-"))
        self._ender: weakref.finalize[[Path, subprocess.Popen[bytes] | None, int], LiveMember]
        self._ender = weakref.finalize(self, _end_and_remove, self._directory, None, os.getpid())
        (self._directory / "server.log").touch()
        self._write_settings()

    # -- what tests ask

    @property
    def hosts(self) -> str:
        """``host:port``, for a client's connect string: of the proxy while there is one."""
        return self.proxied_hosts or self.direct_hosts

    @property
    def direct_hosts(self) -> str:
        """``host:port`` of the server itself, past a proxy."""
        return f"127.0.0.1:{self.port}"

    def specification(self, role: Literal["participant", "observer"] = "participant") -> str:
        """The text for a reconfiguration that makes it a member in this role: ``server.<id>=...``.
        The addresses are those that it was made with. Raises `KeyError` for a standalone server.
        """
        servers, client = str(self._settings[f"server.{self.id}"]).split(";")
        return f"server.{self.id}={servers.rpartition(':')[0]}:{role};{client}"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._supervisor is not None and self._supervisor.poll() is None

    @property
    def pid(self) -> int:
        """The number of its process. Raises `RuntimeError` unless it runs."""
        while self.running:
            with contextlib.suppress(FileNotFoundError):
                text = (self._directory / "pid").read_text("utf-8")
                if text.endswith("\n"):  # it is written whole
                    return int(text)
            time.sleep(0.001)  # the supervisor has just begun
        raise RuntimeError("the server does not run")

    @property
    def exit_status(self) -> int | None:
        """The status that its process ended with, 128 and more for a signal (137: ``kill -9``).

        None while it runs, and after `stop`.
        """
        return None if self._supervisor is None else self._supervisor.poll()

    @property
    def mode(self) -> str | None:
        """What it is in its ensemble, as ``srvr`` prints it: ``"standalone"``, ``"leader"``,
        ``"follower"``, ``"observer"``, ``"read-only"``; ``None`` while it serves nobody. Asks the
        server (one connection).
        """
        try:
            answer = four_letter_word("127.0.0.1", self.port, "srvr")
        except OSError:
            return None
        found = re.search(r"^Mode: (.*)$", answer, re.MULTILINE)
        return found[1] if found else None

    @property
    def log(self) -> str:
        """What the server has written to its output so far, over all its starts; empty after
        `close`.
        """
        try:
            return (self._directory / "server.log").read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""  # closed

    # -- its life

    def start(self, *, wait: bool = True) -> None:
        """Start the server on its port and data. Does nothing when it runs. Takes about half a
        second.

        ``wait``: whether to wait until it serves, which in an ensemble takes a quorum.

        Raises `LiveStartError` if it does not serve within ``start_timeout`` seconds, or if another
        program has taken one of its ports, `LiveUnavailableError` if the ``java`` command only says
        that Java is missing (macOS), and `RuntimeError` once the whole `LiveZooKeeper` was closed.
        """
        if self._closed:
            raise RuntimeError("this server's LiveZooKeeper was closed: start() the LiveZooKeeper")
        if not self.running:
            self.stop()  # what is left of one that ended by itself
            self._spawn()
            if wait and not self.wait():
                raise port_taken(self)

    def stop(self, *, kill: bool = False) -> None:
        """End the server and keep its data. ``kill``: at once, as a crash does. Otherwise it has
        five seconds to end by itself, and is killed then.

        Does nothing when it does not run.
        """
        if self._supervisor is not None:
            _end(self._supervisor, b"kill" if kill else b"stop")
            self._supervisor = None
            self._arm(None)

    def pause(self) -> None:
        """Stop its process where it stands (SIGSTOP): its connections stay open. Its threads stop
        one after the other, so a request that is on its way may still be carried out.

        Raises `RuntimeError` unless it runs, and on a system without SIGSTOP.
        """
        if not hasattr(signal, "SIGSTOP"):
            raise RuntimeError("pausing a server needs SIGSTOP, which this system does not have")
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let its process go on after `pause`. Does nothing when it does not run."""
        if self.running:
            os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> bool:
        """Wait until it serves. Ends it and returns ``False`` if another program has one of its
        ports.

        Raises `LiveStartError` if it ended by itself, or did not serve within ``start_timeout``
        seconds, and is ended then; `LiveUnavailableError` as `start` does; `RuntimeError` if it was
        not started.
        """
        supervisor = self._supervisor
        if supervisor is None:
            raise RuntimeError("the server has not been started")
        deadline = time.monotonic() + self._start_timeout
        while True:
            serving = _data_directory(self.port)
            # Without `conf` on its whitelist (a caller's choice) the server can only be believed.
            if serving == self._directory / "data" or serving == "unknown":
                return True
            taken = serving is not None
            ended = False
            try:
                # The pause between two questions, which the end of the server cuts short.
                supervisor.wait(0.02)
                ended = True
            except subprocess.TimeoutExpired:
                pass
            if taken or (ended and any(map(_is_taken, (self.port, *self._others)))):
                self.stop(kill=True)
                return False
            if ended or time.monotonic() > deadline:
                self.stop(kill=True)
                raise self._start_error(ended)

    def close(self) -> None:
        """End the server for good and remove its data. Does nothing the second time."""
        self._closed = True
        self._supervisor = None
        self._ender()

    # -- how

    def _start_error(self, ended: bool) -> Exception:
        text = self.log.strip()[-4000:]
        if "Unable to locate a Java Runtime" in text:  # macOS's placeholder for java
            return LiveUnavailableError(f"a live ZooKeeper needs Java. {INSTALL}")
        happened = "ended at once" if ended else f"was not up in {self._start_timeout:g} s"
        config = (self._directory / "zoo.cfg").read_text("utf-8")
        return LiveStartError(
            f"the ZooKeeper server {happened}. Its output:\n{text}\nIts settings:\n{config}"
        )

    def _write_settings(self) -> None:
        data = self._directory / "data"
        data.mkdir()
        (data / "myid").write_text(f"{self.id}\n", "utf-8")
        settings = {
            **self._settings,
            "dataDir": data,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
        }
        # zoo.cfg is a Java properties file, where a backslash escapes.
        config = "".join(f"{name}={as_text(value, name)}\n" for name, value in settings.items())
        config = config.replace("\\", "\\\\")
        if self._jaas is not None:
            (self._directory / "jaas.conf").write_text(self._jaas, "utf-8")
        # Once: a reconfigured server changes its own file.
        (self._directory / "zoo.cfg").write_text(config, "utf-8")

    def _spawn(self) -> None:
        """Starts the process, and does not wait for it."""
        directory = self._directory
        (directory / "pid").unlink(missing_ok=True)  # of the process before
        java, *arguments = self._command
        if self._jaas is not None:
            arguments.insert(0, f"-Djava.security.auth.login.config={directory / 'jaas.conf'}")
        command = [java, *arguments, str(directory / "zoo.cfg")]
        with open(directory / "server.log", "ab") as log:
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
        self._ender.detach()
        self._ender = weakref.finalize(
            self, _end_and_remove, self._directory, supervisor, os.getpid()
        )

    def __repr__(self) -> str:
        return f"<LiveMember {self.id} {self.hosts} {'running' if self.running else 'stopped'}>"


def port_taken(member: LiveMember) -> LiveStartError:
    """What to raise where `LiveMember.wait` has ended a server that had served before."""
    ports = ", ".join(map(str, (member.port, *member._others)))  # noqa: SLF001  # of this module
    return LiveStartError(
        f"while server {member.id} was stopped, another program took one of its ports ({ports})"
    )


def as_text(value: object, name: str) -> str:
    """The text of a setting for a line of a file. Raises `ValueError` where it is no single one."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"{name} = {text!r}: expected one line")
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
