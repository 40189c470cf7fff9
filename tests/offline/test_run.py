"""``zkfake run``: the command's environment, its signals, its end and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from zkfake._cli import main, run, wrapped

from ..support.programs import MODULE, first_line, once_opened, posix, program

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = sys.executable
TIMEOUT = 120


def ran(*words: str, options: tuple[str, ...] = (), **more: object) -> tuple[int, str, str]:
    with program("run", *options, "--", *words, **more) as process:  # type: ignore[arg-type]
        out, errors = process.communicate(timeout=TIMEOUT)
        return process.returncode, out, errors


def script(text: str) -> tuple[str, str, str]:
    return PYTHON, "-c", textwrap.dedent(text)


SAYS = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"


def test_where_the_command_finds_its_servers() -> None:
    options = ("--servers", "2", "--env", "KAFKA_ZK", "--env", "URL=zk://{hosts}/app?{port}")
    status, out, errors = ran(
        *script(SAYS), "-z{hosts}", "{port}", "{}", "{other}", options=options
    )
    assert (status, errors) == (0, "")
    environment, seen = json.loads(out)
    hosts = environment["ZOOKEEPER_HOSTS"]
    assert environment["ZK_HOSTS"] == environment["KAFKA_ZK"] == hosts
    first, _second = hosts.split(",")
    host, _, port = first.partition(":")
    assert host == "127.0.0.1"
    assert environment["URL"] == f"zk://{hosts}/app?{port}"
    assert seen == [f"-z{hosts}", port, "{}", "{other}"]


def test_what_is_after_the_first_dashes_is_the_commands() -> None:
    _, out, _ = ran(*script(SAYS), "--", "--env", "X", "--help")
    assert json.loads(out)[1] == ["--", "--env", "X", "--help"]


def test_standard_input_is_the_commands() -> None:
    with program("run", "--", *script("print(input()[::-1])"), stdin=subprocess.PIPE) as process:
        assert process.communicate("abc\n", timeout=TIMEOUT) == ("cba\n", "")


def test_pytest_is_a_command(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""\
            import os

            from kazoo.client import KazooClient


            def test_made():
                client = KazooClient(os.environ["ZOOKEEPER_HOSTS"])
                client.start(60)
                assert client.create("/a", b"1") == "/a"
                client.stop()
                client.close()


            def test_that_fails():
                assert not "there"
            """)
    )
    pytest_ = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))
    status, out, _ = ran(*pytest_, cwd=tmp_path)
    assert "1 failed, 1 passed" in out
    assert status == 1
    assert ran(*pytest_, "-k", "made", cwd=tmp_path)[0] == 0


RUOK = """\
const [host, port] = process.env.ZK_HOSTS.split(":");
const socket = require("net").connect(port, host, () => socket.write("ruok"));
socket.on("data", (data) => process.exit(String(data) === "imok" ? 0 : 1));
"""


def test_npm_test_is_a_command_and_so_is_a_shell(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"scripts": {"test": "node test.js"}}))
    (tmp_path / "test.js").write_text(RUOK)
    if shutil.which("npm") and shutil.which("node"):
        status, out, errors = ran("npm", "test", cwd=tmp_path)
        assert status == 0, (out, errors)
        (tmp_path / "test.js").write_text(RUOK.replace('"imok" ? 0', '"imok" ? 7'))
        assert ran("npm", "test", cwd=tmp_path)[0] == 7
    if os.name == "posix":
        assert ran("sh", "-c", "test -n $ZK_HOSTS && exit 9")[0] == 9


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert ran(*script(f"raise SystemExit({status})")) == (status, "", "")


@posix
@pytest.mark.parametrize("number", ["SIGKILL", "SIGINT"])
def test_the_exit_status_of_a_command_that_a_signal_ends(number: str) -> None:
    ends = f"""
        import os, signal
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.{number})
        """
    assert ran(*script(ends))[0] == 128 + getattr(signal, number)


# -- signals

# A signal that comes right before a process waits for one is overlooked until something else comes:
# so these block the signals, and take them one by one.
ANSWERS = """
import signal
numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
print(signal.Signals(signal.sigwait(numbers)).name, flush=True)
raise SystemExit(40)
"""


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT"])
def test_signals_are_passed_on(name: str) -> None:
    number = getattr(signal, name)
    with program("run", "--", *script(ANSWERS), stdin=subprocess.DEVNULL) as process:
        assert first_line(process.stdout) == "ready"
        process.send_signal(number)
        out, errors = process.communicate(timeout=TIMEOUT)
        assert (out, errors, process.returncode) == (f"{name}\n", "", 40)


STUBBORN = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_command_that_goes_on_is_killed(number: str) -> None:
    options = ("--kill-after", "0")
    with program("run", *options, "--", *script(STUBBORN), stdin=subprocess.DEVNULL) as process:
        assert first_line(process.stdout) == "ready"
        process.send_signal(signal.SIGINT)  # is for the command to understand
        process.send_signal(getattr(signal, number))
        assert process.communicate(timeout=TIMEOUT) == ("", "")
        assert process.returncode == 128 + signal.SIGKILL


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_before_the_command_runs(tmp_path: Path, number: str) -> None:
    """One that means the end keeps it from starting, another one it gets at its start."""
    config = tmp_path / "zoo.cfg"
    os.mkfifo(config)  # opened by the program when it has begun
    words = ("sleep", "600")  # a Python that still starts would make a KeyboardInterrupt of it
    with program("run", "--config", str(config), "--", *words, stdin=subprocess.PIPE) as process:
        with once_opened(config, process) as lines:
            process.send_signal(getattr(signal, number))
            lines.write("tickTime=500\n")
        assert process.wait(TIMEOUT) == 128 + getattr(signal, number)


