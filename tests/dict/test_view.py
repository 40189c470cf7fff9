"""What readers see of a step: all of it or nothing, whichever way they look, bad keys or none."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

import zkdict._copy.view
from zkdict import DecodeError, Snapshot, State
from zkdict._copy.events import Dispatcher
from zkdict._copy.items import Publication, ReadZnode
from zkdict._copy.lookup import GATED, GatedRead
from zkdict._copy.view import View
from zkdict.keys import KeyCodec

KEYS = ["a", "b", "c", "d"]
BAD = b"bad"


class Handler:
    """As much of kazoo's as a view needs."""

    lock_object = staticmethod(threading.Lock)

    def spawn(self, function: Callable[[], None]) -> None:
        function()


def decode(raw: bytes) -> str:
    if raw == BAD:
        raise DecodeError("it is bad")
    return raw.decode()


def new_view(decode: Callable[[bytes], str] = decode, **options: Any) -> View[str]:
    options = {"omit": False, "autosync": True, "gate_outages": False, **options}
    show = options.pop("show", lambda _: None)
    keep = options.pop("keep", lambda _: None)
    return View(KeyCodec(), decode, Dispatcher(Handler()), show, keep, **options)


def node(zxid: int, raw: bytes = b"", *, made: int | None = None) -> ReadZnode:
    return ReadZnode(raw, 0, zxid if made is None else made, zxid, 0, 0, 0)


def publish(
    view: View[str], zxid: int, changes: Mapping[str, ReadZnode | None], *, exact: bool = True
) -> None:
    view.publish(Publication(zxid, zxid, zxid, changes, exact, False, True), {})


def test_a_snapshot_says_of_itself_whether_it_is_exact() -> None:
    """With autosync=False newer states, exact or not, wait behind the one that is shown."""
    view = new_view(autosync=False)

    def next_state(zxid: int, exact: bool) -> None:
        publish(view, zxid, {f"k{zxid}": node(zxid)}, exact=exact)

    next_state(1, True)
    for zxid, exact in ((2, False), (3, True), (4, False), (5, False), (6, True)):
        shown = view.snapshot(State.LIVE)
        next_state(zxid, exact)
        assert view.snapshot(State.LIVE).exact is shown.exact
        assert list(view.snapshot(State.LIVE)) == list(shown)
        view.refresh()
        assert view.snapshot(State.LIVE).exact is exact
        assert view.snapshot(State.LIVE).zxid == zxid


def test_no_reader_sees_half_of_a_step_while_values_are_decoded() -> None:
    """Values are decoded one after the other, while other tasks read."""
    lengths: list[int] = []

    def slow(raw: bytes) -> str:
        lengths.append(len(view.values))
        return raw.decode()

    view = new_view(slow)
    publish(view, 1, {"old": node(1)})
    publish(view, 2, {"old": None, "n": node(2), "o": node(2)})
    assert lengths == [0, 1, 1]
    assert list(view.snapshot(State.LIVE)) == ["n", "o"]


class Looked(NamedTuple):
    """All that can be found in one of the dicts that reads look into."""

    length: int
    there: tuple[bool, ...]
    got: tuple[Any, ...]
    read: tuple[Any, ...]


