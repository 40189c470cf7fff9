"""Every patch that a simulation makes in the process, and their removal. Nothing else patches
anything.

What is patched while a simulation runs (in whatever thread; code in other threads still gets the
real thing):

- In every loaded module of `PACKAGES`, and in every module a simulation names: globals that are the
  modules ``time``, ``random``, ``uuid``, ``os``, ``socket``, ``threading``, ``queue`` and
  ``datetime``, or functions and classes imported from them, are the simulation's.
- What functions of those modules import when they run.
- Locks, events, queues and thread-local attributes that those modules made when they were imported
  (`zkfake._simulation.patching.exchange`).
- The same in ``concurrent.futures``, so that a `ThreadPoolExecutor` that a simulation makes runs in
  it; in ``logging`` the time, the process and the thread, but not its locks; in ``tempfile`` the
  names (`zkfake._simulation.stand_ins.library`).
- Where a simulation wants what is logged, `logging.Logger.isEnabledFor` and ``callHandlers``
  (`zkfake._simulation.stand_ins.log_lines`).
- The objects in `MADE_ANEW`: each simulation has its own.
- ``set`` in the modules of `ORDERED_SETS`, so that kazoo calls its listeners and watchers in the
  order in which they were registered, and a pool waits for its threads and futures in theirs, not
  by their addresses in memory.
- The default arguments in `DEFAULT_ARGUMENTS`, which kazoo bound when it was imported.
- ``kazoo.client.SequentialThreadingHandler``: a `KazooClient` made without a handler inside a
  simulation gets the simulation's.
- The cyclic garbage collector's own timing, which no seed determines; the scheduler collects.
- `time.sleep`, `threading.Thread` and `threading.Condition.wait` themselves, to refuse with a clear
  error what would block the one thread that all tasks share.

A package that is named is patched whole: what it had imported before, and what it imports while the
simulation runs.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import sys
import threading
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

from zkfake._simulation.errors import SimulationError
from zkfake._simulation.patching import supported
from zkfake._simulation.patching.exchange import exchanges, made_anew
from zkfake._simulation.stand_ins import library, log_lines
from zkfake._simulation.stand_ins.current import CurrentSimulation, current, enter
from zkfake._simulation.stand_ins.stand_ins import (
    GUARDED,
    make_set,
    plain_handler,
    replacement,
    replacements,
    stand_in_for_default,
)

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

__all__ = ["PACKAGES", "current", "install", "remove"]

PACKAGES = ("kazoo", "zkdict")
_LEFT_ALONE = ("kazoo.testing", "kazoo.tests", "kazoo.handlers.gevent", "kazoo.handlers.eventlet")
_ORDERED_SETS_OF_KAZOO = (
    "kazoo.client",
    "kazoo.recipe.cache",
    "kazoo.recipe.lock",
    "kazoo.recipe.queue",
)
ORDERED_SETS = (
    *_ORDERED_SETS_OF_KAZOO,
    "concurrent.futures._base",
    "concurrent.futures.thread",
)
MADE_ANEW = {"zkdict._threads": "_threads"}
"""Objects that count threads: those of a simulation end with it, and nobody tells the object."""
DEFAULT_ARGUMENTS = (
    ("kazoo.retry", "KazooRetry"),
    ("kazoo.recipe.lease", "NonBlockingLease"),
    ("kazoo.recipe.lease", "MultiNonBlockingLease"),
)
_IMPORTED_FIRST = (
    "kazoo.client",
    "kazoo.recipe.cache",
    "kazoo.recipe.lease",
    "kazoo.handlers.threading",
)


_lock = threading.Lock()
_checked = False
_installed = 0
_undo: list[Callable[[], None]] = []
_patched_modules: dict[int, types.ModuleType] = {}
"""By the ids of their globals: two files may be modules of one name, as pytest's conftest.py are.
"""

_collect_at = 0
"""Memory blocks in use at which the collector is told to look for old garbage."""


def install(simulation: CurrentSimulation, modules: Iterable[str | types.ModuleType]) -> None:
    """Make ``simulation`` this thread's simulation and patch what is not patched yet. ``modules``:
    by their names, or themselves, where several have one name or none is imported by it.

    Raises `SimulationError` where the thread has a simulation already, `UnsupportedKazoo` for a
    kazoo that lacks something to patch, `ImportError` for an unknown module.
    """
    global _checked, _installed
    if current() is not None:
        raise SimulationError(
            "this thread has a simulation already; end it before you start the next one"
        )
    modules = tuple(modules)
    names = [module for module in modules if isinstance(module, str)]
    if not _checked:
        supported.check(_ORDERED_SETS_OF_KAZOO, DEFAULT_ARGUMENTS)
        _checked = True
    for name in (*_IMPORTED_FIRST, *ORDERED_SETS, *names):
        importlib.import_module(name)
    with _lock:
        try:
            if not _installed:
                _patch_interpreter()
                _patch_kazoo()
                _patch_library()
            for module in modules:
                if not isinstance(module, str):
                    _patch_once(module)
            for name in _modules_of(names):
                _patch_once(sys.modules[name])
            if simulation.lines is not None:
                _patch_logging()
            _watch_imports((*PACKAGES, *names))
        except BaseException:
            if not _installed:
                _restore()
            raise
        _installed += 1
    enter(simulation)


def remove() -> None:
    """End this thread's simulation; the last one to end restores everything."""
    global _installed
    enter(None)
    with _lock:
        _installed -= 1
        if not _installed:
            _restore()