@posix
def test_nohup_holds_for_the_command() -> None:
    """A signal that was ignored stays ignored."""
    stays = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert ran(*script(stays)) == (0, "True\n", "")
    finally:
        signal.signal(signal.SIGHUP, before)


READS = """
import signal
numbers = {signal.SIGINT, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
for _ in range(2):
    print(signal.Signals(signal.sigwait(numbers)).name, flush=True)
print(input()[::-1], flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the way to get a terminal is Linux's")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("ends", [False, True])
def test_at_a_terminal(ends: bool) -> None:
    """Ctrl-C reaches the command from the terminal; it reads from the terminal; other signals are
    passed on to it.
    """
    terminal, name = os.openpty()
    path = os.ttyname(name)
    # The leader of a new session has the first terminal that it opens.
    shell = ["sh", "-c", f'exec "$@" <{path} >{path} 2>&1', "sh", *MODULE]
    words = script(ANSWERS if ends else READS)
    with program("run", "--", *words, command=shell, start_new_session=True) as process:
        told = read_until(terminal, b"ready")
        if ends:
            process.terminate()
            told += read_until(terminal, b"SIGTERM")
        else:
            os.write(terminal, b"\x03")
            told += read_until(terminal, b"SIGINT")
            process.send_signal(signal.SIGUSR1)
            told += read_until(terminal, b"SIGUSR1")
            os.write(terminal, b"abc\n")
            told += read_until(terminal, b"cba")
        assert process.wait(TIMEOUT) == (40 if ends else 0), told
    os.close(name)  # not earlier: a terminal that nobody has open cannot be read
    os.close(terminal)


@posix
def test_what_a_terminal_sends_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice at once counts as once, mostly, so the command itself does not notice."""
    monkeypatch.setattr(wrapped, "_at_terminal", lambda: True)
    sent: list[int] = []

    class Process:
        send_signal = sent.append

    command: Any = wrapped.WrappedCommand(1.0)
    for name in command.NAMES:
        command._pass_on(Process, getattr(signal, name))
    assert sent == [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


def read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 1000)
    return seen


# -- the end


@posix
@pytest.mark.parametrize("stubborn", [False, True])
def test_what_the_command_leaves_behind_is_ended(stubborn: bool) -> None:
    """It holds the other end of our pipe, which is read until it has gone."""
    trap = "trap '' TERM; " if stubborn else ""
    left = f"({trap}echo left; while :; do sleep 600; done) & sleep 0; exit 5"
    with program("run", "--", "sh", "-c", left, stdin=subprocess.DEVNULL) as process:
        out, errors = process.communicate(timeout=TIMEOUT)
        assert (errors, process.returncode) == ("", 5)
        assert out in ("left\n", "")  # it may be ended before it has said anything


def test_there_is_no_such_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--", "no-such-command"]) == 127
    assert capfd.readouterr() == ("", "zkfake: no-such-command: No such file or directory\n")


@posix
def test_what_is_no_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--", str(tmp_path)]) == 126
    assert capfd.readouterr() == ("", f"zkfake: {tmp_path}: Permission denied\n")
    assert main(["run", "--", "a\0b"]) == 126


BAD = {
    "no command": (["run"], "expected -- and a command"),
    "nothing after the dashes": (["run", "--"], "expected -- and a command"),
    "without dashes": (["run", "pytest"], "expected -- and a command"),
    "too many words": (["run", "a", "--", "true"], "unrecognized arguments: a"),
    "a variable": (["run", "--env", "=x", "--", "true"], "'=x': expected NAME or NAME=TEXT"),
    "seconds": (["run", "--kill-after", "soon", "--", "true"], "expected a number of seconds"),
    "no end": (["run", "--kill-after", "1e99", "--", "true"], "expected a number of seconds"),
    "setting": (["run", "--set", "tick=1", "--", "true"], "'tick' is not a setting"),
    "host": (["run", "--host", "192.0.2.1", "--", "true"], "cannot listen on 192.0.2.1"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_run(
    capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 125
    out, errors = capfd.readouterr()
    assert out == ""
    assert said in errors
    assert errors.count("\n") == 1


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "usage: zkfake run [options] -- COMMAND [ARGUMENT ...]" in capsys.readouterr().out


def test_the_ports_of_a_configuration_are_left_alone(tmp_path: Path) -> None:
    """They may be those of a server that runs."""
    config = tmp_path / "zoo.cfg"
    config.write_text("clientPort=1\nserver.1=a:1:2;3\nserver.2=b:1:2;4\n")
    status, out, _ = ran(*script(SAYS), options=("--config", str(config)))
    assert status == 0
    ports = [each.rpartition(":")[2] for each in json.loads(out)[0]["ZK_HOSTS"].split(",")]
    assert len(ports) == 2
    assert not {"1", "3", "4"} & set(ports)


def test_handlers_are_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    passed = [
        getattr(signal, name) for name in wrapped.WrappedCommand.NAMES if hasattr(signal, name)
    ]
    before = [signal.getsignal(number) for number in passed]
    assert main(["run", "--", *script("print(1)")]) == 0
    assert capfd.readouterr().out == "1\n"
    assert [signal.getsignal(number) for number in passed] == before


def test_splitting() -> None:
    assert run.split(["run", "-x", "--", "a", "--", "b"]) == (["run", "-x"], ["a", "--", "b"])
    assert run.split(["serve", "--", "a"]) == (["serve", "--", "a"], [])
