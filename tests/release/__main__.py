"""Judges what `make dist` has built: `make release`.

    python -m tests.release build/dist

Its metadata and the README as a package index shows it (``twine check --strict``); its contents, by
the rules of `contents`; and a second build, from another directory, at another time and with
another umask, gives the same bytes. That it installs and works on each Python, `make downstream`
sees. This runs in the environment of `make release`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import building, contents


def hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of the two files, by name."""
    files = [building.the_one(directory, pattern) for pattern in ("*.tar.gz", "*.whl")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def built_again() -> dict[str, str]:
    """The hashes of a second build."""
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "somewhere" / "else", Path(name) / "out"
        before = os.umask(0o077)
        try:
            building.copy(source)
            for path in source.rglob("*"):
                os.utime(path, (10**9, 10**9))
            building.build(source, out)
        finally:
            os.umask(before)
        return hashes(out)


def main() -> None:
    dist = Path(sys.argv[1]).absolute()
    sdist, wheel = (building.the_one(dist, pattern) for pattern in ("*.tar.gz", "*.whl"))
    tracked = building.tracked()
    wrong = [
        *contents.wrong_with_wheel(contents.in_wheel(wheel), tracked),
        *contents.wrong_with_sdist(contents.in_sdist(sdist), tracked),
    ]
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if checked.returncode:
        wrong.append(checked.stdout)
    first, second = hashes(dist), built_again()
    wrong += [
        f"two builds of {name} differ: {first[name]} and {second.get(name)}"
        for name in first
        if first[name] != second.get(name)
    ]
    if wrong:
        sys.exit("\n".join(wrong))
    for file in (sdist, wheel):
        size = f"{file.stat().st_size / 1e6:.1f} MB"
        sys.stdout.write(f"{first[file.name]}  {file.name}, {size}\n")


if __name__ == "__main__":
    main()
