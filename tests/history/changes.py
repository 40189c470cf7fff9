"""A history of three servers without a fault, with its log, and what may be wrong in it, by the
judge that sees it.

``python -m tests.history.changes`` makes the table of the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._database.log import Delete
from zkfake._history.checking import check
from zkfake._protocol.records import Code, Op
from zkfake.history import (
    AppliedNext,
    Committed,
    Configured,
    Connected,
    Elected,
    Followed,
    History,
    LastHeard,
    LinkChanged,
    Reply,
    Sent,
    ServerEvent,
    WatchEvent,
)
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.history import Finding

Entries = list[Any]


def calm() -> History:
    """Two clients on three servers, without a fault: every judge has something to judge."""
    with Simulation(seed=5, servers=3, profile="realistic") as sim:
        sim.faults.stop_chance()
        one, two = sim.client("one"), sim.client("two", timeout=4.0)
        follower = next(n for n in (1, 2, 3) if n != sim.leader)
        three = sim.client("three", hosts=f"zk{follower}:2181")
        for client in (one, three):
            client.ensure_path("/a")
            client.ensure_path("/queue")
            client.get("/a", watch=lambda _event: None)
            client.get_children("/queue", watch=lambda _event: None)
        for number in range(3):
            one.set("/a", b"%d" % number)
            one.create("/queue/n-", b"", sequence=True)
            three.sync("/a")
            three.get("/a")
            three.get_children("/queue")
        two.create("/queue/mine", b"", ephemeral=True)
        transaction = one.transaction()
        transaction.set_data("/a", b"last")
        transaction.create("/queue/b", b"")
        transaction.commit()
        pending = [one.get_async("/a"), one.exists_async("/queue")]
        for each in pending:
            each.get()
        sim.faults.pause(two, duration=20.0)
        sim.sleep(20.0)  # its session expires
        with sim.faults.freeze(follower):
            for number in range(4):
                one.set("/a", b"%d" % number)
            three.get("/a")
        three.sync("/a")
        three.get_children("/queue")
        two.sync("/a")
        sim.settle()
    return sim.history


def find(entries: Entries, kind: type, **fields: Any) -> list[int]:
    """The places of what has these fields."""
    return [
        place
        for place, entry in enumerate(entries)
        if type(entry) is kind and all(getattr(entry, k) == v for k, v in fields.items())
    ]


def at(reply: Reply, zxid: int) -> Reply:
    """The reply with another zxid."""
    frame = reply.frame[:8] + zxid.to_bytes(8, "big") + reply.frame[16:]
    return reply._replace(zxid=zxid, frame=frame)


# -- what is changed, by the judge that sees it


def answers_ahead(entries: Entries) -> None:
    """A reply comes before the one that is due."""
    first = find(entries, Reply, client="one", operation="exists")[-1]
    second = find(entries, Reply, client="one", operation="getData")[-1]
    one, two = entries[first], entries[second]
    entries[first], entries[second] = two._replace(time=one.time), one._replace(time=two.time)


def takes_effect_early(entries: Entries) -> None:
    """A write takes effect before one that had been acknowledged."""
    first, second = find(entries, Reply, client="one", operation="setData")[:2]
    entries[second] = at(entries[second], entries[first].zxid)


def goes_back(entries: Entries) -> None:
    """A reply is of an older state."""
    place = find(entries, Reply, client="three", operation="getData")[-1]
    entries[place] = at(entries[place], 0x100000002)


def shows_other_data(entries: Entries) -> None:
    """A byte of a znode's data is another one."""
    place = find(entries, Reply, client="three", operation="getData")[-1]
    frame = entries[place].frame
    entries[place] = entries[place]._replace(frame=frame[:24] + b"9" + frame[25:])


def hides_a_child(entries: Entries) -> None:
    """A child has another name."""
    for place in find(entries, Committed):
        done = entries[place].transaction
        if any(op.path.startswith("/queue/n-") for op in done.operations):
            entries[place] = entries[place]._replace(
                transaction=done._replace(
                    operations=(done.operations[0]._replace(path="/queue/other"),)
                )
            )
            return


def loses_a_write(entries: Entries) -> None:
    """An acknowledged write is not in the log."""
    (place,) = find(entries, Reply, operation="multi")
    zxid = entries[place].zxid
    for each in find(entries, Committed):
        if entries[each].transaction.zxid == zxid:
            del entries[each]
            return


