"""``zkfake check``, ``story`` and ``timeline``, called as the command is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkfake._cli import main
from zkfake.history import Committed, History, Reply, ServerEvent

from .habits import history_of, writes_a_large_znode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def good(recorded: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("histories") / "good.jsonl"
    recorded.save(path)
    return path


@pytest.fixture(scope="module")
def bad(recorded: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One reply is older than it was."""
    history = History()
    history.log = []
    last = next(
        event
        for event in reversed(recorded)
        if isinstance(event, Reply) and event.operation == "exists" and not event.error
    )
    for entry in recorded.in_order():
        if isinstance(entry, Committed):
            history._add_logged(entry)
        elif entry is last:
            frame = entry.frame[:8] + (1).to_bytes(8, "big") + entry.frame[16:]
            history.append(entry._replace(zxid=1, frame=frame))
        else:
            history.append(entry)
    path = tmp_path_factory.mktemp("histories") / "bad.jsonl"
    history.save(path)
    return path


def test_check_says_that_nothing_is_broken(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(good)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("nothing is broken (")
    assert "states are true: checked" in out
    assert not err


def test_check_says_what_is_broken(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(bad)]) == 1
    assert "never back: client-" in capsys.readouterr().out


def test_the_file_says_what_the_history_says(
    good: Path, recorded: History, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(good), "--timely", "1e6"]) == 0
    assert capsys.readouterr().out == f"{recorded.check(timely=1e6)}\n"


def test_story(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["story", str(good)]) == 0
    assert capsys.readouterr().out.startswith("Nothing is broken in ")
    assert main(["story", str(bad)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("Broken: never back.\nPromised: Single system image: ")
    assert len(out.splitlines()) <= 30
    assert max(map(len, out.splitlines())) <= 118


def test_timeline(
    good: Path, bad: Path, recorded: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["timeline", str(good)]) == 0
    page = capsys.readouterr().out
    assert page == recorded.timeline(title="good.jsonl") + "\n"
    output = tmp_path / "page.html"
    assert main(["timeline", str(bad), "-o", str(output)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{output}: broken: never back, ")
    assert out.count("\n") == 1
    assert not err
    assert "<title>bad.jsonl</title>" in output.read_text("ascii")


def test_a_timeline_that_cannot_be_written_is_said_in_a_line(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing" / "page.html"
    assert main(["timeline", str(good), "-o", str(missing)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err == f"zkfake: {missing}: No such file or directory\n"


def test_a_timeline_does_not_overwrite_its_history(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = good.read_bytes()
    assert main(["timeline", str(good), "-o", str(good)]) == 2
    assert "is the history itself: name another file" in capsys.readouterr().err
    assert good.read_bytes() == before


def test_the_doctor_says_what_it_found(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", str(good)]) == 0
    assert capsys.readouterr().out.startswith("no habit was found that will hurt (")
    history, path = history_of(writes_a_large_znode), tmp_path / "h"
    history.save(path)
    assert main(["doctor", str(path)]) == 1
    assert capsys.readouterr().out == f"{history.diagnose()}\n"


@pytest.mark.parametrize("command", ["check", "story", "timeline", "doctor"])
def test_a_file_that_was_cut_is_judged_as_far_as_it_goes(
    command: str, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut"
    whole = good.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert main([command, str(path)]) == 0
    out, err = capsys.readouterr()
    begins = {"timeline": "<!doctype", "doctor": "no habit was found"}
    assert out.lower().startswith(begins.get(command, "nothing is broken"))
    assert " events, without its last line: it was cut, or its program was killed" in err
    assert err.endswith("; what comes before is judged\n")


@pytest.mark.parametrize("command", ["check", "story", "timeline", "doctor"])
def test_what_is_no_history_is_said_in_a_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "h"
    path.write_text("[]\n")
    for file, text in ((path, "is not a history of zkfake"), (tmp_path / "none", "No such file")):
        assert main([command, str(file)]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith("zkfake: ")
        assert text in err
        assert err.count("\n") == 1


NONSENSE: dict[type, list[Any]] = {
    bool: [None],
    int: [0, -1, 2**31, -(2**63), 10**30],
    float: [0.0, -1.0, 1e308, 7],
    str: ["", "/", "//", "/zookeeper", "\0", "0" * 200],
    list: [[], [None], [[]]],
    dict: [{}],
    type(None): [0, "", []],
}
"""By the type of what stands in a file: what has a right type, or nearly, and no sense."""


def nonsense(data: st.DataObject, value: Any) -> Any:
    """The same with something else somewhere in it."""
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], nonsense(data, value[place]), *value[place + 1 :]]
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: nonsense(data, value[key])}
    return data.draw(st.sampled_from(NONSENSE[type(value)]))


STRANGE = ("nonsense", "letter", "another", "zeros", "cut", "none", "foreign")


def strange(data: st.DataObject, lines: list[bytes]) -> bytes:
    """What may stand in the place of a line of a file."""
    line = data.draw(st.sampled_from(lines))
    how = data.draw(st.sampled_from(STRANGE))
    if how == "nonsense":
        return json.dumps(nonsense(data, json.loads(line))).encode() + b"\n"
    if how == "letter":  # of a frame, mostly
        place = data.draw(st.integers(0, len(line) - 2))
        letter = data.draw(st.sampled_from(b"0129abefgAQZ+/"))
        return line[:place] + bytes([letter]) + line[place + 1 :]
    if how == "foreign":
        return data.draw(st.one_of(st.binary(max_size=40), st.just(b"[" * 5000))) + b"\n"
    ways = {
        "another": line,
        "zeros": line.replace(b"1", b"0"),
        "cut": line[: data.draw(st.integers(0, 80))] + b"\n",
    }
    return ways.get(how, b"")


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_no_file_is_too_strange(
    data: st.DataObject, good: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Fields that have the right type and no sense, too."""
    whole = lines = good.read_bytes().splitlines(keepends=True)[:200]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0 if data.draw(st.integers(0, 9)) == 0 else 1, 199))
        lines = [*lines[:place], strange(data, whole), *lines[place + 1 :]]
    path = tmp_path_factory.mktemp("strange") / "h"
    path.write_bytes(b"".join(lines))
    for command in ("check", "story", "timeline", "doctor"):
        assert main([command, str(path)]) in (0, 1, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expires session", ""),
        ("expires session", "/zookeeper"),
        ("expires session", f"0x1, not heard of for {'9' * 5000} ms"),
        ("joins", f"server {'9' * 5000}"),
    ],
)
def test_what_a_server_says_may_have_no_sense(name: str, text: str, tmp_path: Path) -> None:
    history = History()
    history.log = []
    history.append(ServerEvent(0.0, 1, 1, name, text))
    path = tmp_path / "h"
    history.save(path)
    for command in ("check", "story", "timeline", "doctor"):
        assert main([command, str(path)]) == 0


@pytest.mark.parametrize("seconds", ["-1", "-0.5", "nan", "inf", "soon"])
def test_a_bound_that_cannot_be_is_refused(
    seconds: str, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(good), "--timely", seconds]) == 2
    assert "expected a number of seconds" in capsys.readouterr().err
