"""Reconfiguration: the membership text of an ensemble, and what a ``reconfig`` request makes of it.

The text is the data of ``/zookeeper/config``: one ``server.<id>=<spec>`` line for each member and a
last line ``version=<zxid of the reconfiguration, hexadecimal>``. A request either gives the whole
new membership or adds and removes members; a member added under the id of another takes its place.

This is as much of it as a client sees: the text, its version, the watch event, the errors and their
order. The fake's servers stay the ones it was made with, whatever the text says.

Order of the errors: the configuration version asked for (BadVersion), what the request says
(BadArguments; MarshallingError where the real server stumbles over a number or over observers
without participants), a quorum of the new members that is not there (NewConfigNoQuorum), the
permission to write (NoAuth).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zkfake.protocol import Code, ReconfigRequest, ZooKeeperError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["CONFIG_PATH", "ServerSpec", "initial", "reconfigured", "server_ports"]

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
    """One member. ``client`` is where clients reach it, empty where the line does not say."""

    host: str
    quorum_port: int
    election_port: int
    role: str = "participant"
    client: str = ""

    def render(self) -> str:
        """The member as the text has it, behind ``server.<id>=``."""
        server = f"{self.host}:{self.quorum_port}:{self.election_port}:{self.role}"
        return f"{server};{self.client}" if self.client else server

    def clashes(self, other: ServerSpec) -> bool:
        """Whether two members cannot both have what they claim."""
        mine = {(self.host, self.quorum_port), (self.host, self.election_port)}
        theirs = {(other.host, other.quorum_port), (other.host, other.election_port)}
        return bool(mine & theirs) or (self.client != "" and self.client == other.client)


def server_ports(number: int) -> tuple[int, int]:
    """The ports for the other servers and for elections that server ``number`` says it has.

    They are ZooKeeper's usual ones, counted up; nothing listens there.
    """
    return 2887 + number, 3887 + number


def initial(members: Iterable[tuple[int, bool]], version: int) -> bytes:
    """The text of a new ensemble: (id, whether it is an observer) of each member."""
    servers = {
        number: ServerSpec("127.0.0.1", *server_ports(number), _ROLES[observer])
        for number, observer in members
    }
    return _render(servers, version)


def reconfigured(
    text: bytes, request: ReconfigRequest, zxid: int, running: Collection[int]
) -> bytes:
    """The text after ``request``, a transaction at ``zxid``.

    ``running``: the ids of the servers that follow the leader. Raises `ZooKeeperError`: BadVersion,
    BadArguments, MarshallingError, NewConfigNoQuorum.
    """
    servers, version = _parse(text)
    if request.config_id not in (ANY_CONFIG, version):
        raise ZooKeeperError(Code.BAD_VERSION)
    if request.members is not None:
        servers = _all_new(request.members)
    else:
        for number in _split(request.leaving):
            servers.pop(_number(number), None)
        for line in _split(request.joining):
            _join(servers, line)
    voters = [number for number, server in servers.items() if server.role == "participant"]
    if len(voters) < _FEWEST_VOTERS:
        raise ZooKeeperError(Code.BAD_ARGUMENTS)
    if 2 * sum(number in running for number in voters) <= len(voters):
        raise ZooKeeperError(Code.NEW_CONFIG_NO_QUORUM)
    return _render(servers, zxid)


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


def _all_new(text: str) -> dict[int, ServerSpec]:
    servers: dict[int, ServerSpec] = {}
    for line in re.split(r"[,\n\r]+", text):
        if not line.strip():
            continue
        name, _, spec = (part.strip() for part in line.partition("="))
        if name == "version":
            continue
        if not name.startswith("server."):
            raise ZooKeeperError(Code.BAD_ARGUMENTS)
        servers[_number(name.rpartition(".")[2])] = _server(spec)
    roles = [server.role for server in servers.values()]
    if roles.count("participant") < _FEWEST_VOTERS and "observer" in roles:
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return servers


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return int(text)


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


def _parse(text: bytes) -> tuple[dict[int, ServerSpec], int]:
    *lines, last = text.decode().split("\n")
    servers = {}
    for line in lines:
        name, _, spec = line.partition("=")
        servers[int(name.rpartition(".")[2])] = _server(spec)
    return servers, int(last.rpartition("=")[2], 16)


def _render(servers: dict[int, ServerSpec], version: int) -> bytes:
    lines = [f"server.{number}={server.render()}" for number, server in sorted(servers.items())]
    return "\n".join([*lines, f"version={version:x}"]).encode()