def half_a_multi(entries: Entries) -> None:
    """A part of a multi is not in the log."""
    for place in find(entries, Committed):
        done = entries[place].transaction
        if done.op is Op.MULTI:
            done = done._replace(operations=done.operations[:1])
            entries[place] = entries[place]._replace(transaction=done)


def leaves_a_trace(entries: Entries) -> None:
    """A multi that failed has changed something."""
    (place,) = (
        each for each in find(entries, Committed) if entries[each].transaction.op is Op.MULTI
    )
    done = entries[place].transaction
    entries[place] = entries[place]._replace(transaction=done._replace(error=Code.BAD_VERSION))


def commits_twice(entries: Entries) -> None:
    """A write is in the log twice."""
    place = find(entries, Committed)[-1]
    last = entries[place].transaction
    again = next(
        entries[each]
        for each in find(entries, Committed)
        if entries[each].transaction.op is Op.MULTI
    )
    entries.insert(
        place + 1,
        again._replace(
            time=entries[place].time, transaction=again.transaction._replace(zxid=last.zxid + 1)
        ),
    )


def loses_an_event(entries: Entries) -> None:
    """A watch event is lost."""
    del entries[find(entries, WatchEvent, client="three", path="/a")[0]]


def tells_twice(entries: Entries) -> None:
    """A watch event comes twice."""
    place = find(entries, WatchEvent, client="three", path="/a")[0]
    entries.insert(place + 1, entries[place])


def tells_late(entries: Entries) -> None:
    """A watch event comes after the data."""
    place = find(entries, WatchEvent, client="three", path="/a")[0]
    event = entries.pop(place)
    behind = next(
        each
        for each in find(entries, Reply, client="three")
        if each >= place and entries[each].zxid >= event.zxid
    )
    entries.insert(behind + 1, event._replace(time=entries[behind].time))


def tells_of_nothing(entries: Entries) -> None:
    """A watch event is of another znode."""
    place = find(entries, WatchEvent, client="three", path="/a")[0]
    entries[place] = entries[place]._replace(path="/b")


def keeps_an_ephemeral(entries: Entries) -> None:
    """An ephemeral znode stays when its session ends."""
    for place in find(entries, Committed):
        done = entries[place].transaction
        if done.op is Op.CLOSE_SESSION and done.operations:
            assert type(done.operations[0]) is Delete
            entries[place] = entries[place]._replace(transaction=done._replace(operations=()))


def expires_at_once(entries: Entries) -> None:
    """A session expires at once."""
    place = find(entries, Reply, client="one", operation="connect")[0]
    session = int.from_bytes(entries[place].frame[12:20], "big")
    leads = entries[find(entries, ServerEvent, name="leads")[-1]]
    entries.insert(
        place + 1,
        leads._replace(time=entries[place].time, name="expires session", text=f"{session:#x}, ..."),
    )


def comes_back(entries: Entries, number: int, *, over: bool) -> Entries:
    """Client "one" comes back at the time of its multi; ``over``: to be told that its session is
    over.
    """
    (place,) = find(entries, Reply, client="one", operation="connect")
    opened, given = entries[find(entries, Connected, client="one")[0]], entries[place]
    session, password = given.frame[12:20], given.frame[20:40]
    time = entries[find(entries, Reply, client="one", operation="multi")[-1]].time
    refusal = (36).to_bytes(4, "big") + bytes(16) + (16).to_bytes(4, "big") + bytes(16)
    return [
        opened._replace(time=time, connection=number),
        Sent(time, "one", number, number, 0, "connect", (), bytes(20) + session + password),
        given._replace(
            time=time,
            connection=number,
            number=number,
            frame=refusal if over else given.frame,
        ),
    ]


def ends_what_lives(entries: Entries) -> None:
    """A client comes back and is told that its session is over."""
    last = find(entries, Reply, client="one", operation="multi")[-1]
    entries[last + 1 : last + 1] = comes_back(entries, 10_000, over=True)


def repeats_a_number(entries: Entries) -> None:
    """A sequence number comes twice."""
    places = [
        each
        for each in find(entries, Reply, client="one", operation="create")
        if b"/queue/n-" in entries[each].frame
    ]
    frame = entries[places[-1]].frame
    number = entries[places[0]].frame[-10:]
    entries[places[-1]] = entries[places[-1]]._replace(frame=frame[:-10] + number)


