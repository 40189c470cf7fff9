"""``zkfake serve`` and ``run``: what they record, what they say, and the state that they keep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._cli import main
from zkfake.history import History, IncompleteHistoryError, Reply

from ..support.programs import first_line, posix, program

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 120


def use(hosts: str) -> None:
    client = KazooClient(hosts)
    client.start(TIMEOUT)
    client.create("/a", b"1")
    client.stop()
    client.close()


@posix
@pytest.mark.usefixtures("interruptible")
def test_a_recording(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    with program("serve", "--port", "0", "--record", str(file)) as server:
        use(first_line(server.stdout))
        server.send_signal(signal.SIGINT)
        assert server.communicate(timeout=TIMEOUT) == ("", "")
        assert server.returncode == 0
    history = History.load(file)
    assert history.check(complete=True)
    assert history.log
    assert main(["check", str(file)]) == 0


@pytest.mark.parametrize("servers", [1, 3])
def test_a_recording_of_a_server_that_is_killed(
    tmp_path: Path, servers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """It grows while clients are there, and is judged as far as it goes."""
    file = tmp_path / "h.jsonl"
    words = ("serve", "--port", "0", "--servers", str(servers), "--record", str(file))
    with program(*words) as server:
        hosts = first_line(server.stdout)
        client = KazooClient(hosts)
        client.start(TIMEOUT)
        made = [client.create("/n-", sequence=True) for _ in range(20)]
        client.stop()
        client.close()
        while b'"closeSession"' not in file.read_bytes():
            assert server.poll() is None
        server.kill()
        server.wait(TIMEOUT)
    with pytest.raises(IncompleteHistoryError) as cut:
        History.load(file)
    history = cut.value.history
    told = [event for event in history.of(Reply) if event.operation == "create"]
    assert [event.frame.decode("latin-1")[-len(made[0]) :] for event in told[: len(made)]] == made
    assert history.log
    verdict = history.check(complete=True)
    assert verdict, str(verdict)
    assert main(["check", str(file)]) == 0
    assert "without its last line: it was cut, or its program was killed" in capsys.readouterr().err


def test_a_recording_begins_when_it_serves(tmp_path: Path) -> None:
    """Until then another one is left as it is."""
    file = tmp_path / "h.jsonl"
    file.write_text("another one")
    with FakeZooKeeper() as other:
        port = other.hosts.partition(":")[2]
        assert main(["serve", "--port", port, "--record", str(file)]) == 2
        assert main(["run", "--port", port, "--record", str(file), "--", "true"]) == 125
    assert file.read_text() == "another one"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_disk_that_is_full(capsys: pytest.CaptureFixture[str]) -> None:
    """The command does not hear of it; the exit status does."""
    text = (
        "import os; from kazoo.client import KazooClient as C; c = C(os.environ['ZK_HOSTS']); "
        "c.start(); c.create('/a'); c.stop(); c.close()"
    )
    assert main(["run", "--record", "/dev/full", "--", sys.executable, "-c", text]) == 125
    assert capsys.readouterr().err == "zkfake: cannot write /dev/full: No space left on device\n"


def test_a_recording_of_a_command(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    text = (
        "import os; from kazoo.client import KazooClient as C; c = C(os.environ['ZK_HOSTS']); "
        "c.start(); c.create('/a'); c.stop(); c.close(); raise SystemExit(3)"
    )
    words = ["run", "--record", str(file), "--", sys.executable, "-c", text]
    assert main(words) == 3
    assert History.load(file).log


def test_a_recording_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is told at once."""
    file = tmp_path / "no" / "h.jsonl"
    assert main(["serve", "--port", "0", "--record", str(file)]) == 2
    assert capsys.readouterr().err == f"zkfake: {file}: No such file or directory\n"
    assert main(["run", "--record", str(tmp_path), "--", "true"]) == 125


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("option", ["--verbose", "--quiet"])
def test_how_much_it_says(tmp_path: Path, option: str) -> None:
    config = tmp_path / "zoo.cfg"
    config.write_text("dataDir=/tmp\n")
    words = ("serve", "--port", "0", "--servers", "3", "--config", str(config), option)
    with program(*words) as server:
        use(first_line(server.stdout))
        server.terminate()
        out, errors = server.communicate(timeout=TIMEOUT)
        assert (out, server.returncode) == ("", 0)
        if option == "--quiet":
            assert errors == ""
            return
        lines = errors.splitlines()
        assert all(line.startswith("zkfake: ") for line in lines)
        assert f"zkfake: {config}: ignored: dataDir" in lines
        assert any(" is elected: " in line for line in lines)
        assert any(" opens session: 0x" in line for line in lines)


def test_one_option_for_certificate_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    both = f"{tmp_path / 'cert.pem'},{tmp_path / 'key.pem'}"
    with program("serve", "--port", "0", "--tls", both) as server:
        plain, secure = first_line(server.stdout), first_line(server.stdout)
        assert plain != secure
        assert secure.startswith("127.0.0.1:")
    assert main(["serve", "--tls", both, "--tls-key", "x"]) == 2
    assert "--tls is --tls-cert and --tls-key" in capsys.readouterr().err


def test_the_state_of_yesterday(tmp_path: Path) -> None:
    """What one command has made is there for the next one."""
    make = (
        "import os; from kazoo.client import KazooClient as C; c = C(os.environ['ZK_HOSTS']); "
        "c.start(); print(c.create('/n-', sequence=True)); c.stop(); c.close()"
    )
    words = [sys.executable, "-m", "zkfake", "run", "--data-dir", ".zkfake"]
    for number in range(2):
        ran = subprocess.run(
            [*words, "--", sys.executable, "-c", make],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert (ran.stdout, ran.stderr) == (f"/n-{number:010}\n", "")
    assert (tmp_path / ".zkfake" / "state.db").exists()
