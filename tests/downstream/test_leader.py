# test_leader.py
from leader import Leader


def test_there_is_never_a_second_leader(zk_simulation):
    first, second = zk_simulation.client(), zk_simulation.client()
    one, two = Leader(first), Leader(second)
    one.campaign()
    assert one.leads
    with zk_simulation.faults.partition(first):
        while not two.leads:
            zk_simulation.sleep(0.1)
            two.campaign()
            assert not (one.leads and two.leads)
