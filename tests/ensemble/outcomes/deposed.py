"""A leader that stands still until another one leads, and is asked then."""

from __future__ import annotations

from .world import EPHEMERAL, LOST, SHORT, Outcome, World


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
