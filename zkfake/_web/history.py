"""The routes of what happened: events as they come, transactions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from zkfake._database.log import Create, Delete, SetAcl, SetData
from zkfake._history.shown import error_name
from zkfake._history.telling import kind_name
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import Op
from zkfake._web.errors import Refused
from zkfake._web.parameters import Fake, Limit, ZxidAfter
from zkfake._web.shapes import (
    ChangeShape,
    EventShape,
    EventsShape,
    TransactionShape,
    TransactionsShape,
)
from zkfake._web.values import session_name, zxid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zkfake._database.log import Outcome, Transaction
    from zkfake._web.fake import ControlledFake
    from zkfake._web.live import NumberedEvent

__all__ = ["routes"]

routes = APIRouter()

_PACE = 0.1
"""Seconds from one look at the events to the next."""

_MOST_STREAMS = 20

_MOST_CHANGES = 100

AfterNumber = Annotated[
    int, Query(ge=0, lt=1 << 53, description="The number of the last event that is known")
]


@routes.get("/history")
async def history(fake: Fake, after: AfterNumber = 0, limit: Limit = 100) -> EventsShape:
    """What happened lately: requests, replies, watch events, transactions, faults, and what servers
    do.
    """
    found = fake.events(after, limit)
    last = found[-1].number if found else None
    return EventsShape(
        first=fake.live.first,
        last=fake.live.last,
        events=[_event(each) for each in found],
        next=last if last is not None and last < fake.live.last else None,
    )


@routes.get(
    "/history/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    fake: Fake,
    after: Annotated[
        int | None,
        Query(ge=0, lt=1 << 53, description="The last event that is known; otherwise from now on"),
    ] = None,
    last_event_id: Annotated[
        str | None, Header(pattern="^[0-9]{1,15}$", description="The same, of one that comes again")
    ] = None,
) -> StreamingResponse:
    """The same as it happens, as server-sent events: their data is an event as in `events`."""
    if fake.streams >= _MOST_STREAMS:
        raise Refused(409, f"There are {_MOST_STREAMS} streams already")
    start = fake.live.last if after is None else after
    if last_event_id is not None:
        start = int(last_event_id)
    if start > fake.live.last:
        start = 0  # it is the number of an event of another fake, at the same address before
    return StreamingResponse(_sent(fake, start), media_type="text/event-stream")


async def _sent(fake: ControlledFake, number: int) -> AsyncIterator[str]:
    fake.streams += 1
    quiet = 0.0
    try:
        yield ":\n\n"
        while not fake.ended.is_set():
            found = fake.events(number, 100)
            if found:
                number, quiet = found[-1].number, 0
                yield "".join(
                    f"id: {each.number}\ndata: {_event(each).model_dump_json()}\n\n"
                    for each in found
                )
                await asyncio.sleep(0)
                continue
            await asyncio.sleep(_PACE)
            quiet += _PACE
            if quiet > 10:  # or somebody on the way would take it for dead
                quiet = 0
                yield ":\n\n"
    finally:
        fake.streams -= 1


def _event(told: NumberedEvent) -> EventShape:
    event = told.event
    paths = getattr(event, "paths", None)
    path = getattr(event, "path", None)
    transaction = getattr(event, "transaction", None)
    at = transaction.zxid if transaction is not None else getattr(event, "zxid", None)
    error = getattr(event, "error", None)
    return EventShape(
        number=told.number,
        time=event.time,
        kind=kind_name(event),
        who=told.who,
        text=told.text,
        connection=getattr(event, "connection", None),
        request=getattr(event, "number", None),
        operation=getattr(event, "operation", None),
        paths=list(paths) if paths is not None else [path] if path is not None else [],
        zxid=at if at is not None and at > 0 else None,
        error=error_name(error) if error else None,
    )


@routes.get("/transactions")
async def transactions(fake: Fake, after: ZxidAfter = "0", limit: Limit = 100) -> TransactionsShape:
    """The transactions that are kept, the oldest first, and which zxids there are: `at` of other
    routes takes them.
    """
    number = zxid(after)
    log = fake.log()
    later = [each for each in log.transactions if each.zxid > number]
    page = later[:limit]
    return TransactionsShape(
        first=log.first,
        last=log.last,
        ranges=_ranges([each.zxid for each in log.transactions]),
        transactions=[_transaction(each) for each in page],
        next=page[-1].zxid if page and len(later) > len(page) else None,
    )


def _ranges(zxids: list[int]) -> list[tuple[int, int]]:
    """The first and the last of those that follow each other without a gap."""
    found: list[tuple[int, int]] = []
    for each in zxids:
        if found and found[-1][1] + 1 == each:
            found[-1] = found[-1][0], each
        else:
            found.append((each, each))
    return found


def _transaction(done: Transaction) -> TransactionShape:
    return TransactionShape(
        zxid=done.zxid,
        time=done.time,
        session=session_name(done.session_id) if done.session_id else None,
        operation="restore" if done.op is Op.ERROR else OPERATIONS[done.op].name,
        error=error_name(done.error) if done.error else None,
        changes=[_change(each) for each in done.operations[:_MOST_CHANGES]],
        total=len(done.operations),
    )


_CHANGES: dict[type, Literal["create", "delete", "setData", "setACL"]] = {
    Create: "create",
    Delete: "delete",
    SetData: "setData",
    SetAcl: "setACL",
}


def _change(done: Outcome) -> ChangeShape:
    return ChangeShape(change=_CHANGES.get(type(done), "check"), path=done.path)
