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
import hypothesis.stateful  # noqa: F401
import kazoo.client
import kazoo.recipe.watchers  # noqa: F401
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LATE = "not found within the limit"
HANGS = "hangs: "
_ARGUMENTS = ("-x", "-q", "-ra", "--tb=no", "-p", "no:cacheprovider")

# pytest would warn, in the runs within tests as well, that it cannot rewrite what is imported.
for _name, _module in list(sys.modules.items()):
    if _name.partition(".")[0] in ("hypothesis", "_hypothesis_pytestplugin", "_hypothesis_globals"):
        _module.__doc__ = f"{_module.__doc__}\nPYTEST_DONT_REWRITE"


def last_test(copy: Path) -> str:
    """The id of the test that the last trial began last: the one that failed."""
    return (copy.parent / "begun.txt").read_text("utf-8")


def trial(copy: Path, tests: Sequence[str], backend: str, hangs: float, limit: float) -> str:
    """Which test fails first; "" if none does, `LATE` if time is over before one does.

    `tests`: files, or ids of tests, in order; ids that the mutant has changed are not run.
    `hangs`, `limit`: seconds after which a test hangs, and the run is over.
    """
    assert tests
    output = copy.parent / "output.txt"
    child = os.fork()
    if not child:
        _run(copy, tests, backend, str(output), hangs)
    deadline = time.monotonic() + limit
    while not (status := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return LATE
        time.sleep(0.05)
    code = os.waitstatus_to_exitcode(status[1])
    if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return ""
    said = output.read_text("utf-8", "replace")
    if "Timeout (" in said:
        return f"{HANGS}{last_test(copy)}"
    failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0][:160] if failed else f"it ends: {said.strip()[-160:]!r}"


class _Chosen:
    """Takes the tests of a list, in its order."""

    def __init__(self, tests: Sequence[str], begun: Path) -> None:
        self._places = {test: place for place, test in enumerate(tests)}
        self._begun = begun

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places = self._places
        if any("::" in test for test in places):
            chosen = [item for item in items if item.nodeid in places]
            items[:] = sorted(chosen, key=lambda item: places[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._begun.write_text(nodeid, "utf-8")


def _run(copy: Path, tests: Sequence[str], backend: str, output: str, hangs: float) -> NoReturn:
    """What the child does."""
    os.setpgid(0, 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(copy)
    # The same examples each time. Processes that tests start find the copy, too.
    os.environ |= {"CI": "true", "TEST_LIMIT": str(hangs), "PYTHONPATH": str(copy)}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False  # compiling everything anew takes longer than most tests
    sys.path[0] = str(copy)
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    status = 3
    try:
        chosen = _Chosen(tests, copy.parent / "begun.txt")
        status = int(pytest.main([*_ARGUMENTS, "--zk-backend", backend, *files], [chosen]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)
