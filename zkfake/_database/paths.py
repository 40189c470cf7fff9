"""Path rules: valid paths for writes (the server's ``PathUtils.validatePath``), and how paths nest.

Reads do not validate: a malformed path names no znode. The empty string is an alias of ``/``
for reads.
"""

import re

ROOT = "/"

# Java compares UTF-16 code units, so every character outside the basic plane (a pair of surrogates)
# is refused too.
_FORBIDDEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]"
)
_FAST = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+").fullmatch


def is_valid(path: str | None) -> bool:
    """Whether a write may name ``path``: rooted, no empty, ``.`` or ``..`` component, no forbidden
    character.
    """
    if not path:
        return False
    if _FAST(path) or path == ROOT:  # what nearly every path is
        return True
    if path[0] != "/":
        return False
    if _FORBIDDEN.search(path):
        return False
    return all(name not in ("", ".", "..") for name in path[1:].split("/"))


def split(path: str) -> tuple[str, str]:
    """``(parent, name)``; the parent of a child of the root is the root. ``path`` holds a slash."""
    parent, _, name = path.rpartition("/")
    return parent or ROOT, name


def ancestors(path: str) -> list[str]:
    """``path`` itself and every path above it, the root last."""
    found = [path]
    while len(path) > 1:
        path = path.rpartition("/")[0] or ROOT
        found.append(path)
    return found
