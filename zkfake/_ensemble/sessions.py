"""Sessions: ids, passwords, negotiated timeouts and expiry.

A session expires in the bucket of ticks that its timeout ends in: ``(floor((now + timeout) / tick)
+ 1) * tick``, so between one timeout and one timeout and a tick after it was last heard of; all
sessions of one bucket go together. The password is computed from the id, so any server, and a
restarted one, knows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from zkfake._protocol.records import PASSWORD_LENGTH

NO_PASSWORD = bytes(PASSWORD_LENGTH)

_PASSWORD_SEED = 0xB3415C00
_MULTIPLIER, _INCREMENT, _MASK = 0x5DEECE66D, 0xB, (1 << 48) - 1


def password_of(session_id: int) -> bytes:
    """The session's 16 bytes: what ``java.util.Random`` makes of the id."""
    seed = ((session_id ^ _PASSWORD_SEED) ^ _MULTIPLIER) & _MASK
    words = []
    for _ in range(PASSWORD_LENGTH // 4):
        seed = (seed * _MULTIPLIER + _INCREMENT) & _MASK
        words.append((seed >> 16).to_bytes(4, "little"))
    return b"".join(words)


def first_session_id(server_id: int, now: int) -> int:
    """The first id a server gives: its own id in the high byte, then 40 bits of the time in
    milliseconds.
    """
    unsigned = (server_id << 56) | ((now & 0xFFFFFFFFFF) << 16)
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


@dataclass(slots=True)
class Session:
    """``server_id``: the server whose connection owns it. ``local``: only that server knows it.

    Times are milliseconds.
    """

    id: int
    timeout: int
    server_id: int
    expires: int
    closing: bool = False
    local: bool = False


class SessionTracker:
    """The sessions of an ensemble. A bucket that is empty is gone.

    All methods are O(1), but that of the first bucket that goes, which looks at each of the others:
    there are at most as many as ticks in the longest timeout, by default 21.
    """

    def __init__(self, tick_time: int) -> None:
        self._tick = tick_time
        self._sessions: dict[int, Session] = {}
        self._buckets: dict[int, dict[int, Session]] = {}
        self.next_expiry: int | None = None
        """When the first bucket is due; ``None`` where there is no session."""

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: int) -> Session | None:
        """The session, unless it has ended or is closing. Cost: O(1)."""
        session = self._sessions.get(session_id)
        return None if session is None or session.closing else session

    def open(self, session_id: int, timeout: int, server_id: int, now: int) -> Session:
        """Adds a session. ``timeout``: milliseconds. ``server_id``: the server that owns it."""
        session = Session(session_id, timeout, server_id, 0)
        self._sessions[session_id] = session
        self.touch(session, now)
        return session

    def touch(self, session: Session, now: int) -> None:
        """A client of the session has sent something: the timeout starts again at ``now``."""
        expires = ((now + session.timeout) // self._tick + 1) * self._tick
        if expires == session.expires or session.closing:
            return
        self._leave_bucket(session)
        session.expires = expires
        bucket = self._buckets.get(expires)
        if bucket is None:
            bucket = self._buckets[expires] = {}
            if self.next_expiry is None or expires < self.next_expiry:
                self.next_expiry = expires
        bucket[session.id] = session

    def start_closing(self, session: Session) -> None:
        """The session can no longer be used or renewed; its end is yet to be committed."""
        session.closing = True
        self._leave_bucket(session)

    def close(self, session_id: int) -> None:
        """Removes a session, if there is one with this id."""
        session = self._sessions.pop(session_id, None)
        if session is not None and not session.closing:
            self._leave_bucket(session)

    def expired(self, now: int) -> list[Session]:
        """The sessions whose bucket is due, bucket by bucket. They stay until `close`."""
        due: list[Session] = []
        while self.next_expiry is not None and self.next_expiry <= now:
            due += self._forget_bucket(self.next_expiry).values()
        return due

    def buckets(self) -> dict[int, list[int]]:
        """The ids of the sessions that expire together, by when."""
        return {when: list(bucket) for when, bucket in sorted(self._buckets.items())}

    def _leave_bucket(self, session: Session) -> None:
        bucket = self._buckets.get(session.expires)
        if bucket is not None:
            bucket.pop(session.id, None)
            if not bucket:
                self._forget_bucket(session.expires)

    def _forget_bucket(self, when: int) -> dict[int, Session]:
        bucket = self._buckets.pop(when)
        if when == self.next_expiry:
            self.next_expiry = min(self._buckets, default=None)
        return bucket
