"""Barriers: what participants do who wait for each other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis.stateful import rule

from pytest_zkdict.stateful._participants import (
    ParticipantSteps,
    RecipeUser,
    numbers,
)

if TYPE_CHECKING:
    from pytest_zkdict.stateful._participants import RecipeCall

__all__ = ["MeetSteps"]


class MeetSteps(ParticipantSteps):
    """Rules for barriers. Each participant enters one and leaves it, once; when all have left, or
    everything is healed, they meet at a new one.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._came: set[str] = set()
        self._inside: dict[str, int] = {}
        """The sessions of those who are in, and do not leave yet."""
        self._barriers = 1

    @rule(on=numbers)
    def enter(self, on: int) -> None:
        """A participant enters the barrier."""
        self._enters(on)

    @rule(on=numbers)
    def begin_enter(self, on: int) -> None:
        """As `enter`, but the next step does not wait for it."""
        self._enters(on, wait=False)

    def _enters(self, on: int, *, wait: bool = True) -> None:
        who = self.ready(on)
        if all(each.call is None and each.phase == "left" for each in self.participants):
            self._meet_again()
        if who.call is None and who.phase == "out":
            self.step(who, "enter()", partial(self._enter, who), wait=wait)

    def _meet_again(self) -> None:
        """At a barrier that nobody has used: what is left of the others is no matter of it."""
        self._barriers += 1
        self.path = f"{self.path.rstrip('0123456789')}{self._barriers}"
        self._came.clear()
        self._inside.clear()
        for who in self.participants:
            who.phase = "out"
            who.recipe = self.new_recipe(who.client)

    def _enter(self, who: RecipeUser, call: RecipeCall) -> None:
        self._came.add(who.name)
        who.phase = "enters"
        entered = False
        try:
            who.recipe.enter()
            # kazoo's says by an attribute that it has given up.
            entered = bool(getattr(who.recipe, "participating", True))
        finally:
            who.phase = "in" if entered else "out" if len(self._came) < self.size else "left"
        if not entered:
            call.answer = "given up"
            return
        self.history.record("is in", who.name)
        client_id = who.client.client_id
        self._inside[who.name] = client_id[0] if client_id else 0
        if len(self._came) < self.size:
            self.fail(f"{who.name} is in, and only {' and '.join(sorted(self._came))} came")

    @rule(on=numbers)
    def leave(self, on: int) -> None:
        """A participant leaves the barrier. If it is not in, it enters first."""
        self._leaves(on)

    @rule(on=numbers)
    def begin_leave(self, on: int) -> None:
        """As `leave`, but the next step does not wait for it."""
        self._leaves(on, wait=False)

    def _leaves(self, on: int, *, wait: bool = True) -> None:
        who = self.ready(on)
        if who.call is None and who.phase == "out":
            self._enters(on)
        if who.call is None and who.phase == "in":
            self.step(who, "leave()", partial(self._leave, who), wait=wait)

    def _leave(self, who: RecipeUser, _: RecipeCall) -> None:
        del self._inside[who.name]
        who.phase = "leaves"
        try:
            if hasattr(who.recipe, "leave"):
                who.recipe.leave()
                self._look_who_is_inside(who)
        finally:
            who.phase = "left"

    def _look_who_is_inside(self, who: RecipeUser) -> None:
        self.history.record("has left", who.name)
        # Whose session is over is inside no more.
        sessions = {each.id for each in self.world.sessions}
        inside = sorted(name for name, session in self._inside.items() if session in sessions)
        if inside:
            self.fail(f"{who.name} has left, and {' and '.join(inside)} has not begun to leave")

    def come_to_rest(self) -> None:
        if self.kept.kind != "meet":
            super().come_to_rest()
            return
        while True:
            self.collect()
            out = [who for who in self.participants if who.phase in ("out", "enters")]
            for who in self.participants:
                if who.call is None and who.phase == "out":
                    self.begin(who, "enter()", partial(self._enter, who))
                elif who.call is None and who.phase == "in" and not out:
                    self.begin(who, "leave()", partial(self._leave, who))
            if all(who.call is None for who in self.participants):
                self._meet_again()
                break
            self._wait("have come" if out else "leave")

    def _wait(self, do: str) -> None:
        waiting = [who for who in self.participants if who.call is not None]
        if not self.until_something_changes():
            names = " and ".join(f"{who.name} ({who.phase})" for who in waiting)
            self.fail(
                f"everything is healed, all {do}, and after {self.patience:g} s more {names} "
                f"still waits{self.what_is_there()}"
            )
