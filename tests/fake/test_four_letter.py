"""The four-letter words' texts against what live 3.8.0 and 3.9.5 servers printed in that state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._connection.four_letter import WORDS, answer, parse_whitelist
from zkfake._ensemble.addresses import java_address
from zkfake._ensemble.stats import DEFAULT_TRACE_MASK, ConnectionStats, Latency, Mode, ServerStats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = "3.9.5-293c895a8d966a3ecb92872be4a1daf87d725da2, built on 2026-02-11 20:18 UTC"
FIRST, SECOND = 0x100000CBF5F0000, 0x100000CBF5F0001
EXPIRY, DROP = 1795458924000, 1795458928000


@dataclass
class Peer:
    address: str
    interest: int = 1
    outstanding: int = 0
    session_id: int = 0
    session_timeout: int = 0
    established: int = 0
    stats: ConnectionStats = field(default_factory=ConnectionStats)


@dataclass
class Server:
    version: str = VERSION
    mode: Mode | None = "standalone"
    peer_state: str | None = None
    whitelist: frozenset[str] = field(default_factory=lambda: parse_whitelist("*", False))
    stats: ServerStats = field(default_factory=ServerStats)
    zxid: int = 6
    outstanding: int = 0
    node_count: int = 9
    proposal_sizes: tuple[int, int, int] = (-1, -1, -1)
    trace_mask: int = DEFAULT_TRACE_MASK
    peers: list[Peer] = field(default_factory=list)
    watches: dict[int, list[str]] = field(default_factory=dict)
    config: str | None = None
    local: list[tuple[int, list[int]]] | None = None

    def connections(self) -> Sequence[Peer]:
        return self.peers

    def data_watches(self) -> Mapping[int, Sequence[str]]:
        return self.watches

    def session_sets(self) -> Sequence[tuple[int, Sequence[int]]]:
        return [(EXPIRY, [FIRST, SECOND])]

    def local_session_sets(self) -> Sequence[tuple[int, Sequence[int]]] | None:
        return self.local

    def global_sessions(self) -> Mapping[int, int]:
        return {SECOND: 10000, FIRST: 10000}

    def connection_sets(self) -> Sequence[tuple[int, Sequence[tuple[str, int]]]]:
        return [(DROP, [(peer.address, peer.session_id) for peer in self.peers])]

    def ephemerals(self) -> Mapping[int, Sequence[str]]:
        return {SECOND: ["/e3"], FIRST: ["/e1", "/e2"]}

    def configuration(self) -> Sequence[tuple[str, object]]:
        return [("clientPort", 27500), ("secureClientPort", -1)]

    def membership(self) -> str | None:
        return self.config

    def environment(self) -> Sequence[tuple[str, object]]:
        return [("host.name", "localhost")]

    def metrics(self) -> Sequence[tuple[str, object]]:
        return [("watch_count", 4)]

    def directory_sizes(self) -> tuple[int, int]:
        return (67109358, 67109358)

    def digests(self) -> Sequence[tuple[int, int]]:
        return [(0x80, 1691583011)]


def used_server() -> Server:
    """The state in which the live servers were asked."""
    second = Peer("127.0.0.1:55312", session_id=SECOND, session_timeout=10000)
    second.established = 1795458913876
    second.stats.received = second.stats.sent = 3
    second.stats.answered("SESS", 0, 2, 835700, 835706)
    second.stats.answered("CREA", 1, 6, 835790, 835790)
    second.stats.answered("GETD", 2, 6, 835800, 835800)
    first = Peer("127.0.0.1:55310", session_id=FIRST, session_timeout=10000)
    first.established = 1795458913841
    first.stats.received = first.stats.sent = 7
    for label, cxid, took in (("SESS", 0, 37), ("CREA", 1, 13), ("GETD", 4, 18), ("EXIS", 6, 2)):
        first.stats.answered(label, cxid, 6, 835799 - took, 835799)
    prober = Peer("127.0.0.1:55364", interest=0)
    prober.stats.received = 1
    server = Server(peers=[second, first, prober])
    server.watches = {SECOND: ["/a"], FIRST: ["/a", "/nope"]}
    server.stats.received, server.stats.sent = 19, 18
    for elapsed in (0, 0, 0, 0, 0, 0, 13, 13, 10, 0):
        server.stats.latency.add(elapsed)
    return server


def text(word: str, server: Server) -> str:
    answered = answer(word.encode(), server)
    assert answered is not None
    return answered.decode()


SRVR = """\
Latency min/avg/max: 0/3.6/13
Received: 19
Sent: 18
Connections: 3
Outstanding: 0
Zxid: 0x6
Mode: standalone
Node count: 9
"""
GOLDEN = {
    "ruok": "imok",
    "isro": "rw",
    "gtmk": "306",
    "srvr": f"Zookeeper version: {VERSION}\n{SRVR}",
    "stat": f"""\
