"""What a server has yet to apply, by itself."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from zkfake._ensemble.applying import Applying
from zkfake._ensemble.links import Turns
from zkfake._timers import Timers


class Server:
    """A clock, and what is applied."""

    def __init__(self, lag: int) -> None:
        self.random = Random(0)
        self.timers = Timers()
        self.turns = Turns()
        self.now = 0
        self.applying = Applying(self)
        self.applying.lag = (lag, lag)
        self.done: list[int] = []

    def wait(self, milliseconds: int) -> None:
        for _ in range(milliseconds):
            self.now += 1
            self.timers.run_due(self.now)


MILLISECONDS = st.integers(0, 20)
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "lag", "wait", "freeze", "catch up"]), MILLISECONDS)
)


@given(MILLISECONDS, STEPS)
def test_each_waits_for_the_shortest_lag_since_it_came(
    lag: int, steps: list[tuple[str, int]]
) -> None:
    """And for those before it, and for no longer."""
    server = Server(lag)
    applying = server.applying
    due: list[int] = []
    for what, number in steps:
        if what == "put":
            due.append(max([server.now + lag, *due[-1:]]))
            applying.put(server.done.append, len(due) - 1)
        elif what == "lag":
            lag = number
            applying.lag = (lag, lag)
            due = [min(each, server.now + lag) for each in due]
        elif what == "wait":
            server.wait(number)
        elif what == "freeze":
            applying.freeze()
            server.wait(number)
            applying.unfreeze()
        else:
            applying.catch_up()
            due = [min(each, server.now) for each in due]
        server.timers.run_due(server.now)
        assert server.done == [number for number, each in enumerate(due) if each <= server.now]
    server.wait(20)
    assert server.done == list(range(len(due)))
    assert len(server.timers) == 0
