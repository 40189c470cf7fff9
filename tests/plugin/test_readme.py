"""The README's example is what a reader pastes: it has to run as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_complete_example_runs_on_the_fake(pytester: pytest.Pytester) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in zip(("shop", "conftest", "test_shop"), blocks, strict=True):
        pytester.makepyfile(**{name: text})
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--zk-backend", "fake")
    result.assert_outcomes(passed=1)


def test_on_a_package_index_no_link_is_dead() -> None:
    """What the build makes of the README: links to files become the names of these files, which the
    source distribution has.
    """
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pattern, replacement = (
        re.findall(rf"^{key} = '(.*)'$", project, re.MULTILINE)
        for key in ("pattern", "replacement")
    )
    readme = README.read_text(encoding="utf-8")
    files = {link for link in re.findall(r"\]\(([^)#]+)", readme) if "//" not in link}
    assert files >= {"docs/zkdict.md", "docs/zkfake.md", "docs/pytest.md", "CONTRIBUTING.md"}
    shown = re.sub(*pattern, *replacement, readme)
    assert "](" not in re.sub(r"\]\(https?://", "", shown)
    included = re.search(r"sdist\]\ninclude = \[(.*)\]", project)
    assert included is not None
    for file in files:
        assert f"(`{file}`)" in shown
        assert (ROOT / file).is_file()
        assert f'"{file.split("/")[0]}"' in included[1]


def test_the_report_is_that_of_the_tutorial() -> None:
    """Whose own test compares what is printed."""
    (report,) = re.findall(r"```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in report.splitlines() if line not in tutorial] == []