Zookeeper version: {VERSION}
Clients:
 /127.0.0.1:55312[1](queued=0,recved=3,sent=3)
 /127.0.0.1:55310[1](queued=0,recved=7,sent=7)
 /127.0.0.1:55364[0](queued=0,recved=1,sent=0)

{SRVR}""",
    "cons": """\
 /127.0.0.1:55312[1](queued=0,recved=3,sent=3,sid=0x100000cbf5f0001,lop=GETD,est=1795458913876\
,to=10000,lcxid=0x2,lzxid=0x6,lresp=835800,llat=0,minlat=0,avglat=2,maxlat=6)
 /127.0.0.1:55310[1](queued=0,recved=7,sent=7,sid=0x100000cbf5f0000,lop=EXIS,est=1795458913841\
,to=10000,lcxid=0x6,lzxid=0x6,lresp=835799,llat=2,minlat=0,avglat=17,maxlat=37)
 /127.0.0.1:55364[0](queued=0,recved=1,sent=0)

""",
    "wchs": "2 connections watching 2 paths\nTotal watches:3\n",
    "wchc": "0x100000cbf5f0001\n\t/a\n0x100000cbf5f0000\n\t/a\n\t/nope\n\n",
    "wchp": "/a\n\t0x100000cbf5f0001\n\t0x100000cbf5f0000\n/nope\n\t0x100000cbf5f0000\n\n",
    "dump": """\
SessionTracker dump:
Session Sets (1)/(2):
2 expire at Mon Nov 23 18:35:24 UTC 2026:
	0x100000cbf5f0000
	0x100000cbf5f0001
ephemeral nodes dump:
Sessions with Ephemerals (2):
0x100000cbf5f0001:
	/e3
0x100000cbf5f0000:
	/e1
	/e2
Connections dump:
Connections Sets (1)/(3):
3 expire at Mon Nov 23 18:35:28 UTC 2026:
	ip: /127.0.0.1:55312 sessionId: 0x100000cbf5f0001
	ip: /127.0.0.1:55310 sessionId: 0x100000cbf5f0000
	ip: /127.0.0.1:55364 sessionId: 0x0
""",
    "conf": "clientPort=27500\nsecureClientPort=-1\n",
    "envi": f"Environment:\nzookeeper.version={VERSION}\nhost.name=localhost\n",
    "dirs": "datadir_size: 67109358\nlogdir_size: 67109358\n",
    "hash": "80: 1691583011\n",
    "crst": "Connection stats reset.\n",
    "srst": "Server stats reset.\n",
    "mntr": f"""\
