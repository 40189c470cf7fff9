"""What a pickle in a znode may try: to call what is not allowed, to change what belongs to the
whole process, to hang it, to fill its memory, to end it. Each attempt has a name.

`NAMES` is the allow-list of all of them: classes and functions of this module, and some that are
often allowed. What could end or hang the process is tried in another one.
"""

import base64
import collections
import copyreg
import enum
import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zkdict._unpickling
from zkdict import DecodeError, Pickle
from zkdict._unpickling import MAX_DEPTH

HERE = __name__


class Plain:
    kind: ClassVar[str] = "plain"


class Slotted:
    __slots__ = ("x",)
    kind: ClassVar[str] = "slotted"
    x: Any


class Colour(enum.Enum):
    RED = 1


class Single:
    made: ClassVar[Any] = None

    def __new__(cls) -> Any:
        cls.made = cls.made or super().__new__(cls)
        return cls.made


REGISTRY: dict[str, Any] = {}
LIST: list[Any] = []
RAN: list[Any] = []


def function(value: int = 1) -> int:
    return value


def registry() -> dict[str, Any]:
    return REGISTRY


def kind_of(value: Any) -> Any:
    return type(value)


def forbidden(*arguments: Any) -> None:
    RAN.append(arguments)


NAMES = [f"{HERE}.{name}" for name in ("Plain", "Slotted", "Colour", "Single", "REGISTRY", "LIST")]
NAMES += [f"{HERE}.{name}" for name in ("function", "registry", "kind_of")]
NAMES += ["collections.OrderedDict", "collections.deque", "datetime.date", "decimal.Decimal"]
NAMES += ["functools.partial", "types.SimpleNamespace"]


