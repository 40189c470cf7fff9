"""A hostile campaign: a server, a crowd that attacks it, and honest clients that check meanwhile
what they are told. Each of the three is a process of its own.
"""

from __future__ import annotations

import json
import os
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

WARM_UP = 5000
"""Frames after which whatever is kept at hand has its size."""

MOST = {"memory": 1.10, "native": 1.10, "blocks": 1.015}
"""What may be in use after a campaign, as a share of what was before (`tests.hostile.served`).

Memory is counted in pages, and a page with one block in it counts: after a short campaign, chance
has a part in it. The other two count what is really in use, and are the same to some thousandths.
"""

# The GNU C library keeps up to 64 MiB of the heap of each thread for later, and malloc_trim() gives
# back that of the main thread alone: so a server of 30 MiB may be found at 90 MiB. With a threshold
# of our own it keeps next to nothing. Other libraries ignore the variable.
_KEEPS_NOTHING = {"MALLOC_TRIM_THRESHOLD_": "131072"}

_PAUSE = 0.002
"""Seconds between two operations of the honest clients."""


@dataclass
class Figures:
    """What one campaign has shown. Times are seconds."""

    servers: int
    counted: dict[str, int]
    answers: int
    events: int
    slowest_ping: float
    slowest: float
    before: dict[str, int]
    after: dict[str, int]
    """What the server had in use, see `tests.hostile.served`."""
    failed: str | None

    @property
    def grown(self) -> set[str]:
        """Of what more is in use than there may be."""
        return {kind for kind, size in self.after.items() if size > MOST[kind] * self.before[kind]}

    @property
    def lines(self) -> list[str]:
        counted = dict(self.counted)
        frames = counted.pop("frames")
        kinds = ", ".join(f"{count:,} {name}" for name, count in sorted(counted.items()))
        in_use = [
            f"{kind} {self.before[kind]:,}, then {size:,} ({size / self.before[kind] - 1:+.2%})"
            for kind, size in self.after.items()
        ]
        return [
            f"{self.servers} server(s): {frames:,} hostile frames; connections: {kinds}",
            f"  honest: {self.answers:,} answers, {self.events:,} events, all as they have to be",
            f"  slowest ping {1e3 * self.slowest_ping:.0f} ms, answer {1e3 * self.slowest:.0f} ms",
            f"  in use: {'; '.join(in_use)}",
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
            env=os.environ | _KEEPS_NOTHING,
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


def run(
    directory: Path, *, servers: int, frames: int, seed: int, warm_up: int = WARM_UP, leak: str = ""
) -> Figures:
    """``warm_up``: frames before memory is measured for the first time. ``leak``: which of
    `tests.hostile.served.LEAKS` the server has, if any. Raises `WrongAnswerError` for what an
    honest client was told and should not have been.
    """
    authority = trustme.CA()
    certificate, trusted = directory / "server.pem", directory / "authority.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(trusted))
    tls = ssl.create_default_context(cafile=str(trusted))

    with ExitStack() as exits:
        server = exits.enter_context(_Process("serve", str(servers), str(certificate), leak))
        ports: list[list[int]] = server.answer()["ports"]

        def attack(number: int, seed: int) -> _Process:
            options = json.dumps({"ports": ports, "frames": number, "seed": seed})
            return _Process("attack", str(trusted), options)

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
        before,
        after,
        failed,
    )
