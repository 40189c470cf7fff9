"""The routes of faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query

from zkfake._web.fault_bodies import FaultBody
from zkfake._web.parameters import Fake
from zkfake._web.shapes import FaultShape, FaultsShape
from zkfake._web.values import session_id
from zkfake._web.waiting import until

if TYPE_CHECKING:
    from zkfake._web.begun import BegunFault

__all__ = ["routes"]

routes = APIRouter()

_MOST_HITS = 100

Number = Annotated[int, Path(ge=1, lt=1 << 31, description="Of a fault")]


@routes.get("/faults")
async def faults(fake: Fake) -> FaultsShape:
    """The faults that were begun here, the oldest first; very old ones that are over are left
    out.
    """
    return FaultsShape(faults=[_shown(each) for each in fake.faults])


@routes.post("/faults", status_code=201)
async def begin(fake: Fake, body: FaultBody) -> FaultShape:
    """Begins a fault. It is in force when this is answered."""
    arguments: dict[str, Any] = body.model_dump(exclude_unset=True)
    name = arguments.pop("fault")
    client = arguments.get("client")
    return _shown(
        fake.faults.begin(name, arguments, None if client is None else session_id(client))
    )


@routes.get("/faults/{number}")
async def fault(
    fake: Fake,
    number: Number,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=60,
            allow_inf_nan=False,
            description="Until it has struck or is over, seconds at most",
        ),
    ] = 0,
    hits: Annotated[int, Query(ge=1, lt=1 << 31, description="How often it has to strike")] = 1,
) -> FaultShape:
    """A fault, at once or when it has struck."""
    found = fake.faults[number]
    await until(lambda: found.struck >= hits or found.over, wait, fake.ended)
    return _shown(found)


@routes.delete("/faults/{number}")
async def end(fake: Fake, number: Number) -> FaultShape:
    """Ends a fault: what it has stopped goes on. One that is over stays so."""
    found = fake.faults[number]
    found.end()
    return _shown(found)


@routes.delete("/faults")
async def end_all(fake: Fake) -> FaultsShape:
    """Ends all faults, those included that were begun elsewhere."""
    fake.faults.heal()
    return FaultsShape(faults=[_shown(each) for each in fake.faults])


def _shown(fault: BegunFault) -> FaultShape:
    return FaultShape(
        number=fault.number,
        fault=fault.name,
        arguments=dict(fault.arguments),
        over=fault.over,
        struck=fault.struck,
        hits=fault.hits[-_MOST_HITS:],
    )
