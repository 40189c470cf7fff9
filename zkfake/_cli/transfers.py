"""``zkfake dump``, ``load``, ``copy`` and ``diff``: trees of znodes, between servers and files.

The rules that live here:

- What was asked for is on standard output, what there is to say on standard error. A progress line
  is shown where standard error is a terminal.
- A source is a file or servers; what is written to is servers, or the file of ``dump``.
- Ctrl-C ends a command in good order: 130, as shells have it.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from zkfake._cli.process import ENDED, FAILED, REFUSED, reason, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zkfake._transfer.connection import Access
    from zkfake._transfer.places import FilePlace, ServersPlace
    from zkfake._trees.plain import PlainZnode

__all__ = ["COMMANDS", "add", "execute"]

INTERRUPTED = 130

_SOURCE = """\
A source, or a target, is
  zk1:2181,zk2:2181/app   the znode /app of these servers and all below it, as /; or, without a
                          path, all but /zookeeper
  shop.yaml               a tree file: .yaml, .yml, .json or .toml
  /var/lib/zookeeper      a data directory of a real ZooKeeper, its snapshot and logs; a copy of it
                          unless the server is stopped
  -                       standard input, in the format of --format

"""

_NO_SOURCE = ";\n       or a source on servers has no such znode, or it may not be read"

_STATUSES = """\
exit status:
  0    it is done{equal}
  1    {one}
  2    an option, a file, a server or a connection is at fault; the last line says how far it came
  130  interrupted by Ctrl-C
