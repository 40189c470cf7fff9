"""``--record``: a file that has the history of a fake, or of a proxy, and grows with it.

Rules that live here:

- What happens is in the file 20 ms later, in the order in which it happened: a program that is
  killed leaves all before that, and leaves it readable. To write in each round of the thread that
  serves would cost it as much as to record.
- A file that cannot be written to does not end the serving. It is told at the end.
- The file of another recording is left as it is until the serving begins.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from zkfake._history.writing import HistoryWriter
    from zkfake._proxy.proxy import ZooKeeperProxy
    from zkfake._realtime.server import FakeZooKeeper

__all__ = ["add_option", "check", "recorded"]

_PACE = 20
"""Milliseconds from one turn of the file to the next, at least."""


def add_option(group: argparse._ArgumentGroup) -> None:
    """``--record``."""
    group.add_argument(
        "--record",
        metavar="FILE",
        help="write a history of all that happens to a file, as it happens, for zkfake check, "
        "story, timeline and doctor; it is readable even if this program is killed",
    )


def check(path: str | None) -> None:
    """Raises `OSError` if the file cannot be written to: rather now than when it is too late."""
    if path is not None:
        with open(path, "ab"):
            pass


@contextmanager
def recorded(server: FakeZooKeeper | ZooKeeperProxy, path: str | None) -> Iterator[None]:
    """``server`` serves when the block begins, and is stopped when it ends. The file then has all
    that has happened since it was made. Raises `RuntimeError` where that could not be written.
    """
    if path is None:
        yield
        return
    assert server.history is not None
    writer = server.history._writer(path)  # noqa: SLF001  # nobody else adds to it
    loop = server._loop  # noqa: SLF001  # only here a file has to keep up with it
    with loop.at_work():
        loop.after_round = _Pace(writer)
    try:
        yield
    finally:
        try:
            server.stop()
        finally:
            _close(writer, path)


class _Pace:
    """When the file catches up."""

    def __init__(self, writer: HistoryWriter) -> None:
        self._writer = writer
        self._next = 0

    def __call__(self, now: int) -> int | None:
        """At the end of a round; returns when it wants to be called again."""
        if not self._writer.is_behind:
            return None
        if now < self._next:
            return self._next
        self._next = now + _PACE
        self._writer.catch_up()
        return None


def _close(writer: HistoryWriter, path: str) -> None:
    try:
        writer.close()
    except OSError as error:
        raise RuntimeError(f"cannot write {path}: {error.strerror or error}") from None
