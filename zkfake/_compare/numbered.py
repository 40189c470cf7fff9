"""What is left out of answers where one of the servers is somebody else's.

Others may use it meanwhile, and nobody has started it for this. So session ids and zxids are
compared as the numbers in whose order they are first shown: a `Stat` names the change that made the
znode, whatever its zxid is. Left out are:

- the zxids of replies that change nothing, and of those that refuse: the server's last one;
- session timeouts and passwords, which are set up by the server, or made by it;
- times, but that a change has one.
"""

from __future__ import annotations

from zkfake._compare.replies import Mapping
from zkfake._compare.side import CHANGES
from zkfake._compare.wire import OPS, i32

__all__ = ["NumberedMapping"]

_FAILED = i32(OPS["notification"] - 1)
"""How the first part of a multi begins that has failed."""


class NumberedMapping(Mapping):
    """The mapping of the answers to one program."""

    def __init__(self) -> None:
        self._zxids = {0: 0, -1: -1}
        self._sessions = {0: 0}
        self._times: dict[int, int] = {}

    def session(self, session: int) -> int:
        return self._sessions.setdefault(session, len(self._sessions))

    def timeout(self, timeout: int) -> int:
        return int(timeout > 0)

    def password(self, session: int, password: bytes) -> bytes:
        return bytes(16) if session else password

    def zxid(self, zxid: int) -> int:
        return self._zxids.setdefault(zxid, len(self._zxids))

    def replied_zxid(self, op: int, zxid: int, payload: bytes) -> int:
        refused = payload[12:16] != bytes(4) or (
            op == OPS["multi"] and payload[16:20] == _FAILED and payload[20:21] == b"\0"
        )
        return self.zxid(zxid) if op in CHANGES and not refused else 0

    def time(self, zxid: int, at: int) -> int:
        return 1 if self._times.setdefault(zxid, at) == at else -1
