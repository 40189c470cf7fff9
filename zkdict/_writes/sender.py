"""Sends a caller's request: when it may be sent again, and when its effects are visible.

The rules that live here:

- Everything is checked before anything is sent: keys, values, sizes.
- A write first waits for the connection. If the deadline passes meanwhile it is a `Timeout`:
  nothing was sent.
- A write whose answer never came is sent again only where that is harmless (set this value,
  whatever is there). Any other raises `WriteUncertain`. So does any write whose deadline passes, or
  that fails otherwise, after it was sent. `proof` judges what is found afterwards.
- A write returns when the local copy holds it: the reads that its watches make necessary are sent
  right after it, so this takes one round trip. Where the copy cannot be confirmed within
  `max_staleness`, the write is laid over it; what the answer to a multi does not show (its creates)
  is read for that.
- A reply that cannot be read is not an answer: the write may have been applied.
- A write that is decided by the copy (which key? which version?) waits until there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kazoo.exceptions import KazooException, NoAuthError, NotReadOnlyCallError

from zkdict._copy.lookup import BadEntry
from zkdict._copy.replies import (
    CONNECTION_ERRORS,
    LOST,
    UnreadableReply,
    answer_of,
    applied,
    unreadable,
    unreadable_reply,
    znode,
)
from zkdict._copy.waiting import deadline_after, earlier, pause_after, remaining
from zkdict.entries import State
from zkdict.errors import (
    Closed,
    EncodeError,
    ForkedDict,
    Timeout,
    ValueTooLarge,
    WriteUncertain,
    ZkDictError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._copy.effects import Effects, Looks, Submitted
    from zkdict._copy.feed import Feed
    from zkdict._copy.items import ReadZnode
    from zkdict._copy.view import View
    from zkdict.entries import Entry
    from zkdict.keys import KeyCodec

__all__ = ["Sender", "UnansweredError"]

V = TypeVar("V")
T = TypeVar("T")

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.25  # seconds, of those who came in each other's way
RETRY_PAUSE = 0.05  # seconds, after an answer that was an error


class UnansweredError(Exception):
    """A request was sent, and its answer did not come in time, never will, or cannot be read.

    Args:
        text: what happened.
        submitted: the request, where its answer may still come.
        check: raises UnreadableReply for an answer that is not one.
    """

    def __init__(
        self,
        text: str = "no answer",
        submitted: Submitted | None = None,
        check: Callable[[Any], None] = lambda _: None,
    ) -> None:
        super().__init__(text)
        self._submitted = submitted
        self._check = check

    @property
    def unreadable(self) -> UnreadableReply | None:
        """Why the answer cannot be read, if one came: the next one may be as bad."""
        return self.__cause__ if isinstance(self.__cause__, UnreadableReply) else None

    def late(self) -> bool | None:
        """Whether the request was applied, by its own answer; None as long as there is none."""
        if self._submitted is None or self._submitted.result is None:
            return None
        answer = answer_of(self._submitted.result)
        if answer is LOST or isinstance(answer, UnreadableReply):
            return None
        if self._submitted.result.exception is not None:
            return False
        try:
            self._check(answer)
        except UnreadableReply:
            return None
        return applied(answer)


class Sender(Generic[V]):
    """Sends the requests of one dict's callers. See the module's rules.

    Args:
        feed: the connection and the local copy.
        codec: keys to names.
        encode: values to bytes; raises EncodeError.
        view: what readers see.
        acl: for new znodes.
        max_value_bytes: the largest value, and the largest multi.
        write_timeout: seconds each write may take.
        max_staleness: seconds a write waits for its state to be confirmed.
        create_root: whether a missing root is made by a write.
        read_only: whether every write is refused.
    """

    def __init__(
        self,
        feed: Feed,
        codec: KeyCodec,
        encode: Callable[[V], bytes],
        view: View[V],
        *,
        acl: Any,
        max_value_bytes: int,
        write_timeout: float,
        max_staleness: float,
        create_root: bool,
        read_only: bool,
    ) -> None:
        self.feed = feed
        self.codec = codec
        self.acl = acl
        self.max_value_bytes = max_value_bytes
        self.write_timeout = write_timeout
        self._encode = encode
        self.view = view
        self._read_only = read_only
        self.conflicts = 0
        self.max_staleness = max_staleness
        self.create_root = create_root

    def encoded(self, key: str, value: V) -> bytes:
        """The bytes for `value`. Raises EncodeError, ValueTooLarge."""
        try:
            raw = self._encode(value)
        except EncodeError as error:
            if error.key is None:
                error.key = key
            raise
        if len(raw) > self.max_value_bytes:
            raise ValueTooLarge(len(raw), self.max_value_bytes, key)
        return raw

    def begin(self, *, loaded: bool = False) -> float | None:
        """The deadline of a write that begins now; with `loaded` once there is a copy to go by.

        Raises:
            TypeError: the dict is read-only.
            Timeout: nothing was loaded until the deadline.
            Closed, ForkedDict, KazooException.
        """
        if self._read_only:
            raise TypeError("this dict is read-only: it was made with read_only=True")
        self.feed.check_usable()
        self.feed.tasks.check()
        deadline = deadline_after(self.write_timeout)
        if loaded and not self.feed.signal.wait_for(self._loaded, deadline):
            raise Timeout(
                f"the dict was not loaded within {self.write_timeout} s; nothing was sent"
            )
        return deadline

    def _loaded(self) -> bool:
        self.feed.check_usable()
        if self.feed.cache.published == 0 and self.feed.failure is not None:
            raise self.feed.failure
        return self.feed.cache.published > 0

    @property
    def floor(self) -> int:
        """A zxid below that of any write that is sent from now on."""
        return max(self.feed.cache.zxid, int(self.feed.client.last_zxid))

    # -- sending

    def call(
        self,
        send: Callable[[], Any],
        deadline: float | None,
        *,
        effects: Effects | None = None,
        check: Callable[[Any], None] = lambda _: None,
        strict: bool = False,
        answer_only: bool = False,
        looks: Looks | None = None,
    ) -> Any:
        """Send one request, wait for its answer, and for the copy to hold its effects.

        Args:
            send: calls one of kazoo's `_async` methods and returns its result.
            deadline: for all of it.
            effects: what it does to the children.
            check: raises UnreadableReply for an answer that is not one.
            strict: wait for such a state until the deadline; raise UnansweredError if none comes.
            answer_only: wait for no such state.
            looks: see `Feed.submit`.

        Raises:
            Timeout: no connection until the deadline, or it has passed already; nothing was sent.
            UnansweredError: it was sent, and no answer came, or one that cannot be read.
            KazooException: the server's answer. The copy then holds what made it answer so. With
                `strict` also: the root may not be read.
        """
        feed = self.feed
        feed.check_usable()
        feed.tasks.check()
        if not feed.signal.wait_for(self._connected, deadline):
            raise Timeout(
                "there was no connection to ZooKeeper before the deadline; nothing was written"
            )
        if remaining(deadline) == 0:
            raise Timeout("the deadline passed before the request was sent; nothing was written")
        submitted = feed.submit(send, effects=effects, looks=looks)
        return self.answer(submitted, deadline, check=check, strict=strict, answer_only=answer_only)

    def answer(
        self,
        submitted: Submitted,
        deadline: float | None,
        *,
        check: Callable[[Any], None] = lambda _: None,
        strict: bool = False,
        answer_only: bool = False,
    ) -> Any:
        """The second half of `call`: wait for the answer to what was sent, and for the copy.

        Raises:
            UnansweredError, KazooException: as `call`.
        """
        feed = self.feed
        submitted.done.wait(remaining(deadline))
        if submitted.result is None or not submitted.result.ready():
            raise UnansweredError("no answer came before the deadline", submitted, check)
        try:
            answer = submitted.result.get_nowait()
            check(answer)
        except CONNECTION_ERRORS as error:
            raise UnansweredError("the connection was lost") from error
        except UnreadableReply as error:
            raise UnansweredError("the reply cannot be read") from error
        except KazooException:
            self._await_position(submitted.request.position, deadline, patient=False)
            self.refresh()
            raise
        except Exception as error:  # whatever kazoo raised when it read the reply
            raise UnansweredError from unreadable_reply(error)
        if answer_only:
            return answer
        if not self._await_position(submitted.request.position, deadline, patient=strict):
            if strict:
                raise UnansweredError("no state of the copy was new enough before the deadline")
            effects = submitted.effects
            if effects.leaves and applied(answer):
                try:
                    written = self._read_effects(effects.leaves, effects.shown(answer), deadline)
                except UnansweredError as error:
                    raise UnansweredError(str(error), submitted, check) from error
                except (
                    Closed,
                    ForkedDict,
                ) as error:  # it was sent: this does not say whether it was applied
                    raise UnansweredError("the dict was closed", submitted, check) from error
                feed.overlay(written, submitted.request.position)
        if strict:
            feed.check_usable()
        self.refresh()
        return answer

    def _connected(self) -> bool:
        self.feed.check_usable()
        return self.feed.connected

    def _await_position(self, position: int, deadline: float | None, *, patient: bool) -> bool:
        """Wait until a state was published that holds the effects of the request at `position`.

        Impatient callers wait for `max_staleness` at most.
        """
        feed = self.feed
        if not patient:
            deadline = earlier(deadline_after(self.max_staleness), deadline)

        def reached() -> bool:
            if feed.cache.position >= position or feed.state is State.CLOSED:
                return True
            if patient and feed.failure is not None:
                raise feed.failure
            return False

        return feed.signal.wait_for(reached, deadline)

    def _read_effects(
        self,
        leaves: Mapping[str, bytes | None],
        shows: dict[str, ReadZnode],
        deadline: float | None,
    ) -> Mapping[str, ReadZnode | None]:
        """What a write did, to be laid over the copy: what its answer `shows`, and the rest read.

        Raises:
            UnansweredError: it could not be read.
        """
        feed = self.feed
        removed = {name: None for name, raw in leaves.items() if raw is None}
        names = [name for name in leaves if name not in shows and name not in removed]
        reads: list[Any] = []

        def send() -> Any:
            feed.requests += len(names)  # and one that is counted anyway
            reads[:] = [self.feed.barrier()]  # a new session may have gone back
            reads.extend(feed.client.get_async(feed.child(name)) for name in names)
            return reads[-1]

        while names:
            if not feed.signal.wait_for(self._connected, deadline):
                raise UnansweredError("what was written could not be read before the deadline")
            submitted = feed.submit(send)
            submitted.done.wait(remaining(deadline))
            if submitted.result is None:
                raise UnansweredError("what was written could not be read before the deadline")
            synced, *answers = [answer_of(read) for read in reads]
            if isinstance(synced, NotReadOnlyCallError):
                raise UnansweredError(
                    "a server without a quorum does not show what was written"
                ) from synced
            confirmed = synced is not LOST and not isinstance(synced, Exception)
            for name, answer in zip(names, answers if confirmed else (), strict=confirmed):
                if isinstance(answer, tuple):
                    shows[name] = znode(*answer)
                elif isinstance(answer, NoAuthError):
                    shows[name] = unreadable(answer)
                elif answer is None:  # gone again
                    removed[name] = None
            names = [name for name in names if name not in shows and name not in removed]
            if names and feed.connected:  # the error may come again at once
                feed.client.handler.sleep_func(RETRY_PAUSE)
        return {**removed, **shows}

    def refresh(self) -> None:
        """Show readers what was published last."""
        with self.feed.lock:
            self.view.refresh()

    def resend(
        self,
        attempt: Callable[[], T | None],
        deadline: float | None,
        uncertain: Callable[[], WriteUncertain],
    ) -> T:
        """Make attempts until one gives something. Only for what is harmless to send again.

        Raises:
            WriteUncertain: an answer was lost, and no later attempt succeeded.
            and what the attempts raise.
        """
        lost = False
        while True:
            try:
                done = attempt()
            except UnansweredError as error:  # noqa: PERF203
                lost = True
                if remaining(deadline) == 0 or error.unreadable is not None:
                    raise uncertain() from error
            except (ZkDictError, KazooException) as error:
                if lost:
                    raise uncertain() from error
                raise
            else:
                if done is not None:
                    return done

    def back_off(self, conflicts: int) -> None:
        """Pause after so many attempts that conflicted, so that others can finish theirs."""
        self.conflicts += 1
        self.feed.client.handler.sleep_func(pause_after(conflicts, _FIRST_PAUSE, _LONGEST_PAUSE))

    def decode(self, key: str, found: ReadZnode) -> Entry[V]:
        """The entry of a znode. Raises DecodeError."""
        entry = self.view.entry(key, found)
        if isinstance(entry, BadEntry):
            raise entry.fresh_error()
        return entry
