"""A place for each example of Hypothesis.

The rules that live here:

- what an example has made ends with its block: faults first, then dicts, clients and znodes, then
  the proxy of a live server that it wanted;
- in the simulation each example has one of its own, so the same example is the same run, and
  shrinks. Where the test has a simulation already, its examples share it.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pytest_zkdict.clients import DictFactory, factory_below
from pytest_zkdict.simulated_server import SimulatedServer
from pytest_zkdict.virtual import has_one_for_each_example, simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kazoo.client import KazooClient

    from pytest_zkdict.clients import ClientFactory
    from pytest_zkdict.run import Run
    from pytest_zkdict.servers import OwnServer, ZooKeeperServer
    from zkdict import ZooKeeperDict
    from zkfake import Faults
    from zkfake.history import History
    from zkfake.simulation import Simulation

__all__ = ["Example", "Examples"]


class Example:
    """What the plugin's fixtures are for a test, for one example: ``example.client`` is its
    `zk_client`, and so on. Each is made when it is first asked for.
    """

    def __init__(self, run: Run, server: ZooKeeperServer, path: str, exits: ExitStack) -> None:
        """``path``: of its znodes. ``exits``: is closed at its end, when its faults are over."""
        self._run = run
        self._server = server
        self._path = path
        self._exits = exits
        self._has_faults = False

    def heal(self) -> None:
        """End every fault, if it was asked for them."""
        if self._has_faults:
            self._run.pool.heal()

    @property
    def hosts(self) -> str:
        """The connect string with the example's chroot, as `zk_hosts`."""
        return self._server.hosts + self._path

    @cached_property
    def client_factory(self) -> ClientFactory:
        """Makes started clients on the example's own znodes, as `zk_client_factory`."""
        factory = factory_below(self._path, self._server, self._run)
        return self._exits.enter_context(closing(factory))

    @cached_property
    def client(self) -> KazooClient:
        """A started `kazoo.client.KazooClient` on the example's own znodes, as `zk_client`."""
        return self.client_factory()

    @cached_property
    def dict_factory(self) -> DictFactory:
        """Makes dicts on the example's own znodes, each with a client, as `zk_dict_factory`."""
        factory = DictFactory(self.client_factory, server=self._server)
        return self._exits.enter_context(closing(factory))

    @cached_property
    def dict(self) -> ZooKeeperDict[Any]:
        """An empty `zkdict.ZooKeeperDict` on `client`, at the path ``/zk_dict``, as `zk_dict`."""
        return self.dict_factory(client=self.client)

    @property
    def faults(self) -> Faults:
        """What can be done to the server, its clients and their connections, as `zk_faults`. They
        end with the example. Raises `RuntimeError` where it is asked for too late: on live, the
        clients that there are do not go through the proxy that it needs.
        """
        self._offer(self._run.pool.offer_faults, "faults")
        self._has_faults = True
        return cast("OwnServer", self._server).faults

    @property
    def history(self) -> History:
        """What happens on the server, as `zk_history`: on the fake and on live in the whole test,
        in the simulation in this example. Raises `RuntimeError` as `faults` does.
        """
        self._offer(self._run.pool.record, "history")
        history = self._server.history
        assert history is not None
        return history

    def _offer(self, offer: Callable[[], None], name: str) -> None:
        before = self.hosts
        self._run.started_or_skipped(offer)
        if self.hosts != before and "client_factory" in vars(self):
            raise RuntimeError(f"ask for example.{name} before the first client of an example")

    @property
    def simulation(self) -> Simulation | None:
        """The `zkfake.simulation.Simulation` that it runs in; ``None`` in real time."""
        server = self._server
        return server.simulation if isinstance(server, SimulatedServer) else None


class Examples:
    """Places on a server that the run shares: the fixture `zk_example`."""

    def __init__(self, run: Run, server: ZooKeeperServer) -> None:
        self._run = run
        self._server = server

    @contextmanager
    def __call__(self) -> Iterator[Example]:
        """A place of its own, for the length of the ``with`` block."""
        __tracebackhide__ = True
        run = self._run
        with ExitStack() as exits:
            if run.item is not None and has_one_for_each_example(run.item):
                exits.enter_context(simulated(run.item))
            exits.enter_context(run.pool.offering_no_longer())
            path = exits.enter_context(run.chroot(run.item, self._server))
            made = exits.enter_context(ExitStack())
            example = Example(run, self._server, path, made)
            exits.callback(example.heal)
            yield example

    def __repr__(self) -> str:
        return "zk_example"  # Hypothesis prints the arguments of a test that fails
