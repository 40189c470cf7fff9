"""Queues and counters: what participants do who put something in, or take it out."""

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

__all__ = ["CountSteps", "QueueSteps"]

EMPTY = 30.0
"""Virtual seconds after which a queue that gives nothing is empty."""


class QueueSteps(ParticipantSteps):
    """Rules for what is put into a queue, and taken out."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._items = 0
        self._done: set[str] = set()
        self._in_doubt: list[str] = []
        """Those whose `consume()` raised: it may have been carried out."""
        self._presumed: set[str] = set()
        """Those of them that were taken for done."""

    @rule(on=numbers)
    def put(self, on: int) -> None:
        """A participant puts an item that has not been there before. Where that raises, it tries
        again. If it has an item, it consumes that first.
        """
        self._puts(on)

    @rule(on=numbers)
    def begin_put(self, on: int) -> None:
        """As `put`, but the next step does not wait for it."""
        self._puts(on, wait=False)

    def _puts(self, on: int, *, wait: bool = True) -> None:
        who = self.ready(on)
        if who.holds:
            self.step(who, "consume()", partial(self._consume, who))
        if who.is_free:
            item = self._new_item()
            self.step(who, f"put({item!r})", partial(self._put, who, item), wait=wait)

    def _new_item(self) -> str:
        self._items += 1
        return f"item {self._items}"

    def _put(self, who: RecipeUser, item: str, _: RecipeCall) -> None:
        self.insist(lambda: who.recipe.put(item.encode()))
        self.history.record("put", item)

    @rule(on=numbers)
    def get(self, on: int) -> None:
        """A participant wants an item, and waits for it as long as it takes. If it has one already,
        it consumes that first.
        """
        self._wants_item(on)

    @rule(on=numbers)
    def begin_get(self, on: int) -> None:
        """As `get`, but the next step does not wait for it."""
        self._wants_item(on, wait=False)

    @rule(on=numbers, timeout=st.sampled_from([5.0, 0.5]))
    def get_within(self, on: int, timeout: float) -> None:
        """As `get`, with a timeout in virtual seconds."""
        self._wants_item(on, timeout=timeout)

    def _wants_item(self, on: int, *, timeout: float | None = None, wait: bool = True) -> None:
        if (who := self.ready(on)).holds:
            self.step(who, "consume()", partial(self._consume, who))
        if who.is_free:
            shown = "" if timeout is None else f"timeout={timeout:g}"
            self.step(who, f"get({shown})", partial(self._get, who, timeout=timeout), wait=wait)

    def _get(self, who: RecipeUser, call: RecipeCall, timeout: float | None) -> None:
        found = as_it_takes(who.recipe.get, timeout=timeout)()
        call.answer = repr(found)
        if found is None:
            return
        item = found.decode() if isinstance(found, bytes) else str(found)
        if not hasattr(who.recipe, "consume"):
            self.history.record("worked on", item)
            self._is_done(item)
            return
        who.has = item
        if self.znode(who.recipe) is not None:
            self.claimed(who, item)

    @rule(on=numbers)
    def consume(self, on: int) -> None:
        """A participant has worked on its item, and says so. Where that raises, it does not try
        again. If it has no item, it gets one first.
        """
        if (who := self._worker(on)).holds:
            self.step(who, "consume()", partial(self._consume, who))

    @rule(on=numbers)
    def begin_consume(self, on: int) -> None:
        """As `consume`, but the next step does not wait for it."""
        if (who := self._worker(on)).holds:
            self.step(who, "consume()", partial(self._consume, who), wait=False)

    def _worker(self, on: int) -> RecipeUser:
        if self.ready(on).is_free:
            self._wants_item(on, timeout=MOMENT / 2)
        return self.participants[on]

    def _consume(self, who: RecipeUser, call: RecipeCall) -> None:
        who.unclaim()
        item, who.has = who.has, None
        self.history.record("worked on", item)
        try:
            consumed = who.recipe.consume()
        except self.allow:
            self._in_doubt.append(item)
            who.recipe = self.new_recipe(who.client)
            raise
        call.answer = repr(consumed)
        if consumed is None or consumed:  # one that returns nothing says no by an error
            self._is_done(item)
        else:
            who.recipe = self.new_recipe(who.client)  # that one would give the same item again

    def _is_done(self, item: str) -> None:
        if item in self._presumed:  # now it is done, and was not
            self._presumed.remove(item)
            return
        self.history.record("done", item)
        if item in self._done:
            self.judge(unfinished=True)
        self._done.add(item)

    def come_to_rest(self) -> None:
        if self.kept.kind != "items":
            super().come_to_rest()
            return
        stranger = self.stranger()
        while True:
            self.collect()
            for who in self.participants:
                if who.holds:
                    self.begin(who, "consume()", partial(self._consume, who))
            waiting = [who for who in self.participants if who.call is not None]
            if not waiting:
                break
            if not self.until_something_changes(EMPTY):
                self._put_for(stranger, waiting)
        self._empty(stranger)
        for item in self._in_doubt:
            if item not in self._done:
                self._is_done(item)
                self._presumed.add(item)

    def _put_for(self, stranger: RecipeUser, waiting: list[RecipeUser]) -> None:
        """They wait for items; so they get some."""
        for _ in waiting:
            item = self._new_item()
            self._now(stranger, f"put({item!r})", partial(self._put, stranger, item))
        if not self.until_something_changes():
            names = " and ".join(who.name for who in waiting)
            self.fail(
                f"everything is healed, an item was put for each who waits, and after "
                f"{self.patience:g} s more {names} still waits{self.what_is_there()}"
            )

    def _empty(self, stranger: RecipeUser) -> None:
        while True:
            get = partial(self._get, stranger, timeout=EMPTY / 2)
            if not self._now(stranger, "get()", get, EMPTY) or stranger.answer == "None":
                return
            if stranger.has is not None:
                self._now(stranger, "consume()", partial(self._consume, stranger))

    def _now(self, who: RecipeUser, text: str, action: Any, patience: float | None = None) -> bool:
        assert self.place is not None
        self.begin(who, text, action)
        answered = self.place.wait(Until(lambda: who.is_answered), patience or self.patience)
        self.collect()
        return answered


class CountSteps(ParticipantSteps):
    """The rule for a counter."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._counted = 0

    @rule(on=numbers)
    def count(self, on: int) -> None:
        """A participant adds one. Where that raises, it does not try again."""
        if (who := self.ready(on)).is_free:
            self.step(who, "+= 1", partial(self._count, who))

    @rule(on=numbers)
    def begin_count(self, on: int) -> None:
        """As `count`, but the next step does not wait for it."""
        if (who := self.ready(on)).is_free:
            self.step(who, "+= 1", partial(self._count, who), wait=False)

    def _count(self, who: RecipeUser, _: RecipeCall) -> None:
        try:
            who.recipe += 1
        except self.allow:
            self.history.record("tried to add", "it", 1)
            raise
        self.history.record("added", "it", 1)

    def come_to_rest(self) -> None:
        if self.kept.kind != "count":
            super().come_to_rest()
            return
        while any(who.call is not None for who in self.participants):
            if not self.until_something_changes():
                self.fail(f"everything is healed, and `+= 1` has no answer{self.what_is_there()}")
        self.history.record("value", "it", self.stranger().recipe.value)
