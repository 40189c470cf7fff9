"""The servers' side of a simulation: drives the sans-IO ensemble by the virtual clock.

Rules that live here:

- Before the core does anything it is told the time; after it did something, the connections that
  have output are emptied, in the order in which they got it, and the core's next deadline becomes a
  timer.
- Server *n* is ``zk<n>:2181``, address ``10.0.0.<n>``. What production code connects to by default,
  ``localhost:2181`` or ``127.0.0.1:2181``, is the first server.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from zkfake._channel.outages import milliseconds
from zkfake._connection.connection import Connection
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._history.events import ServerEvent
from zkfake._simulation.scheduling.tasks import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._ensemble.events import Name
    from zkfake._history.recorder import History
    from zkfake._settings import Settings
    from zkfake._simulation.chance.profiles import Profile
    from zkfake._simulation.scheduling.scheduler import Scheduler

EPOCH = 1_767_225_600
"""What ``time.time()`` says when a simulation starts: 2026-01-01, 00:00 UTC."""

_EPOCH_MS = 1000 * EPOCH

PORT = 2181

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Servers:
    """The ensemble of one simulation."""

    def __init__(
        self,
        scheduler: Scheduler,
        record: History,
        settings: Settings,
        random: Random,
        *,
        servers: int,
        observers: int,
    ) -> None:
        self._scheduler = scheduler
        self._history = record
        self.ensemble = Ensemble(
            replace(settings, keep_log=None), _EPOCH_MS, Random(random.getrandbits(64))
        )
        self.replicas: list[Replica] = []
        self.addresses: list[tuple[str, int]] = []
        self._numbers = dict.fromkeys(_LOCAL_NAMES, 1)
        for number in range(1, servers + observers + 1):
            self._add(observer=number > servers)
        self.hosts = ",".join(f"zk{replica.id}:{PORT}" for replica in self.replicas)
        self._lag = (0, 0)
        self._armed: int | None = None
        self._deadline: int | None = None
        """The core's next deadline; it changes only while the core is at work."""
        self._flushing = False
        self._output: deque[Callable[[], None]] = deque()
        self.after_call = self._output.append
        """Runs an action, which empties a connection, once the core is done."""
        self._ports = 40_000
        self.ensemble.tell = self._note
        self.ensemble.links.choose = scheduler.choose_message

    def _add(self, *, observer: bool = False) -> Replica:
        number = len(self.replicas) + 1
        replica = Replica(self.ensemble, number, observer=observer)
        self.replicas.append(replica)
        replica.host, replica.ports = f"10.0.0.{number}", (PORT, -1)
        self.addresses.append((replica.host, PORT))
        self._numbers[f"zk{number}"] = self._numbers[replica.host] = number
        return replica

    def add(self) -> Replica:
        """Start one more server. Raises `RuntimeError` if none can join."""
        self.ensemble.check_may_join()
        replica = self._add()
        replica.applying.lag = self._lag
        self.call(replica.start)
        return replica

    def begin(self, profile: Profile) -> None:
        """Start every server without latency, and then set the latencies of ``profile``."""
        for replica in self.replicas:
            replica.start()
        self.ensemble.advance(self.ensemble.now)
        self.ensemble.election_time = milliseconds(profile.election_time)
        self.ensemble.links.latency = milliseconds(profile.server_latency)
        self._lag = milliseconds(profile.replica_lag)
        for replica in self.replicas:
            replica.applying.lag = self._lag
        self.flush()

    def be_quick(self) -> None:
        """Without latency from now on, as at the start."""
        self.ensemble.links.latency = self._lag = (0, 0)
        for replica in self.replicas:
            replica.applying.lag = self._lag

    @property
    def quiet(self) -> bool:
        """Whether an ensemble has one leader and every running server all that is committed; who is
        no member may never find a leader.
        """
        ensemble = self.ensemble
        return (
            ensemble.leader is not None
            and not ensemble.deposed
            and ensemble.links.quiet
            and all(
                (replica.mode is not None or replica.expelled) and replica.settled
                for replica in self.replicas
                if replica.running
            )
        )

    # -- names and addresses

    def resolve(self, host: str) -> str | None:
        """The address of a server by its name or address; ``None`` where there is no such host."""
        number = self._numbers.get(host)
        return None if number is None else self.addresses[number - 1][0]

    def find(self, address: tuple[str, int]) -> int:
        """The number of the server at ``address``, 0 if there is none."""
        host, port = address[:2]
        number = self._numbers.get(host, 0)
        return number if number and self.replicas[number - 1].ports[0] == port else 0

    def accepts(self, number: int) -> bool:
        return number > 0 and self.replicas[number - 1].running

    # -- calls into the core

    def accept(self, number: int, host: str, on_output: Callable[[object], None]) -> Connection:
        """A new connection to server ``number``. `flush` is to follow once the caller holds it."""
        self._tell_time()
        self._ports += 1
        return Connection(self.replicas[number - 1], (host, self._ports), on_output)

    def receive(self, core: Connection, data: bytes) -> None:
        """A connection gets ``data``."""
        self._tell_time()
        core.receive(data)
        self.flush()

    def lost(self, connection: Connection) -> None:
        self.call(connection.lost)

    def call(self, action: Callable[[], object]) -> None:
        """Run ``action`` in the core, then deliver what it has caused."""
        if self._flushing:
            # A connection was lost while another one is emptied; what comes of it comes behind.
            action()
            return
        self._tell_time()
        action()
        self.flush()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """As `call`, for the length of a ``with`` block."""
        if self._flushing:
            yield
            return
        self._tell_time()
        yield
        self.flush()

    def flush(self) -> None:
        """Empty the connections that have output, then set the timer for the core's deadline."""
        self._flushing = True
        output = self._output
        try:
            while output:
                output.popleft()()
        finally:
            self._flushing = False
        deadline = self._deadline = self.ensemble.deadline()
        if deadline is not None and (self._armed is None or deadline < self._armed):
            self._arm(deadline)

    def _note(self, server: int, name: Name, text: str) -> None:
        """A server has done something by itself."""
        time, epoch = self._scheduler.now / MICROSECONDS, self.ensemble.replicas[server - 1].store
        self._history.append(ServerEvent(time, server, epoch.accepted_epoch, name, text))

    def _tell_time(self) -> None:
        now = _EPOCH_MS + self._scheduler.now // 1000
        deadline = self._deadline
        if deadline is None or now < deadline:
            self.ensemble.now = now  # nothing is due: all that advance() would do
        else:
            self.ensemble.advance(now)

    def _arm(self, deadline: int) -> None:
        """Set a timer for the core's deadline: none as early is set."""
        self._armed = deadline
        # The core's clock has ticks of a millisecond, what is overdue is due at the next.
        when = max((deadline - _EPOCH_MS) * 1000, self._scheduler.now + 1)
        self._scheduler.call_at(when, lambda: self._due(deadline))

    def _due(self, deadline: int) -> None:
        if self._armed == deadline:
            self._armed = None
            present = self._deadline
            if present is None or present > deadline:
                # What was to be done then, such as the end of a session, has been put off.
                if present is not None:
                    self._arm(present)
            else:
                self.call(lambda: self.ensemble.advance(self.ensemble.now))

    # -- what happens to servers

    def stop(self, number: int) -> None:
        self.call(self.replicas[number - 1].stop)

    def start(self, number: int) -> None:
        self.call(self.replicas[number - 1].start)

    @property
    def time(self) -> float:
        """What ``time.time()`` says."""
        return EPOCH + self._scheduler.now / MICROSECONDS
