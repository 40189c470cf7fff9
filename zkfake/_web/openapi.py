"""Writes ``openapi.json``: ``python -m zkfake._web.openapi``. A test sees that it is up to date.

Rules that live here: the document is kept, not made at each start, so that it can be read, and is
the same with every version of the library that it is made with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from zkfake._web.app import application

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["made"]

_ABOUT = (
    "What a fake ZooKeeper of zkfake can be asked, and be told to do. Every request needs the "
    "token of the endpoint, which zkfake serve prints at its start. What is refused has a status "
    "from 400 on and a sentence that says why. Sessions are texts as ZooKeeper prints them, zxids "
    "are numbers, times are milliseconds since the epoch, durations are seconds."
)


def made(app: FastAPI | None = None) -> dict[str, Any]:
    """The document of the routes that there are."""
    app = app or application(None)
    found = get_openapi(
        title="The control endpoint of zkfake",
        version="1",
        openapi_version="3.1.0",
        description=_ABOUT,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    found["servers"] = [{"url": "/"}]
    return found


if __name__ == "__main__":
    text = json.dumps(made(), indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("openapi.json").write_text(text, "utf-8")
