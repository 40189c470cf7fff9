"""What no live ensemble survives is kept from it, and little else."""

from __future__ import annotations

import pytest

from zkfake._compare.steps import RawRequest

from ...support.wire import (
    OPEN_ACL,
    OPS,
    create,
    create_ttl,
    multi,
    path_version,
    path_watch,
    set_acl,
    set_data,
    string,
)
from ..programs import program
from .known import unsafe, waits_for_ever

READABLE = {
    "create": create("/t/a"),
    "create2": create(None, None, None),
    "createContainer": create("/t/a"),
    "createTTL": create_ttl("/t/a", b"", OPEN_ACL, 5, 1),
    "delete": path_version("/t/a"),
    "deleteContainer": string("/t/a"),
    "setData": set_data(None, None),
    "setACL": set_acl("/t/a", OPEN_ACL),
    "reconfig": string(None) * 3 + bytes(8),
}


@pytest.mark.parametrize("op", READABLE)
def test_a_record_that_is_cut_short(op: str) -> None:
    body = READABLE[op]
    for version in ("3.8", "3.9"):
        assert not waits_for_ever(RawRequest(OPS[op], body), version)
        assert not waits_for_ever(RawRequest(OPS[op], body + b"more"), version)
    for end in range(len(body)):
        assert waits_for_ever(RawRequest(OPS[op], body[:end]), "3.9")
        assert waits_for_ever(RawRequest(OPS[op], body[:end]), "3.8") is (op == "reconfig")


def test_a_path_or_a_list_that_is_not_there() -> None:
    assert waits_for_ever(RawRequest(OPS["deleteContainer"], string(None)), "3.9")
    creates = [(OPS["create"], create("/t/a", b"", None))]
    reads = [(OPS["getData"], path_watch("/t/a"))]
    assert waits_for_ever(RawRequest(OPS["multi"], multi(creates)), "3.9")
    assert waits_for_ever(RawRequest(OPS["multi"], multi(reads + creates)), "3.9")
    assert not waits_for_ever(RawRequest(OPS["multi"], multi(creates)), "3.8")
    assert not waits_for_ever(RawRequest(OPS["multi"], b"\0"), "3.9")


def test_a_check_by_itself() -> None:
    for version, kept in (("3.8", True), ("3.9", False)):
        request = RawRequest(OPS["check"], path_version("/t/a"))
        assert waits_for_ever(request, version) is kept


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_most_steps_are_made(version: str) -> None:
    steps = [step for seed in range(20) for step in program(seed, 100, version)]
    assert 0 < sum(unsafe(step, version) for step in steps) < len(steps) // 20
    safe = [step for seed in range(20) for step in program(seed, 100, version, unsafe)]
    assert not any(unsafe(step, version) for step in safe)
