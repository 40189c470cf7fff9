"""The public names, for the reference: it has every one of them, under the name that users import.

Rules that live here:

- A name is public if it is in the `__all__` of a module of `FACES`.
- A private module's name for a public thing leads to its public name.
- A private base class is not shown; its public bases are.
- A class that users do not make is shown without the arguments of its constructor.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
import sys
import types
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin

import kazoo.exceptions
from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from zkdict import keys
from zkfake._channel import outages, rules
from zkfake._ensemble import stats
from zkfake._history import events
from zkfake._search import trials
from zkfake._simulation.stand_ins import log_lines

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

FACES = (
    "zkdict",
    "zkdict.redis",
    "zkfake",
    "zkfake.history",
    "zkfake.proxy",
    "zkfake.simulation",
    "zkfake.web",
    "pytest_zkdict.live",
    "pytest_zkdict.live.faults",
    "pytest_zkdict.stateful",
)
"""The modules whose ``__all__`` says what is public; tests/structure has the same list."""

OURS = ("zkdict", "zkfake", "pytest_zkdict")
_TYPE_VARIABLE = re.compile(r"(?:.*\.)?[A-Z]")

_logger = logging.getLogger(__name__)


class Public(NamedTuple):
    """A public name."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


@cache
def public() -> tuple[Public, ...]:
    """Every public name of every module of `FACES`."""
    modules = ((face, importlib.import_module(face)) for face in FACES)
    return tuple(
        Public(face, name, getattr(module, name))
        for face, module in modules
        for name in module.__all__
    )


@cache
def paths() -> dict[str, str]:
    """The public name of what is public, by its name in the private module that defines it."""
    found: dict[str, str] = {}
    for each in public():
        if isinstance(each.value, (type, types.FunctionType)):
            found.setdefault(f"{each.value.__module__}.{each.value.__qualname__}", each.path)
    return found


@cache
def private_classes() -> dict[str, str]:
    """Where each class of ours is defined that is not public, by its name."""
    return {
        name: f"{value.__module__}.{name}"
        for module_name, module in [*sys.modules.items()]
        if module_name.startswith(OURS)
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__.startswith(OURS)
        and f"{value.__module__}.{name}" not in paths()
    }


@cache
def exceptions() -> dict[str, str]:
    """The full name of every error that a docstring may name: ours, kazoo's and Python's own."""
    found = {name: name for name, value in vars(builtins).items() if _is_exception(value)}
    for name, value in vars(kazoo.exceptions).items():
        if _is_exception(value):
            found.setdefault(name, f"kazoo.exceptions.{name}")
    return found | {each.name: each.path for each in public() if _is_exception(each.value)}


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _qualify(app: Sphinx, tree: nodes.document) -> None:
    """In signatures the code names types bare, or by a private module; here they get their full
    names.
    """
    for node in [*tree.findall(addnodes.pending_xref)]:
        if node.get("refdomain") == "py" and node["reftype"] == "class":
            node["reftarget"] = full_name(node["reftarget"], node.get("py:module") or "")
            node.attributes.pop("refspecific", None)
            node["py:module"] = node["py:class"] = None
            spelled = _SPELLED.get(node["reftarget"].rpartition(".")[2])
            if spelled is not None:
                node.replace_self(nodes.Text(_spelled(spelled)))


def full_name(name: str, module: str = "") -> str:
    """The name under which the reference has it, or another project's."""
    if name in paths():
        return paths()[name]
    if name in _STANDS_FOR:
        return _STANDS_FOR[name]
    owner, _, member = name.rpartition(".")
    if owner in paths():
        return f"{paths()[owner]}.{member}"
    if not owner:
        named = [each for each in public() if each.name == name]
        for each in sorted(named, key=lambda each: each.module != module):
            return paths().get(_defined(each.value), each.path)
        return private_classes().get(name) or _ELSEWHERE.get(name, name)
    return name


def _defined(value: object) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"


_ELSEWHERE = {
    name: f"{module}.{name}"
    for module, names in {
        "collections.abc": "Callable Iterable Iterator Mapping Sequence",
        "contextlib": "AbstractContextManager ExitStack",
        "enum": "Enum",
        "hypothesis": "settings",
        "hypothesis.strategies": "SearchStrategy",
        "kazoo.client": "KazooClient",
        "os": "PathLike",
        "pathlib": "Path",
        "random": "Random",
        "types": "ModuleType",
    }.items()
    for name in names.split()
}
"""What is imported for type checkers only, so that nothing but its bare name is left."""

