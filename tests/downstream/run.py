"""Runs this project as somebody who installed the package would: `make downstream`.

For each Python of the machine: the wheel that `make dist` has built, in an empty environment. First
alone: `pip check` is content, and `make demo`'s program runs. Then with its extras: the README's
example passes, on the fake and in virtual time. Then this directory, copied to a place of its own,
with nothing of the clone on the path, and the ways to run it: in order, and in random order over
four processes, without Java in reach and with warnings as errors; where there is a live server, on
live, and on both.

    python tests/downstream/run.py build/dist .venv-downstream [--only 3.11 | --one] [--lowest] ...

``--one`` runs this directory on the Python that runs this, and on the others what comes before.
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


def empty(python: str, environment: Path) -> str:
    """An empty environment, without a pip: that of this one fills it. Its interpreter."""
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([python, "-m", "venv", "--without-pip", str(environment)], check=True)
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")


def pip(inside: str, *arguments: str) -> None:
    """Run pip on the environment of an interpreter."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*command, "--python", inside, *arguments], check=True)


def extras(wheel: Path, *wanted: str) -> str:
    """The wheel with those of the extras that it has."""
    provided = metadata(wheel).get_all("Provides-Extra") or []
    return f"{wheel}[{','.join(extra for extra in wanted if extra in provided)}]"


def try_out(inside: str, directory: Path, wheel: Path, more: list[str]) -> None:
    """The wheel alone, then what the README shows first."""
    directory.mkdir()
    pip(inside, "install", str(wheel), *more)
    pip(inside, "check")
    demo = shutil.copy(ROOT / "examples" / "demo.py", directory)
    said = subprocess.run(
        [inside, "-I", "-W", "error", demo],
        cwd=directory,
        env=without_java(directory),
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    ).stdout
    if "there: " not in said:
        sys.exit(f"the demo says\n{said}")
    pip(inside, "install", extras(wheel, "pytest"), *more)
    pip(inside, "check")
    readme = (ROOT / "README.md").read_text("utf-8")
    files = re.findall(r"`(\w+\.py)`[^\n]*:\n\n```python\n(.*?)```", readme, re.DOTALL)
    for name, text in files:
        (directory / name).write_text(text, "utf-8")
    for backend in ("fake", "simulation"):
        run(inside, directory, "-p", "no:cacheprovider", f"--zk-backend={backend}", java=False)


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
    parser.add_argument("dist", type=Path, help="where the wheel is")
    parser.add_argument("environments", type=Path, help="where they go: PREFIX-3.10 and so on")
    parser.add_argument("--only", action="append", metavar="X.Y", help="this Python; repeatable")
    parser.add_argument("--one", action="store_true", help="the whole on this Python alone")
    parser.add_argument("--lowest", action="store_true", help="the oldest versions allowed")
    parser.add_argument("--in-order", action="store_true", help="no run in random order")
    parser.add_argument("--no-live", action="store_true", help="on the fake only")
    options = parser.parse_args()
    pythons = {sys.version_info[:2]: sys.executable, **offered()}
    wanted = {f"{major}.{minor}": path for (major, minor), path in sorted(pythons.items())}
    if options.only:
        wanted = {version: wanted[version] for version in options.only}
    live = not options.no_live and shutil.which("java") is not None
    (wheel,) = options.dist.absolute().glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for version, python in wanted.items():
            sys.stdout.write(f"Python {version}{', lowest versions' * options.lowest}\n")
            environment = options.environments.absolute()
            environment = environment.with_name(f"{environment.name}-{version}")
            more = lowest(wheel, version) if options.lowest else []
            inside = empty(python, environment)
            try_out(inside, directory / f"readme-{version}", wheel, more)
            if python == sys.executable or not options.one:
                pip(inside, "install", extras(wheel, *EXTRAS), *more, *WITH)
                sys.stdout.write(f"  {versions(inside)}\n")
                project = directory / f"project-{version}"
                ignored = shutil.ignore_patterns("run.py", "__pycache__")
                shutil.copytree(HERE, project, ignore=ignored)
                whole(inside, project, in_order=options.in_order, live=live)
            shutil.rmtree(environment)


def whole(inside: str, project: Path, *, in_order: bool, live: bool) -> None:
    """Every way to run this directory."""
    run(inside, project, *BARE, java=False)
    if not in_order:
        run(inside, project, *SHUFFLED, "-n4", java=False)
    if live:
        run(inside, project, *BARE, "--zk-backend=live", "--zk-require-live", java=True)
        order = BARE if in_order else SHUFFLED
        run(inside, project, *order, "--zk-backend=both", java=True)


if __name__ == "__main__":
    main()
