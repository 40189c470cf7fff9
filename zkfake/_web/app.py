"""The application: the routes below ``/api``, the console's files, and how errors are told.

Rules that live here: a refusal is a status from 400 on and ``{"error": "A sentence."}``. The
console's files are read once, from the package.
"""

from __future__ import annotations

import json
import logging
from importlib import resources
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from zkfake._ensemble.committed import KeeperError
from zkfake._web import faults, history, reading, whole, writing
from zkfake._web.errors import Refused
from zkfake._web.guard import API
from zkfake._web.shapes import ErrorShape

if TYPE_CHECKING:
    from fastapi import Request

    from zkfake._web.fake import ControlledFake

__all__ = ["application", "document"]

logger = logging.getLogger("zkfake")

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorShape, "description": text}
    for status, text in (
        (401, "There is no token, or a wrong one"),
        (403, "The Host or the Origin header is not the endpoint's own"),
        (404, "There is no such thing"),
        (409, "It cannot be done, or not at present"),
        (422, "A parameter or the body is not what this document says"),
    )
}


_PARTS = {
    "body": "The body's",
    "header": "The header",
    "path": "The address's",
    "query": "The parameter",
}
"""What has a value that cannot be."""


def _name(route: APIRoute) -> str:
    return route.name


def application(fake: ControlledFake | None) -> FastAPI:
    """The application, without what guards it. ``fake``: ``None`` where only its routes are
    wanted.
    """
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name,
    )
    app.state.fake = fake
    for each in (reading, writing, faults, history, whole):
        app.include_router(each.routes, prefix=API, responses=_REFUSALS)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(KeeperError, _not_kept)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _failed)
    _add_files(app)
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    text = (resources.files("zkfake._web") / "openapi.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _add_files(app: FastAPI) -> None:
    described = (resources.files("zkfake._web") / "openapi.json").read_bytes()
    files = {
        f"/console/{each.name}": each.read_bytes()
        for each in (resources.files("zkfake._web") / "console").iterdir()
        if "." + each.name.rpartition(".")[2] in _TYPES
    }
    files["/"] = files.pop("/console/index.html")

    async def openapi(_request: Request) -> Response:
        return Response(described, media_type="application/json")

    async def file(request: Request) -> Response:
        path = request.url.path
        suffix = ".html" if path == "/" else "." + path.rpartition(".")[2]
        return Response(files[path], media_type=_TYPES[suffix])

    app.add_route(f"{API}/openapi.json", openapi)
    for path in files:
        app.add_route(path, file)


def _told(status: int, sentence: str) -> JSONResponse:
    # It may have half of a surrogate pair, as JSON lets clients send.
    return JSONResponse({"error": sentence.encode(errors="backslashreplace").decode()}, status)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _told(error.status, error.sentence)


async def _not_kept(_request: Request, error: Exception) -> Response:
    text = str(error)
    return _told(409, f"{text[:1].upper()}{text[1:]}.")


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    kind, *inside = map(str, first["loc"])
    if first["type"] == "json_invalid":
        return _told(422, "The body is not JSON.")
    what = f"{_PARTS[kind]} {'.'.join(inside)}" if inside else "The body"
    why = first["msg"][:1].lower() + first["msg"][1:]
    return _told(422, f"{what} is not what it has to be: {why}.")


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 400:  # it could not be decoded
        return _told(422, "The body is not JSON.")
    sentence = {
        404: f"There is nothing at {path}.",
        405: f"{request.method} cannot be done with {path}.",
    }.get(error.status_code, f"{error.detail}.")
    reply = _told(error.status_code, sentence)
    if error.status_code == 405:  # the router names the methods of one route only
        reply.headers["Allow"] = ", ".join(
            method
            for method in ("DELETE", "GET", "POST", "PUT")
            for route in request.app.routes
            if route.matches({**request.scope, "method": method})[0] is Match.FULL
        )
    return reply


async def _failed(request: Request, error: Exception) -> Response:
    logger.error("zkfake failed at %s; please report this", request.url.path, exc_info=error)
    return _told(500, "zkfake failed; please report this.")
