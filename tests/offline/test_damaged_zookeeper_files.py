"""The files of a real ZooKeeper that are damaged: what a server leaves out is told."""

from __future__ import annotations

import fnmatch
import itertools
import json
import shutil
import struct
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient

from pytest_zkdict.live import LiveStartError, LiveZooKeeper
from zkfake import FakeZooKeeper
from zkfake._cli import main
from zkfake._database.acl import OPEN
from zkfake._database.log import Create, Transaction
from zkfake._protocol.records import (
    Op,
)
from zkfake._zookeeper_files.directory import DataDirError, StoredState, read_data_dir
from zkfake._zookeeper_files.snappy import SnappyError, decompressed

from ..support import wire
from .written_files import Written, create, data_dir, shown, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A small data directory: two snapshots, two logs."""
    files = Written([create(n, f"/{n}", n) for n in range(1, 9)])
    for start in (0, 4):
        (tmp_path / f"snapshot.{start}").write_bytes(files.snapshot(start, iter([0] * 99), ()))
        text = files.log(start, start + 4, digests=True, closed=True)
        (tmp_path / f"log.{start + 1}").write_bytes(text)
    (tmp_path / "myid").write_text("1\n")
    return tmp_path


def names(state: StoredState) -> list[str]:
    return sorted(path[1:] for path in state.tree.nodes if path[1:].isdecimal())


def test_a_transaction_that_is_cut(written: Path) -> None:
    """It was never acknowledged. Whatever is left of it, the state is that before."""
    log = written / "log.5"
    whole = log.read_bytes()
    end = len(whole) - 64
    last = whole.rindex(b"B", 0, end - 1) + 1
    for size in range(last, end):
        for padded in (b"", bytes(999)):
            log.write_bytes(whole[:size] + padded)
            state = read_data_dir(written)
            assert (names(state), state.zxid) == ([*"1234567"], 7)
            assert len(state.notes) == bool(whole[last:size].strip(b"\0"))
            assert all(str(log) in note for note in state.notes)
    log.write_bytes(b"")
    assert names(read_data_dir(written)) == [*"1234"]


def places(log: bytes) -> list[int]:
    """Where the entries of a log begin, and where they end."""
    found = [16]
    while length := struct.unpack_from(">i", log, found[-1] + 8)[0]:
        found.append(found[-1] + 12 + length + 1)
    return found


def with_length(log: bytes, place: int, length: int) -> bytes:
    return log[: place + 8] + wire.i32(length) + log[place + 12 :]


@pytest.mark.parametrize("length", [5, 26, 3000, 2 * 0xFFFFF])
@pytest.mark.parametrize("padding", [0, 9000])
def test_a_length_that_is_wrong(written: Path, length: int, padding: int) -> None:
    """What follows is lost, and that is told."""
    log = written / "log.5"
    whole = log.read_bytes() + bytes(padding)
    place = places(whole)[1]
    log.write_bytes(with_length(whole, place, length))
    state = read_data_dir(written)
    assert names(state) == [*"12345"]
    (note,) = state.notes
    assert note.startswith(f"{log}: it is damaged at byte {place}; all from there on is left out, ")


@pytest.mark.parametrize("entry", [0, 1, -2])
@pytest.mark.parametrize("length", [-1, -(1 << 31), 2 * 0xFFFFF + 1, (1 << 31) - 1])
def test_a_length_that_cannot_be(written: Path, entry: int, length: int) -> None:
    """A server does not start, even if it is the last transaction."""
    log = written / "log.5"
    whole = log.read_bytes()
    place = places(whole)[entry]
    log.write_bytes(with_length(whole, place, length))
    text = rf"log\.5: it is damaged at byte {place}: no transaction has {length:,} bytes"
    with pytest.raises(DataDirError, match=text):
        read_data_dir(written)


def test_a_transaction_that_is_longer_than_the_default(tmp_path: Path) -> None:
    """Servers with a higher jute.maxbuffer write it."""
    data = bytes(3_000_000)
    files = Written([Transaction(1, 0, 0, Op.CREATE, (Create("/a", data, OPEN, 0, 0, 1),))])
    (tmp_path / "log.1").write_bytes(files.log(0, 1, digests=False, closed=True))
    assert read_data_dir(tmp_path).tree.nodes["/a"].data == data


EPOCH = 1 << 32


@pytest.mark.parametrize(
    ("zxids", "missing"),
    [
        ((1, 2, 3), []),
        ((1, 3, 4), ["0x1 and 0x3"]),
        ((1, 4, 7), ["0x1 and 0x4", "0x4 and 0x7"]),
        ((1, 2, EPOCH + 1, EPOCH + 2, 3 * EPOCH + 1), []),
        ((1, EPOCH + 2), ["0x1 and 0x100000002"]),
        ((EPOCH + 1, EPOCH + 3), ["0x100000001 and 0x100000003"]),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_transactions_that_are_missing(
    tmp_path: Path, zxids: tuple[int, ...], missing: list[str], apart: bool
) -> None:
    """In one log, or between two."""
    files = Written([create(zxid, f"/{zxid}", n) for n, zxid in enumerate(zxids, 1)])
    (tmp_path / "snapshot.0").write_bytes(files.snapshot(0, iter([0] * 99), ()))
    cuts = range(len(zxids) + 1) if apart else (0, len(zxids))
    for first, last in itertools.pairwise(cuts):
        log = tmp_path / f"log.{zxids[first]:x}"
        log.write_bytes(files.log(first, last, digests=True, closed=True))
    state = read_data_dir(tmp_path)
    assert set(names(state)) == set(map(str, zxids))
    said = [note.partition(": ")[2].partition("; ")[0] for note in state.notes]
    assert said == [f"transactions are missing between {each}" for each in missing]


@contextmanager
def connected(hosts: str) -> Iterator[KazooClient]:
    client = KazooClient(hosts, timeout=60)
    client.start(60)
    try:
        yield client
    finally:
        client.stop()
        client.close()


@pytest.mark.needs_java
def test_what_a_server_makes_of_a_damaged_log(live_home: str | None, tmp_path: Path) -> None:
    small = {"zookeeper.preAllocSize": 64}
    with LiveZooKeeper(live_home, properties=small) as server:
        with connected(server.hosts) as client:
            for n in range(9):
                client.create(f"/{n}")
        server.stop()
        (log,) = data_dir(server).glob("version-2/log.*")
        whole = log.read_bytes()
        at = places(whole)
        gap = whole[: at[3]] + whole[at[4] :]
        log.write_bytes(with_length(gap, places(gap)[6], 3000))
        copy = shutil.copytree(data_dir(server), tmp_path / "copy")
        server.start()
        with connected(server.hosts) as client:
            there = dict(shown(client))
        state = read_data_dir(copy)
        assert stored(state) == there
        assert len(state.notes) == 2
        assert 2 < len(names(state)) < 8

        server.stop()
        shutil.rmtree(data_dir(server) / "version-2")
        shutil.copytree(copy / "version-2", data_dir(server) / "version-2")
        log.write_bytes(with_length(whole, at[-2], 1 << 30))
        with pytest.raises(LiveStartError, match=f"Unreasonable length = {1 << 30}"):
            server.start()
        with pytest.raises(DataDirError, match="no transaction has 1,073,741,824 bytes"):
            read_data_dir(data_dir(server))


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_bits_that_flip(written: Path, place: int, bit: int) -> None:
    """They are noticed, or they are in the padding, or an older snapshot has the same."""
    for name in ("snapshot.4", "log.5"):
        file = written / name
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[place % len(whole)] ^= 1 << bit
        file.write_bytes(changed)
        with suppress(DataDirError):
            state = read_data_dir(written)
            unseen = place % len(whole) >= len(whole) - 64 or 4 <= place % len(whole) < 16
            assert names(state) == [*"12345678"] or (name == "log.5" and state.notes) or unseen
        file.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: (d / "snapshot.4").write_bytes(b"ZKSN"), None),
        (lambda d: (d / "snapshot.4").write_bytes(b""), None),
        (lambda d: (d / "snapshot.4").rename(d / "snapshot.4.snappy"), None),
        (lambda d: (d / "snapshot.4").rename(d / "snapshot.4.gz"), None),
        (lambda d: (d / "log.5").write_bytes(b"text"), "log.5: it is not a log of ZooKeeper's tr*"),
        (lambda d: [f.unlink() for f in d.glob("snapshot.*")], None),
        (
            lambda d: [f.unlink() for f in (*d.glob("snapshot.*"), d / "log.1")],
            ": there is no snapshot, and the log does not begin with the first transaction; *",
        ),
        (
            lambda d: [f.write_bytes(b"x") for f in d.glob("snapshot.*")],
            "snapshot.4: it is not a s*",
        ),
        (
            lambda d: [f.unlink() for f in d.glob("*.*")],
            ": there is no snapshot and no log of Zoo*",
        ),
    ],
)
def test_files_that_are_wrong(written: Path, change: Any, said: str | None) -> None:
    change(written)
    if said is None:  # the snapshot before is taken, or the log alone
        state = read_data_dir(written)
        assert names(state) == [*"12345678"]
        assert len(state.notes) == len(list(written.glob("snapshot.4*")))
        return
    with pytest.raises(DataDirError) as told:
        read_data_dir(written)
    name = str(told.value).removeprefix(str(written)).removeprefix("/")
    assert fnmatch.fnmatchcase(name, said), name


def test_logs_elsewhere_and_a_directory_of_ours(written: Path, tmp_path: Path) -> None:
    logs = written / "logs" / "version-2"
    logs.mkdir(parents=True)
    for file in written.glob("log.*"):
        file.rename(logs / file.name)
    assert names(read_data_dir(written)) == [*"1234"]
    assert names(read_data_dir(written, written / "logs")) == [*"12345678"]
    with FakeZooKeeper(data_dir=written / "ours"):
        pass
    with pytest.raises(DataDirError, match="this is a data directory of zkfake; serve it, with zk"):
        read_data_dir(written / "ours")


def test_a_block_of_snappy() -> None:
    def stream(*blocks: bytes) -> bytes:
        head = b"\x82SNAPPY\0" + wire.i32(1) + wire.i32(1)
        return head + b"".join(map(wire.buffer, blocks))

    # Five bytes; four of them again, and what follows is a copy of what was just copied.
    copies = bytes([(4 - 4) << 2 | 1, 5, (6 - 1) << 2 | 2, 2, 0])
    block = bytes([13 + 2, 4 << 2]) + b"abcde" + copies
    assert decompressed(stream(block, bytes([1, 0]) + b"z")) == b"abcdeabcdcdcdcdz"
    long = bytes([0xC8, 1, 60 << 2, 199]) + b"q" * 200
    assert decompressed(stream(long) + stream()) == b"q" * 200
    for wrong in (
        b"",
        b"text",
        stream(block)[:-1],
        stream(block[:-1]),
        stream(b"\5\1\1"),
        stream(b"\x81" + b"\x80" * 4 + b"\0\0z"),  # it would be one
        stream(long)[:-9],
    ):
        with pytest.raises(SnappyError):
            decompressed(wrong)


def test_the_commands_take_a_data_directory(
    written: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (written / "log.5").write_bytes((written / "log.5").read_bytes()[:-65])
    assert main(["dump", str(written)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {f"/{n}": str(n) for n in range(1, 8)}
    note = f"zkfake: {written / 'log.5'}: the last 92 bytes are a part of a transaction; left out\n"
    assert err == note
    with FakeZooKeeper() as server:
        assert main(["load", server.hosts, "--from-data-dir", str(written), "--quiet"]) == 0
        assert capsys.readouterr().err == note
        assert server.dump() == {f"/{n}": b"%d" % n for n in range(1, 8)}
        assert main(["diff", str(written), server.hosts]) == 0
        logs = ["--data-log-dir", str(written)]
        assert main(["load", f"{server.hosts}/x", "--from-data-dir", str(written), *logs]) == 0
        capsys.readouterr()
        assert main(["run", "--load", str(written), "--", sys.executable, "-c", ""]) == 0
        assert note in capsys.readouterr().err
        server.load(written)
        told = [each.getMessage() for each in caplog.records if each.name == "zkfake"]
        assert [f"zkfake: {line}\n" for line in told] == [note]
        capsys.readouterr()
        assert main(["load", server.hosts]) == 2
        assert (
            capsys.readouterr().err
            == "zkfake: load needs a FILE, or --from-data-dir DIR, and not both\n"
        )
    words = ["run", "--load", str(written), "--", sys.executable, "-c", "pass"]
    assert main(words) == 0
