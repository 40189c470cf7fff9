"""A server of the run, and how it is put back between two tests.

The rules that live here:

- what a test did to the server is undone: faults are healed, what was stopped or has died is
  started again, and what was left outside of the test's chroot goes;
- the fake is put back in process. A live server has one admin client, which stays connected and
  goes past the proxy;
- a live server has a proxy in front of it in tests that want faults or a history, and in no other;
- a history is one test's.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from typing import TYPE_CHECKING

from pytest_zkdict.admin import Admin
from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from pytest_zkdict.seeds import under
from pytest_zkdict.servers import ExternalServer, FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_zkdict.live import LiveMember
    from pytest_zkdict.seeds import Seeds
    from pytest_zkdict.simulated_server import SimulatedServer

__all__ = ["Held", "HeldFake", "HeldLive", "HeldSimulation"]

#: Characters of a server's log that are told when it has ended.
_TAIL = 2000
#: Seconds in which the end of a live server's process is noticed once its connections are lost.
_NOTICE = 2.0


class Held:
    """A server of the run, and how it is put back between two tests."""

    server: FakeServer | LiveZooKeeper | ExternalServer | SimulatedServer

    def __init__(self, load: Seeds) -> None:
        self.load = load
        self.base = ""
        self.chroots: set[str] = set()
        self.noticed: list[str] = []
        """What became of the server in this test."""
        self.dead: str | None = None
        """Why it can not be started again."""
        self.log_before: tuple[int, ...] = ()
        """How much of each member's log there was before the test, on live."""

    @property
    def admin(self) -> Admin | None:
        """The run's own client, which the fake does not need."""
        return None

    def begin_test(self) -> None:
        """A test begins."""

    def offer_faults(self) -> None:
        """The server has faults until it is put back."""

    def record(self) -> None:
        """The server records what happens until it is put back."""
        raise NotImplementedError

    def heal(self) -> None:
        """End every fault. What goes wrong is kept in mind."""
        self._note_failure(self._heal)

    def end_faults(self) -> None:
        """`heal`, and there are no faults until the next `offer_faults`, nor a history until the
        next `record`.
        """
        self._note_failure(self._end_faults)

    def _note_failure(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            self.noticed.append(_told(error))

    def _heal(self) -> None:
        raise NotImplementedError

    def _end_faults(self) -> None:
        self._heal()

    def trouble(self, *, ask: bool = False) -> str | None:
        """What has become of the server; `None` while it serves. ``ask``: by its answer, where the
        connection that there is may not have told yet.
        """
        raise NotImplementedError

    def recover(self) -> None:
        """Start the server again where it has ended, and keep in mind what became of it."""
        self._recover(self.trouble())

    def _recover(self, trouble: str | None) -> None:
        if trouble is None:
            self.dead = None
        elif isinstance(self.server, ExternalServer):
            self.dead = trouble
            self.noticed.append(trouble)
        elif self.dead is None:
            self.noticed.append(trouble)
            try:
                self.server.start()
            except Exception as error:
                self.dead = f"{trouble}\nIt could not be started again: {error}"

    def make(self, path: str, znodes: Seeds) -> None:
        """Make a test's znode, with ``znodes`` below it."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Remove a test's znode with all below it."""
        raise NotImplementedError

    def put_back(self) -> None:
        """End what a test has done to the server, and remove what it left outside its znode."""
        raise NotImplementedError

    def sessions(self) -> set[int]:
        """The ids of the open sessions whose clients are connected: that of a client which was
        stopped while its server was away goes by itself.
        """
        raise NotImplementedError

    def describe(self, session: int) -> str:
        """Whose session that is."""
        raise NotImplementedError

    def close(self) -> None:
        """End the server."""
        raise NotImplementedError


class HeldFake(Held):
    server: FakeServer

    def __init__(self, server: FakeServer, load: Seeds) -> None:
        super().__init__(load)
        self.server = server
        self.server.load(load)
        self._seed = server.snapshot()
        self._failed: str | None = None
        self._seen: dict[int, str] = {}
        """What sessions had before the znodes of the test went."""
        self._later: list[str] = []
        """What is to be removed once the server can be written to again."""

    def make(self, path: str, znodes: Seeds) -> None:
        self.server.load(under(path, znodes))

    def recover(self) -> None:
        super().recover()
        self._failed = None

    def begin_test(self) -> None:
        self._seen.clear()

    def remove(self, path: str) -> None:
        self._seen.update({session: self.describe(session) for session in self.sessions()})
        if self.server.running and self.server.writable:
            self.server.remove(path)
        else:
            self._later.append(path)

    def trouble(self, *, ask: bool = False) -> str | None:  # noqa: ARG002  it knows
        if (failure := self.server.take_failure()) is not None:
            self._failed = _told(failure)
        if self._failed is not None:
            return self._failed
        if self.server.running:
            return None
        return f"the fake server at {self.server.hosts} was stopped and not started again."

    def record(self) -> None:
        self.server.record()

    def _heal(self) -> None:
        self.server.heal()

    def _end_faults(self) -> None:
        try:
            self.server.heal()
        finally:
            self.server.stop_recording()

    def put_back(self) -> None:
        self.server.put_back()
        while self._later:
            self.server.remove(self._later.pop())
        if not self.chroots:
            self.server.restore(self._seed)

    def sessions(self) -> set[int]:
        return {view.session_id for view in self.server.connections} - {0}

    def describe(self, session: int) -> str:
        return self._seen.get(session) or self.server.describe(session)

    def close(self) -> None:
        self.server.close()


class HeldSimulation(Held):
    """Nothing is to be put back: a simulation ends with its test."""

    server: SimulatedServer

    def __init__(self, server: SimulatedServer, load: Seeds) -> None:
        super().__init__(load)
        self.server = server

    def begin_test(self) -> None:
        self.server.begin_test()

    def make(self, path: str, znodes: Seeds) -> None:
        self.server.load(under(path, znodes))

    def remove(self, path: str) -> None:
        pass

    def record(self) -> None:
        pass  # it always does

    def trouble(self, *, ask: bool = False) -> str | None:  # noqa: ARG002  it serves
        return None

    def _heal(self) -> None:
        self.server.heal()

    def put_back(self) -> None:
        pass

    def sessions(self) -> set[int]:
        return set()

    def close(self) -> None:
        pass


class HeldLive(Held):
    server: LiveZooKeeper | ExternalServer

    def __init__(
        self,
        server: LiveZooKeeper | ExternalServer,
        load: Seeds,
        *,
        base: str = "",
        password: str | None = None,
    ) -> None:
        super().__init__(load)
        self.server = server
        self.base = base
        self._admin = Admin(server.direct_hosts, password)
        self._tops: set[str] = set()
        self._addresses: dict[int, str] = {}
        self._failed: str | None = None
        """What has become of the proxy."""
        if isinstance(server, LiveZooKeeper):
            self._admin.load(load)
            self._tops = set(self._admin.children("/"))

    @property
    def admin(self) -> Admin:
        return self._admin

    def make(self, path: str, znodes: Seeds) -> None:
        self._admin.load(under(path, znodes))

    def remove(self, path: str) -> None:
        if not self._admin.remove(path):
            warnings.warn(f"a test locked znodes under {path}; they stay", stacklevel=2)

    def trouble(self, *, ask: bool = False) -> str | None:
        if (failure := self.server.take_failure()) is not None:
            self._failed = _told(failure)
        if self._failed is not None:
            return self._failed
        server = self.server
        if isinstance(server, ExternalServer):
            if self._admin.wait(_NOTICE if self.dead is None else 0):
                return None
            return f"the live server at {server.direct_hosts} does not answer any more."
        deadline = time.monotonic() + _NOTICE
        while not (ended := self._ended(server)):
            serves = _all_answer(server) if ask else self._admin.connected
            if serves or time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        return "\n".join(_how_it_ended(member) for member in ended)

    @staticmethod
    def _ended(server: LiveZooKeeper) -> list[LiveMember]:
        """The members that have ended, but for those that a fault has stopped."""
        stopped = server.faults.stopped_servers if server.has_faults else ()
        return [m for m in server.members if not m.running and m.id not in stopped]

    def recover(self) -> None:
        trouble = self.trouble()
        if self._failed is not None:  # the server itself is well
            self.noticed.append(self._failed)
            self._failed = None
            trouble = self.trouble()
        self._recover(trouble)

    def offer_faults(self) -> None:
        self.server.start_proxy()

    def record(self) -> None:
        self.server.start_proxy(history=True)

    def _heal(self) -> None:
        if self.server.has_faults:
            self.server.faults.heal()

    def _end_faults(self) -> None:
        if self.server.has_faults:
            self.server.stop_proxy()
            if isinstance(self.server, LiveZooKeeper):
                self.server.start()  # waits for the servers that a fault had stopped
                self.server.wait_until_whole()

    def begin_test(self) -> None:
        if isinstance(self.server, LiveZooKeeper):
            self.log_before = tuple(len(member.log) for member in self.server.members)

    def put_back(self) -> None:
        if self.chroots or isinstance(self.server, ExternalServer):
            return
        for name in self._admin.children("/"):
            if name not in self._tops:
                self._admin.remove(f"/{name}")
        self._admin.load(self.load)

    def sessions(self) -> set[int]:
        if isinstance(self.server, ExternalServer):
            return set()  # other runs have theirs there
        self._addresses = {}
        for member in self.server.members:
            with contextlib.suppress(OSError):
                answer = four_letter_word("127.0.0.1", member.port, "cons")
                self._addresses.update(_sessions(answer))
        return set(self._addresses) - {self._admin.session_id}

    def describe(self, session: int) -> str:
        return f"of the client at {self._addresses[session]}"

    def close(self) -> None:
        self._admin.close()
        if isinstance(self.server, LiveZooKeeper):
            self.server.close()
        else:
            self.server.stop_proxy()


def _told(failure: Exception) -> str:
    cause = failure.__cause__
    if cause is None:
        return f"{type(failure).__name__}: {failure}"
    return f"{failure}: {type(cause).__name__}: {cause}"


def _all_answer(server: LiveZooKeeper) -> bool:
    """Whether each server whose process runs answers. One that was killed may take connections for
    a moment.
    """
    try:
        return all(
            four_letter_word("127.0.0.1", member.port, "srvr", timeout=_NOTICE)
            for member in server.members
            if member.running
        )
    except OSError:
        return False


def _how_it_ended(member: LiveMember) -> str:
    status = member.exit_status
    if status is None:
        return f"the live server at {member.direct_hosts} was stopped and not started again."
    how = f"was killed by signal {status - 128}" if status > 128 else f"ended with status {status}"
    log = member.log.strip()[-_TAIL:] or "(empty)"
    return f"the live server at {member.direct_hosts} {how}. The end of its log:\n{log}"


def _sessions(cons: str) -> dict[int, str]:
    """Session ids and addresses from the answer to ``cons``."""
    found = {}
    for line in cons.splitlines():
        address, _, rest = line.strip().partition("[")
        _, sid, rest = rest.partition("sid=0x")
        if sid:
            found[int(rest.split(",")[0], 16)] = address.lstrip("/")
    return found
