"""The list of known differences is the documentation's, and keeps harm from live servers."""

from __future__ import annotations

from pathlib import Path

from zkfake._compare.steps import RawRequest, Send

from ..support import wire
from ..support.wire import OPEN_ACL, OPS
from .known import DIFFERENCES, unsafe
from .programs import program

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"


def test_the_documentation_lists_what_is_known() -> None:
    rows = [
        line.strip("|").split("|")
        for line in DOCUMENT.read_text("utf-8").splitlines()
        if line.startswith("|")
    ]
    assert {where.strip(): what.strip() for where, what in rows[2:]} == DIFFERENCES


def test_what_ends_a_server_is_not_sent() -> None:
    deadly = wire.create_ttl("/t/a", b"", OPEN_ACL, 0, -1)
    harmless = wire.create_ttl("/t/a", b"", OPEN_ACL, 0, 0)
    for version in ("3.8", "3.9"):
        assert unsafe(Send(0, (RawRequest(OPS["createTTL"], deadly),)), version)
        assert not unsafe(Send(0, (RawRequest(OPS["createTTL"], harmless),)), version)
        assert not any(unsafe(step, version) for step in program(1, 500, version))
