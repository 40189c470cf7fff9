"""What may be in the wheel and in the source distribution, and what has to be.

The rules that live here:

- The wheel has every tracked file of the three packages, the metadata, and nothing else: no test,
  no file that was left in the tree. Each package says that it is typed.
- The source distribution has every tracked file but those whose path begins with a dot, and its
  metadata: whoever has it can run the tests and read the pages.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("pytest_zkdict", "zkdict", "zkfake")
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
BACKENDS_OWN = {".gitignore", "PKG-INFO"}
"""What hatchling puts into every source distribution."""


def in_wheel(wheel: Path) -> set[str]:
    """The names of the files in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def in_sdist(sdist: Path) -> set[str]:
    """The names of the files in it, below its one directory."""
    with tarfile.open(sdist) as archive:
        return {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}


def wrong_with_wheel(found: set[str], tracked: set[str]) -> list[str]:
    """A sentence for each file too many or too few."""
    metadata = {re.sub(r"^[^/]+\.dist-info/", "", name) for name in found if ".dist-info/" in name}
    files = {name for name in found if ".dist-info/" not in name}
    wanted = {name for name in tracked if name.partition("/")[0] in PACKAGES}
    typed = {f"{package}/py.typed" for package in PACKAGES}
    return [
        *_differences("the wheel", files, wanted | typed),
        *_differences("the wheel's metadata", metadata, METADATA),
    ]


def wrong_with_sdist(found: set[str], tracked: set[str]) -> list[str]:
    """A sentence for each file too many or too few."""
    wanted = {name for name in tracked if not name.startswith(".")}
    return _differences("the source distribution", found - BACKENDS_OWN, wanted)


def _differences(what: str, found: set[str], wanted: set[str]) -> list[str]:
    return [
        *(f"{name} is not in {what}" for name in sorted(wanted - found)),
        *(f"{name} is in {what}, and should not be" for name in sorted(found - wanted)),
    ]