def syncs_by_itself(entries: Entries) -> None:
    """A sync shows an older state."""
    place = find(entries, Reply, client="three", operation="sync")[-1]
    entries[place] = at(entries[place], entries[place].zxid - 1)


def elects_two(entries: Entries) -> None:
    """Two servers lead in one epoch."""
    place = find(entries, ServerEvent, name="leads")[0]
    event = entries[place]
    entries.insert(place + 1, event._replace(server=event.server % 3 + 1))


def elects_with_one_vote(entries: Entries) -> None:
    """A leader is elected by itself alone."""
    place = find(entries, Elected)[0]
    event = entries[place]
    votes = tuple(vote for vote in event.votes if vote.server == event.server)
    entries[place] = event._replace(votes=votes)


def elects_who_has_less(entries: Entries) -> None:
    """A leader is elected by a server that has more in its log."""
    place = find(entries, Elected)[0]
    event = entries[place]
    votes = [
        vote if vote.server == event.server else vote._replace(zxid=vote.zxid + 1)
        for vote in event.votes
    ]
    entries[place] = event._replace(votes=tuple(votes))


def leads_alone(entries: Entries) -> None:
    """A leader that nobody follows any more goes on."""
    place = find(entries, Followed)[-1]
    followed = entries[place]
    entries.insert(place + 1, followed._replace(followers=(followed.server,)))


def leads_without_a_vote(entries: Entries) -> None:
    """A leader commits that has no vote any more."""
    leader = entries[find(entries, ServerEvent, name="leads")[0]].server
    place = find(entries, Committed)[-1]
    entry = entries[place]
    voters = tuple(number for number in entry.voters if number != leader)
    entries[place] = entry._replace(voters=voters)


def joins_through_a_cut(entries: Entries) -> None:
    """A server joins a leader that it does not hear."""
    place = find(entries, ServerEvent, name="joins")[0]
    joins = entries[place]
    leader = int(joins.text.partition(";")[0].split()[-1])
    entries.insert(place, LinkChanged(joins.time, leader, joins.server, cut=True))


def hears_and_lets_expire(entries: Entries) -> None:
    """A leader hears of a session that it lets expire."""
    place = find(entries, ServerEvent, name="expires session")[0]
    event, server = entries[place], entries[place].server
    session = int(event.text.partition(",")[0], 16)
    heard = LastHeard(event.time, server, event.epoch, session, server % 3 + 1, event.time - 1.0)
    entries[place - (type(entries[place - 1]) is LastHeard) : place] = [heard]


def applies_twice(entries: Entries) -> None:
    """A server applies something twice."""
    done = entries[find(entries, Committed)[-1]]
    zxid = done.transaction.zxid
    entries.append(AppliedNext(entries[-1].time, 1, zxid, after=zxid))


def leaves_something_out(entries: Entries) -> None:
    """A server leaves something out that was committed."""
    done = entries[find(entries, Committed)[-1]]
    zxid = done.transaction.zxid
    entries.append(AppliedNext(entries[-1].time, 1, zxid, after=zxid - 2))


def takes_a_lost_configuration(entries: Entries) -> None:
    """A server takes a configuration that was not committed."""
    place = find(entries, Configured)[-1]
    entries[place] = entries[place]._replace(version=0x100000BAD)


def proposes_two(entries: Entries) -> None:
    """A leader proposes two configurations at a time."""
    place = find(entries, ServerEvent, name="leads")[0]
    leads = entries[place]
    entries[place + 1 : place + 1] = [
        Configured(leads.time, leads.server, leads.epoch, version, observer=False, proposed=True)
        for version in (0x100000BAD, 0x100000BAE)
    ]


def follows_as_it_was(entries: Entries) -> None:
    """A follower goes on that has become an observer."""
    place = find(entries, Configured)[-1]
    entries[place] = entries[place]._replace(observer=True)


def commits_alone(entries: Entries) -> None:
    """One server alone has on disk what is committed."""
    place = find(entries, Committed)[-1]
    entries[place] = entries[place]._replace(on_disk=entries[place].on_disk[:1])


