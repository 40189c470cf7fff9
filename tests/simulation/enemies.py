"""Clients that do what a dict has to live with: each in a task of its own beside the parties."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException, NoNodeError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

from ..support.tampering import tampered

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterator, Sequence

    from zkfake._channel.rules import ChannelRequest
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


HIDDEN = [make_acl("world", "anyone", write=True, create=True, delete=True, admin=True)]
"""Everybody may do everything but read."""


def jailer(sim: Simulation, client: Any, paths: Sequence[str], dice: random.Random) -> None:
    """Lets nobody read a key or the root for a moment or for longer, and others do what they do."""
    for _ in range(6):
        sim.sleep(dice.choice([1, 3, 10]))
        path = dice.choice(paths)
        insist(sim, lambda: permit(client, path, HIDDEN))  # noqa: B023  called at once
        sim.sleep(dice.choice([0, 1, 5, 30]))
        insist(sim, lambda: permit(client, path, OPEN_ACL_UNSAFE))  # noqa: B023
    insist(sim, lambda: open_up(client, paths))


READS = ("getData", "getChildren2", "exists", "sync")
ERRORS = (-127, -1, -5, -102, -4, -7)


@contextlib.contextmanager
def unexpected_answers(
    chance: float, dice: random.Random, clients: Collection[str]
) -> Iterator[list[bool]]:
    """Some reads of these clients get an error in place of their answer, while the list that is
    yielded is not empty.
    """
    going: list[bool] = []

    def spoil(request: ChannelRequest, frame: bytes) -> bytes:
        if (
            going
            and request.channel.client in clients
            and request.head.operation in READS
            and dice.random() < chance
        ):
            return struct.pack(">i", 16) + frame[4:16] + struct.pack(">i", dice.choice(ERRORS))
        return frame

    with tampered(spoil):
        yield going


def open_up(client: Any, paths: Sequence[str]) -> None:
    """Everybody may do everything with these znodes."""
    for path in paths:
        permit(client, path, OPEN_ACL_UNSAFE)


def permit(client: Any, root: str, acl: Any) -> None:
    """Set the root's ACL, if there is a root."""
    with contextlib.suppress(NoNodeError):
        client.set_acls(root, acl)
