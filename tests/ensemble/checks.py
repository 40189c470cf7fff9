"""What an ensemble owes its clients, judged over the record of a run.

The state at each zxid is computed here anew from the committed log, by rules of this module's own,
so a server that applies a transaction wrongly, in part, or not at all disagrees with it. Each check
raises `AssertionError` and says what it saw.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ..support.replies import Event
from .clients import CLOCKS, EPHEMERALS, PAIR, START, TIMEOUT, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .run import Run

READS = ("getData", "exists")
WRITES = ("create", "delete", "setData", "multi")
NO_NODE = -101


class States:
    """The data of each path at each zxid."""

    def __init__(self, run: Run) -> None:
        self._history: dict[str, list[tuple[int, bytes | None]]] = {}
        self.owners: dict[str, int] = {}
        self.closed: dict[int, tuple[int, int]] = {}
        """Of each session that ended: zxid and time."""
        for entry in run.ensemble.log:
            for operation in entry.operations:
                kind = type(operation).__name__
                if kind == "Delete":
                    self._put(entry.zxid, operation.path, None)
                    self.owners.pop(operation.path, None)
                elif kind in ("Create", "SetData"):
                    self._put(entry.zxid, operation.path, operation.data)
                if kind == "Create" and operation.owner:
                    self.owners[operation.path] = operation.owner
            if entry.op.name == "CLOSE_SESSION":
                # What the leader's clock said; clocks differ by a multiple of `CLOCKS`.
                time = START + (entry.time - START) % CLOCKS
                self.closed.setdefault(entry.session_id, (entry.zxid, time))
                for path, owner in list(self.owners.items()):
                    if owner == entry.session_id:
                        del self.owners[path]
                        self._put(entry.zxid, path, None)

    def _put(self, zxid: int, path: str, data: bytes | None) -> None:
        self._history.setdefault(path, []).append((zxid, data))

    def at(self, path: str, zxid: int) -> bytes | None:
        """The data of ``path``; ``None`` where it is not there."""
        history = self._history.get(path, [])
        place = bisect_right(history, zxid, key=lambda item: item[0])
        return history[place - 1][1] if place else None

    def next_change(self, path: str, zxid: int) -> int | None:
        """The first zxid above ``zxid`` at which ``path`` changed."""
        history = self._history.get(path, [])
        place = bisect_right(history, zxid, key=lambda item: item[0])
        return history[place][0] if place < len(history) else None


def check_all(run: Run) -> None:
    """Every check that holds for any run."""
    run.recording.history.check().raise_if_broken()
    one_log(run)
    quorums_commit(run)
    states = States(run)
    acknowledged_writes_are_in_the_log(run)
    nobody_goes_back(run)
    reads_find_the_state_of_their_zxid(run, states)
    syncs_remove_staleness(run)
    events_precede_the_new_data(run, states)
    ephemerals_go_with_their_session(run, states)
    sessions_live_for_their_timeout(run, states)
    twice = {epoch: ids for epoch, ids in run.led.items() if len(ids) > 1}
    assert not twice, f"epochs had two leaders: {twice}"
    alive = [session for session in run.refused if session not in states.closed]
    assert not alive, f"refused, and never closed: {[hex(session) for session in alive]}"
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


def acknowledged_writes_are_in_the_log(run: Run) -> None:
    """A reply to a write names its own place in the log; no write has two."""
    log = {entry.zxid: entry for entry in run.ensemble.log}
    for sent in run.sent:
        if sent.answered and sent.op in WRITES:
            entry = log.get(sent.zxid)
            assert entry is not None, f"lost: {sent}"
            assert entry.session_id == sent.session, f"{sent} was answered with {entry}"
            if not entry.error:
                assert sent.error == 0, f"{sent} was answered with {entry}"
                paths = tuple(operation.path for operation in entry.operations)
                assert paths == sent.paths, f"{sent} was answered with {entry}"
                for operation in entry.operations:
                    data = getattr(operation, "data", b"")
                    assert data == sent.value, f"{sent} was answered with {entry}"
    values = [
        (entry.operations[0].data, entry.op)
        for entry in run.ensemble.log
        if entry.operations and hasattr(entry.operations[0], "data")
    ]
    setup = [value for value in values if value[0] != b"0"]
    assert len(setup) == len(set(setup)), "a write was carried out twice"


def nobody_goes_back(run: Run) -> None:
    """No client is ever shown a zxid below one that it has seen."""
    assert not run.back, f"clients went back: {run.back}"


def _answered(run: Run, ops: tuple[str, ...]) -> Iterator[Sent]:
    return (sent for sent in run.sent if sent.answered and sent.op in ops)


def reads_find_the_state_of_their_zxid(run: Run, states: States) -> None:
    """A read's reply is the state right after the transaction its header names: all of it."""
    for sent in _answered(run, READS):
        (path,) = sent.paths
        expected = states.at(path, sent.zxid)
        if sent.error:
            assert sent.error == NO_NODE, sent
            assert expected is None, f"{sent} found nothing, not {expected!r}"
        else:
            assert expected is not None, f"{sent} found what was not there"
            if sent.op == "getData":
                length = int.from_bytes(sent.body[:4], "big")
                found = sent.body[4 : 4 + length]
                assert found == expected, f"{sent} found {found!r}, not {expected!r}"


