"""What a history needs besides code is in the wheel."""


def test_a_timeline(zk_simulation):
    zk_simulation.client().create("/a", b"1")
    assert zk_simulation.history.timeline().startswith("<!doctype html>")
