# test_put_jobs.py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import ConnectionLoss, KazooException
from pytest_zkdict.stateful import faults


def put(client, name, job):
    try:
        client.create(f"/jobs/{name}-", job, sequence=True)
    except ConnectionLoss:
        there = client.retry(client.get_children, "/jobs")
        if not any(each.startswith(f"{name}-") for each in there):
            client.create(f"/jobs/{name}-", job, sequence=True)


@pytest.mark.zk_backend("simulation")
@pytest.mark.zookeeper(load={"/jobs": b""})
@settings(max_examples=100, derandomize=True, deadline=None)
@given(jobs=st.lists(st.binary(), max_size=3), plan=st.lists(faults(["shop"]), max_size=3))
def test_each_job_is_put_once(zk_example, jobs, plan):
    with zk_example() as example:
        for fault in plan:
            fault(example.faults)
        shop = example.client_factory(name="shop")
        try:
            for number, job in enumerate(jobs):
                put(shop, f"job{number}", job)
        except KazooException:
            return  # it said that it failed
        example.simulation.settle()
        assert len(shop.get_children("/jobs")) == len(jobs)
