"""Keys: what is refused before it is sent, and that any text survives quoting."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdict.errors import InvalidKey
from zkdict.keys import MAX_NAME_BYTES, KeyCodec, validate_key

# Hypothesis leaves surrogates out of st.text() unless told otherwise.
any_text = st.text(st.characters(), max_size=40)
awkward = st.text(
    st.sampled_from("./%zoA1é\x00\x1f\x7f\x9f\ud800\udfff\ue000\uf8ff\uf900\ufeff\ufff0\uffff😀")
)


def server_accepts(name: str) -> bool:
    """The server's path rule for one component, over UTF-16 code units, written independently."""
    if name in ("", ".", ".."):
        return False
    raw = name.encode("utf-16-be", "surrogatepass")
    units = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
    return not any(
        unit == 0x2F
        or unit <= 0x1F
        or 0x7F <= unit <= 0x9F
        or 0xD800 <= unit <= 0xF8FF
        or unit >= 0xFFF0
        for unit in units
    )


def accepts(key: str) -> bool:
    try:
        validate_key(key)
    except InvalidKey:
        return False
    return True


@given(st.one_of(any_text, awkward))
def test_plain_keys_are_exactly_what_the_server_accepts(key: str) -> None:
    assert accepts(key) == server_accepts(key)


def test_every_single_character_is_judged_as_the_server_judges_it() -> None:
    wrong = [code for code in range(0x11000) if accepts(chr(code)) != server_accepts(chr(code))]
    assert not wrong


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "empty"),
        (".", "'.'"),
        ("..", "'..'"),
        ("a/b", "slash, which separates znodes, at index 1"),
        ("a\x00", "U+0000, a control character, at index 1"),
        ("\x85", "U+0085, a control character"),
        ("\ud83d", "U+D83D, a lone surrogate"),
        ("\ue000", "U+E000, a private-use character"),
        ("\uffff", "U+FFFF, a special character"),
        ("ab😀", "U+1F600, beyond U+FFFF"),
        ("\U00010000", "U+10000, beyond U+FFFF"),
        (1, "a key is a str, not int"),
        (b"a", "a key is a str, not bytes"),
        (None, "a key is a str, not NoneType"),
        ("é" * MAX_NAME_BYTES, f"{2 * MAX_NAME_BYTES} bytes"),
    ],
)
def test_the_error_says_what_is_wrong(key: object, said: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        validate_key(key)
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.key == key


@pytest.mark.parametrize("length", [59, 60, 61, 1000])
def test_the_error_shows_the_beginning_of_a_long_key(length: int) -> None:
    shown = f"'{'k' * (length - 2)}'"  # its repr
    known = shown if length <= 60 else f"'{'k' * 59}..."
    assert str(InvalidKey("k" * (length - 2), "why")) == f"{known} cannot be a key: why"


def test_what_quoting_would_solve_is_said_so() -> None:
    with pytest.raises(InvalidKey, match='key_encoding="quote"'):
        validate_key("a/b")


def test_zookeeper_is_the_servers_only_under_the_root() -> None:
    validate_key("zookeeper")
    with pytest.raises(InvalidKey, match="belongs to the server"):
        validate_key("zookeeper", at_root=True)
    with pytest.raises(InvalidKey):
        KeyCodec("plain", at_root=True).to_name("zookeeper")
    with pytest.raises(InvalidKey):
        KeyCodec("quote", at_root=True).from_name("zookeeper")
    assert KeyCodec("quote").to_name("zookeeper") == "zookeeper"
    codec = KeyCodec("quote", at_root=True)
    assert codec.from_name(codec.to_name("zookeeper")) == "zookeeper"


def test_validate_key_decorates_a_method_as_it_used_to() -> None:
    class Store:
        @validate_key
        def persist(self, key: str, value: int = 0) -> tuple[str, int]:
            """Its docstring."""
            return key, value

    assert Store().persist("a", value=1) == ("a", 1)
    assert Store.persist.__doc__ == "Its docstring."
    with pytest.raises(InvalidKey):
        Store().persist("a/b")


@given(st.one_of(any_text, awkward), st.booleans())
def test_any_text_survives_quoting(key: str, at_root: bool) -> None:
    codec = KeyCodec("quote", at_root=at_root)
    name = codec.to_name(key)
    validate_key(name, at_root=at_root)
    assert server_accepts(name)
    assert codec.from_name(name) == key


@given(st.one_of(any_text, awkward), st.one_of(any_text, awkward))
def test_two_keys_never_share_a_name(one: str, other: str) -> None:
    codec = KeyCodec("quote")
    assert (codec.to_name(one) == codec.to_name(other)) == (one == other)


@given(st.text(st.sampled_from("%2Ee41aFfDz.\u00e9")).filter(server_accepts))
def test_a_name_is_read_only_if_it_is_the_one_we_would_write(name: str) -> None:
    codec = KeyCodec("quote")
    try:
        key = codec.from_name(name)
    except InvalidKey:
        return
    assert codec.to_name(key) == name


@pytest.mark.parametrize("name", ["100%", "%41", "%2e", "%zz", "%C3%A9", "%FF", "%%", "a%", "%2E"])
def test_names_written_by_others(name: str) -> None:
    codec = KeyCodec("quote")
    if name == "%2E":
        assert codec.from_name(name) == "."
        return
    with pytest.raises(InvalidKey, match='key_encoding="quote" writes no such name'):
        codec.from_name(name)
    assert KeyCodec("plain").from_name(name) == name


def test_quoting_leaves_ordinary_names_alone() -> None:
    codec = KeyCodec("quote")
    for key in ["exchange_rate", "a.b", "...", "größe", "日本", "a b", "~", "zookeeper"]:
        assert codec.to_name(key) == key
    assert codec.to_name("a/b") == "a%2Fb"
    assert codec.to_name("") == "%"


@pytest.mark.parametrize("mode", ["plain", "quote"])
def test_a_name_that_is_too_long_is_refused(mode: str) -> None:
    codec = KeyCodec(mode)  # type: ignore[arg-type]
    codec.to_name("a" * MAX_NAME_BYTES)
    with pytest.raises(InvalidKey, match="32769 bytes"):
        codec.to_name("a" * (MAX_NAME_BYTES + 1))
    with pytest.raises(InvalidKey, match="not int"):
        codec.to_name(1)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'url'"):
        KeyCodec("url")  # type: ignore[arg-type]


def test_the_error_travels() -> None:
    error = InvalidKey("a/b", "a reason")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (twin.key, twin.reason, str(twin)) == ("a/b", "a reason", str(error))
