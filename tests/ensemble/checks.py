"""What an ensemble owes its clients, judged over the record of a run.

What a history has is judged by the judges of histories. Here is what they cannot see, or see by
what servers tell, looked at from outside: what each server applied, and has in its tree; who had a
transaction on disk when it was committed; who led, or was about to, without a quorum; pings, which
keep sessions alive; and that all is well when every fault is over. Each check raises
`AssertionError` and says what it saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clients import CLOCKS, EPHEMERALS, PAIR, START, TIMEOUT, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .run import Run

READS = ("getData", "exists")


def ends(run: Run) -> dict[int, tuple[int, int]]:
    """Of each session that ended: zxid and time."""
    found: dict[int, tuple[int, int]] = {}
    for entry in run.ensemble.log:
        if entry.op.name == "CLOSE_SESSION":
            # What the leader's clock said; clocks differ by a multiple of `CLOCKS`.
            time = START + (entry.time - START) % CLOCKS
            found.setdefault(entry.session_id, (entry.zxid, time))
    return found


def check_all(run: Run) -> None:
    """Every check that holds for any run."""
    run.recording.history.check().raise_if_broken()
    one_log(run)
    quorums_commit(run)
    ephemerals_go_with_their_session(run)
    sessions_live_for_their_timeout(run)
    twice = {epoch: ids for epoch, ids in run.led.items() if len(ids) > 1}
    assert not twice, f"epochs had two leaders: {twice}"
    assert not run.lonely, f"{run.lonely} led for too long without a quorum"


def one_log(run: Run) -> None:
    """What each server applied, one after the other, is a prefix of the one log."""
    log = list(run.ensemble.log)
    zxids = [entry.zxid for entry in log]
    assert zxids == sorted(set(zxids)), f"the log is out of order: {zxids}"
    for server, applied in run.applied.items():
        for place, entry in enumerate(applied):
            assert place < len(log), f"server {server} applied {entry}, which nobody committed"
            assert entry == log[place], f"server {server} applied {entry} instead of {log[place]}"


def quorums_commit(run: Run) -> None:
    assert not run.uncovered, f"no quorum had {[hex(zxid) for zxid in run.uncovered]}"


def _answered(run: Run, ops: tuple[str, ...]) -> Iterator[Sent]:
    return (sent for sent in run.sent if sent.answered and sent.op in ops)


def reads_of_a_deposed_leader(run: Run) -> int:
    """How many reads did not see what had been committed by another leader than their server's."""
    reads = _answered(run, READS)
    return sum(sent.deposed and sent.zxid < sent.committed for sent in reads)


def syncs_of_a_deposed_leader(run: Run) -> int:
    """How many syncs were answered though what had been committed was not there yet."""
    syncs = _answered(run, ("sync",))
    return sum(sent.deposed and sent.zxid < sent.committed for sent in syncs)


def syncs_of_a_leader(run: Run) -> int:
    """How many syncs a leader answered that had yet to apply what was committed."""
    syncs = _answered(run, ("sync",))
    return sum(sent.led and not sent.deposed and sent.zxid < sent.committed for sent in syncs)


def stale_reads(run: Run) -> int:
    """How many reads did not see what had been committed before they were asked."""
    return sum(sent.zxid < sent.committed for sent in _answered(run, READS))


def ephemerals_go_with_their_session(run: Run) -> None:
    """No tree has an ephemeral whose session's end it has applied; none is without its owner."""
    closed = ends(run)
    for server in run.servers:
        for path in EPHEMERALS:
            node = server.tree.get(path)
            if node is not None:
                end = closed.get(node.owner)
                assert end is None or end[0] > server.tree.zxid, (
                    f"server {server.id} kept {path} of {node.owner:#x}"
                )


def sessions_live_for_their_timeout(run: Run) -> None:
    """Nobody's session ends before its timeout is over, unless the client closed it. Pings count,
    which histories do not keep.
    """
    closed = ends(run)
    closed_by_client = {sent.session for sent in run.sent if sent.op == "closeSession"}
    for heard in run.heard:
        end = closed.get(heard.session)
        if end is not None and heard.session not in closed_by_client:
            assert end[1] >= heard.time + TIMEOUT, (
                f"{heard.session:#x} was heard of at {heard.time} and ended at {end[1]}"
            )


def all_is_well_again(run: Run) -> None:
    """After the end of all faults everybody serves, and has the same state."""
    last = run.committed
    for server in run.servers:
        if server.id not in run.config.servers:
            continue
        assert server.mode is not None, f"server {server.id} serves nobody"
        assert (server.mode == "observer") == run.config.observes(server.id), server.mode
        assert server.tree.zxid == last, f"server {server.id} is at {server.tree.zxid:#x}"
        assert server.tree.nodes == run.ensemble.log.at(last).nodes, f"server {server.id}"
    for client in run.clients:
        assert client.connected, f"client {client.number} found no server"
    assert len(run.served) == len(run.clients), f"only {run.served} were served again"
    live = {client.session for client in run.clients}
    tree = run.ensemble.log.at(last)
    for path in EPHEMERALS:
        node = tree.get(path)
        assert node is None or node.owner in live, f"{path} has outlived its session"
    pair = [tree.get(path) for path in PAIR]
    assert all(node is not None and node.data for node in pair), pair


def nothing_is_lost(run: Run) -> None:
    """Without a fault every request is answered, and no session ends."""
    unanswered = [sent for sent in run.sent if not sent.answered]
    assert not unanswered, f"never answered: {unanswered[:3]}"
    ended = [entry for entry in run.ensemble.log if entry.op.name == "CLOSE_SESSION"]
    assert not ended, f"ended: {ended}"
