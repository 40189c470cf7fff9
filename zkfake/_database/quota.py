"""Quotas: znodes under ``/zookeeper/quota`` that limit, and count, what a subtree holds.

``/zookeeper/quota/a/b/zookeeper_limits`` sets the limits of ``/a/b``; ``zookeeper_stats`` beside it
counts. Both hold text such as ``count=3,bytes=20=;byteHardLimit=64;countHardLimit=5``: the plain
values are advice, the hard ones refuse a write (when the server enforces quotas); -1 or absence
means no limit. Each write under the deepest path with a quota edits that count in place: no zxid,
no version, no watch.
"""

import re
from collections.abc import Iterable

PREFIX = "/zookeeper/quota"
LIMITS = "zookeeper_limits"
STATS = "zookeeper_stats"


def limits_path(path: str) -> str:
    """The znode with the limits of the subtree ``path``."""
    return f"{PREFIX}{path}/{LIMITS}"


def stats_path(path: str) -> str:
    """The znode with the counts of the subtree ``path``."""
    return f"{PREFIX}{path}/{STATS}"


def parse(data: bytes | None) -> dict[str, int]:
    """The values by name. Raises `ValueError` for a text on which the real server fails: null, a
    name without a value, a value that is not a number.
    """
    if data is None:
        raise ValueError("the data is null")
    values: dict[str, int] = {}
    text = data.decode("utf-8", "replace").rstrip(",;")
    for pair in re.split("[,;]+", text) if text else ():
        fields = pair.rstrip("=").split("=")
        if len(fields) < 2:
            raise ValueError(f"{pair!r} has no value")
        values[fields[0]] = int(fields[1] or -1)
    return values


def render(values: dict[str, int]) -> bytes:
    """The text for ``values``: count and bytes first, the rest by name."""
    text = f"count={values.get('count', -1)},bytes={values.get('bytes', -1)}"
    rest = sorted(name for name in values if name not in ("count", "bytes"))
    if rest:
        text += "=" + "".join(f";{name}={values[name]}" for name in rest)
    return text.encode()


def add(data: bytes | None, count: int, size: int) -> bytes:
    """The statistics in ``data`` after ``count`` more znodes and ``size`` more bytes."""
    values = parse(data)
    values["count"] = values.get("count", -1) + count
    values["bytes"] = values.get("bytes", -1) + size
    return render(values)


def limits(limit: dict[str, int], count: int, size: int) -> bool:
    """Whether a limit, hard or not, applies to ``count`` more znodes or ``size`` more bytes."""
    return any(
        more != 0 and (limit.get(soft, -1) > -1 or limit.get(hard, -1) > -1)
        for soft, hard, more in (
            ("count", "countHardLimit", count),
            ("bytes", "byteHardLimit", size),
        )
    )


def exceeds(limit: dict[str, int], now: dict[str, int], count: int, size: int) -> bool:
    """Whether ``count`` more znodes and ``size`` more bytes would exceed a hard limit."""

    def over(name: str, hard: str, more: int) -> bool:
        highest = limit.get(hard, -1)
        return more != 0 and highest > -1 and now.get(name, -1) + more > highest

    return over("count", "countHardLimit", count) or over("bytes", "byteHardLimit", size)


def deepest(path: str, quotas: Iterable[str]) -> str | None:
    """The longest of ``quotas`` that is ``path`` or one of its ancestors."""
    found = [
        prefix
        for prefix in quotas
        if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")
    ]
    return max(found, key=len, default=None)
