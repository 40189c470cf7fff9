"""What happens to dicts and servers, the same on a simulated and on a live ensemble.

Three things, one after the other, with ``dicts`` dicts of ``keys`` keys, each on a client of its
own: another client changes one key; all sessions end at once; the leader dies. What the dicts'
clients send and get is counted, and when they got the last of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.capacity.served import Costs, Served
from benchmarks.traffic import Traffic
from zkdict import BYTES, State, ZooKeeperDict
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

PATH = "/shop/prices"
VALUE = 100
"""Bytes of a value."""
LATENCY = 0.00025
"""Seconds, one way, between any two machines: those of one data centre."""
TIMEOUT = 10.0
"""The clients' session timeout, which is kazoo's own."""
QUIET = 1.0
"""Seconds without an answer after which nothing is to come."""
PATIENCE = 2 * TIMEOUT
"""Seconds after which a scenario has not converged. Clients that are not all back within a session
timeout may never be: they give their connections up, and ask again for what is still being done.
"""

SCENARIOS = ("change", "sessions", "leader")


class World(Protocol):
    """An ensemble of three and its clients."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    def client(self) -> KazooClient: ...
    def end_sessions(self, clients: list[KazooClient]) -> None: ...
    def stop_leader(self) -> None: ...
    def zxid(self) -> int:
        """How many transactions there were."""


def key(number: int) -> str:
    return f"key-{number:05}"


class Simulated:
    """A `World` in virtual time."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.sleep = sim.sleep

    def now(self) -> float:
        return self._sim.now

    def client(self) -> KazooClient:
        return self._sim.client(timeout=TIMEOUT)

    def end_sessions(self, clients: list[KazooClient]) -> None:
        for client in clients:
            self._sim.faults.expire(client)

    def stop_leader(self) -> None:
        self._sim.faults.stop_server()

    def zxid(self) -> int:
        return self._sim._ensemble.leader.zxid if self._sim._ensemble.leader else 0  # noqa: SLF001


def simulate(dicts: int, keys: int, costs: Costs, election: float) -> dict[str, Any]:
    """Everything, in virtual time; an ``election`` takes so many seconds."""
    with (
        Served(costs) as served,
        Simulation(
            seed=1,
            servers=3,
            latency=(LATENCY, LATENCY),
            server_latency=(LATENCY, LATENCY),
            election_time=(election, election),
            settings={"maxClientCnxns": 0},
            max_steps=10**10,
            max_time=1e6,
            watchdog=None,
        ) as sim,
        Traffic(lambda: sim.now) as traffic,
    ):
        sim._network.recorder = _Deaf()  # type: ignore[assignment]  # noqa: SLF001
        sim.load({f"{PATH}/{key(n)}": bytes(VALUE) for n in range(keys)})

        def begun() -> None:
            served.quick = False
            served.reset()

        return run(Simulated(sim), traffic, dicts, begun, lambda: {"busiest": served.busiest()})


class _Deaf:
    """In place of what writes the history: ten thousand clients make a long one."""

    def sent(self, *_: object) -> None: ...
    def replied(self, *_: object) -> None: ...
    def told(self, *_: object) -> None: ...
    def ended(self, *_: object) -> None: ...
    def connected(self, *_: object) -> None: ...


def run(
    world: World,
    traffic: Traffic,
    count: int,
    begun: Callable[[], None] = lambda: None,
    more: Callable[[], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Open the dicts, and let it happen; what was counted, by the scenario. One that has not
    converged within `PATIENCE` has no ``seconds``, and is the last.
    """
    clients = [world.client() for _ in range(count)]
    dicts = [ZooKeeperDict(client, PATH, encoding=BYTES) for client in clients]
    writer = world.client()
    traffic.only = frozenset(clients)
    names = list(dicts[0])
    value = b"x" * VALUE

    def has_changed() -> bool:
        return all(each[names[0]] == value for each in dicts)

    def live() -> bool:
        return traffic.requests["Connect"] >= count and all(
            each.state is State.LIVE for each in dicts
        )

    sessions = [client.client_id for client in clients]

    def in_new_sessions() -> bool:
        return live() and all(
            client.client_id != old for client, old in zip(clients, sessions, strict=True)
        )

    steps = {
        "change": (lambda: writer.set(f"{PATH}/{names[0]}", value), has_changed),
        "sessions": (lambda: world.end_sessions(clients), in_new_sessions),
        "leader": (world.stop_leader, live),
    }
    world.sleep(QUIET)
    found: dict[str, Any] = {}
    for name, (happen, is_over) in steps.items():
        begun()
        traffic.reset()
        zxid, start = world.zxid(), world.now()
        happen()
        while not (converged := is_over() and traffic.last + QUIET < world.now()):
            if world.now() - start > PATIENCE:
                break
            world.sleep(QUIET / 4)
        found[name] = {
            **traffic.figures(),
            "seconds": traffic.last - start if converged else None,
            "transactions": world.zxid() - zxid if name != "leader" else 0,
            **more(),
        }
        if not converged:
            break
    return found
