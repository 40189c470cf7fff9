"""The HTML file: the page's source and the picture, put into one.

Rules that live here:

- Nothing in a history becomes markup: the picture is JSON without ``<``, ``>`` and ``&``, and the
  page shows texts as texts.
- The page loads nothing: its policy forbids every address, and every script but its own.
- The file is ASCII, so it can be written in any encoding.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

__all__ = ["page"]

_SCRIPTS = (
    "model",
    "axes",
    "filters",
    "layout",
    "scene",
    "arrows",
    "paint",
    "view",
    "panel",
    "controls",
    "main",
)
"""In the order in which the browser reads them."""


def page(picture: dict[str, Any], title: str) -> str:
    """The file as text."""
    parts = {**_source(), "title": _ascii(escape(title)), "picture": _embedded(picture)}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _embedded(picture: dict[str, Any]) -> str:
    text = json.dumps(picture, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _source() -> dict[str, str]:
    scripts = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{scripts}}})();\n'
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return {"script": script, "digest": digest, "style": _read("page.css")}


def _read(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="ascii")
