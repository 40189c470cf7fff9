"""`Simulation`: one simulated world with its clock, servers, network and clients, for the length of
a ``with`` block.

Rules that live here:

- The code in the ``with`` block is the main task. The simulation lasts as long as the block: at its
  end every other task is ended where it stands, every patch is undone, and nothing is left behind.
- Everything that chance decides is drawn from streams that the seed determines, one each for the
  order of tasks, the network, the faults, the servers and the program, so that a change in one
  leaves the others as they were.
"""

from __future__ import annotations

import operator
import os
import sys
from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from zkfake._history.events import TaskEnded
from zkfake._history.recorder import EnsembleHistory, History
from zkfake._settings import Settings
from zkfake._simulation.breaks import BREAK_VARIABLE, Break, watch
from zkfake._simulation.chance.profiles import Profile, profile_of
from zkfake._simulation.chance.swarm import SWARM, draw_swarm, scheduled_profile
from zkfake._simulation.clients.clients import Clients
from zkfake._simulation.determinism import RecordedRun, same_outcome
from zkfake._simulation.errors import (
    SimulationError,
    SimulationTimeout,
)
from zkfake._simulation.failures import Failures
from zkfake._simulation.faults.faults import Faults, Freezes, name_of_client
from zkfake._simulation.network.network import MessageDelay, Network
from zkfake._simulation.network.servers import Servers
from zkfake._simulation.observed import ObservedSimulation, ignore
from zkfake._simulation.patching import patches
from zkfake._simulation.scheduling.scheduler import MAX_STEPS, MAX_TIME, STALL_LIMIT, Scheduler
from zkfake._simulation.scheduling.schedules import Pct, Schedule, Shuffled, check_schedule
from zkfake._simulation.scheduling.tasks import MICROSECONDS
from zkfake._simulation.scheduling.watchdog import Watchdog
from zkfake._simulation.stand_ins.current import CurrentSimulation, current
from zkfake._simulation.stand_ins.log_lines import LogLines, WantedLevels, wanted_levels
from zkfake._versions import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import ModuleType, TracebackType

    from kazoo.client import KazooClient
    from typing_extensions import Self

    from zkfake._ensemble.replica import Replica
    from zkfake._simulation.chance.chance import Struck
    from zkfake._simulation.clients.handler import SimulationHandler
    from zkfake._simulation.scheduling.tasks import ScheduledTask, Task

__all__ = ["SEED_VARIABLE", "ChanceDecisions", "Simulation", "in_code"]

SEED_VARIABLE = "ZKFAKE_SEED"
"""The environment variable that gives the seed where the program gives none."""

_PROGRAM_ID = 4242

T = TypeVar("T")


def _names_of(patch: Iterable[str | ModuleType]) -> tuple[str, ...]:
    """Modules to patch, by their names."""
    return tuple(each if isinstance(each, str) else each.__name__ for each in patch)


def _seed_of_environment() -> int:
    text = os.environ.get(SEED_VARIABLE, "0")
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{SEED_VARIABLE}={text!r}: expected a whole number") from None


def in_code(arguments: Mapping[str, Any]) -> str:
    """Arguments of a `Simulation` as they stand in a program."""
    shown = {**arguments}
    if "patch" in shown:
        shown["patch"] = _names_of(shown["patch"])
    return ", ".join(f"{name}={value!r}" for name, value in shown.items())


class ChanceDecisions(NamedTuple):
    """What chance has decided in a simulation."""

    schedule: Schedule
    messages: list[MessageDelay]
    faults: list[Struck]


