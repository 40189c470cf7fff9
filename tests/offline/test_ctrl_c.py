"""Ctrl-C before any command has begun: it ends quietly, with the status that shells have for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zkfake

AS_MODULE = "import runpy; runpy.run_module('zkfake', run_name='__main__')"
AS_SCRIPT = """
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="zkfake")
sys.exit(command.load()())
"""
INTERRUPTED = """
import signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(sys.argv[1]) and name not in ("zkfake", "zkfake.__main__"):
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
"""


@pytest.mark.parametrize("start", [AS_MODULE, AS_SCRIPT], ids=["module", "script"])
@pytest.mark.parametrize("name", ["zkfake.", "zkfake._cli.web"])
def test_ctrl_c_while_the_command_is_imported(start: str, name: str) -> None:
    """From the first of its modules on."""
    program = [sys.executable, "-c", INTERRUPTED + start, name]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 130)


def test_the_package_shows_its_names_before_they_are_loaded() -> None:
    program = "import zkfake; print(*dir(zkfake)); from zkfake import *; print(Rule, FakeZooKeeper)"
    said = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=120)
    names, loaded = said.splitlines()
    assert set(names.split()) >= set(zkfake.__all__)
    assert loaded == f"{zkfake.Rule} {zkfake.FakeZooKeeper}"
    with pytest.raises(AttributeError, match="module 'zkfake' has no attribute 'Rulle'"):
        zkfake.Rulle  # type: ignore[attr-defined]  # noqa: B018
