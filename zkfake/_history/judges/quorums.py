"""What servers owe their clients: a quorum for all that is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._database.log import SetData
from zkfake._database.reconfig import parse
from zkfake._history.errors import ReliabilityBroken
from zkfake._history.judge import Judge
from zkfake._history.judges.elections import servers
from zkfake._protocol.records import Op, ZooKeeperError

if TYPE_CHECKING:
    from collections.abc import Collection

    from zkfake._database.log import Transaction
    from zkfake._history.events import Committed, ServerEvent
    from zkfake._history.states import Changed

__all__ = ["CommittedByAQuorum"]


class CommittedByAQuorum(Judge):
    """Reliability: what is committed is on the disks of more than half of the servers with a vote,
    so that no crash loses it.

    Checked against the log, of an ensemble of ours. A change of members takes more than half of the
    old voters, and of the new ones. Not judged: voters that are in groups, or weighed.
    """

    name = "a quorum has it"
    error = ReliabilityBroken
    needs_log = True

    def __init__(self) -> None:
        super().__init__()
        self._leads: ServerEvent | None = None

    def on_server_event(self, event: ServerEvent) -> None:
        if event.name == "leads":
            self._leads = event

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        if not entry.voters or entry.transaction.op is Op.ERROR:
            return  # one server; or a test that put another state in the place of this one
        self.times += 1
        for voters in (entry.voters, _new_voters(entry.transaction)):
            have = set(entry.on_disk).intersection(voters)
            if voters and 2 * len(have) <= len(voters):
                self.broken(
                    f"{entry.transaction.zxid:#x} was committed with {servers(have)} having it on "
                    f"disk, of {servers(voters)}",
                    self._leads,
                    entry,
                )
                return


def _new_voters(done: Transaction) -> Collection[int]:
    """The voters of the configuration that a transaction brings; none for any other one."""
    if done.op is not Op.RECONFIG or done.error or not done.operations:
        return ()
    (change,) = done.operations
    if not isinstance(change, SetData):
        return ()
    try:
        config = parse((change.data or b"").decode())
    except (ZooKeeperError, ValueError):
        return ()  # of a damaged file
    return config.voters if config.groups is None else ()
