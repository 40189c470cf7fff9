"""``zkfake check FILE``, and likewise ``story``, ``timeline`` and ``doctor``.

Rules that live here: what was found goes to standard output, what is wrong with the file to
standard error. A file that was cut is judged as far as it goes.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from zkfake._history.checking import check
from zkfake._history.diagnosing import diagnose
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
  2  a file cannot be read or written, or is not a history
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
        (
            "timeline",
            "draw a history as a page for a browser",
            """\
Judge a recorded history, and draw it as one HTML file that loads nothing: a lane
for each client, task and server, their messages, and what shows what is broken.""",
        ),
        (
            "doctor",
            "look for habits of a program that will hurt",
            """\
Look through a recorded history for habits of the program that will hurt: a watch
that is not set again, a retry of what may have been done, a herd, and others. Reads
the file once, in bounded memory. Of a file that was cut everything up to there counts.""",
        ),
    ):
        parser = commands.add_parser(
            name,
            help=does,
            description=text,
            epilog=_STATUSES if name != "doctor" else _STATUSES.replace("is broken", "was found"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.add_argument("file", metavar="FILE", help="a history, by --record or History.save")
        if name == "doctor":
            continue
        parser.add_argument(
            "--complete",
            action="store_true",
            help="judge more: you know that every client that writes was recorded",
        )
        parser.add_argument(
            "--timely",
            type=_seconds,
            metavar="SECONDS",
            help="what was committed so long before has to be in what clients are shown",
        )
        if name == "timeline":
            parser.add_argument(
                "-o",
                "--output",
                metavar="FILE",
                help="where the page is written; without it, to standard output",
            )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds, 0 or more")
    return seconds


def run(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    """Carry out one of the commands: its exit status, and what is to be printed. ``say``: takes
    what is wrong with the file.
    """
    try:
        return _COMMANDS[options.command](options, say)
    except HistoryFileError as error:
        say(str(error))
    except OSError as error:
        say(f"{error.filename or options.file}: {error.strerror or error}")
    return UNREADABLE, ""


def _check(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    with Lines(options.file) as lines:
        verdict = check(
            _entries(lines, say),
            has_log=lines.has_log,
            complete=options.complete,
            timely=options.timely,
        )
    return _status(verdict), str(verdict)


def _doctor(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    with Lines(options.file) as lines:
        diagnosis = diagnose(_entries(lines, say), has_log=lines.has_log)
    return (KEPT if diagnosis else BROKEN), str(diagnosis)


def _entries(lines: Lines, say: Callable[[str], object]) -> Iterator[Event | Logged]:
    """What a file has; where it is cut, up to there."""
    try:
        yield from lines
    except HistoryFileError as error:
        say(f"{error}; what comes before is judged")


def _story(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    history, verdict = _judged(options, say)
    return _status(verdict), history.story(verdict)


def _timeline(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[int, str]:
    history, verdict = _judged(options, say)
    text = history.timeline(verdict, title=os.path.basename(options.file))
    if options.output is None:
        return _status(verdict), text
    if os.path.exists(options.output) and os.path.samefile(options.output, options.file):
        say(f"{options.output} is the history itself: name another file for the page")
        return UNREADABLE, ""
    with open(options.output, "w", encoding="ascii") as file:
        file.write(text)
    return _status(verdict), f"{options.output}: {str(verdict).partition(chr(10))[0]}"


def _judged(options: argparse.Namespace, say: Callable[[str], object]) -> tuple[History, Verdict]:
    """The history of a file, of one that was cut what there is, and what the judges say of it."""
    try:
        history = History.load(options.file)
    except IncompleteHistoryError as error:
        say(f"{error}; what comes before is judged")
        history = error.history
    return history, history.check(complete=options.complete, timely=options.timely)


def _status(verdict: Verdict) -> int:
    return KEPT if verdict else BROKEN


_COMMANDS = {"check": _check, "story": _story, "timeline": _timeline, "doctor": _doctor}
