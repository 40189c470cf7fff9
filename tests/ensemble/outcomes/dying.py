"""Servers that die, with a write on its way or after it."""

from __future__ import annotations

from .world import EPHEMERAL, LOST, SEQUENTIAL, Client, Outcome, World


def _in_flight(world: World, client: Client, server: int) -> list[str]:
    """What the client was told before ``server`` died."""
    world.breathe(0.05)
    world.kill(server)
    return client.answers()


def a_leader_dies_with_a_write(world: World) -> Outcome:
    client = world.client(world.leader)
    path = world.made(client, "old")
    client.set(path, "mine")
    return (*_in_flight(world, client, world.leader), world.read(path))


def the_leader_of_its_server_dies_with_a_write(world: World) -> Outcome:
    client = world.client(world.follower)
    path = world.made(client, "old")
    client.set(path, "mine")
    return (*_in_flight(world, client, world.leader), world.read(path))


def a_follower_dies_with_a_write(world: World) -> Outcome:
    client = world.client(world.follower)
    path = world.made(client, "old")
    client.set(path, "mine")
    return (*_in_flight(world, client, world.follower), world.read(path))


def a_leader_dies_with_a_multi(world: World) -> Outcome:
    """Both parts, or none."""
    client = world.client(world.leader)
    one, other = world.made(client, "old", "one"), world.made(client, "old", "other")
    client.set_both(one, other, "mine")
    told = _in_flight(world, client, world.leader)
    return (*told, world.read(one), world.read(other))


def a_sequential_create_is_retried(world: World) -> Outcome:
    """What is lost with a leader is asked for again at the next one."""
    client = world.client(world.leader)
    parent = world.made(client, "")
    client.create(f"{parent}/n-", flags=SEQUENTIAL)
    told = _in_flight(world, client, world.leader)
    if told == [LOST]:
        again = world.moved(client, (world.elect(),))
        again.create(f"{parent}/n-", flags=SEQUENTIAL)
        told += again.answers()
    return (*told, world.count(parent))


def an_ephemeral_outlives_a_leader(world: World) -> Outcome:
    client = world.client(world.leader)
    path = world.path("e")
    client.create(path, flags=EPHEMERAL)
    client.must()
    world.kill(world.leader)
    again = world.moved(client, (world.follower, world.other))
    again.exists(path)
    return (*again.answers(),)


def a_follower_that_missed_a_write_may_not_lead(world: World) -> Outcome:
    """It is dead while something is written; it comes back when the leader dies."""
    client = world.client(world.leader)
    path = world.made(client, "old")
    world.kill(world.follower)
    client.set(path, "new")
    client.must()
    world.kill(world.leader)
    world.restart(world.follower)
    reader = world.moved(client, (world.follower, world.other))
    reader.get(path)
    return (*reader.answers(), world.read(path))


def a_follower_comes_back(world: World) -> Outcome:
    """Its client goes on there, and finds what was written meanwhile, or what it had."""
    client, writer = world.client(world.follower), world.client(world.leader)
    path = world.made(writer, "old")
    world.kill(world.follower)
    writer.set(path, "new")
    writer.must()
    world.restart(world.follower)
    again = world.moved(client, (world.follower,))
    again.get(path)
    return (*again.answers(),)
