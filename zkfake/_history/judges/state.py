"""What was read and written, beside the log of what was committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._database.log import Check, Transaction
from zkfake._history import shown
from zkfake._history.errors import (
    AtomicityBroken,
    GuaranteeBroken,
    ReliabilityBroken,
    SingleSystemImageBroken,
)
from zkfake._history.judge import Judge
from zkfake._history.reading import WRITES, is_acknowledged
from zkfake._history.results import Found, asks_for, found, take_asked
from zkfake._history.states import FORGOTTEN, PathVersion, is_judged
from zkfake._protocol.records import Acls, Op

if TYPE_CHECKING:
    from zkfake._history.events import Committed, Logged, Reply
    from zkfake._history.reading import Exchange
    from zkfake._history.states import Changed

__all__ = ["Acknowledged", "CarriedOutOnce", "StatesAreTrue"]

FAR_BACK = "a state further back than the window"


class StatesAreTrue(Judge):
    """Single system image, reliability and atomicity: what a read finds is the state at the zxid
    that its reply names, all of it, on every server.

    Checked against the log: existence, data, czxid, mzxid, version, owner and number of children,
    and how often these have changed, in the replies to ``getData`` and ``exists``, names in those
    to ``getChildren``, the ACL in those to ``getACL``, each part of a ``multiRead``. So a write
    that was acknowledged is in every later state, nothing is rolled back, and of a multi everything
    is there or nothing. Not judged: what is below ``/zookeeper``, which servers change by
    themselves, and reads that were refused.
    """

    name = "states are true"
    error = SingleSystemImageBroken
    needs_log = True

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        for each in found(exchange, reply):
            if is_judged(each.path):
                self._look(exchange, reply, each)

    def _look(self, exchange: Exchange, reply: Reply, found: Found) -> None:
        states = self.reading.states
        expected = states.at(found.path, reply.zxid)
        if expected is FORGOTTEN:
            self.undecided(FAR_BACK)
            return
        assert expected is None or isinstance(expected, PathVersion)
        self.times += 1
        entry = None if expected is None else expected.entry
        if reply.zxid > states.last and reply.zxid & 0xFFFFFFFF:
            self._report(exchange, reply, found, entry, "which nobody had committed")
        elif expected is None or not expected.present:
            if not found.missing:
                self._report(exchange, reply, found, entry, "at which it was not there")
        elif found.missing:
            self._report(exchange, reply, found, entry, "at which it was there")
        else:
            self._compare(exchange, reply, found, expected)

    def _compare(
        self, exchange: Exchange, reply: Reply, found: Found, expected: PathVersion
    ) -> None:
        states, path, read = self.reading.states, found.path, found.read
        if read is not None and path != "/":
            data = read.data if found.has_data else expected.data
            is_ = (data, read.czxid, read.mzxid, read.version, read.owner)
            was = (
                expected.data, expected.czxid, expected.mzxid, expected.version, expected.owner
            )  # fmt: skip
            if is_ != was:
                self._report(exchange, reply, found, expected.entry, _difference(is_, was))
                return
            if read.children != (count := states.children_count(path, reply.zxid)):
                text = f"at which it had {count} children, not {read.children}"
                entry = states.last_child_change(path, reply.zxid)
                self._report(exchange, reply, found, entry, text)
            elif (changes := states.count_of_child_changes(path, read.czxid, reply.zxid)) not in (
                None,
                read.cversion,
            ):
                text = f"at which its children had changed {changes} times, not {read.cversion}"
                entry = states.last_child_change(path, reply.zxid)
                self._report(exchange, reply, found, entry, text)
        if found.acls is not None and not _are_alike(found.acls, expected.acl):
            text = f"at which its ACL was {expected.acl}, not {found.acls}"
            self._report(exchange, reply, found, expected.entry, text)
        if found.names is not None:
            expected_names = states.children(path, reply.zxid)
            if not isinstance(expected_names, set):
                return
            names = set(found.names) - {"zookeeper"} if path == "/" else set(found.names)
            if names != expected_names:
                odd = sorted(str(name) for name in names ^ expected_names)
                text = f"and {odd[0]} was {'not ' if odd[0] in names else ''}there"
                entry = states.last_child_change(path, reply.zxid)
                self._report(exchange, reply, found, entry, text)

    def _report(
        self, exchange: Exchange, reply: Reply, found: Found, entry: Logged | None, text: str
    ) -> None:
        self.broken(
            f"{reply.client} was shown {found.path} on server {exchange.connection.server} as of "
            f"{reply.zxid:#x}, {text}",
            entry,
            exchange.sent,
            reply,
            error=_broken_by(entry),
        )


def _are_alike(shown_: Acls, kept: Acls) -> bool:
    """Whether an ACL is shown as it is; who may not change it is not shown the hashes in it."""
    return len(shown_) == len(kept) and all(
        (one.perms, one.scheme) == (other.perms, other.scheme)
        and (
            one.id == other.id
            or (one.scheme == "digest" and one.id == f"{(other.id or '').partition(':')[0]}:x")
        )
        for one, other in zip(shown_, kept, strict=True)
    )


def _broken_by(entry: Logged | None) -> type[GuaranteeBroken]:
    transaction = getattr(entry, "transaction", None)
    if transaction is not None and len(transaction.operations) > 1:
        return AtomicityBroken
    return SingleSystemImageBroken if entry is None else ReliabilityBroken


def _difference(found: tuple[Any, ...], expected: tuple[Any, ...]) -> str:
    names = ("data", "czxid", "mzxid", "version", "owner")
    for name, one, other in zip(names, found, expected, strict=True):
        if one != other:
            if name == "data":
                return f"at which it had {shown.data(other)}, not {shown.data(one)}"
            return f"at which its {name} was {other:#x}, not {one:#x}"
    raise AssertionError(found)


class Acknowledged(Judge):
    """Reliability and atomicity: a write that was acknowledged is in the log at the zxid of its
    reply, as it was asked for: all the parts of a multi. One that failed is not, and changes
    nothing.

    Checked: session, operation, paths, data, the version that was asked for, whether what was asked
    to be ephemeral has an owner, and error. A refusal without a place in the log (by a
    server that is read-only, for instance) is not judged.
    """

    name = "acknowledged writes are in the log"
    error = ReliabilityBroken
    needs_log = True

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        if done.error and done.operations:
            paths = dict.fromkeys(each.path for each in done.operations if type(each) is not Check)
            if paths:
                self.broken(
                    f"what failed at {done.zxid:#x} has changed {', '.join(paths)}",
                    entry,
                    error=AtomicityBroken,
                )

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if reply.operation not in WRITES:
            return
        states = self.reading.states
        entry = states.entry(reply.zxid)
        failed = not is_acknowledged(reply)
        session = exchange.connection.session
        if entry is None:
            if reply.zxid < states.horizon:
                self.undecided(FAR_BACK)
            elif not failed:
                self.broken(
                    f"{reply.client} was told that request {reply.number} took effect at "
                    f"{reply.zxid:#x}, which nobody committed",
                    exchange.sent,
                    reply,
                )
            return
        self.times += 1
        done = getattr(entry, "transaction", _NOTHING)
        own = session is not None and done.session_id == session.id
        if failed:
            if (
                own
                and done.op.name != "CLOSE_SESSION"
                and not done.error
                and (asks_for(exchange, done) and exchange.connection.seen < reply.zxid)
            ):
                self.broken(
                    f"{reply.client} was told that request {reply.number} failed, and it was "
                    f"committed at {reply.zxid:#x}",
                    exchange.sent,
                    entry,
                    reply,
                )
            return
        if not own or done.error or not asks_for(exchange, done):
            self.broken(
                f"{reply.client} was told that request {reply.number} took effect at "
                f"{reply.zxid:#x}, where something else was committed",
                exchange.sent,
                entry,
                reply,
                error=AtomicityBroken if reply.operation == "multi" and own else None,
            )


_NOTHING = Transaction(0, 0, 0, Op.ERROR)
"""What stands at a zxid where a test went back to another state."""

_OF_SESSIONS = (Op.CREATE_SESSION, Op.CLOSE_SESSION)


class CarriedOutOnce(Judge):
    """Reliability and sequential consistency: what is committed was asked for, once, in this order,
    whether it was answered or not.

    Checked of each session whose client was recorded: its transactions are, in their order, among
    the writes that it sent, none of them twice. Whether one that was not answered takes effect is
    open: both is right. Not judged: what failed, which may have come late on a connection that the
    session had left, and what a server does of its own accord.
    """

    name = "carried out once"
    error = ReliabilityBroken
    needs_log = True

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        session = self.reading.sessions.get(done.session_id)
        if session is None or done.error or done.op in _OF_SESSIONS:
            return
        self.times += 1
        if take_asked(session, done) is None:
            self.broken(
                f"a write of session {session.id:#x} ({session.client}) was committed at "
                f"{done.zxid:#x}, and it had not asked for one more",
                session.seen_by,
                entry,
            )
