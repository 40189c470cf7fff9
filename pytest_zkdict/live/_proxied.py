"""A live server that has a proxy in front of it while faults are wanted, and none else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_zkdict.live.faults import ExternalFaults
    from zkfake.history import History
    from zkfake.proxy import ZooKeeperProxy

__all__ = ["Proxied"]

F = TypeVar("F", bound="ExternalFaults")


class Proxied(ABC, Generic[F]):
    """The part of a live server that concerns faults."""

    _proxy: ZooKeeperProxy | None = None
    _recorded = ExitStack()
    """What ends with the proxy. (One that is empty: shared by all.)"""

    @property
    @abstractmethod
    def direct_hosts(self) -> str:
        """The connect string that leads past the proxy."""

    @abstractmethod
    def _new_proxy(self, *, history: bool) -> ZooKeeperProxy:
        """One that is not started yet. ``history``: whether it records."""

    @property
    def hosts(self) -> str:
        """The connect string, such as ``"127.0.0.1:40001"``: of the proxy while there is one.
        Raises `RuntimeError` unless started.
        """
        return self.direct_hosts if self._proxy is None else self._proxy.hosts

    @property
    def has_faults(self) -> bool:
        """Whether a proxy is in front of the server at present."""
        return self._proxy is not None

    @property
    def faults(self) -> F:
        """What can be done to the server, its clients and their connections. Raises
        `AttributeError` while no proxy is in front of it.
        """
        if self._proxy is None:
            raise AttributeError(
                "this live server has no faults at present: give the test the fixture zk_faults; "
                "outside of pytest use them in a block 'with server.proxied() as faults:'"
            )
        return cast("F", self._proxy.faults)

    @property
    def history(self) -> History | None:
        """What has passed through the proxy, and what faults have done: a
        `zkfake.history.History` without the committed log. ``None`` unless there is a proxy that
        records.
        """
        return None if self._proxy is None else self._proxy.history

    @contextmanager
    def proxied(self, *, history: bool = False) -> Iterator[F]:
        """Has a proxy in front of each server while the block lasts, and returns its faults.

        `hosts` leads through it meanwhile; clients that were connected before stay where they are.
        Every fault ends with the block. ``history``: whether it records what passes: `history`.
        Costs a thread, a port for each server and about a millisecond.

        Raises `RuntimeError` where there is a proxy already or the server was not started, and at
        the end if an action of ``faults.upon()`` had failed; `OSError` if no port can be bound.
        """
        if self._proxy is not None:
            raise RuntimeError(f"there is a proxy in front of {self.direct_hosts} already")
        self.start_proxy(history=history)
        try:
            yield self.faults
        finally:
            self.stop_proxy()

    def start_proxy(self, *, history: bool = False) -> None:
        """Begins what `proxied` does. A proxy that is there already stays; with ``history`` it
        records from now on. Raises as `proxied` does at its beginning.
        """
        if self._proxy is None:
            self._proxy = self._new_proxy(history=history).start()
        elif history and self._proxy.history is None:
            self._recorded = ExitStack()
            self._recorded.enter_context(self._proxy.recorded())

    def take_failure(self) -> RuntimeError | None:
        """Returns the error that `stop_proxy` would raise, and clears it: a failure of an action of
        ``faults.upon()``, or of the proxy itself. ``None`` if nothing has failed.
        """
        return None if self._proxy is None else self._proxy.take_failure()

    def stop_proxy(self) -> None:
        """Ends the proxy, if there is one. Raises as `proxied` does at its end."""
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            self._recorded.close()
            proxy.stop()
