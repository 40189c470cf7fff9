"""What the command, the plugin and the control endpoint take: pages of the reference, made from the
parsers, the settings and the OpenAPI document.

``python -m tests.structure.options --write`` puts them into ``docs/reference``.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from pytest_zkdict import marks
from pytest_zkdict.options import _SETTINGS, _ini
from zkfake._cli import _parser

from .layers import ROOT
from .public import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

REFERENCE = ROOT / "docs" / "reference"
OPENAPI = ROOT / "zkfake" / "_web" / "openapi.json"


def command_line() -> str:
    """The page of the command ``zkfake``."""
    parser, commands = _parser()
    lines = [
        "# The command line",
        "",
        f"{_words(parser.description)} `python -m zkfake` is the same command.",
        "",
        "Options are not abbreviated. The exit status is 0; 1 for what has failed, or for",
        "differences and broken promises; 2 for what cannot be served or read. That of",
        "`zkfake run` is the status of the command that was run, or 125 to 127 where zkfake has",
        "failed or the command cannot be started. [Offline development](../offline.md) shows the",
        "commands at work.",
    ]  # fmt: skip
    for name, command in commands.choices.items():
        lines += ["", f"## `zkfake {name}`", "", _words(command.description)]
        lines += _of_parser(command)
        for nested in _nested(command):
            for action, its in nested.choices.items():
                lines += ["", f"### `zkfake {name} {action}`", "", _words(its.description)]
                lines += _of_parser(its)
    return "\n".join(lines) + "\n"


def pytest_plugin() -> str:
    """The page of the plugin's options, marks and fixtures."""
    options = (
        (
            _code(_with_value(f"--zk-{each.name}", each.metavar if each.flag is None else None)),
            _code(_ini(each)),
            _code(each.variable),
            _cell(each.help),
        )
        for each in _SETTINGS
    )
    found = (re.fullmatch(r"(\w+\(.*?\)): (.*)", line).groups() for line in marks.LINES)  # type: ignore[union-attr]
    fixtures = importlib.import_module(FIXTURES)
    names = sorted(name for name in fixtures.__all__ if name.startswith("zk_"))
    lines = [
        "# Options, marks and fixtures of the plugin",
        "",
        "`pip install \"zkdict[pytest]\"` is all that it needs: pytest finds the plugin by itself.",
        "",
        "## Options",
        "",
        "Each may stand in three places: on the command line, in pytest's ini file, in the",
        "environment. The first one that has it wins. A mark or an argument of a factory beats all",
        "three.",
        "",
        *_table(("option", "ini", "variable", "what it does"), options),
        "",
        "## Marks",
        "",
        *_table(("mark", "what it does"), ((_code(mark), _cell(what)) for mark, what in found)),
        "",
        "## Fixtures",
        "",
        "[Fixtures and settings](../pytest_fixtures.md) shows them at work.",
        "",
        *_table(
            ("fixture", "what it is"),
            ((_code(name), _cell(_first_sentence(getattr(fixtures, name)))) for name in names),
        ),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def http_endpoint() -> str:
    """The page of the control endpoint."""
    document = json.loads(OPENAPI.read_text("utf-8"))
    requests = (
        (
            _code(f"{method.upper()} {path}"),
            _cell(said["description"]),
            ", ".join(_code(each["name"]) for each in said.get("parameters", ())) or " ",
            _body(said),
        )
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    )
    shapes = (
        (
            _code(name),
            ", ".join(
                _code(key) + ("" if key in shape.get("required", ()) else " (optional)")
                for key in shape.get("properties", {})
            )
            or " ",
        )
        for name, shape in document["components"]["schemas"].items()
        if name.endswith("Body")
    )
    lines = [
        "# The control endpoint",
        "",
        document["info"]["description"],
        "",
        "The token goes into the header `Authorization: Bearer TOKEN`. A body is JSON.",
        "`GET /api/openapi.json` is the whole description, with every field of every answer, for",
        "generators of clients. [Offline development](../offline.md#the-control-endpoint) shows it",
        "at work, in several languages.",
        "",
        "## Requests",
        "",
        *_table(("request", "what it does", "parameters", "body"), requests),
        "",
        "## Bodies",
        "",
        *_table(("body", "keys"), shapes),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "command_line": command_line,
    "pytest_plugin": pytest_plugin,
    "http_endpoint": http_endpoint,
}
"""The pages, by name."""


def _of_parser(parser: argparse.ArgumentParser) -> list[str]:
    """Its options, but for ``--help``."""
    actions = [
        each
        for each in parser._actions
        if not isinstance(each, (argparse._HelpAction, argparse._SubParsersAction))
    ]
    rows = ((_code(_taken(each)), _cell(_help(each))) for each in actions)
    return ["", *_table(("argument", "what it is"), rows)] if actions else []


def _nested(parser: argparse.ArgumentParser) -> Iterator[argparse._SubParsersAction[Any]]:
    return (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))


def _taken(action: argparse.Action) -> str:
    """As a command line has it."""
    metavar = action.metavar
    value = metavar if isinstance(metavar, str) else None
    if value is None and action.nargs != 0:
        value = "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    return _with_value(", ".join(action.option_strings), value) or str(value)


def _with_value(option: str, value: str | None) -> str:
    return option if value is None or not option else f"{option} {value}"


def _help(action: argparse.Action) -> str:
    text = action.help or ""
    return text % {"default": action.default} if "%(" in text else text.replace("%%", "%")


def _first_sentence(fixture: object) -> str:
    text = inspect.getdoc(getattr(fixture, "__wrapped__", fixture)) or ""
    sentence = re.split(r"\n\n|(?<=[.])\s", text, maxsplit=1)[0]
    return _words(sentence).replace("``", "`")


def _body(said: dict[str, Any]) -> str:
    content = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    names = dict.fromkeys(re.findall(r"(\w+)\"}", json.dumps(content)))
    return ", ".join(map(_code, names)) or " "


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    words = _words(text)
    return words.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(head)
    lines = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    for page, make in PAGES.items():
        if "--write" in sys.argv:
            (REFERENCE / f"{page}.md").write_text(make(), "utf-8")
        else:
            sys.stdout.write(make())
