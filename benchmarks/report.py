"""`make bench`: measures, prints tables, and writes them and their plots into ``docs/``.

``python -m benchmarks.report [--quick] [--draw] [PART ...]``. Each part is measured in a process of
its own, and its figures are kept in ``benchmarks/results``: ``--draw`` makes the tables and plots
of them anew. ``--quick`` measures little, in a minute or two for each part, and writes under
``build/``, not into ``docs/``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
QUICK = ROOT / "build" / "benchmarks-quick"
PARTS = {
    "dicts": "benchmarks.figures.dicts",
    "watching": "benchmarks.figures.watching",
    "fakes": "benchmarks.figures.fakes",
    "virtual": "benchmarks.figures.virtual",
    "capacity": "benchmarks.capacity",
}
"""The modules that measure, by the names of their results."""


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--quick", action="store_true", help="little, to see whether it works")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--measure", choices=PARTS, help=argparse.SUPPRESS)  # the other process
    options = parser.parse_args()
    folder = QUICK if options.quick else RESULTS
    if options.measure:
        measure(options.measure, folder, quick=options.quick)
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    for part in () if options.draw else options.parts or PARTS:
        print(f"== {part}", flush=True)
        command = [sys.executable, "-m", "benchmarks.report", "--measure", part]
        subprocess.run([*command, *(["--quick"] if options.quick else [])], check=True, cwd=ROOT)
    if not options.draw:
        print(f"\nmeasured in {(time.perf_counter() - began) / 60:.1f} minutes\n")
    from benchmarks import pages, plots

    docs = QUICK if options.quick else ROOT / "docs"
    results = read(folder)
    for name, text in pages.blocks(results).items():
        print(f"{name}\n\n{text}\n")
    if not options.quick:
        pages.write(results, docs)
    for path in plots.draw(results, docs / "images" / "benchmarks"):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


def measure(part: str, folder: Path, *, quick: bool) -> None:
    """Measure one part, and keep its figures."""
    began = time.perf_counter()
    figures = importlib.import_module(PARTS[part]).measure(quick)
    kept = {
        "machine": machine(),
        "day": time.strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - began),
        "figures": figures,
    }
    text = json.dumps(rounded(kept), indent=1)
    (folder / f"{part}.json").write_text(text + "\n", "utf-8")


def rounded(value: Any) -> Any:
    """Floats to five digits: the rest is noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def read(folder: Path = RESULTS) -> dict[str, Any]:
    """What is kept, by the part; parts that were never measured are missing."""
    return {
        part: json.loads((folder / f"{part}.json").read_text("utf-8"))
        for part in PARTS
        if (folder / f"{part}.json").exists()
    }


def machine() -> dict[str, Any]:
    """What figures depend on."""
    processor = platform.processor()
    memory = 0
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0,)
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory": round(memory / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(load[0], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
