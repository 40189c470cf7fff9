"""The dict without its writes: how it is put together, followed and closed."""

from __future__ import annotations

import os
import weakref
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from zkdict._arguments import acl_list, one_of, root_path
from zkdict._copy.client_tasks import tasks_of
from zkdict._copy.events import Changes, Dispatcher, Subscription
from zkdict._copy.feed import Feed
from zkdict._copy.lookup import GATED
from zkdict._copy.view import View
from zkdict._copy.waiting import deadline_after, remaining
from zkdict._readable import ReadableDict
from zkdict._writes.single import Writer
from zkdict.encodings import JSON
from zkdict.errors import Timeout
from zkdict.keys import KeyCodec, KeyEncoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Self

    from zkdict._recording import DictHistory
    from zkdict.encodings import Encoding
    from zkdict.entries import Change, State

__all__ = ["FollowedDict", "stop"]

V = TypeVar("V")

_LOOKS = 10  # for progress, in the time for which a load may make none
_SHORTEST_LOOK = 0.01  # seconds between two of them, at least


class FollowedDict(ReadableDict[V]):
    """`ZooKeeperDict` without its writes."""

    def __init__(
        self,
        connection: Any,
        keyspace: str,
        autosync: bool = True,
        encoding: Encoding[V] = JSON,
        old_encoding: Encoding[Any] | None = None,
        *,
        create: bool = True,
        acl: Any = None,
        wait: float | None = 30.0,
        on_outage: Literal["serve", "raise", "block"] = "serve",
        max_age: float | None = None,
        max_staleness: float = 1.0,
        on_bad_value: Literal["omit", "raise"] = "raise",
        key_encoding: KeyEncoding = "plain",
        max_value_bytes: int = 1_000_000,
        write_timeout: float = 30.0,
        read_only: bool = False,
        history: DictHistory | None = None,
    ) -> None:
        """The constructor loads the dict, and waits for that (see `wait`).

        Args:
            connection: a KazooClient, started or not. A stopped one is started. It is not stopped
                by `close()`; see `connect` for a dict that owns its client. Connection and keyspace
                may come the other way round, too.
            keyspace: the path of the znode whose children are the keys (below the client's chroot).
            autosync: True shows changes as they come; False only at an own write, `sync()`, or
                another call that asks the server or waits.
            encoding: how values become bytes; strict JSON unless told otherwise.
            old_encoding: another encoding that is read too, never written.
            create: whether a missing root znode is made, with what is missing above it, when the
                dict is loaded and by writes.
            acl: a list of `kazoo.security.ACL` for what the dict creates; None: kazoo's default.
            wait: seconds without progress after which the constructor waits no longer for the copy
                to be loaded. Each answer to a read of the load is progress, so a large dict may
                take longer than that. (Where the connection is lost and the load begins anew, its
                answers count again if the lost one came farther than any before it.) None loads
                in the background. Until the copy is there reads raise StaleRead, or wait first with
                `on_outage="block"`. For a limit to all of it give None, and call
                `wait_ready(timeout)`.
            on_outage: what reads do without a live connection: "serve" the last copy, "raise"
                StaleRead, or "block" until it is back, for at most `write_timeout`.
            max_age: seconds that an outage may last before reads do what `on_outage` says ("serve"
                then raises StaleRead). None: at once for "raise" and "block", never for "serve".
            max_staleness: seconds for which unending changes may hold back the next published
                state, and own writes wait to be confirmed. After that the copy is shown as it is,
                even if the server never had exactly this state; `stats["forced"]` counts how often.
            on_bad_value: "raise": a key whose value does not decode is in the dict, and reading it
                raises DecodeError; "omit": it is not there, but in `bad_keys`. The same for a key
                that the server does not show, which raises KazooException.
            key_encoding: "plain" keys are znode names as they are; "quote" allows any text.
            max_value_bytes: the largest encoded value, and the largest multi, in which each
                operation counts with its path and up to 80 bytes. (A `pop` is a multi of two
                operations.) It has to be less than the servers' `jute.maxbuffer`, as the path is
                part of a request, too.
            write_timeout: seconds any write may take, and `fetch`; of `modify`, `atomically` and
                `replace_all` each attempt, of `update_chunked` each transaction.
            read_only: refuse every write with TypeError, and create nothing.
            history: where its calls and the states that it shows are recorded: that of a simulation
                or a fake, `zkfake.history.History`. None records nothing.

        Raises:
            InvalidKey: the keyspace is no path.
            TypeError, ValueError: another argument is invalid.
            Timeout: it was not loaded, and there was no progress for `wait` seconds (a tenth more
                at most).
            RootMissing: the znode does not exist, and is not to be made (`create=False` or
                `read_only=True`); or the client's chroot does not exist.
            KazooException: the server refused to show or make the root, for example NoAuthError.
        """
        one_of("on_outage", on_outage, ("serve", "raise", "block"))
        one_of("on_bad_value", on_bad_value, ("omit", "raise"))
        super().__init__(connection, keyspace, autosync, encoding, old_encoding)
        client = self.connection
        path = root_path(self.keyspace)
        acl = acl_list(acl)
        self._read_only = read_only
        self._create = create and not read_only
        self._on_outage = on_outage
        self._max_age = max_age
        names = KeyCodec(key_encoding, at_root=path == "/" and not client.chroot)
        self._values = GATED
        self._dispatcher: Dispatcher[V] = Dispatcher(client.handler, tasks_of(client).check)
        self._view: View[V] = View(
            names,
            self._codec.decode,
            self._dispatcher,
            _shower(self),
            _keeper(self),
            omit=on_bad_value == "omit",
            autosync=autosync,
            gate_outages=on_outage != "serve" or max_age is not None,
        )
        self._recorder = None if history is None else history.of_dict(f"{client.chroot}{path}")
        self._view.recorder = self._recorder
        self._feed = Feed(
            client,
            path,
            on_publish=self._view.publish,
            on_state=self._view.state_changed,
            on_error=self._dispatcher.failed,
            create=self._create,
            acl=acl,
            max_staleness=max_staleness,
        )
        self._feed.recorder = self._recorder
        self._writer: Writer[V] = Writer(
            self._feed,
            names,
            self._codec.encode,
            self._view,
            acl=acl,
            max_value_bytes=max_value_bytes,
            write_timeout=write_timeout,
            max_staleness=max_staleness,
            create_root=self._create,
            read_only=read_only,
        )
        self._finalizer = weakref.finalize(self, self._feed.forgetter())
        self._finalizer.atexit = False
        _living[id(self)] = self
        self._feed.start()
        if wait is not None:
            self._load_within(wait)

    def _load_within(self, wait: float) -> None:
        try:
            if not self._wait_while_loading(wait):
                why = self._feed.trouble
                told = f"; the server's last error was {why!r}" if why is not None else ""
                raise Timeout(
                    f"{self._feed.path} was not loaded: nothing of it came for {wait} s{told}"
                ) from why
        except BaseException:
            self.close()
            raise

    def _wait_while_loading(self, patience: float) -> bool:
        feed = self._feed
        reached, until = feed.reached(), deadline_after(patience)
        while not self.wait_ready(max(patience / _LOOKS, _SHORTEST_LOOK)):
            if (now := feed.reached()) != reached:
                reached, until = now, deadline_after(patience)
            elif remaining(until) == 0:
                return False
        return True

    _owned: weakref.finalize[..., Any] | None = None

    # -- state

    @property
    def zxid(self) -> int:
        """Every change up to this zxid is in the state that is shown; never goes back.

        Give it to a dict of another process on the same ensemble: its `wait_until` waits for a
        state that is as new.
        """
        return self._view.zxid

    @property
    def state(self) -> State:
        """How the local copy stands to the server."""
        return self._feed.state

    @property
    def age(self) -> float:
        """Seconds since the copy was last known to be what the server has.

        0.0 while the dict is LIVE, infinite before it was loaded. A new connection does not
        end its growth: that takes a revalidated copy. kazoo does not tell of its pings, and notices
        a dead connection within the session timeout: the copy may be older by that much.
        """
        return self._feed.age

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until the copy was loaded; False where it was not within `timeout` seconds.

        None waits as long as it takes. Sends nothing: the load begins with the constructor.

        Raises:
            RootMissing: the root does not exist, and is not to be made.
            KazooException: the server refused to show or make it.
            Closed, ForkedDict.
        """
        return self._feed.wait_loaded(deadline_after(timeout), create=self._create)

    def _wake(self) -> None:
        """Let everybody who waits look again."""
        with self._feed.lock:
            self._feed.signal.notify()

    # -- events

    def on_change(
        self,
        fn: Callable[[Change[V]], Any],
        *,
        keys: Iterable[str] | str | None = None,
        initial: bool = False,
    ) -> Subscription:
        """Call `fn(change)` for each change, in order, on a task of the dict's own.

        Args:
            fn: may be slow and may call any method of the dict.
            keys: a key, or several; None for all. A change of the kind "resynced" is told in any
                case.
            initial: first call it for each key there is, as "added".

        What `fn` raises goes to the `on_error` callbacks, or to the log where there are none. The
        subscription ends with `cancel()`, or with the dict: it does not keep the dict alive.

        Raises:
            Closed, ForkedDict.
        """
        chosen = None if keys is None else frozenset([keys] if isinstance(keys, str) else keys)
        with self._feed.lock:
            self._feed.check_usable()
            first = self._view.as_changes() if initial else []
            return self._dispatcher.on_change(fn, chosen, first)

    def on_changes(
        self, fn: Callable[[list[Change[V]]], Any], *, initial: bool = False
    ) -> Subscription:
        """Call `fn(changes)` with all the changes of one step together, as `on_change` does."""
        with self._feed.lock:
            self._feed.check_usable()
            first = self._view.as_changes() if initial else []
            return self._dispatcher.on_changes(fn, first)

    def on_state(self, fn: Callable[[State, State], Any]) -> Subscription:
        """Call `fn(old, new)` for each change of `state`, as `on_change` does."""
        self._feed.check_usable()
        return self._dispatcher.on_state(fn)

    def on_error(self, fn: Callable[[Exception], Any]) -> Subscription:
        """Call `fn(error)` for errors that no caller waits for: bad values, reads and leases that
        fail, errors of callbacks. Without such a callback they go to the log.

        Raises Closed, ForkedDict.
        """
        self._feed.check_usable()
        return self._dispatcher.on_error(fn)

    def changes(self, *, initial: bool = False, timeout: float | None = None) -> Changes[V]:
        """Iterate over batches of changes, one batch per state; it starts with this call.

        Args:
            initial: the first batch has every key there is, as "added".
            timeout: seconds without a change that end the iteration; None waits for ever, or until
                the dict is closed.

        Raises:
            Closed, ForkedDict.
        """
        with self._feed.lock:
            self._feed.check_usable()
            first = self._view.as_changes() if initial else []
            return self._dispatcher.changes(first, timeout)

    @property
    def stats(self) -> Mapping[str, int]:
        """Counters since the dict was made, as they are now.

        requests: sent to the server. events: watch events. reloads: connections the copy was
        (re)validated on. published: states shown or ready to be. forced: published states that need
        not have existed (see `max_staleness`). missed: changes that no event told of, found by
        `sync()`. conflicts: attempts that conflicted with another write.
        bytes: of values fetched. behind: calls of callbacks that are still queued.
        """
        feed = self._feed
        return MappingProxyType(
            {
                "requests": feed.requests,
                "events": feed.events,
                "reloads": feed.reloads,
                "published": feed.cache.published,
                "forced": feed.forced,
                "missed": feed.cache.missed,
                "conflicts": self._writer.conflicts,
                "bytes": feed.bytes_read,
                "behind": self._dispatcher.behind,
            }
        )

    # -- life

    def close(self) -> None:
        """Stop following the server; stop the client too where `connect` made it.

        Reads and writes raise Closed from now on, and so do calls that wait. Sends nothing, but for
        the end of the session of a client that `connect` made. Does nothing the second time.
        """
        self._feed.close()
        self._finalizer.detach()
        self._dispatcher.close()
        if self._owned is not None and self._owned.detach():
            stop(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _forked(self) -> None:
        """Called in a child process after `os.fork()`: the connection's threads are not there."""
        self._feed.forked()
        self._dispatcher.forked()
        with self._feed.lock:
            self._view.gate(gated=True)
        if self._owned is not None:  # the parent stops it
            self._owned.detach()


# Python's own errors name the constructor so, and callers know it as this one's.
FollowedDict.__init__.__qualname__ = "ZooKeeperDict.__init__"


def _shower(items: FollowedDict[V]) -> Callable[[dict[str, V]], None]:
    weakly = weakref.ref(items)  # its parts do not keep a dict alive

    def show(values: dict[str, V]) -> None:
        if (items := weakly()) is not None:
            items._values = values  # noqa: SLF001  its own module

    return show


def _keeper(items: FollowedDict[V]) -> Callable[[object], None]:
    weakly = weakref.ref(items)

    def keep(replaced: object) -> None:
        if (items := weakly()) is not None:
            items._feed.lock.keep(replaced)  # noqa: SLF001  its own module

    return keep


_living: weakref.WeakValueDictionary[int, FollowedDict[Any]] = weakref.WeakValueDictionary()


def _after_fork() -> None:
    for each in list(_living.values()):
        each._forked()  # noqa: SLF001  its own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def stop(client: Any) -> None:
    """End a client for good."""
    client.stop()
    client.close()
