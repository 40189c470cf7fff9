"""Reconfiguration: the membership text of an ensemble, and what a ``reconfig`` request makes of it.

The text is the data of ``/zookeeper/config``: one ``server.<id>=<spec>`` line for each member and a
last line ``version=<zxid of the reconfiguration, hexadecimal>``. A request either gives the whole
new membership or adds and removes members; a member added under the id of another takes its place.

A whole membership may put the voters into groups (``group.<id>=1:2:3``) and weigh them
(``weight.<id>=2``, 1 where nothing is said). A quorum then takes more than half of the weight in
more than half of the groups. Such a membership takes no single additions or removals; only another
whole membership can replace it.

This module has the text and its rules. How servers follow a configuration is in `zkfake._ensemble`.

Order of the errors: another reconfiguration that is not committed yet (ReconfigInProgress); the
configuration version asked for (BadVersion); what the request says (BadArguments; MarshallingError
where the real server fails on a number, on observers without participants, or on a member of a
group without a weight); a quorum of the new members that is not there (NewConfigNoQuorum); the
permission to write (NoAuth).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from zkfake._protocol.records import Code, ReconfigRequest, ZooKeeperError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = [
    "CONFIG_PATH",
    "Configuration",
    "Membership",
    "ServerSpec",
    "initial",
    "member",
    "parse",
    "reconfigured",
    "server_ports",
]

CONFIG_PATH = "/zookeeper/config"

ANY_CONFIG = -1
"""`ReconfigRequest.config_id` of a request that fits every configuration."""

_FEWEST_VOTERS = 2
_SPEC = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:;\[\]]+):(?P<quorum>\d{1,5}):(?P<election>\d{1,5})(?::(?P<role>\w+))?"
    r"(?:;(?:(?P<client_host>\[[0-9A-Fa-f:.]+\]|[^:;\[\]]+):)?(?P<client>\d{1,5}))?",
    re.ASCII,
)
_ROLES = ("participant", "observer")


class ServerSpec(NamedTuple):
    """One member. ``client``: its address for clients, ``host:port``; empty if not specified."""

    host: str
    quorum_port: int
    election_port: int
    role: str = "participant"
    client: str = ""

    @property
    def client_port(self) -> int | None:
        """The port for clients; ``None`` if not specified."""
        return int(self.client.rpartition(":")[2]) if self.client else None

    def render(self) -> str:
        """The member as the text has it, after ``server.<id>=``."""
        server = f"{self.host}:{self.quorum_port}:{self.election_port}:{self.role}"
        return f"{server};{self.client}" if self.client else server

    def clashes(self, other: ServerSpec) -> bool:
        """Whether both members claim one port."""
        mine = {(self.host, self.quorum_port), (self.host, self.election_port)}
        theirs = {(other.host, other.quorum_port), (other.host, other.election_port)}
        return bool(mine & theirs) or (self.client != "" and self.client == other.client)


def server_ports(number: int) -> tuple[int, int]:
    """The ports for the other servers and for elections that server ``number`` says it has.

    They are ZooKeeper's default ports plus the number; nothing listens on them.
    """
    return 2887 + number, 3887 + number


def member(number: int, observer: bool, client: str) -> ServerSpec:
    """The specification of server ``number``. ``client``: its client address, ``host:port``."""
    return ServerSpec("127.0.0.1", *server_ports(number), _ROLES[observer], client)


def initial(members: Iterable[tuple[int, bool, str]], version: int) -> Configuration:
    """The first configuration of an ensemble. A member is given by its id, whether it is an
    observer, and its address for clients, ``host:port``.
    """
    servers = {number: member(number, observer, client) for number, observer, client in members}
    return Configuration(servers, version)


class Membership(NamedTuple):
    """What a leader needs to know to answer a reconfiguration request.

    ``pending``: whether another reconfiguration is not committed yet. ``synced``: the ids of the
    leader and of those that follow it and get its proposals, with a vote or without.
    """

    current: Configuration
    pending: bool
    synced: Collection[int]


def reconfigured(membership: Membership, request: ReconfigRequest, zxid: int) -> Configuration:
    """The configuration after ``request``, a transaction at ``zxid``.

    Raises `ZooKeeperError`: ReconfigInProgress, BadVersion, BadArguments, MarshallingError,
    NewConfigNoQuorum.
    """
    old = membership.current
    if membership.pending:
        raise ZooKeeperError(Code.RECONFIG_IN_PROGRESS)
    if request.config_id not in (ANY_CONFIG, old.version):
        raise ZooKeeperError(Code.BAD_VERSION)
    if request.members is not None:
        new = replace(parse(request.members), version=zxid)
    elif old.groups is None:
        servers = dict(old.servers)
        for number in _split(request.leaving):
            servers.pop(_number(number), None)
        for line in _split(request.joining):
            _join(servers, line)
        new = Configuration(servers, zxid)
    else:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    if len(new.voters) < _FEWEST_VOTERS:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    if not new.has_quorum(membership.synced):
        raise ZooKeeperError(Code.NEW_CONFIG_NO_QUORUM)
    return new


@dataclass(frozen=True, eq=False)
class Configuration:
    """The members of an ensemble. ``groups``: the group of each server, ``None`` where there are no
    groups; ``weights``: of each server.
    """

    servers: Mapping[int, ServerSpec] = field(default_factory=dict)
    version: int = 0
    groups: Mapping[int, int] | None = None
    weights: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def voters(self) -> frozenset[int]:
        """The ids of the members with a vote."""
        return frozenset(
            number for number, server in self.servers.items() if server.role == "participant"
        )

    def observes(self, number: int) -> bool:
        """Whether the server is an observer here. A server that is not a member is not an observer:
        it follows without a vote.
        """
        server = self.servers.get(number)
        return server is not None and server.role == "observer"

    def has_quorum(self, there: Collection[int]) -> bool:
        """Whether the voters among these servers are a quorum."""
        voters = self.voters
        there = voters.intersection(there)
        if self.groups is None:
            return 2 * len(there) > len(voters)
        counted = [group for group, weight in self._group_weights(self.groups).items() if weight]
        here = self._group_weights(there)
        whole = self._group_weights(self.groups)
        won = sum(2 * weight > whole[group] for group, weight in here.items())
        return 2 * won > len(counted)

    def place_of(self, number: int) -> str:
        """A description of the server's part in this configuration, for people."""
        spec = self.servers.get(number)
        place = "no member" if spec is None else spec.role
        voters = " ".join(map(str, sorted(self.voters)))
        return f"{place}; configuration {self.version:#x}, voters {voters}"

    def may_win(self, number: int) -> bool:
        """Whether the server may be elected: it has a vote with a weight above 0."""
        return number in self.voters and (self.groups is None or self.weights[number] > 0)

    def keeps_leader(self, number: int, former: Configuration) -> bool:
        """Whether the leader of ``former`` goes on: it has a vote, and its address for the other
        servers is unchanged.
        """
        if number not in self.voters or number not in former.servers:
            return False
        now, then = self.servers[number], former.servers[number]
        return now.quorum_port == then.quorum_port and _address(now.host) == _address(then.host)

    def _group_weights(self, members: Iterable[int]) -> dict[int, int]:
        assert self.groups is not None
        found: dict[int, int] = {}
        for number in members:
            group = self.groups.get(number)
            if group is not None:
                found[group] = found.get(group, 0) + self.weights[number]
        return found

    def render(self) -> bytes:
        """The text of `CONFIG_PATH`."""
        lines = [
            f"server.{number}={self.servers[number].render()}"
            for number in _hashed(sorted(self.servers))
        ]
        if self.groups is not None:
            members: dict[int, list[int]] = {}
            for number in _hashed(sorted(self.groups)):
                members.setdefault(self.groups[number], []).append(number)
            lines += [f"group.{n}={':'.join(map(str, members[n]))}" for n in _hashed(members)]
            lines += [f"weight.{n}={self.weights[n]}" for n in _hashed(sorted(self.weights))]
        return "\n".join([*lines, f"version={self.version:x}"]).encode()


