"""``--web`` of ``zkfake serve`` and ``zkfake run``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from zkfake._cli import main
from zkfake.history import History, Sent

from ..support.programs import first_line, posix, program

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 120

SHOWS = """
import json, os, urllib.request as u
url, token = os.environ["ZKFAKE_CONTROL"], os.environ["ZKFAKE_TOKEN"]
asked = u.Request(url + "/servers", headers={"Authorization": "Bearer " + token})
assert json.load(u.urlopen(asked))["hosts"] == os.environ["ZK_HOSTS"]
print(token)
"""


@posix
@pytest.mark.usefixtures("interruptible")
def test_serve_prints_where_the_console_is() -> None:
    with program("serve", "--port", "0", "--web", "0") as server:
        hosts, console = first_line(server.stdout), first_line(server.stdout)
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/#token=([\w-]{32,})", console)
        assert found
        address, token = found.groups()
        asked = Request(f"{address}/api/servers", headers={"Authorization": f"Bearer {token}"})
        with urlopen(asked, timeout=TIMEOUT) as reply:
            assert json.load(reply)["hosts"] == hosts
        server.terminate()
        assert server.communicate(timeout=TIMEOUT) == ("", "")
        assert server.returncode == 0


def test_run_tells_the_command() -> None:
    words = ["run", "--web", "--", sys.executable, "-c", SHOWS]
    done = subprocess.run(
        [sys.executable, "-m", "zkfake", *words], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.strip()) >= 32


def test_beside_a_recording(tmp_path: Path) -> None:
    """The file has everything, and so has the endpoint."""
    file = tmp_path / "h.jsonl"
    text = (
        "import json, os, urllib.request as u; from kazoo.client import KazooClient as C; "
        "c = C(os.environ['ZK_HOSTS']); c.start(); c.create('/a'); c.stop(); c.close(); "
        "asked = u.Request(os.environ['ZKFAKE_CONTROL'] + '/history?limit=1000', "
        "headers={'Authorization': 'Bearer ' + os.environ['ZKFAKE_TOKEN']}); "
        "print(sum(e['kind'] == 'sent' for e in json.load(u.urlopen(asked))['events']))"
    )
    words = ["run", "--record", str(file), "--web", "--", sys.executable, "-c", text]
    done = subprocess.run(
        [sys.executable, "-m", "zkfake", *words], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert (done.returncode, done.stderr) == (0, "")
    history = History.load(file)
    assert history.check(complete=True)
    assert len(history.of(Sent)) == int(done.stdout)


def test_a_token_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZKFAKE_TOKEN", "tea-time")
    words = ["run", "--verbose", "--web", "--", sys.executable, "-c", SHOWS]
    assert main(words) == 0
    out, errors = capfd.readouterr()
    assert out == "tea-time\n"
    assert re.search(r"the console is at http://127\.0\.0\.1:\d+/#token=tea-time\n", errors)
    monkeypatch.setenv("ZKFAKE_TOKEN", "té")
    assert main(["run", "--web", "--", "true"]) == 125
    assert "token: expected a text of printable ASCII" in capfd.readouterr().err


def test_beyond_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--web", "0", "--host", "0.0.0.0"]) == 2
    said = capsys.readouterr().err
    assert "--web at 0.0.0.0 can be reached from other machines" in said
    assert "--i-know" in said
    words = ["run", "--host", "0.0.0.0", "--web", "--i-know", "--", sys.executable, "-c", "0"]
    assert main(words) == 0


def test_without_the_packages() -> None:
    text = (
        "import sys; sys.modules['uvicorn'] = None; from zkfake._cli import main; "
        "sys.exit(main(['serve', '--port', '0', '--web', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'zkfake: --web: the control endpoint needs more packages: pip install "zkdict[web]"\n'
    )


def test_the_options_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port, or whether there is one."""
    from zkfake import _cli as cli

    monkeypatch.chdir(tmp_path)
    parser, _ = cli._parser()
    for text, port in (("true", 8181), ("false", None), ("9999", 9999)):
        (tmp_path / "zkfake.toml").write_text(f"web = {text}\n")
        for command, expected in (("serve", port), ("run", None)):
            _, known = cli._parser()
            options = cli._with_file(parser, known, [command], parser.parse_args([command]))
            assert options.web == expected
