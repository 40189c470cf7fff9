"""The routes of whole states: named snapshots, and trees in the form of tree files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as InAddress

from zkfake._data_dir.directory import NamedSnapshot
from zkfake._trees import files
from zkfake._trees.entries import znodes_of
from zkfake._web.errors import refusing
from zkfake._web.parameters import At, Fake, ThePath
from zkfake._web.shapes import (
    ImportBody,
    ImportedShape,
    RestoredShape,
    SnapshotBody,
    SnapshotShape,
    SnapshotsShape,
)
from zkfake._web.values import SnapshotName, zxid_or_none

__all__ = ["routes"]

routes = APIRouter()

Name = Annotated[SnapshotName, InAddress(description="Of a snapshot")]


@routes.get("/snapshots")
async def snapshots(fake: Fake) -> SnapshotsShape:
    """The named snapshots, the oldest first: those of the data directory, or in memory."""
    return SnapshotsShape(snapshots=[_shown(each) for each in fake.snapshots.saved()])


@routes.post("/snapshots", status_code=201)
async def save(fake: Fake, body: SnapshotBody) -> SnapshotShape:
    """Keeps the present state under a name."""
    return _shown(fake.snapshots.save(body.name))


@routes.post("/snapshots/{name}/restore")
async def restore(fake: Fake, name: Name) -> RestoredShape:
    """Goes back to a snapshot. Clients see one big transaction; sessions go on."""
    return RestoredShape(zxid=fake.snapshots.restore(name))


@routes.delete("/snapshots/{name}")
async def forget(fake: Fake, name: Name) -> SnapshotsShape:
    """Deletes a snapshot."""
    fake.snapshots.delete(name)
    return await snapshots(fake)


@routes.get("/export", response_model=dict[str, Any])
async def export(fake: Fake, path: ThePath = "/", at: At = None) -> Response:
    """A znode and all below it as a tree file has them, in JSON: the znode is / in it. Ephemerals
    are marked, and /zookeeper is left out.
    """
    found = fake.export(path, await fake.recalled(zxid_or_none(at)))
    text = "".join(files.render(found, "json"))
    return Response(text, media_type="application/json")


@routes.post("/import")
async def import_(fake: Fake, body: ImportBody) -> ImportedShape:
    """Creates or overwrites what a tree file has, at a path and below it. Ephemerals are left
    out.
    """
    with refusing():
        found = znodes_of(body.znodes)
        above = body.path.rstrip("/")
        fake.server.load(
            {above + path if path != "/" else body.path: each for path, each in found.items()}
        )
    skipped = sum(each.ephemeral for each in found.values())
    zxid = fake.server.last_zxid
    return ImportedShape(zxid=zxid, znodes=len(found) - skipped, skipped=skipped)


def _shown(saved: NamedSnapshot) -> SnapshotShape:
    return SnapshotShape(name=saved.name, zxid=saved.zxid, znodes=saved.znodes, made=saved.made)
