"""``zkfake check FILE`` and ``zkfake story FILE``.

Rules that live here: what was found goes to standard output, what is wrong with the file to
standard error. A file that was cut is judged as far as it goes.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zkfake._history.checking import check
from zkfake._history.recorder import History, IncompleteHistoryError
from zkfake._history.storage import HistoryFileError, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._history.events import Event, Logged
    from zkfake._history.verdict import Verdict

__all__ = ["add_parsers", "run"]

KEPT, BROKEN, UNREADABLE = 0, 1, 2

_STATUSES = """\
exit status:
  0  nothing is broken
  1  something is broken
  2  the file cannot be read, or is not a history
"""


def add_parsers(commands: Any) -> None:
    """Add the commands to those of ``zkfake``."""
    for name, does, text in (
        (
            "check",
            "judge a recorded history",
            """\
Judge a recorded history by what ZooKeeper promises. Reads the file once, in bounded
memory. Of a file that was cut everything up to there is judged.""",
        ),
        (
            "story",
            "tell what happened around the first thing that is broken in a history",
            """\
Judge a recorded history, and tell in about thirty lines what happened around the
first thing that is broken.""",
        ),
    ):
        parser = commands.add_parser(
            name,
            help=does,
            description=text,
            epilog=_STATUSES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.add_argument("file", metavar="FILE", help="a history that History.save has written")
        parser.add_argument(
            "--complete",
            action="store_true",
            help="every client that writes was recorded",
        )
        parser.add_argument(
            "--timely",
            type=_seconds,
            metavar="SECONDS",
            help="what was committed so long before has to be in what clients are shown",
        )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds")
    return seconds


def run(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    """Carry out one of the commands: its exit status, and what is to be printed. ``say``: takes
    what is wrong with the file.
    """
    work = _check if options.command == "check" else _story
    try:
        return work(options, say)
    except HistoryFileError as error:
        say(str(error))
    except OSError as error:
        say(f"{options.file}: {error.strerror or error}")
    return UNREADABLE, ""


def _check(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    with Lines(options.file) as lines:

        def entries() -> Iterator[Event | Logged]:
            try:
                yield from lines
            except HistoryFileError as error:
                say(f"{error}; what comes before is judged")

        verdict = check(
            entries(), has_log=lines.has_log, complete=options.complete, timely=options.timely
        )
    return _status(verdict), str(verdict)


def _story(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    try:
        history = History.load(options.file)
    except IncompleteHistoryError as error:
        say(f"{error}; what comes before is judged")
        history = error.history
    verdict = history.check(complete=options.complete, timely=options.timely)
    return _status(verdict), history.story(verdict)


def _status(verdict: Verdict) -> int:
    return KEPT if verdict else BROKEN
