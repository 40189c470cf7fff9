"""The page of what the fake supports is the one its tables make."""

from pathlib import Path

import pytest

from zkfake import _support_matrix as support_matrix
from zkfake._protocol.operations import OPERATIONS
from zkfake._settings import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "support_matrix.md"


def test_the_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert support_matrix.main(["--check", str(PAGE)]) == 0, capsys.readouterr().err


def test_the_page_lists_every_operation_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert support_matrix.main([]) == 0
    printed = capsys.readouterr().out
    for name in [*(row.name for row in OPERATIONS.values()), *NAMES]:
        assert f"| `{name}` |" in printed


def test_a_page_that_is_not_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("old", "utf-8")
    assert support_matrix.main(["--check", str(page)]) == 1
    assert f"run: python -m zkfake._support_matrix --write {page}" in capsys.readouterr().err
    assert support_matrix.main(["--write", str(page)]) == 0
    assert support_matrix.main(["--check", str(page)]) == 0
