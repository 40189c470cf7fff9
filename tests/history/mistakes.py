"""Which judge sees which mistake that is planted in the ensemble.

Each stands here with a world in which it shows, of those of `tests.ensemble.worlds`, and the judge
that has to see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..ensemble import worlds
from ..ensemble.mistakes import MISTAKES, OF_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.history import Finding

    from ..ensemble.run import Run
    from ..support.mistakes import Mistake

__all__ = ["SEEDS", "SEEN", "Seen", "find", "said"]

SEEDS = 80
"""The rarest of them shows in one world of fifty."""


class Seen(NamedTuple):
    """Where a mistake shows, and to whom."""

    world: Callable[[int], Run]
    judge: str


SEEN = {
    "elects_the_least_complete_log": Seen(worlds.deposed, "a majority elects"),
    "ignores_last_zxid_seen": Seen(worlds.wandering, "never back"),
    "keeps_ephemerals": Seen(worlds.troubled, "ephemerals end with their session"),
    "tells_of_events_late": Seen(worlds.calm, "watches are told"),
    "applies_half_a_multi": Seen(worlds.troubled, "states are true"),
    "commits_without_a_quorum": Seen(worlds.calm, "a quorum has it"),
    "lets_observers_vote": Seen(worlds.cornered, "a quorum follows who leads"),
    "answers_syncs_itself": Seen(worlds.calm, "sync is a barrier"),
    "keeps_lost_proposals": Seen(worlds.relapsing, "servers apply the log"),
    "goes_on_with_the_old_epoch": Seen(worlds.troubled, "one leader an epoch"),
    "expires_too_early": Seen(worlds.wandering, "not expired early"),
    "never_reports_touches": Seen(worlds.calm, "not expired early"),
    "expires_by_the_wall_clock": Seen(worlds.lingering, "not expired early"),
    "answers_before_it_applies": Seen(worlds.troubled, "acknowledged writes are in the log"),
    "crash_forgets_promise": Seen(worlds.lingering, "one leader an epoch"),
    "promise_ignored": Seen(worlds.relapsing, "servers apply the log"),
    "forgets_sessions_of_proposals": Seen(worlds.lingering, "told of an end that was"),
    "serves_before_it_caught_up": Seen(worlds.lingering, "states are true"),
    "hears_through_a_cut": Seen(worlds.deposed, "nobody hears through a cut"),
    "snapshot_without_sessions": Seen(worlds.rotating, "told of an end that was"),
    "counts_who_has_left": Seen(worlds.deposed, "a quorum follows who leads"),
    "deposed_leader_commits": Seen(worlds.relapsing, "a quorum has it"),
    "acknowledges_what_is_not_on_disk": Seen(worlds.troubled, "a quorum has it"),
    "leader_counts_what_is_not_on_its_disk": Seen(worlds.lingering, "a quorum has it"),
    "old_quorum_is_enough": Seen(worlds.changing, "a quorum has it"),
    "new_quorum_is_enough": Seen(worlds.torn, "a quorum has it"),
    "elects_by_the_committed_configuration": Seen(worlds.torn, "a majority elects"),
    "elects_by_the_newest_configuration": Seen(worlds.torn, "a majority elects"),
    "commits_after_it_has_handed_over": Seen(worlds.torn, "a quorum follows who leads"),
    "counts_who_has_no_vote": Seen(worlds.changing, "a quorum has it"),
    "changes_while_it_changes": Seen(worlds.changing, "members are agreed on"),
    "keeps_a_lost_configuration": Seen(worlds.changing, "members are agreed on"),
    "keeps_its_role": Seen(worlds.changing, "members are agreed on"),
    "an_observer_keeps_what_it_had": Seen(worlds.changing, "servers apply the log"),
}


def find(name: str) -> Finding | None:
    """The first finding of the judge that has to see the mistake."""
    seen = SEEN[name]
    with mistake(name).planted():
        for seed in range(SEEDS):
            try:
                run = seen.world(seed)
            except AssertionError:  # the code itself stumbles over it
                continue
            for finding in run.recording.history.check().broken:
                if finding.judge == seen.judge:
                    return finding
    return None


def mistake(name: str) -> Mistake:
    return MISTAKES.get(name) or OF_MEMBERS[name]


def said(mistake: Mistake) -> str:
    """What a row of the page calls it."""
    words = (mistake.plant.__doc__ or mistake.name.replace("_", " ")).strip().rstrip(".")
    return f"{words[0].upper()}{words[1:]}"


def table() -> str:
    """The first table of the page. Takes half a minute."""
    lines = ["| planted mistake | seen by | evidence, events |", "| --- | --- | --- |"]
    for name, seen in SEEN.items():
        finding = find(name)
        assert finding is not None, name
        lines.append(f"| {said(mistake(name))} | {seen.judge} | {len(finding.evidence)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    from . import request_mistakes

    print(table())  # noqa: T201
    print(request_mistakes.table())  # noqa: T201
