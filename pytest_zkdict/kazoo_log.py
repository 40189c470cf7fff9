"""The last requests of the clients of a test, for the report of its failure.

kazoo logs each request, reply and watch event on the level DEBUG, by the client's logger. A
`RequestLog` gives clients a logger that keeps the last of these lines and passes everything on to
kazoo's own. The rules that live here:

- nothing is formatted before a test has failed, and no more than `LINES` lines are kept;
- no object of the test is kept alive: neither its watch functions nor its exceptions;
- passwords are not shown: what a failing test tells ends up in the logs of a build;
- what kazoo logs is logged as without the plugin: by the same logger, on the same level, from the
  same place.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["RequestLog"]

LINES = 30
#: Characters of one line.
_WIDTH = 160
#: What every second line has, and nobody needs; and what nobody should see.
_SHORTER = tuple(
    (re.compile(pattern), shorter)
    for pattern, shorter in (
        (r"(Sending request|Received response|Received error)\(xid=(-?\w+)\):?", r"\1 \2:"),
        (
            r", acl=\[ACL\(perms=31, acl_list=\['ALL'\], id=Id\(scheme='world', id='anyone'\)\)\]",
            "",
        ),
        (r", watcher=None", ""),
        (r"protocol_version=0, |, passwd=b?(['\"]).*?\1(?=[,)])(, read_only=None)?", ""),
        (r"\bauth=b?(['\"]).*\1\)", "auth=...)"),
        (r"\bchallenge=b?(['\"]).*\1", "challenge=..."),
        (r"ZnodeStat\(.*?\bversion=(\d+).*?\)", r"ZnodeStat(version=\1, ...)"),
    )
)


class RequestLog:
    """What was last logged by the clients that have its loggers."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str, object, tuple[object, ...]]] = deque(maxlen=LINES)
        self._began = time.monotonic()
        self._clients = 0
        self._replaced: tuple[Any, object] | None = None

    def begin(self) -> None:
        """A test begins: what was before it is forgotten."""
        self._lines.clear()
        self._began = time.monotonic()
        self._clients = 0

    def logger(self, name: str | None = None) -> Any:
        """A logger for one client, which is ``name`` in the lines; by default it gets a number."""
        if name is None:
            self._clients += 1
            name = f"client {self._clients}"
        return _Recorder(logging.getLogger("kazoo.client"), self, name)

    def attach(self) -> None:
        """Have every client that is made without a logger use one of these, until `detach`."""
        from kazoo import client

        if self._replaced is None and isinstance(getattr(client, "log", None), logging.Logger):
            self._replaced = client, client.log
            client.log = self.logger("a client")

    def detach(self) -> None:
        """Undo `attach`."""
        if self._replaced is not None:
            module, before = self._replaced
            module.log = before
            self._replaced = None

    def note(self, client: str, message: object, arguments: tuple[object, ...]) -> None:
        """Keep a line. Cost: about a microsecond."""
        self._lines.append((time.monotonic(), client, message, tuple(map(_inert, arguments))))

    def lines(self, roots: Collection[str] = ()) -> Iterator[str]:
        """The lines, oldest first; the times are seconds since the test began.

        ``roots``: chroots, which are left out of paths.
        """
        for moment, client, message, arguments in list(self._lines):
            text = str(message) % arguments if arguments else str(message)
            for pattern, shorter in _SHORTER:
                text = pattern.sub(shorter, text)
            for root in roots:
                text = text.replace(f"{root}/", "/").replace(root, "/")
            if len(text) > _WIDTH:
                text = text[: _WIDTH - 3] + "..."
            yield f"{moment - self._began:8.3f} s  {client}: {text}"


class _LogText(str):
    """Its ``repr`` is the text itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _inert(argument: object) -> object:
    """What reads the same, and holds on to nothing but plain values."""
    if argument is None or isinstance(argument, (str, bytes, int, float)):
        return argument
    if isinstance(argument, (tuple, list)):
        watcher = getattr(argument, "watcher", None)
        if watcher is None:
            return argument  # a request, or the values of a reply
        return argument._replace(watcher=_LogText("yes"))  # type: ignore[union-attr]
    return _LogText(repr(argument))


class _Recorder:
    """Keeps what is logged, and has a logger log it."""

    def __init__(self, logger: logging.Logger, log: RequestLog, client: str) -> None:
        self._logger = logger
        self._requests = log
        self._client = client

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        if level >= logging.DEBUG:
            self._requests.note(self._client, msg, args)
        if self._logger.isEnabledFor(level):
            # As from the place in kazoo, which is one frame further away.
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            self._logger.log(level, msg, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # What else a logger has: handlers, filters, its level.
        if name == "_logger":
            raise AttributeError(name)
        return getattr(self._logger, name)


def _on_level(level: int, **more: Any) -> Any:
    def method(self: _Recorder, msg: object, *args: Any, **kwargs: Any) -> None:
        self.log(level, msg, *args, **{**more, **kwargs, "stacklevel": 2})

    return method


for _name, _level in (
    ("debug", logging.DEBUG),
    ("info", logging.INFO),
    ("warning", logging.WARNING),
    ("warn", logging.WARNING),
    ("error", logging.ERROR),
    ("critical", logging.CRITICAL),
):
    setattr(_Recorder, _name, _on_level(_level))
_Recorder.exception = _on_level(logging.ERROR, exc_info=True)  # type: ignore[attr-defined]
