"""Who becomes leader: the voter with the most complete log among a quorum that it can reach.

Servers rank by the newest epoch whose log they took over, then by the last zxid in their log, then
by whether they may win at all, by whether the last leader has handed over to them, and by their id.
Observers rank last, and support any candidate that may need them. A quorum of voters that rank no
higher has to reach the candidate. Every quorum has a voter with everything that was committed in
its log, so the winner has it too. Proposals that were not committed are kept if the winner has
them, and lost otherwise.

A candidate needs a vote with a weight in the configuration that it knows to be committed. If its
log has another one, which may be committed or not, it needs a quorum of that one as well, whose
members may be observers until then. No quorum can miss a committed configuration: one of its
members has it in its log, ranks higher than those without it, and supports none of them.
"""

from collections.abc import Callable, Collection, Sequence

from zkfake._ensemble.role import EnsembleReplica


def elect(
    candidates: Sequence[EnsembleReplica],
    joined: Callable[[int, int], bool],
    designated: Collection[int] = (),
) -> tuple[EnsembleReplica, list[EnsembleReplica]] | None:
    """The winner and those who elected it, itself among them; ``None`` where nobody can win.

    ``candidates``: the servers that look for a leader. ``joined``: whether two servers hear each
    other. ``designated``: the ids of those whom a leader has handed over to.
    """

    def rank(replica: EnsembleReplica) -> tuple[int, ...]:
        if replica.observer:
            return (-1,)
        stands = replica.store.config.may_win(replica.id)
        return (*replica.store.position, stands, replica.id in designated, replica.id)

    ranked = sorted(candidates, key=rank)
    while ranked:
        best = ranked[-1]
        config, seen = best.store.config, best.store.seen
        supporters = [
            each
            for each in ranked
            if each is best
            or ((each.id in config.voters or each.id in seen.voters) and joined(each.id, best.id))
        ]
        ids = [each.id for each in supporters]
        if config.may_win(best.id) and config.has_quorum(ids) and seen.has_quorum(ids):
            return best, supporters
        ranked.pop()
    return None
