"""``zkfake proxy``: faults by options and by lines, what it prints, how it ends."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss

from zkfake import FakeZooKeeper
from zkfake import _cli as cli
from zkfake._cli.control import FAULTS, Control
from zkfake._cli.process import EndingSignals, Program
from zkfake.history import History, Reply
from zkfake.proxy import ProxyFaults, ZooKeeperProxy

from ..support.faulty import PATIENCE, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "proxy.md").read_text("utf-8")


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    options: dict[str, Any] = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True}
    started = subprocess.Popen([sys.executable, "-m", "zkfake", *arguments], **options)
    try:
        yield started
    finally:
        started.kill()
        started.communicate(timeout=PATIENCE)


@contextmanager
def connected(hosts: str, **more: Any) -> Iterator[KazooClient]:
    client = KazooClient(hosts, **{"timeout": 10.0, **more})
    client.start(PATIENCE)
    yield client
    client.stop()
    client.close()


@contextmanager
def running(*arguments: str) -> Iterator[Program]:
    """The command in this process."""
    options = cli._parser()[0].parse_args(["proxy", *arguments])
    with EndingSignals() as signals, options.run(options, signals) as program:
        yield program


def test_a_recording(tmp_path: Path, quiet: None) -> None:
    """It grows with what passes, and has an end when the proxy ends."""
    file = tmp_path / "h.jsonl"
    with (
        FakeZooKeeper() as fake,
        running("--to", fake.hosts, "--record", str(file)) as proxy,
        connected(proxy.lines[0]) as client,
    ):
        client.create("/a", b"1")
        while b'"create"' not in file.read_bytes():
            assert client.connected
    history = History.load(file)
    assert [event.operation for event in history.of(Reply)][:2] == ["connect", "create"]
    assert history.log is None
    assert history.check(complete=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for one process")
def test_a_fault_from_the_beginning_and_ctrl_c(quiet: None) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job ignores it
    with FakeZooKeeper() as fake:
        fault = ("--fault", "drop_before_reply operation=create")
        with command("proxy", "--to", fake.hosts, *fault) as proxy:
            assert proxy.stdout is not None
            with connected(proxy.stdout.readline().strip()) as client:
                with pytest.raises(ConnectionLoss):
                    client.create("/a")
                assert client.retry(client.exists, "/a")
            proxy.send_signal(signal.SIGINT)
            assert (*proxy.communicate(timeout=PATIENCE), proxy.returncode) == ("", "", 0)
    signal.signal(signal.SIGINT, before)


def test_the_page() -> None:
    """Its dialogue, word for word but for the ports, and the end of standard input."""
    one, dialogue = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert one.startswith("$ zkfake proxy --to 127.0.0.1:2181 --fault 'drop_before_reply ")
    first, *lines = dialogue.splitlines()
    program, *arguments = first.removeprefix("$ ").split()
    assert program == "zkfake"
    with command(*arguments) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        for line in lines:
            if line.startswith("> "):
                proxy.stdin.write(line.removeprefix("> ") + "\n")
                proxy.stdin.flush()
                continue
            said = proxy.stdout.readline().rstrip("\n")
            if line.endswith("..."):
                assert said.startswith(line.removesuffix("..."))
            else:
                assert re.sub(r":\d+$", ":PORT", said) == re.sub(r":\d+$", ":PORT", line)
        rest, errors = proxy.communicate(timeout=PATIENCE)
        assert (rest, errors, proxy.returncode) == ("", "", 0)


def test_every_fault_has_a_line() -> None:
    named = {name for name in dir(ProxyFaults) if not name.startswith("_")}
    others = {"heal", "outages", "server_count", "upon"}
    assert named - others == set(FAULTS)
    for name in FAULTS:
        assert f"`{name}`" in PAGE.partition("## From the command line")[2]


def test_lines_on_a_client(quiet: None) -> None:
    with (
        FakeZooKeeper(settings={"tickTime": 200}) as fake,
        ZooKeeperProxy(fake.hosts) as proxy,
        connected(proxy.hosts) as client,
        connected(proxy.hosts) as other,
    ):
        control = Control(proxy.faults)
        me = f"client={session_of(client):#x}"
        assert control.answer("") == control.answer("  # nothing") == "ok"
        assert control.answer(f"drop_before_request {me} path='/a b' times=none") == "ok 1"
        other.create("/a b")
        for _ in range(2):
            client.retry(client.sync, "/")
            with pytest.raises(ConnectionLoss):
                client.set("/a b", b"")
        assert control.answer("hits 1") == "ok 2"
        assert control.answer("heal 1") == "ok"
        client.retry(client.set, "/a b", b"1")
        assert control.answer(f"hold_events {me}") == "ok 2"
        assert control.answer("hits 2") == "ok 0"
        client.get("/a b", watch=lambda _event: None)
        other.set("/a b", b"2")
        (hold,) = proxy.faults.outages
        assert hold.wait(PATIENCE)  # type: ignore[attr-defined]
        assert control.answer("hits 2") == "ok 1"
        assert control.answer("heal") == "ok"
        assert proxy.faults.outages == ()
        assert control.answer(f"expire {me}") == "ok 1"
        assert control.answer(f"drop client={session_of(other)}") == "ok 1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hold_events", "hold_events needs client=, a session id, such as 0x100000001"),
        ("drop client=me", "'client=me': expected a session id"),
        ("partition 1", "'1' is not an argument of partition: expected client, server, direction"),
        ("drop_before_reply nth=2 nth=3", "'nth=3': nth is given twice"),
        ("partition nth=2", "'nth=2' is not an argument of partition"),
        ("partition server=2", "there is no server 2, only 1 to 1"),
        ("partition direction=up", "direction='up'; expected one of both"),
        ("slow latency=2:1", r"\(2.0, 1.0\) is no range of seconds|not a range of seconds"),
        ("slow latency=inf", r"\(inf, inf\) is no range of seconds"),
        ("drop_after_reply times=often", "'times=often': expected a number or none"),
        ("drop_after_reply path='", "No closing quotation"),
    ],
)
def test_lines_that_are_not_faults(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ZooKeeperProxy("127.0.0.1:1") as proxy:
        answer = Control(proxy.faults).answer(line)
        assert re.match(f"error: {said}", answer)
        assert proxy.faults.outages == ()
    assert cli.main(["proxy", "--to", "127.0.0.1:1", "--fault", line]) == 2
    assert capsys.readouterr() == ("", f"zkfake: --fault {line!r}: {answer[7:]}\n")


_FAULTS = "there are drop, .*, slow"
_FOR_INPUT = "is not a fault; it is for standard input, and for a fault that has begun"


@pytest.mark.parametrize(
    ("line", "answer", "option"),
    [
        ("jump", f"error: 'jump' is not a fault; {_FAULTS}, heal, hits", f"'jump' .*; {_FAULTS}"),
        ("upon action=1", "error: 'upon' is not a fault; .*", f"'upon' is not a fault; {_FAULTS}"),
        ("# nothing", "ok", f"expected a fault; {_FAULTS}"),
        ("heal", "ok", f"'heal' {_FOR_INPUT}"),
        ("heal 1", "error: '1' is not the number of a fault: 0 have begun", f"'heal' {_FOR_INPUT}"),
        ("heal 1 2", "error: heal takes one number or none, not 2", f"'heal' {_FOR_INPUT}"),
        ("hits", "error: hits takes the number of one fault, not 0", f"'hits' {_FOR_INPUT}"),
        ("hits 1 2", "error: hits takes the number of one fault, not 2", f"'hits' {_FOR_INPUT}"),
    ],
)
def test_lines_of_input_that_no_option_may_have(
    line: str, answer: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second of two options is refused, too, though a fault has begun by then."""
    with ZooKeeperProxy("127.0.0.1:1") as proxy:
        assert re.fullmatch(answer, Control(proxy.faults).answer(line))
    begun = ("--fault", "drop_before_request")
    assert cli.main(["proxy", "--to", "127.0.0.1:1", *begun, "--fault", line]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"zkfake: --fault {re.escape(repr(line))}: {option}\n", printed.err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "zkfake proxy: the following arguments are required: --to"),
        (["--to", "no.such.invalid"], "cannot find the address of 'no.such.invalid': "),
        (["--to", "a:b"], "'a:b' in 'a:b' is not host:port"),
        (["--to", "127.0.0.1:1,"], "'' in '127.0.0.1:1,' is not host:port"),
        (["--to", "127.0.0.1:1/a//b"], "the chroot '/a//b' of '127.0.0.1:1/a//b'"),
        (["--to", "127.0.0.1:1", "--port", "70000"], "'70000' is not a port"),
        (["--to", "127.0.0.1:1", "--tls-ca", "x"], "--tls-ca needs --tls-cert"),
        (["--to", "127.0.0.1:1", "--server-key", "x"], "--server-key needs --server-cert"),
        (["--to", "127.0.0.1:1", "--server-ca", "/none"], "--server-ca /none: No such file"),
    ],
)
def test_options_that_cannot_be(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["proxy", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_ports_follow_each_other_and_the_chroot_stays() -> None:
    with running("--to", "127.0.0.1:1,127.0.0.1:2/base") as program:
        (hosts,) = program.lines
        assert re.fullmatch(r"127\.0\.0\.1:\d+,127\.0\.0\.1:\d+/base", hosts)
        port = int(re.findall(r":(\d+)", hosts)[0])
    # Somebody else may have the next one, which is then named.
    options = ("--to", "127.0.0.1:1,127.0.0.1:2", "--port", str(port))
    with suppress(OSError), running(*options) as program:
        assert program.lines == [f"127.0.0.1:{port},127.0.0.1:{port + 1}"]


def test_tls_on_either_side(quiet: None, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", common_name="proxy")
    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(asks)
    authority.configure_trust(asks)
    asks.verify_mode = ssl.CERT_REQUIRED
    own = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", ca)
    server = ("--server-ca", ca, "--server-cert", cert, "--server-key", key)
    with FakeZooKeeper(tls=asks) as fake:
        to = ("--to", fake.members[0].secure_hosts)
        with (
            running(*to, *own, *server) as program,
            connected(
                program.lines[0],
                use_ssl=True,
                verify_certs=True,
                ca=ca,
                certfile=cert,
                keyfile=key,
            ) as client,
        ):
            client.create("/a", b"1")
            assert client.get("/a")[0] == b"1"


def test_a_host_beyond_loopback_warns() -> None:
    with running("--to", "127.0.0.1:1", "--host", "0.0.0.0") as program:
        (note,) = program.notes
        assert note.startswith("warning: 0.0.0.0 can be reached from other machines; ")
