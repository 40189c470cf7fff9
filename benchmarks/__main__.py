"""Runs the benchmarks: `python -m benchmarks [NAME ...]`; without a name, all of them.

A benchmark is a module of this package with a `main() -> bool`, which prints its table and returns
whether every figure it has a target for met it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from pytest_zkdict.live import LiveUnavailableError


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; 0 if all of them met their targets."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    unknown = sorted(set(names) - set(found))
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}")
        return 2
    met = True
    for name in names or found:
        if name.startswith("__"):
            continue
        run = getattr(importlib.import_module(f"benchmarks.{name}"), "main", None)
        if run is not None:
            print(f"== {name}\n", flush=True)
            try:
                met = run() and met
            except LiveUnavailableError as error:
                print(f"{name} needs a live server: {error}")
                met = False
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
