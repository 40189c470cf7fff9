"""kazoo's handler interface (`kazoo.interfaces.IHandler`) on the scheduler and the simulated
network.

Rules that live here: one handler belongs to one client; each of the client's "threads" is a task
with a name below the client's (``client-1/zk_loop``); callbacks of watches and completions run in
order, each kind on a task of its own, as with kazoo's `SequentialThreadingHandler`; the history
knows when a callback of a watch began and ended.
"""

from __future__ import annotations

import logging
import queue
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from kazoo.handlers.threading import KazooTimeoutError

from zkfake._history.events import CallbackBegan, CallbackEnded
from zkfake._simulation.clients.async_results import AsyncResult, PlacedResult
from zkfake._simulation.network.sockets import select, socket_pair
from zkfake._simulation.scheduling import sync
from zkfake._simulation.stand_ins import virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._simulation.network.network import Network
    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["SimulationHandler"]

_STOP = object()

_TYPES = {"CHANGED": "DATA_CHANGED", "CHILD": "CHILDREN_CHANGED"}
"""ZooKeeper's words for kazoo's, where they differ."""

log = logging.getLogger("zkfake.simulation")


class SimulationHandler:
    """The handler of a `KazooClient` in a simulation, from `Simulation.handler`."""

    name = "simulation_handler"
    timeout_exception = KazooTimeoutError
    sleep_func = staticmethod(virtual_time.sleep)
    queue_empty = queue.Empty

    def __init__(
        self, network: Network, client_name: str, on_start: Callable[[ScheduledTask], object]
    ) -> None:
        """``on_start`` is called with each task of the client when it starts."""
        self.client_name = client_name
        self._network = network
        self._on_start = on_start
        self._scheduler: Scheduler = network.scheduler
        self.select = MethodType(select, self._scheduler)
        result = AsyncResult if network.lines is None else PlacedResult
        self.async_result = partial(result, self, self._scheduler)
        self.running = False
        self._state_change = sync.Lock(self._scheduler)
        self._workers: list[ScheduledTask] = []
        self._callbacks = 0
        self.callback_queue = self.queue_impl()
        self.completion_queue = self.queue_impl()

    def queue_impl(self) -> sync.Queue:
        return sync.Queue(self._scheduler)

    def start(self) -> None:
        with self._state_change:
            if self.running:
                return
            self._workers = [
                self._spawn("completions", self._work, self.completion_queue),
                self._spawn("watches", self._work, self.callback_queue),
            ]
            self.running = True

    def stop(self) -> None:
        with self._state_change:
            if not self.running:
                return
            self.running = False
            for work in (self.completion_queue, self.callback_queue):
                work.put(_STOP)
            while self._workers:
                self._workers.pop().join()
            self.callback_queue = self.queue_impl()
            self.completion_queue = self.queue_impl()

    def _work(self, work: sync.Queue) -> None:
        while True:
            function = work.get()
            try:
                if function is _STOP:
                    return
                function()
            except Exception as error:
                log.exception("a callback of %s failed", self.client_name)
                self._scheduler.logged(f"a callback of {self.client_name}", error)
            finally:
                work.task_done()
                del function

    def _spawn(
        self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> ScheduledTask:
        task = self._scheduler.spawn(
            function,
            *args,
            name=f"{self.client_name}/{name}",
            background=True,
            owner=self.client_name,
            **kwargs,
        )
        self._on_start(task)
        return task

    # -- what kazoo asks for

    def spawn(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> ScheduledTask:
        name = _name_of(func).rpartition(".")[2]
        return self._spawn(name, func, *args, **kwargs)

    def dispatch_callback(self, callback: Any) -> None:
        self.callback_queue.put(partial(self._call_back, callback.func, callback.args))

    def _call_back(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        network, client = self._network, self.client_name
        self._callbacks = number = self._callbacks + 1
        began = CallbackBegan(network.time, client, number, _told_of(function), *_told(arguments))
        network.history.append(began)
        try:
            function(*arguments)
        finally:
            network.history.append(CallbackEnded(network.time, client, number))

    def event_object(self) -> sync.Event:
        return sync.Event(self._scheduler)

    def lock_object(self) -> sync.Lock:
        return sync.Lock(self._scheduler)

    def rlock_object(self) -> sync.RLock:
        return sync.RLock(self._scheduler)

    def socket(self) -> Any:
        raise NotImplementedError("a simulated client connects with create_connection")

    def create_socket_pair(self) -> Any:
        return socket_pair(self._scheduler)

    def create_connection(
        self, address: tuple[str, int], timeout: float | None = None, **options: Any
    ) -> Any:
        if options.get("use_ssl"):
            raise ValueError("the simulated network has no TLS; connect without use_ssl")
        return self._network.connect(self.client_name, address, timeout)


def _name_of(function: Any) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _told_of(function: Any) -> str:
    """A callback, in words. Of kazoo's DataWatch and ChildrenWatch the program knows the function
    that it has given them.
    """
    owner = getattr(function, "__self__", None)
    given = getattr(owner, "_func", None)
    if given is None or not type(owner).__module__.startswith("kazoo."):
        return _name_of(function)
    return f"{type(owner).__name__} of {_name_of(given)}"


def _told(arguments: tuple[Any, ...]) -> tuple[str, str]:
    """The type and the path of the event that a callback gets. What else a program puts into that
    queue has none.
    """
    event = arguments[0] if arguments else None
    kind, path = getattr(event, "type", ""), getattr(event, "path", "")
    # Typed kazoos have an enumeration of strings, whose own str() names the class.
    text = str.__str__(kind) if isinstance(kind, str) else ""
    return _TYPES.get(text, text), path if isinstance(path, str) else ""
