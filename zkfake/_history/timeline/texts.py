"""The texts on a page: short enough to be read, and to be there 10,000 times."""

from __future__ import annotations

import re

__all__ = ["cut", "short"]

_RANDOM = re.compile(r"[0-9a-f]{32}")


def short(text: str) -> str:
    """Without the middle of the random names that recipes give their znodes."""
    return _RANDOM.sub(lambda found: f"{found[0][:4]}\u2026", text)


def cut(text: str, longest: int) -> str:
    """At most so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
