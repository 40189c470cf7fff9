"""Reads a pickle one opcode at a time, and bounds each step before it is taken.

`pickle.loads` trusts its bytes: a hundred of them can build what takes centuries to hash, or nest
so deep that the process dies, and they may call and change whatever they name. The rules here:

- **Only what is named is called.** What may be named is the caller's to say (see `Find`).
- **Depth and size.** Every value is known with how deep it nests, and how large it would be if it
  shared nothing. Both are bounded.
- **What was used is closed.** A list, dict, set or object may be filled until it is put into
  another value. So these figures never grow afterwards, and no value contains itself.
- **Time.** A call costs the size of its arguments; hashing a key its size, and again for every key
  it collides with. The sum is bounded.
- **Only new objects are changed.** What a pickle names belongs to the whole process, and so may
  what a call gives (the member of an enum, a cached object): these are not filled and get no state.
- **A state sets attributes of the object alone**: its own `__dict__` and its slots, or what its
  class makes of it in `__setstate__`.
"""

from __future__ import annotations

import codecs
import functools
import io
import pickle
import pickletools
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, ClassVar, Final

__all__ = ["MAX_DEPTH", "MAX_OPCODES", "MAX_SIZE", "Find", "Machine"]

Find = Callable[[str, str, int], "tuple[Any, Callable[..., Any] | None]"]
"""Looks up a module, a name in it, and the pickle's protocol: gives the object, and what is called
in its place, if not itself. Raises where that may not be named."""

MAX_DEPTH: Final = 200
"""How deep values may nest: as in JSON, far from any limit of Python's and of the C stack's."""
MAX_SIZE: Final = 1 << 24
"""How large a value may be if nothing in it were shared: its objects, and the lengths of its
strings. And what all calls and hashes may cost together, counted in the same way."""
MAX_OPCODES: Final = 1_000_000
"""How many steps a pickle may have: each makes one object at most. A znode of 1 MB has room for
fewer, a compressed one would have for many more."""

_ARGUMENTS: Final = {ord(opcode.code): (opcode.name, opcode.arg) for opcode in pickletools.opcodes}
_LEAVES: Final = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "NONE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
"""The opcodes that push what follows them."""
_SHARED: Final = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType)


class _Item:
    """A value on the machine's stack, and what is known of it."""

    __slots__ = ("again", "checked", "depth", "hashes", "named", "open", "size", "value")

    def __init__(self, value: Any, depth: int = 0, size: int = 1) -> None:
        self.value = value
        self.depth = depth
        self.size = size
        self.open = False  # whether it may still be filled, or get a state
        self.again: Callable[[], Any] | None = None  # the call it is from; None: always a new one
        self.named = False  # whether the pickle named it, so that it may be called
        self.checked: Callable[..., Any] | None = None  # what is called in its place
        self.hashes: dict[int, int] | None = None  # of a container's keys: how many have this one


