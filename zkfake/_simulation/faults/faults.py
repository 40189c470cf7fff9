"""The faults of a simulation: of clients, servers and links, and when they strike.

Rules that live here:

- A fault does only what a network, a slow machine or a crash may do to a correct ensemble and its
  clients.
- *Outages* (`Faults.partition`, `Faults.pause`, ...) begin when they are called and end with
  ``heal()``, at the end of their ``with`` block, after ``duration`` virtual seconds, or with
  `Faults.heal`.
- *Rules* (`Faults.drop_before_reply`, `Faults.upon`, ...) wait for requests that match; see
  `zkfake._channel.requests`.
- A client is named by its `KazooClient`, its name or its session id.
- Every fault that begins, strikes or ends is in the history.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from zkfake._channel.outages import Outage
from zkfake._control.faults import EnsembleFaults
from zkfake._simulation.chance.chance import Chance
from zkfake._simulation.faults.driver import VirtualTimeDriver
from zkfake._simulation.network.network import MessageDelay
from zkfake._simulation.scheduling.schedules import Delay

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._channel.conditions import Stop
    from zkfake._simulation.chance.profiles import Profile
    from zkfake._simulation.network.network import Network
    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.tasks import ScheduledTask, Task

__all__ = ["Faults", "Freezes", "name_of_client"]


class _ClientByName:
    """A client that is named by its `KazooClient`, or by the name that it goes by."""

    def __init__(self, client: Any, network: Network) -> None:
        self._name = name_of_client(client, "a client, its name, or its session id")
        self._network = network

    @property
    def session_id(self) -> int:
        return self._network.sessions.get(self._name, 0)

    def __str__(self) -> str:
        return self._name

    def owns(self, place: Any) -> bool:
        return bool(place.client == self._name)


class Freezes:
    """Which tasks are paused at present, those included that start meanwhile."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._present: dict[Callable[[ScheduledTask], bool], list[ScheduledTask]] = {}
        """Whom each freeze includes, and whom it has stopped."""

    def begin(self, includes: Callable[[ScheduledTask], bool]) -> None:
        """Pauses the tasks that it ``includes``. Raises `SimulationError` for the main task; none
        is paused then.
        """
        stopped: list[ScheduledTask] = []
        try:
            for task in list(self._scheduler.tasks):
                if includes(task):
                    self._scheduler.freeze([task])
                    stopped.append(task)
        except BaseException:
            self._scheduler.thaw(stopped)
            raise
        self._present[includes] = stopped

    def end(self, includes: Callable[[ScheduledTask], bool]) -> None:
        """Lets them go on."""
        self._scheduler.thaw(self._present.pop(includes))

    def task_started(self, task: ScheduledTask) -> None:
        """A new task of a paused client does not run either."""
        for includes, stopped in self._present.items():
            if includes(task):
                self._scheduler.freeze([task])
                stopped.append(task)


