"""`LiveZooKeeper`: one server or an ensemble, configured and started.

The rules that live here:

- what a test server is configured with: loopback only, ports and a data directory of its own, no
  fsync, every four-letter word, a short tick;
- which ports it gets: free ones; where somebody else was quicker, all of them are drawn again;
- an ensemble counts as started when every server of it serves.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pytest_zkdict.live._installation import Installation, find_installation
from pytest_zkdict.live._member import LiveMember, LiveStartError, as_text, port_taken
from pytest_zkdict.live._ports import free_ports
from pytest_zkdict.live._proxied import Proxied
from pytest_zkdict.live._times import MAX_SESSION_TIMEOUT, TICK_TIME, KnownTimes
from pytest_zkdict.live._words import four_letter_word, is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from pytest_zkdict.live.faults import LiveFaults  # noqa: F401  # in quotes below
    from zkfake.proxy import ZooKeeperProxy

__all__ = ["LiveZooKeeper"]

#: A test server lives for seconds: a quick start beats a fast steady state.
JVM_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Xmx512m",
)

_STANDALONE = "org.apache.zookeeper.server.ZooKeeperServerMain"
_QUORUM = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
_OWN_SETTINGS = re.compile(r"clientPort|clientPortAddress|dataDir|peerType|server\.\d+")
#: How the names begin that are Java system properties without ``zookeeper.`` in front.
_BARE = ("jute.", "readonlymode.", "znode.")
_SASL_PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
#: How often free ports are drawn before the machine is blamed.
_DRAWS = 20
_TAKEN = f"{_DRAWS} times in a row a free port was taken before the server could listen"


class LiveZooKeeper(Proxied["LiveFaults"], KnownTimes):
    """A real ZooKeeper on free ports of loopback, with data directories of its own.

    A context manager: entering starts the servers, leaving ends them and removes their data::

        with LiveZooKeeper() as server:
            client = KazooClient(server.hosts)

        with LiveZooKeeper(servers=3) as ensemble, ensemble.proxied() as faults:
            client = KazooClient(ensemble.hosts)
            with faults.stop_server(None):  # the leader
                client.retry(client.create, "/a")

    ``home``: where the server is (see `find_installation`). ``servers``: how many have a vote;
    ``observers`` come after them and have none. ``tick_time`` is ZooKeeper's ``tickTime`` in
    milliseconds; sessions get from twice that up to a minute (ZooKeeper's own limit is twenty times
    that). ``settings`` are further settings by ZooKeeper's own names, the lines of ``zoo.cfg``.
    Understood too are those that ZooKeeper has as Java system properties only (``jute.maxbuffer``,
    ``znode.container.checkIntervalMs``) and, as by the fake, ``sasl.users``: a mapping from user to
    password, which becomes a JAAS file. ``properties`` are Java system properties, without ``-D``.
    ``jvm_options`` replaces the options for a quick start. ``start_timeout`` is in seconds.

    A start costs about half a second, that of three servers about two seconds and a JVM each. The
    servers end with this process, even with a killed one.

    Raises `LiveUnavailableError` if there is no Java or no server, and `ValueError` for a home
    without a server, a number of servers that cannot be, a setting that the launcher itself
    decides, a property of several lines, or ``sasl.users`` that are no mapping; `start` raises
    `LiveStartError`.
    """

    backend: Literal["live"] = "live"
    """What the fixture `zk_backend` says of it."""

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        servers: int = 1,
        observers: int = 0,
        tick_time: int = TICK_TIME,
        settings: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        jvm_options: Sequence[str] = JVM_OPTIONS,
        start_timeout: float = 60.0,
    ) -> None:
        # The fake takes as many.
        if not 1 <= servers <= 254:
            raise ValueError(f"servers = {servers}: expected 1 to 254")
        if not 0 <= observers <= 254 - servers:
            raise ValueError(f"observers = {observers}: expected 0 to {254 - servers}")
        own = sorted(filter(_OWN_SETTINGS.fullmatch, settings or {}))
        if own:
            raise ValueError(f"LiveZooKeeper decides these settings itself: {', '.join(own)}")
        self._roles = ["participant"] * servers + ["observer"] * observers
        given = dict(settings or {})
        # Of all settings only these can't stand in zoo.cfg, where they'd get a prefix.
        bare = {name: given.pop(name) for name in list(given) if name.startswith(_BARE)}
        users = given.pop("sasl.users", None)
        self._jaas = None if users is None else _jaas(users)
        if users is not None:
            given.setdefault("authProvider.sasl", _SASL_PROVIDER)
        self._settings: dict[str, object] = {
            "tickTime": tick_time,
            "maxSessionTimeout": MAX_SESSION_TIMEOUT,
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "*",
            "admin.enableServer": False,
            "forceSync": "no",
            # Ticks that a server has to join its leader, and to keep up with it.
            **({"initLimit": 50, "syncLimit": 25} if self._is_ensemble else {}),
            **given,
        }
        self._command = self._java_command(
            find_installation(home),
            jvm_options,
            {
                "zookeeper.extendedTypesEnabled": True,
                # For the logging backends that may be there: Debian's, and Log4j without a file.
                "org.slf4j.simpleLogger.defaultLogLevel": "warn",
                "org.apache.logging.log4j.level": "WARN",
                **bare,
                **(properties or {}),
            },
        )
        self._start_timeout = start_timeout
        self._members: tuple[LiveMember, ...] = ()
        self._lines: dict[str, str] = {}
        """The servers of the ensemble that it starts with, as the settings have them."""

    @property
    def _is_ensemble(self) -> bool:
        return len(self._roles) > 1

    def _java_command(
        self, installation: Installation, options: Sequence[str], properties: Mapping[str, object]
    ) -> tuple[str, ...]:
        return (
            installation.java,
            *options,
            *(f"-D{name}={as_text(value, name)}" for name, value in properties.items()),
            "-cp",
            os.pathsep.join(installation.class_path),
            _QUORUM if self._is_ensemble else _STANDALONE,
        )

    # -- what tests ask

    @property
    def members(self) -> tuple[LiveMember, ...]:
        """The servers, those with a vote first. Raises `RuntimeError` unless started."""
        if not self._members:
            raise RuntimeError("the server has not been started")
        return self._members

    @property
    def direct_hosts(self) -> str:
        """The connect string of every server, past the proxy of `proxied`; the same again after a
        restart. Raises `RuntimeError` unless started.
        """
        return ",".join(member.direct_hosts for member in self.members)

    @property
    def port(self) -> int:
        """The port of the first server. Raises `RuntimeError` unless started."""
        return self.members[0].port

    @property
    def version(self) -> str:
        """The servers' version, such as ``"3.8.0"``. Asks one that runs, over one or two
        connections. Raises `OSError` if none runs, `RuntimeError` unless started, and if the server
        does not tell its version, as ``4lw.commands.whitelist`` may want it.
        """
        member = next((member for member in self.members if member.running), self.members[0])
        # `envi` tells it without a quorum, too; `srvr` is on every whitelist.
        for word, pattern in (("srvr", r"version: (\d+(?:\.\d+)+)"), ("envi", r"version=([\d.]+)")):
            answer = four_letter_word("127.0.0.1", member.port, word)
            if found := re.search(pattern, answer):
                return found[1]
        raise RuntimeError(f"the server does not tell its version: {answer!r}")

    @property
    def running(self) -> bool:
        """Whether every server's process runs."""
        return bool(self._members) and all(member.running for member in self._members)

    @property
    def log(self) -> str:
        """What the servers have written to their output so far, one after the other."""
        return "".join(member.log for member in self._members)

    # -- its life

    def start(self) -> None:
        """Start every server and wait until all serve; after `stop`, on the same ports and data.

        Does nothing for those that run. Raises `LiveStartError` if one does not serve within
        ``start_timeout`` seconds, if no free ports are found, or if another program has taken a
        port since `stop`; `LiveUnavailableError` if the ``java`` command only says that Java is
        missing (macOS); `ValueError` for a setting of several lines.
        """
        if self._members:
            for member in self._members:
                member.start(wait=False)
            for member in self._members:
                if not member.wait():
                    raise port_taken(member)
            return
        # A free port is only known to have been free: somebody may be quicker than the JVM.
        for _ in range(_DRAWS):
            members = self._new_members()
            try:
                for member in members:
                    member.start(wait=False)
                if all(member.wait() for member in members):
                    self._members = members
            finally:
                if not self._members:
                    for member in members:
                        member.close()
            if self._members:
                return
        raise LiveStartError(_TAKEN)

    def wait_until_whole(self) -> None:
        """Wait until one server leads and has all others in sync. Asks every server over
        connections, again and again.

        Returns at once for one server alone. Raises `LiveStartError` after ``start_timeout``
        seconds, and `RuntimeError` unless started.
        """
        deadline = time.monotonic() + self._start_timeout
        while self._is_ensemble and not is_whole(self.members):
            if time.monotonic() > deadline:
                modes = ", ".join(f"{member.id}: {member.mode}" for member in self.members)
                raise LiveStartError(
                    f"the servers have no common leader after {self._start_timeout:g} s ({modes})"
                )
            time.sleep(0.02)

    def add_server(self) -> LiveMember:
        """Start one more server, with the next number, and wait until it serves. It follows without
        a vote until a reconfiguration makes it a member: see `LiveMember.specification`. A proxy
        that is there already does not stand in front of it.

        Raises `RuntimeError` unless started, and for one server alone, which no other can join;
        `LiveStartError` if it does not serve within ``start_timeout`` seconds, or if no free ports
        are found.
        """
        before = self.members
        if not self._is_ensemble:
            raise RuntimeError("no server can join a standalone server")
        number = len(before) + 1
        for _ in range(_DRAWS):
            port, quorum, election = free_ports(3)
            own = f"127.0.0.1:{quorum}:{election}:participant;127.0.0.1:{port}"
            member = LiveMember(
                number,
                port,
                command=self._command,
                settings={**self._settings, **self._lines, f"server.{number}": own},
                others=(quorum, election),
                start_timeout=self._start_timeout,
                jaas=self._jaas,
            )
            try:
                member.start(wait=False)
                if member.wait():
                    self._members = (*before, member)
                    return member
            finally:
                if member not in self._members:
                    member.close()
        raise LiveStartError(_TAKEN)

    def _new_proxy(self, *, history: bool) -> ZooKeeperProxy:
        # Not at import: who wants no faults does not pay for the proxy.
        from pytest_zkdict.live.faults import LiveProxy

        return LiveProxy(self.members, self._roles.count("participant"), history=history)

    def _new_members(self) -> tuple[LiveMember, ...]:
        ports = free_ports(3 * len(self._roles) if self._is_ensemble else 1)
        numbers = range(1, len(self._roles) + 1)
        client_ports = [port for port, _ in zip(ports, numbers, strict=False)]
        inner = ports[len(client_ports) :]
        pairs = list(zip(inner[::2], inner[1::2], strict=True))
        servers = {
            f"server.{number}": f"127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{port}"
            for number, (quorum, election), role, port in zip(
                numbers, pairs, self._roles, client_ports, strict=False
            )
        }
        self._lines = servers
        return tuple(
            LiveMember(
                number,
                port,
                command=self._command,
                settings={
                    **self._settings,
                    **servers,
                    **({"peerType": "observer"} if role == "observer" else {}),
                },
                others=pairs[number - 1] if pairs else (),
                start_timeout=self._start_timeout,
                jaas=self._jaas,
            )
            for number, port, role in zip(numbers, client_ports, self._roles, strict=True)
        )

    def stop(self, *, kill: bool = False) -> None:
        """End every server and keep the data; sessions go on when they are started again.

        ``kill``: at once, as a crash does. Does nothing when none runs.
        """
        for member in self._members:
            member.stop(kill=kill)

    def close(self) -> None:
        """End every server and remove the data; started again, it is a new one. Does nothing the
        second time.

        Ends the proxy of `proxied`, too. What that raises is raised once every server has ended.
        """
        try:
            self.stop_proxy()
        finally:
            for member in self._members:
                member.close()
            self._members = ()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<LiveZooKeeper {self.hosts + ' ' if self._members else ''}{state}>"


def _jaas(users: object) -> str:
    """A JAAS file whose server section has these users of SASL DIGEST-MD5."""
    if not isinstance(users, Mapping):  # as the fake says it
        raise ValueError(  # noqa: TRY004  # told as all wrong settings
            f"sasl.users = {users!r}: expected a mapping from user name to password"
        )
    options = [f"user_{user}={_quoted(password)}" for user, password in users.items()]
    module = "org.apache.zookeeper.server.auth.DigestLoginModule required"
    return "Server {\n" + "\n".join([module, *options]) + ";\n};\n"


def _quoted(text: str) -> str:
    line = as_text(text, "a password in sasl.users")
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"'
