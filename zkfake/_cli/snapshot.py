"""``zkfake snapshot``: named snapshots of a data directory.

The rules that live here: what was asked for is on standard output, a line for each snapshot: its
name, its zxid, how many znodes it has, and when it was made. A list ends with an error where the
state beside the snapshots is damaged.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from zkfake._cli import options_file
from zkfake._cli.process import REFUSED, print_lines, reason, say

if TYPE_CHECKING:
    from zkfake._data_dir.directory import DataDirectory, NamedSnapshot

__all__ = ["add", "execute"]

_STATUSES = """\
exit status:
  0  it is done
  1  it is done, and could not be printed
  2  an option or a name is invalid, the name is taken (save), there is no such directory or
     snapshot, the state is damaged (`list` prints the snapshots all the same), the disk is full,
     or a zkfake has the directory in use (restore)
"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """The command and its options."""
    snapshot = commands.add_parser(
        "snapshot",
        help="save, list, restore and delete snapshots of a data directory",
        description="Named snapshots of the state in a data directory.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = snapshot.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, does, named in (
        ("save", "keep the present state, also while a server has the directory", True),
        ("list", "list the snapshots, the oldest first", False),
        ("restore", "go back to a snapshot; no server may have the directory", True),
        ("delete", "remove a snapshot", True),
    ):
        action = actions.add_parser(name, help=does, description=does, allow_abbrev=False)
        if named:
            action.add_argument("name", metavar="NAME", help="the snapshot's name")
        action.add_argument("--data-dir", metavar="DIR", help="the directory")
        options_file.add_options(action)


def execute(options: argparse.Namespace) -> int:
    """Carries the command out: the exit status."""
    from zkfake._data_dir.directory import DataDirectory  # the other commands need no database

    try:
        path = options.data_dir
        if path is None and (file := options_file.find(options)) is not None:
            path = file.value("data-dir")
        if path is None:
            return say("snapshot needs --data-dir", REFUSED)
        directory = DataDirectory(path)
        status = print_lines(*_lines(options, directory))
        if options.action == "list":
            directory.check_state()  # last: who has lost the state wants one of the snapshots
        return status
    except (OSError, ValueError) as error:
        return say(reason(error), REFUSED)


def _lines(options: argparse.Namespace, directory: DataDirectory) -> list[str]:
    directory.check()  # a name with a typing error is neither empty nor made
    if options.action == "list":
        return [_line(each) for each in directory.snapshots()]
    if options.action == "save":
        return [_line(directory.save(options.name))]
    if options.action == "delete":
        directory.delete(options.name)
        return []
    with directory:
        return [f"{options.name}\tis the state of zxid {directory.restore(options.name):#x}"]


def _line(snapshot: NamedSnapshot) -> str:
    made = datetime.fromtimestamp(snapshot.made / 1000, timezone.utc)
    fields = (snapshot.name, f"{snapshot.zxid:#x}", f"{snapshot.znodes} znodes")
    return "\t".join((*fields, made.isoformat(" ", "seconds")))