def look(values: dict[str, str]) -> Looked:
    def attempt(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (KeyError, DecodeError) as error:
            return type(error)

    return Looked(
        len(values),
        tuple(key in values for key in KEYS),
        tuple(attempt(lambda key=key: values.get(key, "none")) for key in KEYS),  # type: ignore[misc]
        tuple(attempt(lambda key=key: values[key]) for key in KEYS),  # type: ignore[misc]
    )


def expected(model: dict[str, bytes], omit: bool) -> Looked:
    if omit:
        model = {key: raw for key, raw in model.items() if raw != BAD}

    def shown(key: str, missing: Any) -> Any:
        raw = model.get(key)
        return missing if raw is None else DecodeError if raw == BAD else raw.decode()

    return Looked(
        len(model),
        tuple(key in model for key in KEYS),
        tuple(shown(key, "none") for key in KEYS),
        tuple(shown(key, KeyError) for key in KEYS),
    )


class Readers:
    """Looks at what is shown before every line that the view's code runs."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.seen: list[Looked] = []

    def show(self, values: dict[str, str]) -> None:
        self.shown = values

    def during(self, step: Callable[[], None]) -> list[Looked]:
        """What was seen of a step, each look that differs from the one before it."""

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            if frame.f_code.co_filename != zkdict._copy.view.__file__:
                return None
            found = look(self.shown)
            if not self.seen or self.seen[-1] != found:
                self.seen.append(found)
            return trace

        self.seen = []
        tracer = sys.gettrace()
        sys.settrace(trace)
        try:
            step()
        finally:
            sys.settrace(tracer)
        return self.seen


def check_snapshot(snapshot: Snapshot[str], model: dict[str, bytes], omit: bool) -> None:
    if omit:
        model = {key: raw for key, raw in model.items() if raw != BAD}
    good = {key: raw.decode() for key, raw in model.items() if raw != BAD}
    assert list(snapshot) == list(snapshot.keys()) == list(model)
    assert list(reversed(snapshot)) == list(reversed(model))
    assert len(snapshot) == len(snapshot.items()) == len(snapshot.values()) == len(model)

    def whole() -> Iterator[Any]:
        yield lambda: dict(snapshot.items())
        yield lambda: dict(zip(snapshot, snapshot.values(), strict=True))
        yield snapshot.copy
        yield lambda: dict(snapshot)

    for read in whole():
        if good.keys() == model.keys():
            assert read() == good
            assert snapshot == good
            assert snapshot != {**good, "other": ""}
        else:
            try:
                read()
            except DecodeError:
                continue
            raise AssertionError("a bad value was read")


Steps = list[dict[str, bytes | None]]
steps = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from([None, b"1", b"2", BAD]), max_size=4),
    max_size=8,
)


@given(steps=steps, omit=st.booleans(), again=st.booleans(), backwards=st.booleans())
def test_every_look_is_at_one_state(steps: Steps, omit: bool, again: bool, backwards: bool) -> None:
    """`again`: keys that are there are made again, not set. Keys are told in any order."""
    readers = Readers()
    view = new_view(omit=omit, show=readers.show)
    view.gate(gated=False)
    znodes: dict[str, ReadZnode] = {}
    model: dict[str, bytes] = {}
    for zxid, step in enumerate(steps, 1):
        before = expected(model, omit)
        changes: dict[str, ReadZnode | None] = {}
        for key in sorted(step):
            old, raw = znodes.get(key), step[key]
            if raw is None:
                if old is not None:
                    changes[key] = None
                    del znodes[key], model[key]
                continue
            made = zxid if old is None or again else old.czxid
            znodes[key] = node(zxid, raw, made=made)
            if made == zxid:
                model.pop(key, None)  # it goes to the end
            model[key] = raw
            changes[key] = znodes[key]
        after = expected(model, omit)

        if backwards:
            changes = dict(reversed(changes.items()))

        def take(zxid: int = zxid, changes: Mapping[str, ReadZnode | None] = changes) -> None:
            publish(view, zxid, changes)

        seen = readers.during(take)
        assert seen in ([before], [before, after]), "a look at something else, or back"
        assert look(readers.shown) == look(view.values) == after
        assert set(view.bad_keys()) == {key for key, raw in model.items() if raw == BAD}
        check_snapshot(view.snapshot(State.LIVE), model, omit)


def test_every_look_at_a_gated_view_asks_first() -> None:
    readers = Readers()
    view = new_view(show=readers.show)
    publish(view, 1, {"a": node(1)})
    view.gate(gated=True)
    publish(view, 2, {"a": None, "b": node(2, BAD)})
    looks: list[Callable[[], Any]] = [
        lambda: readers.shown["a"],
        lambda: readers.shown.get("a"),
        lambda: "a" in readers.shown,
        lambda: len(readers.shown),
    ]
    for one in looks:
        try:
            one()
        except GatedRead:
            continue
        raise AssertionError("it did not ask")
    assert readers.shown is GATED
    view.gate(gated=False)
    assert "b" in readers.shown
    assert "a" not in readers.shown
