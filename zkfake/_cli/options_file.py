"""Options from a file: ``zkfake.toml``, or ``[tool.zkfake]`` of a ``pyproject.toml``.

The rules that live here:

- The file is that of the working directory, or of the nearest directory above that has one; of two
  in one directory ``zkfake.toml`` counts.
- A key is an option without its dashes. What may be repeated is a list, what has a name and a value
  may be a table. Options of the command line come after those of the file, so they win.
- An option that another command has is left to it. A key that no command has is an error.
- Ports and files are for `serve`: `run` begins with nothing, beside a server that may be running.
- Names of files are relative to the directory of the file.
- Python 3.10 cannot read TOML by itself, which is an error only where there is a file to read.
"""

from __future__ import annotations

from copy import copy
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

__all__ = ["OF_SERVE", "OptionsFile", "add_options", "find"]

_OWN, _PROJECT = "zkfake.toml", "pyproject.toml"
_TABLE = "[tool.zkfake]"

FILES = ("config", "data-dir", "load", "record", "tls", "tls-ca", "tls-cert", "tls-key")
"""The options that name files."""

OF_SERVE = ("data-dir", "port", "record", "secure-port", "sync", "web")
"""The options that `run` takes from the command line alone."""

_NEVER = ("help", "no-toml", "toml")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options about the file."""
    group = parser.add_argument_group(
        "options file",
        f"Options may also stand in {_OWN}, or in {_TABLE} of {_PROJECT}, in the working directory "
        "or above it, by their names without dashes.",
    )
    group.add_argument("--toml", metavar="FILE", help=f"options file to use, {_OWN} or {_PROJECT}")
    group.add_argument("--no-toml", action="store_true", help="use no options file")


class OptionsFile:
    """The options that a file has."""

    def __init__(self, path: Path, table: Mapping[str, Any]) -> None:
        self.path = path
        self._table = table

    def arguments(
        self,
        parser: argparse.ArgumentParser,
        others: Sequence[argparse.ArgumentParser],
        left: Collection[str] = (),
    ) -> list[str]:
        """The command line that has the same options, as far as ``parser`` has them. ``others``:
        those of the other commands. ``left``: options that have to be right and do not count.
        Raises `ValueError`.
        """
        own = _named(parser)
        known = {name for each in others for name in _named(each)} | set(own)
        found: list[str] = []
        for key, value in self._table.items():
            if key not in known:
                close = get_close_matches(key, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"{self.path}: {key!r} is not an option{hint}")
            if key in own:
                arguments = list(self._arguments(key, value, own[key]))
                self._check(parser, key, arguments)
                found += [] if key in left else arguments
        return found

    def _arguments(self, key: str, value: object, action: argparse.Action) -> Iterator[str]:
        if action.nargs == 0:  # a flag
            if not isinstance(value, bool):
                raise ValueError(f"{self.path}: {key} = {value!r}: expected true or false")
            if value:
                yield f"--{key}"
            return
        if action.nargs == "?" and isinstance(value, bool):  # its value may be left out
            if value:
                yield f"--{key}"
            return
        values: Sequence[object] = [value]
        if isinstance(action.default, list):  # it may be repeated
            if isinstance(value, dict):
                separator = "=" if key in ("env", "set") else ":"
                values = [f"{name}{separator}{_text(each)}" for name, each in value.items()]
            elif isinstance(value, list):
                values = value
        for each in values:
            if isinstance(each, (dict, list)):  # a wrong value of the file, not of a caller
                raise ValueError(f"{self.path}: {key} = {value!r}: expected one value")  # noqa: TRY004
            text = _text(each)
            if key in FILES:  # --tls has two
                text = ",".join(str(self.path.parent / name) for name in text.split(","))
            yield f"--{key}={text}"

    def _check(self, parser: argparse.ArgumentParser, key: str, arguments: Sequence[str]) -> None:
        """An error of a value names the file, not an option that nobody has given."""
        checking = copy(parser)
        checking.error = self._refuse(key)  # type: ignore[assignment,method-assign]
        checking.parse_args(arguments)

    def _refuse(self, key: str) -> Callable[[str], NoReturn]:
        def refuse(message: str) -> NoReturn:
            raise ValueError(f"{self.path}: {key}: {message.partition(': ')[2] or message}")

        return refuse

    def value(self, key: str) -> str | None:
        """The file that an option names, for a command that has no other option of the file."""
        value = self._table.get(key)
        return None if value is None else str(self.path.parent / _text(value))


def _named(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a parser that may stand in a file, by their keys."""
    return {
        text[2:]: action
        for text, action in parser._option_string_actions.items()  # noqa: SLF001  # none is public
        if text.startswith("--") and text[2:] not in _NEVER
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- finding and reading


def find(options: argparse.Namespace) -> OptionsFile | None:
    """The file that counts, if any. Raises `OSError` and `ValueError`."""
    if options.no_toml:
        return None
    if options.toml is not None:
        path = Path(options.toml)
        return OptionsFile(path, _read(path) or {})
    here = Path.cwd()
    for directory in (here, *here.parents):
        for name in (_OWN, _PROJECT):
            path = directory / name
            if path.is_file() and (table := _read(path)) is not None:
                return OptionsFile(path, table)
    return None


def _read(path: Path) -> Mapping[str, Any] | None:
    """The options; ``None`` for a ``pyproject.toml`` that has none."""
    of_project = path.name == _PROJECT
    with open(path, "rb") as file:
        if of_project and b"zkfake" not in file.read():
            return None
        file.seek(0)
        try:
            load = _loader()
        except ImportError:
            file.seek(0)
            if of_project and _TABLE.encode() not in file.read():
                return None
            raise ValueError(
                f"{path} cannot be read: Python 3.11 is the first that reads TOML by itself; "
                "install zkdict[toml], or give --no-toml"
            ) from None
        try:
            found = load(file)
        except ValueError as error:  # what every reader of TOML raises is one
            raise ValueError(f"{path}: {error}") from None
    if not of_project:
        return found
    table = found.get("tool", {}).get("zkfake")
    if table is not None and not isinstance(table, dict):
        raise ValueError(f"{path}: tool.zkfake is not a table")
    return table


def _loader() -> Callable[[BinaryIO], dict[str, Any]]:
    try:
        module = import_module("tomllib")
    except ImportError:
        module = import_module("tomli")
    load: Callable[[BinaryIO], dict[str, Any]] = module.load
    return load
