"""The plots of ``docs/benchmarks.md`` and ``docs/capacity.md``, from what was measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.pages import (
    DICTS,
    SCENARIOS,
    back_after,
    bearable,
    found_after,
    messages,
    size,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0b6e99", "#d9730d", "#6940a5", "#4d6461", "#ad1a72")
MARKS = "osD^v"
STYLE = {
    "font.size": 9,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.markersize": 4,
    "savefig.dpi": 110,
}


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw all whose figures there are; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context(STYLE):
        for name, (part, make) in _PLOTS.items():
            if part in results:
                figure = make(results[part]["figures"])
                path = folder / f"{name}.png"
                figure.savefig(path, metadata={"Software": None})
                plt.close(figure)
                made.append(path)
    return made


def _panels(rows: int, columns: int, height: float = 2.9) -> tuple[Figure, Iterator[Axes]]:
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.3 * columns, height * rows), layout="constrained", squeeze=False
    )
    return figure, iter(axes.flat)


def _time(seconds: float, _place: object = None) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 0.9995:
            return f"{seconds * factor:,.6g} {unit}"
    return f"{seconds * 1e9:.6g} ns"


def _size(number: float, _place: object = None) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= 0.9995 * factor:
            return f"{number / factor:,.6g} {unit}"
    return f"{number:.6g} B"


def _count(number: float, _place: object = None) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.6g}"


def _legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One for all panels, below them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _log(axes: Axes, title: str, x: str, y: str, show: Any = _count) -> None:
    axes.set(xscale="log", yscale="log", title=title, xlabel=x, ylabel=y)
    axes.xaxis.set_major_formatter(FuncFormatter(_count))
    axes.yaxis.set_major_formatter(FuncFormatter(show))
    for axis, limits in ((axes.xaxis, axes.get_xlim), (axes.yaxis, axes.get_ylim)):
        axis.set_minor_formatter(NullFormatter())
        low, high = limits()
        if axis is axes.yaxis and low > 0:
            axes.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))


def _from_zero(axes: Axes) -> None:
    """A linear axis of counts."""
    axes.set_yscale("linear")
    axes.autoscale(axis="y")
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(FuncFormatter(_count))


def _line(
    axes: Axes, points: Iterable[tuple[float, float]], number: int, name: str, **more: Any
) -> None:
    xs, ys = zip(*sorted(points), strict=True)
    style = {"color": COLORS[number], "marker": MARKS[number], "label": name, **more}
    axes.plot(xs, ys, **style)


def _dicts(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(1, 3)
    for what, measure, title in (
        ("load", "seconds", "to load the dict"),
        ("change", "seconds", "to see another client's change"),
        ("change", "bytes", "for another client's change"),
    ):
        axes = next(panels)
        for number, name in enumerate(DICTS):
            points = [
                (
                    int(keys),
                    one[what]["seconds"]
                    if measure == "seconds"
                    else one[what]["sent"] + one[what]["received"],
                )
                for keys, one in figures["sizes"][name].items()
                if what in one
            ]
            _line(axes, points, number, name)
        y, show = ("time", _time) if measure == "seconds" else ("bytes, both ways", _size)
        _log(axes, f"{y.partition(',')[0].capitalize()} {title}", "keys", y, show)
    _legend(figure, axes, 4)
    return figure


def _load(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(2, 3)
    operations = ("get", "set", "create")
    for window, y in (("32", "operations a second"), ("1", "latency")):
        for operation in operations:
            axes = next(panels)
            for number, (name, text) in enumerate(
                {"fake": "zkfake", "live": "live server"}.items()
            ):
                found = figures["load"][window][name]
                points = [
                    (int(n), one[operation] if window == "32" else int(n) / one[operation])
                    for n, one in found.items()
                ]
                _line(axes, points, number, text)
            title = (
                f"{operation}, 32 on their way" if window == "32" else f"{operation}, one at a time"
            )
            _log(axes, title, "connections", y, _count if window == "32" else _time)
            if window == "32":
                _from_zero(axes)
    _legend(figure, axes, 2)
    return figure


def _growth(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(2, 3)
    words = {
        "znodes": "znodes",
        "sessions": "sessions",
        "watches": "watches elsewhere",
        "watchers": "watchers of the znode",
        "children": "children of the znode",
    }
    for what, text in words.items():
        axes = next(panels)
        found = figures["growth"][what]
        for number, operation in enumerate(next(iter(found.values()))):
            points = [(int(n), one[operation] / 1e6) for n, one in found.items()]
            _line(axes, points, number, operation)
        _log(axes, f"An operation, by {text}", text, "time in the core", _time)
        axes.tick_params(axis="x", labelsize="small")  # 100,000 and 1,000,000 would touch
        if what not in ("watchers", "children"):
            axes.set_ylim(1e-6, 1e-3)  # room for the legend
        axes.legend(
            loc={"watchers": "upper right", "children": "upper left"}.get(what, "upper center"),
            ncols=1 if what in ("watchers", "children") else 2,
        )
    next(panels).axis("off")
    return figure


def _virtual(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(1, 2)
    axes = next(panels)
    number = 0
    for operation, found in figures["operations"].items():
        for servers, one in found.items():
            name = f"{operation}, {servers} server{'s' if servers != '1' else ''}"
            _line(axes, [(int(n), rate) for n, rate in one.items()], number, name)
            number += 1
    _log(axes, "Requests of all clients together", "clients", "requests a second")
    _from_zero(axes)
    axes.legend()
    axes = next(panels)
    for number, (servers, one) in enumerate(figures["idle"].items()):
        name = f"{servers} server{'s' if servers != '1' else ''}"
        _line(axes, [(int(n), rate) for n, rate in one.items()], number, name)
    _log(axes, "Clients that only stay connected", "clients", "virtual seconds a second")
    axes.legend()
    return figure


def _runs(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(1, 1, 3.2)
    figure.set_figwidth(5.5)
    axes = next(panels)
    rows = figures["runs"]
    for column, name in enumerate(("hostile", "swarm", "swarm, pct")):
        ends = sorted({1.0, 1000.0, *(row["runs"][column] or 1.0 for row in rows)})
        points = [(end, found_after(rows, column, end)) for end in ends if end <= 1000]
        xs, ys = zip(*points, strict=True)
        axes.step(xs, ys, where="post", color=COLORS[column], label=name)
    axes.axhline(len(rows), color="#999999", linewidth=0.8, linestyle=":")
    axes.set(
        xscale="log",
        xlabel="runs (the median of the searches)",
        ylabel=f"mistakes found, of {len(rows)}",
        title="How many runs it takes to find a mistake",
        ylim=(0, len(rows) + 2),
    )
    axes.xaxis.set_major_formatter(FuncFormatter(_count))
    axes.legend(loc="lower right")
    return figure


# -- the capacity study


def _of(
    figures: dict[str, Any], where: str, keys: int, scenario: str
) -> list[tuple[int, dict[str, Any]]]:
    """Where it has converged, by the number of dicts."""
    found = [(split(place), each.get(scenario)) for place, each in figures[where].items()]
    return [
        (place[0], one)
        for place, one in found
        if place[1] == keys and one and one["seconds"] is not None
    ]


def _capacity(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(1, 3)
    measures = {
        "messages": (messages, "messages, both ways", _count),
        "bytes": (size, "bytes, both ways", _size),
        "seconds": (lambda one: one["seconds"], "time to converge", _time),
    }
    for of, y, show in measures.values():
        axes = next(panels)
        for number, (scenario, text) in enumerate(SCENARIOS.items()):
            simulated = [(n, of(one)) for n, one in _of(figures, "simulated", 10, scenario)]
            dashes = "--" if scenario == "leader" else "-"  # it may lie on that of the sessions
            _line(axes, simulated, number, text, linestyle=dashes)
            live = [(n, of(one)) for n, one in _of(figures, "live", 10, scenario)]
            _line(
                axes,
                live,
                number,
                f"{text}, live",
                linestyle="",
                marker="o",
                markersize=9,
                fillstyle="none",
            )
        _log(axes, f"{y.partition(',')[0].capitalize()}, dicts of 10 keys", "dicts", y, show)
    _legend(figure, axes, 3)
    return figure


def _keys(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(1, 2)
    for scenario in ("sessions", "leader"):
        axes = next(panels)
        for number, keys in enumerate((10, 100, 1000)):
            points = [(n, one["seconds"]) for n, one in _of(figures, "simulated", keys, scenario)]
            if points:
                _line(axes, points, number, f"{keys:,} keys")
        if scenario == "sessions":
            for keys in (10, 100, 1000):
                xs = (10, 100, 1000, 10_000)
                ys = [back_after(figures["costs"], n, keys) for n in xs]
                name = "the rule of thumb" if keys == 10 else "_"
                axes.plot(xs, ys, color="#999999", linestyle=":", linewidth=1, label=name)
        _log(axes, f"When {SCENARIOS[scenario]}", "dicts", "time to converge", _time)
        axes.legend()
    return figure


def _changes(figures: dict[str, Any]) -> Figure:
    figure, panels = _panels(1, 1, 3.2)
    figure.set_figwidth(5)
    axes = next(panels)
    dicts = [10 ** (power / 4) for power in range(17)]
    for number, share in enumerate((0.1, 0.5, 1.0)):
        rates = [bearable(figures["costs"], each, share) for each in dicts]
        axes.plot(dicts, rates, color=COLORS[number], label=f"{100 * share:.0f} % of a core")
    _log(axes, "Changes that all dicts hear of, on three servers", "dicts", "changes a second")
    axes.legend()
    return figure


_PLOTS = {
    "dict_sizes": ("dicts", _dicts),
    "fake_load": ("fakes", _load),
    "fake_growth": ("fakes", _growth),
    "virtual_time": ("virtual", _virtual),
    "search_runs": ("virtual", _runs),
    "capacity": ("capacity", _capacity),
    "capacity_keys": ("capacity", _keys),
    "capacity_changes": ("capacity", _changes),
}
"""Each plot: the results that it is made of, and how."""
