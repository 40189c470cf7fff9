"""What a server has when a test fails: the test's znodes, sessions and watches, and its log.

The rules that live here:

- only what belongs to the test: what is below its chroot, and on a server of the run's own every
  session but the run's;
- looking changes nothing and takes no longer than it has to. A server that does not answer in time
  is asked nothing more. Where none does, the report says so;
- what cannot be read takes one line. Nothing here raises an `Exception`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pytest_zkdict.admin import Admin, ListedZnode
from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from pytest_zkdict.live._proxied import Proxied
from pytest_zkdict.servers import ExternalServer, FakeServer
from pytest_zkdict.simulated_server import SimulatedServer
from zkfake._protocol.records import ZooKeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pytest_zkdict.pool import ServerPool
    from pytest_zkdict.servers import OwnServer, ZooKeeperServer

__all__ = ["Witness", "witnesses"]

#: How many znodes, sessions and watches are shown, and how many characters of a znode's data.
_SHOWN = 30
_DATA = 60
#: Lines of a log.
_LOG_LINES = 30
#: Seconds that a server may take for an answer.
_PATIENCE = 5.0


def _shown(node: ListedZnode) -> str:
    data = repr(node.data)
    if len(data) > _DATA:
        data = f"{data[:_DATA]}... ({len(node.data or b'')} bytes)"
    owner = f", ephemeral of {_id(node.owner)}" if node.owner else ""
    return f"{data}, version {node.version}{owner}"


@dataclass(frozen=True)
class Witness:
    """One server, and what of it belongs to the test that runs."""

    server: ZooKeeperServer
    #: The chroots of the test, or empty for all that there is.
    roots: Collection[str] = ()
    #: Its client, on a live server that the run has.
    admin: Admin | None = None
    #: How much of the log of each member was there before the test, characters.
    log_before: Sequence[int] = ()
    _silent: set[tuple[str, int]] = field(default_factory=set, init=False, compare=False)

    def tell(self) -> str:
        """The text. Cost on live: some connections, and a request for each znode shown; 5 s for
        each server that is silent.
        """
        answers = self._words() if self._serves() else None
        parts: list[tuple[str, Callable[[], list[str]]]] = [("znodes", self._znodes)]
        if answers is None:
            parts = []
        else:
            parts += [
                ("sessions", lambda: self._sessions(answers)),
                (self._watches_title, lambda: self._watches(answers)),
            ]
        if isinstance(self.server, LiveZooKeeper):
            parts.append(("log since the test began", self._log))
        text = ["it does not answer"] if answers is None else []
        faults = _guarded(self._faults)
        if faults:
            text += ["faults:", *(f"  {line}" for line in faults)]
        for title, make in parts:
            lines = _guarded(make)
            text.append(f"{title}:{'' if lines else ' none'}")
            text += [f"  {line}" for line in lines[: max(_SHOWN, _LOG_LINES)]]
            if len(lines) > max(_SHOWN, _LOG_LINES):
                text.append("  ...")
        return "\n".join(text)

    def _faults(self) -> list[str]:
        server = self.server
        if isinstance(server, Proxied) and not server.has_faults:
            return []
        return [repr(outage) for outage in cast("OwnServer", server).faults.outages]

    # -- asking

    @property
    def _hosts(self) -> list[tuple[str, int]]:
        found = []
        for each in self.server.direct_hosts.partition("/")[0].split(","):
            host, _, port = each.rpartition(":")
            found.append((host.strip("[]"), int(port)))
        return found

    def _ask(self, word: str) -> list[str]:
        """The answer of each member that gives one."""
        answers = []
        for host, port in self._hosts:
            if (host, port) in self._silent:
                continue
            try:
                answers.append(four_letter_word(host, port, word, timeout=_PATIENCE))
            except TimeoutError:
                self._silent.add((host, port))
            except OSError:
                continue
        return answers

    def _serves(self) -> bool:
        if isinstance(self.server, FakeServer):
            return any(member.mode is not None for member in self.server.members)
        return any("Mode:" in answer for answer in self._ask("srvr"))

    def _words(self) -> dict[str, list[str]]:
        if isinstance(self.server, FakeServer):
            return {}  # one looks into it: a fault of the test may keep its sockets from answering
        return {word: self._ask(word) for word in ("cons", "dump", "wchp")}

    def _is_ours(self, path: str) -> bool:
        if not self.roots:
            return path != "/zookeeper" and not path.startswith("/zookeeper/")
        return any(path == root or path.startswith(f"{root}/") for root in self.roots)

    def _short(self, path: str) -> str:
        """As the test's clients see it."""
        for root in self.roots:
            if path == root or path.startswith(f"{root}/"):
                return path[len(root) :] or "/"
        return path

    # -- znodes

    def _znodes(self) -> list[str]:
        if isinstance(self.server, FakeServer):
            found = self._of_fake(self.server)
        elif self.admin is not None:
            if not self.admin.connected:
                return ["(not known: the connection of the run's own client is lost)"]
            with self.admin.another(_PATIENCE) as admin:
                found = self._walk(admin)
        else:
            with Admin(self.server.direct_hosts, patience=_PATIENCE) as admin:
                found = self._walk(admin)
        return [f"{self._short(path)}  {_shown(node)}" for path, node in found]

    def _of_fake(self, server: FakeServer) -> list[tuple[str, ListedZnode]]:
        return [
            (path, ListedZnode(view.data, view.stat.version, view.stat.ephemeral_owner))
            for path, view in sorted(server.znodes.items())
            if self._is_ours(path) and path not in ("/", *self.roots)
        ]

    def _walk(self, admin: Admin) -> list[tuple[str, ListedZnode]]:
        found: list[tuple[str, ListedZnode]] = []
        waiting = sorted(self.roots, reverse=True) or ["/"]
        while waiting and len(found) <= _SHOWN:
            path = waiting.pop()
            if not self._is_ours(path):
                continue
            try:
                node = admin.get(path)
                children = admin.children(path)
            except ZooKeeperError:
                continue  # gone meanwhile, or not ours to see
            if path != "/" and path not in self.roots:
                found.append((path, node))
            below = "/" if path == "/" else f"{path}/"
            waiting += [below + name for name in sorted(children, reverse=True)]
        return found

    # -- sessions and watches, of a live server from four-letter words: they read alike on both

    def _sessions_of_fake(self, server: FakeServer) -> list[str]:
        peers = {view.session_id: view.address for view in server.connections}
        lines = []
        for session in server.sessions:
            paths = [path for path in session.ephemerals if self._is_ours(path)]
            shown = ", ".join(map(self._short, paths[:5])) or "none"
            if session.id in peers:
                lines.append(
                    f"{_id(session.id)} of {peers[session.id]}, timeout "
                    f"{session.timeout / 1000:g} s, ephemerals: {shown}"
                )
            elif paths:
                lines.append(f"{_id(session.id)}, not connected, ephemerals: {shown}")
        return lines

    def _sessions(self, answers: dict[str, list[str]]) -> list[str]:
        if isinstance(self.server, FakeServer):
            return self._sessions_of_fake(self.server)
        ephemerals = _by_session(answers["dump"])
        watched = {session for _, session in _watch_pairs(answers["wchp"])}
        lines = []
        for answer in answers["cons"]:
            if refused := _refused(answer):
                return [refused]
            for peer, timeout, session in _CONNECTION.findall(answer):
                number = int(session, 16)
                if self.admin is not None and number == self.admin.session_id:
                    continue
                paths = [path for path in ephemerals.get(number, ()) if self._is_ours(path)]
                if isinstance(self.server, ExternalServer) and not paths and number not in watched:
                    continue  # somebody else's, most likely
                shown = ", ".join(map(self._short, paths[:5])) or "none"
                lines.append(
                    f"{_id(number)} of {peer}, timeout {int(timeout) / 1000:g} s, "
                    f"ephemerals: {shown}"
                )
                ephemerals.pop(number, None)
        for number, all_paths in ephemerals.items():
            paths = [path for path in all_paths if self._is_ours(path)]
            if paths:
                shown = ", ".join(map(self._short, paths[:5]))
                lines.append(f"{_id(number)}, not connected, ephemerals: {shown}")
        return lines

    @property
    def _watches_title(self) -> str:
        return "watches" if isinstance(self.server, FakeServer) else "watches on data"

    def _watches(self, answers: dict[str, list[str]]) -> list[str]:
        if isinstance(self.server, FakeServer):
            return [
                f"{self._short(view.path)}  {view.table}, {view.mode}, of {_id(view.session_id)}"
                for view in sorted(self.server.watches, key=lambda view: view.path)
                if self._is_ours(view.path)
            ]
        # ZooKeeper has no word for those on children.
        for answer in answers["wchp"]:
            if refused := _refused(answer):
                return [refused]
        return [
            f"{self._short(path)}  of {_id(session)}"
            for path, session in sorted(_watch_pairs(answers["wchp"]))
            if self._is_ours(path)
        ]

    # -- the log

    def _log(self) -> list[str]:
        assert isinstance(self.server, LiveZooKeeper)
        lines = []
        members = self.server.members
        for number, member in enumerate(members):
            before = self.log_before[number] if number < len(self.log_before) else 0
            # Java's stack traces would leave no room for anything else.
            new = [
                line
                for line in member.log[before:].splitlines()
                if line.strip() and not line.startswith("\tat ")
            ]
            named = f"{member.id}: " if len(members) > 1 else ""
            lines += [named + line for line in new[-_LOG_LINES:]]
        return lines[-_LOG_LINES:]


