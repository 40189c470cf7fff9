"""A whole ensemble as one side of the differential comparison: each connection on a given member.

Rules that live here:

- Members go by place, not by number: the leader, two followers, an observer. Who leads is a matter
  of chance in a real ensemble; session ids, which name their server, are mapped to places.
- After each step every member has applied all that is committed. A connection of its own to each
  member, the scout, tells: a sync on each shows what is committed, and a server whose replies name
  a lower zxid is asked again. Only data is waited for, no time.
- Scouts are no part of what is compared; four-letter words are asked of every member, without the
  lines that tell of scouts.
- The configuration's znode names ports; it is emptied before the comparison starts.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Protocol

from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from zkfake import FakeZooKeeper
from zkfake._compare.driver import Pair
from zkfake._compare.replies import is_event
from zkfake._compare.side import Seen

from ...support import wire
from ...support.client import PATIENCE
from ...support.settings import STEADY
from ...support.wire import OPS, RawChannel, SilenceError, SocketChannel
from ..engine import servers
from ..engine.mapping import ExactMapping
from ..engine.side import Side

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from zkfake._compare.side import OpenLine
    from zkfake._compare.steps import RawRequest

WRITES = frozenset(
    OPS[name]
    for name in (
        *("create", "create2", "createContainer", "createTTL", "delete", "deleteContainer"),
        *("setData", "setACL", "multi", "check", "reconfig", "createSession"),
    )
)
PLACES = ("leader", "follower", "follower", "observer")
MEMBER_OF_SLOT = (1, 0, 3, 2)
"""The place of the member that a slot's connections go to; the steward's is the last one."""
NUDGES = 12
"""How often a silent server is nudged before that counts as an answer."""

_MASKS = (
    (rb"^(serverId|electionPort|quorumPort)=.*$", rb"\1=<place>"),
    (rb"^(server\.\d+|version)=.*\n?", b""),
    (rb"^Proposal sizes .*$", b"Proposal sizes <sizes>"),
)


class Member(Protocol):
    @property
    def port(self) -> int: ...
    @property
    def mode(self) -> str | None: ...


class EnsembleServer:
    """An ensemble of three voters and an observer: a `Server` whose connections name a place."""

    name: str
    version: str

    def __init__(self, members: Sequence[Member]) -> None:
        modes = {number: member.mode for number, member in enumerate(members, 1)}
        self.numbers = sorted(modes, key=lambda number: PLACES.index(modes[number] or ""))
        """The number of the server at each place."""
        assert [modes[number] for number in self.numbers] == list(PLACES), modes
        self._ports = [members[number - 1].port for number in self.numbers]

    def stop(self) -> None:
        """Stops every server."""
        raise NotImplementedError

    def channel(self, place: int = 0, patience: float = 5.0) -> SocketChannel:
        """``patience``: seconds. It is short by default, as a 3.8.0 server now and then overlooks a
        commit until it hears of another request: it is nudged then.
        """
        return SocketChannel(("127.0.0.1", self._ports[place]), patience)


class FakeMembers(EnsembleServer):
    """The fake's."""

    def __init__(self, version: str, settings: dict[str, object] = servers.SETTINGS) -> None:
        self.version = version
        self.name = f"fake ensemble {version}"
        self._fake = FakeZooKeeper(
            servers=3, observers=1, version=version, settings=servers.fake_settings(settings)
        ).start()
        super().__init__(self._fake.members)

    def stop(self) -> None:
        self._fake.stop()


class LiveMembers(EnsembleServer):
    """Four JVMs."""

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        settings: dict[str, object] = servers.SETTINGS,
    ) -> None:
        given, properties = servers.live_settings(settings)
        self._live = LiveZooKeeper(
            home, servers=3, observers=1, settings={**given, **STEADY}, properties=properties
        )
        for _ in range(3):
            self._live.start()
            if self._is_in_its_first_epoch():
                break
            self._live.close()  # a slow start took another election; the fake needs but one
        version = self._live.version
        self.version = ".".join(version.split(".")[:2])
        self.name = f"live ensemble {version}"
        super().__init__(self._live.members)

    def _is_in_its_first_epoch(self) -> bool:
        texts = [
            four_letter_word("127.0.0.1", member.port, "srvr") for member in self._live.members
        ]
        leaders = [text for text in texts if "Mode: leader" in text]
        return len(leaders) == 1 and "Zxid: 0x100000000\n" in leaders[0]

    def stop(self) -> None:
        self._live.close()


class Scout:
    """A connection to one member that tells how far it is.

    It can also wake its member: 3.8.0's servers now and then overlook a commit until they hear of
    another request (a notification between looking and waiting is lost; 3.9 has mended that).
    """

    def __init__(self, channel: SocketChannel) -> None:
        self.channel = channel
        self.zxid = 0
        self._asked = 0
        channel.send(wire.frame(wire.connect(timeout=600_000)))
        frames, ended = channel.read_frame()
        assert frames
        assert not ended

    def ask(self, *, sync: bool) -> None:
        """`sync`: wait for what is under way as well."""
        first = wire.request(1, OPS["sync"], wire.string("/")) if sync else b""
        self.channel.send(first + wire.PING_FRAME)
        self._asked += 1

    def hear(self) -> None:
        due = self._asked
        try:
            frames, ended = self.channel.read(due)
        except SilenceError as silent:
            raise ConnectionError("a server does not answer its scout") from silent
        if ended:
            raise ConnectionError("a server let its scout go")
        self._asked -= due  # more may have been asked meanwhile
        (self.zxid,) = struct.unpack_from(">q", frames[-1], 4)


