"""Tree files: reading and writing whole ones; and the directories that stand for one.

The rules that live here: the end of a file's name is its format. A directory is a data directory of
a real ZooKeeper, which is only read. An error names the file, then the
line or the znode. A file is written beside its place and put there when it is whole, so that a dump
that fails leaves the one before as it was.
"""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zkfake._trees.entries import TreeFileError, entry_of, znodes_of
from zkfake._trees.formats import FORMATS
from zkfake._trees.plain import of_tree
from zkfake._zookeeper_files.directory import read_data_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zkfake._trees.formats import Format
    from zkfake._trees.plain import PlainZnode

__all__ = [
    "TreeFileError",
    "check_writable",
    "format_of",
    "is_tree_file",
    "parse",
    "read",
    "read_directory",
    "render",
    "write",
]

logger = logging.getLogger("zkfake")

_SUFFIXES = {suffix: each for each in FORMATS for suffix in each.suffixes}


def is_tree_file(name: str | os.PathLike[str]) -> bool:
    """Whether a name ends as that of a tree file."""
    return Path(name).suffix.lower() in _SUFFIXES


def format_of(name: str | os.PathLike[str]) -> str:
    """The format of a file, by its name: ``json``, ``yaml`` or ``toml``. Raises `TreeFileError`."""
    found = _SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise TreeFileError(f"{name}: expected a name that ends in {', '.join(_SUFFIXES)}")
    return found.name


def _named(format_: str) -> Format:
    return next(each for each in FORMATS if each.name == format_)


def parse(text: str, format_: str) -> dict[str, PlainZnode]:
    """The znodes of a text, by path, in its order. ``format_``: as `format_of` has it. Raises
    `TreeFileError`, whose text says where.
    """
    try:
        return znodes_of(_named(format_).read(text))
    except TreeFileError:
        raise
    except ValueError as error:  # of the readers of JSON and TOML: they name the line
        raise TreeFileError(str(error)) from None
    except RecursionError:
        raise TreeFileError("it is nested too deeply") from None


def read(
    name: str | os.PathLike[str], note: Callable[[str], object] = logger.warning
) -> dict[str, PlainZnode]:
    """The znodes of a file, by path, in its order, or of a data directory; ``note`` as
    `read_directory` has it. Raises `OSError`, and `ValueError`, whose text names the file.
    """
    if os.path.isdir(name):
        return read_directory(name, note=note)
    format_ = format_of(name)
    try:
        return parse(Path(name).read_text("utf-8"), format_)
    except UnicodeDecodeError as error:
        raise TreeFileError(f"{name}: byte {error.start} is not UTF-8") from None
    except TreeFileError as error:
        raise TreeFileError(f"{name}: {error}") from None


def read_directory(
    name: str | os.PathLike[str],
    logs: str | os.PathLike[str] | None = None,
    *,
    note: Callable[[str], object],
) -> dict[str, PlainZnode]:
    """The znodes of a data directory of a real ZooKeeper. ``logs``: where its logs are, if
    elsewhere; ``note`` gets a line for each thing that is left out. Raises as `read_data_dir`.
    """
    state = read_data_dir(name, logs)
    for line in state.notes:
        note(line)
    return dict(of_tree(state.tree))


def render(znodes: Iterable[tuple[str, PlainZnode]], format_: str) -> Iterator[str]:
    """The text of a tree file, in parts. Raises `TreeFileError` for a format that is only read."""
    writing = _named(format_).write
    if writing is None:
        raise TreeFileError(f"{format_.upper()} is read, not written; choose JSON or YAML")
    return writing((path, entry_of(znode)) for path, znode in znodes)


def check_writable(name: str | os.PathLike[str]) -> None:
    """Raises what `write` would raise at once, so that nobody waits for it: `OSError`, or
    `TreeFileError` for a name whose format is only read.
    """
    try:
        render((), format_of(name))
    except TreeFileError as error:
        raise TreeFileError(str(error) if str(name) in str(error) else f"{name}: {error}") from None
    parent = Path(name).absolute().parent
    if not parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(parent))


def write(name: str | os.PathLike[str], znodes: Iterable[tuple[str, PlainZnode]]) -> None:
    """Writes a file. Raises `OSError`, `TreeFileError`, and what ``znodes`` raises; the file is
    then as it was.
    """
    check_writable(name)
    parts = render(znodes, format_of(name))
    path = Path(name)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        # Never through a link: in a directory of many users anybody can have put one there.
        with open(beside, "x", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
