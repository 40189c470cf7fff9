"""A run of an ensemble in virtual time: clients, faults and delays, all drawn from one seed.

The run only does and records; `checks` judges what was recorded. Clients speak bytes to connections
of the core. Each keeps its session, the highest zxid it saw and what it sent, and goes on at
another server when its connection is lost, as a real client library does.
"""

from __future__ import annotations

import struct
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

from zkfake.connection import Connection
from zkfake.ensemble import Ensemble
from zkfake.ensemble.following import Following
from zkfake.ensemble.leading import Leading
from zkfake.protocol import Op
from zkfake.reconfig import initial, parse
from zkfake.replica import Replica
from zkfake.settings import Settings

from ..support import wire
from ..support.replies import Event, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zkfake.log import Transaction

START = 1_700_000_000_000
TICK = 200
TIMEOUT = 4 * TICK
PAIR = ("/a", "/b")
"""Two znodes that are written together or not at all."""
CLOCKS = 10**9
"""Milliseconds. The servers' clocks differ by a multiple of it, so a run can tell the true time."""
PATHS = (*PAIR, "/c")
EPHEMERALS = ("/e0", "/e1", "/e2")


@dataclass
class Sent:
    """One request, and what came of it."""

    client: int
    session: int
    op: str
    paths: tuple[str, ...]
    value: bytes
    watch: bool
    time: int
    committed: int
    """The last zxid that was committed when it was sent."""
    server: int
    answered: bool = False
    deposed: bool = False
    """Whether the server followed a leader, when it answered, that another one had replaced."""
    led: bool = False
    """Whether the server led when it answered."""
    zxid: int = 0
    error: int = 0
    body: bytes = b""


@dataclass
class Stream:
    """Everything that came through one connection, in order."""

    client: int
    server: int
    items: list[Sent | Event] = field(default_factory=list)


@dataclass
class Heard:
    """A session was opened or went on: the leader heard of it no earlier than ``time``."""

    session: int
    time: int


