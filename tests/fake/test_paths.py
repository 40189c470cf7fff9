"""Path rules, against the rule as the programmer's guide and the server's source put it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zkfake._database.paths import ancestors, is_valid, split


def allowed(path: str) -> bool:
    """The rule, said slowly: over UTF-16 code units, as Java has it."""
    encoded = path.encode("utf-16-be", "surrogatepass")
    units = [encoded[at] << 8 | encoded[at + 1] for at in range(0, len(encoded), 2)]
    if not units or units[0] != ord("/"):
        return False
    if len(units) == 1:
        return True
    if units[-1] == ord("/"):
        return False
    for unit in units:
        if unit <= 0x1F or 0x7F <= unit <= 0x9F:
            return False
        if 0xD800 <= unit <= 0xF8FF or 0xFFF0 <= unit <= 0xFFFF:
            return False
    return not any(name in ("", ".", "..") for name in path[1:].split("/"))


NASTY = st.sampled_from(
    "/.a \0\u0001\u001f\u007e\u007f\u0080\u009f\u00a0\ud7ff\ud800\udfff\ue000"
    "\uf8ff\uf900\ufeff\uffef\ufff0\uffff\U00010000\U0010ffff\u00e9\u2603"
)
PATHS = st.one_of(
    st.text(),
    st.text().map("/".__add__),
    st.lists(NASTY, max_size=8).map("".join),
    st.lists(NASTY, max_size=8).map(lambda parts: "/" + "".join(parts)),
    st.lists(st.sampled_from(["", ".", "..", "...", ".x", "x..", "a"])).map(
        lambda names: "/" + "/".join(names)
    ),
)


@given(PATHS)
@example("")
@example("/")
@example("//")
@example("/a/")
@example("/a\n")
@example("/a/b.c-d_e")
def test_valid_paths_are_those_of_the_rule(path: str) -> None:
    assert is_valid(path) == allowed(path)


def test_every_character_of_the_basic_plane() -> None:
    for code in range(0x10000):
        for path in ("/" + chr(code), f"/a{chr(code)}b/c"):
            assert is_valid(path) == allowed(path), hex(code)


def test_null_is_no_path() -> None:
    assert not is_valid(None)


@pytest.mark.parametrize(
    ("path", "parent", "name"),
    [("/a", "/", "a"), ("/a/b", "/a", "b"), ("/", "/", ""), ("/a/", "/a", ""), ("a/b", "a", "b")],
)
def test_split(path: str, parent: str, name: str) -> None:
    assert split(path) == (parent, name)


@given(st.lists(st.text("ab", min_size=1), max_size=6))
def test_ancestors_go_up_to_the_root(names: list[str]) -> None:
    path = "/" + "/".join(names)
    expected = ["/" + "/".join(names[:length]) for length in range(len(names), -1, -1)]
    assert ancestors(path) == list(dict.fromkeys(expected))
