"""Who may ask for anything: every request passes here first.

Rules that live here:

- The Host header names the address that the connection was accepted at. A page of another site
  whose name was made to resolve to this machine (DNS rebinding) names itself there.
- An Origin header, which browsers send with what can change something, names the console's own.
  There are no CORS headers, so no page of another origin reads anything.
- Everything below ``/api`` needs the token, reading included: the endpoint shows data whatever its
  ACL says. The page itself, which has none of it, needs none.
- A body is ``application/json``, which no form of a page can send, and of bounded size. Nothing
  outside of ``/api`` takes one, so without the token no body is kept in memory.
- Every reply says that a browser must neither guess its type, nor keep it, nor show it inside of
  another page; and that the console loads from here alone.
"""

from __future__ import annotations

import json
from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["API", "Guard"]

API = "/api"

_LONGEST_BODY = 16 << 20
"""Bytes."""

_LONGEST_UNWANTED = 64 << 10
"""Bytes of a body that are read before a request is refused."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """The application behind all checks."""

    def __init__(self, app: ASGIApp, token: str, host: str) -> None:
        """``host``: the address to listen on, as it was given."""
        self._app = app
        self._token = token.encode()
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        sending = _protected(send)
        headers = list(scope["headers"])
        refused = self._refuses(scope, headers)
        body: bytes | None = b""
        if refused is None:
            body, refused = await _body(
                headers, receive, _LONGEST_BODY if _needs_token(scope) else 0
            )
        else:
            await _read_unwanted(headers, receive)
        if refused is not None:
            await _refuse(sending, *refused)
            return
        if body is None:
            return
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receiving() -> Message:
            return next(given, None) or await receive()

        await self._app(scope, receiving, sending)

    def _refuses(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        known = list(self._hosts(scope))
        if len(hosts) != 1 or hosts[0] not in known:
            return 403, (
                f"This request is for another host than {known[0]}. A page of another site may "
                "have sent it."
            )
        for name, value in headers:
            if name == b"origin" and value.decode("latin-1").lower() != f"http://{hosts[0]}":
                return 403, "A page of another site has sent this request."
        if _needs_token(scope):
            given = [value for name, value in headers if name == b"authorization"]
            if len(given) != 1 or not compare_digest(given[0], b"Bearer " + self._token):
                return 401, (
                    "This needs the token of the endpoint, in the header Authorization: Bearer "
                    "TOKEN. zkfake serve prints it at its start, in the address of the console."
                )
        return None

    def _hosts(self, scope: Scope) -> Iterator[str]:
        """What the Host header may say on this connection."""
        address, port = scope["server"]
        names = [address, self._host]
        if ip_address(address).is_loopback:
            names.append("localhost")
        for name in names:
            host = f"[{name}]" if ":" in name else name.lower()
            yield f"{host}:{port}"
            if port == 80:
                yield host


def _needs_token(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == API or path.startswith(API + "/")


async def _body(
    headers: list[tuple[bytes, bytes]], receive: Receive, longest: int
) -> tuple[bytes | None, tuple[int, str] | None]:
    """The body, ``None`` where the client is gone, and why it is refused."""
    too_long = 413, f"A body has at most {longest} bytes here."
    length = dict(headers).get(b"content-length", b"0")
    if length.isdigit() and int(length) > longest:
        await _read_unwanted(headers, receive)
        return b"", too_long
    parts, size, more = [], 0, True
    while more:
        message: dict[str, Any] = dict(await receive())
        if message["type"] != "http.request":
            return None, None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > longest:
            return b"", too_long
        more = message.get("more_body", False)
    types = [value for name, value in headers if name == b"content-type"]
    if size and [each.split(b";")[0].strip().lower() for each in types] != [b"application/json"]:
        return b"", (415, "A body needs the header Content-Type: application/json.")
    return b"".join(parts), None


async def _read_unwanted(headers: list[tuple[bytes, bytes]], receive: Receive) -> None:
    """Read a short body, and forget it. A connection that is closed with bytes that nobody has read
    is reset, and then the client may never see why it was refused.
    """
    length = dict(headers).get(b"content-length", b"0")
    more, size = length.isdigit() and int(length) <= _LONGEST_UNWANTED, 0
    while more and size <= _LONGEST_UNWANTED:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)


def _protected(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    # What is left of a long body is not read.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
