"""The scenarios: what two or three clients do while servers stop, go on, die and come back.

Each is a function of a `World` and returns what its clients were told, and in the end what every
server has. A run shows one outcome; which ones there are at all is what is compared.
"""

from __future__ import annotations

from collections.abc import Callable

from .world import EPHEMERAL, LOST, SEQUENTIAL, SHORT, Client, Outcome, World

Scenario = Callable[[World], Outcome]


# -- a leader that stands still until another one leads


def _deposed(world: World, value: str = "new", name: str = "x") -> int:
    """The leader stands still, the others have a new one, and something is written there. The new
    leader.
    """
    world.stop(world.leader)
    new = world.elect()
    writer = world.client(new)
    writer.set(world.path(name), value)
    writer.must()
    return new


def a_deposed_leader_is_asked(world: World) -> Outcome:
    """A read, a sync and a read wait for it when it goes on."""
    loyal = world.client(world.leader)
    path = world.made(loyal, "old")
    _deposed(world)
    loyal.get(path)
    loyal.sync()
    loyal.get(path)
    world.go_on(world.leader)
    return (*loyal.answers(),)


def a_deposed_leader_is_asked_for_a_while(world: World) -> Outcome:
    """Again and again, until it lets its client go. Equal answers in a row are one."""
    loyal = world.client(world.leader)
    path = world.made(loyal, "old")
    _deposed(world)
    world.go_on(world.leader)
    told: list[str] = []
    while LOST not in told:
        world.breathe(0.02)
        loyal.get(path)
        told += [answer for answer in loyal.answers() if told[-1:] != [answer]]
    return (*told,)


def a_deposed_leader_is_told_to_write(world: World) -> Outcome:
    loyal = world.client(world.leader)
    path = world.made(loyal, "old")
    _deposed(world)
    loyal.set(path, "mine")
    world.go_on(world.leader)
    return (*loyal.answers(), world.read(path))


def a_leader_is_deposed_with_a_write(world: World) -> Outcome:
    """It stands still while a write is on its way; the new leader has it in its log, or not."""
    client = world.client(world.leader)
    path = world.made(client, "old")
    client.set(path, "mine")
    world.breathe(0.05)
    world.stop(world.leader)
    world.elect()
    world.go_on(world.leader)
    return (*client.answers(), world.read(path))


def a_deposed_leader_is_told_to_check(world: World) -> Outcome:
    """A multi of a check is a write, so it needs a quorum; the sync behind it does not."""
    loyal = world.client(world.leader)
    path = world.made(loyal, "old")
    _deposed(world)
    loyal.check(path)
    loyal.sync()
    world.go_on(world.leader)
    return (*loyal.answers(),)


def a_deposed_leader_gets_a_new_client(world: World) -> Outcome:
    _ = world.made(world.client(world.leader), "old")
    _deposed(world)
    client = world.open(world.leader)
    world.go_on(world.leader)
    return (client.shaken(),)


def a_session_goes_back_to_a_deposed_leader(world: World) -> Outcome:
    """It has seen what the new leader has committed."""
    client = world.client(world.follower)
    path = world.made(client, "old")
    new = _deposed(world)
    client = world.moved(client, (new,))
    client.sync()
    client.must()
    back = world.again(client, world.leader)
    world.go_on(world.leader)
    shaken = back.shaken()
    if shaken != "accepted":
        return (shaken,)
    back.get(path)
    return (shaken, *back.answers())


def a_session_that_saw_nothing_new_goes_back_to_a_deposed_leader(world: World) -> Outcome:
    client = world.client(world.follower)
    path = world.made(client, "old")
    seen = client.last_zxid
    _deposed(world)
    back = world.again(client, world.leader, last_zxid=seen)
    world.go_on(world.leader)
    shaken = back.shaken()
    if shaken != "accepted":
        return (shaken,)
    back.get(path)
    return (shaken, *back.answers())


def a_deposed_leader_is_watched(world: World) -> Outcome:
    """Its client hears of the change where it goes on."""
    loyal = world.client(world.leader)
    path = world.made(loyal, "old")
    loyal.get(path, watch=True)
    loyal.must("old")
    seen = loyal.last_zxid
    new = _deposed(world)
    loyal.get(path)
    world.go_on(world.leader)
    told = loyal.answers()
    again = world.moved(loyal, (new, world.follower, world.other))
    again.watch_again(path, seen)
    again.get(path)
    return (*told, *again.answers())


def an_ephemeral_is_over_behind_a_deposed_leader(world: World) -> Outcome:
    """The new leader lets the session of a client expire that only the old one hears."""
    loyal = world.client(world.leader, timeout=SHORT)
    path = world.path("e")
    loyal.create(path, flags=EPHEMERAL)
    loyal.must()
    world.stop(world.leader)
    new = world.elect()
    watcher = world.client(new)
    watcher.exists(path, watch=True)
    if watcher.answers() == ["there"] and watcher.take() != "event deleted":
        return ("kept",)
    loyal.exists(path)
    world.go_on(world.leader)
    told = loyal.answers()
    return (*told, world.again(loyal, new).shaken())


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


# -- servers that die


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
        a_deposed_leader_is_asked,
        a_deposed_leader_is_asked_for_a_while,
        a_deposed_leader_is_told_to_write,
        a_leader_is_deposed_with_a_write,
        a_deposed_leader_is_told_to_check,
        a_deposed_leader_gets_a_new_client,
        a_session_goes_back_to_a_deposed_leader,
        a_session_that_saw_nothing_new_goes_back_to_a_deposed_leader,
        a_deposed_leader_is_watched,
        an_ephemeral_is_over_behind_a_deposed_leader,
        a_write_waits_for_a_leader,
        a_write_waits_for_the_leader_of_its_server,
        a_leader_is_behind_its_follower,
        a_read_waits_for_a_leader,
        a_sync_waits_for_the_leader_of_its_server,
        a_new_session_waits_for_the_leader_of_its_server,
        a_session_ends_while_the_leader_stands_still,
        a_follower_is_asked_when_it_goes_on,
        a_follower_is_told_to_write_when_it_goes_on,
        a_follower_is_watched_when_it_goes_on,
        a_client_that_has_seen_more_comes_to_a_follower,
        a_session_moves_from_a_server_that_stands_still,
        an_ephemeral_is_over_on_a_follower_that_stands_still,
        followers_stand_still,
        a_leader_whose_followers_stand_still_is_asked,
        followers_die,
        everybody_dies,
        a_leader_dies_with_a_write,
        the_leader_of_its_server_dies_with_a_write,
        a_follower_dies_with_a_write,
        a_leader_dies_with_a_multi,
        a_sequential_create_is_retried,
        an_ephemeral_outlives_a_leader,
        a_follower_that_missed_a_write_may_not_lead,
        a_follower_comes_back,
        a_write_is_told_of,
        two_write_at_once,
        a_session_moves_from_a_follower,
        a_session_moves_from_a_leader,
    )
}
