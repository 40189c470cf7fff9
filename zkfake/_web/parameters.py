"""The parameters that several routes have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from zkfake._web.fake import ControlledFake
from zkfake._web.values import LONGEST_PATH, Path, ZxidText

__all__ = ["After", "At", "Fake", "Limit", "Offset", "ThePath", "ZxidAfter"]


async def _fake(request: Request) -> ControlledFake:
    fake: ControlledFake = request.app.state.fake
    return fake


Fake = Annotated[ControlledFake, Depends(_fake)]

ThePath = Annotated[Path, Query(description="The path of a znode")]
At = Annotated[ZxidText | None, Query(description="A zxid: the tree as it was then")]
After = Annotated[str, Query(description="`next` of the page before", max_length=LONGEST_PATH)]
ZxidAfter = Annotated[ZxidText, Query(description="The zxid of the last one that is known")]
Limit = Annotated[int, Query(ge=0, le=1000, description="The most that are listed")]
Offset = Annotated[int, Query(ge=0, lt=1 << 31, description="How many are left out")]
