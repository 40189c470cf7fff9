"""Runs tests in a copy of the project, in a process of their own that has much imported already.

Rules that live here: the first test that fails ends the run, and so does one that hangs; a run
that takes longer than its limit though no test hangs has found nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, NoReturn

# The children find these, which take most of the time of a start, imported.
import hypothesis  # noqa: F401
import kazoo.client  # noqa: F401
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LATE = "not found within the limit"
_PLAIN = ("-x", "-q", "-ra", "--tb=no", "-p", "no:cacheprovider")
_ARGUMENTS = (*_PLAIN, "-W", "ignore::pytest.PytestAssertRewriteWarning")


def trial(copy: Path, tests: Sequence[str], backend: str, hangs: float, limit: float) -> str:
    """Which test fails first; "" if none does, `LATE` if time is over before one does.

    `hangs`, `limit`: seconds after which a test hangs, and the run is over.
    """
    assert tests
    output = copy.parent / "output.txt"
    child = os.fork()
    if not child:
        _run(copy, ["--zk-backend", backend, *tests], str(output), hangs)
    deadline = time.monotonic() + limit
    while not (status := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return LATE
        time.sleep(0.05)
    if not os.waitstatus_to_exitcode(status[1]):
        return ""
    said = output.read_text("utf-8", "replace")
    if "Timeout (" in said:
        return "a test that hangs"
    failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0][:160] if failed else f"it ends: {said.strip()[-160:]!r}"


def _run(copy: Path, arguments: Sequence[str], output: str, hangs: float) -> NoReturn:
    """What the child does."""
    os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(copy)
    # The same examples each time. Processes that tests start find the copy, too.
    os.environ |= {"CI": "true", "TEST_LIMIT": str(hangs), "PYTHONPATH": str(copy)}
    sys.path[0] = str(copy)
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    status = 3
    try:
        status = int(pytest.main([*_ARGUMENTS, *arguments]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)
