"""The control endpoint of a fake: JSON over HTTP, for tests in any language, and the console.

It needs the extra ``web``: ``pip install "zkdict[web]"``. What it offers is in docs/offline.md.

>>> from zkfake import FakeZooKeeper
>>> from zkfake.web import ControlEndpoint
>>> with FakeZooKeeper() as server, ControlEndpoint(server) as endpoint:
...     endpoint.url  # doctest: +ELLIPSIS
'http://127.0.0.1:.../api'
"""

try:
    from zkfake._web.endpoint import ControlEndpoint
except ImportError as error:
    if error.name not in ("fastapi", "pydantic", "starlette", "uvicorn"):
        raise
    raise ImportError(
        'the control endpoint needs more packages: pip install "zkdict[web]"', name=error.name
    ) from None

__all__ = ["ControlEndpoint"]
