"""Options from ``zkfake.toml``, or from ``[tool.zkfake]`` of a ``pyproject.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake import _cli as cli
from zkfake._cli import main, options_file

if TYPE_CHECKING:
    import argparse


def parsed(*arguments: str) -> argparse.Namespace:
    parser, known = cli._parser()
    own = list(arguments)
    return cli._with_file(parser, known, own, parser.parse_args(own))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


EVERYTHING = """
servers = 3
observers = 1
port = 0
host = "::1"
version = "3.8"
data-dir = "state/here"
sync = "full"
record = "/tmp/h.jsonl"
tls = "cert.pem,key.pem"
verbose = true
quiet = false
kill-after = 2.5
env = ["A", "B={port}"]
sasl-user = ["bob:secret"]

[set]
tickTime = 500
skipACL = true
"4lw.commands.whitelist" = "ruok"
"""


@pytest.mark.parametrize("project", [False, True])
def test_every_kind_of_option(here: Path, project: bool) -> None:
    (here / "below").mkdir()
    if project:
        text = "[project]\nname = 'x'\n[tool.zkfake]" + EVERYTHING.replace(
            "[set]", "[tool.zkfake.set]"
        )
        (here / "pyproject.toml").write_text(text)
    else:
        (here / "zkfake.toml").write_text(EVERYTHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here / "below")
        options = parsed("run")
    assert (options.servers, options.observers, options.host) == (3, 1, "::1")
    assert (options.version, options.verbosity) == ("3.8", 1)
    assert options.tls == f"{here / 'cert.pem'},{here / 'key.pem'}"
    assert options.kill_after == 2.5
    assert [tuple(each) for each in options.env] == [("A", "{hosts}"), ("B", "{port}")]
    assert options.sasl_user == [("bob", "secret")]
    assert dict(options.set) == {
        "tickTime": "500",
        "skipACL": "true",
        "4lw.commands.whitelist": "ruok",
    }
    # What may be in use by a server that runs is left to `serve`, and to it what only `run` has.
    assert (options.port, options.sync, options.data_dir, options.record) == (None,) * 4
    options = parsed("serve")
    assert (options.servers, options.port, options.sync) == (3, 0, "full")
    assert options.data_dir == str(here / "state" / "here")
    assert options.record == str(Path("/tmp/h.jsonl"))


def test_the_command_line_wins(here: Path) -> None:
    (here / "zkfake.toml").write_text('servers = 3\nverbose = true\nset = ["a=1", "b=2"]\n')
    options = parsed("serve", "--servers", "1", "--quiet", "--set", "b=3")
    assert (options.servers, options.verbosity) == (1, -1)
    assert dict(options.set) == {"a": "1", "b": "3"}


def test_which_file_counts(here: Path) -> None:
    inner = here / "inner"
    inner.mkdir()
    (here / "zkfake.toml").write_text("servers = 2\n")
    (inner / "pyproject.toml").write_text("[tool.other]\nservers = 9\n[project]\nname='zkfake'\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(inner)
        assert parsed("serve").servers == 2
        (inner / "pyproject.toml").write_text("[tool.zkfake]\nservers = 3\n")
        assert parsed("serve").servers == 3
        (inner / "zkfake.toml").write_text("servers = 4\n")
        assert parsed("serve").servers == 4
        assert parsed("serve", "--no-toml").servers is None
        assert parsed("serve", "--toml", str(here / "zkfake.toml")).servers == 2
        assert parsed("serve", "--toml", "pyproject.toml").servers == 3


def test_snapshots_are_of_its_directory(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "zkfake.toml").write_text('data-dir = "d"\n')
    with FakeZooKeeper(data_dir=here / "d"):
        pass
    assert main(["snapshot", "save", "x"]) == 0
    assert capsys.readouterr().out.startswith("x\t0x0\t4 znodes\t")
    assert (here / "d" / "snapshots" / "x.db").exists()
    assert main(["snapshot", "list", "--no-toml"]) == 2
    assert capsys.readouterr().err == "zkfake: snapshot needs --data-dir\n"


BAD = {
    "unknown": ("server = 3", "'server' is not an option; did you mean 'servers'?"),
    "of no file": ("no-toml = true", "'no-toml' is not an option"),
    "value": ('servers = "many"', "servers: invalid int value: 'many'"),
    "own check": ("port = 70000", "port: '70000' is not a port: expected 0 to 65535"),
    "choice": ('sync = "fast"', "sync: invalid choice: 'fast'"),
    "list": ("servers = [1, 2]", "servers = [1, 2]: expected one value"),
    "flag": ("quiet = 1", "quiet = 1: expected true or false"),
    "no TOML": ("servers = = 3", "zkfake.toml: "),
    "pair": ('set = "tickTime"', "set: 'tickTime': expected NAME=VALUE"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
@pytest.mark.parametrize(("command", "status"), [("serve", 2), ("run", 125)])
def test_what_cannot_be(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    said: str,
    command: str,
    status: int,
) -> None:
    (here / "zkfake.toml").write_text(text + "\n")
    assert main([command, *(["--", "true"] if command == "run" else [])]) == status
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith(f"zkfake: {here / 'zkfake.toml'}: ")
    assert said in errors
    assert errors.count("\n") == 1


def test_no_such_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--toml", "none.toml"]) == 2
    assert capsys.readouterr().err == "zkfake: none.toml: No such file or directory\n"


def test_a_table_that_is_none(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "pyproject.toml").write_text("[tool]\nzkfake = 1\n")
    assert main(["serve"]) == 2
    assert "tool.zkfake is not a table" in capsys.readouterr().err


def test_a_python_that_reads_no_toml(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so where there is something to read, and only there."""

    def none(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(options_file, "import_module", none)
    (here / "pyproject.toml").write_text("[project]\nname = 'uses-zkfake'\n")
    assert parsed("serve").servers is None
    (here / "pyproject.toml").write_text("[tool.zkfake]\nservers = 3\n")
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        f"zkfake: {here / 'pyproject.toml'} cannot be read: Python 3.11 is the first that reads "
        "TOML by itself; install zkdict[toml], or give --no-toml\n"
    )
    assert parsed("serve", "--no-toml").servers is None
