"""The examples of the simulation's page run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zkfake._control.server_faults import ServerFaults

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_an_example(example: str) -> None:
    exec(compile(example, str(PAGE), "exec"), {"__name__": "example"})


def test_every_fault_and_error_is_on_the_page() -> None:
    from zkfake import simulation

    text = PAGE.read_text(encoding="utf-8")
    names = [name for name in vars(simulation.Faults) if not name.startswith("_")]
    internal = {"active", "at_reply", "at_request", "heal", "task_started"}
    assert {name for name in names if name not in text} <= internal
    for name in vars(ServerFaults):
        assert name.startswith("_") or name in text or name == "server_count"