class Simulation(ObservedSimulation):
    """A ZooKeeper ensemble, its network and its clients in virtual time.

    >>> with Simulation(seed=7) as sim:
    ...     client = sim.client()
    ...     path = client.create("/a", b"1")
    ...     sim.sleep(3600)
    ...     client.connected, client.get("/a")[0], round(sim.now)
    (True, b'1', 3600)

    The same seed and the same program make the same history, byte for byte. A simulation runs once:
    as a ``with`` block, or by `run`. Methods that change it raise `SimulationError` unless it runs;
    those that look at it raise it before the run has begun.
    """

    history: History
    """What has happened so far, event by event, from the beginning of the run on."""
    faults: Faults
    """What can be done to clients, servers and links, from the beginning of the run on."""

    def __init__(
        self,
        *,
        seed: int | None = None,
        servers: int | None = None,
        observers: int = 0,
        profile: str | Profile = "calm",
        schedule: str | Mapping[int, int] | None = None,
        version: str = DEFAULT,
        settings: Mapping[str, object] | None = None,
        patch: Iterable[str | ModuleType] = (),
        logging: WantedLevels | None = None,
        check_determinism: bool = False,
        max_steps: int = MAX_STEPS,
        max_time: float = MAX_TIME,
        stall_limit: float = STALL_LIMIT,
        watchdog: float | None = 30.0,
        **knobs: Any,
    ) -> None:
        """``seed``: the environment's ``ZKFAKE_SEED``, or 0, by default. ``profile``: ``"calm"``,
        ``"realistic"``, ``"hostile"``, ``"swarm"`` or a `Profile`; ``knobs`` set its parts by name.
        ``"swarm"`` draws a profile, a schedule and the number of servers from the seed, as far as
        they are not given; without it there is one server. ``schedule``: ``"fifo"``, ``"random"``
        or ``"pct"`` (see the page of the search); by default the order that the profile's
        ``reorder`` and ``preemption`` draw. Or a dict of the choices that are not first come, first
        served: a choice is made where several tasks are ready, or several messages are due at a
        server. The keys are the numbers of the choices, from 1, the values the places of what is
        chosen, from 0. ``version`` and ``settings``: as for `zkfake.FakeZooKeeper`. ``patch``:
        modules whose use of ``time``, ``threading``, ``queue``, ``random``, ``uuid`` and
        ``datetime`` is to be simulated: modules, or their names. The name of a package stands for
        all modules in it.
        ``logging``: the history has what is logged from that level on, by its name or number, or
        by a dict of levels for the names of loggers (``""`` for all); kazoo's from ``"WARNING"`` on
        unless it is named. ``check_determinism``: `run` runs the program twice.

        ``max_steps`` bounds the task switches, ``max_time`` the virtual seconds, ``stall_limit``
        the virtual seconds in which only clients' background tasks run; ``watchdog`` is the real
        seconds that a task may take without giving way (``None``: for ever).

        Raises `ValueError` for an invalid value, `TypeError` for an unknown argument and for values
        of a wrong type. The run raises `ImportError` at its beginning where ``patch`` names a
        module that cannot be imported.
        """
        if seed is None:
            seed = _seed_of_environment()
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise TypeError(f"seed={seed!r}: expected an int")
        seed = operator.index(seed)  # a NumPy integer, say: reports print a plain one
        check_schedule(schedule)
        super().__init__()
        self.seed = seed
        """What chance is drawn from."""
        self._arguments: dict[str, Any] = {
            "seed": seed,
            "servers": servers,
            "observers": observers,
            "profile": profile,
            "schedule": schedule,
            "version": version,
            "settings": settings,
            "patch": tuple(patch),
            "logging": logging,
            "max_steps": max_steps,
            "max_time": max_time,
            "stall_limit": stall_limit,
            "watchdog": watchdog,
            **knobs,
        }
        if profile == SWARM:
            swarm = draw_swarm(seed, servers, schedule)
            profile, servers, schedule = swarm
        servers = 1 if servers is None else servers
        if servers < 1 or observers < 0 or servers + observers > 254:
            raise ValueError(
                f"servers={servers}, observers={observers}: expected at least one server with a "
                "vote, and 254 in all at most"
            )
        self.profile = scheduled_profile(profile_of(profile, knobs), schedule)
        """How the world behaves when nobody interferes."""
        self.schedule = schedule
        """Which of the ready tasks runs next, which message arrives first."""
        self._counts = {"servers": servers, "observers": observers}
        self._settings = Settings.parse(settings, version)
        self._log_levels = wanted_levels(logging)
        self._check = check_determinism
        self._watchdog_limit = watchdog
        self._limits: dict[str, Any] = {
            "max_steps": max_steps,
            "max_time": max_time,
            "stall_limit": stall_limit,
        }
        self.quiet = False
        """Whether nothing is printed on standard error after a failure."""
        self._has_ended = False
        self._trace: list[tuple[int, str]] | None = None
        self._failures = Failures()

    # -- beginning and end

    def __enter__(self) -> Self:
        if self._check:
            raise SimulationError(
                "a with block runs only once: check_determinism needs Simulation(...).run(program)"
            )
        self._start()
        return self

    def _start(self) -> None:
        if self._state != "new":
            raise SimulationError(f"this simulation is {self._state}; make a new one")
        if current() is not None:
            raise SimulationError(
                "this thread has a simulation already; end it before you start the next one"
            )
        named = os.environ.get(BREAK_VARIABLE) if self._breaks else None
        wanted = None if named is None else Break.parse(named)
        order = self._stream("order")
        self._scheduler = Scheduler(
            order,
            reorder=self.profile.reorder,
            preemption=self.profile.preemption,
            trace=self._trace,
            schedule=self._make_schedule(order),
            **self._limits,
        )
        self._scheduler.on_task_end = self._task_ended
        self._scheduler.on_logged = self._failures.add_logged
        history = EnsembleHistory(
            lambda: self._scheduler.now / MICROSECONDS, lambda: self._scheduler.current.name
        )
        self.history = history
        self._servers = Servers(
            self._scheduler,
            self.history,
            self._settings,
            self._stream("servers"),
            **self._counts,
        )
        self._ensemble = self._servers.ensemble
        history.hear(self._ensemble)
        self._network = Network(
            self._scheduler, self._stream("network"), self.profile, self.history, self._servers
        )
        self._freezes = Freezes(self._scheduler)
        self.faults = Faults(
            self._scheduler, self._network, self.profile, self._stream, self._freezes
        )
        self._clients = Clients(self._network, self._freezes.task_started)
        self._servers.begin(self.profile)
        self._watchdog = (
            None
            if self._watchdog_limit is None
            else Watchdog(self._scheduler, self._watchdog_limit)
        )
        if self._watchdog is not None:
            self._watchdog.start()
        world = CurrentSimulation(
            self._scheduler,
            self._stream("program"),
            _names_of(self._arguments["patch"]),
            epoch_time=lambda: self._servers.time,
            process_id=self._process_id,
            resolve=self._servers.resolve,
            plain_handler=self.handler,
            lines=LogLines(self._log_levels, history) if self._log_levels else None,
        )
        try:
            patches.install(world, self._arguments["patch"])
        except BaseException:
            self._scheduler.close()
            if self._watchdog is not None:
                self._watchdog.stop()
            raise
        self._state = "running"
        if wanted is not None:
            watch(self, self.history, wanted)

    def _make_schedule(self, order: Random) -> Schedule | None:
        if self.schedule == "pct":
            return Pct(self._stream("schedule"), self._strike_beside)
        if self.schedule == "random":
            return Shuffled(order.random, 1.0, messages=True)
        return Schedule(self.schedule) if isinstance(self.schedule, dict) else None

    def _strike_beside(self, task: ScheduledTask) -> None:
        """Lets a fault strike the client of a task that stands still."""
        chance = self._network.chance
        client = task.owner or getattr(task.reason, "client_name", "")
        if chance is not None and isinstance(client, str):
            chance.strike_beside(client)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        if self._has_ended:
            return
        self._end()
        failure = self._failures.of_run(error, self._scheduler.failure)
        if failure is None:
            return
        self._failures.tell(failure, quiet=self.quiet)
        if not self.quiet and type(failure).__name__ != "Skipped":  # pytest's
            sys.stderr.write(self._epitaph(failure))
        if failure is not error:
            raise failure

    def _end(self) -> None:
        """End every task and undo everything. Nothing of that is in the history any more."""
        self._look()
        self._state = "over"
        # `patches.remove` counts simulations: a second end would be that of another one.
        self._has_ended = True
        self.history.append = ignore
        try:
            self._scheduler.close()
        finally:
            patches.remove()
            if self._watchdog is not None:
                self._watchdog.stop()

    def _epitaph(self, failure: BaseException) -> str:
        return (
            f"\nzkfake.simulation: {type(failure).__name__} at virtual second {self.now:.6f}, "
            f"after {len(self.history)} events and {self._network.requests} requests.\n"
            f"  seed {self.seed}; replay with {self.replay} (or {SEED_VARIABLE}={self.seed})\n"
        )

    @property
    def replay(self) -> str:
        """The expression that creates an equal simulation."""
        defaults = {
            "servers": None,
            "observers": 0,
            "profile": "calm",
            "schedule": None,
            "version": DEFAULT,
            "settings": None,
            "patch": (),
            "logging": None,
            "max_steps": MAX_STEPS,
            "max_time": MAX_TIME,
            "stall_limit": STALL_LIMIT,
            "watchdog": 30.0,
        }
        given = {
            name: value
            for name, value in self._arguments.items()
            if name == "seed" or name not in defaults or value != defaults[name]
        }
        return f"Simulation({in_code(given)})"

    def run(self, program: Callable[[Simulation], T]) -> T:
        """Run ``program`` with this simulation as its main task and return what it returns.

        With ``check_determinism`` it runs twice; `NondeterministicProgram` names the first step at
        which the two runs differ. Raises what ``program`` raises, `TaskFailed` if another task
        failed and its result was not read, `SimulationDeadlock`, `SimulationLimit` or
        `SimulationBlocked` if the run was stopped, `UnsupportedKazoo` for a kazoo that cannot be
        simulated, and `SimulationError` if the simulation has run before, or this thread has
        another one.
        """
        self._program = program
        if not self._check:
            with self:
                return program(self)
        self._check = False
        first = Simulation(**self._arguments)._recorded(program)  # noqa: SLF001  # its own class
        return same_outcome(first, self._recorded(program))  # type: ignore[no-any-return]

    def _decided(self) -> ChanceDecisions:
        """What chance has decided so far. The first call, at the start, has it kept."""
        return ChanceDecisions(
            self._scheduler.scheduled(),
            self._network.count_messages(),
            self.faults._chance.struck,  # noqa: SLF001  # of the same package
        )

    def _recorded(self, program: Callable[[Simulation], object]) -> RecordedRun:
        """Run the program, and keep every step."""
        steps: list[tuple[int, str]] = []
        self._trace = steps
        result, error = None, None
        try:
            result = self.run(program)
        except Exception as caught:
            if self._state == "new":
                raise
            error = caught
        return RecordedRun(steps, self.history, result, error)

    # -- time and tasks

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass. With 0, or less, every other ready task runs first.
        Raises `SimulationError` unless the simulation runs.
        """
        self._running()
        self._scheduler.sleep(seconds)

    def spawn(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        process: Any = None,
        **kwargs: Any,
    ) -> Task:
        """Run ``function(*args, **kwargs)`` as a new task and return the `Task`.

        ``name``: for reports, the function's by default. ``process``: the client (or its name)
        whose process the task belongs to; `Faults.pause` pauses it with that client. The
        client of that name may be made later. Raises `SimulationError` unless the simulation runs,
        and `TypeError` for a ``process`` that is neither a client of the simulation nor a name.
        """
        self._running()
        task = self._scheduler.spawn(
            function,
            *args,
            name=name,
            owner=None if process is None else name_of_client(process),
            **kwargs,
        )
        self._freezes.task_started(task)
        return task

    def run_until(self, condition: Callable[[], T], timeout: float = 600.0) -> T:
        """Let the simulation run until ``condition()`` is true, and return what it returned.

        The condition is checked once for each virtual time at which something happens, after
        everything at that time has happened. Raises `SimulationTimeout` after ``timeout`` virtual
        seconds, and what ``condition`` raises.
        """
        self._running()
        deadline = self._scheduler.deadline_after(timeout)
        reason = f"a condition ({getattr(condition, '__name__', 'condition')})"
        while not (value := condition()):
            if not self._scheduler.next_instant(reason, deadline) and not (value := condition()):
                raise SimulationTimeout(
                    f"the condition was still false after {timeout} virtual seconds\n"
                    + self._scheduler.describe()
                )
            if value:
                break
        return value

    def settle(self, timeout: float = 86_400.0) -> None:
        """Heal every fault, stop faults by chance, and let the simulation run until everything is
        delivered.

        That is: no bytes are on the way, and every client that was started and not stopped is
        connected, has no unanswered request and no waiting callback. Raises `SimulationTimeout`
        after ``timeout`` virtual seconds.
        """
        self._running()
        self.faults.heal()
        self.faults.stop_chance()
        self._scheduler.sleep(0)
        self.run_until(self._is_settled, timeout)

    def _is_settled(self) -> bool:
        return (
            self._servers.quiet
            and all(channel.quiet for channel in self._network.channels)
            and self._clients.at_rest
            and self._scheduler.is_quiet
        )

    # -- servers

    def add_server(self) -> Replica:
        """Adds a server, ``zk<n>:2181`` with the next number *n*. It follows without a vote, and
        serves clients, until a reconfiguration makes it a member: see its ``specification()``.

        Raises `RuntimeError` in a standalone simulation, without the setting ``reconfigEnabled``,
        and for more than 254 servers.
        """
        self._running()
        return self._servers.add()

    def _acting(self) -> AbstractContextManager[object]:
        self._running()
        return self._servers.at_work()

    def _looking(self) -> AbstractContextManager[object]:
        self._begun()
        return nullcontext()  # there is one thread

    # -- clients

    @property
    def longest_session(self) -> float:
        """The longest session timeout that the servers grant, in seconds. May be read at any
        time.
        """
        return self._settings.session_timeouts[1] / 1000

    @property
    def hosts(self) -> str:
        """The connect string for the simulated servers; empty before the simulation has begun."""
        return self._servers.hosts if hasattr(self, "_servers") else ""

    def client(
        self,
        name: str | None = None,
        *,
        start: bool = True,
        start_timeout: float = 300.0,
        **kazoo_arguments: Any,
    ) -> KazooClient:
        """A plain `kazoo.client.KazooClient`, started unless ``start`` is false, and connected to
        the simulated servers.

        ``kazoo_arguments`` are those of `KazooClient`, but for ``handler``; ``hosts`` are the
        simulated servers by default. ``name``: for the history and reports, unique. Raises
        `SimulationError` for a name that is in use or for ``handler``, and what `KazooClient.start`
        raises after ``start_timeout`` virtual seconds.
        """
        self._running()
        client = self._clients.make(name, kazoo_arguments)
        if start:
            self._clients.start(client, start_timeout)
        return client

    def handler(self, name: str | None = None) -> SimulationHandler:
        """A handler for one `KazooClient` that the program creates itself. ``name``: as for
        `client`. Raises `SimulationError` for a name that is in use.
        """
        self._running()
        return self._clients.handler(name)

    @property
    def epoch_time(self) -> float:
        """What ``time.time()`` returns in the simulation: virtual seconds since 1970."""
        self._begun()
        return self._servers.time

    def _process_id(self) -> int:
        """What ``os.getpid()`` says: one for each client's process, and one for the program's."""
        owner = self._scheduler.current.owner
        names = list(self._network.clients)
        return _PROGRAM_ID + (names.index(owner) + 1 if owner in names else 0)

    def _stream(self, name: str) -> Random:
        return Random(f"{self.seed}/{name}")

    def _task_ended(self, task: ScheduledTask, error: BaseException | None) -> None:
        if error is None:
            return
        self.history.append(TaskEnded(self.now, task.name, type(error).__name__))
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._scheduler.interrupt(error)
        else:
            self._failures.add(task, error)
