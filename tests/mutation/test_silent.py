"""What only readers and type checkers read is not changed; all that runs is."""

import ast

import pytest

from .silent import silent_places

CODE = """\
from typing import overload, TYPE_CHECKING
__all__ = ["a" + "b"]
LIMIT = 2 * 3
Pair = tuple[int, int] | None
if TYPE_CHECKING:
    import zkdict + 1
class Reads(Protocol):
    def read(self, n: int = 1) -> int: ...
@dataclass(slots=True, order=True)
class Real:
    size: int | None = 5
    @overload
    def get(self, key: str, default: int = 3) -> int | None: ...
    @property
    def get(self, key: str | None = None, *, n: int = -1) -> int | None:
        if not key:
            return n + 1
        return None
""".replace("import zkdict + 1", "zkdict + 1")
RUNS = [
    "order=True",
    "2 * 3",
    "= 5",
    "@property",
    "None, *",
    "-1",
    "not key",
    "n + 1",
    "return None",
]
SILENT = [
    "if TYPE_CHECKING:",
    "slots=True",
    '"a" + "b"',
    "int] | None",
    "zkdict + 1",
    "n: int = 1",
    "int | None = 5",
    "@overload",
]
SILENT += ["int = 3", "int | None: ...", "str | None = None", "int | None:\n"]


@pytest.mark.parametrize("text", RUNS + SILENT)
def test_a_place(text: str) -> None:
    before = CODE[: CODE.index(text)]
    place = before.count("\n") + 1, len(before.rpartition("\n")[2])
    silent = any(first <= place < last for first, last in silent_places(ast.parse(CODE)))
    assert silent is (text in SILENT)
