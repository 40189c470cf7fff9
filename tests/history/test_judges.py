"""The judges: a legal world breaks nothing, and whatever is changed in its history is found by the
judge that claims to see it, with evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zkfake._database.log import Delete
from zkfake._history.checking import GUARANTEES, check
from zkfake._protocol.records import Op
from zkfake.history import (
    AtomicityBroken,
    Committed,
    Connected,
    Fault,
    GuaranteeBroken,
    History,
    Reply,
    Sent,
    ServerEvent,
    Verdict,
    WatchEvent,
)
from zkfake.simulation import Simulation

from .runs import hostile

if TYPE_CHECKING:
    from collections.abc import Callable

Entries = list[Any]

SEEDS = range(100, 105)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("servers", [1, 3])
def test_a_hostile_world_breaks_nothing(seed: int, servers: int) -> None:
    history = hostile(seed, servers=servers).history
    verdict = history.check(timely=600)
    verdict.raise_if_broken()
    assert verdict
    assert "nothing is broken" in str(verdict)
    check(iter(history), has_log=False, complete=True).raise_if_broken()


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


@pytest.fixture(scope="module")
def entries() -> Entries:
    return list(calm().in_order())


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
    first = find(entries, Reply, client="one", operation="exists")[-1]
    second = find(entries, Reply, client="one", operation="getData")[-1]
    one, two = entries[first], entries[second]
    entries[first], entries[second] = two._replace(time=one.time), one._replace(time=two.time)


def takes_effect_early(entries: Entries) -> None:
    first, second = find(entries, Reply, client="one", operation="setData")[:2]
    entries[second] = at(entries[second], entries[first].zxid)


def goes_back(entries: Entries) -> None:
    place = find(entries, Reply, client="three", operation="getData")[-1]
    entries[place] = at(entries[place], 0x100000002)


def shows_other_data(entries: Entries) -> None:
    place = find(entries, Reply, client="three", operation="getData")[-1]
    frame = entries[place].frame
    entries[place] = entries[place]._replace(frame=frame[:24] + b"9" + frame[25:])


def hides_a_child(entries: Entries) -> None:
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
    (place,) = find(entries, Reply, operation="multi")
    zxid = entries[place].zxid
    for each in find(entries, Committed):
        if entries[each].transaction.zxid == zxid:
            del entries[each]
            return


def half_a_multi(entries: Entries) -> None:
    for place in find(entries, Committed):
        done = entries[place].transaction
        if done.op is Op.MULTI:
            done = done._replace(operations=done.operations[:1])
            entries[place] = entries[place]._replace(transaction=done)


def commits_twice(entries: Entries) -> None:
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
    del entries[find(entries, WatchEvent, client="three", path="/a")[0]]


def tells_twice(entries: Entries) -> None:
    place = find(entries, WatchEvent, client="three", path="/a")[0]
    entries.insert(place + 1, entries[place])


def tells_late(entries: Entries) -> None:
    place = find(entries, WatchEvent, client="three", path="/a")[0]
    event = entries.pop(place)
    behind = next(
        each
        for each in find(entries, Reply, client="three")
        if each >= place and entries[each].zxid >= event.zxid
    )
    entries.insert(behind + 1, event._replace(time=entries[behind].time))


def tells_of_nothing(entries: Entries) -> None:
    place = find(entries, WatchEvent, client="three", path="/a")[0]
    entries[place] = entries[place]._replace(path="/b")


def keeps_an_ephemeral(entries: Entries) -> None:
    for place in find(entries, Committed):
        done = entries[place].transaction
        if done.op is Op.CLOSE_SESSION and done.operations:
            assert type(done.operations[0]) is Delete
            entries[place] = entries[place]._replace(transaction=done._replace(operations=()))


def expires_at_once(entries: Entries) -> None:
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
    places = [
        each
        for each in find(entries, Reply, client="one", operation="create")
        if b"/queue/n-" in entries[each].frame
    ]
    frame = entries[places[-1]].frame
    number = entries[places[0]].frame[-10:]
    entries[places[-1]] = entries[places[-1]]._replace(frame=frame[:-10] + number)


def syncs_by_itself(entries: Entries) -> None:
    place = find(entries, Reply, client="three", operation="sync")[-1]
    entries[place] = at(entries[place], entries[place].zxid - 1)


def elects_two(entries: Entries) -> None:
    place = find(entries, ServerEvent, name="leads")[0]
    event = entries[place]
    entries.insert(place + 1, event._replace(server=event.server % 3 + 1))


def commits_alone(entries: Entries) -> None:
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
    (commits_twice, "carried out once"),
    (loses_an_event, "watches are told"),
    (tells_twice, "watches are told"),
    (tells_late, "watches are told"),
    (tells_of_nothing, "watches are told"),
    (keeps_an_ephemeral, "ephemerals end with their session"),
    (expires_at_once, "not expired early"),
    (ends_what_lives, "told of an end that was"),
    (repeats_a_number, "sequence numbers grow"),
    (syncs_by_itself, "sync is a barrier"),
    (elects_two, "one leader an epoch"),
    (commits_alone, "a quorum has it"),
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


def judged(entries: Entries, **arguments: Any) -> Verdict:
    return check(entries, has_log=True, **arguments)


def test_every_judge_decides_something_and_finds_nothing(entries: Entries) -> None:
    verdict = judged(entries)
    verdict.raise_if_broken()
    idle = {each.judge for each in verdict.checked if not each.times}
    assert idle == {"claims exclude each other"}


def test_every_guarantee_has_its_change() -> None:
    assert {judge.name for judge in GUARANTEES} == {name for _, name in CHANGES + WITHOUT_LOG}


@pytest.mark.parametrize(
    ("change", "judge"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_is_found(change: Callable[[Entries], None], judge: str, entries: Entries) -> None:
    changed = list(entries)
    change(changed)
    verdict = judged(changed)
    found = [each for each in verdict.broken if each.judge == judge]
    assert found, verdict
    assert 1 <= len(found[0].evidence) <= 6
    times = [event.time for event in found[0].evidence]
    assert times == sorted(times)
    with pytest.raises(GuaranteeBroken, match="broken: "):
        verdict.raise_if_broken()


@pytest.mark.parametrize(
    ("change", "judge"), WITHOUT_LOG, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_is_found_without_the_log(
    change: Callable[[Entries], None], judge: str, entries: Entries
) -> None:
    changed = [entry for entry in entries if type(entry) is not Committed]
    check(changed, has_log=False, complete=True).raise_if_broken()
    change(changed)
    verdict = check(changed, has_log=False, complete=True)
    found = [each for each in verdict.broken if each.judge == judge]
    assert found, verdict
    assert 1 <= len(found[0].evidence) <= 6


@pytest.mark.parametrize("expired", [True, False])
def test_who_comes_back_before_its_end_is_committed_may_be_let_in(
    expired: bool, entries: Entries
) -> None:
    """A fault has expired the session. Its client is let in once more, and refused then. Where no
    fault has, the session expired early.
    """
    changed = [entry for entry in entries if type(entry) is not Committed]
    last = find(changed, Reply, client="one", operation="multi")[-1]
    changed[last + 1 : last + 1] = [
        *([Fault(changed[last].time, "expire", "one")] if expired else ()),
        *comes_back(changed, 10_000, over=False),
        *comes_back(changed, 10_001, over=True),
    ]
    verdict = check(changed, has_log=False)
    assert ("not expired early" in {each.judge for each in verdict.broken}) == (not expired)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (hides_a_child, "and n-0000000000 was not there"),
        (loses_a_child, "and n-0000000001 was there"),
    ],
)
def test_a_finding_says_which_child_is_wrong(
    change: Callable[[Entries], None], said: str, entries: Entries
) -> None:
    changed = list(entries)
    change(changed)
    assert any(said in str(each) for each in judged(changed).broken)


def test_an_end_that_only_a_server_of_a_deposed_leader_may_have_told_is_not_decided(
    entries: Entries,
) -> None:
    """Nobody writes on that server any more: it may have been cut off."""
    changed = [entry for entry in entries if type(entry) is not Committed]
    last = find(changed, Reply, client="one", operation="multi")[-1]
    changed[last + 1 :] = [
        *comes_back(changed, 10_000, over=False),
        *comes_back(changed, 10_001, over=True),
    ]
    verdict = check(changed, has_log=False)
    verdict.raise_if_broken()
    assert verdict.undecided["not expired early"]


def test_half_a_multi_breaks_atomicity(entries: Entries) -> None:
    changed = list(entries)
    half_a_multi(changed)
    assert AtomicityBroken in {each.error for each in judged(changed).broken}


def test_an_old_view_is_found_where_a_bound_is_given(entries: Entries) -> None:
    judged(entries, timely=10.0).raise_if_broken()
    changed = list(entries)
    for place in find(changed, Committed):
        changed[place] = changed[place]._replace(time=changed[place].time - 20)
    last = find(changed, Reply, client="three", operation="getData")[-1]
    changed[last] = at(changed[last], changed[last].zxid - 2)
    assert "views are timely" in {each.judge for each in judged(changed, timely=10.0).broken}


def test_what_is_further_back_than_the_window_is_not_decided(entries: Entries) -> None:
    verdict = judged(entries, window=2)
    verdict.raise_if_broken()
    assert verdict.undecided["states are true"]


def test_a_history_without_a_log_says_what_it_could_not_decide(entries: Entries) -> None:
    verdict = check([entry for entry in entries if type(entry) is not Committed], has_log=False)
    verdict.raise_if_broken()
    assert verdict.transactions is None
    assert "there is no log of what was committed" in str(verdict)
    assert {"states are true", "carried out once"} <= verdict.undecided.keys()