CHANGES: list[tuple[Callable[[Entries], None], str]] = [
    (answers_ahead, "replies in order"),
    (takes_effect_early, "writes in order"),
    (goes_back, "never back"),
    (shows_other_data, "states are true"),
    (hides_a_child, "states are true"),
    (loses_a_write, "acknowledged writes are in the log"),
    (half_a_multi, "acknowledged writes are in the log"),
    (leaves_a_trace, "acknowledged writes are in the log"),
    (commits_twice, "carried out once"),
    (loses_an_event, "watches are told"),
    (tells_twice, "watches are told"),
    (tells_late, "watches are told"),
    (tells_of_nothing, "watches are told"),
    (keeps_an_ephemeral, "ephemerals end with their session"),
    (expires_at_once, "not expired early"),
    (hears_and_lets_expire, "not expired early"),
    (ends_what_lives, "told of an end that was"),
    (repeats_a_number, "sequence numbers grow"),
    (syncs_by_itself, "sync is a barrier"),
    (elects_two, "one leader an epoch"),
    (elects_with_one_vote, "a majority elects"),
    (elects_who_has_less, "a majority elects"),
    (leads_alone, "a quorum follows who leads"),
    (leads_without_a_vote, "a quorum follows who leads"),
    (joins_through_a_cut, "nobody hears through a cut"),
    (commits_alone, "a quorum has it"),
    (applies_twice, "servers apply the log"),
    (leaves_something_out, "servers apply the log"),
    (takes_a_lost_configuration, "members are agreed on"),
    (proposes_two, "members are agreed on"),
    (follows_as_it_was, "members are agreed on"),
]


def rolls_back(entries: Entries) -> None:
    """A read shows what an earlier one had shown, as of a zxid behind the next write."""
    first, last = (find(entries, Reply, client="three", operation="getData")[n] for n in (1, -1))
    entries[last] = at(entries[first], entries[last].zxid)._replace(
        **{name: getattr(entries[last], name) for name in ("time", "number", "xid")}
    )


def forgets_a_part(entries: Entries) -> None:
    """A read shows one part of a multi as it was before."""
    (multi,) = find(entries, Reply, operation="multi")
    before = find(entries, Reply, client="three", operation="getData")[2]
    after = next(n for n in find(entries, Reply, client="one", operation="getData") if n > multi)
    entries[after] = at(entries[before], entries[after].zxid)._replace(
        **{name: getattr(entries[after], name) for name in ("time", "number", "xid", "client")},
        connection=entries[after].connection,
    )


def finds_nothing(entries: Entries) -> None:
    """A znode is not there at a zxid between two at which it was seen unchanged."""
    first, last = (
        find(entries, Reply, client="one", operation="exists", paths=("/queue",))[n]
        for n in (0, -1)
    )
    reply = at(entries[last], entries[last].zxid)
    frame = (16).to_bytes(4, "big") + reply.frame[4:16] + (-101).to_bytes(4, "big", signed=True)
    entries.insert(last, reply._replace(error=-101, frame=frame))
    sent = find(entries, Sent, client="one", operation="exists", paths=("/queue",))[-1]
    entries.insert(sent + 1, entries[sent])
    assert first


def loses_a_child(entries: Entries) -> None:
    """A list of children has another name in it."""
    place = find(entries, Reply, client="three", operation="getChildren")[-1]
    frame = entries[place].frame
    names = frame.replace(b"n-0000000001", b"n-0000000009")
    assert names != frame
    entries.insert(place, entries[place]._replace(frame=names))
    sent = find(entries, Sent, client="three", operation="getChildren")[-1]
    entries.insert(sent + 1, entries[sent])


WITHOUT_LOG: list[tuple[Callable[[Entries], None], str]] = [
    (answers_ahead, "replies in order"),
    (takes_effect_early, "writes in order"),
    (goes_back, "never back"),
    (shows_other_data, "clients agree"),
    (rolls_back, "clients agree"),
    (forgets_a_part, "clients agree"),
    (finds_nothing, "clients agree"),
    (loses_a_child, "clients agree"),
    (repeats_a_number, "sequence numbers grow"),
]


def row(change: Callable[[Entries], None], finding: Finding) -> str:
    """The row of the table of the page."""
    words = (change.__doc__ or "").strip().rstrip(".")
    return f"| {words} | {finding.judge} | {len(finding.evidence)} |"


def table() -> str:
    entries = list(calm().in_order())
    lines = ["| what is wrong in the history | seen by | evidence, events |", "| --- | --- | --- |"]
    for change, judge in CHANGES:
        changed = list(entries)
        change(changed)
        broken = check(changed, has_log=True).broken
        lines.append(row(change, next(each for each in broken if each.judge == judge)))
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201
