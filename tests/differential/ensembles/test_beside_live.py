"""The fake's ensemble beside a live one: the same frames to both, every answer compared.

Connections go to leader, followers and observer; sessions move between them. `ZK_ENSEMBLE_STEPS`
sets how many steps are made (300); `python -m tests.differential --ensemble` makes longer runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from zkfake._compare.driver import DivergenceError
from zkfake._compare.steps import Connect, RawRequest, Send

from ...support.wire import (
    OPEN_ACL,
    OPS,
    create,
    create_ttl,
    i32,
    multi,
    multi_header,
    path_version,
    set_data,
    string,
)
from ..engine.report import report
from ..engine.steps import Word
from ..programs import program
from . import beside
from .known import unsafe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._compare.driver import Pair

    from ..engine.steps import Step

STEPS = int(os.environ.get("ZK_ENSEMBLE_STEPS", "300"))
LENGTH = 100
LEADER, FOLLOWER, OTHER = 1, 0, 3
"""Slots whose connections are at these members."""


@pytest.fixture
def pair(live_home: str | None, live_version: str) -> Iterator[Pair]:
    made = beside.pair(live_version, live_home)
    yield made
    made.discard()


MOVED: dict[str, RawRequest] = {
    "an impossible mode": RawRequest(OPS["create"], create("/t/x", flags=77)),
    "a ttl that cannot be": RawRequest(OPS["createTTL"], create_ttl("/t/x", b"", OPEN_ACL, 5, 0)),
    "a path that cannot be": RawRequest(OPS["create"], create("nowhere")),
    "a create": RawRequest(OPS["create"], create("/t/x")),
    "a delete": RawRequest(OPS["delete"], path_version("/nope")),
    "an impossible delete": RawRequest(OPS["delete"], path_version("nowhere")),
    "a delete that cannot be read": RawRequest(OPS["delete"], b"\0"),
    "a setData": RawRequest(OPS["setData"], set_data("/t", b"")),
    "a reconfig that is not allowed": RawRequest(OPS["reconfig"], string(None) * 3 + bytes(8)),
    "a container's end": RawRequest(OPS["deleteContainer"], string("/t/x")),
    "nothing in a multi": RawRequest(OPS["multi"], multi([])),
    "a broken multi": RawRequest(OPS["multi"], multi_header(1)),
    "a multi with a fault of its own": RawRequest(
        OPS["multi"], multi([(OPS["create"], create("/t/x", flags=77))])
    ),
    "a multi": RawRequest(OPS["multi"], multi([(OPS["create"], create("/t/x"))])),
    "a sync": RawRequest(OPS["sync"], string("/")),
    "the end of the session": RawRequest(OPS["closeSession"]),
    "the session anew": RawRequest(OPS["createSession"], i32(130_000)),
}


def old_connection(slot: int, request: RawRequest) -> list[Step]:
    """What the old connection of a session that moved may still do. The session's owner is looked
    at in the middle of some checks, and not at all in some.
    """
    after = Send(OTHER, (RawRequest(OPS["create"], create("/t/y")),))
    return [Connect(slot), Connect(OTHER, 0), Send(slot, (request,)), after, Word(b"dump")]


def timeouts() -> list[Step]:
    """Learners tell of a session's timeout as it was when the session was made."""
    longer = Send(FOLLOWER, (RawRequest(OPS["createSession"], i32(140_000)),))
    again = Connect(OTHER, 0, timeout=150_000)
    return [Connect(FOLLOWER), longer, Word(b"dump"), again, Word(b"dump")]


def test_every_member_answers_alike(pair: Pair, live_version: str) -> None:
    # One test, so that there is one live ensemble, however the tests are spread over processes.
    pointed = [old_connection(slot, MOVED[name]) for slot in (LEADER, FOLLOWER) for name in MOVED]
    for steps in (*pointed, timeouts()):
        if not any(unsafe(step, live_version) for step in steps):
            pair.run(steps)
    goal = pair.steps + STEPS
    seed = 0
    while pair.steps < goal:
        drawn = program(seed, LENGTH, live_version, unsafe)
        try:
            pair.run(drawn)
        except DivergenceError as divergence:
            raise DivergenceError(f"seed {seed}: {report(pair, drawn, divergence)}") from None
        seed += 1
    assert pair.frames > pair.steps
