"""What replies have, and the bodies that requests have. `openapi.json` is made from these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from zkfake._web.values import Data

__all__ = [
    "ConnectionShape",
    "ConnectionsShape",
    "CountShape",
    "ErrorShape",
    "FoundShape",
    "SearchShape",
    "ServerShape",
    "ServersShape",
    "SessionShape",
    "SessionsShape",
    "StatShape",
    "TreeShape",
    "WatchShape",
    "WatchesShape",
]


class Body(BaseModel):
    """The body of a request: nothing else is allowed in it, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorShape(BaseModel):
    """Why a request was refused."""

    error: Annotated[str, Field(description="A sentence")]


class ServerShape(BaseModel):
    """One server."""

    server: Annotated[int, Field(description="Its number, from 1")]
    hosts: str
    secure_hosts: str | None
    mode: Annotated[
        Literal["standalone", "leader", "follower", "observer", "read-only"] | None,
        Field(description="null while it serves no clients"),
    ]
    running: bool
    zxid: Annotated[int, Field(description="Of the last transaction that it has applied")]
    lag: Annotated[float, Field(description="Seconds from a commit until it applies it")]
    frozen: bool
    paused: bool
    connections: int
    watches: int


class ServersShape(BaseModel):
    """The whole ensemble."""

    version: Annotated[str, Field(description="The version of ZooKeeper that it is")]
    hosts: Annotated[str, Field(description="The connect string")]
    secure_hosts: str | None
    leader: Annotated[int | None, Field(description="The number of the server that leads")]
    first_zxid: Annotated[int, Field(description="The oldest that `at` can be")]
    last_zxid: int
    servers: list[ServerShape]


class SessionShape(BaseModel):
    """An open session."""

    session: str
    timeout: Annotated[int, Field(description="Milliseconds")]
    server: Annotated[int, Field(description="The server that owns it")]
    ephemerals: list[str]
    watches: int
    address: Annotated[str | None, Field(description="Of its client; null while not connected")]


class SessionsShape(BaseModel):
    """Sessions, the oldest first."""

    total: int
    sessions: list[SessionShape]


class ConnectionShape(BaseModel):
    """An open connection."""

    session: Annotated[str | None, Field(description="null before the handshake")]
    server: int
    address: str
    ids: Annotated[list[str], Field(description="Who the client is: scheme:id")]
    received: Annotated[int, Field(description="Packets")]
    sent: Annotated[int, Field(description="Packets")]


class ConnectionsShape(BaseModel):
    """Connections, by server."""

    total: int
    connections: list[ConnectionShape]


class WatchShape(BaseModel):
    """A watch."""

    path: str
    session: str
    server: int
    table: Literal["data", "child"]
    mode: Literal["standard", "persistent", "recursive"]


class WatchesShape(BaseModel):
    """Watches, by server."""

    total: int
    watches: list[WatchShape]


class StatShape(BaseModel):
    """A znode's Stat."""

    czxid: int
    mzxid: int
    ctime: Annotated[int, Field(description="Milliseconds since the epoch")]
    mtime: Annotated[int, Field(description="Milliseconds since the epoch")]
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: Annotated[str | None, Field(description="A session")]
    data_length: int
    num_children: int
    pzxid: int


class FoundShape(BaseModel):
    """A znode in a list."""

    name: Annotated[str, Field(description="The last part of its path")]
    path: str
    num_children: int
    data_length: int
    version: int
    mzxid: int
    ephemeral_owner: Annotated[str | None, Field(description="A session")]


class TreeShape(BaseModel):
    """A znode, and some of its children in the order of their names."""

    zxid: int
    path: str
    data: Data
    acl: Annotated[list[str], Field(description="scheme:id:permissions")]
    container: bool
    ttl: Annotated[int | None, Field(description="Milliseconds")]
    stat: StatShape
    children: list[FoundShape]
    next: Annotated[str | None, Field(description="`after` of the next page")]


class CountShape(BaseModel):
    """What there is at a path and below it."""

    zxid: int
    path: str
    znodes: int
    data_length: Annotated[int, Field(description="Bytes")]
    ephemerals: int


class SearchShape(BaseModel):
    """Znodes in the order of their paths."""

    zxid: int
    found: list[FoundShape]
    next: Annotated[str | None, Field(description="`after` of the next page")]
