"""Requests to a control endpoint, with any headers."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPMessage

    from zkfake.web import ControlEndpoint

TIMEOUT = 120


class Answer(NamedTuple):
    """What came back. ``body``: the JSON, or the bytes of another type."""

    status: int
    body: Any
    headers: HTTPMessage


class Asking:
    """A client with the token of an endpoint."""

    def __init__(self, endpoint: ControlEndpoint) -> None:
        self.endpoint = endpoint
        self.own = {"Authorization": f"Bearer {endpoint.token}"}

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        /,
        headers: Mapping[str, str | None] | None = None,
        **query: object,
    ) -> Answer:
        """``path``: below /api, or the whole one. ``headers``: instead of its own; ``None`` leaves
        one out.
        """
        whole = path if path == "/" or path.startswith(("/api", "/console")) else f"/api{path}"
        if query:
            whole += "?" + urlencode(query)
        sent = {**self.own, **(headers or {})}
        data = body if isinstance(body, bytes) else None
        if body is not None and data is None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = HTTPConnection("127.0.0.1", self.endpoint.port, timeout=TIMEOUT)
        try:
            connection.putrequest(method, whole, skip_host="Host" in sent)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            reply = connection.getresponse()
            found = reply.read()
            is_json = reply.headers["Content-Type"] == "application/json"
            return Answer(reply.status, json.loads(found) if is_json else found, reply.headers)
        finally:
            connection.close()

    def get(self, path: str, /, **query: object) -> Any:
        """The body of what must be there."""
        return self.done("GET", path, **query)

    def done(self, method: str, path: str, body: object = None, /, **query: object) -> Any:
        """The body of what must not be refused."""
        answer = self.ask(method, path, body, **query)
        assert answer.status in (200, 201), answer
        return answer.body

    def refused(self, method: str, path: str, body: object = None, /, **query: object) -> Answer:
        """What must be refused with a sentence."""
        answer = self.ask(method, path, body, **query)
        assert 400 <= answer.status < 500, answer
        assert answer.body["error"].endswith(".")
        return answer
