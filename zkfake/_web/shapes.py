"""What replies have, and the bodies that requests have. `openapi.json` is made from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from zkfake._web.values import AS_JSON, AclText, Data, GivenData, Path, SnapshotName, WritablePath

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


_Ttl = Annotated[int, Field(ge=1, lt=1 << 40), AS_JSON]
_Version = Annotated[int, Field(ge=-1, lt=1 << 31), AS_JSON]


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


class CreateBody(Body):
    """A znode to be made."""

    path: WritablePath
    data: GivenData = None
    acl: Annotated[
        list[AclText] | None, Field(description="scheme:id:permissions; null: open", min_length=1)
    ] = None
    sequential: bool = False
    container: bool = False
    ttl: Annotated[_Ttl | None, Field(description="Milliseconds")] = None
    parents: Annotated[bool, Field(description="Make those that are missing")] = False


class SetBody(Body):
    """New data of a znode."""

    path: Path
    data: GivenData
    version: Annotated[
        _Version | None,
        Field(description="That it has to have; null: any"),
    ] = None


class WrittenShape(BaseModel):
    """A znode that was written."""

    zxid: int
    path: str
    version: int


class DeletedShape(BaseModel):
    """What was deleted."""

    zxid: int
    znodes: int


class CopyBody(Body):
    """A copy to be made."""

    source: Path
    target: Annotated[WritablePath, Field(description="Where nothing is so far")]


class CopiedShape(BaseModel):
    """What was copied."""

    zxid: int
    znodes: int
    skipped: Annotated[int, Field(description="Ephemerals")]


class FaultShape(BaseModel):
    """A fault."""

    number: Annotated[int | None, Field(description="null if it was over at once")]
    fault: str
    arguments: dict[str, Any]
    over: bool
    struck: Annotated[
        int, Field(description="How often: connections, sessions or requests; an outage once")
    ]
    hits: Annotated[
        list[str], Field(description="The last hundred requests that it struck, in words")
    ]


class FaultsShape(BaseModel):
    """Faults, the oldest first."""

    faults: list[FaultShape]


class EventShape(BaseModel):
    """Something that happened. What it has not is null."""

    number: int
    time: Annotated[float, Field(description="Seconds since the history began")]
    kind: Annotated[str, Field(description="sent, reply, watch event, committed, fault, ...")]
    who: Annotated[str, Field(description="A client by its session, a server, ...")]
    text: Annotated[str, Field(description="What, in words")]
    connection: int | None
    request: Annotated[int | None, Field(description="The number of a request, as faults have it")]
    operation: str | None
    paths: list[str]
    zxid: int | None
    error: Annotated[str | None, Field(description="ZooKeeper's name, such as NoNode")]


class EventsShape(BaseModel):
    """Events, the oldest first."""

    first: Annotated[int, Field(description="The number of the oldest that is kept")]
    last: Annotated[int, Field(description="The number of the newest; 0 while there is none")]
    events: list[EventShape]
    next: Annotated[int | None, Field(description="`after` of the next page")]


class ChangeShape(BaseModel):
    """What a transaction did to a znode."""

    change: Literal["create", "delete", "setData", "setACL", "check"]
    path: str


class TransactionShape(BaseModel):
    """What was committed: changes, or a request that failed."""

    zxid: int
    time: Annotated[int, Field(description="Milliseconds since the epoch")]
    session: str | None
    operation: Annotated[str, Field(description="The request; restore, where a state was replaced")]
    error: Annotated[str | None, Field(description="ZooKeeper's name, such as NoNode")]
    changes: Annotated[list[ChangeShape], Field(description="The first hundred")]
    total: Annotated[int, Field(description="How many changes there are")]


class TransactionsShape(BaseModel):
    """Transactions, the oldest first."""

    first: Annotated[int, Field(description="The zxid of the oldest state that can be shown")]
    last: Annotated[int, Field(description="The zxid of the present state")]
    ranges: Annotated[
        list[tuple[int, int]],
        Field(description="All that there are: the first and the last zxid of each run"),
    ]
    transactions: list[TransactionShape]
    next: Annotated[int | None, Field(description="`after` of the next page")]


class SnapshotBody(Body):
    """A snapshot to be made."""

    name: SnapshotName


class SnapshotShape(BaseModel):
    """A snapshot."""

    name: str
    zxid: int
    znodes: int
    made: Annotated[int, Field(description="Milliseconds since the epoch")]


class SnapshotsShape(BaseModel):
    """Snapshots, the oldest first."""

    snapshots: list[SnapshotShape]


class RestoredShape(BaseModel):
    """The state that there is now."""

    zxid: int


class ImportBody(Body):
    """What a tree file has, and where it is to be."""

    path: Annotated[WritablePath, Field(description="What is / in the file")] = "/"
    znodes: Annotated[
        dict[str, Any], Field(description="Values by path, as a tree file in JSON has them")
    ]


class ImportedShape(BaseModel):
    """What was imported."""

    zxid: int
    znodes: int
    skipped: Annotated[int, Field(description="Ephemerals")]
