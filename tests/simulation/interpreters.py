"""Makes an environment with the simulation in it for every other Python of this machine.

`python tests/simulation/interpreters.py .venv` makes `.venv-3.12` and so on, once, and prints their
interpreters as `ZKFAKE_PYTHONS` wants them. A Python that cannot have one is named on standard
error: it is one that the machine does not offer.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSIONS = [(3, minor) for minor in range(10, 15)]


def offered() -> dict[tuple[int, int], str]:
    """One interpreter of each supported version but this one: those on the PATH, then pyenv's."""
    on_path = (shutil.which(f"python3.{minor}") for _, minor in VERSIONS)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found: dict[tuple[int, int], str] = {}
    for python in itertools.chain(on_path, pyenv.glob("versions/3.*/bin/python")):
        if python is None:
            continue
        asked = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if asked.returncode == 0:  # pyenv puts names on the PATH that start nothing
            major, minor = map(int, asked.stdout.split())
            found.setdefault((major, minor), str(python))
    return {v: found[v] for v in VERSIONS if v in found and v != sys.version_info[:2]}


def installed(python: str, environment: Path) -> str | None:
    """The interpreter of the environment, made if it is not there or older than pyproject.toml."""
    inside = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
    done = environment / ".done"
    if not done.exists() or done.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        try:
            for command in (
                [python, "-m", "venv", "--without-pip", str(environment)],
                [*pip, "--python", inside, "install", "-e", ".[simulation]"],
            ):
                subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
        except (subprocess.CalledProcessError, OSError) as error:
            sys.stderr.write(f"{python} is left out: {error}\n")
            return None
        done.touch()
    return inside


def main() -> None:
    prefix = Path(sys.argv[1]).absolute()
    made = [
        installed(python, prefix.with_name(f"{prefix.name}-{major}.{minor}"))
        for (major, minor), python in offered().items()
    ]
    sys.stdout.write(os.pathsep.join(each for each in made if each) + "\n")


if __name__ == "__main__":
    main()
