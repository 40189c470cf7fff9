"""The README's example is what a reader pastes: it has to run as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_complete_example_runs_on_the_fake(pytester: pytest.Pytester) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in zip(("shop", "conftest", "test_shop"), blocks, strict=True):
        pytester.makepyfile(**{name: text})
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--zk-backend", "fake")
    result.assert_outcomes(passed=1)
