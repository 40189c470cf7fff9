"""`make coverage` counts what runs in the tasks of a simulation, and in the processes of tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).parents[1]

TASKS = """\
import subprocess
import sys
from zkfake.simulation import Simulation

def slow(sim, left):
    before = sim.now
    sim.sleep(1)
    if left:
        slow(sim, left - 1)
    after = sim.now
    return after - before

with Simulation() as sim:
    tasks = [sim.spawn(slow, sim, left) for left in range(3)]
    assert [task.result() for task in tasks] == [1, 2, 3]
subprocess.run([sys.executable, "-c", "import zkfake._cli"], check=True)
"""

STUCK = """\
import threading
from zkfake.simulation import Simulation

lock = threading.Lock()
lock.acquire()
with Simulation(watchdog=0.2) as sim:
    sim.spawn(lock.acquire, name="stuck")
    sim.sleep(1)
"""


def _run(program: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Under coverage.py with the project's configuration; the program is measured as well."""
    file = directory / "program.py"
    file.write_text(program)
    data = f"--data-file={directory / '.coverage'}"
    configuration = f"--rcfile={ROOT / 'pyproject.toml'}"
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "coverage",
            "run",
            configuration,
            data,
            f"--source={directory}",
            file,
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def _lines(directory: Path, name: str) -> set[int]:
    """The lines of the file of this name that any of the processes ran."""
    found: set[int] = set()
    for file in directory.glob(".coverage*"):
        data = CoverageData(str(file))
        data.read()
        for measured in data.measured_files():
            if Path(measured).parts[-len(Path(name).parts) :] == Path(name).parts:
                found.update(data.lines(measured) or ())
    return found


def test_the_lines_of_tasks_and_of_child_processes_are_counted(tmp_path: Path) -> None:
    done = _run(TASKS, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    everything = {number for number, line in enumerate(TASKS.splitlines(), 1) if line}
    assert _lines(tmp_path, "program.py") == everything
    assert _lines(tmp_path, "zkfake/_simulation/scheduling/scheduler.py")
    assert _lines(tmp_path, "zkfake/_cli/process.py")


def test_the_watchdog_bites_under_coverage(tmp_path: Path) -> None:
    done = _run(STUCK, tmp_path)
    assert done.returncode == 1
    assert "SimulationBlocked: stuck has blocked the thread" in done.stderr
