"""The command: what it prints, how it ends, what it says to options that cannot be."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = [sys.executable, "-m", "zkfake"]
SCRIPT = [str(Path(sys.executable).with_name("zkfake"))]


def first_line(output: IO[str] | None) -> str:
    assert output is not None
    return output.readline().strip()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background jobs ignore SIGINT, and so would every process that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_serving_until_a_signal(command: list[str], end: signal.Signals) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed beside this Python")
    server = subprocess.Popen(
        [*command, "serve", "--port", "0", "--servers", "2", "--set", "4lw.commands.whitelist=*"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        hosts = first_line(server.stdout).split(",")
        assert len(hosts) == 2
        for member in hosts:
            host, _, port = member.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as word:
                word.sendall(b"ruok")
                assert word.recv(100) == b"imok"
        server.send_signal(end)
        rest, errors = server.communicate(timeout=30)
    finally:
        server.kill()
        server.communicate()
    assert (rest, errors, server.returncode) == ("", "", 0)


BAD = {
    "no command": ([], "the following arguments are required: command"),
    "unknown command": (["sing"], "invalid choice: 'sing'"),
    "port": (["serve", "--port", "many"], "invalid int value: 'many'"),
    "no such port": (["serve", "--port", "70000"], "port 70000: no such port"),
    "host": (["serve", "--host", "192.0.2.1", "--port", "0"], "cannot listen on 192.0.2.1"),
    "servers": (["serve", "--port", "0", "--servers", "0"], "servers = 0"),
    "version": (["serve", "--version", "3.4"], "invalid choice: '3.4'"),
    "setting": (["serve", "--set", "tickTime"], "--set tickTime: expected NAME=VALUE"),
    "name": (["serve", "--set", "tick=1"], "'tick' is not a setting; known settings: "),
    "value": (["serve", "--set", "tickTime=fast"], "tickTime = 'fast': expected an integer"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_served(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(arguments))
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert said in printed.err
    assert "Traceback" not in printed.err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeZooKeeper() as server:
        port = server.members[0].port
        assert main(["serve", "--port", str(port)]) == 2
    assert f"zkfake: cannot listen on 127.0.0.1, port {port}: " in capsys.readouterr().err
