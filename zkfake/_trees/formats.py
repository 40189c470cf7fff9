"""JSON, YAML and TOML: texts, and the tables that they stand for.

The rules that live here:

- A key that is there twice is an error; JSON's and YAML's own readers would take the last one.
- YAML is read as its version 1.2 has it: ``no`` and ``2026-01-01`` are texts. It is written with
  what either version takes for something else in quotes.
- A file is written a znode a line, as far as its data lets it, so that two can be compared.
- TOML is read, not written: Python has no writer of its own.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._trees.entries import TreeFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["FORMATS", "Format"]

_AT_ONCE = 500
"""How many znodes are made YAML of at a time."""


class Format(NamedTuple):
    """One of the formats. ``read``: the table of a text; raises `ValueError`. ``write``: the text
    of keys and values, in parts; ``None`` where it is only read.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[str], object]
    write: Callable[[Iterable[tuple[str, object]]], Iterator[str]] | None


# -- JSON


def _read_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise TreeFileError(f"the key {max(keys, key=keys.count)!r} is there twice")
    return found


def _write_json(entries: Iterable[tuple[str, object]]) -> Iterator[str]:
    yield "{"
    separator = "\n"
    for key, value in entries:
        line = json.dumps({key: value}, ensure_ascii=False)
        yield separator + line[1:-1]
        separator = ",\n"
    yield "\n}\n"


# -- YAML


def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError:
        raise TreeFileError('YAML needs PyYAML: pip install "zkdict[yaml]"; or use JSON') from None


def _read_yaml(text: str) -> object:
    yaml = _yaml()
    try:
        found = yaml.load(text, _loader())
        return {} if found is None else found  # an empty file
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise TreeFileError(f"{where}{error.problem or error.context}") from None
    except yaml.YAMLError as error:  # a character that YAML has not
        raise TreeFileError(str(error).partition("\n")[0]) from None


_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_DIGITS = [*"-+0123456789"]
_CORE = (
    ("bool", "true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _DIGITS),
    ("float", _FLOAT, [*_DIGITS, "."]),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", "<<", ["<"]),
)
"""The plain scalars that are no texts in YAML 1.2, and how they begin."""


def _add_core(class_: Any) -> None:
    for tag, pattern, first in _CORE:
        exactly = re.compile(rf"(?:{pattern})\Z")
        class_.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", exactly, first)


@cache
def _loader() -> type[Any]:
    """PyYAML's safe loader, the one in C where there is one."""
    yaml = _yaml()
    safe: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class YamlReader(safe):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as PyYAML has it

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                if isinstance(key.value, str) and key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value if isinstance(key.value, str) else id(key))
            found: dict[Any, Any] = super().construct_mapping(node, deep)
            return found

        def construct_yaml_int(self, node: Any) -> int:
            text = self.construct_scalar(node)
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)

    def checked(kind: str) -> Callable[[Any, Any], object]:
        """What reads a value of a kind. PyYAML's own raises anything where it is none."""
        construct = getattr(YamlReader, f"construct_yaml_{kind}")

        def constructing(reader: Any, node: Any) -> object:
            try:
                return construct(reader, node)
            except (AttributeError, LookupError, ValueError):
                text = node.value if len(node.value) <= 40 else node.value[:37] + "..."
                raise yaml.constructor.ConstructorError(
                    None, None, f"{text!r} cannot be read as !!{kind}", node.start_mark
                ) from None

        return constructing

    _add_core(YamlReader)
    for kind in ("bool", "float", "int", "timestamp"):
        YamlReader.add_constructor(f"tag:yaml.org,2002:{kind}", checked(kind))
    return YamlReader


class _Block(dict[str, object]):
    """A table whose entries stand on lines of their own. A table of plain values within it stands
    on one.
    """


@cache
def _dumper() -> type[Any]:
    yaml = _yaml()
    safe: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class YamlWriter(safe):  # type: ignore[misc]
        def ignore_aliases(self, _data: object) -> bool:
            return True

        def represent_str(self, data: str) -> Any:
            # libyaml would write a carriage return into a block as it is, and read a line break.
            # Behind empty lines at the end of a block it writes the end of the document.
            lines = "\n" in data[:-1] and "\r" not in data and not data.endswith("\n\n")
            style = "|" if lines else None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style)

        def represent_lines(self, data: _Block) -> Any:
            return self.represent_mapping("tag:yaml.org,2002:map", data, flow_style=False)

    _add_core(YamlWriter)  # to those of version 1.1
    YamlWriter.add_representer(_Block, YamlWriter.represent_lines)
    YamlWriter.add_representer(str, YamlWriter.represent_str)
    return YamlWriter


def _write_yaml(entries: Iterable[tuple[str, object]]) -> Iterator[str]:
    yaml, dumper = _yaml(), _dumper()
    left = iter(entries)
    none = True
    while some := _Block(islice(left, _AT_ONCE)):
        none = False
        yield yaml.dump(
            some,
            Dumper=dumper,
            default_flow_style=None,
            sort_keys=False,
            allow_unicode=True,
            width=1 << 30,
        )
    if none:
        yield "{}\n"


# -- TOML


def _read_toml(text: str) -> object:
    try:
        load = import_module("tomllib").loads
    except ImportError:
        try:
            load = import_module("tomli").loads
        except ImportError:
            raise TreeFileError(
                'TOML needs Python 3.11, or tomli: pip install "zkdict[toml]"'
            ) from None
    return load(text)


FORMATS = (
    Format("json", (".json",), _read_json, _write_json),
    Format("yaml", (".yaml", ".yml"), _read_yaml, _write_yaml),
    Format("toml", (".toml",), _read_toml, None),
)
