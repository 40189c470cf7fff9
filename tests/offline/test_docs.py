"""The page on offline development says what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zkfake import FakeZooKeeper
from zkfake import _cli as cli

from ..support.programs import SCRIPT, first_line, posix, program

PAGE = Path(__file__).parents[2] / "docs" / "offline.md"
TEXT = PAGE.read_text("utf-8")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, in which ``zkfake`` and ``python`` are those of this environment."""
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", own + os.pathsep + os.environ["PATH"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(section: str) -> list[str]:
    """The lines after ``$`` of a section, without their comments."""
    text = TEXT.partition(section)[2].partition("\n## ")[0]
    lines = re.findall(r"^    \$ ([^#\n]*)", text, re.MULTILINE)
    return [line.strip() for line in lines]


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120)


installed = pytest.mark.skipif(
    not Path(SCRIPT[0]).exists(), reason="zkfake is not installed beside this Python"
)


def test_the_tree_file_loads_with_the_setting_that_it_names(tmp_path: Path) -> None:
    text = TEXT.partition("## Znodes in a file")[2]
    block = text.partition("```yaml\n")[2].partition("```")[0]
    (setting,) = re.findall(r"--set (\w+)=true", block)
    (tmp_path / "shop.yaml").write_text(block, "utf-8")
    with FakeZooKeeper(settings={setting: True}) as server:
        server.load(tmp_path / "shop.yaml")
        assert "/shop/cache" in server.dump()


@posix
@installed
def test_the_commands_of_the_first_lines(empty: Path) -> None:
    _, pytest_, npm, java, serve = commands("# Offline")[:5]
    (empty / "test_it.py").write_text(
        "import os\ndef test(): assert ':' in os.environ['ZK_HOSTS']\n"
    )
    said = shell(pytest_)
    assert (said.returncode, "1 passed" in said.stdout) == (0, True)
    assert npm == "zkfake run -- npm test"  # tests/offline/test_run.py has it
    echo = java.replace("java -Dzk={hosts} -jar app.jar", "echo {hosts}")
    assert echo != java
    assert re.fullmatch(r"(127\.0\.0\.1:\d+[,\n]){3}", shell(echo).stdout)
    assert serve == "zkfake serve --data-dir .zkfake"


@posix
@installed
def test_the_commands_of_a_state_that_stays(empty: Path) -> None:
    serve, *snapshots = commands("## State that stays")
    with program(*serve.split()[1:], "--port", "0") as process:
        assert first_line(process.stdout).startswith("127.0.0.1:")
        for line in snapshots[:-1]:
            said = shell(line)
            assert (said.returncode, said.stderr) == (0, "")
            assert said.stdout.startswith("clean\t0x0\t4 znodes\t")
        process.terminate()
        assert process.wait(120) == 0
    assert shell(snapshots[-1]).stdout == "clean\tis the state of zxid 0x1\n"


def test_the_options_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "zkfake.toml").write_text(block)
    monkeypatch.chdir(tmp_path)
    parser, known = cli._parser()
    for command in ("serve", "run"):
        options = cli._with_file(parser, known, [command], parser.parse_args([command]))
        assert (options.servers, options.version, options.set) == (3, "3.8", [("tickTime", "500")])
        assert options.data_dir == (str(tmp_path / ".zkfake") if command == "serve" else None)


def test_every_option_is_told_of() -> None:
    both = TEXT + (PAGE.parent / "zkfake.md").read_text("utf-8")
    _, known = cli._parser()
    for command in ("serve", "run"):
        for option in known.choices[command]._option_string_actions:
            assert not option.startswith("--") or option == "--help" or f"`{option}" in both, option


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)", TEXT)
    assert targets
    for target in targets:
        assert (PAGE.parent / target).exists(), target


def test_the_commands_on_trees(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeZooKeeper() as one, FakeZooKeeper() as other:
        one.load({"/shop": b"", "/shop/currency": b"EUR"})
        names = {"zk1:2181": one.hosts, "127.0.0.1:2181": other.hosts}
        dump, load, copy, diff = commands("## `zkfake dump`")
        for line in (dump, load, copy, diff):
            if line == diff:
                other.load({"/shop/currency": b"USD"})
            for name, hosts in names.items():
                line = line.replace(name, hosts)
            capsys.readouterr()
            status = cli.main(line.split()[1:])
            assert (line.split()[1], status) == (line.split()[1], int("diff" in line))
        assert f"    {capsys.readouterr().out}" in TEXT
        assert other.dump() == {"/shop": b"", "/shop/currency": b"USD"}