class Faults(EnsembleFaults):
    """The faults of one simulation: ``sim.faults``.

    What several methods take means the same as for `zkfake.Faults`, but that a client may also be
    given by its name, and that times are virtual seconds. A name may be that of a client that is
    still to come, so an unknown one is no error. Every method raises `RuntimeError` where ``None``
    is to be the leader while no server leads, and `ValueError` or `TypeError` for an invalid
    argument.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        network: Network,
        profile: Profile,
        stream: Callable[[str], Random],
        freezes: Freezes,
    ) -> None:
        """``stream``: the random source of that name."""
        super().__init__(VirtualTimeDriver(scheduler, network))
        self._scheduler = scheduler
        self._network = network
        self._freezes = freezes
        self._chance = network.chance = Chance(
            self,
            profile,
            stream,
            self._driver.later,
            self._driver.note,
            lambda: list(network.clients),
            lambda: network.time,
        )
        network.considers_all = self._chance.counts
        scheduler.on_stall = self._stalled

    def pause(self, client: Any, *tasks: Task, duration: float | None = None) -> Outage:
        """Pause a client's process: its tasks, and those given in ``tasks``, do not run.
        ``duration``: virtual seconds.

        Tasks spawned with ``sim.spawn(..., process=client)`` belong to the client. The network and
        the servers go on: after its timeout the client's session expires, and the client finds out
        when it runs again. Raises `TypeError` if ``client`` is not a client, `ValueError` for a
        session id that is no client's present or last one, and `SimulationError` if ``tasks`` has
        the program itself.
        """
        name = self._name_of(client)
        return self._freeze(
            "pause", name, lambda task: task.owner == name or task in tasks, duration
        )

    def hold_watches(self, client: Any, *, duration: float | None = None) -> Outage:
        """Delay a client's watch callbacks, as a slow callback before them would. Replies are not
        delayed. ``duration``: virtual seconds. Raises `TypeError` if ``client`` is not a client,
        and `ValueError` for a session id that is no client's present or last one.
        """
        name = self._name_of(client)
        worker = f"{name}/watches"
        return self._freeze(
            "hold watches",
            name,
            lambda task: task.owner == name and task.name.partition("#")[0] == worker,
            duration,
        )

    def _freeze(
        self,
        name: str,
        client: str,
        includes: Callable[[ScheduledTask], bool],
        duration: float | None,
    ) -> Outage:
        outage = Outage(self._driver, name, client, lambda: self._freezes.end(includes))
        return self._begin(outage, lambda: self._freezes.begin(includes), duration)

    def delay_task(self, task: str, *, step: int, seconds: float) -> None:
        """Delay one task of a program or of a client: it stands still at one of its steps for
        ``seconds`` of virtual time, 0: until the other ready tasks have had their turn. Everything
        else goes on.

        ``task``: its name, as ``Task.name`` and reports tell it. ``step``: from 1. A step begins
        when the task goes on after a wait, and at each lock, event or queue that it uses. Steps are
        counted from the first call of this method on, or from the start in a simulation with a
        ``schedule``. Raises `ValueError` for a step below 1, and for negative or infinite
        seconds.
        """
        if step < 1 or not 0 <= seconds < inf:
            raise ValueError(
                f"step={step!r}, seconds={seconds!r}: steps are counted from 1, and a delay lasts "
                "a finite number of seconds, 0 or more"
            )
        self._scheduler.scheduled().delay(Delay(task, step, seconds))

    def delay_message(self, client: str, *, nth: int, seconds: float) -> None:
        """Let one message between a client and a server take ``seconds`` of virtual time.

        ``nth``: its place among the messages from and to the client, in the order of sending, from
        1. The two messages of making a connection count as well. They are counted from the first
        call of this method on. Raises `ValueError` for a place below 1, and for negative or
        infinite seconds.
        """
        if nth < 1 or not 0 <= seconds < inf:
            raise ValueError(
                f"nth={nth!r}, seconds={seconds!r}: messages are counted from 1 and take a finite "
                "number of seconds, 0 or more"
            )
        self._network.delay_message(MessageDelay(client, nth, seconds))

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Call ``action`` at a virtual time, in seconds since the start: most usefully another
        method of this object. At once if that time has passed. It runs between two tasks and must
        not block.
        """
        self._driver.later(max(0.0, time - self._network.time), lambda: self._driver.act(action))

    # -- all of them

    def heal(self) -> None:
        """End every outage, every rule and every delay of a task."""
        super().heal()
        self._scheduler.end_delays()

    def stop_chance(self) -> None:
        """Stop faults by chance, and delays of tasks by chance. Those in force go on."""
        self._chance.stop()
        self._draw_delays(on=False)

    def resume_chance(self) -> None:
        """Start faults by chance, and delays of tasks by chance, again, after `stop_chance` or
        `Simulation.settle`.
        """
        self._chance.resume()
        self._draw_delays(on=True)

    def _stalled(self) -> bool:
        """Whether the program may have waited in vain because of chance: faults, one after the
        other, or servers that need longer for a session than kazoo waits for one. Both end then:
        no world is like that for ever.
        """
        on = self._chance.on
        if on:
            text = "no more faults, and servers are quick: the program does not get on"
            self._driver.note("by chance", text)
            self.stop_chance()
            self._network.servers.be_quick()
        return on

    def _draw_delays(self, *, on: bool) -> None:
        if self._scheduler.schedule is not None:
            self._scheduler.schedule.on = on

    # -- who is meant

    def _name_of(self, client: Any) -> str:
        """The name of a client that may be given by its session id. Raises `TypeError` and
        `ValueError`.
        """
        if not isinstance(client, int) or isinstance(client, bool):
            return name_of_client(client, "a client, its name, or its session id")
        for name, session_id in self._network.sessions.items():
            if session_id == client != 0:
                return name
        raise ValueError(f"{client:#x} is no client's present or last session in this simulation")

    def _client(self, client: Any) -> _ClientByName:
        return _ClientByName(client, self._network)

    def _resume(self, stop: Stop) -> None:
        self._network.resume(stop)


def name_of_client(client: Any, expected: str = "a client, or its name") -> str:
    """The name of a client. Raises `TypeError` if it is not one."""
    if isinstance(client, str):
        return client
    name = getattr(getattr(client, "handler", None), "client_name", None)
    if not isinstance(name, str):
        raise TypeError(f"{client!r} is not a client of this simulation: expected {expected}")
    return name
