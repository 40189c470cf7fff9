"""``zkfake run``: a fake for the time of one command, in any language.

The rules that live here:

- Standard output and standard error belong to the command: nothing is printed there unless
  something is wrong.
- The exit status is that of the command. zkfake's own begin at 125, as those of ``env``,
  ``timeout`` and ``nohup`` do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._cli.fakes import add_options, fake
from zkfake._cli.process import failure, reason, say
from zkfake._cli.recording import recorded
from zkfake._cli.web import CONTROL, TOKEN, controlled
from zkfake._cli.wrapped import CANNOT_RUN, NOT_FOUND, WrappedCommand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkfake._cli.arguments import Parser
    from zkfake._realtime.server import FakeZooKeeper
    from zkfake.web import ControlEndpoint

__all__ = ["add", "check", "execute", "split"]

_FAILED = 125
"""The exit status where it is zkfake that fails."""

_HOSTS = ("ZOOKEEPER_HOSTS", "ZK_HOSTS")
"""The variables that always have the connect string."""

_TEXTS = """\
environment:
  ZOOKEEPER_HOSTS and ZK_HOSTS have the connect string, such as 127.0.0.1:40123. --env gives
  further names. In the words of the command, and in the text of --env, {hosts} is replaced by the
  connect string and {port} by the port of the first server. With --web ZKFAKE_CONTROL has the
  address of the control endpoint, and ZKFAKE_TOKEN its token.

exit status:
  that of the command; 128 and the signal's number if a signal has ended it
  125  an option, a file or an address is invalid, or the fake has failed
  126  the command cannot be started
  127  there is no such command
"""


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments of zkfake, and the words of the command after ``--``."""
    own = list(arguments)
    if own[:1] == ["run"] and "--" in own:
        place = own.index("--")
        return own[:place], own[place + 1 :]
    return own, []


def check(parser: Parser, own: Sequence[str], words: Sequence[str]) -> None:
    """Ends the program where there is no command. ``parser``: that of all commands."""
    if own[:1] == ["run"]:
        parser.refused = _FAILED
        if not words and not {"-h", "--help"}.intersection(own):
            parser.exit(_FAILED, "zkfake run: expected -- and a command; see zkfake run --help\n")


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """The command and its options."""
    run: Parser = commands.add_parser(
        "run",
        help="run a command with a fake of its own",
        usage="zkfake run [options] -- COMMAND [ARGUMENT ...]",
        description="Start a fake on a free port, run a command, and stop the fake when the\n"
        "command ends.",
        epilog=_TEXTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.refused = _FAILED
    run.add_argument(
        "--env",
        action="append",
        default=[],
        type=_variable,
        metavar="NAME[=TEXT]",
        help="another variable that has the connect string, or this text; may be repeated",
    )
    run.add_argument(
        "--kill-after",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="after SIGTERM or SIGHUP, kill a command that goes on for so long (%(default)s)",
    )
    add_options(run, 0, 0, takes_ports=False)


class _Variable(NamedTuple):
    name: str
    text: str


def _variable(text: str) -> _Variable:
    name, equals, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME or NAME=TEXT")
    return _Variable(name, value if equals else "{hosts}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        most = f"{threading.TIMEOUT_MAX:.0f}"
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds, 0 to {most}")
    return seconds


def execute(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Runs the command: the exit status."""
    with WrappedCommand(options.kill_after) as command, ExitStack() as exits:
        try:
            server, notes = fake(options)
            exits.enter_context(server)
            exits.enter_context(recorded(server, options.record))
            endpoint = exits.enter_context(controlled(server, server.host, options))
        except (OSError, ValueError) as error:
            return say(reason(error), _FAILED)
        try:
            for note in notes:
                say(note)
            if endpoint is not None and options.verbosity > 0:
                say(f"the console is at {endpoint.console}")
            status = _run(command, server, endpoint, options.env, words)
        finally:
            try:
                exits.close()
            except RuntimeError as error:
                status = say(failure(error), _FAILED)
        return status


def _run(
    command: WrappedCommand,
    server: FakeZooKeeper,
    endpoint: ControlEndpoint | None,
    variables: Sequence[_Variable],
    words: Sequence[str],
) -> int:
    values = {"{hosts}": server.hosts, "{port}": str(server.members[0].port)}
    environment = dict(os.environ)
    if endpoint is not None:
        environment |= {CONTROL: endpoint.url, TOKEN: endpoint.token}
    for name, text in (*((name, "{hosts}") for name in _HOSTS), *variables):
        environment[name] = _filled(text, values)
    filled = [_filled(word, values) for word in words]
    if os.name == "nt":  # which finds npm.cmd by the name npm, as the shell does
        filled[0] = shutil.which(filled[0]) or filled[0]
    try:
        return command.run(filled, environment)
    except FileNotFoundError as error:
        return say(f"{filled[0]}: {error.strerror}", NOT_FOUND)
    except (OSError, ValueError) as error:  # ValueError: a word with a NUL in it
        return say(f"{filled[0]}: {getattr(error, 'strerror', None) or error}", CANNOT_RUN)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
