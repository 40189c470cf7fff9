"""The page on the control endpoint says what there is, and its lines work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss

from zkfake._web.app import document

from .asking import TIMEOUT

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from .asking import Asking

PAGE = Path(__file__).parents[2] / "docs" / "offline.md"
SECTION = PAGE.read_text("utf-8").partition("\n## The control endpoint\n")[2].partition("\n## ")[0]

JAVA = """
import java.net.URI;
import java.net.http.*;
public class Lines {{
    public static void main(String[] words) throws Exception {{
        {lines}
        if (reply.statusCode() != 201) throw new Exception(reply.body());
    }}
}}
"""


def lines(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    return str(found)


def commands(directory: Path) -> dict[str, list[str]]:
    """How this machine runs the lines of each language that it has."""
    texts = {
        "sh": ("curl", ["sh"], "lines.sh", lines("sh")),
        "js": ("node", ["node"], "lines.mjs", lines("js")),
        "java": ("javac", ["java"], "Lines.java", JAVA.format(lines=lines("java"))),
    }
    found = {}
    for language, (tool, command, name, text) in texts.items():
        if shutil.which(tool):
            (directory / name).write_text(text)
            found[language] = [*command, str(directory / name)]
    return found


class Ordering(threading.Thread):
    """Places an order once there is another fault."""

    def __init__(self, asking: Asking, client: KazooClient, path: str) -> None:
        super().__init__()
        self.lost = self.over = False
        self._asking = asking
        self._client = client
        self._path = path
        self._before = self._faults()

    def _faults(self) -> int:
        return len(self._asking.get("/faults")["faults"])

    def run(self) -> None:
        while not self.over and self._faults() == self._before:
            pass
        try:
            self._client.create(self._path)
        except ConnectionLoss:
            self.lost = True


def test_a_reply_is_lost_in_each_language(
    asking: Asking, client: KazooClient, tmp_path: Path
) -> None:
    """In those that this machine has."""
    client.ensure_path("/orders")
    environment = {
        **os.environ,
        "ZKFAKE_CONTROL": asking.endpoint.url,
        "ZKFAKE_TOKEN": asking.endpoint.token,
    }
    for language, command in commands(tmp_path).items():
        ordering = Ordering(asking, client, f"/orders/{language}")
        ordering.start()
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
        ordering.over = done.returncode != 0
        ordering.join(TIMEOUT)
        assert (done.returncode, ordering.lost) == (0, True), (language, done)
        if language == "js":
            assert "create /orders/js" in done.stdout
        assert asking.get("/tree", path=f"/orders/{language}")["stat"]["version"] == 0


def test_every_route_is_told_of() -> None:
    told = set()
    for row in re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE):
        for path in re.findall(r"(/[a-z./N A-Z]*)", re.sub(r"\?[^`]*", "", row)):
            told.add(path.replace("N", "{number}", 1) if path == "/faults/N" else path)
    told = {path.replace("/snapshots/NAME", "/snapshots/{name}") for path in told}
    there = {path.removeprefix("/api") for path in document()["paths"]}
    assert there - told == set()
    assert told - there == {"/openapi.json"}
