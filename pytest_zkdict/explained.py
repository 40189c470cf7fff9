"""What the report says of a test that failed in some of its worlds.

The rules that live here:

- first why, in a sentence, and what has to happen for it; then in how many worlds it fails;
  then the verdict of the judges and the story; then how to have the failure again;
- every way of failing is told of, the first one with its history.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from pytest_zkdict.replays import Replay
from pytest_zkdict.run import Run
from pytest_zkdict.searching import MAX_TIME, SEARCHED, ended, point_of, whole_name
from pytest_zkdict.virtual import arguments, load_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_zkdict.seeds import Seeds
    from zkfake._search.reasons import Reason
    from zkfake.simulation import Exploration, Failure, Simulation, SweepReport

__all__ = ["drawn", "search_sections"]

_LONGEST = 118
_POINTS = 50
"""Failing points of a sweep that are told of."""
_BREAK = re.compile(r"ZKFAKE_BREAK=(\d+) starts a debugger there\.")


def search_sections(item: pytest.Item, error: BaseException) -> Iterator[tuple[str, str]]:
    """Titles and texts of a test that failed in some of its worlds."""
    searched = item.stash[SEARCHED]
    found, simulation = searched.exploration, searched.simulation
    if searched.swept is not None and searched.swept.failures:
        yield "zk_sweep", "\n".join(_swept(item, searched.swept, simulation))
    if found is None and searched.swept is None and simulation is not None:
        yield "zk_replay", "\n".join(_replayed(item, simulation, error))
    if found is None or not found.failures:
        return
    first, *others = found.failures
    yield "zk_explore", "\n".join(_failure(item, found, first, simulation, error))
    for number, other in enumerate(others, 2):
        title = f"zk_explore: the test fails in another way, {number} of {len(found.failures)}"
        yield title, "\n".join(_failure(item, found, other, None, error))


def _failure(
    item: pytest.Item,
    found: Exploration,
    failure: Failure,
    simulation: Simulation | None,
    error: BaseException,
) -> Iterator[str]:
    explanation = failure.explanation
    at = _BREAK.search(explanation)
    if at is not None:
        explanation = _BREAK.sub("", explanation).rstrip()
    if simulation is None:
        yield f"{failure.cause}"
    # First why and what it needs; how often comes before the comparison of two runs.
    why, runs, rest = explanation.partition("\nThe runs are the same")
    if runs == "" and "\n\n" in explanation:
        why, runs, rest = explanation.partition("\n\n")
    if why:
        yield why
        yield ""
    yield from _wrapped(_counted(found, failure))
    if runs:
        yield runs.removeprefix("\n") + rest
    if simulation is not None:
        if "Broken: " not in explanation:
            yield ""
            yield from _judged(simulation, _reason_in(explanation, simulation, error))
        yield ""
        yield from _pictured(item, simulation)
    yield "To run it again:"
    yield f"    {command(item, failure.world)}"
    if at is not None:
        yield "With a debugger where the runs part:"
        yield f"    {command(item, failure.world, f'--zk-break={at[1]}')}"
    if program := _program(item, failure):
        yield "As a test of its own, to paste below this one:"
        yield ""
        yield from (f"    {line}".rstrip() for line in program)


def _swept(item: pytest.Item, swept: SweepReport, simulation: Simulation | None) -> Iterator[str]:
    """``simulation``: that of the first failing point."""
    from zkfake._search.causes import told

    failures = swept.failures
    yield from _wrapped(
        f"The test fails in {len(failures)} of {swept.runs} runs. Each has a fault at one of its "
        f"{swept.requests} requests{', or another order' if swept.choices else ''}. These make it "
        "fail:" + (f" (It stopped early: {swept.stopped}.)" if swept.stopped else "")
    )
    seed = [*_given(item, "seed")]
    for failure in failures[:_POINTS]:
        yield f"- {failure.text}: {told(failure.error)}"
        yield f"      {command(item, point_of(failure), *seed)}"
    if failures[_POINTS:]:
        yield f"and {len(failures) - _POINTS} more."
    if simulation is not None:
        yield ""
        yield "At the first of these points:"
        yield from _replayed(item, simulation, failures[0].error)


def _replayed(item: pytest.Item, simulation: Simulation, error: BaseException) -> Iterator[str]:
    """What is known of one run that has failed."""
    from zkfake._history.events import Fault
    from zkfake._search.reasons import reasons
    from zkfake._search.senders import sent_from

    faults = any(True for _ in simulation.history.of(Fault))
    first = next(iter(reasons(simulation.history, error, faults=faults)), None)
    if first is not None:
        yield from _wrapped(f"Why: {first.text}")
        if first.hint:
            yield from _wrapped(f"Hint: {first.hint}")
        yield from sent_from(simulation.history, simulation._lines, first.events)  # noqa: SLF001
        yield ""
    yield from _judged(simulation, first)
    yield ""
    yield from _pictured(item, simulation)


def _reason_in(explanation: str, simulation: Simulation, error: BaseException) -> Reason | None:
    """The reason that an explanation begins with, with its events; where it begins with one."""
    from zkfake._search.reasons import reasons

    said = " ".join(explanation.split())
    for faults in (True, False):
        for reason in reasons(simulation.history, error, faults=faults):
            if said.startswith(f"Why: {reason.text}"):
                return reason
    return None


def _pictured(item: pytest.Item, simulation: Simulation) -> Iterator[str]:
    directory = Run.of(item.config).options.timeline
    if directory is None:
        yield "A picture of it: the option --zk-timeline=DIR draws one."
    else:
        yield f"A picture of it: {drawn(item, simulation, directory)}"


def _wrapped(text: str) -> list[str]:
    return wrap(text, _LONGEST, break_on_hyphens=False)


def _judged(simulation: Simulation, reason: Reason | None) -> Iterator[str]:
    """The verdict on a run that fails though nothing is broken, and its story: of what the reason
    is about, where there is one.
    """
    from zkfake._history.story import about

    verdict = simulation.history.check()
    if not verdict:
        yield simulation.history.story(verdict)
        return
    kept = (
        "The judges find nothing broken: ZooKeeper has kept its promises. Look for the mistake in "
        "the program, or in its test."
    )
    if reason is None:
        yield from _wrapped(f"{kept} The last events that matter:")
        yield simulation.history.story(verdict).partition("\n")[2]
    else:
        yield from _wrapped(f"{kept} What has to do with the reason; > marks what it names:")
        yield ""
        yield about(simulation.history.in_order(), reason.events)


def _counted(found: Exploration, failure: Failure) -> str:
    text = f"The test fails in {failure.count} of {found.runs} worlds ({found.profile})"
    text += f", first with seed {failure.seed}"
    if early := ended(found):
        text += f"; {early} ended early, with an error that the mark allows"
    return f"{text}. This report is of the smallest world that fails in the same way."


def _program(item: Any, failure: Failure) -> list[str]:
    """A test that fails so. Empty where the test has other fixtures."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    names = [name for name in item._fixtureinfo.argnames if name not in parameters]  # noqa: SLF001
    if names != ["zk_simulation"] or item.cls is not None:
        return []
    replay = Replay.parse(failure.world)
    run = Run.of(item.config)
    load = load_of(run, item)
    given = replay.shown(arguments(run, item))
    if "SimulationLimit" in failure.cause.error:
        given.setdefault("max_time", MAX_TIME)
    shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
    passed = ", ".join(
        ["zk_simulation", *(f"{name}={value!r}" for name, value in parameters.items())]
    )
    return [
        "from zkfake.simulation import Simulation",
        "",
        "",
        f"def {item.originalname}_again():",
        f"    with Simulation({shown}) as zk_simulation:",
        *_loading(load),
        *(f"        {line.replace('sim.', 'zk_simulation.')}" for line in replay.lines),
        f"        {item.originalname}({passed})",
    ]


