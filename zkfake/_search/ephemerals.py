"""Reasons about ephemeral znodes: who lost one and went on, and who leaves one behind."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from zkfake._database.log import Create, Delete
from zkfake._history.events import Committed, StateChange
from zkfake._search.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zkfake._database.log import Outcome
    from zkfake._history.causes import Circumstances
    from zkfake._history.events import Event, Logged

__all__ = ["outliving", "staying"]

_NUMBERED = re.compile(r"\d{10}$")
"""The end of a sequential znode's name."""
_DRAWN = re.compile(r"[0-9a-f]{32}|\d{10}$")
"""What differs in the names of znodes from run to run."""


def staying(
    entries: Sequence[Event | Logged], passing: Iterable[Event | Logged], seen: Circumstances
) -> Iterator[Reason]:
    """Who made an ephemeral znode that is there at the end, and is not in a run that passes; but
    for those who did not hear that they made it, which is a reason of its own.
    """
    for path, entry in _leftovers(entries, passing):
        client = seen.client_of(entry)
        if seen.is_unheard(entry):
            continue
        before = [
            each
            for each in entries
            if (
                isinstance(each, StateChange)
                and (each.client, each.state) == (client, "LOST")
                and each.time <= entry.time
            )
            or (
                isinstance(each, Committed)
                and each.transaction.zxid < entry.transaction.zxid
                and each.transaction.operations
                and seen.client_of(each) == client
            )
        ]
        after = f", after {_said(before[-1])}," if before else ""
        yield Reason(
            "stays",
            entry.time,
            f"{client} created {path} at {entry.transaction.zxid:#x} ({entry.time:.3f} s){after} "
            "and did not delete it: it is there until the end. A run that passes leaves no such "
            "znode behind.",
            (*before[-1:], entry),
        )


def _said(event: StateChange | Committed) -> str:
    """What a client was told or did last, before something else."""
    if isinstance(event, StateChange):
        return f"it became {event.state} at {event.time:.3f} s"
    operation = event.transaction.operations[0]
    return (
        f"its {type(operation).__name__.lower()} {operation.path} at "
        f"{event.transaction.zxid:#x} ({event.time:.3f} s)"
    )


def outliving(entries: Sequence[Event | Logged], seen: Circumstances) -> Iterator[Reason]:
    """Who had something by an ephemeral znode, lost it with its session, and went on; or what
    another one has by then; or what nobody has any more.
    """
    for end in seen.ended:
        client, at = end.session.client, end.entry.time
        gone = [each.path for each in end.entry.transaction.operations if isinstance(each, Delete)]
        later = [
            (done, operation)
            for done in sorted(seen.done.values(), key=lambda each: each.transaction.zxid)
            if done.transaction.zxid > end.entry.transaction.zxid
            for operation in done.transaction.operations
        ]
        anew = [
            (done, operation.path)
            for done, operation in later
            if isinstance(operation, Create) and operation.path in gone
        ]
        others = [each for each in anew if seen.client_of(each[0]) != client]
        went_on = [
            (done, operation)
            for done, operation in later
            if seen.client_of(done) == client and operation.path not in gone
        ]
        if not gone or (anew and not others and not went_on):
            continue
        events: list[Event | Logged] = [end.entry]
        text = (
            f"{client}'s session ended at {end.entry.transaction.zxid:#x} ({at:.3f} s), and "
            f"{' and '.join(gone[:2])} {'was' if len(gone) == 1 else 'were'} deleted with it"
        )
        if others:
            done, path = others[0]
            events.append(done)
            which = "it" if len(gone) == 1 else path
            text += (
                f"; {seen.client_of(done)} created {which} again at {done.transaction.zxid:#x} "
                f"({done.time:.3f} s)"
            )
        elif not anew:
            text += f"; nobody created {'it' if len(gone) == 1 else 'them'} again"
        text += f".{seen.stood_still(client, at)}{_heard(entries, client, at)}"
        if went_on:
            done, operation = went_on[0]
            events.append(done)
            text += (
                f" {client} went on as before: {type(operation).__name__.lower()} "
                f"{operation.path} at {done.transaction.zxid:#x} ({done.time:.3f} s)."
            )
            for done, path in _alike(operation, later, seen, client):
                events.append(done)
                text += (
                    f" {seen.client_of(done)} created {path} at {done.transaction.zxid:#x} "
                    f"({done.time:.3f} s)."
                )
        yield Reason("outlives" if others or went_on else "gone", at, text, tuple(events))


def _alike(
    operation: Outcome, later: list[tuple[Committed, Outcome]], seen: Circumstances, client: str
) -> list[tuple[Committed, str]]:
    """The first znode that another client has created in the same place, but for its number."""
    if not isinstance(operation, Create) or not _NUMBERED.search(operation.path):
        return []
    name = _NUMBERED.sub("", operation.path)
    return [
        (done, each.path)
        for done, each in later
        if isinstance(each, Create)
        and seen.client_of(done) not in ("", client)
        and _NUMBERED.sub("", each.path) == name
    ][:1]


def _heard(entries: Sequence[Event | Logged], client: str, at: float) -> str:
    """When a client heard of the end of its session, which was at a time."""
    states = [each for each in entries if isinstance(each, StateChange) and each.client == client]
    before = [each for each in states if each.time <= at]
    since = before[-1:] if before and before[-1].state == "SUSPENDED" else []
    after = [*since, *(each for each in states if each.time > at)]
    told = {each.state: each.time for each in reversed(after)}
    if not told.keys() & {"SUSPENDED", "LOST"}:
        return f" {client} never became SUSPENDED or LOST."
    if "LOST" not in told:
        return f" {client} became SUSPENDED at {told['SUSPENDED']:.3f} s, and never LOST."
    suspended = f"SUSPENDED at {told['SUSPENDED']:.3f} s, and " if "SUSPENDED" in told else ""
    text = f" {client} became {suspended}LOST at {told['LOST']:.3f} s"
    back = [each for each in after if each.state == "CONNECTED" and each.time >= told["LOST"]]
    if back:
        text += f". It was CONNECTED again, with a new session, at {back[0].time:.3f} s"
    return f"{text}."


def _leftovers(
    failing: Iterable[Event | Logged], passing: Iterable[Event | Logged]
) -> list[tuple[str, Committed]]:
    """The ephemeral znodes that are there at the end of the first run only, and what created them.
    Names are alike that differ in a random part or a number.
    """
    expected = Counter(map(_drawn_alike, _ephemeral(passing)))
    found = []
    for path, entry in _ephemeral(failing).items():
        if expected[_drawn_alike(path)]:
            expected[_drawn_alike(path)] -= 1
        else:
            found.append((path, entry))
    return found


def _drawn_alike(path: str) -> str:
    return _DRAWN.sub("*", path)


def _ephemeral(entries: Iterable[Event | Logged]) -> dict[str, Committed]:
    """The ephemeral znodes at the end, and what created them."""
    there: dict[str, Committed] = {}
    for entry in entries:
        if isinstance(entry, Committed):
            for each in entry.transaction.operations:
                if isinstance(each, Create) and each.owner:
                    there[each.path] = entry
                elif isinstance(each, Delete):
                    there.pop(each.path, None)
    return there
