"""Docstrings as they are written here, as Sphinx wants them.

A docstring has paragraphs, lists, and the sections `Args`, `Attributes`, `Returns` and `Raises`. An
entry of `Raises` names errors and tells when they come; or it is a sentence. Every error that it
names is a link. What the constructor's docstring says follows that of its class.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from public_names import OURS, exceptions, is_made_by_users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

_HEADING = re.compile(r"(Args|Attributes|Returns|Raises):")
_NAMED = re.compile(r"([\w*, .]+): +(.*)", re.DOTALL)
_NO_WORDS = re.compile(r"Alias for field number \d+$")
"""What Python says of a field of a named tuple."""
_ERROR = re.compile(r"(?<![`\w.])(?:[a-z_]+\.)*([A-Z]\w+)(?![`\w])")


def rendered(lines: list[str]) -> list[str]:
    """The docstring in the markup of Sphinx."""
    return list(_rendered(lines))


def _rendered(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        heading = _HEADING.fullmatch(lines[at])
        if heading is None:
            yield lines[at]
            at += 1
            continue
        end = at + 1
        while end < len(lines) and (not lines[end] or lines[end].startswith(" ")):
            end += 1
        yield ""
        yield from _SECTIONS[heading[1]](_entries(lines[at + 1 : end]))
        yield ""
        at = end


def _entries(lines: list[str]) -> list[str]:
    """Each entry in one line. An entry ends with its sentence, before a line that is not indented
    further.
    """
    found: list[str] = []
    depth = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    for line in lines:
        if not line.strip():
            continue
        deeper = len(line) - len(line.lstrip()) > depth
        if found and (deeper or not found[-1].endswith((".", ":", ")"))):
            found[-1] += " " + line.strip()
        else:
            found.append(line.strip())
    return found


def _arguments(entries: list[str]) -> Iterator[str]:
    for entry in entries:
        named = _NAMED.fullmatch(entry)
        if named is None:
            raise ValueError(f"an argument without a name: {entry}")
        for name in named[1].split(", "):
            escaped = re.sub(r"[*]|_$", r"\\\g<0>", name)
            yield f":param {escaped}: {named[2]}"


def _attributes(entries: list[str]) -> Iterator[str]:
    yield ":Attributes:"
    for entry in entries:
        named = _NAMED.fullmatch(entry)
        yield "    * " + (f"``{named[1]}``: {named[2]}" if named else entry)


def _returns(entries: list[str]) -> Iterator[str]:
    yield f":Returns: {' '.join(entries)}"


def _raises(entries: list[str]) -> Iterator[str]:
    yield ":Raises:"
    for entry in entries:
        yield "    * " + _ERROR.sub(_linked, entry)


def _linked(error: re.Match[str]) -> str:
    path = exceptions().get(error[1])
    return error[0] if path is None else f":py:exc:`{error[0]} <{path}>`"


_SECTIONS = {"Args": _arguments, "Attributes": _attributes, "Returns": _returns, "Raises": _raises}


def _process(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    if isinstance(value, type):
        lines += ["", *_constructor(value)]
    elif _NO_WORDS.match(lines[0] if lines else ""):
        lines.clear()
    lines[:] = rendered(lines)


def _constructor(kind: type) -> list[str]:
    """The lines of the constructor's docstring, if it is ours, has one and is for users."""
    init: Any = kind.__init__
    if not (getattr(init, "__module__", None) or "").startswith(OURS) or not init.__doc__:
        return []
    return inspect.cleandoc(init.__doc__).splitlines() if is_made_by_users(init) else []


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
