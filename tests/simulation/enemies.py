"""Clients that do what a dict has to live with: each in a task of its own beside the parties."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException, NoNodeError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from zkfake.simulation import Simulation


def insist(sim: Simulation, call: Callable[[], object]) -> None:
    """Until it succeeds: what an enemy did is undone at its end."""
    while True:
        try:
            call()
        except KazooException:  # noqa: PERF203
            sim.sleep(1)
        else:
            return


def vandal(sim: Simulation, client: Any, root: str) -> None:
    """Removes the root with all there is, and makes it again."""
    for _ in range(3):
        sim.sleep(10)
        try:
            client.delete(root, recursive=True)
            sim.sleep(1)
            client.create(f"{root}/a", b'"vandal"', makepath=True)
        except KazooException:
            sim.sleep(5)
    insist(sim, lambda: client.ensure_path(root))


def thief(sim: Simulation, client: Any, path: str, dice: random.Random) -> None:
    """Deletes a key every few seconds. Two of them, with equal dice, do it at the same time."""
    for _ in range(8):
        sim.sleep(dice.choice([0, 1, 5, 20]))
        with contextlib.suppress(KazooException):
            client.delete(path)


def squatter(sim: Simulation, client: Any, path: str, dice: random.Random) -> None:
    """Takes a key away and makes it itself, for a moment or for longer."""
    for _ in range(4):
        sim.sleep(dice.choice([1, 5, 20]))
        try:
            swap = client.transaction()
            swap.delete(path)
            swap.create(path, b'"squatter"')
            swap.commit()
            sim.sleep(dice.choice([0, 0, 1, 30]))
        except KazooException:
            sim.sleep(1)
        insist(sim, lambda: leave(client, path))


def leave(client: Any, path: str) -> None:
    """Delete what a squatter made, and nobody else's."""
    try:
        data, stat = client.get(path)
        if data == b'"squatter"' and not stat.ephemeralOwner:
            client.delete(path, stat.version)
    except NoNodeError:
        pass


def warden(sim: Simulation, client: Any, root: str, dice: random.Random) -> None:
    """Lets nobody make or delete a key for a while."""
    closed = [make_acl("world", "anyone", read=True, write=True, admin=True)]
    for _ in range(3):
        sim.sleep(dice.choice([1, 5, 20]))
        for acl, pause in ((closed, dice.choice([1, 60])), (OPEN_ACL_UNSAFE, 0)):
            insist(sim, lambda acl=acl: permit(client, root, acl))  # type: ignore[misc]
            sim.sleep(pause)


def permit(client: Any, root: str, acl: Any) -> None:
    """Set the root's ACL, if there is a root."""
    with contextlib.suppress(NoNodeError):
        client.set_acls(root, acl)
