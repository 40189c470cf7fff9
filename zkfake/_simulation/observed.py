"""What a simulation shows of itself: probes, debuggers, going back, its clients and tasks.

Rules that live here: to look changes nothing of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from zkfake._control.control import EnsembleControl
from zkfake._history.events import Sent
from zkfake._simulation.again import check_point, run_up_to
from zkfake._simulation.breaks import Break, watch
from zkfake._simulation.errors import SimulationError
from zkfake._simulation.lines import line_of_what_is_sent
from zkfake._simulation.scheduling.tasks import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from traceback import FrameSummary

    from typing_extensions import Self

    from zkfake._ensemble.replica import Replica
    from zkfake._history.events import Event
    from zkfake._history.recorder import History
    from zkfake._simulation.clients.clients import Clients, ClientView
    from zkfake._simulation.network.network import Network
    from zkfake._simulation.scheduling.scheduler import Scheduler

__all__ = ["ObservedSimulation", "ignore"]


class ObservedSimulation(EnsembleControl):
    """What a simulation shows of itself."""

    history: History
    quiet: bool
    _arguments: dict[str, Any]
    _clients: Clients
    _network: Network
    _scheduler: Scheduler

    def __init__(self) -> None:
        self.probes: dict[str, int] = {}
        """How often each probe of the program fired, by its name: 0 where it never did."""
        self._state = "new"
        self._program: Callable[[Any], object] | None = None
        self._breaks = True
        """Whether the environment may have a debugger started."""
        self._last_look: tuple[dict[str, ClientView], tuple[str, ...]] | None = None

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        self._begun()
        return self._scheduler.now / MICROSECONDS

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The servers, stopped ones included. Each has ``zxid``, ``mode``, ``tree`` and the other
        attributes of `zkfake._ensemble.replica.Replica`.
        """
        self._begun()
        return super().replicas

    def _begun(self) -> None:
        if self._state == "new":
            raise SimulationError("this simulation has not begun: it has no servers yet")

    def _running(self) -> None:
        if self._state == "new":
            raise SimulationError(
                "this simulation has not begun: use it in a with block, or give its run() a program"
            )
        if self._state != "running":
            raise SimulationError(f"this simulation is {self._state}")

    # -- standing still

    def pause_at(self, event: int | str) -> None:
        """Call `breakpoint` at an event of this run: its number in the history, from 1, or its kind
        and a path, such as ``"Sent:/jobs/*"``. The environment's ``ZKFAKE_BREAK`` does so for every
        simulation. Virtual time stands still at the prompt. Raises `ValueError` for what does not
        name an event that may come, and `SimulationError` unless the simulation runs.
        """
        parsed = Break.parse(event)
        self._running()
        if 0 < parsed.number <= len(self.history):
            raise ValueError(f"event {event} has happened: there are {len(self.history)} by now")
        watch(self, self.history, parsed)

    def rerun(self, program: Callable[[Self], object] | None = None, *, until: float | str) -> Self:
        """A new simulation of the same world, in which the program is run again up to an earlier
        point of this run, and stands there: with its `history` so far, `now`, `at`, `replicas`,
        `sessions`, `watches`, `dump`, `clients` and `tasks`. It is over: nothing goes on in it.

        ``until``: the number of an event, from 1; or virtual seconds, as a float; or the kind and
        path of an event, as for `pause_at`, which means the first one. The point is right after
        that event, or before anything at that time. It is not before the program begins.
        ``program``: what `run` was given, by default; the body of a ``with`` block has to be given,
        as a function. It may be called where a debugger stands.

        Raises `ValueError` for a point that the run has not come to, `SimulationError` without a
        program, and `NondeterministicProgram` where the program does not make the same run again.
        Cost: that of the run up to there.
        """
        self._begun()
        check_point(until, self.history, self.now)
        program = program or self._program
        if program is None:
            raise SimulationError(
                "the body of a with block cannot be run again: give it as a function, "
                "sim.rerun(program, until=...)"
            )
        past = type(self)(**{**self._arguments, "watchdog": None})
        past.quiet, past._breaks = True, False  # noqa: SLF001  # its own class
        run_up_to(past, program, until, list(self.history))
        past._program = program  # noqa: SLF001
        return past

    def _stand_still(self, error: BaseException) -> NoReturn:
        self._last_look = self.clients, self.tasks
        self._state = "over"
        self.history.append = ignore
        self._scheduler.stand_still(error)

    @property
    def clients(self) -> dict[str, ClientView]:
        """Each client that `client` has made, by its name, as it is now; after the end, as it was
        then.
        """
        self._begun()
        return self._clients.look() if self._last_look is None else self._last_look[0]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Each task, what it waits for, and at which line, in words. After the end there is none,
        but where `rerun` stands.
        """
        self._begun()
        if self._last_look is not None:
            return self._last_look[1]
        return tuple(task.describe() for task in self._scheduler.tasks)

    # -- which line asks for what

    def _keep_lines(self) -> None:
        """Keep from now on which line of the program asks for each request. Clients that there are
        already take no part in it. Cost: a walk up the stack for each request.
        """
        lines: dict[int, FrameSummary] = {}
        self._network.lines = lines
        append = self.history.append

        def append_and_look(event: Event) -> None:
            append(event)
            if isinstance(event, Sent) and (line := line_of_what_is_sent()) is not None:
                lines[event.number] = line

        self.history.append = append_and_look

    @property
    def _lines(self) -> Mapping[int, FrameSummary]:
        """The lines that were kept, by the numbers of their requests."""
        return self._network.lines or {}

    # -- probes

    def sometimes(self, condition: object, name: str) -> bool:
        """Note that ``condition`` should be true sometimes: in some run of a search, not in every
        one. `zkfake.simulation.explore` counts the runs in which it was, and fails where it never
        was, if ``demand`` names it. Returns whether it is true. Cost: O(1).
        """
        fired = bool(condition)
        self.probes[name] = self.probes.get(name, 0) + fired
        return fired

    def reachable(self, name: str) -> None:
        """Note that the program has come here, as ``sometimes(True, name)``."""
        self.sometimes(True, name)

    def always(self, condition: object, name: str) -> None:
        """Note that ``condition`` has to be true whenever the program comes here. Raises
        `AssertionError` where it is not.
        """
        __tracebackhide__ = True
        if not self.sometimes(condition, name):
            raise AssertionError(f"not always: {name}")

    def _look(self) -> None:
        """Keeps how the clients are, before their tasks end."""
        if self._last_look is None:
            self._last_look = self.clients, ()


def ignore(_event: object) -> None:
    """Take an event after the end."""
