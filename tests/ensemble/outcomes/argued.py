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
    "late": "A follower applies what is committed when it hears of it; a read does not wait.",
}

_UNKNOWN_WRITE = {("lost", "old"): "unknown", ("lost", "mine"): "unknown"}

ARGUED: dict[str, dict[Outcome, str]] = {
    "a_deposed_leader_is_asked": {
        ("old", "lost"): "torn",
        ("old", "ok", "lost"): "torn",
        ("lost",): "torn",
    },
    "a_deposed_leader_is_watched": {("lost", "event changed", "ok", "new"): "torn"},
    "a_leader_is_deposed_with_a_write": _UNKNOWN_WRITE,
    "a_session_that_saw_nothing_new_goes_back_to_a_deposed_leader": {("accepted", "lost"): "torn"},
    "a_read_waits_for_a_leader": {("old", "lost"): "torn"},
    "a_leader_is_behind_its_follower": {("lost",): "torn"},
    "a_follower_is_asked_when_it_goes_on": {("old", "lost"): "torn", ("new", "lost"): "torn"},
    "a_follower_is_watched_when_it_goes_on": {
        ("old", "lost"): "torn",
        ("event changed", "lost"): "torn",
    },
    "a_session_ends_while_the_leader_stands_still": {("lost", "expired"): "unknown"},
    "a_leader_whose_followers_stand_still_is_asked": {("old", "lost", "lost"): "torn"},
    "followers_die": _UNKNOWN_WRITE,
    "a_leader_dies_with_a_write": _UNKNOWN_WRITE,
    "the_leader_of_its_server_dies_with_a_write": _UNKNOWN_WRITE,
    "a_follower_dies_with_a_write": _UNKNOWN_WRITE,
    "a_write_is_told_of": {("old", "ok", "new"): "late"},
}
