"""A server that stands still for a while and may be back in time, and no quorum for a while."""

from __future__ import annotations

from .world import EPHEMERAL, LOST, SHORT, Outcome, World

# -- a leader that stands still for a while, and may be back in time


def _for_a_while(world: World, server: int, most: float = 1.2) -> None:
    world.breathe(most)
    world.go_on(server)


def a_write_waits_for_a_leader(world: World) -> Outcome:
    client = world.client(world.leader)
    path = world.made(client, "old")
    world.stop(world.leader)
    client.set(path, "mine")
    _for_a_while(world, world.leader)
    return (*client.answers(), world.read(path))


def a_write_waits_for_the_leader_of_its_server(world: World) -> Outcome:
    client = world.client(world.follower)
    path = world.made(client, "old")
    world.stop(world.leader)
    client.set(path, "mine")
    _for_a_while(world, world.leader)
    return (*client.answers(), world.read(path))


def a_leader_is_behind_its_follower(world: World) -> Outcome:
    """It stands still for a moment while a client of a follower writes without a pause. Then a sync
    and a read wait for it, of somebody who knows what the follower shows by now.
    """
    writer, reader = world.client(world.follower), world.client(world.follower)
    late = world.client(world.leader)
    path = world.made(writer, "0")
    for number in range(1, 40):
        writer.set(path, str(number))
    world.breathe(0.05)
    world.stop(world.leader)
    reader.get(path)
    (shown,) = reader.answers()
    late.sync()
    late.get(path)
    world.go_on(world.leader)
    answers = late.answers()
    if LOST in answers:
        return (LOST,)
    return ("behind" if int(answers[1]) < int(shown) else "not behind",)


def a_read_waits_for_a_leader(world: World) -> Outcome:
    """One client asks the leader, the other one a follower, which does not need it."""
    at_leader, at_follower = world.client(world.leader), world.client(world.follower)
    path = world.made(at_leader, "old")
    world.stop(world.leader)
    at_leader.get(path)
    at_follower.get(path)
    told = at_follower.answers()
    _for_a_while(world, world.leader)
    return (*told, *at_leader.answers())


def a_sync_waits_for_the_leader_of_its_server(world: World) -> Outcome:
    client = world.client(world.follower)
    path = world.made(client, "old")
    world.stop(world.leader)
    client.sync()
    client.get(path)
    _for_a_while(world, world.leader)
    return (*client.answers(),)


def a_new_session_waits_for_the_leader_of_its_server(world: World) -> Outcome:
    world.stop(world.leader)
    client = world.open(world.follower)
    _for_a_while(world, world.leader)
    return (client.shaken(),)


def a_session_ends_while_the_leader_stands_still(world: World) -> Outcome:
    client = world.client(world.leader)
    world.stop(world.leader)
    client.end_session()
    _for_a_while(world, world.leader)
    told = client.answers()
    _ = world.read(world.root)
    return (*told, world.again(client, world.follower, last_zxid=0).shaken())


# -- a follower that stands still


def a_follower_is_asked_when_it_goes_on(world: World) -> Outcome:
    reader, writer = world.client(world.follower), world.client(world.leader)
    path = world.made(writer, "old")
    world.stop(world.follower)
    writer.set(path, "new")
    writer.must()
    reader.get(path)
    reader.sync()
    reader.get(path)
    _for_a_while(world, world.follower)
    return (*reader.answers(),)


def a_follower_is_told_to_write_when_it_goes_on(world: World) -> Outcome:
    """Both clients set what they have read as version 0."""
    late, early = world.client(world.follower), world.client(world.leader)
    path = world.made(early, "old")
    world.stop(world.follower)
    early.set(path, "early", 0)
    early.must()
    late.set(path, "late", 0)
    _for_a_while(world, world.follower)
    return (*late.answers(), world.read(path))


def a_follower_is_watched_when_it_goes_on(world: World) -> Outcome:
    watcher, writer = world.client(world.follower), world.client(world.leader)
    path = world.made(writer, "old")
    watcher.get(path, watch=True)
    watcher.must("old")
    world.stop(world.follower)
    writer.set(path, "new")
    writer.must()
    watcher.get(path)
    _for_a_while(world, world.follower)
    told = watcher.answers()
    if LOST not in told and not any(each.startswith("event") for each in told):
        told.append(watcher.take())
    return (*told,)


def a_client_that_has_seen_more_comes_to_a_follower(world: World) -> Outcome:
    """It waits there when the follower goes on, and is taken or sent away; never shown less."""
    client = world.client(world.leader)
    path = world.made(client, "old")
    world.stop(world.follower)
    client.set(path, "new")
    client.must()
    moved = world.again(client, world.follower)
    _for_a_while(world, world.follower)
    shaken = moved.shaken()
    if shaken != "accepted":
        return (shaken,)
    moved.get(path)
    return (shaken, *moved.answers())


def a_session_moves_from_a_server_that_stands_still(world: World) -> Outcome:
    """What its old connection had sent is too late."""
    old = world.client(world.follower)
    path = world.made(old, "old")
    world.stop(world.follower)
    old.set(path, "late")
    moved = world.moved(old, (world.other,))
    moved.set(path, "moved")
    moved.must()
    _for_a_while(world, world.follower)
    return (*old.answers(), world.read(path))


def an_ephemeral_is_over_on_a_follower_that_stands_still(world: World) -> Outcome:
    client = world.client(world.follower, timeout=SHORT)
    watcher = world.client(world.leader)
    path = world.path("e")
    client.create(path, flags=EPHEMERAL)
    client.must()
    watcher.sync()
    watcher.must()
    watcher.exists(path, watch=True)
    watcher.must("there")
    world.stop(world.follower)
    event = watcher.take()
    client.exists(path)
    world.go_on(world.follower)
    told = client.answers()
    return (event, *told, world.again(client, world.leader).shaken())


# -- no quorum


def followers_stand_still(world: World) -> Outcome:
    client = world.client(world.leader)
    path = world.made(client, "old")
    world.stop(world.follower)
    world.stop(world.other)
    client.set(path, "mine")
    client.get(path)
    world.breathe(1.2)
    world.go_on(world.follower)
    world.go_on(world.other)
    return (*client.answers(), world.read(path))


def a_leader_whose_followers_stand_still_is_asked(world: World) -> Outcome:
    client, writer = world.client(world.leader), world.client(world.leader)
    path = world.made(client, "old")
    world.stop(world.follower)
    world.stop(world.other)
    writer.set(path, "mine")
    world.breathe(1.0)
    client.get(path)
    client.sync()
    client.get(path)
    told = client.answers()
    world.go_on(world.follower)
    world.go_on(world.other)
    return (*told, *writer.answers())


def followers_die(world: World) -> Outcome:
    client = world.client(world.leader)
    path = world.made(client, "old")
    client.set(path, "mine")
    world.breathe(0.05)
    world.kill(world.follower)
    world.kill(world.other)
    return (*client.answers(), world.read(path))


def everybody_dies(world: World) -> Outcome:
    client = world.client(world.follower)
    path = world.made(client, "old")
    client.set(path, "mine")
    told = client.answers()
    for server in (world.leader, world.follower, world.other):
        world.kill(server)
    return (*told, world.read(path))
