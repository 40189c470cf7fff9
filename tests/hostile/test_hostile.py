"""The hostile campaign and the rules of the fuzzer, in the length that every run of the tests has.

`make hostile` and `make fuzz` are the whole.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ..support.wire import OPS
from . import fuzzed
from .campaign import run
from .frames import OPERATIONS, Grammar
from .honest import Honest, WrongAnswerError
from .served import LEAKS

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_zkdict.plugin import ServerFactory


@pytest.mark.parametrize("servers", [1, 3])
def test_a_campaign(servers: int, tmp_path: Path) -> None:
    """How long the slowest ping took is for the whole campaign to tell."""
    figures = run(tmp_path, servers=servers, frames=8000, seed=servers)
    assert figures.failed is None
    assert figures.counted["frames"] >= 8000
    assert figures.answers > 0
    assert figures.grown <= {"memory"}, figures.lines


@pytest.mark.parametrize("leak", LEAKS)
def test_a_campaign_finds_a_leak(leak: str, tmp_path: Path) -> None:
    figures = run(tmp_path, servers=1, frames=8000, seed=1, leak=leak)
    if leak == "native" and leak not in figures.before:
        leak = "memory"  # a C library that does not tell
    assert leak in figures.grown, figures.lines


@given(st.binary(max_size=300))
@example(b"\x0cruok")
def test_any_bytes(data: bytes) -> None:
    fuzzed.check(data)


@given(st.integers(0, 15), st.randoms(use_true_random=False))
def test_requests_that_are_not_quite_right(choice: int, random: Random) -> None:
    grammar = Grammar(random)
    frames = [frame for frame in (grammar.request() for _ in range(8)) if len(frame) >= 12]
    fuzzed.check(bytes([choice & 3]) + b"".join(map(fuzzed.shortened, frames)))
    fuzzed.check(bytes([choice | 4]) + b"".join(frames))
    fuzzed.check(bytes([12 | choice]) + grammar.strange_opening())


def test_the_grammar_knows_every_operation() -> None:
    grammar = Grammar(Random(0))
    codes = {int.from_bytes(grammar.request()[8:12], "big", signed=True) for _ in range(5000)}
    assert codes >= {OPS[name] for name in OPERATIONS if name in OPS}


def test_an_honest_client_agrees_with_a_server(zk_server_factory: ServerFactory) -> None:
    """The model is right: a live server answers as it says, too."""
    host, _, port = zk_server_factory().hosts.rpartition(":")
    client = Honest((host, int(port)), "/honest", Random(0))
    for _ in range(400):
        client.step()
    client.pause(0.0)
    client.close()
    assert client.answers > 300
    assert client.checked_events > 5


def test_an_honest_client_sees_what_is_wrong(
    zk_server_factory: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, port = zk_server_factory().hosts.rpartition(":")
    client = Honest((host, int(port)), "/honest", Random(0))
    frame = Honest._frame
    seen = []

    def mistaken(self: Honest) -> bytes:
        payload = frame(self)
        seen.append(payload)
        return payload[:-1] + bytes([payload[-1] ^ 1]) if len(seen) % 7 == 0 else payload

    monkeypatch.setattr(Honest, "_frame", mistaken)
    with pytest.raises(WrongAnswerError):  # noqa: PT012
        for _ in range(400):
            client.step()
    client._socket.close()
