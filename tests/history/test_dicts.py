"""What a dict tells a history, and the judges of what it shows."""

from __future__ import annotations

import pytest

from zkdict import ZooKeeperDict
from zkdict.errors import WriteUncertain
from zkfake import FakeZooKeeper
from zkfake.history import DictAnswered, DictAsked, DictBroken, DictSent, DictShown, History
from zkfake.simulation import Simulation

from .dict_mistakes import MISTAKES, find, world
from .test_docs import PAGE


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_seen_by_its_judge(name: str) -> None:
    finding = find(name)
    assert finding is not None
    assert finding.error is DictBroken
    assert 1 <= len(finding.evidence) <= 6
    words = (MISTAKES[name].plant.__doc__ or "").strip()
    assert f"| {words} | {finding.judge} |" in PAGE


@pytest.mark.parametrize("seed", range(10))
def test_a_dict_keeps_its_promises_in_a_hostile_world(seed: int) -> None:
    verdict = world(seed)
    verdict.raise_if_broken()
    checked = {each.judge: each.times for each in verdict.checked if "a dict" in each.judge}
    assert len(checked) == 4
    assert all(checked.values())


def test_calls_what_they_send_and_what_is_shown() -> None:
    with Simulation() as sim:
        client = sim.client("ann")
        items: ZooKeeperDict[str] = ZooKeeperDict(client, "/app", history=sim.history)
        items["tea"] = "hot"
        with items.transaction() as txn:
            del txn["tea"]
        with pytest.raises(KeyError):
            items.pop("tea")
        with (
            sim.faults.drop_before_reply(client, operation="create2"),
            pytest.raises(WriteUncertain),
        ):
            items.add("milk", "cold")
    history = sim.history
    calls = {event.number: event.call for event in history.of(DictAsked)}
    assert list(calls.values()) == ["setitem", "commit", "pop", "add"]
    outcomes = {calls[event.number]: event.outcome for event in history.of(DictAnswered)}
    assert outcomes == {
        "setitem": "returned", "commit": "returned", "pop": "KeyError", "add": "uncertain"
    }  # fmt: skip
    sent = [(calls[event.number], event.writes) for event in history.of(DictSent)]
    assert sent == [
        ("setitem", (("tea", b'"hot"'),)),
        ("commit", (("tea", None),)),
        ("add", (("milk", b'"cold"'),)),
    ]
    shown = [change[:2] for event in history.of(DictShown) for change in event.changes]
    assert shown[:2] == [("tea", b'"hot"'), ("tea", None)]
    assert history.check()


def test_in_real_time() -> None:
    with FakeZooKeeper(history=True) as server:
        items = ZooKeeperDict.connect(server.hosts, "/app", history=server.history)
        items.update({"tea": 1, "milk": 2})
        items.sync()
        items.close()
        verdict = server.history.check()
    verdict.raise_if_broken()
    checked = {each.judge: each.times for each in verdict.checked}
    assert checked["a dict reads its writes"] == 2
    assert checked["a dict syncs"] == 1


def test_what_dicts_told_comes_back_from_a_file(tmp_path: object) -> None:
    path = f"{tmp_path}/run.jsonl"
    with Simulation() as sim:
        items: ZooKeeperDict[str] = ZooKeeperDict(sim.client(), "/app", history=sim.history)
        items["tea"] = "hot"
        del items["tea"]
    sim.history.save(path)
    assert History.load(path) == sim.history


def test_a_dict_without_a_history_tells_nothing() -> None:
    with Simulation() as sim:
        items: ZooKeeperDict[str] = ZooKeeperDict(sim.client(), "/app")
        items["tea"] = "hot"
    assert not sim.history.of(DictAsked)
    assert not sim.history.of(DictShown)
