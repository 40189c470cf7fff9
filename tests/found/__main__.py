# ruff: noqa: T201  it is a command
"""Runs the programs of docs/found.md as they are printed there: `make found`.

Each library is installed in an environment of its own, in the version that the page names, beside
this clone. Then each program runs, and what it prints is compared with what the page says.

    python -m tests.found build/found [--only WORDS] [--write]

``--only`` takes the programs whose library or file has these words, ``--write`` writes what is
printed into the page.
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from .page import PAGE, Program, read, rewritten, shown

ROOT = Path(__file__).parents[2]
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:xdist")
LIMIT = 1800
"""Seconds for one program."""


def environment(directory: Path, install: tuple[str, ...]) -> Path | None:
    """An interpreter that has this clone and ``install``; ``None`` where pip could not do it."""
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = directory / "installed.txt"
    wanted = "\n".join((sys.version, *install))
    if done.exists() and done.read_text("utf-8") == wanted:
        return python
    venv.create(directory, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    result = subprocess.run([*pip, "--editable", f"{ROOT}[pytest]", *install], check=False)
    if result.returncode:
        return None
    done.write_text(wanted, "utf-8")
    return python


def printed(python: Path, program: Program) -> tuple[str, ...]:
    """What the program prints, as the page shows it."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, program.name).write_text(program.text, "utf-8")
        command = [str(python), "-m", "pytest", *OPTIONS, program.name]
        result = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=LIMIT
        )
    if result.returncode != 1:  # it is to fail: pytest found no failing test, or no test at all
        return (f"$ pytest {program.name}", *result.stdout.splitlines()[-5:])
    return shown(result.stdout.splitlines(), program.name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.found", allow_abbrev=False)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    status = 0
    for program in read(PAGE.read_text("utf-8")):
        if chosen.only not in f"{program.library} {program.name}":
            continue
        # One for each library: it is emptied for another version.
        library = program.library.split()[0].rstrip(",").lower()
        python = environment(chosen.directory.absolute() / library, program.install)
        told = program.told
        if python is None:
            verdict, lines = "could not be installed", told
        else:
            lines = printed(python, program)
            verdict = "fails as told" if lines == told else "prints something else"
        print(f"{program.library:32}{program.name:32}{verdict}", flush=True)
        if verdict != "fails as told":
            status = 1
            print("\n".join(difflib.unified_diff(told, lines, "page", "now", lineterm="")))
        if chosen.write:
            page = PAGE.read_text("utf-8")
            PAGE.write_text(rewritten(page, program.name, lines), "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
