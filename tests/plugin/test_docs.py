"""The pages about the plugin: every example runs as it stands, every planted bug is found.

The rules of a page: a block of Python that begins with the name of a file is that file. The files
between two headings are one project. A block of ``diff`` there is a bug to plant in it; the lines
after it, which begin with ``E``, are what the test says then. ``tests/downstream`` has some of the
files, too: they are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from pytest_zkdict.stateful import ZooKeeperDictMachine

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOWNSTREAM = ROOT / "tests" / "downstream"
PAGES = sorted(DOCS.glob("pytest*.md"))
QUIET = ("-p", "no:cacheprovider", "-p", "no:xdist", "-Werror")

_BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")


@dataclass
class Example:
    """What one section of a page shows."""

    files: dict[str, str] = field(default_factory=dict)
    bug: tuple[str, str] | None = None
    says: list[str] = field(default_factory=list)


def _examples() -> dict[str, Example]:
    found = {}
    for page in PAGES:
        for section in re.split(
            r"^(?=#+ (?!\w+\.py$))", page.read_text("utf-8"), flags=re.MULTILINE
        ):
            example = Example()
            for kind, text in _BLOCK.findall(section):
                named = _FILE.match(text)
                if kind == "python" and named:
                    example.files[named[1]] = text
                elif kind == "diff":
                    old, new = (
                        "".join(line[1:] for line in text.splitlines(True) if line[0] == sign)
                        for sign in "-+"
                    )
                    example.bug = old, new
            if example.bug:
                _, _, after = section.partition("```diff")
                example.says = re.findall(r"^    (E .*)$", after, re.MULTILINE)
            if any(name.startswith("test_") for name in example.files):
                found[f"{page.stem}: {section.splitlines()[0].lstrip('# ')}"] = example
    return found


EXAMPLES = _examples()
BUGS = {
    name: example
    for name, example in EXAMPLES.items()
    if example.bug and not name.startswith("pytest_explained")
}
# These are about tests that fail; see test_docs_failures.py and test_planted.py.
FAILING = ("pytest_failures", "pytest_explained")
PASSING = {name: each for name, each in EXAMPLES.items() if not name.startswith(FAILING)}


def _run(pytester: pytest.Pytester, page: str, files: dict[str, str]) -> pytest.RunResult:
    backend = "simulation" if page.startswith("pytest_virtual_time") else "fake"
    for name, text in files.items():
        (pytester.path / name).write_text(text, "utf-8")
    pytester.syspathinsert()
    return pytester.runpytest_inprocess(*QUIET, f"--zk-backend={backend}")


@pytest.mark.parametrize("name", PASSING)
def test_an_example_passes(
    name: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An example of this machine takes half a second: `make hunt` runs it as long as one likes.
    case = ZooKeeperDictMachine.TestCase
    monkeypatch.setattr(case, "settings", settings(case.settings, max_examples=15))
    result = _run(pytester, name, PASSING[name].files)
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}, outcomes


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, pytester: pytest.Pytester) -> None:
    example = BUGS[name]
    assert example.bug
    old, new = example.bug
    (planted,) = (name for name, text in example.files.items() if old in text)
    files = {**example.files, planted: example.files[planted].replace(old, new)}
    result = _run(pytester, name, files)
    assert result.parseoutcomes().get("failed") == 1
    assert example.says
    shown = [line.split() for line in result.outlines]
    for line in example.says:
        assert line.split() in shown, line


def test_there_are_five_bugs() -> None:
    assert len(BUGS) == 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_python_is_run(page: Path) -> None:
    for kind, text in _BLOCK.findall(page.read_text("utf-8")):
        assert kind == "diff" or _FILE.match(text), text
        if named := _FILE.match(text):
            assert any(text in example.files.values() for example in EXAMPLES.values()), named[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(#[^)]+)?\)", page.read_text("utf-8")):
        text = (page.parent / target if target else page).read_text("utf-8")
        titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        assert not anchor or anchor[1:] in anchors, f"{target}{anchor}"


def test_the_downstream_project_has_the_same_files() -> None:
    shown = {name: text for each in EXAMPLES.values() for name, text in each.files.items()}
    same = [
        path.name
        for path in DOWNSTREAM.glob("*.py")
        if path.read_text("utf-8") == shown.get(path.name)
    ]
    for bug in BUGS.values():
        assert set(bug.files) <= set(same)


def test_every_fixture_option_and_mark_is_told_of(pytestconfig: pytest.Config) -> None:
    from pytest_zkdict import fixtures

    text = (DOCS / "pytest_fixtures.md").read_text("utf-8")
    for name in fixtures.__all__:
        assert not name.startswith("zk_") or f"| `{name}` |" in text, name
    options = {option for option in vars(pytestconfig.option) if option.startswith("zk_")}
    assert len(options) > 10
    for option in options:
        assert f"| `--{option.replace('_', '-')}` | `{option}` |" in text, option
    for mark in pytestconfig.getini("markers"):
        name, _, arguments = mark.partition("(")
        if name.startswith("z"):
            assert name in text
            for argument in re.findall(r"(\w+)=", arguments.partition(")")[0]):
                assert f"{argument}=" in text, argument
