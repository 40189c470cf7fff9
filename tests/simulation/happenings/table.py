"""What is counted, in words, and the table of it in ``docs/worlds.md``.

Rules that live here: what never happens on three servers under `hostile` says why not; what takes
an ensemble is not counted on one server.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[3] / "docs" / "worlds.md"
BEGIN, END = "<!-- counted: begin -->\n", "<!-- counted: end -->\n"

COLUMNS = (("calm", 3), ("realistic", 3), ("hostile", 3), ("hostile", 1))
"""Profiles and numbers of servers."""


class Happening(NamedTuple):
    text: str
    servers: int = 1
    """How many servers it takes at least."""
    never: str = ""
    """Why a thousand hostile worlds do not have it."""


ELECTIONS = {
    "re-election": Happening("a leader after the first one is established", 3),
    "leader crashes": Happening("an established leader is stopped", 3),
    "leader without a quorum": Happening("an established leader has lost its followers", 3),
    "leader never established": Happening("a server is elected, and no quorum joins it", 3),
    "long without a leader": Happening("nobody leads for longer than a session lives", 3),
    "two servers down": Happening("two of three servers are down: no quorum", 3),
    "two leaders": Happening("a second leader is established, and the first goes on", 3),
    "deposed leader notices": Happening("it steps down, and another one leads already", 3),
    "deposed leads again": Happening("a server that was replaced so is elected later", 3),
    "epoch without a commit": Happening("a leader is replaced before it commits anything", 3),
    "proposal kept": Happening("a leader commits what an earlier one had only proposed", 3),
    "cuts its log": Happening("a proposal is lost: a server takes it out of its log", 3),
    "takes transactions": Happening("a server comes back and is told what it missed", 3),
    "takes a tree": Happening("a server comes back, and gets the whole tree", 3),
}
SESSIONS = {
    "session moves": Happening("a session goes on at another server", 3),
    "session outlives its leader": Happening("a session goes on under a new leader", 3),
    "refuses client": Happening("a client has seen more than the server it comes to", 3),
    "refuses request": Happening("a server asks for a session that went on elsewhere", 3),
    "hung up on": Happening("a connection is taken and closed without an answer", 3),
    "expires session": Happening("the servers have not heard of a session in time"),
    "drops client": Happening("a session ends while its connection is open"),
    "session gone": Happening("a client comes back, and its session is over"),
    "session never heard of": Happening("a session is opened, and its client never knows"),
    "unaware of its end": Happening("a client knows only a session's length after its end"),
    "told that it expired": Happening(
        "a request is answered by SessionExpired",
        3,
        "its server hears of the end of the session first, and drops the client",
    ),
    "next session goes back": Happening("a client's next session is shown an older state", 3),
}
REQUESTS = {
    "stale read": Happening("a read does not show a write acknowledged before it was sent", 3),
    "read of a deposed leader": Happening("a leader that was replaced answers a read", 3),
    "read of a deposed follower": Happening(
        "a follower of such a leader answers a read",
        3,
        "of three servers, the two others have elected the new leader; it takes five",
    ),
    "sync of a deposed leader": Happening(
        "such a leader, or its follower, answers a sync",
        3,
        "it lasts for less than a tick, and these clients ask for few; with more it is seen "
        "(`test_a_deposed_leader_answers_a_sync_with_what_was_true_before`)",
    ),
    "stale read after sync": Happening("a stale read, though a sync was answered before it", 3),
    "write lost at a deposed leader": Happening("a write sent to it or its follower is lost", 3),
    "write torn off, lost": Happening("the connection is lost, and the write is not applied"),
    "write torn off, applied": Happening("the connection is lost, and the write is applied"),
    "multi torn off, lost": Happening("likewise a multi: nothing of it is applied"),
    "multi torn off, applied": Happening("likewise a multi: all of it is applied"),
    "applied after it was given up": Happening("a write is committed after its client gave it up"),
    "its own znode exists": Happening("NodeExists, for the znode that a lost reply was about"),
    "its own version is bad": Happening("BadVersion, for a write that a lost reply was about"),
    "answered too late": Happening("a reply comes when the client has left the connection"),
}
WATCHES = {
    "watch lost with its change": Happening(
        "a watch goes with its connection, and so does its event"
    ),
    "two changes, one event": Happening(
        "a znode changes twice before the event of the first is heard"
    ),
    "event after others knew": Happening("another client has seen the change before"),
    "event a second late": Happening("an event comes more than a second after its change"),
    "event too late": Happening("an event comes when the client has left the connection"),
}
PARTS = {
    "elections and logs": ELECTIONS,
    "sessions": SESSIONS,
    "requests": REQUESTS,
    "watches": WATCHES,
}
HAPPENINGS = {name: each for part in PARTS.values() for name, each in part.items()}

Counts = dict[str, tuple[int | None, ...]]
"""By happening or fault, for each column: in how many worlds; `None` where it is not counted."""


def explained(each: Happening) -> str:
    return f"{each.text}. None: {each.never}" if each.never else each.text


def unexplained(happenings: Counts) -> list[str]:
    """What never happened in hostile worlds without a reason, or happened in spite of one."""
    hostile = COLUMNS.index(("hostile", 3))
    return [
        name
        for name, each in HAPPENINGS.items()
        if (happenings[name][hostile] == 0) != bool(each.never)
    ]


def _cells(counts: tuple[int | None, ...]) -> str:
    return " | ".join("-" if each is None else f"{each}" for each in counts)


def written(seeds: int, happenings: Counts, faults: Counts) -> str:
    """The generated part of the page."""
    heads = " | ".join(f"{profile}, {servers}" for profile, servers in COLUMNS)
    rule = "| --- | --- |" + " ---: |" * len(COLUMNS)
    lines = [f"In how many of {seeds} worlds:", ""]
    for title, part in PARTS.items():
        lines += [f"| {title} | | {heads} |", rule]
        for name, each in part.items():
            lines.append(f"| `{name}` | {explained(each)} | {_cells(happenings[name])} |")
        lines.append("")
    lines += [f"| faults by chance | | {heads} |", rule]
    lines += [f"| `{name}` | | {_cells(faults[name])} |" for name in sorted(faults)]
    return "\n".join(lines) + "\n"


def read(text: str) -> tuple[int, Counts]:
    """The number of seeds, and the counts of the page's happenings and faults."""
    body = text.partition(BEGIN)[2].partition(END)[0]
    seeds = int(body.split("In how many of ")[1].split()[0])
    lines = [line for line in body.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return seeds, {
        row[0].strip("`"): tuple(
            None if cell == "-" else int(cell) for cell in row[-len(COLUMNS) :]
        )
        for row in rows
    }


def put(body: str) -> None:
    """Write the generated part into the page."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + body + END + rest.partition(END)[2], "utf-8")
