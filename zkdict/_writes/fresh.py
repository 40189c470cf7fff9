"""What the server has now, past the copy; and the copy made as new as that.

The rules that live here:

- What may not be older than a call is read after a *barrier*: a multi of one check, which changes
  nothing. ZooKeeper's sync asks no quorum: a leader that was deposed, and does not know it yet,
  answers it and shows what was true before. A multi is answered only after a quorum has committed
  it, by a server that has applied everything before it. So any answer of a quorum will do, also
  that the root does not exist or may not be read.
- All of this is harmless to send again, and is sent until it is answered.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException, NoNodeError, NotReadOnlyCallError

from zkdict._copy.items import ROOT, ReadZnode
from zkdict._copy.replies import LOST, answer_of, znode
from zkdict._copy.waiting import deadline_after, earlier, remaining
from zkdict._writes.proof import Sighting
from zkdict._writes.sender import RETRY_PAUSE, UnansweredError
from zkdict.errors import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkdict._copy.effects import Looks
    from zkdict._writes.sender import Sender

__all__ = ["confirm", "fetch", "read", "sight", "sync", "wait_until"]

_LOOKS = 100  # keys that one `sync` looks at
_ATTEMPTS = 5
_CHECK_AGAIN = 1.0  # seconds after which a wait for somebody else's zxid asks the server again


def sync(sender: Sender[Any], timeout: float | None) -> None:
    """Make the copy, and what readers are shown, not older than this call. As `ZooKeeperDict.sync`.

    Raises:
        Timeout, Closed, ForkedDict, KazooException.
    """
    feed, deadline = sender.feed, deadline_after(timeout)
    missed = feed.cache.missed
    confirm(sender, _LOOKS, deadline)
    if feed.cache.missed != missed:  # somebody takes away rights: trust no watch
        confirm(sender, feed.cache.size, deadline)


def confirm(sender: Sender[Any], most: int, deadline: float | None) -> None:
    """Send a barrier, then look at the root and at `most` keys, each call at the next ones."""
    feed = sender.feed
    looks: Looks = []

    def send() -> Any:
        first, client = feed.barrier(), feed.client
        looks[:] = [(ROOT, client.exists_async(feed.path))]
        for name in feed.cache.to_look_at(most):
            looks.append((name, client.exists_async(feed.child(name))))
        return first

    _ask(sender, send, deadline, looks)


def _ask(
    sender: Sender[Any],
    send: Callable[[], Any],
    deadline: float | None,
    looks: Looks,
    *,
    answer_only: bool = False,
) -> None:
    """Send something harmless until it is answered and the copy is at least as new (unless
    `answer_only`).

    What could not be read before is read again after it, and `looks` are compared.
    """
    feed = sender.feed
    pause, attempts = RETRY_PAUSE, 0
    while True:
        why: Exception
        try:
            sender.call(send, deadline, strict=True, answer_only=answer_only, looks=looks)
        except UnansweredError as error:
            if error.unreadable is not None:
                raise error.unreadable from error.unreadable.__cause__
            why = error
        except NotReadOnlyCallError:
            raise
        except KazooException as error:  # it may pass
            attempts += 1
            if attempts == _ATTEMPTS:
                raise
            why = error
        else:
            return
        if remaining(deadline) == 0:
            raise Timeout("no answer came before the deadline") from why
        if feed.connected:
            feed.client.handler.sleep_func(min(pause, remaining(deadline) or pause))
            pause *= 2


def wait_until(sender: Sender[Any], zxid: int, timeout: float | None) -> None:
    """Wait until readers are shown every change up to `zxid`. As `ZooKeeperDict.wait_until`.

    Raises:
        Timeout, Closed, ForkedDict, KazooException.
    """
    feed, deadline = sender.feed, deadline_after(timeout)
    feed.check_usable()

    def troubled() -> bool:
        with feed.lock:
            return feed.cache.troubles > 0

    while sender.view.zxid < zxid or troubled():
        # kazoo hides the zxid of an answer, but the next request knows it as the last one seen.
        for answer_only in (True, False):
            _ask(
                sender,
                lambda: feed.client.sync_async(feed.path),
                deadline,
                [],
                answer_only=answer_only,
            )
        if sender.view.zxid >= zxid:
            return
        until = earlier(deadline_after(_CHECK_AGAIN), deadline)
        feed.signal.wait_for(lambda: feed.cache.zxid >= zxid, until)
        sender.refresh()
        if sender.view.zxid < zxid and remaining(deadline) == 0:
            raise Timeout(f"zxid {zxid} was not reached within {timeout} s")


def fetch(sender: Sender[Any], key: str, *, sync: bool, timeout: float | None) -> ReadZnode | None:
    """Read one znode past the copy; None where it does not exist. Sent until answered.

    Raises:
        Timeout, KazooException.
    """
    client, path = sender.feed.client, sender.feed.child(sender.codec.to_name(key))

    def send() -> list[Any]:
        return [*([sender.feed.barrier()] if sync else []), client.get_async(path)]

    answer = read(sender, send, deadline_after(timeout))[-1]
    return None if answer is None else znode(*answer)


def read(sender: Sender[Any], send: Callable[[], list[Any]], deadline: float | None) -> list[Any]:
    """Send several reads until all of them are answered; None for a znode that does not exist.

    Raises:
        Timeout, KazooException: the first that the server answered with. (A server without a
            quorum has no barrier: what it would show may be old.)
    """
    reads: list[Any] = []

    def send_all() -> Any:
        reads[:] = send()
        sender.feed.requests += len(reads) - 1  # the last is counted anyway
        return reads[-1]

    while True:
        with contextlib.suppress(UnansweredError, NoNodeError):
            sender.call(send_all, deadline)
        answers = [answer_of(each) for each in reads]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        if reads and LOST not in answers:
            return answers
        if remaining(deadline) == 0:
            raise Timeout("no answer came before the deadline")


def sight(sender: Sender[Any], names: Iterable[str], deadline: float | None) -> dict[str, Sighting]:
    """What the server has of these znodes, and of the root after them; not older than this
    call. Costs N + 2 requests in one round trip.
    """
    client, root, names = sender.feed.client, sender.feed.path, list(names)

    def send() -> list[Any]:
        first = sender.feed.barrier()
        reads = [client.get_async(sender.feed.child(name)) for name in names]
        return [first, *reads, client.exists_async(root)]

    _, *found, above = read(sender, send, deadline)
    pzxid = None if above is None else above.pzxid
    return {
        name: Sighting(None if each is None else znode(*each), pzxid)
        for name, each in zip(names, found, strict=True)
    }
