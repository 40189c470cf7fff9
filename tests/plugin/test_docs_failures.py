"""What docs/pytest_failures.md shows of failing tests is what they say.

Numbers that differ from run to run (ports, sessions, times, threads) are left out of the
comparison, and the width of rulers; a line with three dots stands for any lines.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "pytest_failures.md"
SECTIONS = dict(
    re.findall(
        r"^## (.*)\n((?:(?!^## ).*\n)*?```text\n(?:.*\n)*?```$)", PAGE.read_text("utf-8"), re.M
    )
)
LIVE = {name for name, text in SECTIONS.items() if "--zk-backend live" in text}

_VARYING = [
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"0x[0-9a-f]{8,}", "SESSION"),
        (r"\d+\.\d+ ?s\b", "SECONDS"),
        (r"'Thread-\d+[^']*'", "THREAD"),
        (r"request \d+|response \d+|number=\d+|xid=\d+|of \d+ events", "NUMBER"),
        (r"\b[0-9a-f]{32}\b", "UUID"),
        (r"[-=_]{3,}", "---"),
        (r"\s+", " "),
    )
]


def alike(line: str) -> str:
    for pattern, shown in _VARYING:
        line = pattern.sub(shown, line)
    return line.strip()


def check(name: str, pytester: pytest.Pytester) -> None:
    section = SECTIONS[name]
    for file, text in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", section, re.DOTALL):
        (pytester.path / file).write_text(text, "utf-8")
    shown = section.partition("```text\n")[2].partition("\n```")[0].splitlines()
    prompt, program, *arguments = shlex.split(shown.pop(0))
    assert (prompt, program) == ("$", "pytest")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-Wdefault", *arguments)
    assert result.ret == 1
    said = [alike(line) for line in result.outlines]
    at, free = 0, False
    for line in shown:
        if line == "...":
            free = True
            continue
        wanted = alike(line)
        found = said.index(wanted, at) if wanted in said[at:] else -1
        assert found >= 0, f"nothing reads {wanted!r} after line {at}"
        assert free or found == at, f"there is more before {line!r}: {said[at:found]}"
        at, free = found + 1, False


def test_every_kind_is_there() -> None:
    assert set(SECTIONS) == {
        "An assertion",
        "A deadlock",
        "A broken promise",
        "A dead server",
        "An uncertain write",
        "A leak",
    }


@pytest.mark.parametrize("name", sorted(set(SECTIONS) - LIVE))
def test_a_report_is_as_shown(name: str, pytester: pytest.Pytester) -> None:
    check(name, pytester)


@pytest.mark.zk_backend("live")
@pytest.mark.parametrize("name", sorted(LIVE))
def test_a_report_of_a_live_server_is_as_shown(
    name: str, pytester: pytest.Pytester, zk_server: object
) -> None:
    check(name, pytester)
