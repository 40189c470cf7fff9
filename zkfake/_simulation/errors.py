"""The errors of a simulation. All are `SimulationError`s.

A `SimulationError` names virtual time in seconds since the start of the simulation, and tasks by
the names that the history uses.
"""

__all__ = [
    "NondeterministicProgram",
    "SimulationBlocked",
    "SimulationDeadlock",
    "SimulationError",
    "SimulationLimit",
    "SimulationTimeout",
    "TaskFailed",
    "UnsupportedKazoo",
]


class SimulationError(Exception):
    """The simulation was used wrongly, or the program in it cannot go on."""


class SimulationDeadlock(SimulationError):  # noqa: N818
    """Nothing can ever run again, or for ``stall_limit`` virtual seconds only clients' background
    tasks have run. The text lists each task, what it waits for, since when and at which line.
    """


class SimulationTimeout(SimulationError, TimeoutError):  # noqa: N818
    """`Simulation.run_until` or `Simulation.settle` was not done within its virtual seconds."""


class SimulationLimit(SimulationError):  # noqa: N818
    """The run exceeded ``max_steps`` or ``max_time``."""


class SimulationBlocked(SimulationError):  # noqa: N818
    """A task blocks, or would block, the real thread that all tasks share: it has not given way for
    ``watchdog`` real seconds, or calls something that the simulation does not replace.
    """


class UnsupportedKazoo(SimulationError):  # noqa: N818
    """The installed kazoo lacks something that a simulation has to replace; the text names it, and
    the versions that are supported.
    """


class NondeterministicProgram(SimulationError):  # noqa: N818
    """Two runs with the same seed differed; the text names the first step at which they do."""


class TaskFailed(SimulationError):  # noqa: N818
    """A task failed and its ``result()`` was not read; or a callback failed, of which there is no
    result. ``__cause__`` is the exception.
    """
