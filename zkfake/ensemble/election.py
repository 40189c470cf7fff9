"""Who becomes leader: the voter with the most complete log among a quorum that hears it.

Servers rank by the newest epoch whose log they took over, then by the last zxid in their log, then
by their id. A quorum of voters that rank no higher has to hear the candidate, so whatever was
committed, which some voter of every quorum has in its log, is in the log of the winner. Proposals
that were not committed are kept if the winner has them, and lost otherwise.
"""

from collections.abc import Callable, Sequence

from zkfake.ensemble.role import Member


def elect(
    candidates: Sequence[Member], voters: int, joined: Callable[[int, int], bool]
) -> tuple[Member, list[Member]] | None:
    """The winner and those who elected it, itself among them; ``None`` where nobody can win.

    ``candidates``: the voters that look for a leader. ``voters``: how many have a vote at all.
    ``joined``: whether two servers hear each other.
    """
    ranked = sorted(candidates, key=lambda member: (*member.store.position, member.id))
    while ranked:
        best = ranked[-1]
        supporters = [each for each in ranked if each is best or joined(each.id, best.id)]
        if 2 * len(supporters) > voters:
            return best, supporters
        ranked.pop()
    return None
