"""The command ``zkfake``: the fake, or a proxy, as a process of its own, and what judges the
histories of runs.

`serve` and `proxy` are the commands that serve, `process` is what they share: what is printed, and
how they end. `snapshot` is about what a data directory keeps, `transfers` about znodes of servers
and files, `compare` about how another server answers. `run` serves one command, `wrapped`. `fakes`,
`options_file`, `arguments` and `tls` read options, `control` faults. `recording` is ``--record``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from zkfake._cli import compare, options_file, proxy, run, serve, snapshot, transfers
from zkfake._cli.arguments import Parser, own_version
from zkfake._cli.process import (
    ENDED,
    FAILED,
    REFUSED,
    EndingSignals,
    failure,
    print_lines,
    reason,
    say,
)
from zkfake._history import commands

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``zkfake`` command; returns its exit status: 0, 1 for a failure, 2 for what cannot be
    served or read; of ``zkfake run`` that of the command that was run.

    To be called by the main thread of a process that ends with it.
    """
    own, words = run.split(sys.argv[1:] if arguments is None else arguments)
    try:
        parser, known = _parser()
        run.check(parser, own, words)
        options = parser.parse_args(own)
        if options.command in ("serve", "run"):
            options = _with_file(parser, known, own, options)
    except SystemExit as ended:  # --help, --version, or an option that cannot be
        return print_lines() or int(ended.code or 0)
    if options.command == "run":
        return run.execute(options, words)
    if options.command == "snapshot":
        return snapshot.execute(options)
    if options.command in transfers.COMMANDS:
        return transfers.execute(options)
    if options.command == "compare":
        return compare.execute(options)
    if "run" not in options:  # one that does not serve
        status, text = commands.run(options, say)
        return (print_lines(text) if text else ENDED) or status
    with EndingSignals() as signals, ExitStack() as exits:
        try:
            program = exits.enter_context(options.run(options, signals))
        except (OSError, ValueError) as error:
            return say(reason(error), REFUSED)
        try:
            for note in program.notes:
                say(note)
            status = print_lines(*program.lines)
            if not status:
                program.begin()
                signals.wait()
        finally:
            try:
                exits.close()
            except RuntimeError as error:
                status = say(failure(error), FAILED)
        return status


def _with_file(
    parser: Parser,
    known: argparse._SubParsersAction[Parser],
    own: Sequence[str],
    options: argparse.Namespace,
) -> argparse.Namespace:
    """The options, those of an options file before them."""
    try:
        file = options_file.find(options)
        if file is None:
            return options
        mine = known.choices[options.command]
        others = [known.choices[name] for name in ("serve", "run")]
        left = options_file.OF_SERVE if options.command == "run" else ()
        before = file.arguments(mine, others, left)
    except (OSError, ValueError) as error:
        parser.exit(parser.refused, f"zkfake: {reason(error)}\n")
    place = own.index(options.command) + 1
    found = parser.parse_args([*own[:place], *before, *own[place:]])
    if found.verbosity > 0:
        say(f"options of {file.path}")
    return found


def _parser() -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    """The parser, and those of the commands."""
    parser = Parser(
        prog="zkfake",
        description="A fake ZooKeeper that speaks the real protocol, for one command or until you "
        "end it; a proxy that has its faults on a real server; commands that transfer and compare "
        "znodes of servers and files; and commands that judge, tell and draw histories.",
        epilog="'zkfake COMMAND --help' tells of the options of a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"zkfake {own_version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    serve.add(subparsers)
    run.add(subparsers)
    snapshot.add(subparsers)
    transfers.add(subparsers)
    proxy.add(subparsers)
    compare.add(subparsers)
    commands.add_parsers(subparsers)
    return parser, subparsers
