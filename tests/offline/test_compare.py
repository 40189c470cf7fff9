"""``zkfake compare``: what it sends, what it finds, what it says, and what it leaves behind."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._cli import main
from zkfake._compare import running, wire
from zkfake._compare.differences import KnownDifferences
from zkfake._compare.drawing import program
from zkfake._compare.steps import requests_of
from zkfake._protocol.jute import Reader
from zkfake._protocol.operations import OPERATIONS
from zkfake.history import Sent

from ..support.programs import posix
from ..support.programs import program as started
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_zkdict import Server

TIMEOUT = 120
INSIDE = "/base/zkfake-compare-"


@pytest.fixture
def older() -> Iterator[FakeZooKeeper]:
    """Somebody's server, of another version than the fake, if that is 3.9."""
    with FakeZooKeeper(version="3.8", history=True) as server:
        server.load({"/base": b"of somebody"})
        yield server


def left_in(server: FakeZooKeeper) -> dict[str, bytes | None]:
    return {path: data for path, data in server.dump().items() if not path.startswith("/zookeeper")}


def out(capsys: pytest.CaptureFixture[str]) -> str:
    text, errors = capsys.readouterr()
    assert not errors
    return text


def compare(server: FakeZooKeeper, *options: str) -> int:
    return main(["compare", f"{server.hosts}/base", "--yes", *options])


