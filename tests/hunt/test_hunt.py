"""`make hunt` runs worlds, counts them, and tells of a failure how to run it again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from . import __main__ as hunt
from .properties import PROPERTIES

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    import pytest


def test_worlds_are_run_and_counted(pytestconfig: pytest.Config) -> None:
    hunted = subprocess.run(
        [sys.executable, "-m", "tests.hunt", "--only=copy", "--worlds=3", "--jobs=1"],
        capture_output=True,
        text=True,
        check=True,
        cwd=pytestconfig.rootpath,
        timeout=240,
    )
    told, table = hunted.stdout.splitlines()
    assert told.endswith(" s")
    assert table.split() == ["copy", "3", "worlds", "0", "failed"]
    assert hunted.stderr == ""


def test_a_failure_tells_how_to_run_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The process that a hunt starts is a stand-in: it fails in its second world."""
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\necho world 7\necho world 8\necho 'it is wrong' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    assert hunt.Hunt(["copy"], seconds=None, worlds=2, jobs=1).run() == 1
    wrong, again, *_, table = capsys.readouterr().out.splitlines()
    assert wrong == "it is wrong"
    assert again.startswith("again: PYTHONHASHSEED=")
    assert again.endswith("-m tests.hunt copy 8")
    assert table.split() == ["copy", "2", "worlds", "1", "failed"]


def test_an_interrupt_ends_it_with_the_table_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The stand-in stays in its second world until it is interrupted, as the whole hunt is."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    stand_in = tmp_path / "python"
    steps = ("echo world 7", "echo world 8", f"echo > {begun}", f"read _ < {begun}", "exit 1")
    stand_in.write_text("\n".join(("#!/bin/sh", *steps, "")))
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    hunted = hunt.Hunt(["copy"], seconds=None, worlds=9, jobs=1)
    wait = hunted.wait
    calls: list[object] = []

    def interrupted(workers: list[threading.Thread]) -> None:
        calls.append(workers)
        if len(calls) == 1:
            begun.read_text()
            raise KeyboardInterrupt
        begun.write_text("over\n")
        wait(workers)

    monkeypatch.setattr(hunted, "wait", interrupted)
    assert hunted.run() == 0
    _, table = capsys.readouterr().out.splitlines()
    assert table.split() == ["copy", "2", "worlds", "0", "failed"]


def test_a_world_that_fails_ends_its_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def holds_below_8(number: int) -> None:
        assert number < 8, "not below 8"

    monkeypatch.setitem(PROPERTIES, "copy", holds_below_8)
    assert hunt.run("copy", [7], 60) == 0
    assert hunt.run("copy", [7, 8, 9], 60) == 1
    told = capfd.readouterr()
    assert told.out.split() == ["world", "7", "world", "7", "world", "8"]
    assert "AssertionError: not below 8" in told.err