zk_version	{VERSION}
zk_server_state	standalone
zk_avg_latency	3.6
zk_min_latency	0
zk_max_latency	13
zk_packets_received	19
zk_packets_sent	18
zk_num_alive_connections	3
zk_outstanding_requests	0
zk_znode_count	9
zk_ephemerals_count	3
zk_watch_count	4
""",
}


@pytest.mark.parametrize("word", sorted(GOLDEN))
def test_standalone(word: str) -> None:
    assert text(word, used_server()) == GOLDEN[word]


def test_every_word_is_tested() -> None:
    assert {word.encode() for word in GOLDEN} | {b"stmk"} == WORDS


def test_watches_that_all_fired_keep_their_connection() -> None:
    server = Server(watches={SECOND: [], FIRST: ["/nope"]})
    assert text("wchs", server) == "2 connections watching 1 paths\nTotal watches:1\n"
    assert text("wchc", server) == "0x100000cbf5f0001\n0x100000cbf5f0000\n\t/nope\n\n"
    assert text("wchp", server) == "/nope\n\t0x100000cbf5f0000\n\n"
    assert text("wchc", Server()) == text("wchp", Server()) == "\n"


def test_leader() -> None:
    server = Server(mode="leader", peer_state="leading - broadcast", proposal_sizes=(88, 48, 88))
    server.config = "server.1=127.0.0.1:27611:27612:participant\nversion=0"
    ending = "Mode: leader\nNode count: 9\nProposal sizes last/min/max: 88/48/88\n"
    assert text("srvr", server).endswith(ending)
    assert text("stat", server).endswith(ending)
    monitored = text("mntr", server)
    assert "zk_server_state\tleader\nzk_peer_state\tleading - broadcast\n" in monitored
    assert text("conf", server).endswith(
        "\nmembership: \nserver.1=127.0.0.1:27611:27612:participant\nversion=0"
    )
    assert "Session Sets (1)/(2):\n" in text("dump", server)


@pytest.mark.parametrize("mode", ["follower", "observer", "read-only"])
def test_servers_that_do_not_expire_sessions(mode: Mode) -> None:
    server = Server(mode=mode)
    assert text("dump", server).startswith(
        "SessionTracker dump:\nGlobal Sessions(2):\n"
        "0x100000cbf5f0000\t10000ms\n0x100000cbf5f0001\t10000ms\nephemeral nodes dump:\n"
    )
    assert text("srvr", server).endswith(f"Mode: {mode}\nNode count: 9\n")


def test_local_sessions() -> None:
    local = "SessionTracker dump:\nLocal Session Sets (1)/(1):\n1 expire at Mon Nov 23 18:35:24 UTC"
    server = Server(mode="follower", local=[(EXPIRY, [FIRST])])
    expected = f"{local} 2026:\n\t0x100000cbf5f0000\nGlobal Sessions(2):\n"
    assert text("dump", server).startswith(expected)
    server.mode = "leader"
    expected = f"{local} 2026:\n\t0x100000cbf5f0000\nGlobal Session Sets (1)/(2):\n"
    assert text("dump", server).startswith(expected)


def test_read_only() -> None:
    server = Server(mode="read-only")
    assert text("isro", server) == "ro"
    banner = f"Zookeeper version: {VERSION}\nREAD-ONLY mode; serving only read-only clients\n"
    assert text("srvr", server).startswith(banner + "Latency")
    assert text("stat", server).startswith(banner + "Clients:\n")


def test_without_a_quorum() -> None:
    server = Server(mode=None)
    refusal = "This ZooKeeper instance is not currently serving requests"
    assert text("ruok", server) == "imok"
    assert text("isro", server) == "null"
    assert text("gtmk", server) == "306"
    assert text("envi", server) == GOLDEN["envi"]
    assert text("hash", server) == refusal
    for word in WORDS - {b"ruok", b"isro", b"gtmk", b"envi", b"stmk", b"hash"}:
        assert text(word.decode(), server) == refusal + "\n"


def test_crst() -> None:
    server = used_server()
    text("crst", server)
    line = (
        " /127.0.0.1:55310[1](queued=0,recved=0,sent=0,sid=0x100000cbf5f0000,lop=NA"
        ",est=1795458913841,to=10000,lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0"
        ",avglat=0,maxlat=0)\n"
    )
    assert line in text("cons", server)
    stats = server.peers[1].stats
    stats.received = stats.sent = 1
    stats.answered("GETD", 3, 6, 836676, 836677)
    ending = "lop=GETD,est=1795458913841,to=10000,lcxid=0x3,lzxid=0x6,lresp=836677"
    assert f"{ending},llat=1,minlat=1,avglat=1,maxlat=1)\n" in text("cons", server)


def test_srst() -> None:
    server = used_server()
    text("srst", server)
    assert "Latency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 0\n" in text("srvr", server)


def test_renewed_session_has_no_operation_yet() -> None:
    peer = Peer("127.0.0.1:57748", session_id=FIRST, session_timeout=10000)
    peer.established = 1795459115143
    peer.stats.received = peer.stats.sent = 1
    assert text("cons", Server(peers=[peer])) == (
        " /127.0.0.1:57748[1](queued=0,recved=1,sent=1,sid=0x100000cbf5f0000,lop=null"
        ",est=1795459115143,to=10000,lcxid=0x0,lzxid=0x0,lresp=0,llat=0,minlat=0,avglat=0"
        ",maxlat=0)\n\n"
    )


def test_ping_keeps_the_last_cxid() -> None:
    stats = ConnectionStats()
    stats.answered("GETD", 5, 7, 0, 1)
    stats.answered("PING", -2, 8, 2, 5)
    assert (stats.last_operation, stats.last_cxid, stats.last_zxid) == ("PING", 5, 8)
    assert stats.last_latency == 3


def test_stmk() -> None:
    server = Server()
    assert answer(b"stmk", server, b"\0\0\0\0\0\0\1\0") == b"256"
    assert text("gtmk", server) == "256"
    assert answer(b"stmk", server) is None
    assert answer(b"stmk", server, b"\0" * 7) is None
    assert text("gtmk", server) == "256"


@pytest.mark.parametrize("word", [b"STAT", b"kill", b"reqs", b"GET ", b"\0\0\0\x2c"])
def test_not_a_word(word: bytes) -> None:
    assert answer(word, Server()) is None


@given(st.sets(st.sampled_from(sorted(word.decode() for word in WORDS))), st.booleans())
def test_whitelist(names: set[str], read_only_enabled: bool) -> None:
    allowed = parse_whitelist(" , ".join(names), read_only_enabled)
    assert allowed == names | {"srvr"} | ({"isro"} if read_only_enabled else set())
    server = Server(whitelist=allowed)
    for word in WORDS:
        name = word.decode()
        refusal = f"{name} is not executed because it is not in the whitelist.\n".encode()
        assert (answer(word, server, b"\0" * 8) == refusal) == (name not in allowed)


def test_whitelist_of_all_and_of_none() -> None:
    assert parse_whitelist("*", False) == {word.decode() for word in WORDS}
    assert parse_whitelist(None, False) == parse_whitelist("kill, ,", False) == {"srvr"}


@given(st.lists(st.integers(0, 10**6)))
def test_latency(elapsed: list[int]) -> None:
    latency = Latency()
    for one in elapsed:
        latency.add(one)
    assert (latency.count, latency.total) == (len(elapsed), sum(elapsed))
    assert latency.minimum == min(elapsed, default=0)
    assert latency.maximum == max(elapsed, default=0)


@pytest.mark.parametrize(
    ("elapsed", "printed"),
    [([], "0.0"), ([5], "5.0"), ([1, 1, 2], "1.3333"), ([1, *[0] * 31], "0.0313")],
)
def test_average_has_four_decimals_half_up(elapsed: list[int], printed: str) -> None:
    server = Server()
    for one in elapsed:
        server.stats.latency.add(one)
    assert f"/{printed}/" in text("srvr", server)


@pytest.mark.parametrize(
    ("host", "port", "printed"),
    [
        ("127.0.0.1", 2181, "127.0.0.1:2181"),
        ("::1", 45958, "[0:0:0:0:0:0:0:1]:45958"),
        ("::", 1, "[0:0:0:0:0:0:0:0]:1"),
        ("fe80::0a:1", 1, "[fe80:0:0:0:0:0:a:1]:1"),
        ("1:2:3:4:5:6:7:8", 1, "[1:2:3:4:5:6:7:8]:1"),
    ],
)
def test_java_address(host: str, port: int, printed: str) -> None:
    assert java_address(host, port) == printed
