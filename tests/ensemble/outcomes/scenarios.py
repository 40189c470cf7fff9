"""The scenarios: what two or three clients do while servers stop, go on, die and come back.

Each is a function of a `World` and returns what its clients were told, and in the end what every
server has. A run shows one outcome; which ones there are at all is what is compared. Those with
servers that stand still or die are in modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from . import deposed, dying, standing
from .world import Outcome, World

Scenario = Callable[[World], Outcome]


# -- nothing happens to any server


def a_write_is_told_of(world: World) -> Outcome:
    """One client writes, and tells another one, which reads, syncs and reads."""
    writer, reader = world.client(world.follower), world.client(world.other)
    path = world.made(writer, "old")
    writer.set(path, "new")
    writer.must()
    reader.get(path)
    reader.sync()
    reader.get(path)
    return (*reader.answers(),)


def two_write_at_once(world: World) -> Outcome:
    one, other = world.client(world.follower), world.client(world.other)
    path = world.made(one, "old")
    one.set(path, "one", 0)
    other.set(path, "other", 0)
    return (*one.answers(), *other.answers(), world.read(path))


def a_session_moves_from_a_follower(world: World) -> Outcome:
    """The old connection reads on, and is closed when it writes."""
    old = world.client(world.follower)
    path = world.made(old, "old")
    if world.again(old, world.other).shaken() != "accepted":
        return ("refused",)
    old.get(path)
    old.set(path, "late")
    return (*old.answers(), world.read(path))


def a_session_moves_from_a_leader(world: World) -> Outcome:
    """The old connection is closed when it reads."""
    old = world.client(world.leader)
    path = world.made(old, "old")
    if world.again(old, world.other).shaken() != "accepted":
        return ("refused",)
    old.get(path)
    return (*old.answers(),)


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        deposed.a_deposed_leader_is_asked,
        deposed.a_deposed_leader_is_asked_for_a_while,
        deposed.a_deposed_leader_is_told_to_write,
        deposed.a_leader_is_deposed_with_a_write,
        deposed.a_deposed_leader_is_told_to_check,
        deposed.a_deposed_leader_gets_a_new_client,
        deposed.a_session_goes_back_to_a_deposed_leader,
        deposed.a_session_that_saw_nothing_new_goes_back_to_a_deposed_leader,
        deposed.a_deposed_leader_is_watched,
        deposed.an_ephemeral_is_over_behind_a_deposed_leader,
        standing.a_write_waits_for_a_leader,
        standing.a_write_waits_for_the_leader_of_its_server,
        standing.a_leader_is_behind_its_follower,
        standing.a_read_waits_for_a_leader,
        standing.a_sync_waits_for_the_leader_of_its_server,
        standing.a_new_session_waits_for_the_leader_of_its_server,
        standing.a_session_ends_while_the_leader_stands_still,
        standing.a_follower_is_asked_when_it_goes_on,
        standing.a_follower_is_told_to_write_when_it_goes_on,
        standing.a_follower_is_watched_when_it_goes_on,
        standing.a_client_that_has_seen_more_comes_to_a_follower,
        standing.a_session_moves_from_a_server_that_stands_still,
        standing.an_ephemeral_is_over_on_a_follower_that_stands_still,
        standing.followers_stand_still,
        standing.a_leader_whose_followers_stand_still_is_asked,
        standing.followers_die,
        standing.everybody_dies,
        dying.a_leader_dies_with_a_write,
        dying.the_leader_of_its_server_dies_with_a_write,
        dying.a_follower_dies_with_a_write,
        dying.a_leader_dies_with_a_multi,
        dying.a_sequential_create_is_retried,
        dying.an_ephemeral_outlives_a_leader,
        dying.a_follower_that_missed_a_write_may_not_lead,
        dying.a_follower_comes_back,
        a_write_is_told_of,
        two_write_at_once,
        a_session_moves_from_a_follower,
        a_session_moves_from_a_leader,
    )
}
