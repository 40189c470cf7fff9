"""The bodies that begin faults: one for each method of `zkfake.Faults`, made from its signature."""

from __future__ import annotations

import inspect
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from zkfake._protocol.frames import OPERATION_NAMES
from zkfake._realtime.faults import Faults
from zkfake._web.begun import FAULTS
from zkfake._web.shapes import Body
from zkfake._web.values import AS_JSON, LONGEST_PATH, SessionText

__all__ = ["BODIES", "FaultBody"]

_Seconds = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
_SecondsRange = Annotated[
    list[_Seconds],
    Field(min_length=2, max_length=2, description="Seconds: between these two"),
    AfterValidator(sorted),
]
_Server = Annotated[int, Field(ge=1, le=254, description="The number of a server"), AS_JSON]
_Counted = Annotated[int, Field(ge=1, lt=1 << 31), AS_JSON]

_ARGUMENTS: dict[str, Any] = {
    "client": Annotated[SessionText, Field(description="A session")],
    "direction": Literal["both", "to_server", "to_client"],
    "duration": Annotated[
        float,
        Field(ge=0, le=1e9, allow_inf_nan=False, description="Seconds until it ends by itself"),
    ],
    "lag": _SecondsRange,
    "latency": _SecondsRange,
    "nth": Annotated[_Counted, Field(description="The n-th request that matches")],
    "number": Annotated[_Counted, Field(description="The n-th request of all")],
    "one": _Server,
    "operation": Literal[tuple(sorted(OPERATION_NAMES))],
    "other": _Server,
    "path": Annotated[
        str, Field(max_length=LONGEST_PATH, description="Of requests; * is any text")
    ],
    "seconds": Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)],
    "server": _Server,
    "sync_time": _SecondsRange,
    "times": Annotated[_Counted, Field(description="How often; null: always")],
    "way": Literal["both", "out", "in"],
}


def _body(name: str) -> type[Body]:
    method = getattr(Faults, name)
    fields: dict[str, Any] = {"fault": (Literal[name], ...)}
    for each in list(inspect.signature(method).parameters.values())[1:]:
        kind, default = _ARGUMENTS[each.name], each.default
        if "None" in str(each.annotation) or default is None:
            kind = kind | None
        if default is inspect.Parameter.empty:
            default = ...
        fields[each.name] = kind, list(default) if isinstance(default, tuple) else default
    title = "".join(word.capitalize() for word in name.split("_")) + "Body"
    about = inspect.cleandoc(method.__doc__ or "").partition("\n\n")[0]
    return create_model(title, __base__=Body, __doc__=about, **fields)


BODIES: dict[str, type[Body]] = {name: _body(name) for name in FAULTS}

if TYPE_CHECKING:
    FaultBody = Body
else:
    FaultBody = Annotated[reduce(or_, BODIES.values()), Field(discriminator="fault")]
