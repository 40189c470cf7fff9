"""Environments of their own for what is measured beside ours: they are made on the first run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def with_predecessors() -> Path:
    """The Python of the environment that has the dict's predecessors."""
    return _environment("predecessors", "msaStorageDict==0.0.3", "durabledict==0.9.4")


def with_zake() -> Path:
    """The Python of the environment that has zake, which looks for its version in pkg_resources."""
    return _environment("zake", "zake==0.2.2", "setuptools<81")


def _environment(name: str, *packages: str) -> Path:
    folder = ROOT / "build" / f"benchmarks-{name}-{sys.implementation.cache_tag}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = [*packages, f"kazoo=={importlib.metadata.version('kazoo')}"]
    done = folder / "installed.json"
    if not done.exists() or json.loads(done.read_text("utf-8")) != wanted:
        print(f"installing {', '.join(wanted)} in {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        done.write_text(json.dumps(wanted), "utf-8")
    return python