"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """The commands and their options."""
    dump = _command(
        commands,
        "dump",
        "write znodes into a file",
        "Write the znodes of servers, or of another file, into a tree file. It is not of one\n"
        "moment: what changes meanwhile may be in it or not. Ephemerals are marked.",
        "there is no such znode, or some of it may not be read: nothing is written",
    )
    dump.add_argument("source", metavar="FROM", help="the source")
    dump.add_argument(
        "-o", "--output", metavar="FILE", help="the file; without it, to standard output"
    )
    dump.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out what may not be read, with what is below it, and list it on standard error",
    )
    _add_format(dump, "of standard input and output")
    load = _command(
        commands,
        "load",
        "make the znodes of a file",
        "Make the znodes of a tree file on servers, below the znode of the path; it is made if\n"
        "there is none. Versions and times are the servers' own; ephemerals are left out. What\n"
        "exists already and is equal stays, so a load that was interrupted can be repeated.",
        "znodes exist already, and differ: nothing is changed (--merge, --replace)" + _NO_SOURCE,
    )
    load.add_argument("target", metavar="HOSTS[/PATH]", help="the servers and the znode")
    load.add_argument("source", metavar="FILE", nargs="?", help="the tree file, or another source")
    load.add_argument(
        "--from-data-dir",
        metavar="DIR",
        help="instead of a file: a data directory of a real ZooKeeper, with its snapshots",
    )
    load.add_argument(
        "--data-log-dir", metavar="DIR", help="where its logs are, if elsewhere (dataLogDir)"
    )
    copy = _command(
        commands,
        "copy",
        "make the znodes of other servers, or of a file",
        "The same as load, with the source first.",
        "znodes exist already, and differ: nothing is changed (--merge, --replace)" + _NO_SOURCE,
    )
    copy.add_argument("source", metavar="FROM", help="the source")
    copy.add_argument("target", metavar="TO", help="servers and a znode: HOSTS[/PATH]")
    for writing in (load, copy):
        what = writing.add_argument_group("znodes that exist already, and differ")
        one = what.add_mutually_exclusive_group()
        one.add_argument(
            "--merge", action="store_true", help="give them the data and ACLs of the source"
        )
        one.add_argument(
            "--replace",
            action="store_true",
            help="the same, and delete znodes that the source does not have",
        )
        _add_format(writing, "of standard input")
    diff = _command(
        commands,
        "diff",
        "compare znodes of servers or files",
        "Compare two sources, a line for each difference: - is only in A, + only in B, ! is in\n"
        "both. Ephemerals do not count, and kinds (container, ttl) only between files: servers\n"
        "do not tell clients.",
        "there are differences" + _NO_SOURCE,
    )
    diff.add_argument("source", metavar="A", help="a source")
    diff.add_argument("target", metavar="B", help="another one")
    diff.add_argument("--brief", action="store_true", help="print nothing; the exit status tells")
    _add_format(diff, "of standard input")


def _command(
    commands: argparse._SubParsersAction[Any], name: str, short: str, text: str, one: str
) -> argparse.ArgumentParser:
    equal = ", and they are equal" if name == "diff" else ""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=short,
        description=text,
        epilog=_SOURCE + _STATUSES.format(one=one, equal=equal),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--no-acl",
        action="store_true",
        help="leave ACLs alone: they are not read, and new znodes are open",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress, and say no numbers")
    servers = parser.add_argument_group("servers")
    servers.add_argument(
        "--auth",
        action="append",
        default=[],
        type=_auth,
        metavar="SCHEME:CREDENTIALS",
        help="who asks, such as digest:bob:secret; may be repeated. Other users of this machine "
        "may see it in the list of processes",
    )
    servers.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="the longest time to wait for servers that do not answer (%(default)g)",
    )
    servers.add_argument(
        "--server-tls", action="store_true", help="connect over TLS, as zkfake proxy does"
    )
    servers.add_argument("--server-ca", metavar="FILE", help="the authorities, a PEM file")
    servers.add_argument(
        "--server-cert", metavar="FILE", help="the certificate to show, a PEM file (--server-key)"
    )
    servers.add_argument("--server-key", metavar="FILE", help="its key, a PEM file (--server-cert)")
    return parser


def _add_format(parser: argparse.ArgumentParser, of: str) -> None:
    parser.add_argument(
        "--format", choices=("json", "yaml"), default="json", help=f"{of} (%(default)s)"
    )


def _auth(text: str) -> tuple[str, str]:
    scheme, colon, credentials = text.partition(":")
    if not scheme or not colon:
        raise argparse.ArgumentTypeError("expected SCHEME:CREDENTIALS, such as digest:bob:secret")
    return scheme, credentials


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < 1e6:
            return seconds
    raise argparse.ArgumentTypeError(
        f"{text!r}: expected a number of seconds, more than 0 and less than 1,000,000"
    )


# -- carrying out


def execute(options: argparse.Namespace) -> int:
    """Carries a command out: the exit status."""
    from zkfake._transfer.connection import AnsweredError, TransferError, named
    from zkfake._transfer.loading import ExistError

    line = _ProgressOfTransfer(options)
    try:
        return COMMANDS[options.command](options, line)
    except KeyboardInterrupt:
        return say("interrupted" + line.end(), INTERRUPTED)
    except (ExistError, _IncompleteError) as error:
        line.end()
        return say(str(error), FAILED)
    except (OSError, ValueError, TransferError) as error:
        line.end()
        return say(reason(error), REFUSED)
    except AnsweredError as error:
        line.end()
        return say(f"the servers answer: {named(error)}", REFUSED)
    finally:
        line.end()


class _IncompleteError(Exception):
    """A source cannot be had as a whole."""


class _ProgressOfTransfer:
    """A line on standard error, where that is a terminal."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._shown = not options.quiet and sys.stderr is not None and sys.stderr.isatty()
        self._began = self._next = monotonic()
        self._done = 0
        self._is_open = False

    def counting(self, does: str) -> Callable[[int, int], None]:
        """What is called with how many are done, and of how many."""
        self._began = monotonic()

        def show(done: int, known: int) -> None:
            self._done = done
            now = monotonic()
            if self._shown and now >= self._next:
                self._next = now + 0.2
                part = done / known if known else 1.0
                bar = "#" * int(20 * part)
                rate = done / max(now - self._began, 1e-3)
                sys.stderr.write(
                    f"\r{does} [{bar:20}] {done:,} of {known:,} ({rate:,.0f} a second) \x1b[K"
                )
                sys.stderr.flush()
                self._is_open = True

        return show

    def end(self) -> str:
        """Ends the line; how far it came, in words."""
        if self._is_open:
            self._is_open = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        return f", {self._done:,} znodes done" if self._done else ""


def _access(options: argparse.Namespace) -> Access:
    from zkfake._transfer.connection import Access, checks_host_names

    if (options.server_cert is None) != (options.server_key is None):
        raise ValueError("--server-cert and --server-key need each other")
    tls = {}
    if options.server_tls or options.server_ca or options.server_cert:
        if not checks_host_names():
            raise ValueError("--server-tls needs a kazoo that checks the servers' names: 2.10")
        tls = {
            "use_ssl": True,
            "ca": options.server_ca,
            "certfile": options.server_cert,
            "keyfile": options.server_key,
            "check_hostname": True,
        }
    return Access(options.auth, options.timeout, tls)


def _servers(text: str) -> ServersPlace:
    from zkfake._transfer.places import ServersPlace, place

    found = place(text)
    if isinstance(found, ServersPlace):
        found.look_up()
        return found
    raise ValueError(f"{text} is a file: expected HOST:PORT,.../PATH; 'zkfake dump' writes files")


def _place(text: str, options: argparse.Namespace) -> FilePlace | ServersPlace:
    from zkfake._transfer.places import ServersPlace, place

    found = place(text, options.format)
    if isinstance(found, ServersPlace):
        found.look_up()
    return found


