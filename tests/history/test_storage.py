"""Histories on disk: what is saved is loaded again, and nothing else is taken for a history."""

from __future__ import annotations

import logging
import re
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdict import ZooKeeperDict
from zkfake.history import History, HistoryFileError, IncompleteHistoryError, Recorded
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from pathlib import Path


class Level(IntEnum):
    LOW = 1


class Bytes(bytes):
    pass


CHANGING = {"reconfigEnabled": True, "skipACL": True}
"""Settings of an ensemble whose members a client may change."""


def everything() -> History:
    """A short history with every kind of event."""
    with Simulation(seed=1, servers=3, settings=CHANGING, logging={"shop": "INFO"}) as sim:
        client, absent = sim.client("c"), sim.client("absent", hosts="zk1:2181", timeout=4.0)
        sim.sleep(2)  # it is heard of
        sim.faults.pause(absent, duration=10)  # its session expires
        sim.sleep(10)
        client.reconfig(joining=None, leaving="3", new_members=None)
        sim.settle()
        client.create("/a", None)
        client.set("/a", b"\x00\xff", version=0)
        client.exists("/a", watch=lambda _event: None)
        transaction = client.transaction()
        transaction.check("/a", 1)
        transaction.create("/a/\N{SNOWMAN}", b"")
        transaction.delete("/a/\N{SNOWMAN}")
        transaction.commit()
        client.set_acls("/a", client.get_acls("/a")[0])
        client.delete("/a")
        sim.history.note("half\nway \ud800")
        logging.getLogger("shop").info("half\nway \ud800")
        with sim.history.claim("leader", znode="/a"), sim.history.claim("nothing"):
            sim.history.record("did", b"bytes", 1.5)
            sim.history.record("did", None, True)
        with ZooKeeperDict[str](client, "/dict", history=sim.history) as items:
            items["key"] = "value"
        sim.settle()
        with sim.faults.partition_servers(1, 2), sim.faults.pause_server(3):
            sim.sleep(1)
        sim.faults.drop(client)
        sim.run_until(lambda: not client.connected)
        waiting = client.exists_async("/a")
        sim.settle()
        waiting.get()
        with pytest.raises(ValueError, match="no"):
            sim.spawn(_fail).result()
        sim.history.restored(sim.at(sim.replicas[0].zxid))
    return sim.history


def _fail() -> None:
    raise ValueError("no")


@pytest.fixture(scope="module")
def history() -> History:
    return everything()


