"""Builds the source distribution of this clone, and from it the wheel: `make dist`.

    python -m tests.release.building build/dist

Built is a copy of what is tracked, or would be: nothing else that lies in the tree gets in. This
runs in the environment of `make release`, which has the backend: that what pyproject.toml says of
it is enough, each editable installation sees.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked() -> set[str]:
    """The files that git has, and the new ones that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
    return {name for name in names if (ROOT / name).is_file()}


def copy(directory: Path) -> None:
    """The tracked files, with the times of now."""
    for name in tracked():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def build(source: Path, out: Path) -> None:
    """The source distribution of a copy, and from it the wheel."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run(
        [*command, str(source)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout)


def the_one(directory: Path, pattern: str) -> Path:
    (path,) = directory.glob(pattern)
    return path


def main() -> None:
    out = Path(sys.argv[1]).absolute()
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "zkdict"
        copy(source)
        build(source, out)


if __name__ == "__main__":
    main()
