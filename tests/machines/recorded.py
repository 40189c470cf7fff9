"""The shortest program that the search found for each planted mistake, as `programs.txt` has them.

Each is below a line with the name of its mistake, the seed of the search and how many examples it
took. `python -m tests.machines --write` searches again, and writes them anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_zkdict.stateful import ZooKeeperDictMachine
from pytest_zkdict.stateful._faults import FaultSteps

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Recorded", "faults_of", "read", "replay", "steps_of", "table", "write"]

FILE = Path(__file__).with_name("programs.txt")
FAULTS = frozenset(name for name in vars(FaultSteps) if name in FaultSteps.faults)


class Recorded(NamedTuple):
    """A program that was found."""

    name: str
    seed: int
    examples: int
    program: str

    @property
    def steps(self) -> list[str]:
        return steps_of(self.program)

    @property
    def faults(self) -> list[str]:
        return faults_of(self.program)


def steps_of(program: str) -> list[str]:
    """The calls of a program that do something."""
    names = re.findall(r"^state\.(\w+)\(", program, re.MULTILINE)
    return [name for name in names if name not in ("start", "teardown")]


def faults_of(program: str) -> list[str]:
    """Its faults, those that strike its calls among them."""
    own = [step for step in steps_of(program) if step in FAULTS]
    return own + re.findall(r"\bfault='(\w+)'", program)


def read() -> dict[str, Recorded]:
    found = {}
    for part in FILE.read_text("utf-8").split("# ")[1:]:
        title, program = part.split("\n", 1)
        name, seed, examples = title.split()
        found[name] = Recorded(name, int(seed), int(examples), program.strip() + "\n")
    return found


def write(programs: Iterable[Recorded]) -> None:
    texts = [f"# {each.name} {each.seed} {each.examples}\n{each.program}" for each in programs]
    FILE.write_text("\n".join(texts), "utf-8")


def replay(program: str) -> None:
    """Run a program as one does who pasted it."""
    names: dict[str, Any] = {"ZooKeeperDictMachine": ZooKeeperDictMachine}
    try:
        exec(program, names)
    except BaseException:
        names["state"].teardown()  # a script would end here
        raise


def table(programs: Iterable[Recorded]) -> str:
    """The table of the documentation."""
    rows = ["| planted mistake | steps | faults |", "| --- | --- | --- |"]
    for each in programs:
        words = each.name if "_" in each.name else re.sub(r"(?<!^)([A-Z])", r" \1", each.name)
        text = words.replace("_", " ").lower()
        rows.append(f"| {text} | {len(each.steps)} | {', '.join(each.faults) or '-'} |")
    return "\n".join(rows)
