"""A client that does a little of everything that a judge looks at, drawn from a seed.

It is an unmodified `KazooClient`; what kazoo has no method for (persistent watches, `setWatches`,
reads of several znodes at once) is sent through it as a request of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient
from kazoo.exceptions import EXCEPTIONS, KazooException, NoNodeError, ZookeeperError
from kazoo.retry import KazooRetry
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from ..support import wire

if TYPE_CHECKING:
    from random import Random
    from threading import Event

__all__ = ["PATHS", "ROOT", "Traffic", "connected"]

ROOT = "/t"
PATHS = (f"{ROOT}/a", f"{ROOT}/b", f"{ROOT}/a/x", f"{ROOT}/c")
"""Not ephemeral, so that they may have children."""
QUEUE = f"{ROOT}/q"
PRIVATE = f"{ROOT}/p"
"""May not be read by everybody, for some of the time."""

READER = ("digest", "reader:secret")
"""Who may read what is private."""

PERSISTENT, RECURSIVE = 0, 1
ANY = 3
"""Of `removeWatches`."""


def connected(hosts: str, number: int, timeout: float, patience: float) -> KazooClient:
    """The client of that number, which never gives up. Half of them may read what is private.
    ``patience``: seconds for the first connection.
    """
    forever: dict[str, Any] = {"max_tries": -1, "delay": 0.02, "max_delay": 0.1}
    client = KazooClient(
        hosts,
        timeout=timeout,
        connection_retry=KazooRetry(**forever),
        auth_data=[READER] if number % 2 else None,
    )
    client.start(patience)
    return client


class NoWatcherError(ZookeeperError):
    """There was no such watch. kazoo, which never takes a watch back, does not know of it."""

    code = -121


EXCEPTIONS.setdefault(NoWatcherError.code, NoWatcherError)


class Request:
    """A request that kazoo has no class for; its reply's body is not looked at."""

    def __init__(self, name: str, body: bytes) -> None:
        self.type = wire.OPS[name]
        self._body = body

    def serialize(self) -> bytes:
        return self._body

    @staticmethod
    def deserialize(body: bytes, offset: int) -> bytes:
        return body[offset:]