@pytest.mark.parametrize("servers", [1, 3])
def test_a_fake_is_equal_to_a_fake(servers: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the server's. Nothing is left there, and nothing else is named there."""
    with FakeZooKeeper(servers=servers, version="3.8", history=True) as server:
        server.load({"/base": b""})
        assert compare(server, "--programs", "6") == 0
        assert left_in(server) == {"/base": b""}
        hosts = server.hosts.split(",")
        assert server.history is not None
        sent = [event for event in server.history.of(Sent) if any(event.paths)]
    assert {path[: len(INSIDE)] for event in sent for path in event.paths} == {INSIDE}
    if servers > 1:
        connected = {event.connection for event in sent}
        assert len(connected) > servers
    lines = out(capsys).splitlines()
    assert lines[0] == "6 programs of 50 steps, from seed 0 on, to a fake 3.8 and to:"
    assert lines[1 : servers + 1] == [f"  {each}, ZooKeeper 3.8.0" for each in hosts]
    assert lines[-1].startswith("Equal: 6 programs, 300 steps, ")


def test_what_it_prints_is_what_it_takes_as_known(
    older: FakeZooKeeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind what is known it finds more, until there is no more."""
    known = tmp_path / "known.txt"
    known.write_text("# of ours\n")
    options = ("--programs", "4", "--steps", "25", "--version", "3.9", "--known", str(known))
    for _ in range(20):
        status = compare(older, *options)
        text = out(capsys)
        if not status:
            break
        assert status == 1
        summary = text.partition("as --known FILE takes them:\n")[2].partition("\n\n")[0]
        with known.open("a") as file:
            file.write(summary)
        assert left_in(older) == {"/base": b"of somebody"}
    lines = known.read_text().splitlines()
    assert len(lines) > 2
    assert any(line.strip().startswith("watches: zxid ") for line in lines)
    assert text.splitlines()[-1].startswith("Equal but for what is known: 4 programs, ")
    assert f"of {len(lines) - 1} lines were met" in text


def test_a_difference_is_told_by_a_small_program(
    older: FakeZooKeeper, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the line at its end finds it again."""
    assert compare(older, "--version", "3.9", "--programs", "3") == 1
    text = out(capsys)
    told = text.partition("\nwatches: zxid\n")[2].partition("\n\n")[0]
    assert "\n    fake 3.9: event " in told
    assert f"\n    {older.hosts}: event " in told
    done = [line for line in told.splitlines() if line.startswith("    connection ")]
    assert 2 <= len(done) <= 3
    assert INSIDE not in told
    again = told.partition("again: zkfake ")[2].split()
    assert main([*again, "--yes"]) == 1
    assert "\nwatches: zxid\n" in out(capsys)


def test_no_longer_than_so_long_a_program_is_made_small(
    older: FakeZooKeeper, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "_SECONDS", 0.0)
    assert compare(older, "--version", "3.9", "--programs", "1") == 1
    told = out(capsys).partition("\nwatches: zxid\n")[2].partition("\n\n")[0]
    assert told.startswith("  what is left of the program with seed 0:\n")
    assert told.count("\n    connection ") > 50


def test_a_live_server(zk_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Is what this suite compares the fake with in full elsewhere."""
    assert main(["compare", zk_server.hosts, "--yes", "--programs", "8", "--seed", "100"]) == 0
    assert out(capsys).splitlines()[-1].startswith("Equal: 8 programs, ")


def test_others_may_use_the_server(
    older: FakeZooKeeper, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they write moves zxids, and is no difference."""
    neighbour = KazooClient(older.hosts)
    neighbour.start(TIMEOUT)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            neighbour.set("/base", b"of somebody")

    writing = threading.Thread(target=write)
    writing.start()
    try:
        assert compare(older, "--programs", "4") == 0, out(capsys)
    finally:
        over.set()
        writing.join()
        neighbour.stop()
        neighbour.close()
    assert out(capsys).splitlines()[-1].startswith("Equal: 4 programs, ")


def test_no_program_is_begun_after_the_budget(
    older: FakeZooKeeper, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(older, "--budget", "0") == 0
    assert out(capsys).splitlines()[-1].startswith("Equal: 0 programs, 0 steps, 0 answers, ")


# -- what it is allowed to do


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 2), ("", 2), (None, 2)])
def test_it_asks_at_a_terminal(
    answer: str | None,
    status: int,
    older: FakeZooKeeper,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After it has said what it will do; ``None`` is Ctrl-C."""

    def asked(prompt: str) -> str:
        assert f"There {INSIDE}" in capsys.readouterr().out
        assert prompt == "Go on? [y/N] "
        if answer is None:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", asked)
    assert main(["compare", f"{older.hosts}/base", "--programs", "1"]) == status
    assert older.history is not None
    assert bool(older.history.of(Sent)) is (status == 0)
    if status:
        assert capsys.readouterr().err == "zkfake: nothing was done\n"


def test_without_a_terminal_it_has_to_be_told(
    older: FakeZooKeeper, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main(["compare", older.hosts]) == 2
    assert "--yes says that it may be done" in capsys.readouterr().err
    assert older.history is not None
    assert not older.history.of(Sent)


def test_what_is_refused_is_said_in_a_line(
    older: FakeZooKeeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "known.txt"
    wrong.write_text("# fine\n\nnonsense\n")
    with FakeZooKeeper() as gone:
        nobody = gone.hosts
    for words, text in (
        ([nobody], f"cannot connect to {nobody}: "),
        (["zk1:0"], "has no valid port"),
        ([older.hosts, "--known", str(tmp_path / "none")], "No such file"),
        ([older.hosts, "--known", str(wrong)], "known.txt: line 3, 'nonsense': expected an op"),
        ([f"{older.hosts}/nowhere"], "cannot create /nowhere/zkfake-compare-"),
        ([older.hosts, "--auth", "nonsense:x"], "the server refuses the nonsense credential"),
    ):
        assert main(["compare", *words, "--yes"]) == 2
        errors = capsys.readouterr().err
        assert text in errors
        assert errors.count("\n") == 1
    for option in ("--programs=0", "--steps=x", "--budget=-1", "--budget=nan", "--auth=x"):
        assert main(["compare", older.hosts, option]) == 2
        assert f"argument {option.partition('=')[0]}: " in capsys.readouterr().err


def test_a_server_that_does_not_let_it_in(capsys: pytest.CaptureFixture[str]) -> None:
    """The znode may still be there: it says which."""
    with FakeZooKeeper(settings={"maxClientCnxns": 2}) as server:
        assert main(["compare", server.hosts, "--yes", "--programs", "3"]) == 2
    errors = capsys.readouterr().err
    assert " refused a plain connect: " in errors
    assert "; /zkfake-compare-" in errors
    assert errors.endswith(" may be left on the server\n")
    assert errors.count("\n") == 1


def test_a_credential_where_only_its_owner_may_create(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with FakeZooKeeper() as server:
        root = wire.set_acl("/", [(wire.PERM_ALL, "digest", wire.digest("me:secret"))])
        channel = wire_channel(server)
        channel.send(wire.frame(wire.connect()) + wire.request(1, wire.OPS["setACL"], root))
        channel.read_frame()
        channel.read_frame()
        assert main(["compare", server.hosts, "--yes"]) == 2
        assert "cannot create /zkfake-compare-" in capsys.readouterr().err
        words = ["compare", server.hosts, "--yes", "--auth", "digest:me:secret"]
        assert main([*words, "--programs", "2"]) == 0
        channel.abandon()


def wire_channel(server: FakeZooKeeper) -> SocketChannel:
    host, _, port = server.hosts.rpartition(":")
    return SocketChannel((host, int(port)))


@posix
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c(older: FakeZooKeeper) -> None:
    """It ends behind the program that it is at, and cleans up."""
    words = ("compare", f"{older.hosts}/base", "--yes", "--programs", "100000")
    with started(*words) as comparing:
        assert comparing.stdout is not None
        while "There " not in comparing.stdout.readline():
            assert comparing.poll() is None
        while not any(path.startswith(INSIDE) for path in older.dump()):
            assert comparing.poll() is None
        comparing.send_signal(signal.SIGINT)
        text, errors = comparing.communicate(timeout=TIMEOUT)
    assert errors == "zkfake: ended by a signal, before all programs were run\n"
    assert comparing.returncode == 2
    assert text.splitlines()[-1].startswith("Equal: ")
    assert left_in(older) == {"/base": b"of somebody"}


# -- what is sent, what is known


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_is_sent_can_be_read_and_stays_inside(seed: int) -> None:
    """Whoever cannot read what it is sent may not survive it."""
    for step in program(seed, 50, "/room/t"):
        for request in requests_of(step):
            since = b"" if request.zxid is None else bytes(8)
            frame = wire.request(1, request.op, since + request.body)
            record = OPERATIONS[request.op].read(Reader(frame, 12))
            for each in (record, *(sub.record for sub in getattr(record, "operations", ()))):
                path = getattr(each, "path", "/room/t")
                assert path == "/room/t" or path.startswith("/room/t/")
                if "acl" in getattr(each, "_fields", ()):
                    assert path != "/room/t" or request.op == wire.OPS["setACL"]
                    assert each.acl is not None


def test_what_is_known() -> None:
    known = KnownDifferences(["# ours", "", "delete: NotEmpty | BadVersion # why", "watches: *"])
    assert len(known) == 2
    assert known.has("delete: NotEmpty | BadVersion")
    assert not known.has("delete: NotEmpty | BadVersions")
    assert known.met == 1
    assert known.has("watches: zxid")
    assert known.has("watches: event CREATED | no event")
    assert known.met == 2
