"""The command: what it prints, how it ends, what it says to options that cannot be."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import socket
import sys
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import pytest
import trustme
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake import _cli as cli
from zkfake._cli import fakes, main

from ..support.programs import (
    BUFFERED,
    ENDING,
    MODULE,
    SCRIPT,
    first_line,
    once_opened,
    posix,
    program,
)


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
@pytest.mark.parametrize("end", ENDING, ids=str)
def test_serving_until_a_signal(command: list[str], end: signal.Signals) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed beside this Python")
    with program("serve", "--port", "0", "--servers", "2", command=command) as server:
        hosts = first_line(server.stdout).split(",")
        assert len(hosts) == 2
        for member in hosts:
            host, _, port = member.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as word:
                word.sendall(b"ruok")
                assert word.recv(100) == b"imok"
        server.send_signal(end)
        rest, errors = server.communicate(timeout=30)
        assert (rest, errors, server.returncode) == ("", "", 0)


@posix
@pytest.mark.usefixtures("interruptible")
def test_any_signals_at_once_end_it() -> None:
    """They come while it waits, while it stops and while the interpreter ends."""
    with ExitStack() as exits:
        serving = {
            pair: exits.enter_context(program("serve", "--port", "0"))
            for pair in itertools.product(ENDING, repeat=2)
        }
        for (first, second), server in serving.items():
            first_line(server.stdout)
            server.send_signal(first)
            for _ in range(2000):
                server.send_signal(second)  # does nothing to one that has ended
            rest, errors = server.communicate(timeout=30)
            assert (rest, errors, server.returncode) == ("", "", 0), (first, second)


ENDS_MANY_TIMES = """
import signal
from zkfake._cli.process import EndingSignals

signal.signal(signal.SIGINT, lambda *_: None)
print("begins", flush=True)
for _ in range(1000):
    signal.signal(signal.SIGINT, lambda *_: None)
    with EndingSignals() as signals:
        signals.wait()
