"""Schedules: which of the ready tasks runs next, which message arrives first, and which task is
delayed.

Rules that live here:

- ``fifo``: the task that became ready first. ``random``: any of them, each as likely.
- Messages to servers that are due at the same time, each on a connection of its own, are chosen
  from as ready tasks are. One connection's messages keep their order, as under TCP.
- ``pct``: the task with the highest priority. Priorities are drawn for each task. At a few steps of
  the run, the task that would go on gets the lowest priority, and is delayed: computing takes no
  virtual time, so a low priority alone would hold up nobody for long. So a failure that needs few
  such steps is found with a probability that depends on their number, not on the number of tasks
  and steps (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding
  Bugs", 2010).
- A *step* of a task begins when the task goes on after a wait, and at each lock, event or queue
  that it uses. A task that is delayed at a step stands still there, and everything else goes on.
- A *choice* is made whenever two or more tasks are ready, or messages due. Choices are numbered
  from 1. What was chosen other than the first one is kept, and so is every delay: the same choices
  and delays make the same run without any chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._simulation.drawing import log_uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["SCHEDULES", "Delay", "Pct", "Schedule", "Shuffled", "TaskStep", "check_schedule"]

SCHEDULES = ("fifo", "random", "pct")

_SHORTEST_RUN, _LONGEST_RUN = 8, 4000
"""Steps of a run, as `Pct` guesses them: it cannot know how many there will be."""
_SHORTEST_DELAY, _LONGEST_DELAY = 0.001, 60.0
"""Virtual seconds: from less than a message takes to some session timeouts."""
_MOST_CHANGES = 4
_CLOSEST, _FARTHEST, _FARTHEST_ANSWERS = 2, 200, 50
"""Steps between two changes, where there is one after the other."""
_FEW = 0.5
"""How many runs have few changes."""
_AFTER_ANSWERS = 0.5
"""In how many runs only the steps at which a task has got an answer of ZooKeeper count."""
_BESIDE = 0.7
"""At how many of the delays a fault strikes as well."""
_OF_PROGRAM = 0.7
"""How many of the delays are of the program's own tasks; the others are of its clients' tasks."""


class Delay(NamedTuple):
    """A task that stands still at one of its steps."""

    task: str
    step: int
    """From 1."""
    seconds: float
    """Virtual. 0: until the other ready tasks have had their turn."""


class TaskStep(NamedTuple):
    """A task came to one of its steps."""

    task: str
    number: int
    """From 1."""
    place: str
    """The line of the program at which it stands: `ScheduledTask.place`."""
    client: str
    """Whose answer the task has got; else the client, or the process, that the task belongs to."""
    answered: bool
    """Whether it goes on with an answer of ZooKeeper."""
    background: bool
    """Whether it is one of a client's tasks, not one of the program's own."""
    time: float
    """Virtual seconds."""


class Schedule:
    """First come, first served, but for choices and delays that are given."""

    def __init__(self, choices: Mapping[int, int] | None = None) -> None:
        """``choices``: which of the ready tasks runs, or which message arrives, from 0, by the
        number of the choice. A place that is too high means the last one.
        """
        self.choices: dict[int, int] = {}
        """What was chosen other than the first one, by the number of the choice."""
        self.widths: list[int] = []
        """From how many was chosen, for each choice so far."""
        self.orders: dict[int, str] = {}
        """What the choices that were given have done, in words, by their numbers."""
        self.delays: list[Delay] = []
        """The delays so far, in their order."""
        self.stood: dict[tuple[str, int], TaskStep] = {}
        """Where a task stood still, by its name and step."""
        self.steps: list[TaskStep] | None = None
        """The steps of all tasks so far, where they are kept: that takes long."""
        self.on = True
        """Whether delays are drawn at present."""
        self._given = dict(choices or {})
        self._wanted: dict[tuple[str, int], float] = {}

    def delay(self, delay: Delay) -> None:
        """Delay a task at a step that it has yet to come to."""
        self._wanted[delay.task, delay.step] = delay.seconds

    def forget_delays(self) -> None:
        """Delay no task that was to be delayed."""
        self._wanted.clear()

    def choose(self, ready: list[ScheduledTask]) -> int:
        """The place of the task that runs next."""
        if len(ready) == 1:
            return 0
        place = self._chosen(self._pick(ready), ready)
        if place and self._given:
            first, chosen = ready[0].name, ready[place].name
            self.orders[len(self.widths)] = f"task {chosen} runs before task {first}"
        return place

    def choose_message(self, arriving: list[Any]) -> int:
        """The place of the connection whose message arrives first, of two or more."""
        place = self._chosen(self._pick_message(arriving), arriving)
        if place and self._given:
            first, chosen = arriving[0], arriving[place]
            text = f"a message on {chosen} arrives before one on {first}"
            self.orders[len(self.widths)] = text
        return place

    def _chosen(self, place: int, options: list[Any]) -> int:
        self.widths.append(len(options))
        if place:
            self.choices[len(self.widths)] = place
        return place

    def delayed(self, task: ScheduledTask, *, waited: bool) -> float | None:
        """For how many seconds the task, which is about to go on, stands still; ``None``: it goes
        on. ``waited``: whether it goes on after a wait.
        """
        task.steps += 1
        if self.steps is not None:
            self.steps.append(_step(task, waited))
        seconds = self._wanted.pop((task.name, task.steps), None) if self._wanted else None
        if seconds is None:
            seconds = self._draw_delay(task, waited) if self.on else None
        if seconds is not None:
            self.delays.append(Delay(task.name, task.steps, seconds))
            self.stood[task.name, task.steps] = _step(task, waited)
        return seconds

    def _pick(self, options: list[Any]) -> int:
        return min(self._given.get(len(self.widths) + 1, 0), len(options) - 1)

    def _pick_message(self, arriving: list[Any]) -> int:
        return self._pick(arriving)

    def _draw_delay(self, _task: ScheduledTask, _waited: bool) -> float | None:
        return None


def _step(task: ScheduledTask, waited: bool) -> TaskStep:
    answered = waited and hasattr(task.reason, "client_name")
    client = getattr(task.reason, "client_name", "") if answered else task.owner or ""
    return TaskStep(
        task.name, task.steps, task.place, str(client), answered, task.background, task.now
    )


class Shuffled(Schedule):
    """A task is drawn from the ready ones with the probability ``reorder``."""

    def __init__(
        self, draw: Callable[[], float], reorder: float, *, messages: bool = False
    ) -> None:
        """``messages``: whether it is drawn which message arrives first, too."""
        super().__init__()
        self._draw = draw
        self._reorder = reorder
        self._messages = messages

    def _pick(self, options: list[Any]) -> int:
        return int(self._draw() * len(options)) if self._draw() < self._reorder else 0

    def _pick_message(self, arriving: list[Any]) -> int:
        return self._pick(arriving) if self._messages else 0


class Pct(Schedule):
    """Priorities, and steps at which they change: one to four in some runs, in others one after
    the other.
    """

    def __init__(
        self, random: Random, beside: Callable[[ScheduledTask], object] | None = None
    ) -> None:
        """``beside``: called with a task that is delayed, at some of the delays: something else
        goes wrong then.
        """
        super().__init__()
        self._random = random
        self._beside = beside
        self._priorities: dict[Any, float] = {}
        self._lowest = 0.0
        self._after_answers = random.random() < _AFTER_ANSWERS
        self._few = random.random() < _FEW
        farthest = _FARTHEST_ANSWERS if self._after_answers else _FARTHEST
        self._apart = log_uniform(random, _CLOSEST, farthest)
        self._longest = log_uniform(random, _LONGEST_DELAY / 100, _LONGEST_DELAY)
        self._changes: tuple[dict[int, float], dict[int, float]] = ({}, {})
        self._steps = [0, 0]
        if self._few:
            for _ in range(1 + int(random.random() * _MOST_CHANGES)):
                of_clients = random.random() >= _OF_PROGRAM
                length = log_uniform(random, _SHORTEST_RUN, _LONGEST_RUN)
                step = 1 + int(random.random() * length)
                self._changes[of_clients][step] = self._draw_seconds(
                    _SHORTEST_DELAY, _LONGEST_DELAY
                )
        else:
            self._plan(random.random() >= _OF_PROGRAM)

    def _plan(self, of_clients: bool) -> None:
        """The next change, some steps from now."""
        step = self._steps[of_clients] + 1 + int(2 * self._apart * self._random.random())
        self._changes[of_clients][step] = self._draw_seconds(self._longest / 30, self._longest)

    def _draw_seconds(self, shortest: float, longest: float) -> float:
        return round(log_uniform(self._random, shortest, longest), 6)

    def _pick(self, options: list[Any]) -> int:
        priorities = [self._priority(each) for each in options]
        return priorities.index(max(priorities))

    def _priority(self, each: Any) -> float:
        """Of a task or a connection."""
        found = self._priorities.get(each)
        if found is None:
            found = self._priorities[each] = 1.0 + self._random.random()
        return found

    def _draw_delay(self, task: ScheduledTask, waited: bool) -> float | None:
        if self._after_answers and not (waited and hasattr(task.reason, "client_name")):
            return None
        of_clients = task.background
        self._steps[of_clients] += 1
        seconds = self._changes[of_clients].pop(self._steps[of_clients], None)
        if seconds is not None:
            self._lowest -= 1.0
            self._priorities[task] = self._lowest
            if not self._few:
                self._plan(of_clients)
            if self._beside is not None and self._random.random() < _BESIDE:
                self._beside(task)
        return seconds


def check_schedule(schedule: object) -> None:
    """Raises `ValueError` or `TypeError` for what is not the ``schedule`` of a `Simulation`."""
    if schedule is None or schedule in SCHEDULES:
        return
    if not isinstance(schedule, (str, dict)):
        raise TypeError(
            f"schedule={schedule!r}; expected one of {', '.join(SCHEDULES)}, or a dict with the "
            "place of what is next by the number of the choice"
        )
    if isinstance(schedule, str):
        raise ValueError(f"schedule={schedule!r}; expected one of {', '.join(SCHEDULES)}")  # noqa: TRY004  # the type is right
    for number, place in schedule.items():
        if type(number) is not int or type(place) is not int or number < 1 or place < 0:
            raise ValueError(
                f"schedule={{{number!r}: {place!r}}}: choices are numbered from 1, places from 0"
            )
