"""Deadlines: what is earlier than what."""

from hypothesis import given
from hypothesis import strategies as st

from zkdict._copy.waiting import earlier

deadlines = st.none() | st.just(0.0) | st.floats(0, 1e9)


@given(deadlines, deadlines)
def test_the_earlier_of_two_deadlines(one: float | None, other: float | None) -> None:
    """None is none at all; 0.0 is one, where a clock begins with it."""
    infinite = float("inf")
    wanted = min(infinite if each is None else each for each in (one, other))
    found = earlier(one, other)
    assert (infinite if found is None else found) == wanted