class Traffic:
    """One client's requests, one at a time."""

    def __init__(self, client: KazooClient, number: int, dice: Random) -> None:
        self.client = client
        self.number = number
        self.dice = dice
        self.turn = 0
        self.refused = 0
        """Requests that ended with an error, lost ones among them."""

    @property
    def value(self) -> bytes:
        return b"%d.%d" % (self.number, self.turn)

    def path(self) -> str:
        return self.dice.choice(PATHS)

    def work(self, over: Event, pace: float) -> None:
        """Steps until it is over, with pauses of up to ``pace`` seconds between them."""
        while not over.wait(self.dice.uniform(0, pace)):
            self.step()

    def step(self) -> None:
        """One request or a few, whatever becomes of them."""
        self.turn += 1
        action = self.dice.choices(ACTIONS, WEIGHTS)[0]
        try:
            action(self)
        except KazooException:
            self.refused += 1

    def send(self, name: str, body: bytes) -> Any:
        """A request of our own; raises as one of kazoo's own."""
        answer = self.client.handler.async_result()
        self.client._call(Request(name, body), answer)
        return answer.get()

    # -- writes

    def create(self) -> None:
        path = self.path()
        self.client.create(path, self.value, makepath=True, include_data=self.dice.random() < 0.3)

    def set(self) -> None:
        path, version = self.path(), -1
        if self.dice.random() < 0.3:
            version = self.client.get(path)[1].version - (self.dice.random() < 0.3)
        self.client.set(path, self.value, version=version)

    def delete(self) -> None:
        self.client.delete(self.path())

    def enqueue(self) -> None:
        self.client.create(
            f"{QUEUE}/n-",
            self.value,
            sequence=True,
            ephemeral=self.dice.random() < 0.5,
            makepath=True,
        )

    def dequeue(self) -> None:
        children = sorted(self.client.get_children(QUEUE))
        if children:
            self.client.delete(f"{QUEUE}/{children[0]}")

    def appear(self) -> None:
        path = f"{ROOT}/e{self.number}"
        self.client.create(path, self.value, ephemeral=True, makepath=True)

    def look(self) -> None:
        """At the ephemeral znode of anybody."""
        self.client.exists(f"{ROOT}/e{self.dice.randrange(4)}", watch=self._watch())

    def transact(self) -> None:
        transaction = self.client.transaction()
        one, other = self.dice.sample(PATHS, 2)
        transaction.set_data(one, self.value)
        if self.dice.random() < 0.5:
            transaction.set_data(other, self.value)
        else:
            transaction.check(other, self.dice.choice((-1, -1, 0)))
        if self.dice.random() < 0.5:
            transaction.create(f"{QUEUE}/n-", self.value, sequence=True)
        if self.dice.random() < 0.2:
            transaction.delete(other)
            transaction.create(other, self.value)
        transaction.commit()

    def guard(self) -> None:
        """Sets who may read what is private; whoever is shut out may change it all the same."""
        readers = make_digest_acl("reader", "secret", read=True)
        others = OPEN_ACL_UNSAFE[0]._replace(perms=30)
        acls = [readers, others] if self.dice.random() < 0.5 else OPEN_ACL_UNSAFE
        try:
            self.client.set_acls(PRIVATE, acls)
        except NoNodeError:
            self.client.ensure_path(ROOT)  # or it gets these ACLs, too
            self.client.create(PRIVATE, self.value, acl=acls)

    def change_private(self) -> None:
        self.client.set(PRIVATE, self.value)

    # -- reads

    def get(self) -> None:
        self.client.get(self.path(), watch=self._watch())

    def exists(self) -> None:
        self.client.exists(self.path(), watch=self._watch())

    def list(self) -> None:
        path = self.dice.choice((QUEUE, ROOT, PATHS[0]))
        self.client.get_children(path, self._watch(), self.dice.random() < 0.5)

    def sync(self) -> None:
        path = self.path()
        self.client.sync(path)
        self.client.exists(path)

    def read_private(self) -> None:
        self.client.get(PRIVATE, watch=self._watch())

    def read_acls(self) -> None:
        self.client.get_acls(self.dice.choice((PRIVATE, *PATHS)))

    def read_many(self) -> None:
        get, children = wire.OPS["getData"], wire.OPS["getChildren"]
        parts = [(get, wire.path_watch(path)) for path in PATHS]
        self.send("multiRead", wire.multi([*parts, (children, wire.path_watch(QUEUE))]))

    def burst(self) -> None:
        """Several requests before the first answer."""
        path = self.path()
        pending = [
            self.client.set_async(path, self.value),
            self.client.get_async(path),
            self.client.exists_async(QUEUE),
            self.client.get_children_async(ROOT),
        ]
        for each in pending:
            each.get()

    # -- watches

    def _watch(self) -> Any:
        return _told if self.dice.random() < 0.6 else None

    def watch_for_good(self) -> None:
        mode = self.dice.choice((PERSISTENT, RECURSIVE))
        path = self.dice.choice((ROOT, QUEUE, PRIVATE, *PATHS))
        self.send("addWatch", wire.path_version(path, mode))

    def unwatch(self) -> None:
        path = self.dice.choice((ROOT, QUEUE, *PATHS))
        self.send("removeWatches", wire.path_version(path, ANY))

    def catch_up(self) -> None:
        """Watches as of what it has seen, as a client sets them that has come back."""
        since = self.client.last_zxid
        lists = [[self.path()], [self.path()], [QUEUE], [self.path()], [ROOT]]
        two = self.dice.random() < 0.5
        body = wire.i64(since) + b"".join(wire.strings(paths) for paths in lists[: 5 if two else 3])
        self.send("setWatches2" if two else "setWatches", body)


def _told(_event: object) -> None:
    pass


ACTIONS, WEIGHTS = zip(
    (Traffic.create, 4),
    (Traffic.set, 8),
    (Traffic.delete, 3),
    (Traffic.enqueue, 4),
    (Traffic.dequeue, 3),
    (Traffic.appear, 3),
    (Traffic.look, 3),
    (Traffic.transact, 5),
    (Traffic.guard, 1),
    (Traffic.change_private, 1),
    (Traffic.get, 6),
    (Traffic.exists, 5),
    (Traffic.list, 5),
    (Traffic.sync, 3),
    (Traffic.read_private, 2),
    (Traffic.read_acls, 1),
    (Traffic.read_many, 2),
    (Traffic.burst, 3),
    (Traffic.watch_for_good, 1),
    (Traffic.unwatch, 1),
    (Traffic.catch_up, 1),
    strict=True,
)
