"""Asks a control endpoint all that its OpenAPI document allows, and what it does not allow.

``python -m tests.web.schema --seconds 600``: schemathesis on an endpoint of three servers, in an
environment that has it (`make schema`). Exit status 0 if nothing was found. With ``--same`` it asks
the same every time, some 1,000 requests, however long that takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from zkfake import FakeZooKeeper
from zkfake._web import writer
from zkfake._web.app import document
from zkfake.web import ControlEndpoint

SEEDS = {
    "/a": b"1",
    "/a/b": b"\xff",
    "/a/b/c": None,
    "/a/d": b"",
    "/0": b"0",
}


def quick(described: dict[str, Any]) -> dict[str, Any]:
    """The document without what takes its time: streams, and waiting."""
    paths = described["paths"]
    del paths["/api/history/stream"]
    asked = paths["/api/faults/{number}"]["get"]
    asked["parameters"] = [each for each in asked["parameters"] if each["name"] != "wait"]
    return described


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--same", action="store_true")
    options = parser.parse_args()
    writer._PATIENCE = 0.2  # faults may keep a write from being committed
    with (
        FakeZooKeeper(servers=3, settings={"extendedTypesEnabled": True}) as server,
        ControlEndpoint(server) as endpoint,
        tempfile.TemporaryDirectory() as directory,
    ):
        server.load(SEEDS)
        file = Path(directory) / "openapi.json"
        file.write_text(json.dumps(quick(document())), "utf-8")
        words = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(file),
            f"--url=http://127.0.0.1:{endpoint.port}",
            f"--header=Authorization: Bearer {endpoint.token}",
            "--checks=all",
            "--continue-on-failure",
            "--request-timeout=60",
            "--no-color",
        ]
        if options.same:
            words += ["--generation-deterministic", "--max-examples=2"]
        else:
            words += [f"--max-time={options.seconds}", "--max-examples=100000"]
        return subprocess.run(words, cwd=directory, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