class Machine:
    """Loads one pickle.

    Args:
        find: looks up what a pickle names.
        encoding: how text of Python 2's `str` type is read, as in `pickle.loads`.
    """

    def __init__(self, find: Find, encoding: str) -> None:
        self._find = find
        self._encoding = encoding
        self._protocol = 0
        self._stack: list[_Item] = []
        self._marks: list[list[_Item]] = []  # the stacks below each mark
        self._memo: dict[int, _Item] = {}
        self._spent = 0

    def load(self, pickled: bytes) -> Any:
        """The value.

        Raises:
            pickle.UnpicklingError: it is damaged, or not allowed; the text says how.
            Exception: what the opcodes' readers and the called functions raise.
        """
        file = io.BytesIO(pickled)
        for _ in range(MAX_OPCODES):
            code = file.read(1)
            if not code:
                raise pickle.UnpicklingError("it is truncated")
            name, argument = _ARGUMENTS.get(code[0], (repr(code), None))
            if name == "STOP":
                return self._pop().value
            if name == "STRING":  # pickletools reads ASCII only
                given: Any = _read_string(file)
            else:
                given = None if argument is None else argument.reader(file)
            if name in _LEAVES:
                self._push(given)
            elif (step := self._STEPS.get(name)) is not None:
                step(self, given)
            else:
                raise pickle.UnpicklingError(f"the opcode {name} is not supported")
        raise pickle.UnpicklingError(f"it has more than {MAX_OPCODES:,} opcodes")

    # -- the stack

    def _push(self, value: Any) -> None:
        text = isinstance(value, (str, bytes, bytearray))
        self._stack.append(_Item(value, 0, 1 + len(value) if text else 1))

    def _push_old_text(self, raw: str | bytes) -> None:
        data = raw.encode("latin-1") if isinstance(raw, str) else raw
        self._push(data if self._encoding == "bytes" else data.decode(self._encoding))

    def _pop(self) -> _Item:
        if not self._stack:
            raise pickle.UnpicklingError("it takes more from its stack than is there")
        return self._stack.pop()

    def _top(self) -> _Item:
        if not self._stack:
            raise pickle.UnpicklingError("it takes more from its stack than is there")
        return self._stack[-1]

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[_Item]:
        if not self._marks:
            raise pickle.UnpicklingError("it refers to a mark that does not exist")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _drop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise pickle.UnpicklingError(f"it refers to memo {index}, which does not exist")
        self._stack.append(self._memo[index])

    def _set_protocol(self, protocol: int) -> None:
        if protocol > pickle.HIGHEST_PROTOCOL:
            raise pickle.UnpicklingError(f"pickle protocol {protocol} is not known")
        self._protocol = protocol

    # -- what is accounted for

    def _grow(self, container: _Item, parts: list[_Item]) -> None:
        """Account for parts that are put into a container: it grows, they change no more."""
        for part in parts:
            part.open, part.hashes = False, None
            container.size += part.size
            container.depth = max(container.depth, part.depth + 1)
        if container.depth > MAX_DEPTH:
            raise pickle.UnpicklingError(f"it nests deeper than {MAX_DEPTH} levels")
        if container.size > MAX_SIZE:
            raise pickle.UnpicklingError(f"without sharing it would be larger than {MAX_SIZE:,}")

    def _hash(self, container: _Item, keys: list[_Item]) -> None:
        """Account for keys that are about to be put into a container."""
        hashes = container.hashes
        if hashes is None:
            hashes = container.hashes = {}
        for key in keys:
            self._spend(key.size)
            found = hash(key.value)
            others = hashes[found] = hashes.get(found, -1) + 1
            self._spend(others * key.size)

    def _spend(self, cost: int) -> None:
        self._spent += cost
        if self._spent > MAX_SIZE:
            raise pickle.UnpicklingError(
                "its calls and keys would take too long, or too many of its keys have the same hash"
            )

    # -- containers

    def _tuple(self, parts: list[_Item]) -> None:
        item = _Item(tuple([part.value for part in parts]), 1)
        self._grow(item, parts)
        self._stack.append(item)

    def _tuple2(self) -> None:
        second, first = self._pop(), self._pop()
        self._tuple([first, second])

    def _tuple3(self) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._tuple([first, second, third])

    def _frozenset(self, parts: list[_Item]) -> None:
        item = _Item(None, 1)
        self._grow(item, parts)
        self._hash(item, parts)
        item.value = frozenset([part.value for part in parts])
        self._stack.append(item)

    def _open(self, value: Any) -> None:
        """Push a container that is to be filled."""
        item = _Item(value, 1)
        item.open = True
        self._stack.append(item)

    def _fill(self, parts: list[_Item]) -> _Item:
        """Account for parts that are put into the container on top of the stack; that container."""
        container = self._top()
        self._grow(container, parts)
        _check_changeable(container)  # it is not, if it is one of the parts
        return container

    def _append(self, parts: list[_Item]) -> None:
        container = self._fill(parts).value
        values = [part.value for part in parts]
        if hasattr(container, "extend"):
            container.extend(values)
        else:
            for value in values:
                container.append(value)

    def _set_items(self, parts: list[_Item]) -> None:
        if len(parts) % 2:
            raise pickle.UnpicklingError("it has a key without a value")
        container = self._fill(parts)
        self._hash(container, parts[::2])
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            container.value[key.value] = value.value

    def _add(self, parts: list[_Item]) -> None:
        container = self._fill(parts)
        self._hash(container, parts)
        for part in parts:
            container.value.add(part.value)

    def _list(self) -> None:
        parts = self._pop_mark()
        self._open([])
        self._append(parts)

    def _dict(self) -> None:
        parts = self._pop_mark()
        self._open({})
        self._set_items(parts)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    # -- names and calls

    def _name(self, module: str, name: str) -> _Item:
        item = _Item(None)
        item.value, item.checked = self._find(module, name, self._protocol)
        item.named = True
        return item

    def _global(self, pair: str) -> None:
        module, _, name = pair.partition(" ")
        self._stack.append(self._name(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop().value, self._pop().value
        if type(name) is not str or type(module) is not str:
            raise pickle.UnpicklingError("it has a name that is not a str")
        self._stack.append(self._name(module, name))

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        self._call(function, arguments)

    def _call(self, function: _Item, arguments: _Item) -> None:
        if not function.named:
            raise pickle.UnpicklingError(
                f"it calls {_shown(function.value)}, which it has not named"
            )
        _check_arguments(arguments)
        called = function.checked or function.value
        if function.checked is not None:
            self._spend(_collisions(arguments.value))
        self._make(arguments, functools.partial(called, *arguments.value), _always_new(called))

    def _make(self, arguments: _Item, call: Callable[[], Any], new: bool) -> None:
        """Push what a call gives; `new`: it is known to be a new object each time."""
        item = _Item(None, 1)
        self._grow(item, [arguments])
        self._spend(arguments.size)
        item.value = call()
        item.open = True
        item.again = None if new else call
        self._stack.append(item)

    def _new(self) -> None:
        arguments, made = self._pop(), self._pop()
        self._new_of(made, arguments, {})

    def _new_ex(self) -> None:
        keywords, arguments, made = self._pop(), self._pop(), self._pop()
        if type(keywords.value) is not dict:
            raise pickle.UnpicklingError("the keyword arguments of a call are not a dict")
        both = _Item(arguments.value, 1)
        self._grow(both, [arguments, keywords])
        self._new_of(made, both, keywords.value)

    def _new_of(self, made: _Item, arguments: _Item, keywords: dict[str, Any]) -> None:
        kind = made.value
        if not made.named or made.checked is not None or not isinstance(kind, type):
            raise pickle.UnpicklingError(f"it makes {_shown(kind)} without its constructor")
        _check_arguments(arguments)
        new = functools.partial(kind.__new__, kind, *arguments.value, **keywords)
        self._make(arguments, new, _always_new(kind))

    def _inst(self, pair: str) -> None:
        module, _, name = pair.partition(" ")
        self._instance(self._name(module, name), self._pop_mark())

    def _obj(self) -> None:
        parts = self._pop_mark()
        if not parts:
            raise pickle.UnpicklingError("it makes an object without naming a class")
        self._instance(parts[0], parts[1:])

    def _instance(self, made: _Item, parts: list[_Item]) -> None:
        self._tuple(parts)
        arguments = self._pop()
        # Python 2's old classes: where there were no arguments the constructor was not called.
        if parts or made.checked is not None or hasattr(made.value, "__getinitargs__"):
            self._call(made, arguments)
        else:
            self._new_of(made, arguments, {})

    def _build(self) -> None:
        state = self._pop()
        item = self._fill([state])
        set_state = getattr(type(item.value), "__setstate__", None)
        if set_state is not None:
            set_state(item.value, state.value)
            return
        attributes, slots = state.value, None
        if type(attributes) is tuple and len(attributes) == 2:
            attributes, slots = attributes
        if attributes:
            _set_attributes(item.value, attributes)
        if slots:
            _set_slots(item.value, slots)

    _STEPS: ClassVar[dict[str, Callable[[Machine, Any], object]]] = {
        "PROTO": _set_protocol,
        "FRAME": lambda *_: None,
        "NEWTRUE": lambda self, _: self._push(True),
        "NEWFALSE": lambda self, _: self._push(False),
        "STRING": _push_old_text,
        "BINSTRING": _push_old_text,
        "SHORT_BINSTRING": _push_old_text,
        "MARK": lambda self, _: self._mark(),
        "POP": lambda self, _: self._drop(),
        "POP_MARK": lambda self, _: self._pop_mark(),
        "DUP": lambda self, _: self._stack.append(self._top()),
        "GET": _get,
        "BINGET": _get,
        "LONG_BINGET": _get,
        "PUT": _put,
        "BINPUT": _put,
        "LONG_BINPUT": _put,
        "MEMOIZE": lambda self, _: self._put(len(self._memo)),
        "EMPTY_TUPLE": lambda self, _: self._tuple([]),
        "TUPLE": lambda self, _: self._tuple(self._pop_mark()),
        "TUPLE1": lambda self, _: self._tuple([self._pop()]),
        "TUPLE2": lambda self, _: self._tuple2(),
        "TUPLE3": lambda self, _: self._tuple3(),
        "EMPTY_LIST": lambda self, _: self._open([]),
        "LIST": lambda self, _: self._list(),
        "APPEND": lambda self, _: self._append([self._pop()]),
        "APPENDS": lambda self, _: self._append(self._pop_mark()),
        "EMPTY_DICT": lambda self, _: self._open({}),
        "DICT": lambda self, _: self._dict(),
        "SETITEM": lambda self, _: self._set_item(),
        "SETITEMS": lambda self, _: self._set_items(self._pop_mark()),
        "EMPTY_SET": lambda self, _: self._open(set()),
        "ADDITEMS": lambda self, _: self._add(self._pop_mark()),
        "FROZENSET": lambda self, _: self._frozenset(self._pop_mark()),
        "GLOBAL": _global,
        "STACK_GLOBAL": lambda self, _: self._stack_global(),
        "REDUCE": lambda self, _: self._reduce(),
        "NEWOBJ": lambda self, _: self._new(),
        "NEWOBJ_EX": lambda self, _: self._new_ex(),
        "INST": _inst,
        "OBJ": lambda self, _: self._obj(),
        "BUILD": lambda self, _: self._build(),
    }
    # What is not here (persistent ids, extension codes, buffers from outside) no value needs.


def _read_string(file: io.BytesIO) -> bytes:
    line = file.readline()
    quoted = line[:-1].strip()
    quotes = quoted[:1] + quoted[-1:]
    if not line.endswith(b"\n") or len(quoted) < 2 or quotes not in (b"''", b'""'):
        raise pickle.UnpicklingError("it has a string without quotes")
    return codecs.escape_decode(quoted[1:-1])[0]


def _check_arguments(arguments: _Item) -> None:
    if type(arguments.value) is not tuple:
        raise pickle.UnpicklingError("the arguments of a call are not a tuple")


def _check_changeable(item: _Item) -> None:
    """Refuse to change what is in use, or what other parts of the process may hold."""
    if not item.open:
        raise pickle.UnpicklingError(
            f"it changes {_shown(item.value)} that is in use, contains itself, or was only named"
        )
    if isinstance(item.value, _SHARED) or (item.again is not None and item.again() is item.value):
        raise pickle.UnpicklingError(
            f"it changes {_shown(item.value)} that belongs to the whole process"
        )


def _set_attributes(value: Any, attributes: Any) -> None:
    own = getattr(value, "__dict__", None)
    if type(own) is not dict or type(attributes) is not dict:
        raise pickle.UnpicklingError(f"{_shown(value)} does not accept this state")
    for name in attributes:
        if type(name) is not str:
            raise pickle.UnpicklingError("the name of an attribute is not a str")
    own.update((sys.intern(name), found) for name, found in attributes.items())


def _set_slots(value: Any, slots: Any) -> None:
    if type(slots) is not dict:
        raise pickle.UnpicklingError(f"{_shown(value)} does not accept this state")
    for name, found in slots.items():
        slot = next((vars(base)[name] for base in type(value).__mro__ if name in vars(base)), None)
        if not isinstance(slot, MemberDescriptorType):
            raise pickle.UnpicklingError(f"{_shown(value)} has no slot {name!r}")
        slot.__set__(value, found)


def _always_new(function: Any) -> bool:
    """Whether each call is known to make an object, or one that cannot be changed at all."""
    return (
        isinstance(function, type)
        and type(function).__call__ is type.__call__
        and isinstance(function.__new__, BuiltinFunctionType)
    )


def _shown(value: object) -> str:
    kind = value if isinstance(value, type) else type(value)
    return f"{'the class' if kind is value else 'an object of'} {kind.__module__}.{kind.__name__}"


def _collisions(arguments: tuple[Any, ...]) -> int:
    """How many pairs of a list's elements have the same hash: what making a set of it compares."""
    counts: dict[int, int] = {}
    for element in arguments[0] if arguments and type(arguments[0]) is list else ():
        found = hash(element)
        counts[found] = counts.get(found, 0) + 1
    return sum(count * (count - 1) // 2 for count in counts.values())
