"""Locks, semaphores and elections: what participants do who hold something, or lead."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from pytest_zkdict.stateful._participants import (
    MOMENT,
    ParticipantSteps,
    RecipeUser,
    Until,
    as_it_takes,
    numbers,
)

if TYPE_CHECKING:
    from pytest_zkdict.stateful._participants import RecipeCall

__all__ = ["HoldSteps"]


class HoldSteps(ParticipantSteps):
    """Rules for what one holds, or leads."""

    @rule(on=numbers)
    def acquire(self, on: int) -> None:
        """A participant wants it, and waits for it as long as it takes. If it has it already, it
        releases it first.
        """
        self._wants(on)

    @rule(on=numbers)
    def begin_acquire(self, on: int) -> None:
        """As `acquire`, but the next step does not wait for it."""
        self._wants(on, wait=False)

    @rule(on=numbers, timeout=st.sampled_from([5.0, 0.5]))
    def acquire_within(self, on: int, timeout: float) -> None:
        """As `acquire`, with a timeout in virtual seconds."""
        self._wants(on, timeout=timeout)

    def _wants(self, on: int, *, timeout: float | None = None, wait: bool = True) -> None:
        who = self.ready(on)
        if who.holds:
            self.step(who, "release()", partial(self._release_for, who))
        if who.is_free:
            shown = "" if timeout is None else f"timeout={timeout:g}"
            action = partial(self._acquire, who, timeout=timeout)
            self.step(who, f"acquire({shown})", action, wait=wait)

    def _acquire(self, who: RecipeUser, call: RecipeCall, timeout: float | None) -> None:
        given = as_it_takes(who.recipe.acquire, timeout=timeout)()
        call.answer = repr(given)
        if given is None or given:  # one that returns nothing says no by an error
            who.has = "it"
            self.claimed(who, self.kept.name)

    @rule(on=numbers)
    def release(self, on: int) -> None:
        """A participant releases what it has. Where that raises, it tries again. If it has nothing,
        it acquires it first.
        """
        if (who := self._holder(on)).holds:
            self.step(who, "release()", partial(self._release_for, who))

    @rule(on=numbers)
    def begin_release(self, on: int) -> None:
        """As `release`, but the next step does not wait for it."""
        if (who := self._holder(on)).holds:
            self.step(who, "release()", partial(self._release_for, who), wait=False)

    def _holder(self, on: int) -> RecipeUser:
        if self.ready(on).is_free:
            self._wants(on)
        return self.participants[on]

    def _release(self, who: RecipeUser) -> None:
        who.unclaim()
        self.insist(who.recipe.release)
        who.has = None

    @rule(on=numbers)
    def campaign(self, on: int) -> None:
        """A participant wants to lead. If it leads already, it resigns first."""
        self._campaigns(on)

    @rule(on=numbers)
    def begin_campaign(self, on: int) -> None:
        """As `campaign`, but the next step does not wait for it."""
        self._campaigns(on, wait=False)

    def _campaigns(self, on: int, *, wait: bool = True) -> None:
        if (who := self.ready(on)).leads:
            self._resign(who)
            self.ready(on)
        if who.is_free:
            self.step(who, "run(lead)", lambda _: self._campaign(who), wait=wait)

    def _campaign(self, who: RecipeUser) -> None:
        who.recipe.run(lambda: self._lead(who))

    def _lead(self, who: RecipeUser) -> None:
        lead = _Lead(who.client.handler.event_object())
        self.claimed(who, self.kept.name)
        who.has = lead
        try:
            while not lead.is_over:
                lead.wanted.wait()
                lead.wanted.clear()
                if not lead.is_over:
                    self.work(who.recipe)
                    lead.works += 1
        finally:
            who.unclaim()
            who.has = None

    @rule(on=numbers)
    def resign(self, on: int) -> None:
        """The function of a participant that leads returns. If it does not lead, it campaigns
        first.
        """
        if self.ready(on).is_free:
            self._campaigns(on)
        if (who := self.participants[on]).leads:
            self._resign(who)
            self.go_on(who)

    def _resign(self, who: RecipeUser) -> None:
        who.has.is_over = True
        who.has.wanted.set()
        self.did(f"{who.name}: resigns")

    # -- what it is held for

    @rule(on=numbers)
    def use(self, on: int) -> None:
        """A participant that holds it, or leads, does its `work`. If it does neither, it acquires
        it, or campaigns, first.
        """
        who = self.ready(on)
        if who.is_free and self.kept.kind == "hold":
            self._wants(on)
        elif who.is_free:
            self._campaigns(on)
        if who.holds:
            self.step(who, "work()", lambda _: self.work(who.recipe))
        elif who.leads:
            assert self.place is not None
            lead, works = who.has, who.has.works
            lead.wanted.set()
            self.did(f"{who.name}: work()")
            self.place.wait(Until(lambda: who.has is not lead or lead.works > works), MOMENT)
            self.collect()

    # -- the end

    def come_to_rest(self) -> None:
        if self.kept.kind not in ("hold", "lead"):
            return super().come_to_rest()
        while True:
            self.collect()
            for who in self.participants:
                if who.leads and self.kept.kind == "lead":
                    self._resign(who)
                elif who.holds:
                    self.begin(who, "release()", partial(self._release_for, who))
            waiting = [who.name for who in self.participants if who.call is not None]
            if not waiting:
                break
            if not self.until_something_changes():
                self.fail(
                    f"everything is healed, nobody has {self.kept.name}, and after "
                    f"{self.patience:g} s more {' and '.join(waiting)} still waits for it"
                    f"{self.what_is_there()}"
                )
        self._can_be_had()
        return None

    def _release_for(self, who: RecipeUser, _: RecipeCall) -> None:
        self._release(who)

    def _can_be_had(self) -> None:
        """What nobody has can be had, as often as it was promised."""
        given = [self._is_given_to(self.stranger()) for _ in range(self.kept.limit)]
        for recipe in given:
            if self.kept.kind == "hold":
                recipe.release()

    def _is_given_to(self, stranger: RecipeUser) -> Any:
        assert self.place is not None
        if self.kept.kind == "lead":
            self.begin(stranger, "run(nothing)", lambda _: stranger.recipe.run(_nothing))
        else:
            self.begin(stranger, "acquire()", partial(self._acquire, stranger, timeout=None))
        if not self.place.wait(Until(lambda: stranger.is_answered), self.patience):
            self.fail(
                f"everything is healed, nobody has {self.kept.name}, and nobody can get it"
                f"{self.what_is_there()}"
            )
        self.collect()
        stranger.unclaim()
        stranger.has = None
        return stranger.recipe


def _nothing() -> None:
    """To lead is all that is wanted."""


class _Lead:
    """What a leader waits for."""

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted
        self.is_over = False
        self.works = 0
