"""The judges: a legal world breaks nothing, and whatever is changed in its history is found by the
judge that claims to see it, with evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

from zkfake._history.checking import GUARANTEES, check
from zkfake.history import (
    AtomicityBroken,
    Committed,
    Fault,
    GuaranteeBroken,
    Reply,
    Verdict,
)
from zkfake.simulation import Simulation

from ..differential.mistakes import MISTAKES
from .changes import (
    CHANGES,
    WITHOUT_LOG,
    Entries,
    at,
    calm,
    comes_back,
    find,
    half_a_multi,
    hides_a_child,
    loses_a_child,
    row,
)
from .runs import hostile
from .test_docs import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable


SEEDS = range(100, 105)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("servers", [1, 3])
def test_a_hostile_world_breaks_nothing(seed: int, servers: int) -> None:
    history = hostile(seed, servers=servers).history
    verdict = history.check(timely=600)
    verdict.raise_if_broken()
    assert verdict
    assert "nothing is broken" in str(verdict)
    check(iter(history), has_log=False, complete=True).raise_if_broken()


@pytest.fixture(scope="module")
def entries() -> Entries:
    return list(calm().in_order())


def judged(entries: Entries, **arguments: Any) -> Verdict:
    return check(entries, has_log=True, **arguments)


def test_every_judge_decides_something_and_finds_nothing(entries: Entries) -> None:
    verdict = judged(entries)
    verdict.raise_if_broken()
    idle = {each.judge for each in verdict.checked if not each.times}
    assert idle == {"claims exclude each other"}


def test_every_guarantee_has_its_change() -> None:
    assert {judge.name for judge in GUARANTEES} == {name for _, name in CHANGES + WITHOUT_LOG}


@pytest.mark.parametrize(
    ("change", "judge"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_is_found(change: Callable[[Entries], None], judge: str, entries: Entries) -> None:
    changed = list(entries)
    change(changed)
    verdict = judged(changed)
    found = [each for each in verdict.broken if each.judge == judge]
    assert found, verdict
    assert 1 <= len(found[0].evidence) <= 6
    assert row(change, found[0]) in PAGE
    times = [event.time for event in found[0].evidence]
    assert times == sorted(times)
    with pytest.raises(GuaranteeBroken, match="broken: "):
        verdict.raise_if_broken()


@pytest.mark.parametrize(
    ("change", "judge"), WITHOUT_LOG, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_is_found_without_the_log(
    change: Callable[[Entries], None], judge: str, entries: Entries
) -> None:
    changed = [entry for entry in entries if type(entry) is not Committed]
    check(changed, has_log=False, complete=True).raise_if_broken()
    change(changed)
    verdict = check(changed, has_log=False, complete=True)
    found = [each for each in verdict.broken if each.judge == judge]
    assert found, verdict
    assert 1 <= len(found[0].evidence) <= 6


@pytest.mark.parametrize("expired", [True, False])
def test_who_comes_back_before_its_end_is_committed_may_be_let_in(
    expired: bool, entries: Entries
) -> None:
    """A fault has expired the session. Its client is let in once more, and refused then. Where no
    fault has, the session expired early.
    """
    changed = [entry for entry in entries if type(entry) is not Committed]
    last = find(changed, Reply, client="one", operation="multi")[-1]
    changed[last + 1 : last + 1] = [
        *([Fault(changed[last].time, "expire", "one")] if expired else ()),
        *comes_back(changed, 10_000, over=False),
        *comes_back(changed, 10_001, over=True),
    ]
    verdict = check(changed, has_log=False)
    assert ("not expired early" in {each.judge for each in verdict.broken}) == (not expired)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (hides_a_child, "and n-0000000000 was not there"),
        (loses_a_child, "and n-0000000001 was there"),
    ],
)
def test_a_finding_says_which_child_is_wrong(
    change: Callable[[Entries], None], said: str, entries: Entries
) -> None:
    changed = list(entries)
    change(changed)
    assert any(said in str(each) for each in judged(changed).broken)


def test_an_end_that_only_a_server_of_a_deposed_leader_may_have_told_is_not_decided(
    entries: Entries,
) -> None:
    """Nobody writes on that server any more: it may have been cut off."""
    changed = [entry for entry in entries if type(entry) is not Committed]
    last = find(changed, Reply, client="one", operation="multi")[-1]
    changed[last + 1 :] = [
        *comes_back(changed, 10_000, over=False),
        *comes_back(changed, 10_001, over=True),
    ]
    verdict = check(changed, has_log=False)
    verdict.raise_if_broken()
    assert verdict.undecided["not expired early"]


def test_half_a_multi_breaks_atomicity(entries: Entries) -> None:
    changed = list(entries)
    half_a_multi(changed)
    assert AtomicityBroken in {each.error for each in judged(changed).broken}


def test_an_old_view_is_found_where_a_bound_is_given(entries: Entries) -> None:
    judged(entries, timely=10.0).raise_if_broken()
    changed = list(entries)
    for place in find(changed, Committed):
        changed[place] = changed[place]._replace(time=changed[place].time - 20)
    last = find(changed, Reply, client="three", operation="getData")[-1]
    changed[last] = at(changed[last], changed[last].zxid - 2)
    assert "views are timely" in {each.judge for each in judged(changed, timely=10.0).broken}


def test_what_is_further_back_than_the_window_is_not_decided(entries: Entries) -> None:
    verdict = judged(entries, window=2)
    verdict.raise_if_broken()
    assert verdict.undecided["states are true"]


def test_a_history_without_a_log_says_what_it_could_not_decide(entries: Entries) -> None:
    verdict = check([entry for entry in entries if type(entry) is not Committed], has_log=False)
    verdict.raise_if_broken()
    assert verdict.transactions is None
    assert "there is no log of what was committed" in str(verdict)
    assert {"states are true", "carried out once"} <= verdict.undecided.keys()


def test_a_multi_that_was_lost_is_not_taken_for_another_one() -> None:
    """The next one asks for other operations on the same znode."""
    with Simulation() as sim:
        client = sim.client()
        lost = client.transaction()
        lost.set_data("/a", b"")
        with (
            sim.faults.drop_before_request(client, operation="multi"),
            pytest.raises(ConnectionLoss),
        ):
            lost.commit_async().get()
        sim.settle()
        done = client.transaction()
        done.create("/a", b"")
        done.commit()
    sim.history.check().raise_if_broken()


def test_a_multi_that_fails_and_leaves_a_trace_is_found() -> None:
    with MISTAKES["a_failed_multi_is_not_rolled_back"].planted(), Simulation(seed=1) as sim:
        client = sim.client()
        client.create("/x", b"")
        transaction = client.transaction()
        transaction.create("/a", b"")
        transaction.set_data("/x", b"1")
        transaction.check("/x", 9)
        transaction.commit()
    (finding,) = sim.history.check().broken
    assert finding.error is AtomicityBroken
    assert finding.text == "what failed at 0x3 has changed /a, /x"
    assert len(finding.evidence) == 1