class Client:
    """A client with one session at a time."""

    def __init__(self, run: Run, number: int) -> None:
        self.run = run
        self.number = number
        self.session = 0
        self.password = b""
        self.last_zxid = 0
        self.silent = False
        self.connection: Connection | None = None
        self.stream = Stream(number, 0)
        self._raw = bytearray()
        self._deposed = False
        """Whether what was not taken in yet came of a server whose leader had been replaced."""
        self._held: list[bytes] = []
        """What was sent to a server that stands still."""
        self._sent: deque[Sent] = deque()
        self._connected = False
        self._asked = 0
        self._last_sent = 0
        self._xid = 0

    @property
    def connected(self) -> bool:
        return self.connection is not None and self._connected and not self.connection.closing

    def connect(self, server: int) -> None:
        """Goes to ``server`` with the session it has."""
        run = self.run
        self.disconnect()
        replica = run.servers[server - 1]
        if not replica.running:
            return
        self.connection = Connection(replica, ("10.0.0.1", 4000 + self.number), self._answered)
        self._deposed = False
        self.stream = Stream(self.number, server)
        run.streams.append(self.stream)
        self._raw.clear()
        self._held.clear()
        self._sent.clear()
        self._connected = False
        self._asked = run.now
        self._bring(
            wire.frame(
                wire.connect(
                    last_zxid=self.last_zxid,
                    timeout=TIMEOUT,
                    session=self.session,
                    password=self.password or bytes(16),
                )
            )
        )

    def _bring(self, data: bytes) -> None:
        """The server reads ``data``, once it does not stand still."""
        self._held.append(data)
        self.deliver()

    def deliver(self) -> None:
        """The server reads what was sent, unless it stands still."""
        if not self.run.servers[self.stream.server - 1].paused:
            while self._held and self.connection is not None:
                self.connection.receive(self._held.pop(0))
                self.collect()

    def _answered(self, _connection: Connection) -> None:
        self._deposed = self._deposed or not self.run.follows_the_leader(self.stream.server)

    def disconnect(self) -> None:
        if self.connection is not None:
            self.collect()
            self.connection.lost()
            self.connection = None
            self._connected = False

    def send(
        self,
        op: str,
        body: bytes,
        paths: tuple[str, ...] = (),
        value: bytes = b"",
        watch: bool = False,
    ) -> None:
        """Sends a request without waiting for the replies of those before."""
        if self.connection is None or not self.connected:
            return
        run = self.run
        self._xid += 1
        xid = wire.PING_XID if op == "ping" else self._xid
        sent = Sent(
            self.number,
            self.session,
            op,
            paths,
            value,
            watch,
            run.now,
            run.committed,
            self.stream.server,
        )
        self._sent.append(sent)
        self._last_sent = run.now
        if op != "ping":
            run.sent.append(sent)
        self._bring(wire.request(xid, wire.OPS[op], body))

    def keep_alive(self) -> None:
        if self.connected and not self.silent and self.run.now - self._last_sent >= TIMEOUT // 3:
            self.send("ping", b"")

    def collect(self) -> None:
        """Takes in what the connection has to say."""
        if self.connection is None:
            return
        self._raw += self.connection.take_output()
        frames = wire.Frames()
        while frames.take(self._raw):
            pass
        self._answered(self.connection)
        for payload in frames.list:
            if not self._connected:
                self._shaken(payload)
            else:
                self._got(payload)
        self._deposed = False
        if self.connection.closing:
            self.connection = None
            self._connected = False

    def _shaken(self, payload: bytes) -> None:
        _, timeout, session = struct.unpack_from(">iiq", payload)
        if not timeout:
            if not self._deposed:
                self.run.refused.append(self.session)
            self.session, self.password = 0, b""
            return
        self._connected = True
        self._last_sent = self.run.now
        self.session, self.password = session, payload[20:36]
        if self.run.follows_the_leader(self.stream.server):
            self.run.heard.append(Heard(session, self._asked))

    def _got(self, payload: bytes) -> None:
        item = take_apart(payload)
        if isinstance(item, Event):
            self.stream.items.append(item)
            self.run.seen(self, item.zxid)
            return
        sent = self._sent.popleft()
        sent.answered, sent.zxid, sent.error, sent.body = True, item.zxid, item.error, item.body
        sent.deposed = self._deposed
        sent.led = isinstance(self.run.servers[self.stream.server - 1].role, Leading)
        self.stream.items.append(sent)
        self.run.seen(self, item.zxid)


