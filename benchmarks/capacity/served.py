"""How long a server takes for a request in a simulation: `Served`.

The simulation's servers answer at once. Here each of them is a queue: it has one core, takes
requests in the order in which they arrive, and is busy with each for as long as a live server's
core was (see `costs`). A watch event costs its own time. What only the leader can do, it does for
all servers, one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._channel.channel import EVENT, Stream
from zkfake._simulation.network import network as network_module
from zkfake._simulation.network.channels import VirtualChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkfake._channel.conditions import Way

WRITES = frozenset({"create", "create2", "setData", "delete", "multi", "closeSession"})


class Costs(NamedTuple):
    """Microseconds of a server's core."""

    read: float
    """A read that leaves a watch, with its reply. Moving a session and a ping cost as much."""
    event: float
    """A watch event."""
    write: float
    """A write, for the leader of three."""
    session: float
    """A session that begins or ends, for the leader of three."""


class _Queue:
    """One server's core."""

    def __init__(self) -> None:
        self.free = 0.0
        self.busy = 0.0

    def take(self, arrives: float, cost: float) -> float:
        """When it is done with what ``arrives`` then; microseconds."""
        self.free = max(self.free, arrives) + cost
        self.busy += cost
        return self.free


class Served:
    """A context manager around a `zkfake.simulation.Simulation`: its servers take their time."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._queues: dict[int, _Queue] = {}
        self._leader = _Queue()
        self.quick = True
        """Whether everything is done at once, as while a study is prepared."""

    def __enter__(self) -> Self:
        served = self

        class ServedStream(Stream):
            __slots__ = ("_down",)

            def send(self, data: bytes, tag: Any = None) -> None:
                clock = self._clock
                latency = self._conditions.delay(self._channel)
                due = clock.now + latency
                if not served.quick:
                    due = served.due(self._channel.server, clock.now, latency, self._way, tag, data)
                self._items.append((due, data, tag))
                self.size += len(data)
                self._call_at(due, self._on_time)

        class ServedChannel(VirtualChannel):
            def _stream(self, way: Way, deliver: Callable[[bytes, Any], None]) -> Stream:
                plain = super()._stream(way, deliver)
                call_at = plain._call_at  # noqa: SLF001
                return ServedStream(self._conditions, self, way, deliver, call_at)

        self._real = network_module.VirtualChannel
        network_module.VirtualChannel = ServedChannel  # type: ignore[misc]
        return self

    def __exit__(self, *_error: object) -> None:
        network_module.VirtualChannel = self._real  # type: ignore[misc]

    def due(self, server: int, now: int, latency: int, way: Way, tag: Any, data: bytes) -> int:
        """When a message that is sent ``now`` arrives where it goes."""
        costs = self._costs
        queue = self._queues.setdefault(server, _Queue())
        if way == "to_client":
            if tag is EVENT:
                return round(queue.take(now, costs.event)) + latency
            return now + latency
        operation = tag.head.operation if tag is not None else ""
        done = queue.take(now + latency, costs.read)
        if operation == "connect" and not self._has_session(data):
            done = self._leader.take(done, costs.session)
        elif operation in WRITES:
            done = self._leader.take(done, costs.write)
        return round(done)

    @staticmethod
    def _has_session(frame: bytes) -> bool:
        """Whether a connect request names a session: length, version, zxid, timeout, session."""
        return frame[20:28] != bytes(8)

    def busiest(self) -> float:
        """Seconds that the busiest server worked."""
        return max((queue.busy for queue in self._queues.values()), default=0.0) / 1e6

    def reset(self) -> None:
        """Count the work anew."""
        for queue in self._queues.values():
            queue.busy = 0.0
