"""A run whose ensemble changes: members come, go, get a vote and lose it, under every fault.

An operator does what one has to do: a server that its own configuration does not know any more is
started as one that joins; and so is one that finds nobody, as all it knows are gone.
"""

from __future__ import annotations

from zkfake._database.reconfig import member
from zkfake._ensemble.leading import Leading
from zkfake._ensemble.replica import Replica
from zkfake._protocol.records import Op

from ..support import wire
from .clients import TICK
from .run import Run

MOST = 7


class Changing(Run):
    """An ensemble that its clients reconfigure."""

    def __init__(self, seed: int, **arguments: int) -> None:
        self.handed_over: set[int] = set()
        """The epochs of the leaders that did."""
        further = {"reconfigEnabled": True, "skipACL": True}
        super().__init__(seed, further=further, **arguments)  # type: ignore[arg-type]

    @property
    def changes(self) -> int:
        """How many configurations were committed."""
        return sum(entry.op is Op.RECONFIG and not entry.error for entry in self.ensemble.log)

    def _look_for_lonely_leaders(self) -> None:
        super()._look_for_lonely_leaders()
        for server in self.servers:
            if isinstance(server.role, Leading) and server.role.retired:
                self.handed_over.add(server.role.epoch)

    # -- what can happen

    def reconfigure(self) -> None:
        """One member leaves, another comes or changes its role; or all is new."""
        kind = self.random.randrange(4)
        joining = leaving = members = None
        if kind == 0:
            leaving = str(self._server().id)
        elif kind == 1:
            members = ",".join(
                self._line(server) for server in self.servers if self.random.random() < 0.6
            )
        else:
            joining = self._line(self._server())
            leaving = str(self._server().id) if kind == 2 else None
        body = wire.string(joining) + wire.string(leaving) + wire.string(members) + wire.i64(-1)
        self._client().send("reconfig", body)

    def _line(self, server: Replica) -> str:
        spec = member(server.id, self.random.random() < 0.3, f"127.0.0.1:{4000 + server.id}")
        return f"server.{server.id}={spec.render()}"

    def hand_over(self) -> None:
        """The leader loses its vote, or its place."""
        leader = self.ensemble.leader
        if leader is not None:
            joining, leaving = None, str(leader.id)
            if self.random.random() < 0.5:
                spec = member(leader.id, True, f"127.0.0.1:{4000 + leader.id}")
                joining, leaving = f"server.{leader.id}={spec.render()}", None
            body = wire.string(joining) + wire.string(leaving) + wire.string(None) + wire.i64(-1)
            self._client().send("reconfig", body)

    def join(self) -> None:
        """One more server, which follows without a vote."""
        if len(self.servers) < MOST:
            server = Replica(self.ensemble, len(self.servers) + 1)
            server.lag = self.servers[0].lag
            self.servers.append(server)
            self._watch_server(server)
            server.start()

    # -- programs

    def change(self, steps: int, power: bool) -> Changing:
        """Clients, every fault there is, and reconfigurations; ``power``: and disks that are slow,
        and losses of power.
        """
        calm = [self.write, self.read, self.sync, self.burst, self.pause, self.reconnect]
        changes = [self.reconfigure, self.reconfigure, self.reconfigure, self.hand_over, self.join]
        faults = [
            self.move,
            self.crash,
            self.restart,
            self.restart,
            self.cut,
            self.isolate_leader,
            self.mend,
            self.mend,
            self.mend,
            self.freeze,
            self.unfreeze,
            self.pause_server,
            self.pause_leader,
            self.resume,
            self.resume,
            self.long_pause,
        ]
        if power:
            faults += [self.slow_disk, self.quicken_disks, self.lose_power]
        for _ in range(steps):
            self.step([*calm, *calm, *calm, *changes, *changes, *faults])
        self.settle()
        return self

    def tear(self, rounds: int) -> Changing:
        """All members are exchanged for others, and in the middle of it nobody hears the others any
        more; each side goes on as far as it can.
        """
        while len(self.servers) < MOST:
            self.join()
        for _ in range(rounds):
            self.wait(2 * TICK)
            leader, old = self.ensemble.leader, set(self.config.voters)
            fresh = [server for server in self.servers if server.id not in old]
            if leader is not None and len(fresh) > 1:
                members = self.random.sample(fresh, min(3, len(fresh)))
                stays = [server for server in self.servers if server.id in old]
                members += self.random.sample(stays, self.random.randrange(2))
                lines = [
                    member(each.id, False, f"127.0.0.1:{4000 + each.id}").render()
                    for each in members
                ]
                text = ",".join(
                    f"server.{each.id}={line}" for each, line in zip(members, lines, strict=True)
                )
                self.clients[0].connect(leader.id)
                self.wait(50)
                body = wire.string(None) + wire.string(None) + wire.string(text) + wire.i64(-1)
                self.clients[0].send("reconfig", body)
                version, patience = self.config.version, self.random.randrange(100)
                while patience and self.config.version == version:
                    self.wait(1)
                    patience -= 1
                self.wait(self.random.randrange(10))
                inside = {each.id for each in members} - old
                if self.random.random() < 0.5:  # the last that it said reaches the new ones only
                    for other in self.servers:
                        if other.id not in inside and other.id != leader.id:
                            self._cut((leader.id, other.id))
                    self.wait(30)
                for one in self.servers:
                    for other in self.servers:
                        if (one.id in inside) != (other.id in inside):
                            self._cut((one.id, other.id))
                if self.random.random() < 0.5:
                    self._crash(self.servers[leader.id - 1])
                for _ in range(6):
                    self.wait(self.random.randrange(TICK))
                    self.step([self.write, self.read, self.reconnect])
                while self._cuts:
                    self.mend()
            self.start_all()
            self.reconnect()
        self.settle()
        return self

    def start_all(self) -> None:
        for _ in range(3):
            for server in self.servers:
                if self.config.version > server.store.config.version and server.mode is None:
                    server.stop()
                if not server.running and server.expelled:
                    self.ensemble.introduce(server)
                server.start()
            self.wait(10 * TICK)
