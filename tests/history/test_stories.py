"""Stories: ten known failures, each with its cause, and whatever else a finding may be about."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import ConnectionLoss, NodeExistsError

from zkfake._history.checking import check
from zkfake._history.story import LINES, about, story
from zkfake.history import Finding, History, PromiseBroken, Reply, Verdict, exactly_once
from zkfake.simulation import Simulation

from .failures import FAILURES, Failure
from .stories import PAGE, page, told
from .tampering import TAMPERINGS, TRIES, Tampering, recording

if TYPE_CHECKING:
    from zkfake.history import Event

RECORDED = recording()

RECIPES = PAGE.with_name("recipes.md").read_text(encoding="utf-8")


def test_the_page_has_the_stories_as_they_come_out() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.history.stories"


@pytest.mark.parametrize("failure", FAILURES, ids=[each.title for each in FAILURES])
def test_the_story_of_a_known_failure_says_why(failure: Failure) -> None:
    lines = told(failure).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 118
    why = " ".join(" ".join(lines[: lines.index("")]).split())
    for words in failure.says:
        assert words in why
    assert f"**`{failure.cause}`: " in RECIPES or f"| `{failure.cause}` |" in RECIPES
    marks = {line[0] for line in lines[lines.index("") :] if line}
    assert {">", *re.findall(r"Why \((\d)\)", why)} <= marks


def test_where_nothing_went_wrong_it_is_the_order() -> None:
    def take(name: str) -> None:
        client = sim.client(name)
        if client.get_children("/jobs"):
            sim.history.record("done", "paint")

    with Simulation(seed=1) as sim:
        sim.load({"/jobs/paint": b""})
        for task in [sim.spawn(take, name, name=name) for name in ("ann", "bob")]:
            task.result()
    text = sim.history.story(sim.history.check(exactly_once("done")))
    assert "Why: no answer was lost" in text
    assert text.count("getChildren /jobs") >= 2


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=[each.words for each in TAMPERINGS])
def test_a_recording_that_is_tampered_with_has_no_cause(tampering: Tampering) -> None:
    """What befell other sessions, on other paths or before, led to nothing of it."""
    for _, entries in zip(range(TRIES), tampering.spoil(RECORDED), strict=False):
        verdict = check(entries, has_log=False, complete=True)
        for finding in verdict.broken:
            if finding.judge == tampering.judge:
                assert "Why" not in story(entries, replace(verdict, broken=(finding,)))
                return
    pytest.fail("it was not found")


def test_what_befell_who_was_misled_is_a_cause_and_what_befell_others_is_none() -> None:
    """Both lose an answer, bob that of a child. ann is shown an old state then."""
    with Simulation(servers=3) as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        for client, path in ((ann, "/a"), (bob, "/a/b")):
            client.create(path, b"")
            lost = sim.faults.drop_before_reply(client, operation="setData")
            with lost, suppress(ConnectionLoss):
                client.set(path, b"1")
            client.retry(client.get, path)
        ann.get("/a")
    entries = list(sim.history.in_order())
    place = max(place for place, event in enumerate(entries) if type(event) is Reply)
    entries[place] = entries[place]._replace(zxid=1)
    verdict = check(entries, has_log=True)
    assert verdict.broken[0].judge == "never back"
    why = " ".join(story(entries, verdict).partition("\n\n")[0].split()).partition("Why")[2]
    assert re.match(r" \(1\): ann did not hear that its request \d+ \(setData /a\) was done", why)
    assert "bob" not in why


def test_random_names_are_cut_and_stay_different() -> None:
    one, other = "0123456789abcdef0123456789abcdef", "0123456789abcdf00123456789abcdef"

    with Simulation() as sim:
        client = sim.client("ann")
        for name in (one, other):
            client.create(f"/{name}")
            sim.history.record("made", "x")
    text = sim.history.story(sim.history.check(exactly_once("made")))
    assert "create /0123456789abcde~" in text
    assert "create /0123456789abcdf~" in text


def a_finding_about(events: list[Event], *, unfinished: bool) -> Verdict:
    evidence = tuple(sorted(events, key=lambda event: event.time))
    found = Finding("a judge", "a promise.", "something", evidence, PromiseBroken, unfinished)
    return Verdict(0, 0, (), (found,))


@given(st.data())
def test_a_story_of_anything_is_short_and_shows_its_evidence(
    recorded: History, data: st.DataObject
) -> None:
    entries = list(recorded.in_order())
    places = data.draw(st.sets(st.integers(0, len(entries) - 1), min_size=1, max_size=6))
    verdict = a_finding_about(
        [entries[place] for place in sorted(places)], unfinished=data.draw(st.booleans())
    )
    has_log = data.draw(st.booleans())
    if not has_log:
        verdict = Verdict(0, None, (), verdict.broken)
    text = story(entries, verdict)
    lines = text.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 118
    assert any(line.startswith(">") for line in lines)


def test_a_lost_answer_elsewhere_is_not_why() -> None:
    """The requests next to a record say what it is about."""
    with Simulation() as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        for path in ("/a", "/b"):
            ann.create(path)
        with (
            sim.faults.drop_before_reply(bob, operation="setData"),
            pytest.raises(ConnectionLoss),
        ):
            bob.set("/b", b"1")
        for _ in range(2):
            ann.get("/a")
            sim.history.record("done", "x")
    text = sim.history.story(sim.history.check(exactly_once("done")))
    assert "Why: no answer was lost" in text


def test_what_is_asked_again_and_again_is_one_line() -> None:
    with Simulation() as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        ann.create("/a", b"1")
        for _ in range(5):
            with suppress(NodeExistsError):
                bob.create("/a", b"2")
            sim.sleep(1)
        ann.get("/a")
    entries = list(sim.history.in_order())
    shown = [each for each in sim.history.of(Reply) if each.operation in ("connect", "getData")]
    text = about(entries, tuple(shown))
    (line,) = [line for line in text.splitlines() if "NodeExists" in line]
    assert re.search(r"bob +asks server 1, 5 times until 4\.\d+ s: create /a, .*NodeExists$", line)
    assert "answer as of" not in line
    left, everything = re.findall(r"Left out: (\d+) of (\d+) events", text)[0]
    assert int(left) < int(everything) == len(entries)