def _restore() -> None:
    while _undo:
        _undo.pop()()
    _patched_modules.clear()


def _set(target: Any, name: str, value: Any) -> None:
    missing = object()
    before = vars(target).get(name, missing)
    setattr(target, name, value)
    if before is missing:
        _undo.append(lambda: delattr(target, name))
    else:
        _undo.append(lambda: setattr(target, name, before))


def _patch_interpreter() -> None:
    if gc.isenabled():
        gc.disable()
        _undo.append(_collect_again)
    for target, name, value in GUARDED:
        _set(target, name, value)
    _set(builtins, "__import__", _import)


_real_import = builtins.__import__


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002  # as Python calls it
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> types.ModuleType:
    """What a function of a patched module imports is what its globals would have."""
    module = _real_import(name, globals, locals, fromlist or (), level)
    if id(globals) not in _patched_modules or current() is None:
        return module
    stand_in: types.ModuleType | None = replacement(module)
    return module if stand_in is None else stand_in


def _collect_again() -> None:
    """Turn the collector on. It looks for old garbage when many objects were made while it was on,
    which they are not where one simulation follows the other: so it is told to, as the collector's
    own rule has it, once memory in use has grown by a quarter. A look costs as much as all that is
    in use, which in a large test run is a hundred times what a simulation leaves.
    """
    global _collect_at
    gc.enable()
    if sys.getallocatedblocks() > _collect_at:
        gc.collect()
        _collect_at = 50_000 + sys.getallocatedblocks() * 5 // 4


def _patch_kazoo() -> None:
    client = sys.modules["kazoo.client"]
    _set(
        client,
        "SequentialThreadingHandler",
        plain_handler(vars(client)["SequentialThreadingHandler"]),
    )
    for name in ORDERED_SETS:
        _set(sys.modules[name], "set", make_set)
    for module, name in DEFAULT_ARGUMENTS:
        function = getattr(sys.modules[module], name).__init__
        defaults = tuple(stand_in_for_default(value) for value in function.__defaults__ or ())
        _set_defaults(function, defaults)


def _set_defaults(function: Any, defaults: tuple[Any, ...]) -> None:
    before = function.__defaults__
    function.__defaults__ = defaults
    _undo.append(lambda: setattr(function, "__defaults__", before))


def _patch_library() -> None:
    for name in library.PATCHED_BESIDE:
        if name in sys.modules:
            _patch_once(sys.modules[name])
    for target, name, value in library.patches():
        _set(target, name, value)
    _undo.append(library.forget_threads)


def _patch_logging() -> None:
    for target, name, value in log_lines.patches():
        if vars(target)[name] is not value:
            _set(target, name, value)


def _modules_of(named: Iterable[str]) -> list[str]:
    """The modules to patch, of those that are loaded."""
    packages = (*PACKAGES, *named)
    prefixes = tuple(package + "." for package in packages)
    return [
        name
        for name, module in list(sys.modules.items())
        if (name in packages or name.startswith(prefixes))
        and not name.startswith(_LEFT_ALONE)
        and module is not None
    ]


def _patch_once(module: types.ModuleType) -> None:
    if id(vars(module)) not in _patched_modules:
        _patched_modules[id(vars(module))] = module
        _patch_module(module)


def _patch_module(module: types.ModuleType) -> None:
    for name, value in replacements(vars(module)):
        _set(module, name, value)
    if module.__name__ in MADE_ANEW:
        name = MADE_ANEW[module.__name__]
        _set(module, name, made_anew(vars(module)[name]))
    if not module.__name__.startswith(PACKAGES):  # these make nothing of the kind when imported
        for place, name, value in [*exchanges(module)]:
            _set(place, name, value)


def _is_in(name: str, prefixes: tuple[str, ...]) -> bool:
    return f"{name}.".startswith(prefixes) and not name.startswith(_LEFT_ALONE)


class _Importer(MetaPathFinder):
    """Patches the modules of kazoo, of the dict and of named packages that are imported while a
    simulation runs.
    """

    def __init__(self) -> None:
        self.prefixes: tuple[str, ...] = ()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if current() is None or not _is_in(name, self.prefixes):
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


_importer = _Importer()


def _watch_imports(packages: Iterable[str]) -> None:
    if _importer not in sys.meta_path:
        sys.meta_path.insert(0, _importer)
        _undo.append(_stop_watching_imports)
    _importer.prefixes += tuple(f"{name}." for name in packages)


def _stop_watching_imports() -> None:
    sys.meta_path.remove(_importer)
    _importer.prefixes = ()


class _Loader(Loader):
    """Loads a module as the given loader does, and patches it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        module: types.ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        with _lock:
            _patch_once(module)
