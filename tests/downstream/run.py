"""Runs this project as somebody who installed the package would: `make downstream`.

For each Python of the machine: the wheel of this clone, with its extras, in an empty environment;
this directory copied to a place of its own, with nothing of the clone on the path. Then the ways
to run it: in order, and in random order over four processes, without Java in reach and with
warnings as errors; where there is a live server, on live, and on both.

    python tests/downstream/run.py .venv-downstream [--only 3.11 | --one] [--lowest] ...

``--lowest`` installs the oldest versions that the wheel's metadata allows.
"""

from __future__ import annotations

import argparse
import email
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

from interpreters import offered  # noqa: E402  # a script beside this one

EXTRAS = ("pytest", "simulation", "hypothesis")
NAMES = ("kazoo", "pytest", "hypothesis", "greenlet")
WITH = ("pytest-xdist", "pytest-random-order")
BARE = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:random_order")
SHUFFLED = ("-p", "no:cacheprovider", "--random-order-bucket=global")


def build(directory: Path) -> Path:
    """The wheel of this clone."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(directory), str(ROOT)], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def lowest(wheel: Path, version: str) -> list[str]:
    """``name==version`` for every lower bound of what the extras want on this Python."""
    found = []
    for text in metadata(wheel).get_all("Requires-Dist") or []:
        wanted = Requirement(text)
        on = [{"extra": extra, "python_version": version} for extra in ("", *EXTRAS)]
        if wanted.marker is None or any(map(wanted.marker.evaluate, on)):
            bounds = [each.version for each in wanted.specifier if each.operator == ">="]
            found += [f"{wanted.name}=={bound}" for bound in bounds]
    return found


def install(python: str, environment: Path, wheel: Path, more: list[str]) -> str:
    """An empty environment with the wheel, and ``more``, in it; its interpreter."""
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    inside = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
    provided = metadata(wheel).get_all("Provides-Extra") or []
    extras = ",".join(extra for extra in EXTRAS if extra in provided)
    pip = [inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, f"{wheel}[{extras}]", *more, *WITH], check=True)
    return inside


def versions(python: str) -> str:
    """What is installed there, of what matters."""
    program = (
        "from importlib.metadata import version\n"
        f"print(*(f'{{name}} {{version(name)}}' for name in {NAMES}), sep=', ')"
    )
    said = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True)
    return said.stdout.strip()


def without_java(directory: Path) -> dict[str, str]:
    """An environment in which no Java is found, and no setting of ours."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ZK", "ZOOKEEPER", "PYTEST", "PYTHON", "JAVA_HOME", "CI"))
    }
    variables["PATH"] = str(directory)
    return variables


def run(python: str, project: Path, *arguments: str, java: bool) -> None:
    variables = without_java(project / "no-programs")
    if java:
        variables["PATH"] = os.environ["PATH"]
        for name in ("JAVA_HOME", "ZOOKEEPER_HOME"):
            if name in os.environ:
                variables[name] = os.environ[name]
    began = time.monotonic()
    done = subprocess.run(
        [python, "-m", "pytest", "-q", *arguments],
        cwd=project,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    said = done.stdout.strip().splitlines()
    sys.stdout.write(f"  {' '.join(arguments)}: {said[-1] if said else 'nothing'}\n")
    sys.stdout.flush()
    if done.returncode:
        sys.exit(f"{done.stdout}\nfailed after {time.monotonic() - began:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the downstream project from the wheel.")
    parser.add_argument("environments", type=Path, help="where they go: PREFIX-3.10 and so on")
    parser.add_argument("--only", action="append", metavar="X.Y", help="this Python; repeatable")
    parser.add_argument("--one", action="store_true", help="the Python that runs this, no other")
    parser.add_argument("--lowest", action="store_true", help="the oldest versions allowed")
    parser.add_argument("--in-order", action="store_true", help="no run in random order")
    parser.add_argument("--no-live", action="store_true", help="on the fake only")
    options = parser.parse_args()
    pythons = {sys.version_info[:2]: sys.executable, **({} if options.one else offered())}
    wanted = {f"{major}.{minor}": path for (major, minor), path in sorted(pythons.items())}
    if options.only:
        wanted = {version: wanted[version] for version in options.only}
    live = not options.no_live and shutil.which("java") is not None
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        wheel = build(directory)
        for version, python in wanted.items():
            project = directory / f"project-{version}"
            shutil.copytree(HERE, project, ignore=shutil.ignore_patterns("run.py", "__pycache__"))
            environment = options.environments.absolute()
            environment = environment.with_name(f"{environment.name}-{version}")
            sys.stdout.write(f"Python {version}{', lowest versions' * options.lowest}\n")
            more = lowest(wheel, version) if options.lowest else []
            inside = install(python, environment, wheel, more)
            sys.stdout.write(f"  {versions(inside)}\n")
            run(inside, project, *BARE, java=False)
            if not options.in_order:
                run(inside, project, *SHUFFLED, "-n4", java=False)
            if live:
                run(inside, project, *BARE, "--zk-backend=live", "--zk-require-live", java=True)
                order = BARE if options.in_order else SHUFFLED
                run(inside, project, *order, "--zk-backend=both", java=True)
            shutil.rmtree(environment)


if __name__ == "__main__":
    main()
