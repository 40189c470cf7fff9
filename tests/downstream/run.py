"""Runs this project as somebody who installed the package would: `make downstream`.

For each Python of the machine: the wheel of this clone, with its extras, in an empty environment;
this directory copied to a place of its own, with nothing of the clone on the path. Then the ways
to run it: in order, and in random order over four processes, without Java in reach and with
warnings as errors; where there is a live server, on live, and on both.

    python tests/downstream/run.py .venv-downstream [--only 3.11] [--lowest] [--no-live]

``--lowest`` installs the oldest versions that the wheel's metadata allows.
"""

from __future__ import annotations

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

from interpreters import offered  # noqa: E402  # a script beside this one

EXTRAS = ("pytest", "simulation", "hypothesis")
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


def lowest(wheel: Path) -> list[str]:
    """``name==version`` for every lower bound of what the extras want."""
    found = []
    for requirement in metadata(wheel).get_all("Requires-Dist") or []:
        wanted, _, condition = requirement.partition(";")
        extra = re.search(r"extra == ['\"](\w[\w-]*)['\"]", condition)
        bound = re.match(r"\s*([\w.-]+)[^>]*>=\s*([\w.]+)", wanted)
        if bound and (extra is None or extra[1] in EXTRAS):
            found.append(f"{bound[1]}=={bound[2]}")
    return found


def install(python: str, environment: Path, wheel: Path, *, oldest: bool) -> str:
    """An empty environment with the wheel in it; its interpreter."""
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    inside = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
    provided = metadata(wheel).get_all("Provides-Extra") or []
    extras = ",".join(extra for extra in EXTRAS if extra in provided)
    pip = [inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    more = lowest(wheel) if oldest else []
    subprocess.run([*pip, f"{wheel}[{extras}]", *more, *WITH], check=True)
    return inside


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
    parser.add_argument("--lowest", action="store_true", help="the oldest versions allowed")
    parser.add_argument("--no-live", action="store_true", help="on the fake only")
    options = parser.parse_args()
    pythons = {sys.version_info[:2]: sys.executable, **offered()}
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
            inside = install(python, environment, wheel, oldest=options.lowest)
            run(inside, project, *BARE, java=False)
            run(inside, project, *SHUFFLED, "-n4", java=False)
            if live:
                run(inside, project, *BARE, "--zk-backend=live", "--zk-require-live", java=True)
                run(inside, project, *SHUFFLED, "--zk-backend=both", java=True)
            shutil.rmtree(environment)


if __name__ == "__main__":
    main()
