"""The membership text and the errors of reconfig, as a live 3.9.5 ensemble gave them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._database.reconfig import Membership, initial, parse, reconfigured
from zkfake._protocol.records import Code, ReconfigRequest, ZooKeeperError

TEXT = initial([(1, False, ""), (2, False, ""), (3, False, "")], 0x100000000).render()
OBSERVER = "server.9=127.0.0.1:1:2:observer;3"


def reconfig(
    joining: str | None = None,
    leaving: str | None = None,
    members: str | None = None,
    config_id: int = -1,
    text: bytes = TEXT,
    *,
    pending: bool = False,
) -> list[str]:
    request = ReconfigRequest(joining, leaving, members, config_id)
    membership = Membership(parse(text.decode()), pending, {1, 2, 3})
    return reconfigured(membership, request, 0x100000019).render().decode().split("\n")


OLD = TEXT.decode().split("\n")[:3]
VERSION = "version=100000019"


def test_initial() -> None:
    assert TEXT.decode().split("\n") == [
        "server.1=127.0.0.1:2888:3888:participant",
        "server.2=127.0.0.1:2889:3889:participant",
        "server.3=127.0.0.1:2890:3890:participant",
        "version=100000000",
    ]
    config = initial([(1, False, "127.0.0.1:2181"), (2, True, "[::1]:2182")], 0)
    assert config.render().decode().split("\n") == [
        "server.1=127.0.0.1:2888:3888:participant;127.0.0.1:2181",
        "server.2=127.0.0.1:2889:3889:observer;[::1]:2182",
        "version=0",
    ]


@pytest.mark.parametrize(
    ("joining", "lines"),
    [
        (
            "server.100=0.0.0.0:29991:29992:observer;0.0.0.0:29993",
            ["server.100=0.0.0.0:29991:29992:observer;0.0.0.0:29993"],
        ),
        (
            "server.100=127.0.0.1:29991:29992:observer;29993",
            ["server.100=127.0.0.1:29991:29992:observer;0.0.0.0:29993"],
        ),
        (
            "server.102=127.0.0.1:29981:29982;29983",
            ["server.102=127.0.0.1:29981:29982:participant;0.0.0.0:29983"],
        ),
        (
            "server.101=h:1:2:observer;3,server.100=h:4:5:observer;6",
            ["server.100=h:4:5:observer;0.0.0.0:6", "server.101=h:1:2:observer;0.0.0.0:3"],
        ),
    ],
)
def test_joining(joining: str, lines: list[str]) -> None:
    assert reconfig(joining) == [*OLD, *lines, VERSION]


def test_leaving() -> None:
    assert reconfig(leaving="1") == [*OLD[1:], VERSION]
    assert reconfig(leaving="77") == reconfig() == [*OLD, VERSION]


def test_a_member_takes_the_place_of_the_one_with_its_id() -> None:
    line = "server.1=127.0.0.1:2888:3888:participant;127.0.0.1:27660"
    assert reconfig(line) == [line, *OLD[1:], VERSION]


def test_whole_membership() -> None:
    lines = [f"server.{n}=127.0.0.1:{n}0:{n}1:participant;{n}2" for n in (1, 2, 3)]
    rendered = [f"server.{n}=127.0.0.1:{n}0:{n}1:participant;0.0.0.0:{n}2" for n in (1, 2, 3)]
    for text in ("\n".join(lines), ",".join(lines), "\n".join([*lines, "version=5"])):
        assert reconfig(members=text) == [*rendered, VERSION]


def test_the_version_asked_for_counts_first() -> None:
    assert reconfig(config_id=0x100000000) == [*OLD, VERSION]
    for joining in (OBSERVER, "some thing"):
        with pytest.raises(ZooKeeperError) as raised:
            reconfig(joining, config_id=12345)
        assert raised.value.code is Code.BAD_VERSION


def test_one_at_a_time_comes_before_all_else() -> None:
    for config_id in (-1, 12345):
        with pytest.raises(ZooKeeperError) as raised:
            reconfig("some thing", config_id=config_id, pending=True)
        assert raised.value.code is Code.RECONFIG_IN_PROGRESS


@pytest.mark.parametrize(
    ("joining", "leaving", "members", "code"),
    [
        ("some thing", None, None, Code.BAD_ARGUMENTS),
        ("server.9=1.2.3.4", None, None, Code.BAD_ARGUMENTS),
        ("server.9=h:1:2:observer", None, None, Code.BAD_ARGUMENTS),
        ("server.9=h:1:1:observer;3", None, None, Code.BAD_ARGUMENTS),
        ("server.9=h:1:2:king;3", None, None, Code.BAD_ARGUMENTS),
        ("server.9=h:1:99999:observer;3", None, None, Code.BAD_ARGUMENTS),
        ("server.9=127.0.0.1:2888:2:observer;3", None, None, Code.BAD_ARGUMENTS),
        (f"server.{'9' * 5000}=h:1:2:observer;3", None, None, Code.MARSHALLING_ERROR),
        (f"server.9=h:{'1' * 5000}:2:observer;3", None, None, Code.BAD_ARGUMENTS),
        ("server.x=h:1:2:observer;3", None, None, Code.MARSHALLING_ERROR),
        (None, "x", None, Code.MARSHALLING_ERROR),
        (None, "1,2,3", None, Code.BAD_ARGUMENTS),
        (None, "2,3", None, Code.BAD_ARGUMENTS),
        (None, None, "some thing", Code.BAD_ARGUMENTS),
        (OBSERVER, None, OBSERVER, Code.MARSHALLING_ERROR),
        ("", "", "", Code.BAD_ARGUMENTS),
        (
            ",".join(f"server.{n}=h:{n}0:{n}1;{n}2" for n in (4, 5, 6)),
            None,
            None,
            Code.NEW_CONFIG_NO_QUORUM,
        ),
    ],
)
def test_errors(joining: str | None, leaving: str | None, members: str | None, code: Code) -> None:
    with pytest.raises(ZooKeeperError) as raised:
        reconfig(joining, leaving, members)
    assert raised.value.code is code


@given(st.text(), st.text(), st.none() | st.text())
def test_no_text_does_harm(joining: str, leaving: str, members: str | None) -> None:
    with contextlib.suppress(ZooKeeperError):
        assert reconfig(joining, leaving, members)[-1] == VERSION


@given(st.sets(st.integers(4, 300), max_size=5))
def test_joining_and_leaving_undo_each_other(numbers: set[int]) -> None:
    joining = ",".join(f"server.{n}=h:{n}0:{n}1:observer;{n}2" for n in sorted(numbers))
    joined = "\n".join(reconfig(joining)).encode()
    left = reconfig(leaving=",".join(map(str, numbers)), text=joined)
    assert left == [*OLD, VERSION]
