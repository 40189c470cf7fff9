"""`ZooKeeperDict` lives in a simulation as it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import KazooException

from zkdict import ZooKeeperDict
from zkdict.errors import ZkDictError
from zkfake.simulation import Simulation


def test_two_dicts_on_one_path() -> None:
    with Simulation() as sim:
        one: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app")
        two: ZooKeeperDict[int] = ZooKeeperDict(sim.client(), "/app")
        one["a"] = 1
        one.update(b=2, c=3)
        two.sync()
        assert dict(two) == {"a": 1, "b": 2, "c": 3}
        assert two.pop("a") == 1
        one.sync()
        assert dict(one) == {"b": 2, "c": 3}
        one.close()
        two.close()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_dicts_agree_once_a_hostile_world_has_settled(seed: int) -> None:
    with Simulation(seed=seed, servers=3, profile="hostile") as sim:
        clients = [sim.client() for _ in range(2)]
        sim.faults.stop_chance()
        dicts = [ZooKeeperDict[int](client, "/app", wait=600) for client in clients]
        sim.faults.resume_chance()

        def work(mapping: ZooKeeperDict[int], name: str) -> None:
            for number in range(6):
                try:
                    mapping[f"{name}{number % 3}"] = number
                    mapping.pop(f"{name}{(number + 1) % 3}", None)
                except (ZkDictError, KazooException):  # noqa: PERF203
                    sim.sleep(1)

        tasks = [sim.spawn(work, mapping, name) for mapping, name in zip(dicts, "ab", strict=True)]
        for task in tasks:
            task.result()
        sim.settle()
        for mapping in dicts:
            mapping.sync(timeout=600)
        assert dict(dicts[0]) == dict(dicts[1])
        for mapping in dicts:
            mapping.close()