_STANDS_FOR = {
    "zkdict._views.Items": "collections.abc.ItemsView",
    "zkdict._views.Keys": "collections.abc.KeysView",
    "zkdict._views.Values": "collections.abc.ValuesView",
    "zkdict._writes.txn.Transaction": "zkdict.Txn",  # what it gives in a with statement
    "DictHistory": "zkfake.history.History",
    "JudgedDicts": "pytest_zkdict.stateful.ZooKeeperDictMachine",
    "SimulationHandler": "kazoo.interfaces.IHandler",
    "txn.Txn": "zkdict.Txn",
    "SupportsKeysAndGetItem": "collections.abc.Mapping",
}
"""Private classes that are no more to users than what they stand for."""

_SPELLED = {
    "Acls": tuple,
    "Direction": outages.Direction,
    "Exceptions": trials.Exceptions,
    "KeyEncoding": keys.KeyEncoding,
    "Mode": stats.Mode,
    "Place": "Place",  # a world that the machines run in: they make it
    "Point": rules.Point,
    "Program": trials.Program,
    "Promise": "Promise",  # what zkfake.history.exactly_once and its like give
    "Scalar": events.Scalar,
    "WantedLevels": log_lines.WantedLevels,
    "Write": "Write",  # a call of a dict, as the machine makes them
}
"""Names for types that are shorter than these, and say less to users."""


def _spelled(type_: object) -> str:
    if isinstance(type_, str):
        return type_
    if isinstance(type_, type):
        return type_.__name__
    if get_origin(type_) is Literal:
        return " | ".join(repr(each) for each in get_args(type_))
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", str(type_))


def _resolved(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.TextElement
) -> nodes.Element | None:
    """A type variable leads nowhere. An error in a docstring may be named bare."""
    target = node["reftarget"]
    if node.get("refdomain") != "py":
        return None
    if _TYPE_VARIABLE.fullmatch(target):
        return shown
    full = full_name(target, node.get("py:module") or "")
    if full == target:
        return None
    domain = env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, shown)


def _signature(
    app: Sphinx, what: str, name: str, value: object, options: object, given: str, returned: str
) -> tuple[str, str] | None:
    """A class whose constructor takes what only its package has is not made by users."""
    if what in ("class", "exception") and not _is_for_users(given or ""):
        return "", ""
    if given and "<" in given:
        return re.sub("<[^<>]+>", "...", given), returned  # defaults without a name
    return None


def is_made_by_users(constructor: Any) -> bool:
    """Whether users call this constructor."""
    return _is_for_users(str(inspect.signature(constructor)))


def _is_for_users(arguments: str) -> bool:
    words = set(re.findall(r"\w+", arguments))
    return not words & (private_classes().keys() - _SHOWN)


_SHOWN = frozenset({"DictHistory", "PlainZnode"})


def _bases(app: Sphinx, name: str, value: object, options: object, bases: list[type]) -> None:
    """The public bases, instead of the private ones between."""
    found: list[type] = []
    for base in bases:
        found += [each for each in _public_bases(base) if each not in found]
    bases[:] = found


def _public_bases(base: Any) -> list[type]:
    origin = getattr(base, "__origin__", base)
    known = f"{origin.__module__}.{origin.__qualname__}" in paths()
    if known or not origin.__module__.startswith(OURS):
        return [base]
    return [found for each in origin.__bases__ for found in _public_bases(each)]


def _skip(
    app: Sphinx, what: str, name: str, value: object, skipped: bool, options: object
) -> bool | None:
    """Of the operators, those of our own classes are shown."""
    if not name.startswith("__"):
        return None
    return None if (getattr(value, "__module__", None) or "").startswith(OURS) else True


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of each public name that the reference lacks."""
    there = env.domains.python_domain.objects
    for each in public():
        if each.path not in there:
            _logger.warning("the reference lacks %s", each.path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", _qualify)
    app.connect("missing-reference", _resolved)
    app.connect("autodoc-process-bases", _bases)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    app.connect("env-check-consistency", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