@pytest.fixture(scope="module")
def saved(history: History, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "history.jsonl"
    history.save(path)
    return path.read_bytes()


def test_what_is_saved_is_loaded_again(history: History, recorded: History, tmp_path: Path) -> None:
    for number, each in enumerate((history, recorded, History())):
        path = tmp_path / str(number)
        each.save(path)
        found = History.load(path)
        assert found == each
        assert list(found) == list(each)
        assert found.digest() == each.digest()
        assert list(map(type, found.in_order())) == list(map(type, each.in_order()))


def test_every_kind_of_event_is_saved(history: History) -> None:
    from zkfake._history import storage

    kinds = {type(event).__name__ for event in history.in_order()}
    assert kinds == set(storage._KINDS) - {"ShownKey", "Vote"}, "which are parts of one"


def test_a_loaded_history_knows_whether_it_has_the_log(tmp_path: Path) -> None:
    without, empty = History(), History()
    empty.log = []
    without.note("x")
    for each in (without, empty):
        each.save(tmp_path / "h")
        assert History.load(tmp_path / "h").log == each.log


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_grows_is_written_in_turns(
    data: st.DataObject, history: History, saved: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After each turn the file has all that there was, and no more is kept."""
    entries = list(history.in_order())
    turns = data.draw(st.lists(st.integers(0, len(entries)), max_size=5).map(sorted))
    path = tmp_path_factory.mktemp("growing") / "h"
    path.write_text("of another program")
    growing = History()
    growing.log = []
    writer = growing._writer(path)
    written = 0
    for end in turns:
        growing._add_all(entries[written:end])
        written = end
        writer.catch_up()
        assert len(growing) == len(list(growing.in_order())) == len(growing.log) == 0
        assert saved.startswith(path.read_bytes())
        assert path.read_bytes().count(b"\n") == written + 1
    growing._add_all(entries[written:])
    writer.close()
    assert path.read_bytes() == saved


def test_what_cannot_be_written_is_told_at_the_end(tmp_path: Path) -> None:
    """Memory does not grow with it either."""
    history = History()
    writer = history._writer(tmp_path)
    for text in ("one", "two"):
        history.note(text)
        writer.catch_up()
        assert not history
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        writer.close()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_that_is_cut_gives_everything_up_to_there(
    data: st.DataObject, history: History, saved: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = saved.index(b"\n") + 1
    end = data.draw(st.integers(first, len(saved) - 1))
    path = tmp_path_factory.mktemp("cut") / "h"
    path.write_bytes(saved[:end])
    whole = saved[first:end].count(b"\n")
    with pytest.raises(
        IncompleteHistoryError, match=f"ends after {whole} events, without its last"
    ) as at:
        History.load(path)
    assert list(at.value.history.in_order()) == list(history.in_order())[:whole]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_file_that_is_damaged_gives_an_error_and_nothing_else(
    data: st.DataObject, history: History, saved: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = data.draw(st.integers(0, len(saved)))
    cut = data.draw(st.integers(0, 3))
    path = tmp_path_factory.mktemp("damaged") / "h"
    path.write_bytes(saved[:place] + data.draw(st.binary(max_size=4)) + saved[place + cut :])
    try:
        found = History.load(path)
    except IncompleteHistoryError as error:
        found = error.history
    except HistoryFileError:
        found = History()
        place = 0
    untouched = max(0, saved[:place].count(b"\n") - 1)
    assert list(found.in_order())[:untouched] == list(history.in_order())[:untouched]


def test_what_is_before_a_damaged_line_is_loaded(recorded: History, tmp_path: Path) -> None:
    """Wherever the line is: the file is not read ahead as text."""
    path = tmp_path / "h"
    recorded.save(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for whole in range(1, 200, 9):
        path.write_bytes(b"".join([*lines[: whole + 1], b"\x80", *lines[whole + 1 :]]))
        with pytest.raises(IncompleteHistoryError, match=f"line {whole + 2} is not") as at:
            History.load(path)
        assert list(at.value.history.in_order()) == list(recorded.in_order())[:whole]


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"Infinity", b"NaN"])
@pytest.mark.parametrize("line", [b'["Note",%s,"main","x"]', b'["Recorded",0.0,"main","x",1,%s]'])
def test_a_number_that_is_not_finite_is_damage(line: bytes, number: bytes, tmp_path: Path) -> None:
    path, end = tmp_path / "h", b'\n{"end":1}\n'
    History().save(path)
    head = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(head + line % b"5" + end)
    assert len(list(History.load(path))) == 1
    path.write_bytes(head + line % number + end)
    with pytest.raises(IncompleteHistoryError, match="line 2 is not"):
        History.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[1]", b"{}", b"\xff\xfe", b"[" * 5000, b"null\n"]
)
def test_what_is_no_history_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(content)
    with pytest.raises(HistoryFileError, match="is not a history of zkfake"):
        History.load(path)


def test_what_is_equal_to_what_a_file_can_hold_is_saved(tmp_path: Path) -> None:
    """A program may record enumerations of texts, or numbers of numpy."""

    class Color(str, Enum):
        RED = "red"

    class Number(float):
        pass

    history = History()
    history.record("x", Color.RED, Number(1.5))
    history.record("x", Level.LOW, memory := Bytes(b"1"))
    history.save(tmp_path / "h")
    loaded = History.load(tmp_path / "h")
    assert [(each.key, each.value) for each in loaded.of(Recorded)] == [("red", 1.5), (1, memory)]
    assert loaded == history


def test_another_version_is_refused(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(saved.replace(b'{"zkfake-history":3', b'{"zkfake-history":4', 1))
    with pytest.raises(HistoryFileError, match="form 4; only forms 1 to 3 can be read"):
        History.load(path)


@pytest.mark.parametrize("value", [object(), [1], float("nan"), float("inf"), (1,)])
def test_only_what_a_file_can_hold_is_recorded(value: object) -> None:
    history = History()
    with pytest.raises(TypeError, match="cannot be recorded"):
        history.record("x", 1, value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cannot be recorded"):
        history.record("x", value)  # type: ignore[arg-type]
    assert not history.of(Recorded)


@pytest.mark.parametrize("wrong", [5, None, b"x"])
def test_only_strings_name_what_a_program_adds(wrong: Any) -> None:
    """As a file cannot be read that has anything else."""
    history = History()
    said = f"={wrong!r}: expected a str"
    with pytest.raises(TypeError, match=f"^text{said}"):
        history.note(wrong)
    with pytest.raises(TypeError, match=f"^name{said}"):
        history.record(wrong, 1)
    with pytest.raises(TypeError, match=f"^name{said}"), history.claim(wrong):
        pass
    if wrong is not None:
        with pytest.raises(TypeError, match=f"^znode{said}"), history.claim("x", znode=wrong):
            pass
        with pytest.raises(TypeError, match=f"^client{said}"), history.claim("x", client=wrong):
            pass
    assert not history