class EnsembleMapping(ExactMapping):
    """Sessions go by the place of the server that made them."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__()
        self._numbers = numbers

    def word(self, word: bytes, text: bytes) -> bytes:
        text = super().word(word, text)
        for pattern, replacement in _MASKS:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        return text

    def place(self, server: int) -> int:
        return self._numbers.index(server) if server in self._numbers else 99


class EnsembleSide(Side):
    """Drives one ensemble."""

    def __init__(self, server: EnsembleServer) -> None:
        self._ensemble = server
        self._any_ended = True
        self._scouts = [Scout(server.channel(place)) for place in range(len(PLACES))]
        for scout in self._scouts:
            _nudged(scout.channel, self._nudge)
            scout.ask(sync=True)
            scout.hear()
        super().__init__(server, EnsembleMapping(server.numbers))
        self._empty_configuration()

    def _empty_configuration(self) -> None:
        channel = self._ensemble.channel()
        channel.send(wire.frame(wire.connect()))
        channel.read_frame()
        for op, body in (
            ("auth", wire.auth("digest", servers.SUPER.encode())),
            ("setData", wire.set_data("/zookeeper/config", b"")),
            ("closeSession", b""),
        ):
            channel.send(wire.request(1, OPS[op], body))
            (reply,), _ = channel.read_frame()
            assert reply[12:16] == bytes(4), reply
        channel.finish()
        self.zxid = max(self.zxid, struct.unpack_from(">q", reply, 4)[0])
        for _ in self.catch_up():
            pass

    def is_one_by_one(self, line: OpenLine, requests: Sequence[RawRequest]) -> bool:
        # A write of a session that has moved may cost it this connection.
        return super().is_one_by_one(line, requests) or line.moved

    def is_orderly(self, line: OpenLine, request: RawRequest) -> bool:
        return super().is_orderly(line, request) and not (line.moved and request.op in WRITES)

    def joined(self, line: OpenLine, session: int) -> None:
        if session and session == line.session:  # it lives here from now on
            for other in self.lines.values():
                if other.session == session:
                    other.moved = other is not line

    def ended(self) -> None:
        self._any_ended = True

    def noticed(self, line: OpenLine, seen: Seen) -> Seen:
        if seen.ended and line.moved:
            # Closed where it lives now: what of that is still told here is a matter of time.
            frames = list(seen.frames)
            while frames and is_event(frames[-1]):
                frames.pop()
            return Seen(seen.slot, tuple(frames), ended=True)
        return seen

    def new_channel(self, slot: int) -> RawChannel:
        channel = self._ensemble.channel(MEMBER_OF_SLOT[slot])
        return _nudged(channel, self._nudge)

    def _nudge(self) -> None:
        for scout in self._scouts:
            scout.ask(sync=False)

    def ask_word(self, data: bytes) -> list[bytes]:
        answers = []
        for place, scout in enumerate(self._scouts):
            answer = self._ask_member(place, data)
            while _misses_sessions(answer):
                answer = self._ask_member(place, data)
            of_the_scout = rb"(?m)^.*/127\.0\.0\.1:%d\b.*\n" % scout.channel.port
            answers.append(re.sub(of_the_scout, b"", answer))
        return answers

    def _ask_member(self, place: int, word: bytes) -> bytes:
        channel = self._ensemble.channel(place, PATIENCE)
        channel.send(word)
        return channel.read_raw()

    def catch_up(self) -> Iterator[None]:
        # What came through a connection that has ended may still be under way.
        sync, self._any_ended = self._any_ended, False
        for scout in self._scouts:
            scout.ask(sync=sync)
        yield
        for scout in self._scouts:
            scout.hear()
        committed = max(self.zxid, *(scout.zxid for scout in self._scouts))
        while behind := [scout for scout in self._scouts if scout.zxid < committed]:
            for scout in behind:
                scout.ask(sync=False)
            yield
            for scout in behind:
                scout.hear()

    def kill(self) -> None:
        super().kill()
        for scout in self._scouts:
            scout.channel.abandon()


def _misses_sessions(dump: bytes) -> bool:
    """Whether a leader's dump counts more sessions than it lists. A real leader gives sessions new
    times to expire while it writes a dump, and may leave out one that it moves meanwhile.
    """
    counted = re.search(rb"^Session Sets \(\d+\)/\((\d+)\):$", dump, re.MULTILINE)
    listed = re.findall(rb"^\t0x[0-9a-f]+$", dump, re.MULTILINE)
    return counted is not None and len(listed) < int(counted[1])


def _nudged(channel: SocketChannel, nudge: Callable[[], None]) -> SocketChannel:
    channel.on_silence, channel.nudges = nudge, NUDGES
    return channel


def pair(version: str, home: str | os.PathLike[str] | None = None) -> Pair:
    """The fake's ensemble beside a live one, whose version is `version`."""

    return Pair(lambda: EnsembleSide(FakeMembers(version)), lambda: EnsembleSide(LiveMembers(home)))