def named(name: str, module: str = HERE) -> bytes:
    return b"c%s\n%s\n" % (module.encode(), name.encode())


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def dumped(value: Any) -> bytes:
    """The opcodes that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def long(value: int) -> bytes:
    raw = pickle.encode_long(value)
    return b"\x8a" + bytes([len(raw)]) + raw


def slots(state: dict[str, Any]) -> bytes:
    """A state for slots alone."""
    return dumped((None, state))


MODULE = HERE.encode()
FORBIDDEN = named("forbidden")

CALLS = {
    "a name": FORBIDDEN + b")R",
    "a name from the stack": text(HERE) + text("forbidden") + b"\x93)R",
    "a name from the stack that is bytes": b"C%c" % len(MODULE) + MODULE + b"C\x09forbidden\x93)R",
    "an old instance": b"(i%s\nforbidden\n" % MODULE,
    "an old object": b"(" + FORBIDDEN + b"o",
    "a new object": named("Popen", "subprocess") + dumped((["true"],)) + b"\x81",
    "a new object with keywords": named("Popen", "subprocess") + dumped(((), {})) + b"\x92",
    "through a dotted name": b"\x80\x04"
    + text(HERE)
    + text("Plain.__init__.__globals__")
    + b"\x93",
    "a dot in front": b"\x80\x04" + text(f"{HERE}.Plain.__class__") + text("mro") + b"\x93)R",
    "the module of an allowed class": b"\x80\x04" + text("datetime") + text("sys.exit") + b"\x93)R",
    "a longer name than the allowed one": named("datetime", "datetime") + dumped((1, 1, 1)) + b"R",
    "a shorter name than the allowed one": named("dat", "datetime") + b")R",
    "blanks around a name": b"c %s\n forbidden\n)R" % MODULE,
    "Python 2's builtins": named("eval", "__builtin__") + dumped(("1",)) + b"R",
    "Python 2's apply": named("apply", "__builtin__") + b"(" + FORBIDDEN + b")tR",
    "Python 2's reconstructor": named("_reconstructor", "copy_reg") + b"(" + FORBIDDEN * 2 + b"NtR",
    "getattr": named("getattr", "builtins") + b"(" + named("Plain") + text("mro") + b"tR",
    "an extension code": b"\x82\x07)R",
    "an extension code of two bytes": b"\x83\x07\x00)R",
    "an extension code of four bytes": b"\x84\x07\x00\x00\x00)R",
    "a persistent id": text("forbidden") + b"Q",
    "a persistent id as text": b"Pforbidden\n",
    "a buffer from outside": b"\x97",
    "what a call gave": named("partial", "functools") + b"(" + named("function") + b"tR)R",
    "what stands in the memo": named("function") + b")Rq\x00h\x00)R",
    "a str": text("forbidden") + b")R",
    "arguments that are a list": named("function") + b"]R",
    "arguments that are an object": named("function") + named("Plain") + b")\x81R",
    "a class of the plain ones past its check": named("bytes", "builtins") + dumped((9,)) + b"\x81",
    "a plain one with too much": named("bytearray", "builtins") + dumped((1 << 40,)) + b"R",
    "a codec": named("encode", "_codecs") + dumped(("x", "zip")) + b"R",
}
"""To call, or get, what is not allowed."""

CHANGES = {
    "a class's attribute by its slots": named("Plain") + slots({"kind": "other"}) + b"b",
    "a class's attribute": named("Plain") + dumped({"kind": "other"}) + b"b",
    "a slotted class": named("Slotted") + slots({"x": 1}) + b"b",
    "a class that a call gave": named("kind_of")
    + b"("
    + named("Plain")
    + b")\x81tR"
    + slots({"kind": "other"})
    + b"b",
    "a function's defaults": named("function") + slots({"__defaults__": (2,)}) + b"b",
    "a function's attributes": named("function") + dumped({"x": 1}) + b"b",
    "a plain name's attributes": named("set", "builtins") + slots({"x": 1}) + b"b",
    "the member of an enum": named("Colour") + dumped((1,)) + b"R" + dumped({"_value_": 2}) + b"b",
    "the one object of its class": named("Single") + b")R" + dumped({"x": 1}) + b"b",
    "the one object, past its constructor": named("Single") + b")\x81" + dumped({"x": 1}) + b"b",
    "an object's class": named("Plain")
    + b")\x81"
    + b"N}"
    + text("__class__")
    + named("Slotted")
    + b"s\x86b",
    "an object's whole dict": named("Plain") + b")\x81" + slots({"__dict__": {}}) + b"b",
    "an attribute of the class, through an object": named("Slotted")
    + b")\x81"
    + slots({"kind": "other"})
    + b"b",
    "a dict of a module": named("REGISTRY") + text("x") + b"Ns",
    "many items of it": named("REGISTRY") + b"(" + text("x") + b"Nu",
    "a dict that a function gave": named("registry") + b")R" + text("x") + b"Ns",
    "a list of a module": named("LIST") + b"Na",
    "more of it": named("LIST") + b"(Ne",
    "a list of a module, as a set": named("LIST") + b"(N\x90",
    "a list that is in use": b"]q\x00\x85h\x00Na",
    "itself into itself": b"]q\x00h\x00a",
    "itself into itself, by way of a tuple": b"]q\x00h\x00\x85a",
    "a dict into itself": b"}q\x00Nh\x00s",
    "an object into its own state": named("Plain") + b")\x81q\x00}" + text("x") + b"h\x00sb",
    "a state without names": named("Plain") + b")\x81" + dumped({1: 1}) + b"b",
    "a state that is not a dict": named("Plain") + b")\x81" + dumped([1]) + b"b",
    "a state that is a list of names": named("Plain") + b")\x81" + dumped(["kind"]) + b"b",
    "a state of an object without attributes": named("Slotted")
    + b")\x81"
    + dumped({"x": 1})
    + b"b",
    "slots that are not a dict": named("Slotted") + b")\x81" + dumped((None, [1])) + b"b",
}
"""To change what belongs to the process, or what is in use already."""


@pytest.fixture(autouse=True)
def nothing_happened() -> Iterator[None]:
    RAN.clear()
    copyreg.add_extension(HERE, "forbidden", 7)
    colours = dict(vars(Colour.RED))
    single = Single()
    yield
    copyreg.remove_extension(HERE, "forbidden", 7)
    assert RAN == []
    assert vars(Plain)["kind"] == "plain"
    assert vars(Slotted)["kind"] == "slotted"
    assert isinstance(vars(Slotted)["x"], type(Slotted.x))
    assert vars(Colour.RED) == colours
    assert vars(single) == {}
    assert function() == 1
    assert vars(function) == {}
    assert REGISTRY == {}
    assert LIST == []


def decode(pickled: bytes) -> Any:
    if not pickled.startswith(b"\x80"):
        pickled = b"\x80\x02" + pickled
    return Pickle(allow=NAMES).decode(base64.b64encode(pickled + b"."))


MALFORMED = {
    "a protocol that is not known": (b"\x80\xff)", "pickle protocol 255 is not known"),
    "an object without a class": (b"(o", "it makes an object without naming a class"),
    "keywords that are a list": (
        named("Plain") + b")]\x92",
        "the keyword arguments of a call are not a dict",
    ),
    "a string without quotes": (b"Sabc\n", "it has a string without quotes"),
    "a string with half its quotes": (b"S'abc\n", "it has a string without quotes"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_no_pickle_has(what: str) -> None:
    pickled, told = MALFORMED[what]
    with pytest.raises(DecodeError, match=told):
        decode(pickled)


@pytest.mark.parametrize("attempt", [*CALLS, *CHANGES])
def test_an_attempt_to_call_or_to_change(attempt: str) -> None:
    with pytest.raises(DecodeError, match="not a readable pickle") as caught:
        decode((CALLS | CHANGES)[attempt])
    assert "takes more from its stack" not in str(caught.value)  # the attempt itself is whole
    assert "has no attribute" not in str(caught.value)  # and it was no accident


@pytest.mark.parametrize("string", [b"'", b'"', b"", b"x", b"'x", b"x'", b"'x\"", b"'x' y"])
def test_a_string_has_its_quotes(string: bytes) -> None:
    with pytest.raises(DecodeError, match="a string without quotes"):
        decode(b"S" + string + b"\n")
    assert decode(b"S''\n") == ""


def test_there_are_enough_attempts() -> None:
    assert len(CALLS) >= 25


# What is like an attempt, and right.


class State:
    """With attributes and a slot, as `object.__reduce_ex__` stores them."""

    __slots__ = ("__dict__", "slot")

    def __init__(self, slot: Any, **others: Any) -> None:
        self.slot = slot
        self.__dict__.update(others)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and (self.slot, vars(self)) == (other.slot, vars(other))

    __hash__ = None  # type: ignore[assignment]


class OwnState:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __getstate__(self) -> Any:
        return [self.value]

    def __setstate__(self, state: Any) -> None:
        (self.value,) = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnState) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


class Keywords:
    def __new__(cls, *, value: Any) -> Any:
        made = super().__new__(cls)
        made.value = value
        return made

    value: Any

    def __getnewargs_ex__(self) -> Any:
        return (), {"value": self.value}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keywords) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        State(1, other=[2]),
        State(None),
        OwnState({"a": 1}),
        Colour.RED,
        {"a": State(1), "b": [OwnState(2)]},
        SimpleNamespace(a=1),
        __import__("collections").OrderedDict([("b", 1), ("a", 2)]),
        __import__("collections").deque([1, 2], maxlen=3),
        __import__("collections").defaultdict(set, {"a": {1}}),
        __import__("collections").Counter("hello"),
        ValueError("an error", 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_with_a_state(value: Any, protocol: int) -> None:
    names = [f"{HERE}.{kind.__name__}" for kind in (State, OwnState, Colour)]
    names += [f"collections.{name}" for name in ("OrderedDict", "deque", "defaultdict", "Counter")]
    names += ["types.SimpleNamespace", "builtins.ValueError", "exceptions.ValueError"]
    pickled = pickle.dumps([value, value], protocol)
    one, two = Pickle(allow=names).decode(base64.b64encode(pickled))
    assert one is two  # shared as it was
    assert repr(one) == repr(value) or one == value
    assert type(one) is type(value)


@pytest.mark.parametrize("protocol", [4, 5])
def test_an_object_made_with_keywords(protocol: int) -> None:
    value = Keywords(value=[1])
    pickled = base64.b64encode(pickle.dumps(value, protocol))
    assert Pickle(allow=[f"{HERE}.Keywords"]).decode(pickled) == value


def test_an_old_instance_with_arguments_is_constructed() -> None:
    old = b"((lp0\nI1\naicollections\ndeque\n."
    new = b"(" + named("deque", "collections") + b"]K\x01ao"
    assert Pickle(allow=NAMES).decode(base64.b64encode(old)) == collections.deque([1])
    assert decode(new) == collections.deque([1])


def test_an_old_instance_without_arguments_is_not_constructed() -> None:
    old = b"(i%s\nPlain\n(dp0\nS'x'\nI1\nsb." % MODULE
    made = Pickle(allow=NAMES).decode(base64.b64encode(old))
    assert type(made) is Plain
    assert vars(made) == {"x": 1}


def test_as_deep_as_may_be() -> None:
    value: Any = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert Pickle().decode(Pickle().encode(value)) == value
    with pytest.raises(ValueError, match="nests deeper than 200 levels"):
        Pickle().encode([value])


def unshared_size(value: Any) -> int:
    """Its objects, and the lengths of its strings, each as often as it is in there."""
    if isinstance(value, (str, bytes)):
        return 1 + len(value)
    if isinstance(value, dict):
        return 1 + sum(map(unshared_size, [*value, *value.values()]))
    return 1 + sum(map(unshared_size, value)) if isinstance(value, (list, tuple)) else 1


@given(
    value=st.recursive(
        st.none() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: (
            inner.map(lambda each: [each, each])
            | inner.map(lambda each: (each, [each, each]))
            | st.lists(inner, max_size=3)
            | st.dictionaries(st.text(), inner, max_size=3)
        ),
    ),
    protocol=st.sampled_from([3, 4]),
)
def test_as_large_as_may_be(value: Any, protocol: int) -> None:
    pickled = base64.b64encode(pickle.dumps([value], protocol))
    size = unshared_size([value])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zkdict._unpickling, "MAX_SIZE", size)
        assert Pickle().decode(pickled) == [value]
        patch.setattr(zkdict._unpickling, "MAX_SIZE", size - 1)
        with pytest.raises(DecodeError, match="larger than"):
            Pickle().decode(pickled)


def test_keys_that_collide_cost_their_comparisons() -> None:
    number = (1 << 61) - 1
    keys = [0, number, 2 * number]  # of one hash: three to hash, and three pairs to compare
    with pytest.MonkeyPatch.context() as patch:
        for value, cost in ((dict.fromkeys(keys), 6), (set(keys), 6), (dict.fromkeys("abc"), 6)):
            pickled = base64.b64encode(pickle.dumps(value, 4))
            patch.setattr(zkdict._unpickling, "MAX_SIZE", max(cost, unshared_size([*value]) + 3))
            assert Pickle().decode(pickled) == value
        patch.setattr(zkdict._unpickling, "MAX_SIZE", 5)
        with pytest.raises(DecodeError, match="same hash"):
            Pickle().decode(base64.b64encode(pickle.dumps(frozenset(keys), 4)))


# What would hang the process, fill its memory or end it.

COLLIDING = [long(number * ((1 << 61) - 1)) for number in range(50_000)]
STRING = b"B" + struct.pack("<I", 400_000) + b"x" * 400_000 + b"q\x00"

HEAVY = {
    "tuples doubled and hashed": b"})" + b"2\x86" * 60 + b"Ns",
    "tuples doubled": b")" + b"2\x86" * 60,
    "tuples doubled in frozensets": b")q\x00" + b"0(h\x00\x91h\x00\x86q\x00" * 40,
    "a deep tuple hashed": b"})" + b"\x85" * 300_000 + b"Ns",
    "a deep list": b"]" * 300_000 + b"a" * 299_999,
    "a deep list made from outside": b"]q\x00" + b"]h\x00aq\x00" * 1000,
    "lists chained after they were used": b"]q\x00q\x01" + b"]q\x02h\x01h\x02a0h\x02q\x01" * 5000,
    "deep states": (b"ctypes\nSimpleNamespace\n)\x81}X\x01\0\0\0x" * 5000) + b"N" + b"sb" * 5000,
    "numbers of one hash in a dict": b"}(" + b"N".join(COLLIDING) + b"Nu",
    "numbers of one hash, one at a time": b"}" + b"Ns".join(COLLIDING) + b"Ns",
    "numbers of one hash in a set": b"\x8f(" + b"".join(COLLIDING) + b"\x90",
    "numbers of one hash in a frozenset": b"(" + b"".join(COLLIDING) + b"\x91",
    "numbers of one hash in an old set": b"cbuiltins\nset\n](" + b"".join(COLLIDING) + b"e\x85R",
    "one large key again and again": b"(" + b"N" * 90_000 + b"tq\x000" + b"}h\x00Ns0" * 100_000,
    "one string many times": STRING + b"0(" + b"h\x00" * 100_000 + b"t",
    "one string copied many times": STRING
    + b"0("
    + b"cbuiltins\nbytearray\nh\x00\x85R" * 9000
    + b"t",
    "a number of many digits": b"I" + b"7" * 700_000 + b"\n",
    "a string of more bytes than there are": b"\x8d" + b"\xff" * 7 + b"\x7f",
    "more opcodes than any value needs": b"(" + b"N" * 1_000_000 + b"t",
}

TRY = """
import base64, sys
from tests.dict import test_pickle_attempts as attempts
from zkdict import DecodeError
for name, pickled in attempts.HEAVY.items():
    print(name, end=": ", flush=True)
    try:
        attempts.decode(pickled)
    except DecodeError as error:
        print(error.reason[:60], flush=True)
    else:
        print("read", flush=True)
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """What became of the heavy attempts, as far as the process that tries them came."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", TRY], stdout=subprocess.PIPE, timeout=240, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        done = error.stdout or b""
    return dict(line.split(": ", 1) for line in done.decode().splitlines() if ": " in line)


@pytest.mark.parametrize("attempt", HEAVY)
def test_an_attempt_to_hang_or_to_end_the_process(attempt: str, outcomes: dict[str, str]) -> None:
    outcome = outcomes.get(attempt, "hung, or ended the process")
    assert outcome.startswith("it is not a readable pickle")
    assert "takes more from its stack" not in outcome