#: A line of ``cons``: address, timeout and session.
_CONNECTION = re.compile(r"/(\S+?)\[\d+\]\((?=.*?\bto=(\d+))[^)]*?\bsid=0x([0-9a-f]+)")


def _id(session: int) -> str:
    return f"{session & 0xFFFFFFFFFFFFFFFF:#x}"


def _refused(answer: str) -> str | None:
    if "not in the whitelist" not in answer:
        return None
    return "(not known: 4lw.commands.whitelist of the server does not have it)"


def _by_session(dumps: list[str]) -> dict[int, list[str]]:
    """The ephemeral znodes of each session, from the answers to ``dump``."""
    found: dict[int, list[str]] = {}
    for dump in dumps:
        _, _, text = dump.partition("Sessions with Ephemerals")
        session = 0
        for line in text.splitlines()[1:]:
            if line.startswith("0x"):
                session = int(line.strip().rstrip(":"), 16)
            elif line.startswith("\t") and session:
                paths = found.setdefault(session, [])
                if line.strip() not in paths:
                    paths.append(line.strip())
    return found


def _watch_pairs(answers: list[str]) -> set[tuple[str, int]]:
    """Paths and sessions, from the answers to ``wchp``."""
    found = set()
    for answer in answers:
        path = ""
        for line in answer.splitlines():
            if line.startswith("/"):
                path = line.strip()
            elif line.startswith("\t0x"):
                found.add((path, int(line, 16)))
    return found


def _guarded(make: Callable[[], list[str]]) -> list[str]:
    try:
        return make()
    except Exception as error:
        return [f"(not known: {type(error).__name__}: {error})"]


def witnesses(pool: ServerPool, used: Collection[object]) -> Iterator[Witness]:
    """One for each server of a test. ``used``: the values of its fixtures."""
    for held in pool.held:
        if isinstance(held.server, SimulatedServer):
            continue  # its history tells more
        is_used = any(value is held.server for value in used)
        if held.chroots or (is_used and not isinstance(held.server, ExternalServer)):
            yield Witness(held.server, frozenset(held.chroots), held.admin, held.log_before)
    for server in pool.lent:
        yield Witness(server)