def _address(host: str) -> str:
    """``localhost`` is the one name that is compared by its address."""
    return "127.0.0.1" if host == "localhost" else host


def _hashed(numbers: Collection[int]) -> list[int]:
    """In the order of a Java ``HashMap``: for a few small numbers, the order of their size."""
    buckets = 16
    while len(numbers) > buckets * 3 // 4:
        buckets *= 2

    def bucket(number: int) -> int:
        mixed = (number ^ number >> 32) & 0xFFFFFFFF
        return (mixed ^ mixed >> 16) % buckets

    return sorted(numbers, key=bucket)  # in insertion order within a bucket


def _join(servers: dict[int, ServerSpec], line: str) -> None:
    name, equals, spec = line.partition("=")
    if not equals or "=" in spec:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    number = _number(name.rpartition(".")[2])
    server = _server(spec)
    others = (other for other_number, other in servers.items() if other_number != number)
    if not server.client or any(map(server.clashes, others)):
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    servers.pop(number, None)
    servers[number] = server


def parse(text: str) -> Configuration:
    """A membership given as a whole, or the text of a znode. Raises `ZooKeeperError`: BadArguments,
    MarshallingError.
    """
    lines: list[tuple[str, str]] = []
    for line in filter(str.strip, re.split(r"[,\n\r]+", text)):
        name, _, value = line.partition("=")
        name = name.strip()
        if not name.startswith(("server.", "group", "weight")) and name != "version":
            raise ZooKeeperError(Code.BAD_ARGUMENTS)
        lines.append((name, value.lstrip()))
    servers: dict[int, ServerSpec] = {}
    groups: dict[int, int] = {}
    weights: dict[int, int] = {}
    version = 0
    for name, value in lines:
        number = name.partition(".")[2] if "." in name else name
        if name == "version":
            version = _number(value, 16)
        elif name.startswith("server."):
            servers[_number(number)] = _server(value)
        elif name.startswith("weight"):
            weights[_number(number)] = _number(value)
        else:
            for member in value.rstrip(":").split(":"):
                if _number(member) in groups:
                    raise ZooKeeperError(Code.BAD_ARGUMENTS)
                groups[int(member)] = _number(number)
    made = Configuration(servers, version)
    if any(name.startswith(("group", "weight")) for name, _ in lines):
        made = _weighed(made, groups, weights)
    observers = len(servers) > len(made.voters)
    if len(made.voters) < _FEWEST_VOTERS and observers:
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return made


def _weighed(made: Configuration, groups: dict[int, int], weights: dict[int, int]) -> Configuration:
    if not set(made.voters) <= set(groups):
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    for number in sorted(made.voters):
        weights.setdefault(number, 1)
    if not set(groups) <= set(weights):
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return replace(made, groups=groups, weights=weights)


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _number(text: str, base: int = 10) -> int:
    digits = {10: "[0-9]", 16: "[0-9A-Fa-f]"}[base]
    if not re.fullmatch(rf"[+-]?{digits}{{1,18}}", text):
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return int(text, base)


def _server(spec: str) -> ServerSpec:
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    role = (match["role"] or "participant").lower()
    ports = [int(match[name] or 0) for name in ("quorum", "election", "client")]
    if role not in _ROLES or max(ports) > 0xFFFF or ports[0] == ports[1]:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    client = f"{match['client_host'] or '0.0.0.0'}:{ports[2]}" if match["client"] else ""
    return ServerSpec(match["host"], ports[0], ports[1], role, client)