def _read(
    options: argparse.Namespace,
    source: FilePlace | ServersPlace,
    line: _ProgressOfTransfer,
    *,
    skip_unreadable: bool = False,
) -> dict[str, PlainZnode]:
    from zkfake._transfer.places import ServersPlace

    if not isinstance(source, ServersPlace):
        return source.read(say)
    from zkfake._transfer.connection import PatientClient
    from zkfake._transfer.loading import listed
    from zkfake._transfer.reading import read

    acls = not options.no_acl
    with PatientClient(source.hosts, _access(options)) as connection:
        found = read(connection, source.path, acls=acls, progress=line.counting("reading"))
    if found is None:
        raise _IncompleteError(f"{source}: there is no znode {source.path}")
    if found.unreadable:
        text = f"{listed(source.path, found.unreadable)} may not be read"
        if not skip_unreadable:
            raise _IncompleteError(
                f"{text}; give the credentials of who may, --auth SCHEME:CREDENTIALS"
            )
        say(text)
    if found.masked:
        say(
            f"warning: {listed(source.path, found.masked)}: the hashes in the ACL are hidden; give "
            "the credentials of an administrator, --auth SCHEME:CREDENTIALS"
        )
    return found.znodes


def _dump(options: argparse.Namespace, line: _ProgressOfTransfer) -> int:
    from zkfake._trees import files
    from zkfake._trees.plain import EMPTY

    if options.output is not None:
        files.check_writable(options.output)
    source = _place(options.source, options)
    znodes = _read(options, source, line, skip_unreadable=options.skip_unreadable)
    entries = [
        (path, znodes[path]) for path in sorted(znodes) if path != "/" or znodes[path] != EMPTY
    ]
    line.end()
    if options.output is not None:
        files.write(options.output, entries)
        return ENDED if options.quiet else say(_counted(len(entries), "znode"))
    return _print(files.render(entries, options.format))


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("s" if count != 1 else "")


def _print(parts: Iterable[str]) -> int:
    try:
        for part in parts:
            sys.stdout.write(part)
        sys.stdout.flush()
    except OSError as error:  # the reader has gone
        with suppress(OSError):
            sys.stdout.close()
        return say(f"cannot write to standard output: {error.strerror or error}", REFUSED)
    return ENDED


def _check_source(options: argparse.Namespace) -> None:
    directory = getattr(options, "from_data_dir", None)
    if (directory is None) == (options.source is None):
        raise ValueError("load needs a FILE, or --from-data-dir DIR, and not both")
    if directory is None and getattr(options, "data_log_dir", None) is not None:
        raise ValueError("--data-log-dir needs --from-data-dir")


def _loaded(options: argparse.Namespace, line: _ProgressOfTransfer) -> dict[str, PlainZnode]:
    if options.source is None:
        from zkfake._trees import files

        return files.read_directory(options.from_data_dir, options.data_log_dir, note=say)
    return _read(options, _place(options.source, options), line)


def _load(options: argparse.Namespace, line: _ProgressOfTransfer) -> int:
    _check_source(options)
    target = _servers(options.target)
    znodes = _loaded(options, line)
    from zkfake._transfer.connection import PatientClient
    from zkfake._transfer.loading import Conflicts, load

    conflicts = Conflicts.REFUSE
    if options.merge or options.replace:
        conflicts = Conflicts.MERGE if options.merge else Conflicts.REPLACE
    with PatientClient(target.hosts, _access(options)) as connection:
        count = load(
            connection,
            target.path,
            znodes,
            conflicts,
            acls=not options.no_acl,
            reading=line.counting("comparing"),
            writing=line.counting("writing"),
        )
    line.end()
    if options.quiet:
        return ENDED
    skipped = sum(znode.ephemeral for znode in znodes.values())
    left_out = f"; left out: {_counted(skipped, 'ephemeral')}" if skipped else ""
    there = _counted(len(znodes) - skipped, "znode")
    return say(f"{_counted(count, 'change')}, {there} in all{left_out}")


def _diff(options: argparse.Namespace, line: _ProgressOfTransfer) -> int:
    from zkfake._transfer.places import ServersPlace
    from zkfake._trees.differences import differences, implied, told
    from zkfake._trees.plain import EMPTY

    places = [_place(text, options) for text in (options.source, options.target)]
    old, new = (_read(options, each, line) for each in places)
    line.end()
    # What a load would leave as it is, or make, is no difference.
    for one, other in ((old, new), (new, old)):
        one.update({path: other.get(path, EMPTY) for path in implied(one)})
    kinds = not any(isinstance(each, ServersPlace) for each in places)
    found = differences(old, new, acls=not options.no_acl, kinds=kinds)
    if options.brief:
        return FAILED if next(found, None) is not None else ENDED
    status = ENDED
    lines = _lines(map(told, found))
    for text in lines:
        status = FAILED
        if printed := _print([text]):
            return printed
    return status


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield text + "\n"


COMMANDS: Mapping[str, Callable[[argparse.Namespace, _ProgressOfTransfer], int]] = {
    "dump": _dump,
    "load": _load,
    "copy": _load,
    "diff": _diff,
}