def syncs_remove_staleness(run: Run) -> None:
    """Behind a sync a client sees everything that was committed when it asked for it; unless its
    server was led by one that another leader had replaced, for a sync asks no quorum, or led
    itself, for then it asks nobody.
    """
    for stream in run.streams:
        synced = 0
        for item in stream.items:
            if isinstance(item, Sent):
                if item.op == "sync" and not item.error and not (item.deposed or item.led):
                    synced = max(synced, item.committed)
                assert item.zxid >= synced, f"{item} is older than {synced:#x}"


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


def events_precede_the_new_data(run: Run, states: States) -> None:
    """Who watches a path hears of its change before anything that is as new as the change."""
    for stream in run.streams:
        armed: dict[str, int] = {}
        for item in stream.items:
            if isinstance(item, Event):
                due = armed.pop(item.path, None)
                assert due is not None, f"nobody asked for {item}"
                change = states.next_change(item.path, due)
                assert change == item.zxid, f"{item} tells of {change}"
                continue
            for path, zxid in armed.items():
                change = states.next_change(path, zxid)
                assert change is None or item.zxid < change, (
                    f"client {stream.client} saw {item} before the event for {path} at {change:#x}"
                )
            if item.watch and (not item.error or item.op == "exists"):
                armed.setdefault(item.paths[0], item.zxid)


def ephemerals_go_with_their_session(run: Run, states: States) -> None:
    """No tree has an ephemeral whose session's end it has applied; none is without its owner."""
    for server in run.servers:
        for path in EPHEMERALS:
            node = server.tree.get(path)
            if node is not None:
                end = states.closed.get(node.owner)
                assert end is None or end[0] > server.tree.zxid, (
                    f"server {server.id} kept {path} of {node.owner:#x}"
                )


def sessions_live_for_their_timeout(run: Run, states: States) -> None:
    """Nobody's session ends before its timeout is over, unless the client closed it."""
    closed_by_client = {sent.session for sent in run.sent if sent.op == "closeSession"}
    for heard in run.heard:
        end = states.closed.get(heard.session)
        if end is not None and heard.session not in closed_by_client:
            assert end[1] >= heard.time + TIMEOUT, (
                f"{heard.session:#x} was heard of at {heard.time} and ended at {end[1]}"
            )


def all_is_well_again(run: Run, states: States) -> None:
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
    for path in EPHEMERALS:
        node = run.ensemble.log.at(last).get(path)
        assert node is None or node.owner in live, f"{path} has outlived its session"
    pair = [states.at(path, last) for path in PAIR]
    assert all(pair), pair


def nothing_is_lost(run: Run) -> None:
    """Without a fault every request is answered, and no session ends."""
    unanswered = [sent for sent in run.sent if not sent.answered]
    assert not unanswered, f"never answered: {unanswered[:3]}"
    ended = [entry for entry in run.ensemble.log if entry.op.name == "CLOSE_SESSION"]
    assert not ended, f"ended: {ended}"