def _loading(load: Seeds) -> Iterator[str]:
    from zkfake._trees.plain import PlainZnode

    data = {p: seed.data if isinstance(seed, PlainZnode) else seed for p, seed in load.items()}
    if data != load:
        yield "        # without the ACLs and kinds of the tree file"
    if data:
        yield f"        zk_simulation.load({data!r})"


def command(item: pytest.Item, world: str, *options: str) -> str:
    """What to type to run a test in one world."""
    given = _given(item, "version", "settings", "patch", "load")
    words = ["pytest", f"--zk-replay={world}", *options, *given, whole_name(item)]
    return " ".join(map(_quoted, words))


def _given(item: pytest.Item, *names: str) -> Iterator[str]:
    """Those of these options that the command line had. Marks and the environment give theirs to
    the next run by themselves.
    """
    given = Run.of(item.config).options.given
    for name in names:
        source, text = given.get(name, ("", ""))
        if source.startswith("--"):
            yield f"{source}={text}"


def _quoted(word: str) -> str:
    """A word for a shell: in double quotes, which a world has none of, so that it can be read."""
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    option, equals, value = word.partition("=")
    quoted = "".join(f"\\{each}" if each in '"\\$`' else each for each in value or word)
    return f'{option}="{quoted}"' if equals and option.startswith("--") else f'"{quoted}"'


def drawn(item: pytest.Item, simulation: Simulation, directory: str) -> Path:
    """The file with the timeline of a test's simulation."""
    name = re.sub(r"[^\w.-]+", "_", item.nodeid.replace("::", "."))
    file = Path(directory) / f"{name}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(simulation.history.timeline(simulation.history.check()), "utf-8")
    return file
