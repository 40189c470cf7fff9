"""A hostile campaign: a server, a crowd that attacks it, and honest clients that check meanwhile
what they are told. Each of the three is a process of its own.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import trustme
from typing_extensions import Self

from .honest import Honest

_TOP = Path(__file__).parents[2]

_PAUSE = 0.002
"""Seconds between two operations of the honest clients."""


@dataclass
class Figures:
    """What one campaign has shown. Times are seconds, memory is bytes."""

    servers: int
    counted: dict[str, int]
    answers: int
    events: int
    slowest_ping: float
    slowest: float
    before: int
    after: int
    blocks: tuple[int, int]
    """Pieces of memory that Python has in use, before and after."""
    failed: str | None

    @property
    def lines(self) -> list[str]:
        counted = dict(self.counted)
        frames = counted.pop("frames")
        kinds = ", ".join(f"{count:,} {name}" for name, count in sorted(counted.items()))
        share = self.after / self.before - 1
        return [
            f"{self.servers} server(s): {frames:,} hostile frames; connections: {kinds}",
            f"  honest: {self.answers:,} answers, {self.events:,} events, all as they have to be",
            f"  slowest ping {1e3 * self.slowest_ping:.0f} ms, answer {1e3 * self.slowest:.0f} ms",
            f"  memory {self.before / 2**20:.1f} MiB, then {self.after / 2**20:.1f} ({share:+.1%})",
            f"  Python's blocks of memory: {self.blocks[0]:,}, then {self.blocks[1]:,}",
            f"  the fake's own failure: {self.failed}",
        ]


class _Process:
    """One of the other processes; it ends with the ``with`` block."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_TOP,
        )

    def ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(60)
        self._process.stdin.close()
        self._process.stdout.close()


def run(directory: Path, *, servers: int, frames: int, seed: int, warm_up: int = 0) -> Figures:
    """``warm_up``: frames before memory is measured for the first time. Raises `WrongAnswerError`
    for what an honest client was told and should not have been.
    """
    authority = trustme.CA()
    certificate, trusted = directory / "server.pem", directory / "authority.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(trusted))
    tls = ssl.create_default_context(cafile=str(trusted))

    with ExitStack() as exits:
        server = exits.enter_context(_Process("serve", str(servers), str(certificate)))
        ports: list[list[int]] = server.answer()["ports"]

        def attack(number: int, seed: int) -> _Process:
            options = json.dumps({"ports": ports, "frames": number, "seed": seed})
            return _Process("attack", str(trusted), options)

        if warm_up:
            with attack(warm_up, seed + 1) as attackers:
                attackers.answer()
        before = server.ask("measure")
        # The second one through TLS, each at another server if there are several.
        honest = [
            Honest(
                ("127.0.0.1", ports[number % servers][number % 2]),
                f"/honest/{number}",
                Random(seed * 10 + number),
                tls if number % 2 else None,
            )
            for number in range(3)
        ]
        with attack(frames, seed) as attackers:
            while attackers.running:
                for client in honest:
                    client.step()
                    client.pause(_PAUSE)
            counted = attackers.answer()
        for client in honest:
            client.close()
        after = server.ask("measure")
        failed = server.ask("stop")["failed"]
    return Figures(
        servers,
        counted,
        sum(client.answers for client in honest),
        sum(client.checked_events for client in honest),
        max(client.slowest_ping for client in honest),
        max(client.slowest for client in honest),
        before["memory"],
        after["memory"],
        (before["blocks"], after["blocks"]),
        failed,
    )
