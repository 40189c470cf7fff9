"""Random programs through an unmodified KazooClient do what a plain Python model says.

The model is a dict from path to znode. Both backends have to agree with it, so they agree with each
other: results, error types, versions and counters of every step, and the whole tree at the end.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)


@dataclass(frozen=True)
class Znode:
    data: bytes
    version: int = 0
    created: int = 0  # children ever
    deleted: int = 0


class Model:
    """What ZooKeeper's documentation promises, without clients, sessions and time."""

    def __init__(self) -> None:
        self.nodes = {"": Znode(b"")}

    def children(self, path: str) -> list[str]:
        return sorted(
            p.rpartition("/")[2] for p in self.nodes if p and p.rpartition("/")[0] == path
        )

    def apply(self, name: str, path: str, *arguments: Any) -> Any:
        return getattr(self, name)(path, *arguments)

    def create(self, path: str, data: bytes, sequence: bool = False) -> str:
        parent = path.rpartition("/")[0]
        if parent not in self.nodes:
            raise NoNodeError
        count = self.nodes[parent].created
        path = f"{path}{count:010d}" if sequence else path
        if path in self.nodes:
            raise NodeExistsError
        self._count(parent, created=1)
        self.nodes[path] = Znode(data)
        return path

    def set(self, path: str, data: bytes, version: int) -> int:
        node = self._checked(path, version)
        self.nodes[path] = Znode(data, node.version + 1, node.created, node.deleted)
        return node.version + 1

    def delete(self, path: str, version: int) -> None:
        self._checked(path, version)
        if self.children(path):
            raise NotEmptyError
        del self.nodes[path]
        self._count(path.rpartition("/")[0], deleted=1)

    def check(self, path: str, version: int) -> None:
        self._checked(path, version)

    def get(self, path: str) -> tuple[bytes, int, int, int, int]:
        node = self._checked(path, -1)
        children = self.children(path)
        return node.data, node.version, node.created + node.deleted, len(children), len(node.data)

    def get_children(self, path: str) -> list[str]:
        self._checked(path, -1)
        return self.children(path)

    def transaction(self, path: str, steps: list[tuple[Any, ...]]) -> list[Any]:
        before = dict(self.nodes)
        results: list[Any] = []
        for name, *arguments in steps:
            try:
                results.append(self.apply(name, *arguments))
            except Exception as error:  # noqa: PERF203
                self.nodes = before
                done = [RolledBackError] * len(results)
                return [*done, type(error), *[RuntimeInconsistency] * (len(steps) - len(done) - 1)]
        return results

    def _checked(self, path: str, version: int) -> Znode:
        if path not in self.nodes:
            raise NoNodeError
        if version not in (-1, self.nodes[path].version):
            raise BadVersionError
        return self.nodes[path]

    def _count(self, path: str, created: int = 0, deleted: int = 0) -> None:
        node = self.nodes[path]
        self.nodes[path] = Znode(
            node.data, node.version, node.created + created, node.deleted + deleted
        )


class Client:
    """The same verbs through kazoo, below one path."""

    def __init__(self, client: KazooClient, base: str) -> None:
        self.client = client
        self.base = base

    def apply(self, name: str, path: str, *arguments: Any) -> Any:
        return getattr(self, name)(self.base + path, *arguments)

    def create(self, path: str, data: bytes, sequence: bool = False) -> str:
        return self._own(self.client.create(path, data, sequence=sequence))

    def set(self, path: str, data: bytes, version: int) -> int:
        return self.client.set(path, data, version=version).version

    def delete(self, path: str, version: int) -> None:
        self.client.delete(path, version=version)

    def get(self, path: str) -> tuple[bytes, int, int, int, int]:
        data, stat = self.client.get(path)
        return data, stat.version, stat.cversion, stat.numChildren, stat.dataLength

    def get_children(self, path: str) -> list[str]:
        return sorted(self.client.get_children(path))

    def transaction(self, path: str, steps: list[tuple[Any, ...]]) -> list[Any]:
        transaction = self.client.transaction()
        for name, step_path, *arguments in steps:
            verb = "set_data" if name == "set" else name
            if name == "create":
                data, *rest = arguments
                transaction.create(self.base + step_path, data, sequence=bool(rest and rest[0]))
            else:
                getattr(transaction, verb)(self.base + step_path, *arguments)
        return [self._plain(result) for result in transaction.commit()]

    def _plain(self, result: Any) -> Any:
        if isinstance(result, Exception):
            return type(result)
        if isinstance(result, str):
            return self._own(result)
        if result is True:
            return None
        return result.version

    def _own(self, path: str) -> str:
        return path.removeprefix(self.base)


names = st.sampled_from("ab")
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
data = st.binary(max_size=3)
versions = st.sampled_from([-1, -1, -1, 0, 1, 2])

writes = st.one_of(
    st.tuples(st.just("create"), paths, data),
    st.tuples(st.just("create"), paths, data, st.booleans()),
    st.tuples(st.just("set"), paths, data, versions),
    st.tuples(st.just("delete"), paths, versions),
)
checks = st.tuples(st.just("check"), paths, versions)
steps = st.one_of(
    writes,
    writes,
    st.tuples(st.just("get"), paths),
    st.tuples(st.just("get_children"), paths),
    st.tuples(st.just("transaction"), st.just(""), st.lists(writes | checks, max_size=5)),
)

fresh = itertools.count()


def outcome(target: Model | Client, step: tuple[Any, ...]) -> Any:
    try:
        return target.apply(*step)
    except Exception as error:
        return type(error)


@given(program=st.lists(steps, min_size=1, max_size=25))
def test_a_random_program_does_what_the_model_says(
    zk_client: KazooClient, program: list[tuple[Any, ...]]
) -> None:
    base = f"/{next(fresh)}"
    zk_client.create(base)
    model, client = Model(), Client(zk_client, base)
    for step in program:
        assert outcome(client, step) == outcome(model, step), step
    for path in sorted(model.nodes):
        assert client.apply("get", path) == model.get(path)
        assert client.apply("get_children", path) == model.get_children(path)
