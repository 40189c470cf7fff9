"""Searches in several processes. Each begins in a process of its own: beside the threads that the
process of a test may have, nothing is forked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def search(jobs: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.search.processes", str(jobs)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=-1).stdout)
    return found


def test_the_report_is_the_same_whichever_process_is_first() -> None:
    one, two, three = (search(jobs) for jobs in (1, 2, 3))
    assert one["report"] == two["report"] == three["report"]
    assert not one["forked"]
    assert two["forked"] == three["forked"] == (sys.platform == "linux")
