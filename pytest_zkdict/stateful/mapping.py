"""A Hypothesis state machine for mappings: several of them on one path, a plain dict as model.

The rules that live here, for every mapping of a machine and whatever the other one did:

- after `sync()` a mapping equals the model, in its order too;
- before it a mapping may be behind, never wrong: each key shows a value that it really had, not
  older than what this mapping showed, answered or wrote before;
- what a mapping iterates over is a state that existed as a whole;
- the answer of a write (a popped value, a default, a `KeyError`) is one that a mapping which is no
  further behind could have given, and the write happened exactly then.

The threads behind the mappings run in real time, so a mistake may depend on their order and not
come again. A failure therefore tells the program that led to it, with every answer.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from hypothesis.strategies import SearchStrategy
    from kazoo.client import KazooClient

__all__ = ["ABSENT", "MappingMachine"]


class _Absent:
    def __repr__(self) -> str:
        return "no value"


#: In place of a value, where a key has none.
ABSENT = _Absent()

# The machine's own attributes, so that a subclass may choose them.
_keys = st.runner().flatmap(lambda machine: machine.keys)
_values = st.runner().flatmap(lambda machine: machine.values)
_dicts = st.runner().flatmap(lambda machine: st.integers(0, machine.size - 1))
_items = st.runner().flatmap(
    lambda machine: st.dictionaries(machine.keys, machine.values, max_size=4)
)


class MappingMachine(RuleBasedStateMachine):
    """Several dicts on one path of one ZooKeeper against a plain dict.

    To be subclassed: the class attributes and the methods `new_clients`, `new_dict`, `close_dict`
    and `sync` are hooks. Rules and invariants of a subclass see the dicts as ``self.dicts`` and
    what they should hold as ``self.model``; they tell what they did by `did` and `wrote`, what they
    saw by `showed`, and what is wrong by `fail`.

    An example of 50 steps takes about 0.1 s on the fake and on a live server.
    """

    #: Few keys, so that the dicts get into each other's way.
    keys: ClassVar[SearchStrategy[str]] = st.sampled_from(["a", "b", "c", "with space", "\u00fc"])
    #: Values that the dicts give back unchanged. Falsy ones are where mistakes hide.
    values: ClassVar[SearchStrategy[Any]] = st.sampled_from(
        [None, False, 0.5, 7, "", "text", [], [1, None], {}, {"nested": [1]}]
    ) | st.integers(2, 100)
    #: How many dicts, each on a client of its own.
    size: ClassVar[int] = 2
    #: How long, in seconds, `sync()` may take before that is a failure.
    patience: ClassVar[float] = 30.0
    #: Whether the dicts iterate in creation order, as a dict does in insertion order.
    ordered: ClassVar[bool] = True
    #: Whether what a dict iterates over is always a state that existed as a whole.
    snapshots: ClassVar[bool] = True

    dicts: list[MutableMapping[str, Any]]
    """Those of this example."""
    model: dict[str, Any]
    """What they should hold."""

    def __init__(self, clients: Sequence[KazooClient] | None = None, path: str = "/dict") -> None:
        """``clients``: started ones, as many as `size`; by default the machine makes its own."""
        super().__init__()
        self.path = path
        self.model = {}
        self.dicts = []
        self._given = clients
        self.failures: list[AssertionError] = []
        self._program: list[str] = []
        self._exits = ExitStack()
        # What there was: the values of each key, the states of the whole; newest last. And how much
        # of it each dict is known to have seen, as places in these lists.
        self._history: dict[str, list[Any]] = {}
        self._states: list[dict[str, Any]] = [{}]
        self._seen: list[dict[str, int]] = [{} for _ in range(self.size)]
        self._seen_states = [0] * self.size

    # -- hooks

    def new_clients(self, exits: ExitStack) -> Sequence[KazooClient]:
        """Started clients for one example, unless the machine was given some.

        What has to end with the example goes on ``exits``.
        """
        from kazoo.client import KazooClient

        from zkfake import FakeZooKeeper

        server = exits.enter_context(FakeZooKeeper())
        clients = []
        for _ in range(self.size):
            # A machine that is busy for some seconds must not lose the connection.
            client = KazooClient(server.hosts, timeout=40.0)
            exits.callback(client.close)
            exits.callback(client.stop)
            client.start()
            clients.append(client)
        return clients

    def new_dict(self, client: KazooClient) -> MutableMapping[str, Any]:
        """A new dict on ``self.path``; no other example has used that path."""
        from zkdict import ZooKeeperDict

        # By default it may show a state that never was, when the computer is busy for a second.
        return ZooKeeperDict[Any](client, self.path, max_staleness=30.0)

    def close_dict(self, mapping: MutableMapping[str, Any]) -> None:
        """End a dict at the end of the example."""
        cast("Any", mapping).close()

    def sync(self, mapping: MutableMapping[str, Any]) -> None:
        """Have a dict catch up with everything that was written before. It has to raise
        `TimeoutError` where that takes longer than `patience` seconds: the machine fails then.
        """
        cast("Any", mapping).sync(timeout=self.patience)

    # -- the life of one example

    @initialize()
    def start(self) -> None:
        clients = self._given or self.new_clients(self._exits)
        for _, client in zip(range(self.size), clients, strict=False):
            mapping = self.new_dict(client)
            self._exits.callback(self.close_dict, mapping)
            self.dicts.append(mapping)

    def teardown(self) -> None:
        self._exits.close()

    # -- what is known of the past

    def did(self, on: int, what: str) -> None:
        """Note a call of dict ``on`` and its answer, for the report of a failure."""
        self._program.append(f"  dict {on}: {what}")

    def fail(self, why: str) -> NoReturn:
        """Raise `AssertionError` with the reason, and the program so far."""
        failure = AssertionError("\n".join([why, "What happened:", *self._program]))
        self.failures.append(failure)
        raise failure

    def wrote(self, on: int, changes: Mapping[str, Any]) -> None:
        """Dict ``on`` wrote these values at once; `ABSENT` stands for a delete."""
        if not changes:
            return
        # New keys of one write come in the order of their names: their znodes have one czxid.
        for key in sorted(changes):
            value = changes[key]
            if value is ABSENT:
                self.model.pop(key, None)
            else:
                self.model[key] = value
            history = self._history.setdefault(key, [ABSENT])
            history.append(value)
            self._seen[on][key] = len(history) - 1
        self._states.append(dict(self.model))
        self._seen_states[on] = len(self._states) - 1

    def showed(self, on: int, key: str, value: Any) -> None:
        """Dict ``on`` showed this value, or `ABSENT`.

        Fails unless the key had that value at some time, and not only before the one that this dict
        showed last.
        """
        for place, known in enumerate(self._since(on, key)):
            if _same(known, value):
                self._seen[on][key] = self._seen[on].get(key, 0) + place
                return
        self.fail(
            f"dict {on} has {value!r} for {key!r}; since what it last knew of, that was "
            f"{self._since(on, key)}"
        )

    def may_show(self, on: int, key: str, value: Any) -> bool:
        """Whether dict ``on`` may show this value, or `ABSENT`, being possibly behind."""
        return any(_same(known, value) for known in self._since(on, key))

    def _since(self, on: int, key: str) -> list[Any]:
        return self._history.get(key, [ABSENT])[self._seen[on].get(key, 0) :]

    # -- writes

    @rule(on=_dicts, key=_keys, value=_values)
    def set(self, on: int, key: str, value: Any) -> None:
        self.did(on, f"[{key!r}] = {value!r}")
        self.dicts[on][key] = value
        self.wrote(on, {key: value})

    @rule(on=_dicts, key=_keys)
    def delete(self, on: int, key: str) -> None:
        try:
            del self.dicts[on][key]
        except KeyError:
            self.did(on, f"del [{key!r}] -> KeyError")
            self.showed(on, key, ABSENT)
        else:
            self.did(on, f"del [{key!r}]")
            if key not in self.model:
                self.fail("it deleted what was not there")
            self.wrote(on, {key: ABSENT})

    @rule(on=_dicts, key=_keys)
    def pop(self, on: int, key: str) -> None:
        try:
            value = self.dicts[on].pop(key)
        except KeyError:
            self.did(on, f"pop({key!r}) -> KeyError")
            self.showed(on, key, ABSENT)
        else:
            self.did(on, f"pop({key!r}) -> {value!r}")
            self._popped(on, key, value)

    @rule(on=_dicts, key=_keys, default=_values)
    def pop_with_default(self, on: int, key: str, default: Any) -> None:
        try:
            value = self.dicts[on].pop(key, default)
        except KeyError:
            self.did(on, f"pop({key!r}, {default!r}) -> KeyError")
            self.fail("it had a default")
        self.did(on, f"pop({key!r}, {default!r}) -> {value!r}")
        missed = _same(value, default) and self.may_show(on, key, ABSENT)
        if missed and _same(value, self.model.get(key, ABSENT)):
            missed = self._has_after_all(on, key)
        if missed:
            self.showed(on, key, ABSENT)
        else:
            self._popped(on, key, value)

    def _popped(self, on: int, key: str, value: Any) -> None:
        if not _same(value, self.model.get(key, ABSENT)):
            self.fail(f"what was popped was {self.model.get(key, ABSENT)!r}")
        self.wrote(on, {key: ABSENT})

    @rule(on=_dicts)
    def popitem(self, on: int) -> None:
        self._catch_up(on)
        try:
            key, value = self.dicts[on].popitem()
        except KeyError:
            self.did(on, "popitem() -> KeyError")
            if self.model:
                self.fail(f"there was {self.model}")
            return
        self.did(on, f"popitem() -> {key!r}, {value!r}")
        self._popped_last(key)
        self._popped(on, key, value)

    def _popped_last(self, key: str) -> None:
        if self.ordered and self.model and key != next(reversed(self.model)):
            self.fail(f"the last of {self.model} is another one")

    @rule(on=_dicts, key=_keys, default=_values)
    def setdefault(self, on: int, key: str, default: Any) -> None:
        value = self.dicts[on].setdefault(key, default)
        self.did(on, f"setdefault({key!r}, {default!r}) -> {value!r}")
        made = key not in self.model and _same(value, default)
        if made and self.may_show(on, key, value):
            made = self._has_after_all(on, key)
        if made:
            self.wrote(on, {key: default})
        else:
            self.showed(on, key, value)

    @rule(on=_dicts, items=_items)
    def update(self, on: int, items: dict[str, Any]) -> None:
        self.did(on, f"update({items!r})")
        self.dicts[on].update(items)
        self.wrote(on, items)

    @rule(on=_dicts)
    def clear(self, on: int) -> None:
        self._catch_up(on)  # a dict clears away what it shows
        self.did(on, "clear()")
        self.dicts[on].clear()
        self.wrote(on, dict.fromkeys(self.model, ABSENT))

    def _has_after_all(self, on: int, key: str) -> bool:
        """Asked where the server's answer and that of a copy behind it would be the same."""
        self._sync(on)
        return key in self.dicts[on]

    # -- reads

    @rule(on=_dicts, key=_keys)
    def get(self, on: int, key: str) -> None:
        try:
            value = self.dicts[on][key]
        except KeyError:
            value = ABSENT
        self.did(on, f"[{key!r}] -> {value!r}")
        self.showed(on, key, value)

    @rule(on=_dicts, key=_keys)
    def contains(self, on: int, key: str) -> None:
        there = key in self.dicts[on]
        self.did(on, f"{key!r} in it -> {there}")
        if not there:
            self.showed(on, key, ABSENT)
        elif all(value is ABSENT for value in self._since(on, key)):
            self.fail("it was gone when this dict last looked, and nobody wrote it since")

    @rule(on=_dicts)
    def synced(self, on: int) -> None:
        self._catch_up(on)

    def _catch_up(self, on: int) -> None:
        mapping = self.dicts[on]
        self._sync(on)
        shown, model = list(mapping.items()), list(self.model.items())
        self.did(on, f"sync(), items() -> {shown}")
        if not self.ordered:
            shown, model = sorted(shown, key=_name), sorted(model, key=_name)
        if shown != model:
            self.fail(f"after sync() it should be {model}")
        if len(mapping) != len(model):
            self.fail(f"its length is {len(mapping)}")
        self._seen[on] = {key: len(values) - 1 for key, values in self._history.items()}
        self._seen_states[on] = len(self._states) - 1

    def _sync(self, on: int) -> None:
        try:
            self.sync(self.dicts[on])
        except TimeoutError as error:
            self.did(on, f"sync() -> {error!r}")
            self.fail(f"sync() did not end within {self.patience:g} s")

    @invariant()
    def every_dict_shows_what_was(self) -> None:
        for on, mapping in enumerate(self.dicts):
            shown = dict(mapping.items())
            for key in {**shown, **self._history}:
                self.showed(on, key, shown.get(key, ABSENT))
            if self.snapshots:
                since = self._states[self._seen_states[on] :]
                if shown not in since:
                    self.fail(f"dict {on} is {shown}; since it last looked there only was {since}")
                self._seen_states[on] += since.index(shown)


def _same(one: object, other: object) -> bool:
    return one is other or (one is not ABSENT and other is not ABSENT and one == other)


def _name(item: tuple[str, Any]) -> str:
    return item[0]
