"""Those who use a recipe, each with a client of its own, and what all machines of them have.

The rules that live here:

- a participant does one thing at a time, in a task of its client's process;
- what follows at once from an answer, such as that a claim begins, happens in that task, before
  anybody else goes on;
- a step that its participant cannot make now does nothing: where preconditions leave few of many
  rules, Hypothesis finds less, and shrinks badly;
- it leaves out about half of the rules of each example, so what matters has several: one that waits
  for the answer, and one that begins;
- what a call raises is its answer, where `allow` has it, and a failure of the machine otherwise.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import initialize, precondition, rule
from kazoo.exceptions import (
    CancelledError,
    ConnectionClosedError,
    ConnectionLoss,
    LockTimeout,
    OperationTimeoutError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState
from kazoo.retry import RetryFailedError

from pytest_zkdict.stateful._faults import FaultSteps
from pytest_zkdict.stateful._faults import numbers_of_dicts as numbers
from pytest_zkdict.stateful._places import SimulatedPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from kazoo.client import KazooClient

    from pytest_zkdict.stateful._places import Running
    from pytest_zkdict.stateful._recipe_promises import RecipePromise
    from zkfake.history import History
    from zkfake.simulation import Simulation

__all__ = ["MOMENT", "ParticipantSteps", "RecipeUser", "Until", "as_it_takes", "numbers"]

MOMENT = 1.0
"""Virtual seconds that a step waits for an answer. What has none by then goes on."""


class RecipeCall:
    """What a participant is doing, and what became of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.running: Running | None = None
        self.answer = "None"
        self.failure: Exception | None = None


class RecipeUser:
    """A participant: it uses the recipe with a client of its own. Calls and clients have numbers
    from 0.
    """

    def __init__(self, number: int, name: str, client: KazooClient) -> None:
        self.number = number
        self.name = name
        self.client = client
        self.recipe: Any = None
        self.call: RecipeCall | None = None
        self.calls = 0
        self.answer = ""
        """What its last call returned, as text."""
        self.has: Any = None
        """What it believes to have: a lock, the lead, an item."""
        self.claim: AbstractContextManager[None] | None = None
        self.phase = "out"
        """Where it is at a barrier: ``"out"``, ``"enters"``, ``"in"``, ``"leaves"`` or ``"left"``.
        """

    @property
    def is_free(self) -> bool:
        return self.call is None and self.has is None

    @property
    def holds(self) -> bool:
        return self.call is None and self.has is not None

    @property
    def leads(self) -> bool:
        """Whether the recipe has called its function, to lead."""
        return self.call is not None and self.has is not None

    @property
    def is_answered(self) -> bool:
        """Whether it has an answer that nobody has looked at."""
        return self.call is not None and self.call.running is not None and self.call.running.done

    def unclaim(self) -> None:
        """It believes no longer that it holds anything: its claim in the history ends."""
        claim, self.claim = self.claim, None
        if claim is not None:
            claim.__exit__(None, None, None)


