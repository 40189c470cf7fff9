"""What one run of pytest shares: its settings, its servers, and what its marks ask for.

The rules that live here:

- a test is skipped when its live server is not installed, with a reason that says what to install.
  Where the run requires the live server, the test fails;
- what goes wrong inside the plugin is reported in words, without a traceback of the plugin.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_zkdict.marks import marked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from pytest_zkdict.isolation import Isolation
    from pytest_zkdict.marks import Marked
    from pytest_zkdict.options import Options
    from pytest_zkdict.pool import ServerPool, WantedServer
    from pytest_zkdict.seeds import Seeds
    from pytest_zkdict.servers import ZooKeeperServer

__all__ = ["Run", "Target"]

T = TypeVar("T")


class Target:
    """What one test runs on: the backend, and what its marks want of the server.

    Equal ones are one object: pytest compares parameters to tell whether a fixture has to be made
    anew.
    """

    def __init__(self, backend: str, server: Mapping[str, Any]) -> None:
        self.backend = backend
        self.server = server


class Run:
    """One run of pytest."""

    _KEY = pytest.StashKey["Run"]()

    def __init__(self, options: Options) -> None:
        self.options = options
        self._exits = ExitStack()
        self._targets: dict[str, Target] = {}
        self.started = False
        """Whether a server was asked for."""
        self.item: pytest.Item | None = None
        """The test that runs, from the end of what has a wider scope to the end of its fixtures."""

    @classmethod
    def begin(cls, config: pytest.Config, options: Options) -> Run:
        run = config.stash[cls._KEY] = cls(options)
        return run

    @classmethod
    def of(cls, config: pytest.Config) -> Run:
        return config.stash[cls._KEY]

    @classmethod
    def end(cls, config: pytest.Config) -> None:
        run = config.stash.get(cls._KEY, None)
        if run is not None:
            run.close()

    def close(self) -> None:
        """End every server."""
        self._exits.close()

    # -- servers

    @cached_property
    def pool(self) -> ServerPool:
        from pytest_zkdict.pool import ServerPool

        self.started = True
        pool = ServerPool(hosts=self.options.hosts, home=self.options.home)
        return self._exits.enter_context(closing(pool))

    @cached_property
    def isolation(self) -> Isolation:
        from pytest_zkdict.isolation import Isolation

        return Isolation(self.pool, self.options.leaks)

    def target(self, backend: str, marked: Marked | None = None) -> Target:
        """The one for a test on this backend."""
        wanted = {} if marked is None else dict(marked.server)
        key = f"{backend} {sorted(wanted.items(), key=str)!r}"
        return self._targets.setdefault(key, Target(backend, wanted))

    def targets(
        self, marked: Marked, *, is_virtual: bool = False
    ) -> tuple[list[Target], str | None]:
        """What a test with these marks runs on, and why it does not run at all. ``is_virtual``: it
        runs in a simulation, whatever the backends of the run are.
        """
        if is_virtual:
            return [self.target("simulation", marked)], None
        backends = [
            backend
            for backend in self.options.backends
            if marked.backends is None or backend in marked.backends
        ]
        reason = None
        if not backends:
            backends = [*(marked.backends or ())][:1]
            reason = f"needs --zk-backend {backends[0]}"
        return [self.target(backend, marked) for backend in backends], reason

    def spec(
        self, target: Target, name: str = "zk_server", *, called: bool = False, **factory: Any
    ) -> WantedServer:
        """What a server is to be: a mark beats the factory, which beats the run's settings.
        ``called``: by the test itself, which beats its marks.
        """
        from pytest_zkdict.pool import WantedServer

        options = self.options
        found: dict[str, Any] = {"servers": options.servers or 1, "version": options.version}
        sources = (target.server, factory) if called else (factory, target.server)
        settings = dict(options.settings)
        for source in sources:
            found.update({key: value for key, value in source.items() if value is not None})
            settings.update(source.get("settings") or {})
        found["settings"] = settings
        return WantedServer(backend=target.backend, name=name, **found)  # type: ignore[arg-type]

    # -- for the fixtures

    def begin_test(self, item: pytest.Item) -> None:
        """A test begins; see `pytest_zkdict.isolation`."""
        names = item.fixturenames  # type: ignore[attr-defined]
        history = marked(item).history
        if history is None:
            history = self.options.history
        self.isolation.begin(
            item, faults="zk_faults" in names, history=history or "zk_history" in names
        )
        self.item = item

    def chroot(
        self,
        node: pytest.Item | pytest.Collector | None,
        server: ZooKeeperServer,
        load: Seeds | None = None,
    ) -> AbstractContextManager[str]:
        """A znode, and its path.

        It begins with the ``load`` of the run, the server, the caller, and the marks of ``node``.
        """
        marks = {} if node is None else marked(node).load
        seeds = {**self.options.load, **(load or {}), **marks}
        return self.pool.chroot(server, seeds)

    def started_or_skipped(
        self, start: Callable[[], T], who: str = "", *, called_by_test: bool = False
    ) -> T:
        """What ``start`` returns. Skips or fails the test, in words, where it cannot.

        ``who``: the fixture that failed, in words. ``called_by_test``: the report shows the line.
        """
        __tracebackhide__ = True
        from pytest_zkdict.live import LiveStartError, LiveUnavailableError
        from pytest_zkdict.pool import UnsuitableServerError

        # Outcomes are raised outside of the except blocks: pytest would show the cause as well.
        skips = True
        try:
            return start()
        except UnsuitableServerError as error:
            reason = str(error)
        except LiveUnavailableError as error:
            skips = not self.options.require_live
            reason = str(error) if skips else f"the live server is required: {error}"
        except (LiveStartError, OSError, TypeError, ValueError) as error:
            skips = False
            reason = f"{who}{': ' if who else ''}{type(error).__name__}: {error}"
        if skips:
            pytest.skip(reason)
        pytest.fail(reason, pytrace=called_by_test)
