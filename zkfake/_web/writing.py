"""The routes that change the tree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from zkfake._database.acl import OPEN
from zkfake._trees.entries import to_acl
from zkfake._web.errors import Refused, refusing
from zkfake._web.parameters import Fake, ThePath
from zkfake._web.shapes import (
    CopiedShape,
    CopyBody,
    CreateBody,
    DeletedShape,
    SetBody,
    WrittenShape,
)
from zkfake._web.values import given_bytes

__all__ = ["routes"]

routes = APIRouter()

Version = Annotated[int | None, Query(ge=-(1 << 31), lt=1 << 31, description="That it has to have")]


@routes.post("/tree", status_code=201)
async def create(fake: Fake, body: CreateBody) -> WrittenShape:
    """Creates a znode."""
    if body.container and (body.ttl or body.sequential):
        raise Refused(409, "A container has no time to live, and is not sequential")
    with refusing():
        acl = list(OPEN) if body.acl is None else [to_acl(each) for each in body.acl]
    zxid, path = await fake.writer.create(
        body.path,
        given_bytes(body.data),
        acl,
        sequential=body.sequential,
        container=body.container,
        ttl=body.ttl,
        parents=body.parents,
    )
    return WrittenShape(zxid=zxid, path=path, version=0)


@routes.put("/tree")
async def set_data(fake: Fake, body: SetBody) -> WrittenShape:
    """Replaces a znode's data, if it has the version that is given, or whatever version it has."""
    zxid, version = await fake.writer.set(body.path, given_bytes(body.data), body.version)
    return WrittenShape(zxid=zxid, path=body.path, version=version)


@routes.delete("/tree")
async def delete(
    fake: Fake,
    path: ThePath,
    version: Version = None,
    znodes: Annotated[
        int | None,
        Query(
            ge=1,
            lt=1 << 31,
            description="Deletes all below it, too, if they are as many as GET /count has said",
        ),
    ] = None,
) -> DeletedShape:
    """Deletes a znode without children; or all that is there and below, if it has been counted."""
    if znodes is None:
        return DeletedShape(zxid=await fake.writer.delete(path, version), znodes=1)
    zxid = await fake.writer.delete_all(path, version, znodes)
    return DeletedShape(zxid=zxid, znodes=znodes)


@routes.post("/copy", status_code=201)
async def copy(fake: Fake, body: CopyBody) -> CopiedShape:
    """Makes a copy of a znode and of all below it, as one transaction. Ephemerals are left out."""
    zxid, znodes, skipped = await fake.writer.copy(body.source, body.target)
    return CopiedShape(zxid=zxid, znodes=znodes, skipped=skipped)
