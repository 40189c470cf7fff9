"""Mistakes planted in `ZooKeeperDict`, each with the judge that has to see it in what the dict told
a history.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException

from zkdict import ZooKeeperDict
from zkdict._copy import shared
from zkdict._copy.view import View
from zkdict._writes import fresh
from zkdict._writes.sender import Sender
from zkdict.errors import ZkDictError
from zkfake.simulation import Simulation

from ..dict import cache_mistakes
from ..support.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._copy.items import Publication
    from zkfake.history import Finding, Verdict

    from ..support.mistakes import Patch

__all__ = ["MISTAKES", "SEEDS", "find", "world"]

SEEDS = 40
MISTAKES = Mistakes()

WRITES = "a dict reads its writes"
BACK = "a dict never goes back"
EXISTED = "a dict's states existed"
SYNCS = "a dict syncs"


@MISTAKES.found_by(WRITES)
def returns_before_the_copy_has_it(patch: Patch) -> None:
    """A write returns before the copy has it"""
    patch.setattr(Sender, "_await_position", lambda *_arguments, **_named: True)


@MISTAKES.found_by(BACK)
def goes_back_in_zxid(patch: Patch) -> None:
    """Every third state that it shows claims an older zxid"""
    _changed(patch, lambda publication: replace(publication, zxid=publication.zxid - 2))


@MISTAKES.found_by(BACK)
def last_updated_falls(patch: Patch) -> None:
    """`last_updated` falls with every third state"""
    _changed(patch, lambda publication: replace(publication, updated=publication.updated - 2))


def _changed(patch: Patch, change: Callable[[Publication], Publication]) -> None:
    publish = View.publish
    count = 0

    def publish_some(self: Any, publication: Publication, local: Any) -> None:
        nonlocal count
        count += 1
        publish(self, change(publication) if count % 3 == 0 else publication, local)

    patch.setattr(View, "publish", publish_some)


@MISTAKES.found_by(EXISTED)
def shows_half_a_transaction(patch: Patch) -> None:
    """Of several keys that change at once it shows all but the last"""
    step = View._step

    def half(self: Any, znodes: Mapping[str, Any], *arguments: Any) -> Any:
        some = dict(list(znodes.items())[:-1]) if len(znodes) > 1 else znodes
        return step(self, some, *arguments)

    patch.setattr(View, "_step", half)


@MISTAKES.found_by(EXISTED)
def publishes_while_pending(patch: Patch) -> None:
    """It shows a state while what changed is still being read"""
    patch.setattr(
        shared, "SubtreeCache", cache_mistakes.in_the_dict(cache_mistakes.PublishesWhilePending)
    )


@MISTAKES.found_by(EXISTED)
def ignores_changes_of_children(patch: Patch) -> None:
    """It takes no notice of changed values"""
    patch.setattr(
        shared, "SubtreeCache", cache_mistakes.in_the_dict(cache_mistakes.IgnoresChangesOfChildren)
    )


@MISTAKES.found_by(SYNCS)
def syncs_with_nobody(patch: Patch) -> None:
    """`sync` asks nobody"""
    patch.setattr(fresh, "confirm", lambda *_arguments: None)


def world(seed: int) -> Verdict:
    """Three dicts write to a few keys, and sync, through every fault."""
    with Simulation(seed=seed, servers=1, profile="hostile") as sim:
        sim.quiet = True

        def work(name: str) -> None:
            client = sim.client(name, timeout=8.0)
            items: ZooKeeperDict[Any] = ZooKeeperDict(
                client, "/app", wait=1e6, history=sim.history, write_timeout=5.0
            )
            for turn in range(8):
                with suppress(ZkDictError, KazooException):
                    items[f"key{turn % 3}"] = f"{name}{turn}"
                    items.update({"first": name, "second": turn})
                    items.pop("key1", None)
                    items.sync()
                sim.sleep(1)
            sim.settle()
            items.sync()
            items.close()

        for task in [sim.spawn(work, name, name=name) for name in ("ann", "bob", "cyd")]:
            task.result()
    return sim.history.check()


def find(name: str) -> Finding | None:
    """The first finding of the judge that has to see the mistake."""
    mistake = MISTAKES[name]
    with mistake.planted():
        for seed in range(SEEDS):
            with suppress(AssertionError):  # the code itself stumbles over it
                for finding in world(seed).broken:
                    if finding.judge == mistake.found_by:
                        return finding
    return None
