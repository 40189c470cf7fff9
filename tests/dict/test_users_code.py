"""User's code that runs in the middle of things: decoders, and what runs when a value is freed."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import greenlet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdict import DecodeError, ZooKeeperDict
from zkdict._copy.events import Dispatcher
from zkdict._copy.items import Publication, ReadZnode
from zkdict._copy.locks import HandlerLock
from zkdict._copy.view import View
from zkdict.keys import KeyCodec

from .test_view import Handler

Open = Callable[..., ZooKeeperDict[Any]]
Eventually = Callable[[Callable[[], object]], None]


class Value:
    """A number that has a look around when it is freed."""

    looks: ClassVar[list[Callable[[], object]]] = []

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        for look in self.looks:
            look()


@pytest.fixture
def looks() -> Iterator[list[Callable[[], object]]]:
    yield Value.looks
    Value.looks.clear()


class Numbers:
    """The encoding of those."""

    def encode(self, value: Value) -> bytes:
        return b"%d" % value.number

    def decode(self, data: bytes) -> Value:
        return Value(int(data))


KEYS = ["a", "b", "c"]
steps = st.lists(st.dictionaries(st.sampled_from(KEYS), st.sampled_from([None, b"1", b"x"])))


@given(steps=steps, autosync=st.booleans())
def test_a_value_that_is_freed_sees_all_of_the_step_or_nothing(
    steps: list[dict[str, bytes | None]], autosync: bool
) -> None:
    """Also where it was replaced, removed, or followed by a bad one."""
    shown: list[dict[str, Value]] = [{}]
    kept: list[object] = []
    view: View[Value] = View(
        KeyCodec(),
        Numbers().decode,
        Dispatcher(Handler()),
        lambda values: shown.__setitem__(0, values),
        kept.append,
        omit=False,
        autosync=autosync,
        gate_outages=False,
    )
    view.gate(gated=False)
    seen: list[dict[str, int | None]] = []
    model: dict[str, int | None] = {}
    znodes: dict[str, ReadZnode] = {}

    def look() -> None:
        now: dict[str, int | None] = {}
        for key in KEYS:
            with contextlib.suppress(DecodeError):
                now[key] = None
                value = shown[0].get(key)
                if value is None:
                    del now[key]
                else:
                    now[key] = value.number
        seen.append(now)

    Value.looks.append(look)
    try:
        for zxid, step in enumerate(steps, 1):
            before = dict(model)
            changes: dict[str, ReadZnode | None] = {}
            for key, raw in step.items():
                old, new = znodes.pop(key, None), None
                model.pop(key, None)
                if raw is not None:
                    # Each value is another number: its zxid.
                    raw = b"%d" % zxid if raw == b"1" else raw
                    new = znodes[key] = ReadZnode(raw, 0, zxid, zxid, 0, 0, 0)
                    model[key] = zxid if raw != b"x" else None
                if old is not None or new is not None:
                    changes[key] = new
            view.publish(Publication(zxid, zxid, zxid, changes, True, False, True), {})
            view.refresh()
            assert all(each in (before, model) for each in seen)
            seen.clear()
            kept.clear()
            assert all(each == model for each in seen)
            seen.clear()
    finally:
        Value.looks.clear()


def test_a_value_that_is_freed_may_read(
    open_dict: Open, looks: list[Callable[[], object]], eventually: Eventually
) -> None:
    """The whole step, also by what takes the lock; whoever the dict was told of it by."""
    # By default a machine that stands still for a second has the dict show what it knows.
    items, other = open_dict(encoding=Numbers(), max_staleness=60.0), open_dict()
    pairs: list[tuple[int, ...]] = []

    def look() -> None:
        now = items.snapshot()
        read = items["a"].number, items["b"].number
        # A value may be freed without the lock: the next step may come between two reads.
        if items.snapshot().zxid == now.zxid:
            pairs.append((*read, now["a"].number, now["b"].number))

    other.update(a=0, b=0)
    items.sync()
    looks.append(look)
    for number in range(1, 20):
        if number % 2:
            other.update(a=number, b=number)
        else:
            items.update(a=Value(number), b=Value(number))
        items.sync()
    assert pairs
    assert all(len({*each}) == 1 for each in pairs), "half a step was seen"


CALLS: list[Callable[[ZooKeeperDict[Any]], object]] = [
    lambda items: items.snapshot(),
    lambda items: list(items),
    lambda items: items.entry("a"),
    lambda items: items.raw("a"),
    lambda items: items.__setitem__("b", 1),
    lambda items: items.sync(),
    lambda items: items.wait_until(2**60),
    lambda items: items.on_change(print),
    lambda items: items.close(),
]


class Calling:
    """An encoding whose decoder calls the dict."""

    def __init__(self) -> None:
        self.items: ZooKeeperDict[Any] | None = None
        self.said: list[object] = []

    def encode(self, value: int) -> bytes:
        return b"%d" % value

    def decode(self, data: bytes) -> int:
        items, self.items = self.items, None
        if items is not None:
            for call in CALLS:
                try:
                    self.said.append(call(items))
                except RuntimeError as error:  # noqa: PERF203
                    self.said.append(error)
            self.said.append((items["a"], "a" in items, len(items)))
            items.snapshot()
        return int(data)


@pytest.mark.parametrize("autosync", [True, False])
def test_a_decoder_that_calls_the_dict_is_told_at_once(open_dict: Open, autosync: bool) -> None:
    """Its key is a bad one then; the dict goes on."""
    encoding = Calling()
    items, other = open_dict(encoding=encoding, autosync=autosync), open_dict()
    other["a"] = 1
    items.sync()
    encoding.items = items
    other["a"] = 2
    items.sync()
    *refused, read = encoding.said
    assert len(refused) == len(CALLS)
    assert all("wait for itself" in str(each) for each in refused)
    assert read == (1, True, 1)
    with pytest.raises(DecodeError, match="a decoder must not call the dict"):
        items["a"]
    other["a"] = 3
    items.sync()
    assert items["a"] == 3


class Interrupt(BaseException):
    """As pytest has for `pytest.fail` and `pytest.skip`."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("odd"),
        AssertionError(),
        SystemExit(3),
        GeneratorExit(),
        Interrupt(),
        KeyboardInterrupt(),  # not in the main thread, where it may be the user's
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_decoder_raises_harms_no_other_key(
    error: BaseException, open_dict: Open
) -> None:
    class Raising(Calling):
        def decode(self, data: bytes) -> int:
            if data == b"13":
                raise error
            return super().decode(data)

    other = open_dict()
    other.update(a=13, b=1)
    items = open_dict(encoding=Raising())  # at the load, and later
    for number in range(2):
        with pytest.raises(DecodeError, match=type(error).__name__):
            items["a"]
        assert items["b"] == 1
        other["a"] = number
        items.sync(60)
        assert items["a"] == number
        other["a"] = 13
        items.sync(60)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), greenlet.GreenletExit()])
def test_what_ends_the_task_that_decodes_goes_on_to_it(
    error: BaseException, open_dict: Open
) -> None:
    """A signal, or the end of a greenlet, comes at any line: the step is taken later."""
    struck = [error]

    class Struck(Calling):
        def decode(self, data: bytes) -> int:
            if data == b"2" and struck and threading.current_thread() is threading.main_thread():
                raise struck.pop()
            return super().decode(data)

    other = open_dict()
    other["a"] = 1
    items = open_dict(encoding=Struck(), autosync=False)
    other["a"] = 2
    with pytest.raises(type(error)):
        items.sync(60)
    assert items["a"] == 1
    items.sync(60)
    assert items["a"] == 2


def test_the_lock_can_be_taken_again_after_it_was_refused() -> None:
    lock = HandlerLock(RLocks())
    with lock, pytest.raises(RuntimeError, match="wait for itself"), lock:
        pass
    with lock:
        pass


class RLocks:
    """As much of kazoo's handler as the lock needs."""

    def rlock_object(self) -> Any:
        return threading.RLock()