class Run:
    """One ensemble with its clients, driven by one random source."""

    def __init__(
        self,
        seed: int,
        *,
        voters: int = 3,
        observers: int = 0,
        clients: int = 3,
        latency: int = 0,
        lag: int = 0,
        election: int = 0,
        sync_limit: int = 1,
        remembered: int = 500,
        further: Mapping[str, object] | None = None,
    ) -> None:
        """``latency``, ``lag``, ``election``: the longest, milliseconds. ``sync_limit``: ticks.
        ``remembered``: transactions. ``further``: settings.
        """
        self.random = random = Random(seed)
        settings = Settings.parse(
            {
                "tickTime": TICK,
                "syncLimit": sync_limit,
                "initLimit": 5,
                "commitLogCount": remembered,
                **(further or {}),
            }
        )
        settings = replace(settings, keep_log=None)
        self.ensemble = Ensemble(settings, START, Random(seed + 1))
        self.now = self.began = START
        self.servers = [
            Replica(self.ensemble, number, observer=number > voters)
            for number in range(1, voters + observers + 1)
        ]
        self.steps: Counter[str] = Counter()
        """How often each action was chosen."""
        self.sent: list[Sent] = []
        self.streams: list[Stream] = []
        self.heard: list[Heard] = []
        self.committed = 0
        """The last zxid that is committed."""
        self.back: list[tuple[int, int, int]] = []
        """(client, zxid it had seen, zxid it was shown)."""
        self.uncovered: list[int] = []
        """zxids that were committed while no quorum had them."""
        self.served: set[int] = set()
        """The clients that had a write answered after the end of all faults."""
        self.applied: dict[int, list[Transaction]] = {}
        self._cuts: list[tuple[int, int]] = []
        self._frozen: list[Replica] = []
        self.lost_to_power = 0
        """How often a server lost something that it had accepted."""
        self._paused: list[Replica] = []
        self.led: dict[int, set[int]] = {}
        """Who led, or was about to, by the epoch."""
        self.refused: list[int] = []
        """Sessions that a server did not know, though it followed the newest leader."""
        self.lonely: list[int] = []
        """Servers that led for too long without a quorum."""
        self.whole_trees = 0
        """How often a server got a whole tree, as its log did not meet its leader's."""
        self._patience = (sync_limit + 3) * TICK
        self._accompanied: dict[object, int] = {}
        self.two_leaders = 0
        """Milliseconds for which two servers led."""
        self._values = 0
        self._watch_servers()
        self.config = initial(
            [(number, number > voters, "") for number in range(1, voters + observers + 1)], 0
        )
        """The configuration that was committed last."""
        clocks = Random(seed + 2)
        for server in self.servers:
            server.start()
            server.lag = (0, lag)
            server.clock_offset = clocks.choice((0, -CLOCKS, CLOCKS, 7 * CLOCKS))
        self.ensemble.links.latency = (0, latency)
        self.ensemble.election_time = (0, election)
        self.clients = [Client(self, number) for number in range(clients)]
        self.clients[0].connect(1)
        self.wait(50 + 10 * latency + lag)
        for path in PAIR:
            self.clients[0].send("create", wire.create(path, b"0"), (path,), b"0")
        for client in self.clients[1:]:
            client.connect(random.randrange(len(self.servers)) + 1)
        self.wait(50 + 10 * latency + lag)

    # -- what is watched from outside

    def _watch_servers(self) -> None:
        log = self.ensemble.log
        append = log.append

        def committed(transaction: Transaction) -> None:
            zxid = transaction.zxid
            have = [
                server.id
                for server in self.servers
                # What was applied may be forgotten by the log.
                if server.disk.synced >= zxid
                and (
                    server.store.tree.zxid >= zxid
                    or transaction in server.store.log.after(zxid - 1)
                )
            ]
            # Two leaders may find out about the same one.
            if zxid > self.committed:
                covered = self.config.has_quorum(have)
                if transaction.op is Op.RECONFIG and not transaction.error:
                    self.config = parse((transaction.operations[0].data or b"").decode())  # type: ignore[union-attr]
                    covered = covered and self.config.has_quorum(have)
                if not covered:
                    self.uncovered.append(transaction.zxid)
                self.committed = zxid
            append(transaction)

        log.append = committed  # type: ignore[method-assign]
        for server in self.servers:
            self._watch_server(server)

    def _watch_server(self, server: Replica) -> None:
        done: list[Transaction] = []
        self.applied[server.id] = done
        applied, adopt, become = server.applied, server.adopt, server.become

        def note(transaction: Transaction, *rest: Any) -> None:
            done.append(transaction)
            applied(transaction, *rest)

        def take_over(tree: Any, *rest: Any) -> None:
            self.whole_trees += 1
            done[:] = [entry for entry in self.ensemble.log if entry.zxid <= tree.zxid]
            adopt(tree, *rest)

        def take(role: Any) -> None:
            if isinstance(role, Leading):
                self.led.setdefault(role.epoch, set()).add(server.id)
            become(role)

        server.become = take  # type: ignore[method-assign]
        server.applied = note  # type: ignore[method-assign]
        server.adopt = take_over  # type: ignore[method-assign]

    def seen(self, client: Client, zxid: int) -> None:
        if zxid < client.last_zxid:
            self.back.append((client.number, client.last_zxid, zxid))
        client.last_zxid = max(client.last_zxid, zxid)

    def follows_the_leader(self, server: int) -> bool:
        """Whether ``server`` is, or hears of, the newest leader; else it is about to lose its
        clients, and the newest leader does not know of them.
        """
        leader = self.ensemble.leader
        role = self.servers[server - 1].role
        led_by = role.leader.member if isinstance(role, Following) else self.servers[server - 1]
        return led_by is leader

    # -- time

    def wait(self, milliseconds: int) -> None:
        """Time passes; clients send pings, and reconnect when they lost their connection."""
        end = self.now + milliseconds
        while True:
            due = self.ensemble.deadline()
            ping = self.now + TIMEOUT // 4
            before = self.now
            self.now = min(end, ping, max(self.now, due if due is not None else end))
            if self.ensemble.deposed:
                self.two_leaders += self.now - before
            self.ensemble.advance(self.now)
            self._look_for_lonely_leaders()
            for client in self.clients:
                client.collect()
                client.keep_alive()
            if self.now >= end:
                return

    def _look_for_lonely_leaders(self) -> None:
        """Nobody leads for long who does not hear, and is heard by, a quorum."""
        for server in self.servers:
            role = server.role
            if not isinstance(role, Leading) or not role.established:
                continue
            if server.paused:
                self._accompanied[role] = self.now
                continue
            heard = [
                other.id
                for other in self.servers
                if other is server
                or (
                    other.running
                    and not other.paused
                    and self.ensemble.links.joined(server.id, other.id)
                )
            ]
            if server.store.config.has_quorum(heard) and not role.retired:
                self._accompanied[role] = self.now
            elif self.now - self._accompanied.setdefault(role, self.now) > self._patience:
                self.lonely.append(server.id)

    # -- what can happen

    def step(self, actions: Sequence[Callable[[], None]]) -> None:
        action = self.random.choice(actions)
        self.steps[action.__name__] += 1
        action()
        for client in self.clients:
            client.collect()

    def _client(self) -> Client:
        return self.random.choice(self.clients)

    def _server(self) -> Replica:
        return self.random.choice(self.servers)

    def value(self) -> bytes:
        self._values += 1
        return b"%d" % self._values

    def write(self) -> None:
        client, value = self._client(), self.value()
        kind = self.random.randrange(6)
        if kind == 0:
            client.send("create", wire.create("/c", value), ("/c",), value)
        elif kind == 1:
            client.send("delete", wire.path_version("/c"), ("/c",))
        elif kind == 2:
            path = self.random.choice(EPHEMERALS)
            client.send("create", wire.create(path, value, flags=1), (path,), value)
        elif kind == 3:
            client.send("setData", wire.set_data("/c", value), ("/c",), value)
        else:
            both = [(5, wire.set_data(path, value)) for path in PAIR]
            client.send("multi", wire.multi(both), PAIR, value)

    def read(self) -> None:
        client, watch = self._client(), self.random.random() < 0.4
        path = self.random.choice((*PATHS, *EPHEMERALS))
        op = "exists" if watch and path not in PAIR else "getData"
        client.send(op, wire.path_watch(path, watch), (path,), watch=watch)

    def sync(self) -> None:
        self._client().send("sync", wire.string("/"))

    def burst(self) -> None:
        """A write, a read, a sync and a read of one client, one behind the other."""
        client = self._client()
        value = self.value()
        both = [(5, wire.set_data(path, value)) for path in PAIR]
        client.send("multi", wire.multi(both), PAIR, value)
        client.send("getData", wire.path_watch("/a"), ("/a",))
        client.send("sync", wire.string("/"))
        client.send("getData", wire.path_watch("/b"), ("/b",))

    def pause(self) -> None:
        self.wait(self.random.randrange(60))

    def long_pause(self) -> None:
        self.wait(self.random.randrange(2 * TICK))

    def reconnect(self) -> None:
        for client in self.clients:
            if not client.connected and self.random.random() < 0.7:
                client.connect(self._server().id)

    def move(self) -> None:
        client = self._client()
        client.connect(self._server().id)

    def silence(self) -> None:
        client = self._client()
        client.silent = not client.silent

    def close(self) -> None:
        client = self._client()
        if client.connected:
            client.send("closeSession", b"")
            client.session, client.password = 0, b""

    def crash(self) -> None:
        self._server().stop()

    def restart(self) -> None:
        for server in self.servers:
            if not server.running:
                server.start()
                return

    def cut(self) -> None:
        one, other = self.random.sample(self.servers, 2)
        self._cut((one.id, other.id))
        if self.random.random() < 0.7:
            self._cut((other.id, one.id))

    def isolate_leader(self) -> None:
        leader = self.ensemble.leader
        if leader is not None:
            for server in self.servers:
                if server.id != leader.id:
                    self._cut((leader.id, server.id))
                    self._cut((server.id, leader.id))

    def _cut(self, pair: tuple[int, int]) -> None:
        self._cuts.append(pair)
        self.ensemble.cut(*pair)

    def mend(self) -> None:
        self._mend()
        self._look_for_lonely_leaders()

    def _mend(self) -> None:
        if self._cuts and self.random.random() < 0.5:
            self.ensemble.mend(*self._cuts.pop(self.random.randrange(len(self._cuts))))
        else:
            cuts, self._cuts = self._cuts, []
            for pair in cuts:
                self.ensemble.mend(*pair)

    def freeze(self) -> None:
        server = self._server()
        server.freeze()
        self._frozen.append(server)

    def unfreeze(self) -> None:
        frozen, self._frozen = self._frozen, []
        for server in frozen:
            server.unfreeze()

    def slow_disk(self) -> None:
        self._server().disk.sync_time = (0, self.random.choice((20, TICK, 2 * TICK)))

    def quicken_disks(self) -> None:
        for server in self.servers:
            server.disk.sync_time = (0, 0)

    def lose_power(self) -> None:
        server = self.random.choice([each for each in self.servers if each.disk] or self.servers)
        server.stop()
        self._lose_power(server)

    def _lose_power(self, server: Replica) -> None:
        last = server.store.log.last_zxid
        server.lose_power()
        self.lost_to_power += server.store.log.last_zxid < last

    def pause_server(self) -> None:
        server = self._server()
        server.pause()
        self._paused.append(server)

    def pause_leader(self) -> None:
        leader = self.ensemble.leader
        if leader is not None:
            server = self.servers[leader.id - 1]
            server.pause()
            self._paused.append(server)
            self.wait(self.random.randrange(3 * TICK))

    def resume(self) -> None:
        paused, self._paused = self._paused, []
        for server in paused:
            server.resume()
        for client in self.clients:
            client.deliver()

    # -- programs

    def traffic(self, steps: int) -> Run:
        """Clients alone: no fault, nobody is silent."""
        calm = [self.write, self.write, self.read, self.read, self.read, self.sync, self.burst]
        for _ in range(steps):
            self.step([*calm, self.pause, self.pause])
        return self

    def trouble(self, steps: int) -> Run:
        """Clients and every fault there is, and then the end of all faults."""
        calm = [self.write, self.write, self.read, self.read, self.sync, self.burst, self.pause]
        faults = [
            self.move,
            self.silence,
            self.close,
            self.crash,
            self.restart,
            self.restart,
            self.cut,
            self.isolate_leader,
            self.mend,
            self.mend,
            self.freeze,
            self.unfreeze,
            self.slow_disk,
            self.quicken_disks,
            self.lose_power,
            self.pause_server,
            self.pause_leader,
            self.resume,
            self.resume,
            self.long_pause,
        ]
        for _ in range(steps):
            self.step([*calm, *calm, self.reconnect, self.reconnect, *faults])
        self.settle()
        return self

    def wander(self, steps: int) -> Run:
        """Clients write, read and go to another server, over and over."""
        for _ in range(steps):
            self.step([self.write, self.write, self.read, self.move, self.pause, self.reconnect])
        self.settle()
        return self

    def corner(self, rounds: int) -> Run:
        """Clients write to a leader that loses sight of all other voters."""
        for _ in range(rounds):
            leader = self.ensemble.leader
            if leader is not None:
                for client in self.clients:
                    client.connect(leader.id)
                self.wait(20)
                self._corner(leader.id)
            for _ in range(4):
                self.step([self.write, self.read])
            self.wait(self.random.randrange(2 * TICK))
            self.mend()
            self.long_pause()
            self.reconnect()
        self.settle()
        return self

    def depose(self, rounds: int) -> Run:
        """Leaders stand still, or lose sight of the others, until another one leads; meanwhile one
        client stays with them.
        """
        loyal, *others = self.clients
        for _ in range(rounds):
            leader = self.ensemble.leader
            if leader is not None:
                loyal.connect(leader.id)
                self.wait(20)
                if self.random.random() < 0.5:
                    self._corner(leader.id)
                else:
                    self.servers[leader.id - 1].pause()
                    self._paused.append(self.servers[leader.id - 1])
                self.wait(TICK + self.random.randrange(2 * TICK))
                rest = [server for server in self.servers if server.id != leader.id]
                for client in others:
                    client.connect(self.random.choice(rest).id)
                for _ in range(6):
                    self.step([self.write, self.read, self.pause])
                self.resume()
                self._upset()
                for _ in range(4):
                    path = self.random.choice(PATHS)
                    loyal.send("getData", wire.path_watch(path), (path,))
                    if self.random.random() < 0.5:
                        loyal.send("sync", wire.string("/"))
                    else:
                        value = self.value()
                        loyal.send("setData", wire.set_data("/c", value), ("/c",), value)
                    self.wait(self.random.randrange(30))
            self.mend()
            self.long_pause()
            for server in self.servers:
                server.start()
            self.reconnect()
        self.settle()
        return self

    def rotate(self, rounds: int) -> Run:
        """A server is away while much is written, comes back, and then the leader crashes."""
        for _ in range(rounds):
            absent = self._server()
            absent.stop()
            self.wait(2 * TICK)
            self.reconnect()
            for _ in range(8):
                self.step([self.write, self.write, self.pause, self.reconnect])
            absent.start()
            self.wait(TICK)
            leader = self.ensemble.leader
            if leader is not None:
                self.servers[leader.id - 1].stop()
            self.wait(TICK)
            self.reconnect()
            self.step([self.write])
            for server in self.servers:
                server.start()
        self.settle()
        return self

    def relapse(self, rounds: int) -> Run:
        """Leaders lose sight of the others until a new one is about to lead; then they see them
        again, and one of those who elected it crashes.
        """
        for _ in range(rounds):
            leader = self.ensemble.leader
            if leader is not None:
                for client in self.clients:
                    client.connect(leader.id)
                self.wait(20)
                self._corner(leader.id)
                for _ in range(60):
                    self.wait(TICK // 20)
                    if self._is_about_to_lead():
                        break
                for server in self.servers:
                    if self.random.random() < 0.5:
                        self._crash(server)
                while self._cuts:
                    self.mend()
                self._meet_the_new_leader()
            self.step([self.write])
            self.wait(TICK // 2)
            for server in self.servers:
                server.start()
            self.reconnect()
        self.settle()
        return self

    def _is_about_to_lead(self) -> bool:
        roles = [server.role for server in self.servers]
        return any(isinstance(role, Leading) and not role.established for role in roles)

    def _meet_the_new_leader(self) -> None:
        """Everybody reads from it as soon as it serves."""
        for _ in range(60):
            self.wait(TICK // 20)
            leader = self.ensemble.leader
            if leader is not None:
                for client in self.clients:
                    client.connect(leader.id)
                    for path in PATHS:
                        client.send("getData", wire.path_watch(path), (path,))
                return

    def _upset(self) -> None:
        if self.random.random() < 0.7:
            self._crash(self._server())

    def _crash(self, server: Replica) -> None:
        """It may come back at once."""
        server.stop()
        if self.random.random() < 0.7:
            server.start()

    def start_all(self) -> None:
        for server in self.servers:
            server.start()

    def _corner(self, leader: int) -> None:
        for server in self.servers:
            if not server.observer and server.id != leader:
                self._cut((leader, server.id))
                self._cut((server.id, leader))

    def settle(self) -> None:
        """Heals everything, and waits until all is quiet."""
        self.resume()
        self.unfreeze()
        self.quicken_disks()
        while self._cuts:
            self.mend()
        self.start_all()
        self.wait(20 * TICK)
        served: set[int] = set()
        for _ in range(60):
            for client in self.clients:
                client.silent = False
                if not client.connected:
                    client.connect(self._server().id)
            self.wait(TICK)
            for client in self.clients:
                if client.number not in served:
                    value = self.value()
                    client.send("setData", wire.set_data("/a", value), ("/a",), value)
            self.wait(TICK)
            served |= {s.client for s in self.sent if s.answered and s.time > self.now - 2 * TICK}
            if len(served) == len(self.clients) and all(c.connected for c in self.clients):
                break
        self.served = served
        self.wait(20 * TICK)
