"""The live copy, a pure state machine: every state it publishes is the server's at its zxid."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdict._copy.cache import Cache

from ..support.mistakes import caught
from .cache_mistakes import MISTAKES, RepliesOvertakeEvents, ZxidOfLaterReplies
from .cache_world import World, walk

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


def _is_found(make_cache: type[Cache], world_type: type[World] = World) -> bool:
    return any(caught(partial(walk, seed, make_cache, world_type)) for seed in range(TRIES))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_is_found(mistake: type[Cache]) -> None:
    assert _is_found(mistake)


@pytest.mark.parametrize("world", [RepliesOvertakeEvents, ZxidOfLaterReplies])
def test_a_mistake_of_the_driver_is_found(world: type[World]) -> None:
    assert _is_found(Cache, world)
