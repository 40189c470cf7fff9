"""What is counted, in words, and the table of it in ``docs/worlds.md``.

Rules that live here: what never happens on three servers under `hostile` says why not; what takes
an ensemble is not counted on one server.
"""

from __future__ import annotations

from pathlib import Path

from zkfake._search.probes import PARTS, PROBES, Probe

PAGE = Path(__file__).parents[3] / "docs" / "worlds.md"
BEGIN, END = "<!-- counted: begin -->\n", "<!-- counted: end -->\n"

COLUMNS = (("calm", 3), ("realistic", 3), ("hostile", 3), ("hostile", 1), ("swarm", 3))
"""Profiles and numbers of servers."""


NEVER = {
    "told that it expired": (
        "its server hears of the end of the session first, and drops the client"
    ),
    "read of a deposed follower": (
        "of three servers, the two others have elected the new leader; it takes five"
    ),
    "sync of a deposed leader": (
        "it lasts for less than a tick, and these clients ask for few; with more it is seen "
        "(`test_a_deposed_leader_answers_a_sync_with_what_was_true_before`)"
    ),
}
"""Why a thousand hostile worlds do not have it."""
Counts = dict[str, tuple[int | None, ...]]
"""By happening or fault, for each column: in how many worlds; `None` where it is not counted."""


def explained(name: str, probe: Probe) -> str:
    return f"{probe.text}. None: {NEVER[name]}" if name in NEVER else probe.text


def unexplained(happenings: Counts) -> list[str]:
    """What never happened in hostile worlds without a reason, or happened in spite of one."""
    hostile = COLUMNS.index(("hostile", 3))
    return [name for name in PROBES if (happenings[name][hostile] == 0) != (name in NEVER)]


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
            lines.append(f"| `{name}` | {explained(name, each)} | {_cells(happenings[name])} |")
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
