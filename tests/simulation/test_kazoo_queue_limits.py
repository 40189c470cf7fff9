"""Defects of kazoo's LockingQueue, each in the smallest world that shows it; `docs/recipes.md` says
where in kazoo each comes from.

All of them end with the session, or come with its end: that is when what was taken is free again.
"""

from __future__ import annotations

from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NoNodeError

from zkfake.simulation import Simulation

ENTRIES, TAKEN = "/queue/entries", "/queue/taken"


def test_a_waiting_get_does_not_survive_a_lost_connection() -> None:
    """A lost connection ends the watches, and calls them. `LockingQueue` looks only at events of
    children, so it sets no new ones, and waits for ever.
    """
    with Simulation() as sim:
        taker, giver = sim.client(), sim.client()
        getting = sim.spawn(taker.LockingQueue("/queue").get)
        sim.sleep(1)
        sim.faults.drop(taker)
        sim.settle()
        giver.LockingQueue("/queue").put(b"item")
        sim.sleep(3600)
        assert not getting.done
        assert giver.LockingQueue("/queue").get(timeout=1) == b"item"


def test_a_waiting_get_dies_of_an_error() -> None:
    """The item comes, and the connection is lost when it is taken: the error ends in the log."""
    with Simulation() as sim:
        taker, giver = sim.client(), sim.client()
        getting = sim.spawn(taker.LockingQueue("/queue").get)
        sim.sleep(1)
        with sim.faults.drop_before_request(taker, operation="create", path=f"{TAKEN}/*"):
            giver.LockingQueue("/queue").put(b"item")
            sim.sleep(3600)
        assert not getting.done
        assert giver.LockingQueue("/queue").get(timeout=1) == b"item"


def test_an_item_whose_taking_was_not_answered_is_nobodys() -> None:
    with Simulation() as sim:
        taker, giver = sim.client(), sim.client()
        giver.LockingQueue("/queue").put(b"item")
        queue = taker.LockingQueue("/queue")
        with (
            sim.faults.drop_before_reply(taker, operation="create", path=f"{TAKEN}/*"),
            pytest.raises(ConnectionLoss),
        ):
            queue.get()
        sim.settle()
        assert queue.get(timeout=60) is None
        assert giver.LockingQueue("/queue").get(timeout=3600) is None
        taker.stop()
        assert giver.LockingQueue("/queue").get(timeout=1) == b"item"


def test_a_get_that_raised_goes_on_and_takes_an_item_for_nobody() -> None:
    """A watch event that waited while ``get()`` looked for itself looks again after that has
    failed, and sets watches: ``_inner_get`` cancels it only where it returns.
    """
    with Simulation() as sim:
        taker, giver = sim.client(), sim.client()
        queue = giver.LockingQueue("/queue")
        queue.put(b"one")
        # The second item comes while the first is being taken, which fails.
        sim.faults.upon(
            lambda: sim.spawn(queue.put, b"two"),
            taker,
            point="before_reply",
            operation="getChildren",
            path=TAKEN,
        )
        with (
            sim.faults.drop_before_request(taker, operation="create", path=f"{TAKEN}/*"),
            pytest.raises(ConnectionLoss),
        ):
            taker.LockingQueue("/queue").get()
        sim.settle()
        assert len(taker.get_children(TAKEN)) == 1
        others = [giver.LockingQueue("/queue").get(timeout=60), queue.get(timeout=60)]
        assert others == [b"two", None]


def test_an_item_of_a_lost_session_is_handed_out() -> None:
    """Between taking an item and reading it the session ends. Reading is retried in the next one,
    and ``get()`` returns what somebody else can take as well. Nobody is told: LOST came before.
    """
    with Simulation() as sim:
        taker, other = sim.client(), sim.client()
        other.LockingQueue("/queue").put(b"item")
        sim.faults.upon(
            lambda: sim.faults.expire(taker), taker, operation="getData", path=f"{ENTRIES}/*"
        )
        queue = taker.LockingQueue("/queue")
        assert queue.get(timeout=60) == b"item"
        assert taker.connected
        assert other.LockingQueue("/queue").get(timeout=1) == b"item"
        assert not queue.consume()
        assert queue.get(timeout=1) == b"item"  # for ever: this object has nothing else to give


def test_consume_raises_whether_it_did_or_not() -> None:
    """NoNodeError is what users see after a lost reply, and after a lost session."""
    with Simulation() as sim:
        client = sim.client()
        queue = client.LockingQueue("/queue")
        queue.put(b"item")
        assert queue.get() == b"item"
        with (
            sim.faults.drop_before_reply(client, operation="multi"),
            pytest.raises(ConnectionLoss),
        ):
            queue.consume()
        with pytest.raises(NoNodeError):
            queue.consume()
        assert client.get_children(ENTRIES) == []

        queue = client.LockingQueue("/queue")
        queue.put(b"item")
        assert queue.get() == b"item"
        sim.faults.expire(client)
        sim.settle()
        with pytest.raises(NoNodeError):
            queue.consume()
        assert len(client.get_children(ENTRIES)) == 1


def test_get_raises_when_its_item_went_with_the_session() -> None:
    with Simulation() as sim:
        taker, other = sim.client(), sim.client()
        theirs = other.LockingQueue("/queue")
        theirs.put(b"item")

        def take_over() -> None:
            sim.faults.expire(taker)
            sim.spawn(lambda: (theirs.get(), theirs.consume()))

        sim.faults.upon(take_over, taker, operation="getData", path=f"{ENTRIES}/*")
        with pytest.raises(NoNodeError):
            taker.LockingQueue("/queue").get(timeout=60)


def test_the_mark_of_a_taken_item_outlives_the_item() -> None:
    """An item that was consumed before it is taken is marked and let go: once, without a retry."""
    with Simulation() as sim:
        taker, other = sim.client(), sim.client()
        other.LockingQueue("/queue").put(b"item")
        (entry,) = other.get_children(ENTRIES)
        sim.faults.upon(
            lambda: sim.spawn(other.delete, f"{ENTRIES}/{entry}"),
            taker,
            point="before_reply",
            operation="getChildren",
            path=TAKEN,
        )
        with (
            sim.faults.drop_before_request(taker, operation="delete", path=f"{TAKEN}/*"),
            pytest.raises(ConnectionLoss),
        ):
            taker.LockingQueue("/queue").get()
        sim.settle()
        assert (other.get_children(ENTRIES), other.get_children(TAKEN)) == ([], [entry])


def test_a_put_that_is_tried_again_puts_twice() -> None:
    with Simulation() as sim:
        client = sim.client()
        queue = client.LockingQueue("/queue")
        with sim.faults.drop_before_reply(client, operation="create", path=f"{ENTRIES}/*"):
            client.retry(queue.put, b"item")
        assert len(queue) == 2


def test_a_slow_thread_is_told_that_it_consumed_what_is_still_there() -> None:
    """``consume()`` does not look at what its transaction says. If the session is over and the next
    one open between the question for the lock and the transaction, nothing was removed.
    """
    with Simulation() as sim:
        client = sim.client()
        queue = client.LockingQueue("/queue")
        queue.put(b"item")
        assert queue.get() == b"item"
        transaction = client.transaction

        def slowly() -> Any:
            session = client.client_id
            sim.faults.expire(client)
            sim.run_until(lambda: client.connected and client.client_id != session)
            return transaction()

        client.transaction = slowly
        assert queue.consume() is True
        assert len(queue) == 1
