"""Recipes of one's own, right ones, and beside each the mistakes that `RecipeMachine` has to find.

The rules that live here: what is right is right under every fault of the machine; each mistake is
one that people make. The recipes are in `own_locks` and `own_queues`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.exceptions import ConnectionLoss, SessionExpiredError

from pytest_zkdict.stateful import RecipeMachine

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from pytest_zkdict.stateful import RecipePromise

UNSURE = (ConnectionLoss, SessionExpiredError)

MACHINES: dict[str, type[RecipeMachine]] = {}
"""Of each mistake, by its name."""

RIGHT: dict[str, type[RecipeMachine]] = {}


def machine_for(
    promise: RecipePromise, machine: type[RecipeMachine] = RecipeMachine, **more: Any
) -> Callable[[Any], Any]:
    """A decorator: the class is a recipe, with a mistake unless it is ``right``."""

    def add(kind: Any) -> Any:
        recipe, size = staticmethod(kind), promise.limit + 1
        members = {"promise": promise, "recipe": recipe, "size": size}
        machines = RIGHT if more.get("right") else MACHINES
        machines[kind.__name__] = type(kind.__name__, (machine,), members)
        return kind

    return add


class Recipe:
    def __init__(self, client: KazooClient, path: str) -> None:
        self.client = client
        self.path = path
        self.me = f"{(client.client_id or (0,))[0]:x}"
        self.znode: str | None = None

    def sleep(self) -> None:
        self.client.handler.sleep_func(1)

    def is_mine(self, znode: str) -> bool:
        """Of this session, and a quorum has it."""
        stat = self.client.exists(znode)
        client_id = self.client.client_id
        if stat is None or client_id is None or stat.owner_session_id != client_id[0]:
            return False
        asked = self.client.transaction()
        asked.check(znode, -1)
        return asked.commit() == [True] and self.client.client_id == client_id
