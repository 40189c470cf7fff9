"""docs/found.md: its programs are whole, and each says what it prints. `make found` runs them."""

import re

import pytest

from .page import PAGE, Program, read, rewritten, shown

PROGRAMS = read(PAGE.read_text("utf-8"))

_OUTPUT = """
>       raise KeyError
E       KeyError

The above exception was the direct cause of the following exception:

zk_simulation = <Simulation>

>       assert found == 2
E       AssertionError: assert 1 == 2
E         more

>       raise what_was_found
E       AssertionError

test_it.py:9: AssertionError
---------------------------------- zk_explore ----------------------------------
The test fails in 3 of 40 worlds (swarm), first with seed 7.

Why: ann did not hear of it.
It needs each of these:
- a fault. Without it, it passes.

The runs are the same for 7 events. Then the one that fails has
-------------- zk_explore: the test fails in another way, 2 of 2 ---------------
=========================== short test summary info ============================
"""


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_a_program_is_whole(program: Program) -> None:
    compile(program.text, program.name, "exec")
    assert "@pytest.mark.zk_explore" in program.text
    assert program.told[0] == f"$ pytest {program.name}"
    assert any(re.search(r"first with seed \d+", line) for line in program.told)
    pinned = [word for word in program.install if re.search(r"==\d|@[0-9a-f]{40}$", word)]
    assert pinned == list(program.install)


def test_each_entry_has_its_cause() -> None:
    told = {program.title: "" for program in PROGRAMS}
    for part in re.split(r"\n###? ", PAGE.read_text("utf-8")):
        if part.splitlines()[0] in told:
            told[part.splitlines()[0]] = part
    wanted = re.compile(r"^The cause( is in \w+)?: .*To mend it:\s", re.MULTILINE | re.DOTALL)
    assert [title for title, part in told.items() if not wanted.search(part)] == []


def test_programs_have_names_of_their_own() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 10
    assert PAGE.read_text("utf-8").count("```python\n") == len(PROGRAMS)


def test_the_table_names_every_library() -> None:
    table = re.findall(r"^\| ([\w-]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert set(table) - {"library", "defect", "---"} == {
        re.split("[ ,]", each.library)[0] for each in PROGRAMS
    }


def test_what_is_printed_is_shown_and_written() -> None:
    lines = shown(_OUTPUT.splitlines(), "test_it.py")
    assert lines == (
        "$ pytest test_it.py",
        "...",
        ">       assert found == 2",
        "E       AssertionError: assert 1 == 2",
        "...",
        "---------------------------------- zk_explore ----------------------------------",
        "The test fails in 3 of 40 worlds (swarm), first with seed 7.",
        "",
        "Why: ann did not hear of it.",
        "It needs each of these:",
        "- a fault. Without it, it passes.",
        "...",
    )
    page = PAGE.read_text("utf-8")
    first, second = PROGRAMS[:2]
    now = read(rewritten(page, second.name, lines))
    assert now == [first, second._replace(told=lines), *PROGRAMS[2:]]
    assert rewritten(page, first.name, first.told) == page
