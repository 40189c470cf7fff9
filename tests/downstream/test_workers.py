# test_workers.py
from workers import Worker


def test_the_job_of_a_dead_worker_is_free(zk_client_factory, zk_faults):
    mortal = zk_client_factory()
    dead, alive = Worker(mortal), Worker(zk_client_factory())
    assert dead.claim("job")
    assert not alive.claim("job")
    zk_faults.expire(mortal)
    assert alive.claim("job")
