"""A state machine for `zkdict.ZooKeeperDict`: every operation, every fault, in virtual time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from kazoo.exceptions import KazooException

from pytest_zkdict.stateful import _writes
from pytest_zkdict.stateful._faults import numbers_of_dicts, troubles
from pytest_zkdict.stateful._leases import LeaseSteps
from pytest_zkdict.stateful._possible import PossibleCall, PossibleZnode, find, may_be, put
from pytest_zkdict.stateful._possible import text as shown_as
from zkdict import ABSENT, ANY
from zkdict.errors import Timeout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

    from pytest_zkdict.stateful._possible import Course, Znodes

__all__ = ["ZooKeeperDictMachine"]

_keys = st.runner().flatmap(lambda machine: machine.keys)
_values = st.runner().flatmap(lambda machine: machine.values)
_items = st.runner().flatmap(
    lambda machine: st.dictionaries(machine.keys, machine.values, max_size=3)
)
_waits = st.sampled_from([True, True, False])
_versions = st.sampled_from([ANY, ABSENT, 0, 1, 2])
_found_versions = st.sampled_from([ANY, 0, 1, 2])


class ZooKeeperDictMachine(LeaseSteps):
    """Several dicts on one path, with every operation and every fault; each answer is judged.

    Class attributes and the methods `new_place` and `new_dict` are hooks: derive a class to choose
    other keys, values, dicts, options or faults.

    Each step is a call of a dict, a look at it, time that passes, or a fault. A call with
    ``wait=False`` goes on while the next steps are made; each dict has one call under way at most.
    A call with a ``fault`` meets it: the fault strikes the client that writes, or the leader, just
    before. Where a stranger (a client without a dict) writes, the fault strikes the client of each
    dict.

    What is accepted is what ZooKeeper's contract and the dict's documentation allow, and no more.
    What a dict shows is a state that the path had, and none older than one that the dict showed,
    wrote or synced before; each answer is one that this dict could give. After `WriteUncertain`
    the write may have been applied, or not. At the end every fault is healed, and the dicts are
    equal and right. In virtual time the judges of `zkfake.history` look at the whole run as well.

    By default an example has up to 50 steps, and a `zkfake.simulation.Simulation` of three servers
    to itself: the same steps make the same run, so a failure shrinks. An example takes about 0.1 s.
    """

    keys: ClassVar[SearchStrategy[str]] = st.sampled_from(["a", "b"])
    values: ClassVar[SearchStrategy[Any]] = st.sampled_from([0, None, "", 7, "text", [1]])

    # -- writes

    @rule(on=numbers_of_dicts, key=_keys, value=_values, wait=_waits, fault=troubles)
    def set(self, on: int, key: str, value: Any, wait: bool, fault: str | None = None) -> None:
        write = _writes.store({key: value}, lambda mapping: mapping.__setitem__(key, value))
        self.do(on, write, f"[{key!r}] = {value!r}", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, items=_items, wait=_waits, fault=troubles)
    def update(
        self, on: int, items: Mapping[str, Any], wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.store(items, lambda mapping: mapping.update(items))
        self.do(on, write, f"update({items!r})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, items=_items, wait=_waits, fault=troubles)
    def update_chunked(
        self, on: int, items: Mapping[str, Any], wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.store(items, lambda mapping: mapping.update_chunked(items))
        self.do(on, write, f"update_chunked({items!r})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, wait=_waits, fault=troubles)
    def delete(self, on: int, key: str, wait: bool, fault: str | None = None) -> None:
        self.do(on, _writes.delete(on, key), f"del [{key!r}]", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, wait=_waits, fault=troubles)
    def pop(self, on: int, key: str, wait: bool, fault: str | None = None) -> None:
        self.do(on, _writes.pop(on, key), f"pop({key!r})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, default=_values, wait=_waits, fault=troubles)
    def pop_with_default(
        self, on: int, key: str, default: Any, wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.pop_or(on, key, default)
        self.do(on, write, f"pop({key!r}, {default!r})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, wait=_waits, fault=troubles)
    def popitem(self, on: int, wait: bool, fault: str | None = None) -> None:
        self.do(on, _writes.popitem(on), "popitem()", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, wait=_waits, fault=troubles)
    def clear(self, on: int, wait: bool, fault: str | None = None) -> None:
        self.do(on, _writes.clear(on), "clear()", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, value=_values, wait=_waits, fault=troubles)
    def setdefault(
        self, on: int, key: str, value: Any, wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.setdefault(on, key, value)
        self.do(on, write, f"setdefault({key!r}, {value!r})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, value=_values, wait=_waits, fault=troubles)
    def add(self, on: int, key: str, value: Any, wait: bool, fault: str | None = None) -> None:
        self.do(on, _writes.add(on, key, value), f"add({key!r}, {value!r})", wait=wait, fault=fault)

    @rule(
        on=numbers_of_dicts,
        key=_keys,
        value=_values,
        version=_versions,
        wait=_waits,
        fault=troubles,
    )
    def put(
        self, on: int, key: str, value: Any, version: int, wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.put_version(on, key, value, version)
        self.do(on, write, f"put({key!r}, {value!r}, version={version})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, value=_values, wait=_waits, fault=troubles)
    def cas(self, on: int, key: str, value: Any, wait: bool, fault: str | None = None) -> None:
        self.answered(on)
        self.look_at(on)
        if key in self.dicts[on]:
            entry = self.dicts[on].entry(key)
            write = _writes.cas(on, entry, value)
            self.do(on, write, f"cas(entry({key!r}), {value!r})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, version=_found_versions, wait=_waits, fault=troubles)
    def remove(self, on: int, key: str, version: int, wait: bool, fault: str | None = None) -> None:
        write = _writes.remove(on, key, version)
        self.do(on, write, f"remove({key!r}, version={version})", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, key=_keys, wait=_waits, fault=troubles)
    def modify(self, on: int, key: str, wait: bool, fault: str | None = None) -> None:
        self.do(
            on,
            _writes.modify(on, key),
            f"modify({key!r}, counted, default=0)",
            wait=wait,
            fault=fault,
        )

    @rule(on=numbers_of_dicts, items=_items, wait=_waits, fault=troubles)
    def replace_all(
        self, on: int, items: Mapping[str, Any], wait: bool, fault: str | None = None
    ) -> None:
        self.do(
            on, _writes.replace_all(on, items), f"replace_all({items!r})", wait=wait, fault=fault
        )

    @rule(on=numbers_of_dicts, read=_keys, key=_keys, wait=_waits, fault=troubles)
    def transaction(
        self, on: int, read: str, key: str, wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.transaction(on, read, key)
        self.do(on, write, f"transaction: [{key!r}] = of [{read!r}]", wait=wait, fault=fault)

    @rule(on=numbers_of_dicts, read=_keys, key=_keys, wait=_waits, fault=troubles)
    def atomically(
        self, on: int, read: str, key: str, wait: bool, fault: str | None = None
    ) -> None:
        write = _writes.atomically(on, read, key)
        self.do(on, write, f"atomically: [{key!r}] = of [{read!r}]", wait=wait, fault=fault)

    # -- looks

    @rule(on=numbers_of_dicts)
    def sync(self, on: int) -> None:
        self.answered(on)
        self.catch_up(on)

    @rule(on=numbers_of_dicts, other=numbers_of_dicts)
    def wait_until(self, on: int, other: int) -> None:
        """Dict ``on`` waits until it is as new as the other one."""
        self.answered(on)
        try:
            self.dicts[on].wait_until(self.dicts[other].zxid, timeout=self.patience)
        except Timeout:
            return
        self.look_at(on)  # what it showed before
        self.keep(lambda course: [course.sees(on, course.seen[other])])
        self.did(f"dict {on}: wait_until(dict {other}.zxid)")
        self.look_at(on)

    @rule(on=numbers_of_dicts, key=_keys, sync=st.booleans())
    def fetch(self, on: int, key: str, sync: bool) -> None:
        """A dict fetches a key from the server, which has whatever this dict has shown."""
        self.answered(on)
        mark = self.mark()
        znode: PossibleZnode | None = None
        try:
            entry = self.dicts[on].fetch(key, sync=sync)
        except KeyError:
            pass
        except (Timeout, KazooException) as error:
            self.did(f"dict {on}: fetch({key!r}, sync={sync}) -> {error!r}")
            self.possible.forget(mark)
            return
        else:
            znode = PossibleZnode(key, shown_as(entry.value), entry.version)
        self.did(f"dict {on}: fetch({key!r}, sync={sync}) -> {znode}")

        def has(course: Course) -> Iterator[Course]:
            oldest = course.since_when(mark) if sync else course.seen[on]
            if any(may_be(find(state, key), znode) for state in course.states[oldest:]):
                yield course

        if not self.keep(has):
            self.fail(f"dict {on} fetched {znode} of {key!r}; {self.what_was()}")
        self.possible.forget(mark)

    # -- others, time

    @rule(key=_keys, value=_values, fault=troubles)
    def stranger_sets(self, key: str, value: Any, fault: str | None = None) -> None:
        """Another client stores a value, without a dict."""
        self._stranger({key: value}, f"set {key!r} to {value!r}", fault)

    @rule(key=_keys, value=_values, fault=troubles)
    def stranger_replaces(self, key: str, value: Any, fault: str | None = None) -> None:
        """Another client deletes a key and makes it again, in one transaction."""
        self._stranger({key: value}, f"replace {key!r} by {value!r}", fault, again=True)

    @rule(keys=st.sets(_keys, min_size=1), fault=troubles)
    def stranger_deletes(self, keys: Collection[str], fault: str | None = None) -> None:
        """Another client deletes keys, those that are there, in one transaction."""
        self._stranger(dict.fromkeys(keys, ABSENT), f"delete {sorted(keys)}", fault)

    def _stranger(
        self, changes: Mapping[str, Any], text: str, fault: str | None, *, again: bool = False
    ) -> None:
        assert self.place is not None
        client = self.place.stranger()
        self.meet(fault, range(self.size), writes=False)
        first: dict[str, None] = {}
        """What is deleted, to be made again."""
        done: dict[str, str | None] = {}
        asked = False
        try:
            there = client.get_children(self.path)
            request = client.transaction()
            for key, value in sorted(changes.items()):
                path = f"{self.path}/{key}"
                if key in there and (again or value is ABSENT):
                    request.delete(path)
                    (first if again else done)[key] = None
                if value is not ABSENT:
                    how = request.set_data if key in there and not again else request.create
                    how(path, shown_as(value).encode())
                    done[key] = shown_as(value)
            asked = bool(done)
            results = request.commit() if asked else []
        except KazooException as error:
            # Its server was down, or the answer was lost: nobody knows what it did.
            self.did(f"a stranger: {text} -> {error!r}")
            if asked:
                commits = partial(_stranger_may_write, first=first, done=done)
                self.spread(
                    partial(self.possible.begin, PossibleCall(next(self.numbers), 0, commits))
                )
            return
        if any(isinstance(result, Exception) for result in results):
            self.did(f"a stranger: {text} -> {results}")
            return  # a dict was quicker
        self.did(f"a stranger: {text}")
        if not self.keep(lambda course: _stranger_wrote(course, first, done)):
            self.fail(f"a stranger could {text}; {self.what_was()}")
        self.tell_others(None)
        self.look_at_all()

    @rule(seconds=st.sampled_from([0.01, 0.5, 10, 60]))
    def wait(self, seconds: float) -> None:
        """Virtual time passes."""
        assert self.place is not None
        self.place.sleep(seconds)
        self.did(f"{seconds:g} s later")
        self.look_at_all()

    # -- the end

    @rule()
    def settle(self) -> None:
        """Every fault is healed, and everything is delivered; then all dicts are equal."""
        self.settle_all()


def _stranger_may_write(
    course: Course, first: Mapping[str, None], done: Mapping[str, str | None]
) -> Iterator[tuple[Znodes, None]]:
    gone = [*first, *(key for key, value in done.items() if value is None)]
    if all(find(course.now, key) for key in gone):
        yield put(put(course.now, first), done), None


def _stranger_wrote(
    course: Course, first: Mapping[str, None], done: Mapping[str, str | None]
) -> Iterator[Course]:
    for state, _ in _stranger_may_write(course, first, done):
        yield course._replace(states=(*course.states, state))


ZooKeeperDictMachine.TestCase.settings = settings(deadline=None, stateful_step_count=50)