"""


@posix
@pytest.mark.usefixtures("interruptible")
def test_signals_while_their_handlers_are_taken_away() -> None:
    """Python would print a traceback for one that comes just before."""
    with program(command=[sys.executable, "-c", ENDS_MANY_TIMES]) as ending:
        first_line(ending.stdout)
        while ending.poll() is None:
            ending.send_signal(signal.SIGINT)
        assert (*ending.communicate(timeout=30), ending.returncode) == ("", "", 0)


@posix
@pytest.mark.usefixtures("interruptible")
def test_signals_that_come_before_it_serves(tmp_path: Path) -> None:
    config = tmp_path / "zoo.cfg"
    os.mkfifo(config)  # opened by the program when it has begun
    with program("serve", "--port", "0", "--config", str(config)) as server:
        with once_opened(config, server) as lines:
            for number in ENDING:
                server.send_signal(number)
            lines.write("tickTime=500\n")
        rest, errors = server.communicate(timeout=30)
        assert rest.startswith("127.0.0.1:")
        assert (errors, server.returncode) == ("", 0)


@posix
@pytest.mark.usefixtures("interruptible")
def test_a_signal_that_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with program("serve", "--port", "0") as server:
        host, _, port = first_line(server.stdout).rpartition(":")
        server.send_signal(signal.SIGHUP)
        with socket.create_connection((host, int(port)), timeout=30) as word:
            word.sendall(b"srvr")
            assert word.recv(100).startswith(b"Zookeeper version: ")
        server.terminate()
        assert (*server.communicate(timeout=30), server.returncode) == ("", "", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("environment", [BUFFERED, {**BUFFERED, "PYTHONUNBUFFERED": "1"}])
def test_a_standard_output_that_is_full(environment: dict[str, str]) -> None:
    with (
        Path("/dev/full").open("w") as full,
        program("serve", "--port", "0", stdout=full, env=environment) as server,
    ):
        _, errors = server.communicate(timeout=30)
        assert errors == "zkfake: cannot write to standard output: No space left on device\n"
        assert server.returncode == 1


@pytest.mark.parametrize("arguments", [("serve", "--port", "0"), ("--version",), ("--help",)])
def test_a_reader_that_has_gone(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with program(*arguments, stdout=writer, env=BUFFERED) as server:
        os.close(writer)
        _, errors = server.communicate(timeout=30)
        assert errors == "zkfake: cannot write to standard output: Broken pipe\n"
        assert server.returncode == 1


@posix
@pytest.mark.usefixtures("interruptible")
def test_without_standard_output_and_standard_error_it_serves(tmp_path: Path) -> None:
    with FakeZooKeeper() as free:
        port = free.members[0].port
    config = tmp_path / "zoo.cfg"
    os.mkfifo(config)
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *MODULE]
    with program(
        "serve", "--port", str(port), "--config", str(config), command=shell, stdout=None,
        stderr=None,
    ) as server:  # fmt: skip
        with once_opened(config, server) as lines:
            lines.write("dataDir=/tmp\n")
        client = KazooClient(f"127.0.0.1:{port}")
        client.start(30)  # it tries until there is a server
        client.create("/a")
        client.stop()
        client.close()
        server.terminate()
        assert server.wait(30) == 0


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"zkfake {metadata.version('zkdict')}\n", "")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "serve until interrupted" in capsys.readouterr().out
    assert main(["serve", "--help"]) == 0
    assert "2  an option, a file or an address is invalid" in capsys.readouterr().out


BAD = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "unknown command": (["sing"], "invalid choice: 'sing'"),
    "port": (["serve", "--port", "many"], "--port: 'many' is not a port: expected 0 to 65535"),
    "no such port": (["serve", "--port", "70000"], "'70000' is not a port: expected 0 to 65535"),
    "too many ports": (
        ["serve", "--port", "65535", "--servers", "2"],
        "65536: expected a port from 0 to 65535",
    ),
    "host": (["serve", "--host", "192.0.2.1", "--port", "0"], "cannot listen on 192.0.2.1"),
    "no host": (["serve", "--host", "", "--port", "0"], "--host: expected an address"),
    "servers": (["serve", "--port", "0", "--servers", "0"], "servers = 0"),
    "version": (["serve", "--version", "3.4"], "invalid choice: '3.4'"),
    "setting": (["serve", "--set", "tickTime"], "--set: 'tickTime': expected NAME=VALUE"),
    "name": (["serve", "--set", "tick=1"], "'tick' is not a setting; did you mean 'tickTime'?"),
    "value": (["serve", "--set", "tickTime=fast"], "tickTime = 'fast': expected an integer"),
    "users": (["serve", "--set", "sasl.users=a:b"], "are given by --sasl-user NAME:PASSWORD"),
    "user": (["serve", "--sasl-user", "bob"], "--sasl-user: 'bob': expected NAME:PASSWORD"),
    "nobody": (["serve", "--sasl-user", ":secret"], "':secret': expected NAME:PASSWORD"),
    "no config": (["serve", "--config", "none.cfg"], "none.cfg: No such file or directory"),
    "key alone": (["serve", "--tls-key", "x"], "--tls-key needs --tls-cert"),
    "authority alone": (["serve", "--tls-ca", "x"], "--tls-ca needs --tls-cert"),
    "TLS port alone": (["serve", "--secure-port", "0"], "--secure-port needs --tls-cert"),
    "no certificate": (["serve", "--tls-cert", "none"], "--tls-cert none: No such file"),
    "bad certificate": (["serve", "--tls-cert", __file__], f"--tls-cert {__file__}: "),
    "abbreviation": (["serve", "--serv", "3"], "unrecognized arguments: --serv 3"),
    "typing error": (
        ["serve", "--servrs=3"],
        "zkfake serve: unrecognized arguments: --servrs=3 (did you mean --servers?); ",
    ),
    "word": (["serve", "x"], "zkfake serve: unrecognized arguments: x; see zkfake serve --help"),
    "of another command": (
        ["snapshot", "list", "--dat-dir", "d"],
        "zkfake snapshot list: unrecognized arguments: --dat-dir d (did you mean --data-dir?); ",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_served(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    handlers = [signal.getsignal(number) for number in ENDING]
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("zkfake")
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert [signal.getsignal(number) for number in ENDING] == handlers


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeZooKeeper() as server:
        port = server.members[0].port
        assert main(["serve", "--port", str(port)]) == 2
    assert f"zkfake: cannot listen on 127.0.0.1, port {port}: " in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address")
@pytest.mark.parametrize(
    "words", [("serve", "--web", "0"), ("proxy", "--to", "127.0.0.1:1")], ids=["serve", "proxy"]
)
def test_only_this_machine_can_connect(words: tuple[str, ...]) -> None:
    """What listens on every address listens on 127.0.0.2, too."""
    with program(*words, "--port", "0") as server:
        lines = [first_line(server.stdout) for _ in range(1 + ("--web" in words))]
        for port in (re.search(r":(\d+)(/|$)", line) for line in lines):
            assert port
            socket.create_connection(("127.0.0.1", int(port[1])), timeout=30).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", int(port[1])), timeout=30)


# -- what the options come to


def described(*arguments: str) -> tuple[FakeZooKeeper, list[str]]:
    return fakes.fake(cli._parser()[0].parse_args(["serve", *arguments]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_is_nothing_to_warn_of(host: str) -> None:
    assert described("--host", host)[1] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1"])
def test_a_host_beyond_loopback_warns(host: str) -> None:
    (note,) = described("--host", host)[1]
    assert note.startswith(f"warning: {host} can be reached from other machines; ")


def test_what_there_is_to_say_is_said(tmp_path: Path) -> None:
    config = tmp_path / "zoo.cfg"
    config.write_text("dataDir=/tmp\n")
    with program("serve", "--port", "0", "--config", str(config)) as server:
        assert first_line(server.stderr) == f"zkfake: {config}: ignored: dataDir"


def ports(*arguments: str) -> tuple[list[int], list[int]]:
    server, _ = described(*arguments)
    return server._ports, server._secure_ports


def test_ports_of_an_ensemble_follow_each_other(certificate: str) -> None:
    assert ports() == ([2181], [0])
    assert ports("--servers", "3")[0] == [2181, 2182, 2183]
    assert ports("--port", "0", "--servers", "3")[0] == [0, 0, 0]
    five = ports("--port", "5000", "--servers", "2", "--observers", "1")
    assert five[0] == [5000, 5001, 5002]
    tls = ("--servers", "2", "--tls-cert", certificate)
    assert ports(*tls) == ([2181, 2182], [0, 0])
    assert ports(*tls, "--secure-port", "6000") == ([2181, 2182], [6000, 6001])


def test_an_option_beats_the_file(tmp_path: Path, certificate: str) -> None:
    file = tmp_path / "zoo.cfg"
    file.write_text(
        "tickTime=300\nminSessionTimeout=700\ndataDir=/tmp\nclientPort=3000\n"
        "clientPortAddress=127.0.0.9\nsecureClientPort=4000\nelectionAlg=3\n"
        "server.1=a:1:2\nserver.2=b:1:2;3333\nserver.3=c:1:2:observer\n"
    )
    config = ("--config", str(file))
    server, notes = described(*config)
    assert notes == [f"{file}: ignored: dataDir, electionAlg, secureClientPort (give --tls-cert)"]
    assert [replica.observer for replica in server.replicas] == [False, False, True]
    assert server._host == "127.0.0.9"
    assert server._ensemble.settings.tick_time == 300
    assert ports(*config) == ([3000, 3333, 3002], [0, 0, 0])
    options = ("--host", "127.0.0.1", "--set", "tickTime=400", "--tls-cert", certificate)
    server, notes = described(*config, *options)
    assert notes == [f"{file}: ignored: dataDir, electionAlg"]
    assert server._host == "127.0.0.1"
    settings = server._ensemble.settings
    assert (settings.tick_time, settings.min_session_timeout) == (400, 700)
    assert ports(*config, *options, "--port", "5000") == ([5000, 5001, 5002], [4000, 4001, 4002])
    assert ports(*config, "--servers", "1", "--observers", "0")[0] == [3000]


# -- TLS and SASL


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("served") / "server.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


def test_tls_and_sasl_from_the_command_line(
    authority: trustme.CA, certificate: str, tmp_path: Path
) -> None:
    trusted, own = str(tmp_path / "ca.pem"), str(tmp_path / "bob.pem")
    authority.cert_pem.write_to_path(trusted)
    issued = authority.issue_cert("bob@example.com", common_name="bob")
    issued.private_key_and_cert_chain_pem.write_to_path(own)
    users = ("--sasl-user", "bob:se:cret", "--sasl-user", "alice:x")
    tls = ("--tls-cert", certificate, "--tls-ca", trusted)
    with program("serve", "--port", "0", *users, *tls) as server:
        plain, secure = first_line(server.stdout), first_line(server.stdout)
        assert plain != secure
        client = KazooClient(
            secure,
            use_ssl=True,
            ca=trusted,
            certfile=own,
            keyfile=own,
            sasl_options={"mechanism": "DIGEST-MD5", "username": "bob", "password": "se:cret"},
        )
        client.start(30)
        client.create("/a")
        client.stop()
        client.close()


def test_what_the_files_for_tls_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a key with a password is not asked for."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key, locked = (tmp_path / name for name in ("cert.pem", "key.pem", "locked.pem"))
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    def said(*options: object) -> str:
        assert main(["serve", *map(str, options)]) == 2
        return capsys.readouterr().err

    no_key = f"--tls-cert {cert}: the file has no key; give the file of its key: --tls-key"
    assert said("--tls-cert", cert) == f"zkfake: {no_key}\n"
    no_certificate = f"--tls-cert {key}: the file has no certificate; expected a PEM file"
    assert said("--tls-cert", key) == f"zkfake: {no_certificate}\n"
    assert said("--tls-cert", key, "--tls-key", cert) == f"zkfake: {no_certificate}\n"
    no_key = f"--tls-key {cert}: the file has no key; expected a PEM file"
    assert said("--tls-cert", cert, "--tls-key", cert) == f"zkfake: {no_key}\n"
    password = f"--tls-key {locked}: the key must have no password"
    assert said("--tls-cert", cert, "--tls-key", locked) == f"zkfake: {password}\n"
    locked.write_bytes(cert.read_bytes() + locked.read_bytes())
    password = f"--tls-cert {locked}: the key must have no password"
    assert said("--tls-cert", locked) == f"zkfake: {password}\n"
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(str(other))
    both = f"zkfake: --tls-cert {cert}, --tls-key {other}: "
    assert said("--tls-cert", cert, "--tls-key", other).startswith(both)
