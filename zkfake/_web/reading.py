"""The routes that read: servers, sessions, connections, watches and the tree."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import APIRouter, Query

from zkfake._database.log import CONTAINER
from zkfake._trees.entries import to_text
from zkfake._web.errors import refusing
from zkfake._web.fake import name_of
from zkfake._web.parameters import After, At, Fake, Limit, Offset, ThePath
from zkfake._web.shapes import (
    ConnectionShape,
    ConnectionsShape,
    CountShape,
    FoundShape,
    SearchShape,
    ServerShape,
    ServersShape,
    SessionShape,
    SessionsShape,
    StatShape,
    TreeShape,
    WatchesShape,
    WatchShape,
)
from zkfake._web.values import (
    LONGEST_PATH,
    SessionText,
    session_id,
    session_name,
    shown_data,
    zxid_or_none,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkfake._database.tree import Znode
    from zkfake._web.fake import FoundZnode

__all__ = ["routes"]

routes = APIRouter()

_Item = TypeVar("_Item")


@routes.get("/servers")
async def servers(fake: Fake) -> ServersShape:
    """The servers, and what they agree on."""
    server = fake.server
    with refusing():
        members = server.members
        watches = Counter(watch.server_id for watch in server.watches)
        connections = Counter(each.server_id for each in server.connections)
        secure = members[0].secure_port is not None
        return ServersShape(
            version=fake.version,
            hosts=server.hosts,
            secure_hosts=",".join(each.secure_hosts for each in members) if secure else None,
            leader=server.leader,
            first_zxid=fake.first_zxid,
            last_zxid=server.last_zxid,
            servers=[
                ServerShape(
                    server=member.id,
                    hosts=member.hosts,
                    secure_hosts=member.secure_hosts if secure else None,
                    mode=member.mode,
                    running=member.running,
                    zxid=replica.zxid,
                    lag=member.lag,
                    frozen=member.frozen,
                    paused=replica.paused,
                    connections=connections[member.id],
                    watches=watches[member.id],
                )
                for member, replica in zip(members, server.replicas, strict=False)
            ],
        )


@routes.get("/sessions")
async def sessions(fake: Fake, offset: Offset = 0, limit: Limit = 100) -> SessionsShape:
    """The open sessions, the oldest first."""
    server = fake.server
    with refusing():
        found = server.sessions
        watches = Counter(watch.session_id for watch in server.watches)
        addresses = {each.session_id: each.address for each in server.connections}
    return SessionsShape(
        total=len(found),
        sessions=[
            SessionShape(
                session=session_name(each.id),
                timeout=each.timeout,
                server=each.server_id,
                ephemerals=list(each.ephemerals),
                watches=watches[each.id],
                address=addresses.get(each.id),
            )
            for each in _page(found, offset, limit)
        ],
    )


@routes.get("/connections")
async def connections(fake: Fake, offset: Offset = 0, limit: Limit = 100) -> ConnectionsShape:
    """The open connections, by server, the oldest first."""
    with refusing():
        found = fake.server.connections
    return ConnectionsShape(
        total=len(found),
        connections=[
            ConnectionShape(
                session=session_name(each.session_id) if each.session_id else None,
                server=each.server_id,
                address=each.address,
                ids=[f"{id_.scheme}:{id_.id}" for id_ in each.ids],
                received=each.received,
                sent=each.sent,
            )
            for each in _page(found, offset, limit)
        ],
    )


@routes.get("/watches")
async def watches(
    fake: Fake,
    path: Annotated[str | None, Query(max_length=LONGEST_PATH, description="Only on it")] = None,
    session: Annotated[SessionText | None, Query(description="Only those of it")] = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> WatchesShape:
    """Who watches what."""
    with refusing():
        found = fake.server.watches
    own = None if session is None else session_id(session)
    found = tuple(
        each
        for each in found
        if (path is None or each.path == path) and (own is None or each.session_id == own)
    )
    return WatchesShape(
        total=len(found),
        watches=[
            WatchShape(
                path=each.path,
                session=session_name(each.session_id),
                server=each.server_id,
                table=each.table,
                mode=each.mode,
            )
            for each in _page(found, offset, limit)
        ],
    )


@routes.get("/tree")
async def tree(
    fake: Fake, path: ThePath = "/", at: At = None, after: After = "", limit: Limit = 100
) -> TreeShape:
    """A znode, and its children in the order of their names."""
    page = fake.look(path, await fake.recalled(zxid_or_none(at)), after, limit)
    node = page.znode.node
    stat = node.stat(page.znode.children)._asdict()
    stat["ephemeral_owner"] = _owner(node)
    return TreeShape(
        zxid=page.zxid,
        path=path,
        data=shown_data(node.data),
        acl=[to_text(each) for each in node.acl],
        container=node.reap == CONTAINER,
        ttl=node.reap if node.reap > 0 else None,
        stat=StatShape(**stat),
        children=[_listed(each) for each in page.below],
        next=name_of(page.last) if page.more else None,
    )


@routes.get("/count")
async def count(fake: Fake, path: ThePath = "/", at: At = None) -> CountShape:
    """How many znodes there are at a path and below it, and how much data they have."""
    found = fake.count(path, await fake.recalled(zxid_or_none(at)))
    return CountShape(path=path, **found._asdict())


@routes.get("/search")
async def search(
    fake: Fake,
    path: Annotated[
        str, Query(max_length=LONGEST_PATH, description="A text that the path has in it")
    ] = "",
    data: Annotated[
        str, Query(max_length=LONGEST_PATH, description="A text that the data has in it")
    ] = "",
    below: ThePath = "/",
    at: At = None,
    after: After = "",
    limit: Limit = 100,
) -> SearchShape:
    """The znodes below a path that have both texts, upper and lower case alike, in the order of
    their paths.
    """
    in_path, in_data = path.casefold(), data.encode(errors="replace").lower()

    def matches(each: str, node: Znode) -> bool:
        return in_path in each.casefold() and (
            not in_data or (node.data is not None and in_data in node.data.lower())
        )

    zxid = await fake.recalled(zxid_or_none(at))
    page = fake.search(matches, below, zxid, after, limit)
    return SearchShape(
        zxid=page.zxid,
        found=[_listed(each) for each in page.below],
        next=page.last if page.more else None,
    )


def _page(found: Sequence[_Item], offset: int, limit: int) -> Sequence[_Item]:
    return found[offset : offset + limit]


def _owner(node: Znode) -> str | None:
    return session_name(node.owner) if node.owner else None


def _listed(found: FoundZnode) -> FoundShape:
    return FoundShape(
        name=name_of(found.path),
        path=found.path,
        num_children=found.children,
        data_length=len(found.node.data or b""),
        version=found.node.version,
        mzxid=found.node.mzxid,
        ephemeral_owner=_owner(found.node),
    )
