"""The examples of the documentation run as they are printed."""

import re
from pathlib import Path

import pytest

from zkfake._channel.connections import ConnectionFaults
from zkfake._channel.requests import RequestFaults
from zkfake._control.faults import EnsembleFaults
from zkfake._control.server_faults import ServerFaults
from zkfake._realtime.faults import Faults

PAGE = Path(__file__).parents[2] / "docs" / "zkfake.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FIRST = "".join(line for line in BLOCKS[0].splitlines(True) if "import" in line)


TESTS = [number for number, block in enumerate(BLOCKS) if "\ndef test_" in block]


@pytest.mark.parametrize("number", sorted(set(range(len(BLOCKS))) - set(TESTS)))
def test_examples(number: int) -> None:
    exec(compile(FIRST + BLOCKS[number], f"{PAGE.name}, example {number + 1}", "exec"), {})


@pytest.mark.parametrize("number", TESTS)
def test_examples_for_pytest(number: int, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(BLOCKS[number])
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_every_fault_is_on_the_page() -> None:
    parts = (RequestFaults, ConnectionFaults, ServerFaults, EnsembleFaults, Faults)
    for name in [name for part in parts for name in vars(part)]:
        internal = name.startswith("_") or not callable(getattr(Faults, name))
        assert internal or f"`{name}(" in TEXT, name


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 5


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
