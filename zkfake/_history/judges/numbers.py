"""The numbers of sequential znodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._database.paths import split
from zkfake._history.errors import SequenceNumbersBroken
from zkfake._history.judge import Judge
from zkfake._history.results import written
from zkfake._history.states import PathVersion
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import CREATE_FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._history.events import Reply, Restored
    from zkfake._history.reading import Exchange, Reading

__all__ = ["SequenceNumbersGrow"]

_KEPT = 10_000
"""Parents that are remembered, and znodes of which it is known that they may go."""

NO_PARENT = "sequence numbers of a parent that may have been made anew"

_DIGITS = 10

_CREATES = ("create", "create2", "createContainer", "createTTL")
_DELETES = ("delete", "deleteContainer")


class SequenceNumbersGrow(Judge):
    """The numbers of sequential znodes below one parent never repeat and never fall.

    Checked: of the creates that were acknowledged, in the order of their zxids, as long as the
    parent is the same znode. Without the log the parent may have been made anew unseen: then
    nothing is decided, unless all clients that write were recorded. Of a parent that one of them
    asked to delete, or that servers may remove by themselves because it was asked for as a
    container or with a time to live, it is not decided then whether numbers may fall.
    """

    name = "sequence numbers grow"
    error = SequenceNumbersBroken

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], tuple[int, int, Reply]] = {}
        self._going: dict[str, None] = {}
        """Without the log: znodes that may be gone at any time. Of a sequential one what it was
        asked for as.
        """

    def begin(self, reading: Reading) -> None:
        super().begin(reading)
        if reading.complete and not reading.has_log:
            reading.listen("on_sent", self._asked)

    def _asked(self, exchange: Exchange) -> None:
        for operation, record in _parts(exchange):
            if operation in _DELETES or _goes_by_itself(operation, record):
                self._going[record.path or ""] = None
                if len(self._going) > _KEPT:
                    del self._going[next(iter(self._going))]

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        operation = reply.operation
        if operation not in (*_CREATES, "multi") or reply.error:
            return
        for done in written(exchange, reply):
            number = done.path[-_DIGITS:]
            if not done.sequential or not number.isdigit():
                continue
            parent, _ = split(done.path)
            if self.reading.has_log:
                above = self.reading.states.at(parent, reply.zxid)
                if not isinstance(above, PathVersion):
                    continue
                key = parent, above.czxid
            elif self.reading.complete:
                key = parent, 0
            else:
                self.undecided(NO_PARENT)
                continue
            self._look(key, int(number), reply)

    def on_restored(self, entry: Restored) -> None:
        self._last.clear()  # the counts may have gone back

    def _look(self, key: tuple[str, int], number: int, reply: Reply) -> None:
        self.times += 1
        zxid, highest, by = self._last.get(key, (0, -1, reply))
        grew = highest < number
        if zxid == reply.zxid:
            # Within one multi; a parent that it made it may have made twice.
            wrong = by is reply and 0 < key[1] < zxid and not grew
        else:
            wrong = bool(zxid) and (zxid < reply.zxid) != grew
        if wrong and self._may_be_another(key[0]):
            self.undecided(NO_PARENT)
        elif wrong:
            self.broken(
                f"below {key[0]} the number {highest} was given at {zxid:#x}, and {number} at "
                f"{reply.zxid:#x}",
                by,
                reply,
            )
        if reply.zxid >= zxid:
            self._last[key] = (reply.zxid, number, reply)
            if len(self._last) > _KEPT:
                del self._last[next(iter(self._last))]

    def _may_be_another(self, parent: str) -> bool:
        number = parent[-_DIGITS:]
        return parent in self._going or (number.isdigit() and parent[:-_DIGITS] in self._going)


def _parts(exchange: Exchange) -> Iterator[tuple[str, Any]]:
    """The writes that a request asks for, by their names."""
    operation, record = exchange.sent.operation, exchange.record
    if operation in _DELETES or operation in _CREATES:
        if record is not None:
            yield operation, record
    elif operation == "multi" and record is not None:
        for part in record.operations:
            row = OPERATIONS.get(part.op)
            if row is not None:
                yield row.name, part.record


def _goes_by_itself(operation: str, record: Any) -> bool:
    """Whether this makes a znode that servers remove when its time has come."""
    if operation not in _CREATES:
        return False
    mode = CREATE_FLAGS.get(record.flags)
    return operation == "createContainer" or (mode is not None and (mode.container or mode.ttl))
