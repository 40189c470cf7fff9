"""What an ensemble promises, whatever happens to its servers and links: for any seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from zkfake._history.states import States
from zkfake.history import Committed

from . import checks, worlds
from .changing import Changing

if TYPE_CHECKING:
    from .run import Run

OK, BAD_ARGUMENTS, NO_QUORUM, IN_PROGRESS = 0, -8, -13, -14
SEEDS = st.integers(min_value=0, max_value=2**32)


@settings(max_examples=24, deadline=None)
@given(SEEDS)
def test_every_promise_is_kept_in_trouble(seed: int) -> None:
    worlds.judge(worlds.troubled(seed))


@settings(max_examples=6, deadline=None)
@given(SEEDS)
@example(2230828178)  # took the epoch of a leader whose log it then lost with its power
def test_long_trouble(seed: int) -> None:
    worlds.judge(worlds.troubled(seed, steps=600))


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_without_a_fault_nothing_is_lost(seed: int) -> None:
    worlds.judge_calm(worlds.calm(seed))


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_who_goes_to_a_server_behind_does_not_go_back(seed: int) -> None:
    worlds.judge(worlds.wandering(seed))


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_observers_do_not_make_a_quorum(seed: int) -> None:
    worlds.judge(worlds.cornered(seed))


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_a_deposed_leader_commits_nothing(seed: int) -> None:
    worlds.judge(worlds.deposed(seed))


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_nobody_goes_back_to_an_older_leader(seed: int) -> None:
    worlds.judge(worlds.relapsing(seed))


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_a_server_that_was_away_may_lead(seed: int) -> None:
    worlds.judge(worlds.rotating(seed))


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_no_loss_of_power_takes_what_was_acknowledged(seed: int) -> None:
    worlds.judge(worlds.lingering(seed))


@settings(max_examples=24, deadline=None)
@given(SEEDS)
def test_every_promise_is_kept_while_members_come_and_go(seed: int) -> None:
    worlds.judge(worlds.changing(seed))


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_no_loss_of_power_takes_a_configuration_that_is_committed(seed: int) -> None:
    worlds.judge(worlds.changing(seed, power=True))


@settings(max_examples=6, deadline=None)
@given(SEEDS)
def test_an_ensemble_that_falls_apart_while_it_changes_has_one_log(seed: int) -> None:
    worlds.judge(worlds.torn(seed))


def test_the_changes_do_happen() -> None:
    runs = [worlds.changing(seed) for seed in range(30)]
    assert sum(run.changes for run in runs) > 30
    assert sum(len(run.handed_over) for run in runs) > 5
    sent = [sent for run in runs for sent in run.sent if sent.op == "reconfig"]
    assert {sent.error for sent in sent} >= {OK, BAD_ARGUMENTS, NO_QUORUM, IN_PROGRESS}


def test_a_server_that_joins_while_another_one_wakes_hears_it() -> None:
    """Found by the property: what it does not hear of a server that stands still it never heard."""
    run = Changing(0, latency=40)
    waking = run.servers[0]
    waking.pause()
    waking.resume()
    run.join()
    assert run.ensemble.links.joined(waking.id, run.servers[-1].id)


def test_stale_reads_happen() -> None:
    assert sum(checks.stale_reads(worlds.calm(seed)) for seed in range(10)) > 0


def test_a_leader_that_lags_answers_a_sync_with_what_it_has() -> None:
    """It asks nobody. Live servers do so too: `standing.a_leader_is_behind_its_follower`."""
    assert sum(checks.syncs_of_a_leader(worlds.calm(seed)) for seed in range(10)) > 0


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_without_lag_and_latency_no_read_is_stale(seed: int) -> None:
    run = worlds.calm(seed, latency=0, lag=0)
    worlds.judge_calm(run)
    assert checks.stale_reads(run) == 0


def test_the_faults_do_happen() -> None:
    """The runs are worth nothing unless elections, losses and new sessions come up in them."""
    runs = [worlds.troubled(seed) for seed in range(20)]
    assert sum(run.ensemble.epoch for run in runs) > 2 * len(runs)
    assert any(not sent.answered for run in runs for sent in run.sent)
    assert any(entry.op.name == "CLOSE_SESSION" for run in runs for entry in run.ensemble.log)
    assert any(len(run.heard) > len(run.clients) for run in runs)
    assert sum(checks.stale_reads(run) for run in runs) > 0
    assert sum(worlds.rotating(seed).whole_trees for seed in range(5)) > 5
    assert sum(worlds.lingering(seed).lost_to_power for seed in range(10)) > 5


def test_two_servers_lead_for_a_while() -> None:
    """The old one serves what it had, and answers syncs."""
    runs = [worlds.deposed(seed) for seed in range(20)]
    assert sum(run.two_leaders > 0 for run in runs) > 10
    assert sum(map(checks.reads_of_a_deposed_leader, runs)) > 10
    assert sum(map(checks.syncs_of_a_deposed_leader, runs)) > 3
    assert any(worlds.troubled(seed).two_leaders for seed in range(10))


def _record(run: Run) -> str:
    streams = [(stream.client, stream.server, stream.items) for stream in run.streams]
    return repr((list(run.ensemble.log), streams))


@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_one_seed_is_one_run(seed: int) -> None:
    assert _record(worlds.troubled(seed)) == _record(worlds.troubled(seed))


@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_the_tree_of_any_zxid_can_be_built_again(seed: int) -> None:
    run = worlds.troubled(seed)
    states = States(window=10**6)
    for entry in run.recording.history.log or ():
        assert isinstance(entry, Committed)
        states.apply(entry)
        tree = run.ensemble.log.at(entry.transaction.zxid)
        for path in ("/a", "/b", "/c", "/e0"):
            node, expected = tree.get(path), states.now(path)
            assert (node is None) == (expected is None)
            assert node is None or expected is None or node.data == expected.data
