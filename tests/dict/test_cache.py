"""The live copy, a pure state machine: every state it publishes is the server's at its zxid."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..support.mistakes import Mistake
from .cache_mistakes import MISTAKES
from .cache_world import walk

TRIES = 4000


@settings(max_examples=1500, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_published_state_is_the_state_at_its_zxid(seed: int) -> None:
    walk(seed)


@pytest.mark.parametrize("seed", [639660664, 2847238704, 1037216283])
def test_what_was_found_stays_mended(seed: int) -> None:
    """By `make hunt`: a child that waits for the list of a root that is gone; a sync that was sent
    before the root was found missing.
    """
    walk(seed)


@MISTAKES.each
def test_a_mistake_is_found(mistake: Mistake) -> None:
    assert mistake.is_found(partial(walk, seed) for seed in range(TRIES))
