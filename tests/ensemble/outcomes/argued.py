"""Outcomes that ours shows, that no recorded live run has shown, and that are legal all the same.

Each is argued by a rule of ZooKeeper, by name. What a live run shows after all may go from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import Outcome

RULES = {
    "torn": "A connection may end between any two replies: a server that steps down, or loses its "
    "leader, drops its clients whatever it has answered by then.",
    "unknown": "What was asked for on a connection that ended may have been done, or not.",
}

ARGUED: dict[str, dict[Outcome, str]] = {
    "a_deposed_leader_is_asked": {("old", "lost"): "torn", ("old", "ok", "lost"): "torn"},
    "a_leader_is_deposed_with_a_write": {("lost", "mine"): "unknown"},
    "a_session_that_saw_nothing_new_goes_back_to_a_deposed_leader": {("accepted", "lost"): "torn"},
    "a_leader_is_behind_its_follower": {("lost",): "torn"},
    "a_follower_is_watched_when_it_goes_on": {("event changed", "lost"): "torn"},
    "a_leader_whose_followers_stand_still_is_asked": {("old", "lost", "lost"): "torn"},
    "followers_die": {("lost", "old"): "unknown", ("lost", "mine"): "unknown"},
}
