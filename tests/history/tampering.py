"""A recording of a live ensemble, and what may be wrong in it: each is planted, and has to be seen
by its judge.

``python -m tests.history.tampering`` makes the table of the page. The recording is the beginning of
one that ``python -m tests.history.live`` made: three servers of 3.8.0, of which one was killed and
one stood still, and four clients.
"""

from __future__ import annotations

import lzma
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._history.checking import check
from zkfake._protocol.records import STAT
from zkfake.history import Connected, Disconnected, History, Reply, Sent, WatchEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake.history import Finding

__all__ = ["TAMPERINGS", "TRIES", "Tampering", "find", "recording"]

RECORDING = Path(__file__).parent / "recordings" / "live.jsonl.xz"

Entries = list[Any]

TRIES = 12
"""Places at which something is tried: not everything that is wrong can be told from what is right
without the log.
"""


def recording() -> Entries:
    """The events of the recording."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "live.jsonl"
        path.write_bytes(lzma.decompress(RECORDING.read_bytes()))
        return list(History.load(path))


class Tampering(NamedTuple):
    """``spoil`` yields the entries, spoilt at one place after the other."""

    words: str
    spoil: Callable[[Entries], Iterator[Entries]]
    judge: str


def find(tampering: Tampering, entries: Entries) -> Finding | None:
    """The first finding of the judge that has to see it."""
    for _, spoilt in zip(range(TRIES), tampering.spoil(entries), strict=False):
        for finding in check(spoilt, has_log=False, complete=True).broken:
            if finding.judge == tampering.judge:
                return finding
    return None


# -- where


def replies(entries: Entries, *operations: str) -> Iterator[tuple[int, Reply]]:
    for place, entry in enumerate(entries):
        if type(entry) is Reply and entry.operation in operations and not entry.error:
            yield place, entry


def replaced(entries: Entries, place: int, *new: Any) -> Entries:
    return [*entries[:place], *new, *entries[place + 1 :]]


def at(reply: Reply, zxid: int) -> Reply:
    """The reply as of another zxid."""
    frame = reply.frame[:8] + zxid.to_bytes(8, "big") + reply.frame[16:]
    return reply._replace(zxid=zxid, frame=frame)


def stat_of(reply: Reply) -> tuple[int, ...]:
    """Of a reply that ends with a ``Stat``."""
    return STAT.unpack(reply.frame[-STAT.size :])


def with_stat(reply: Reply, mzxid: int, version: int) -> Reply:
    stat = list(stat_of(reply))
    stat[1], stat[4] = mzxid, version
    return reply._replace(frame=reply.frame[: -STAT.size] + STAT.pack(*stat))


def single_watches(entries: Entries) -> Iterator[int]:
    """The places of the events on connections without a persistent watch, and without what sets
    watches again.
    """
    others = {
        entry.connection
        for entry in entries
        if type(entry) is Sent and entry.operation in ("addWatch", "setWatches", "setWatches2")
    }
    for place, entry in enumerate(entries):
        if type(entry) is WatchEvent and entry.connection not in others:
            yield place


# -- what


def changes_data(entries: Entries) -> Iterator[Entries]:
    seen: set[tuple[Any, ...]] = set()
    for place, reply in replies(entries, "getData"):
        key = (reply.paths, stat_of(reply)[1])
        if key in seen:
            frame = bytearray(reply.frame)
            frame[24] ^= 1  # the first byte of the data
            yield replaced(entries, place, reply._replace(frame=bytes(frame)))
        seen.add(key)


def lowers_a_zxid(entries: Entries) -> Iterator[Entries]:
    for place, reply in list(replies(entries, "exists"))[100:]:
        yield replaced(entries, place, at(reply, reply.zxid - 50))


def lets_a_write_take_effect_early(entries: Entries) -> Iterator[Entries]:
    for place, reply in list(replies(entries, "setData"))[100:]:
        yield replaced(entries, place, at(reply, reply.zxid - 10))


def answers_out_of_order(entries: Entries) -> Iterator[Entries]:
    for place, reply in replies(entries, "exists", "getChildren"):
        following = entries[place + 1]
        if type(following) is Reply and following.connection == reply.connection:
            pair = [following._replace(time=reply.time), reply._replace(time=following.time)]
            yield [*entries[:place], *pair, *entries[place + 2 :]]


def drops_an_event(entries: Entries) -> Iterator[Entries]:
    for place in single_watches(entries):
        yield replaced(entries, place)


def doubles_an_event(entries: Entries) -> Iterator[Entries]:
    for place in single_watches(entries):
        yield replaced(entries, place, entries[place], entries[place])


def tells_late(entries: Entries) -> Iterator[Entries]:
    for place in single_watches(entries):
        event = entries[place]
        for later in range(place + 1, len(entries)):
            reply = entries[later]
            if type(reply) is Reply and reply.connection == event.connection:
                late = event._replace(time=reply.time)
                yield [
                    *entries[:place],
                    *entries[place + 1 : later + 1],
                    late,
                    *entries[later + 1 :],
                ]
                break


def tells_of_another_path(entries: Entries) -> Iterator[Entries]:
    for place in single_watches(entries):
        yield replaced(entries, place, entries[place]._replace(path="/t/none"))


def drops_an_event_of_a_persistent_watch(entries: Entries) -> Iterator[Entries]:
    since: dict[int, str] = {}
    for place, entry in enumerate(entries):
        if type(entry) is Reply and entry.operation == "addWatch" and not entry.error:
            since.setdefault(entry.connection, entry.paths[0])
        elif type(entry) is WatchEvent and entry.path == since.get(entry.connection):
            yield replaced(entries, place)


def does_not_tell_who_comes_back(entries: Entries) -> Iterator[Entries]:
    waiting: set[int] = set()
    for place, entry in enumerate(entries):
        if getattr(entry, "operation", "") in ("setWatches", "setWatches2"):
            (waiting.add if type(entry) is Sent else waiting.discard)(entry.connection)
        elif type(entry) is WatchEvent and entry.connection in waiting:
            yield replaced(entries, place)


def shows_an_ephemeral_of_a_closed_session(entries: Entries) -> Iterator[Entries]:
    open_: dict[int, Any] = {}
    for place, entry in enumerate(entries):
        if type(entry) is Reply and entry.operation == "connect":
            open_[int.from_bytes(entry.frame[12:20], "big")] = entry
        elif type(entry) is Disconnected:
            open_ = {
                session: each
                for session, each in open_.items()
                if each.connection != entry.connection
            }
        elif type(entry) is Reply and entry.operation in ("exists", "getData") and not entry.error:
            owner = stat_of(entry)[7]
            if owner not in open_ or open_[owner].connection == entry.connection:
                continue
            link, number = open_[owner].connection, 1_000_000
            frame = (16).to_bytes(4, "big") + bytes(4) + entry.zxid.to_bytes(8, "big") + bytes(4)
            head = (entry.time, open_[owner].client, link, number, 0, "closeSession", ())
            closing = [Sent(*head, b""), Reply(*head, entry.zxid, 0, frame)]
            yield replaced(entries, place, *closing, entry)


def repeats_a_sequence_number(entries: Entries) -> Iterator[Entries]:
    numbers = [
        (place, reply)
        for place, reply in replies(entries, "create")
        if reply.paths[0].endswith("-")
    ]
    for (_, first), (place, second) in pairwise(numbers):
        frame = second.frame[:-10] + first.frame[-10:]
        yield replaced(entries, place, second._replace(frame=frame))


def _forgets(entries: Entries, operation: str) -> Iterator[Entries]:
    """A read of a znode as it was before a write that it shows."""
    written = {reply.zxid: reply for _, reply in replies(entries, operation)}
    before: dict[Any, tuple[int, int]] = {}
    for place, reply in replies(entries, "exists", "getData"):
        stat = stat_of(reply)
        mzxid, version = stat[1], stat[4]
        known = before.get(reply.paths)
        if mzxid in written and version > 0 and known is not None and known[1] == version - 1:
            yield replaced(entries, place, with_stat(reply, *known))
        before[reply.paths] = (mzxid, version)


def forgets_an_acknowledged_write(entries: Entries) -> Iterator[Entries]:
    return _forgets(entries, "setData")


def applies_half_a_multi(entries: Entries) -> Iterator[Entries]:
    return _forgets(entries, "multi")


def takes_a_child_away(entries: Entries) -> Iterator[Entries]:
    seen: set[Any] = set()
    for place, reply in replies(entries, "getChildren"):
        key = (reply.paths, reply.zxid)
        name = reply.frame[28:-1]
        if key in seen and name:
            yield replaced(entries, place, reply._replace(frame=reply.frame[:-1] + b"~"))
        seen.add(key)


def expires_a_session_early(entries: Entries) -> Iterator[Entries]:
    """A client that was let in is told a second later, by a server that others write on, that its
    session is over.
    """
    for place, reply in replies(entries, "connect"):
        session = reply.frame[12:20]
        own = next(
            e
            for e in entries[place::-1]
            if type(e) is Connected and e.connection == reply.connection
        )
        later = next(
            (n for n in range(place, len(entries)) if entries[n].time > reply.time + 1.0), None
        )
        if later is None or not any(session):
            continue
        time, link, number = entries[later].time, 1_000_000, 1_000_000
        asked = (44).to_bytes(4, "big") + bytes(16) + session + reply.frame[20:40]
        refused = (36).to_bytes(4, "big") + bytes(16) + (16).to_bytes(4, "big") + bytes(16)
        yield [
            *entries[:later],
            Connected(time, reply.client, link, own.server),
            Sent(time, reply.client, link, number, 0, "connect", (), asked),
            reply._replace(time=time, connection=link, number=number, frame=refused),
            *entries[later:],
        ]


TAMPERINGS = (
    Tampering("A byte of a znode's data is another one", changes_data, "clients agree"),
    Tampering("A reply is of an older state", lowers_a_zxid, "never back"),
    Tampering("A write takes effect too early", lets_a_write_take_effect_early, "writes in order"),
    Tampering("Two replies change places", answers_out_of_order, "replies in order"),
    Tampering("An acknowledged write is missing", forgets_an_acknowledged_write, "clients agree"),
    Tampering("A part of a multi is missing", applies_half_a_multi, "clients agree"),
    Tampering("A child has another name", takes_a_child_away, "clients agree"),
    Tampering("A sequence number comes twice", repeats_a_sequence_number, "sequence numbers grow"),
    Tampering("A watch event is lost", drops_an_event, "watches are told"),
    Tampering("A watch event comes twice", doubles_an_event, "watches are told"),
    Tampering("A watch event comes after the data", tells_late, "watches are told"),
    Tampering("A watch event is of another znode", tells_of_another_path, "watches are told"),
    Tampering(
        "An event of a persistent watch is lost",
        drops_an_event_of_a_persistent_watch,
        "watches are told",
    ),
    Tampering(
        "Who sets watches again is not told of a change",
        does_not_tell_who_comes_back,
        "watches are told",
    ),
    Tampering(
        "An ephemeral znode is there after its session",
        shows_an_ephemeral_of_a_closed_session,
        "ephemerals end with their session",
    ),
    Tampering("A session expires too early", expires_a_session_early, "not expired early"),
)


def table() -> str:
    """The table of the page."""
    entries = recording()
    lines = [
        "| what is wrong in the recording | seen by | evidence, events |",
        "| --- | --- | --- |",
    ]
    for each in TAMPERINGS:
        finding = find(each, entries)
        count = "NOT SEEN" if finding is None else len(finding.evidence)
        lines.append(f"| {each.words} | {each.judge} | {count} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201