class Until:
    """A condition to wait for, as a call under way is one."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition

    @property
    def done(self) -> bool:
        return self._condition()


def as_it_takes(function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[[], Any]:
    """A call of the function, with those of the named arguments that it has."""
    takes = inspect.signature(function).parameters
    anything = any(each.kind is each.VAR_KEYWORD for each in takes.values())
    given = {name: value for name, value in named.items() if anything or name in takes}
    return partial(function, *arguments, **given)


def _heed(participant: RecipeUser, state: str) -> None:
    if state != KazooState.CONNECTED:
        participant.unclaim()


class ParticipantSteps(FaultSteps):
    """Participants, their calls, time, and what every recipe has in common."""

    #: What the recipe promises, such as `mutual_exclusion()`.
    promise: ClassVar[RecipePromise | None] = None
    #: Further promises, of `zkfake.history`: about what `work` and `at_rest` record.
    promises: ClassVar[Sequence[Callable[[], Any]]] = ()
    #: How many participants, each on a client of its own.
    size: ClassVar[int] = 2
    #: Virtual seconds after which, with everything healed, a participant that waits counts as
    #: waiting for ever: that is a failure.
    patience: ClassVar[float] = 60.0
    #: Arguments of each `Simulation`.
    simulation: ClassVar[dict[str, Any]] = {"servers": 3}
    #: The faults that may strike. ``delay_task``: a thread stands still, and its client does not.
    faults: ClassVar[frozenset[str]] = frozenset(
        {
            "drop_before_reply", "expire", "partition", "pause", "stop_server", "freeze",
            "delay_task",
        }
    )  # fmt: skip
    #: What a call of the recipe may raise.
    allow: ClassVar[tuple[type[BaseException], ...]] = (
        ConnectionLoss, SessionExpiredError, ConnectionClosedError, OperationTimeoutError,
        LockTimeout, RetryFailedError, CancelledError, KazooTimeoutError, TimeoutError,
    )  # fmt: skip
    #: Whether participants heed the states SUSPENDED and LOST: they believe no longer, then, that
    #: they hold anything, and their claims in the history end.
    heeds: ClassVar[bool] = False
    #: Whether a participant ends its session after a call that raised. What a recipe leaves
    #: behind then goes with the session.
    starts_anew: ClassVar[bool] = False

    participants: list[RecipeUser]
    """Those of this example, by their numbers from 0."""

    def __init__(self, place: SimulatedPlace | None = None, path: str = "/recipe") -> None:
        super().__init__()
        self.path = path
        self.participants = []
        self._given = place
        self._stranger: RecipeUser | None = None

    # -- hooks

    def recipe(self, client: KazooClient, path: str) -> Any:  # noqa: ARG002
        """The recipe under test, for one participant. A subclass has to have it: raises
        `InvalidArgument`.
        """
        raise InvalidArgument(
            f"{type(self).__name__} has no recipe: "
            "recipe = staticmethod(lambda client, path: client.Lock(path))"
        )

    def znode(self, recipe: Any) -> str | None:
        """The path of the znode that stands for what the recipe has given; ``None`` if there is
        none, or it is not known.

        By default the recipe's attribute ``znode``, or what kazoo's recipes have for it.
        """
        for name in ("znode", "create_path"):
            if name == "create_path" and hasattr(recipe, "node"):
                break  # of a `kazoo.recipe.lock.Lock`, whose znode has a number behind that
            if isinstance(found := getattr(recipe, name, None), str):
                return found
        if hasattr(recipe, "lock") and hasattr(recipe.lock, "node"):
            recipe = recipe.lock
        node = getattr(recipe, "node", None)
        return f"{self.path}/{node}" if isinstance(node, str) else None

    def work(self, recipe: Any) -> None:
        """What a participant does while it holds the lock, or leads. There is a rule ``use`` only
        where a subclass overrides this.
        """

    def at_rest(self, client: KazooClient) -> None:
        """Called at the end, when every fault is healed and nobody holds anything: a subclass may
        look at what is there with ``client``, which no fault of clients strikes.
        """

    # -- the life of one example

    @property
    def history(self) -> History:
        """The history of this example so far."""
        assert self.place is not None
        assert self.place.history is not None
        return self.place.history

    @property
    def world(self) -> Simulation:
        """The simulation of this example."""
        assert isinstance(self.place, SimulatedPlace)
        return self.place.simulation

    @property
    def kept(self) -> RecipePromise:
        """The class's `promise`. Raises `InvalidArgument` where it has none."""
        if self.promise is None:
            raise InvalidArgument(
                f"{type(self).__name__} has no promise: promise = mutual_exclusion()"
            )
        return self.promise

    @initialize()
    def start(self) -> None:
        """Begins an example. Raises `InvalidArgument` where so few participants cannot break the
        promise.
        """
        if self.kept.limit >= self.size:
            raise InvalidArgument(
                f"{type(self).__name__}: {self.kept.text}, of {self.size} participants. "
                f"Nothing can go wrong; choose size = {self.kept.limit + 1} or more"
            )
        self.place = self._given or SimulatedPlace(self.size, dict(self.simulation))
        for number, client in zip(range(self.size), self.place.clients, strict=False):
            participant = RecipeUser(number, f"client-{number}", client)
            self.participants.append(participant)
            participant.recipe = self.new_recipe(client)
            if self.heeds:
                client.add_listener(partial(_heed, participant))

    def new_recipe(self, client: KazooClient) -> Any:
        """What `recipe` makes for this client, at the path of the example."""
        return cast("Any", self).recipe(client, self.path)

    def stranger(self) -> RecipeUser:
        """A further participant, with a new recipe each time. Only faults of servers strike it."""
        assert self.place is not None
        if self._stranger is None:
            client = self.place.stranger()
            self._stranger = RecipeUser(self.size, "stranger", client)
        self._stranger.recipe = self.new_recipe(self._stranger.client)
        return self._stranger

    def _finish(self) -> None:
        self._settle()
        self.at_rest(self.stranger().client)
        self.judge(*self.promises)

    @rule()
    def settle(self) -> None:
        """Every fault is healed; then nobody holds anything any more, or waits."""
        self._settle()
        self.judge()

    def _settle(self) -> None:
        assert self.place is not None
        self.place.settle(self.outages)
        self.outages.clear()
        self.collect()
        self.did("everything is healed")
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """Called when every fault is healed: returns once nobody holds anything, or waits."""
        raise NotImplementedError

    # -- calls

    def begin(self, who: RecipeUser, text: str, action: Callable[[RecipeCall], object]) -> None:
        """Have a participant begin a call, as a task of its own. ``text``: the call, for the report
        of a failure. ``action``: makes it.
        """
        assert self.place is not None
        call = who.call = RecipeCall(text)
        who.calls += 1

        def run() -> None:
            try:
                action(call)
            except self.allow as error:
                call.answer = repr(error)
                self._raised(who)
            except Exception as error:
                call.failure = error

        call.running = self.place.start(run, who.client, name=who.name)

    def _raised(self, who: RecipeUser) -> None:
        if self.starts_anew and who.has is None:
            who.client.stop()
            who.client.start()
            who.recipe = self.new_recipe(who.client)

    def ready(self, on: int) -> RecipeUser:
        """The participant of that number. If a call of its is under way, that gets a moment to
        end.
        """
        assert self.place is not None
        who = self.participants[on]
        if who.call is not None and who.has is None:
            self.place.wait(Until(lambda: who.is_answered or who.has is not None), MOMENT)
            self.collect()
        return who

    def step(
        self,
        who: RecipeUser,
        text: str,
        action: Callable[[RecipeCall], object],
        *,
        wait: bool = True,
    ) -> None:
        """As `begin`; with ``wait`` the machine then waits a moment for the answer."""
        self.begin(who, text, action)
        self.go_on(who, wait=wait)

    def go_on(self, who: RecipeUser, *, wait: bool = True) -> None:
        """With ``wait``, wait a moment for the answer to a participant's call; then `collect`."""
        assert self.place is not None
        if wait:
            self.place.wait(Until(lambda: who.is_answered or who.has is not None), MOMENT)
        if who.call is not None and not who.is_answered:
            self.did(f"{who.name}: {who.call.text} ...")
        self.collect()

    def collect(self) -> None:
        """Take the answers that have come. Raises what a call raised, unless `allow` has it."""
        for who in (*self.participants, *([self._stranger] if self._stranger else [])):
            call = who.call
            if call is None or not who.is_answered:
                continue
            who.call, who.answer = None, call.answer
            if isinstance(call.failure, AssertionError):
                raise call.failure
            if call.failure is not None:
                self.did(f"{who.name}: {call.text} -> {call.failure!r}")
                raise call.failure
            self.did(f"{who.name}: {call.text} -> {call.answer}")

    def until_something_changes(self, patience: float | None = None) -> bool:
        """Wait until a participant is answered, or is given something; for ``patience`` virtual
        seconds at most, by default those of the class. Returns whether that came.
        """
        assert self.place is not None

        def now() -> list[object]:
            return [(each.has, each.phase, each.is_answered) for each in self.participants]

        before = now()
        changed = self.place.wait(Until(lambda: now() != before), patience or self.patience)
        self.collect()
        return changed

    def insist(self, action: Callable[[], Any]) -> Any:
        """Call ``action``; while it raises what `allow` has, call it again after a virtual second.
        Returns what it returned. Raises what else it raises.
        """
        assert self.place is not None
        while True:
            try:
                return action()
            except self.allow:  # noqa: PERF203  # it tries again
                self.place.sleep(1)

    def claimed(self, who: RecipeUser, name: str) -> None:
        """Note that a participant was given what ``name`` says, and holds it: a claim in the
        history. Fails unless its znode is there.
        """
        znode = self.znode(who.recipe)
        if znode is not None:
            self._look_at(who, znode)
        who.claim = self.history.claim(name, znode=znode, client=who.name)
        who.claim.__enter__()
        if sum(each.claim is not None for each in self.participants) > self.kept.limit:
            self.judge(unfinished=True)

    def judge(self, *promises: Callable[[], Any], unfinished: bool = False) -> None:
        """Have the judges of the class's `promise`, and of ``promises``, look at the history; fails
        if something is broken. ``unfinished``: what has not come yet may still come.
        """
        verdict = self.history.check(*self.kept.judges, *promises)
        if any(not (unfinished and finding.unfinished) for finding in verdict.broken):
            self.fail(self.history.story(verdict))

    def _look_at(self, who: RecipeUser, znode: str) -> None:
        """Who is connected, in a session that is not over, has the znode in that session."""
        client_id = who.client.client_id
        sessions = {each.id: each for each in self.world.sessions}
        session = sessions.get(client_id[0]) if client_id else None
        if session is None or znode in session.ephemerals or self._is_persistent(znode):
            return  # who has lost it hears of that later
        self.fail(
            f"{who.name} was given it, is connected, and its session is not over: "
            f"and the session has no znode {znode}"
        )

    def _is_persistent(self, znode: str) -> bool:
        parent = znode.rpartition("/")[0]
        owned = {path for each in self.world.sessions for path in each.ephemerals}
        return znode in self.world.dump(parent or "/") and znode not in owned

    def what_is_there(self) -> str:
        """The znodes below the example's path, for the report of a failure."""
        there = self.world.dump()
        found = sorted(path for path in there if path.startswith(self.path))
        return "; there is " + (", ".join(found) if found else f"no {self.path}")

    # -- rules for all

    @rule(seconds=st.sampled_from([0.01, 1, 10, 60]))
    def wait(self, seconds: float) -> None:
        """Virtual time passes."""
        assert self.place is not None
        self.place.sleep(seconds)
        self.did(f"{seconds:g} s later")
        self.collect()

    @precondition(lambda machine: machine.has_fault("drop_before_reply"))
    @rule(
        on=numbers,
        operation=st.sampled_from(["create", "delete", "setData", "multi"]),
        nth=st.sampled_from([1, 2]),
    )
    def drop_before_reply(self, on: int, operation: str | None, nth: int = 1) -> None:
        """The participant's n-th request of that kind is carried out, and its reply is lost."""
        self.strike("drop_before_reply", self._client(on), operation=operation, nth=nth)

    @precondition(lambda machine: machine.has_fault("delay_task"))
    @rule(on=numbers, step=st.integers(1, 12), seconds=st.sampled_from([30, 1]))
    def delay_task(self, on: int, step: int, seconds: float) -> None:
        """In its next call the participant's thread stands still at one of its steps: it goes on
        with each answer, and at each lock, event and queue.
        """
        assert self.place is not None
        who = self.participants[on]
        task = f"{who.name}#{who.calls + 1}" if who.calls else who.name
        self.place.faults.delay_task(task, step=step, seconds=seconds)
        self.did(f"the next call of {who.name} stands still at step {step} for {seconds:g} s")
