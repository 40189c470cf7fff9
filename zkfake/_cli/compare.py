"""``zkfake compare``: the same frames to a fake and to somebody else's server.

Rules that live here: it says what it will do to the server before it does it, and asks at a
terminal. Where there is none, it has to be told by ``--yes``.
"""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

from zkfake._cli.process import REFUSED, EndingSignals, print_lines, reason, say
from zkfake._proxy.hosts import parse
from zkfake._versions import DEFAULT, VERSIONS

if TYPE_CHECKING:
    from zkfake._compare.differences import KnownDifferences
    from zkfake._compare.running import Figures, FoundDifference

__all__ = ["PROGRAMS", "STEPS", "add", "execute"]

EQUAL, DIFFERENT = 0, 1
PROGRAMS, STEPS = 100, 50
_PATIENCE = 5.0
"""Seconds that a server has for an answer."""

_TEXTS = """\
It makes one znode on the server, works below that with sessions of its own, and
deletes it at the end. It sends only what servers can read, and compares all that comes
back: errors, data, Stat, names and their order, sequence numbers, watch events, and
whether connections end. Left out is what the whole server decides: zxids, but for which
change they name; times, session ids, passwords and timeouts, quotas, times to live,
SASL, reconfiguration and four-letter words.

exit status:
  0  the answers are equal, but for known differences
  1  they differ
  2  an option, a file or a server does not allow it
"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """The command and its options."""
    compare = commands.add_parser(
        "compare",
        help="compare the fake with another server",
        description="Send the same frames to a fake and to a server: a ZooKeeper of another\n"
        "version, or another implementation of the protocol. Tells where they answer\n"
        "differently, by operation, with a small program for each difference.",
        epilog=_TEXTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    compare.add_argument(
        "hosts",
        metavar="HOSTS[/PATH]",
        help="the server, or the servers of an ensemble, which take turns; the new znode is made "
        "below the path",
    )
    compare.add_argument(
        "--programs",
        type=_count,
        default=PROGRAMS,
        metavar="N",
        help="how many programs are run (%(default)s)",
    )
    compare.add_argument(
        "--steps",
        type=_count,
        default=STEPS,
        metavar="N",
        help="how many steps each has: requests, bursts of them, connections (%(default)s)",
    )
    compare.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the first program; the others have the numbers after it (%(default)s)",
    )
    compare.add_argument(
        "--budget",
        type=_seconds,
        default=math.inf,
        metavar="SECONDS",
        help="begin no further program after so long",
    )
    compare.add_argument(
        "--known",
        metavar="FILE",
        help="a file of differences that are not told, a line for each, as they are printed; * "
        "stands for anything, # begins a comment",
    )
    compare.add_argument(
        "--version",
        choices=sorted(VERSIONS),
        help="version of the fake (that of the server, if it says which, or " + DEFAULT + ")",
    )
    compare.add_argument(
        "--auth",
        action="append",
        default=[],
        type=_auth,
        metavar="SCHEME:CREDENTIAL",
        help="what is needed to make the znode, such as digest:user:password; may be repeated",
    )
    compare.add_argument("--yes", action="store_true", help="do not ask")


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:  # nor if it is no number
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds, 0 or more")
    return seconds


def _auth(text: str) -> tuple[str, str]:
    scheme, colon, credential = text.partition(":")
    if not colon or not scheme:
        raise argparse.ArgumentTypeError("expected SCHEME:CREDENTIAL")
    return scheme, credential


def execute(options: argparse.Namespace) -> int:
    """Carries the command out: the exit status."""
    # The other commands need none of it.
    from zkfake._compare.differences import KnownDifferences
    from zkfake._compare.running import BrokenOffError, Comparison

    try:
        servers, path = parse(options.hosts)
        known = (
            KnownDifferences() if options.known is None else KnownDifferences.read(options.known)
        )
        named = [_named(each) for each in servers]
    except (OSError, ValueError) as error:
        return say(reason(error), REFUSED)
    version = options.version or _fitting(named[0])
    room = f"{path}/zkfake-compare-{secrets.token_hex(4)}"
    what = f"{_number(options.programs, 'program')} of {_number(options.steps, 'step')}"
    lines = [
        f"{what}, from seed {options.seed} on, to a fake {version} and to:",
        *(f"  {host}:{port}, {name}" for (host, port), name in zip(servers, named, strict=True)),
        f"There {room} will be made, used by sessions of this program alone, and deleted.",
    ]
    if print_lines(*lines):
        return REFUSED
    if not options.yes:
        if sys.stdin is None or not sys.stdin.isatty():
            return say("there is no terminal to ask at: --yes says that it may be done", REFUSED)
        if not _agreed():
            return say("nothing was done", REFUSED)
    comparison = Comparison(
        servers,
        room,
        version=version,
        known=known,
        auth=options.auth,
        patience=_PATIENCE,
        tell=lambda found: print_lines(*_told(found, options, version)),
    )
    with EndingSignals() as signals:
        is_over = _TimeToStop(signals, time.monotonic() + options.budget)
        seeds = range(options.seed, options.seed + options.programs)
        try:
            figures = comparison.run(seeds, options.steps, is_over)
        except (OSError, BrokenOffError) as error:
            left = f"; {room} may be left on the server" if comparison.made else ""
            return say(reason(error) + left, REFUSED)
    status = print_lines(*_summary(figures, known))
    if is_over.signalled:
        return say("ended by a signal, before all programs were run", REFUSED)
    return status or (DIFFERENT if figures.found else EQUAL)


def _named(address: tuple[str, int]) -> str:
    """What a server says that it is. Raises `OSError`, with the address."""
    from zkfake._compare.steward import version_of

    try:
        return version_of(address, _PATIENCE) or "which does not say what it is"
    except OSError as error:
        host, port = address
        raise OSError(f"cannot connect to {host}:{port}: {error.strerror or error}") from None


def _fitting(name: str) -> str:
    """The version of the fake for a server that calls itself so."""
    return next((version for version in VERSIONS if f" {version}." in f"{name}."), DEFAULT)


def _agreed() -> bool:
    try:
        return input("Go on? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        print()
        return False


class _TimeToStop:
    """Whether it is time to stop."""

    def __init__(self, signals: EndingSignals, deadline: float) -> None:
        self.signalled = False
        self._signals = signals
        self._deadline = deadline

    def __call__(self) -> bool:
        self.signalled |= self._signals.next(0) is not None
        return self.signalled or time.monotonic() > self._deadline


# -- what it says


def _told(found: FoundDifference, options: argparse.Namespace, version: str) -> list[str]:
    """A difference, when it is found."""
    begins = "what is left of the program with" if found.again else "the program with"
    lines = ["", found.line, f"  {begins} seed {found.seed}:"]
    lines += [f"    {line}" for line in found.program]
    lines.append("  the answers to its last step, from where they differ:")
    lines += [f"    {line}" for line in (*found.fake_answers, *found.server_answers)]
    if not found.again:
        lines.append("  It was not seen again: the time, or another client, had a hand in it.")
    again = f"--seed {found.seed} --programs 1 --steps {options.steps} --version {version}"
    return [*lines, f"  again: zkfake compare {options.hosts} {again}"]


def _summary(figures: Figures, known: KnownDifferences) -> list[str]:
    """The last lines."""
    found = sorted(figures.found.values(), key=lambda each: each.line)
    lines = []
    if found:
        lines = ["", "Differences, fake | server, as --known FILE takes them:"]
        lines += [
            f"  {each.line:<50} # ended {_number(each.programs, 'program')}" for each in found
        ]
    if len(known):
        lines += ["", f"Known: {known.met} of {len(known)} lines were met, {figures.known} times."]
    what = f"{_number(len(found), 'difference')}" if found else "Equal"
    what += " but for what is known" if not found and figures.known else ""
    counts = [
        _number(figures.programs, "program"),
        _number(figures.steps, "step"),
        _number(figures.answers, "answer"),
    ]
    return [
        *lines,
        f"{what}: {', '.join(counts)}, {figures.seconds:.1f} s",
    ]


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
