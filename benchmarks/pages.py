"""The tables of ``docs/benchmarks.md`` and ``docs/capacity.md``, from what was measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from benchmarks.capacity.scenarios import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PAGES = ("benchmarks.md", "capacity.md")
DICTS = ("zkdict", "msaStorageDict", "durabledict", "TreeCache")
HANDSHAKE = 49
"""Bytes with which kazoo asks for a session."""
SCENARIOS = {
    "change": "one key changes",
    "sessions": "all sessions end",
    "leader": "the leader dies",
}


def blocks(results: dict[str, Any]) -> dict[str, str]:
    """The generated parts of the pages, by their names."""
    found = {}
    for name, (part, make) in _BLOCKS.items():
        if part in results:
            found[name] = make(results[part])
    return found


def write(results: dict[str, Any], docs: Path) -> None:
    """Put them into the pages."""
    for page in PAGES:
        path = docs / page
        text = path.read_text("utf-8")
        path.write_text(filled(text, blocks(results)), "utf-8")


def filled(text: str, found: dict[str, str]) -> str:
    """A page with its generated parts anew."""

    def anew(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- {name}: begin -->\n{found.get(name, match[2].strip())}\n<!-- {name}: end -->"

    return re.sub(r"<!-- ([\w-]+): begin -->\n(.*?)<!-- \1: end -->", anew, text, flags=re.DOTALL)


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown, whose figures are on the right."""
    lines = [list(map(str, head)), *(list(map(str, row)) for row in rows)]
    lines.insert(1, ["---", *["---:"] * (len(lines[0]) - 1)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def time_of(seconds: float | None) -> str:
    """A time with its unit."""
    if seconds is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{digits(seconds * factor)} {unit}"
    return f"{digits(seconds * 1e9)} ns"


def size_of(number: float) -> str:
    """Bytes with their unit."""
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{digits(number / factor)} {unit}"
    return f"{digits(number)} B"


def digits(number: float) -> str:
    """Three digits, as people write them."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


# -- what was measured, and where


def _measured(part: dict[str, Any]) -> str:
    at, minutes = part["machine"], max(1, round(part["seconds"] / 60))
    return (
        f"Measured on {part['day']}, in {minutes} minutes: {at['cores']} cores of "
        f"{at['processor']}, {at['memory']} GB of memory, {at['system']}, Python {at['python']}. "
        f"{at['load']} processes were ready to run at the end, on the average of a minute."
    )


# -- the dict


def _reads(part: dict[str, Any]) -> str:
    calls = part["figures"]["calls"]
    names = {
        "d[k]": "`d[key]`",
        "get": "`d.get(key)`",
        "in": "`key in d`",
        "iterate": "all keys",
        "items": "`d.items()`, all of it",
    }
    columns = ("dict", *DICTS)
    rows = [
        [text, *(time_of(calls[name].get(call)) for name in columns)]
        for call, text in names.items()
    ]
    head = (f"{part['figures']['keys']:,} keys", "`dict`", *DICTS)
    return table(head, rows)


def _sizes(part: dict[str, Any]) -> str:
    sizes = part["figures"]["sizes"]
    rows = []
    words = {"load": "load", "change": "another client's change", "write": "own write"}
    for what, text in words.items():
        for keys in sizes["zkdict"]:
            for name in DICTS:
                one = sizes[name].get(keys, {}).get(what)
                if one is None:
                    continue
                requests = one["requests"]
                count = sum(requests.values()) if isinstance(requests, dict) else requests
                rows.append(
                    (
                        text,
                        f"{int(keys):,}",
                        name,
                        time_of(one["seconds"]),
                        f"{count:,.0f}",
                        size_of(one["sent"] + one["received"]),
                    )
                )
    return table(("", "keys", "", "time", "requests", "bytes"), rows)


def _burst(part: dict[str, Any]) -> str:
    figures = part["figures"]
    rows = [
        (
            name,
            f"{one['rate']:,.0f}",
            f"{100 * one['share']:.0f} %",
            f"{sum(one['requests'].values()):,}",
            size_of(one["sent"] + one["received"]),
            time_of(one["behind"]) if one["behind"] < 59 else "more than a minute",
        )
        for name, one in figures["burst"].items()
    ]
    head = (
        f"{figures['burst_keys']:,} keys",
        "changes a second",
        "share of a core",
        "requests",
        "bytes",
        "last one seen after",
    )
    return table(head, rows)


def _memory(part: dict[str, Any]) -> str:
    figures = part["figures"]
    rows = [
        (
            f"bytes a key, at {figures['keys']:,} keys",
            *(f"{figures['memory'][name]['bytes']:,.0f}" for name in ("dict", *DICTS)),
        )
    ]
    return table(("", "`dict`", *DICTS), rows)


def _many(part: dict[str, Any]) -> str:
    rows = []
    for name, found in part["figures"]["many"].items():
        for count, one in found.items():
            number = int(count)
            change = one["change"]
            rows.append(
                (
                    name,
                    f"{number:,}",
                    time_of(one["seconds"]),
                    time_of(one["processor"] / number),
                    digits(sum(one["requests"].values()) / number),
                    time_of(change["processor"] / number),
                    f"{one['threads']:,}",
                )
            )
    head = (
        "",
        "on one client",
        "opened in",
        "processor time of each",
        "requests of each",
        "processor time of a change",
        "threads more",
    )
    return table(head, rows)


def _watching(part: dict[str, Any]) -> str:
    figures = part["figures"]
    kinds = [name for name in figures if name != "version"]
    rows = []
    for keys in figures[kinds[0]]:
        for name in kinds:
            one = figures[name][keys]
            asked = [
                f"{sum(one[what]['requests'].values()):,} in {time_of(one[what]['seconds'])}"
                for what in ("load", "change", "new", "removed", "reconnect")
            ]
            watches = f"{one['watches']:,}"
            cells = (f"{int(keys):,}", name, *asked, watches, size_of(one["heap"]))
            rows.append(cells)
    head = (
        "keys",
        "",
        "load",
        "a change",
        "a new key",
        "a removed key",
        "a reconnect",
        "watches",
        "heap of the server",
    )
    return table(head, rows)


# -- the fake


def _start(part: dict[str, Any]) -> str:
    start = part["figures"]["start"]
    return table(
        ("", "zkfake", "live server", "zake"),
        [("start to first reply", *(time_of(start[name]) for name in ("fake", "live", "zake")))],
    )


def _clients(part: dict[str, Any]) -> str:
    clients = part["figures"]["clients"]
    columns = {
        "simulation": "zkfake, virtual time",
        "fake": "zkfake, TCP",
        "live": "live server, TCP",
        "zake": "zake",
    }
    rows = [
        (f"`{operation}`", *(f"{clients[name][operation]:,.0f}" for name in columns))
        for operation in clients["fake"]
    ]
    return table(("a second", *columns.values()), rows)


def _load(part: dict[str, Any]) -> str:
    found = part["figures"]["load"]
    many, single = found["32"], found["1"]
    rows = []
    for operation in ("get", "set", "create"):
        for connections in many["fake"]:
            number = int(connections)
            rates = [many[name][connections][operation] for name in ("fake", "live")]
            times = [number / single[name][connections][operation] for name in ("fake", "live")]
            rows.append(
                (
                    f"`{operation}`",
                    f"{number:,}",
                    *(f"{rate:,.0f}" for rate in rates),
                    *(time_of(seconds) for seconds in times),
                )
            )
    head = (
        "",
        "connections",
        "zkfake, a second",
        "live, a second",
        "zkfake, latency",
        "live, latency",
    )
    return table(head, rows)


def _fixtures(part: dict[str, Any]) -> str:
    fixtures = part["figures"]["fixtures"]
    rows = [
        (
            f"`{name.partition(' ')[0]}`{name[name.find(' ') :] if ' ' in name else ''}",
            f"{cost:.2f} ms",
            f"{cost - fixtures['bare']:+.2f} ms",
        )
        for name, cost in fixtures.items()
        if name not in ("bare", "plain")
    ]
    rows[:0] = [
        ("no fixture", f"{fixtures['bare']:.2f} ms", ""),
        (
            "six plain fixtures",
            f"{fixtures['plain']:.2f} ms",
            f"{fixtures['plain'] - fixtures['bare']:+.2f} ms",
        ),
    ]
    return table(("", "a test", "more than none"), rows)


def _growth(part: dict[str, Any]) -> str:
    growth = part["figures"]["growth"]
    rows = []
    for what, found in growth.items():
        numbers = list(found)
        for operation in found[numbers[0]]:
            cells = [found[numbers[0]][operation], found[numbers[-1]][operation]]
            rows.append(
                (
                    what,
                    f"`{operation}`" if "," not in operation or what != "children" else operation,
                    f"{int(numbers[0]):,}",
                    time_of(cells[0] / 1e6),
                    f"{int(numbers[-1]):,}",
                    time_of(cells[1] / 1e6),
                )
            )
    return table(("what grows", "operation", "from", "", "to", ""), rows)


# -- virtual time


def _virtual(part: dict[str, Any]) -> str:
    figures = part["figures"]
    rows = []
    for servers, found in figures["idle"].items():
        for clients, seconds in found.items():
            rates = [figures["operations"][name][servers][clients] for name in ("get", "set")]
            rows.append(
                (
                    servers,
                    f"{int(clients):,}",
                    *(f"{rate:,.0f}" for rate in rates),
                    f"{seconds:,.0f}",
                )
            )
    head = (
        "servers",
        "clients",
        "`get`, a second",
        "`set`, a second",
        "idle: virtual seconds a second",
    )
    return table(head, rows)


def found_after(rows: list[dict[str, Any]], column: int, runs: float) -> int:
    """How many mistakes are found in so many runs, by the median."""
    return sum(1 for row in rows if (row["runs"][column] or 1e9) <= runs)


def _runs(part: dict[str, Any]) -> str:
    rows = part["figures"]["runs"]
    budgets = (1, 10, 30, 100, 300, 1_000)
    lines = [
        (name, *(found_after(rows, column, budget) for budget in budgets))
        for column, name in enumerate(("hostile", "swarm", "swarm, pct"))
    ]
    return table((f"of {len(rows)} mistakes", *(f"{each:,} runs" for each in budgets)), lines)


# -- the capacity study


def split(place: str) -> tuple[int, int]:
    """Dicts and keys of a row."""
    dicts, keys = re.findall(r"\d+", place)
    return int(dicts), int(keys)


def _costs(part: dict[str, Any]) -> str:
    words = {
        "read": "a read that leaves a watch, with its reply",
        "event": "a watch event",
        "write": "a write, at the leader",
        "session": "a session that begins or ends, at the leader, with its connection",
    }
    rows = [(text, f"{part['figures']['costs'][name]:g} µs") for name, text in words.items()]
    rows.append(
        ("an election, with which nothing else goes on", time_of(part["figures"]["election"]))
    )
    return table(("what a server's core spends", ""), rows)


def messages(one: dict[str, Any]) -> int:
    """Requests, replies and events; without attempts to connect, of which there are as many as an
    election takes time for.
    """
    requests = sum(n for name, n in one["requests"].items() if name != "Connect")
    return 2 * requests + int(one["events"])


def size(one: dict[str, Any]) -> int:
    """Bytes, without the attempts to connect either."""
    return int(one["sent"] + one["received"] - HANDSHAKE * one["requests"].get("Connect", 0))


def _ratio(a: float, b: float) -> str:
    return f"{a / b:.2f}" if b else "-"


def _checked(part: dict[str, Any]) -> str:
    figures = part["figures"]
    rows = []
    for place, observed in figures["live"].items():
        for scenario, text in SCENARIOS.items():
            if not (scenario in observed and scenario in figures["simulated"][place]):
                continue
            both = live, simulated = observed[scenario], figures["simulated"][place][scenario]
            rows.append(
                (
                    text,
                    split(place)[0],
                    f"{messages(live):,}",
                    f"{messages(simulated):,}",
                    _ratio(messages(live), messages(simulated)),
                    _ratio(size(live), size(simulated)),
                    " / ".join(f"{one['requests'].get('Connect', 0):,}" for one in both),
                    " / ".join(time_of(one["seconds"]) for one in both),
                )
            )
    head = (
        "",
        "dicts",
        "messages, live",
        "simulated",
        "ratio",
        "ratio of bytes",
        "attempts to connect",
        "last answer after",
    )
    return table(head, rows)


def _capacity(part: dict[str, Any]) -> str:
    rows = []
    for scenario, text in SCENARIOS.items():
        for place, found in part["figures"]["simulated"].items():
            dicts, keys = split(place)
            one = found.get(scenario)
            if one is None:  # what happened before it has not converged
                continue
            rows.append(
                (
                    text,
                    f"{dicts:,}",
                    f"{keys:,}",
                    f"{messages(one):,}",
                    size_of(size(one)),
                    f"{one['transactions']:,}" if scenario != "leader" else "-",
                    f"not in {PATIENCE:g} s" if one["seconds"] is None else time_of(one["seconds"]),
                    time_of(one["busiest"]),
                )
            )
    head = (
        "",
        "dicts",
        "keys",
        "messages",
        "bytes",
        "transactions",
        "converged after",
        "busiest server's work",
    )
    return table(head, rows)


def bearable(costs: dict[str, float], dicts: float, share: float = 0.5) -> float:
    """Changes a second that keep a core of each of three servers busy for this share of the time,
    where every dict watches the key that changes.
    """
    each = costs["event"] + costs["read"]
    return share * 1e6 / (costs["write"] + dicts / 3 * each)


def back_after(costs: dict[str, float], dicts: float, keys: float) -> float:
    """Seconds until all dicts are back after all sessions ended: three servers answer their reads,
    while the leader begins the sessions, and commits a transaction of each.
    """
    reads = dicts / 3 * (keys + 4) * costs["read"]
    leader = dicts * (costs["session"] + costs["write"])
    return max(reads, leader) / 1e6


def _advice(part: dict[str, Any]) -> str:
    costs = part["figures"]["costs"]
    rows = []
    for dicts in (10, 100, 1_000, 10_000):
        back = [time_of(back_after(costs, dicts, keys)) for keys in (10, 100, 1_000)]
        rows.append((f"{dicts:,}", digits(bearable(costs, dicts)), *back))
    head = (
        "dicts on one path",
        "changes a second, at half of a core",
        "all sessions end: back after, 10 keys",
        "100 keys",
        "1,000 keys",
    )
    return table(head, rows)


_BLOCKS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "dicts-measured": ("dicts", _measured),
    "reads": ("dicts", _reads),
    "sizes": ("dicts", _sizes),
    "burst": ("dicts", _burst),
    "memory": ("dicts", _memory),
    "many": ("dicts", _many),
    "watching-measured": ("watching", _measured),
    "watching": ("watching", _watching),
    "fakes-measured": ("fakes", _measured),
    "start": ("fakes", _start),
    "clients": ("fakes", _clients),
    "load": ("fakes", _load),
    "fixtures": ("fakes", _fixtures),
    "growth": ("fakes", _growth),
    "virtual-measured": ("virtual", _measured),
    "virtual": ("virtual", _virtual),
    "runs": ("virtual", _runs),
    "capacity-measured": ("capacity", _measured),
    "costs": ("capacity", _costs),
    "checked": ("capacity", _checked),
    "capacity": ("capacity", _capacity),
    "advice": ("capacity", _advice),
}
"""Each generated part: the results that it is made of, and how."""
