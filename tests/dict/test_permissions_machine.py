"""The state machine of the dict, where nobody may read a key or the root at some moments.

No event tells of what changes then, so `sync()` has to see it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

from hypothesis import Phase, settings
from hypothesis.stateful import rule
from hypothesis.strategies import integers
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

from pytest_zkdict.clients import ClientFactory
from pytest_zkdict.stateful import ABSENT, MappingMachine, run_machine
from zkdict import JSON, ZooKeeperDict
from zkdict._copy.cache import Cache

from ..support.mistakes import Mistake, Mistakes, Patch

HIDDEN = [make_acl("world", "anyone", write=True, create=True, delete=True, admin=True)]
"""Everybody may do everything but read."""

keys, values, dicts = MappingMachine.keys, MappingMachine.values, integers(0, 1)


class PermissionsMachine(MappingMachine):
    """Beside all that the machine does: changes that are made where nobody may read."""

    @property
    def client(self) -> KazooClient:
        return cast("ZooKeeperDict[Any]", self.dicts[0]).connection

    @contextmanager
    def hidden(self, key: str | None) -> Iterator[None]:
        path = self.path if key is None else f"{self.path}/{key}"
        self.client.set_acls(path, HIDDEN)
        self.did(0, f"nobody may read {path}")
        yield
        with suppress(NoNodeError):  # it was deleted
            self.client.set_acls(path, OPEN_ACL_UNSAFE)
        self.did(0, f"everybody may read {path}")

    def change(self, key: str, value: Any) -> None:
        """Make, set or delete a key behind the dicts' back."""
        path, there = f"{self.path}/{key}", key in self.model
        if value is ABSENT:
            self.client.delete(path)
        elif there:
            self.client.set(path, JSON.encode(value))
        else:
            self.client.create(path, JSON.encode(value))
        self.did(0, f"its client makes that {value!r}")
        self.wrote(0, {key: value})

    def all_catch_up(self) -> None:
        for on in range(self.size):
            self._catch_up(on)

    @rule(key=keys, value=values)
    def set_a_hidden_key(self, key: str, value: Any) -> None:
        if key in self.model:
            with self.hidden(key):
                self.change(key, value)
            self.all_catch_up()

    @rule(key=keys, value=values)
    def make_a_hidden_key_again(self, key: str, value: Any) -> None:
        if key in self.model:
            with self.hidden(key):
                self.change(key, ABSENT)
                self.change(key, value)
            self.all_catch_up()

    @rule(key=keys, value=values)
    def change_under_a_hidden_root(self, key: str, value: Any) -> None:
        with self.hidden(None):
            self.change(key, ABSENT if key in self.model else value)
        self.all_catch_up()

    @rule(on=dicts, key=keys, value=values)
    def load_a_hidden_key(self, on: int, key: str, value: Any) -> None:
        if key in self.model:
            client = cast("ZooKeeperDict[Any]", self.dicts[on]).connection
            self.close_dict(self.dicts[on])
            with self.hidden(key):
                self.dicts[on] = self.new_dict(client)
                self._exits.callback(self.close_dict, self.dicts[on])
                self.did(on, "it is a new one")
                self.change(key, value)
            self.all_catch_up()


FEW = settings(PermissionsMachine.TestCase.settings, max_examples=15)
SEARCH = settings(FEW, max_examples=100, phases=[Phase.generate], database=None)


def test_a_dict_whose_keys_may_not_always_be_read(zk_client_factory: ClientFactory) -> None:
    run_machine(PermissionsMachine, zk_client_factory, settings=FEW)


MISTAKES = Mistakes()


@MISTAKES
def trusts_every_watch(patch: Patch) -> None:
    patch.setattr(Cache, "look", lambda *_: None)


@MISTAKES
def trusts_the_lists_watch(patch: Patch) -> None:
    patch.setattr(Cache, "look_at_root", lambda *_: None)


@MISTAKES.each
def test_a_mistake_is_found(mistake: Mistake, zk_client_factory: ClientFactory) -> None:
    search = partial(run_machine, PermissionsMachine, zk_client_factory, settings=SEARCH)
    assert mistake.is_found([search])
