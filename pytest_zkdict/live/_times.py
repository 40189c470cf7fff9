"""The times of a server whose settings are known. The fake has the same as live servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_SESSION_TIMEOUT", "TICK_TIME", "KnownTimes"]

#: Milliseconds. A test of expiry should be over soon, a test in a debugger should not expire.
TICK_TIME = 200
MAX_SESSION_TIMEOUT = 60_000


class KnownTimes:
    """The part of a server that tells its times."""

    _settings: Mapping[str, object]

    @property
    def tick_time(self) -> int:
        """ZooKeeper's ``tickTime``, in milliseconds."""
        return int(str(self._settings["tickTime"]))

    @property
    def min_session_timeout(self) -> float:
        """The shortest session timeout that the server grants, in seconds."""
        return int(str(self._settings.get("minSessionTimeout", 2 * self.tick_time))) / 1000
