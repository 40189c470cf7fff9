"""What each server of an ensemble tells of itself, against a live 3.9.5 ensemble of four."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake import Member


@pytest.fixture(scope="module")
def ensemble() -> Iterator[FakeZooKeeper]:
    settings = {"4lw.commands.whitelist": "*", "readonlymode.enabled": True}
    with FakeZooKeeper(servers=3, observers=1, settings=settings) as server:
        yield server


def ask(member: Member, word: str) -> str:
    with socket.create_connection(("127.0.0.1", member.port), timeout=10) as connection:
        connection.sendall(word.encode())
        return connection.makefile().read()


def pairs(text: str, separator: str) -> dict[str, str]:
    return dict(line.split(separator, 1) for line in text.splitlines() if separator in line)


def mode(member: Member) -> str:
    return pairs(ask(member, "srvr"), ": ")["Mode"]


def test_modes(ensemble: FakeZooKeeper) -> None:
    assert sorted(map(mode, ensemble.members)) == ["follower", "follower", "leader", "observer"]
    assert mode(ensemble.members[3]) == "observer"


def test_conf(ensemble: FakeZooKeeper) -> None:
    text = ask(ensemble.members[3], "conf")
    found = pairs(text.partition("membership: \n")[0], "=")
    assert list(found) == [
        "clientPort",
        "secureClientPort",
        "dataDir",
        "dataDirSize",
        "dataLogDir",
        "dataLogSize",
        "tickTime",
        "maxClientCnxns",
        "minSessionTimeout",
        "maxSessionTimeout",
        "clientPortListenBacklog",
        "serverId",
        "initLimit",
        "syncLimit",
        "electionAlg",
        "electionPort",
        "quorumPort",
        "peerType",
    ]
    assert found["clientPort"] == str(ensemble.members[3].port)
    assert (found["serverId"], found["peerType"]) == ("4", "1")
    assert pairs(ask(ensemble.members[0], "conf"), "=")["peerType"] == "0"
    quorum, election = found["quorumPort"], found["electionPort"]
    line = f"server.4=127.0.0.1:{quorum}:{election}:observer;{ensemble.members[3].hosts}"
    assert text.endswith(f"\n{line}\nversion=0")


def test_mntr(ensemble: FakeZooKeeper) -> None:
    told = {mode(member): pairs(ask(member, "mntr"), "\t") for member in ensemble.members}
    for role, state in (
        ("leader", "leading"),
        ("follower", "following"),
        ("observer", "observing"),
    ):
        assert told[role]["zk_server_state"] == role
        assert told[role]["zk_peer_state"] == f"{state} - broadcast"
        assert told[role]["zk_quorum_size"] == "3"
    leader = told["leader"]
    assert leader["zk_learners"] == "3"
    assert leader["zk_synced_followers"] == "2"
    assert leader["zk_synced_observers"] == "1"
    assert int(leader["zk_leader_uptime"]) >= 0
    leading = [mode(member) for member in ensemble.members].index("leader") + 1
    assert told["observer"]["zk_observer_master_id"] == str(leading)
    assert "zk_learners" not in told["follower"]


def test_sizes_of_an_empty_tree() -> None:
    settings = {"4lw.commands.whitelist": "*"}
    with FakeZooKeeper(settings=settings) as server:
        told = pairs(ask(server.members[0], "mntr"), "\t")
    assert told["zk_approximate_data_size"] == "44"
    assert told["zk_znode_count"] == "5"
    assert "zk_quorum_size" not in told


def test_the_size_is_that_of_paths_and_data() -> None:
    settings = {"4lw.commands.whitelist": "*"}
    with FakeZooKeeper(settings=settings) as server:
        server.load({"/a": b"123", "/a/\u00e9": b"", "/none": None})
        told = pairs(ask(server.members[0], "mntr"), "\t")
    assert told["zk_approximate_data_size"] == str(44 + len("/a123/a/../none"))


def test_a_server_that_lost_its_ensemble_tells_less() -> None:
    settings = {"4lw.commands.whitelist": "*", "readonlymode.enabled": True, "tickTime": 10}
    with FakeZooKeeper(servers=3, settings=settings) as server:
        for member in server.members[1:]:
            member.stop()
        last = server.members[0]
        limit = time.monotonic() + 60
        while ask(last, "isro") != "ro":
            assert time.monotonic() < limit
        assert mode(last) == "read-only"
        assert "membership" not in ask(last, "conf")
        told = pairs(ask(last, "mntr"), "\t")
        assert told["zk_server_state"] == "read-only"
        assert not {"zk_peer_state", "zk_quorum_size"} & set(told)


def test_words_about_what_the_fake_has_none_of() -> None:
    """It traces nothing and has no directories, and answers as a server that has just started."""
    with FakeZooKeeper(settings={"4lw.commands.whitelist": "*"}) as server:
        (member,) = server.members
        assert ask(member, "gtmk") == "306"
        assert ask(member, "stmk\0\0\0\0\0\0\0\7") == "7"
        assert ask(member, "gtmk") == "7"
        assert ask(member, "dirs") == "datadir_size: 0\nlogdir_size: 0\n"
        assert ask(member, "hash") == ""
