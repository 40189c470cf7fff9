"""Tree files: what is written is read back, and what is wrong is told with its place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from pytest_zkdict.stateful import paths
from zkfake import FakeZooKeeper
from zkfake._cli import main
from zkfake._control import seeding
from zkfake._database.log import CONTAINER
from zkfake._protocol.records import Acl
from zkfake._trees import files, formats
from zkfake._trees.entries import TreeFileError
from zkfake._trees.plain import EMPTY, PlainZnode

from ..support.core import World
from ..support.programs import first_line, posix, program

PAGE = Path(__file__).parents[2] / "docs" / "offline.md"

# -- what is written is read back

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
DATA = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "replace")),
    st.text("ab\n\r\t :#-'\"{}[]|>%@`\\", max_size=12).map(str.encode),
    st.sampled_from(["no", "~", "1.5", "2026-01-01", "1:30", "null", "0o7", "<<", "=", "\n"]).map(
        str.encode
    ),
    JSON.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    JSON.map(lambda value: json.dumps(value).encode()),
)
ACLS = st.lists(
    st.builds(
        Acl,
        st.integers(0, 31) | st.integers(-(1 << 31), (1 << 31) - 1),
        st.sampled_from(["world", "digest", "x509"]),
        st.text(max_size=8),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
ZNODES = st.builds(PlainZnode, DATA, st.just(EMPTY.acl) | ACLS) | st.builds(
    PlainZnode,
    DATA,
    st.just(EMPTY.acl),
    ephemeral=st.just(False),
    reap=st.just(CONTAINER) | st.integers(1, 10**12),
)
TREES = st.dictionaries(st.just("/") | paths(), ZNODES, max_size=6)


@settings(max_examples=50)
@given(TREES)
def test_what_is_written_is_read_back(znodes: dict[str, PlainZnode]) -> None:
    for format_ in ("json", "yaml"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(formats, "_AT_ONCE", 2)
            text = "".join(files.render(znodes.items(), format_))
        assert files.parse(text, format_) == znodes
        assert list(files.parse(text, format_)) == list(znodes)


@settings(max_examples=50)
@given(TREES)
def test_a_nested_file_is_the_flat_one(znodes: dict[str, PlainZnode]) -> None:
    nested: dict[str, object] = {}
    for path, entry in json.loads("".join(files.render(znodes.items(), "json"))).items():
        top, slash, rest = path[1:].partition("/")
        if slash:
            nested.setdefault("/" + top, {})["/" + rest] = entry  # type: ignore[index]
        elif isinstance(entry, dict) and isinstance(nested.get(path), dict):
            nested[path].update(entry)  # type: ignore[attr-defined]
        elif path in nested:
            nested[path]["text"] = entry  # type: ignore[index]
        else:
            nested[path] = entry if isinstance(entry, dict) else {"text": entry}
    found = files.parse(json.dumps(nested), "json")
    assert {path: found.pop(path) for path in znodes} == znodes
    assert set(found.values()) <= {EMPTY}, "the parents of others"


def test_what_people_see() -> None:
    znodes = {
        "/": PlainZnode(b"root"),
        "/json": PlainZnode(b'{"a":[1,"\xc3\xa9"]}'),
        "/json with spaces": PlainZnode(b'{"a": 1}'),
        "/lines": PlainZnode(b"one\ntwo: 2\n"),
        "/bytes": PlainZnode(b"\x00\xff"),
        "/none": PlainZnode(None, (Acl(3, "ip", "10.0.0.0/8"),)),
        "/w": PlainZnode(b"", ephemeral=True),
    }
    assert "".join(files.render(znodes.items(), "yaml")) == (
        "/: root\n"
        "/json:\n  json:\n    a: [1, é]\n"
        "/json with spaces: '{\"a\": 1}'\n"
        "/lines: |\n  one\n  two: 2\n"
        "/bytes: {base64: AP8=}\n"
        "/none:\n  text: null\n  acl: ['ip:10.0.0.0/8:rw']\n"
        "/w: {ephemeral: true}\n"
    )
    assert "".join(files.render(list(znodes.items())[:3], "json")) == (
        '{\n"/": "root",\n"/json": {"json": {"a": [1, "é"]}},\n'
        '"/json with spaces": "{\\"a\\": 1}"\n}\n'
    )
    plain = {"/a": PlainZnode(b"1"), "/b": PlainZnode(None)}
    assert "".join(files.render(plain.items(), "yaml")) == "/a: '1'\n/b: null\n"
    assert files.parse("", "yaml") == files.parse("{}", "json") == {}


def test_the_page_has_every_kind() -> None:
    text = PAGE.read_text("utf-8").partition("## Znodes in a file")[2]
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    znodes = files.parse(block, "yaml")
    assert znodes["/shop/limits"].data == b'{"orders":5}'
    assert znodes["/shop/nothing"].data is None
    digest, world = znodes["/shop/secret"].acl
    assert tuple(digest) == (31, "digest", make_digest_acl("bob", "secret").id.id)
    assert tuple(world) == (1, "world", "anyone")
    assert znodes["/shop/workers/w1"].ephemeral
    assert znodes["/shop/locks"].container
    assert znodes["/shop/cache"].reap == 60000
    (wrong,) = re.findall(r"^    zkfake: shop.yaml: (/shop/limit: .*)$", text, re.MULTILINE)
    with pytest.raises(TreeFileError) as told:
        files.parse("/shop/limit: 5", "yaml")
    assert str(told.value) == wrong


# -- what is wrong


@pytest.mark.parametrize(
    ("format_", "text", "said"),
    [
        ("json", '{"/a": ', "Expecting value: line 1 column 8 (char 7)"),
        ("json", '{"/a": "1", "/a": "2"}', "the key '/a' is there twice"),
        ("json", "[1]", 'expected a table of znodes by path, such as {"/a": "text"}, not a list'),
        ("json", "null", 'expected a table of znodes by path, such as {"/a": "text"}, not null'),
        ("json", '{"a": "1"}', "'a' is not a path: expected one that begins with a slash"),
        ("json", '{"/a/": "1"}', "/a/: this is not a valid path: expected no component that is *"),
        ("json", '{"/a": {"/b": "1"}, "/a/b": "2"}', "/a/b: it is there twice"),
        ("json", '{"/a": {"/b": {"/c": true}}}', "/a/b/c: expected text, not true; write it in *"),
        ("json", '{"/a": [1]}', '/a: expected text, not a list; write it as {"json": [...]}'),
        ("json", '{"/a": "\\ud800"}', "/a: the text has half of a surrogate pair; write the *"),
        ("json", '{"/a": {"jsn": 1}}', "/a: 'jsn' is not known of a znode; did you mean 'json'?*"),
        ("json", '{"/a": {"text": "", "json": 1}}', "/a: it has text and json; expected one of *"),
        ("json", '{"/a": {"text": 1}}', "/a: text: expected text, not the number 1; write it *"),
        ("json", '{"/a": {"json": NaN}}', "/a: json: JSON has no number nan; write it in quotes"),
        ("json", '{"/a": {"base64": "a"}}', "/a: base64: 'a' is not base64: *"),
        ("json", '{"/a": {"base64": 1}}', "/a: base64: expected text, not the number 1"),
        ("json", '{"/a": {"acl": []}}', '/a: acl: expected a list such as ["world:anyone:r", *'),
        ("json", '{"/a": {"acl": ["world"]}}', "/a: acl: 'world': expected 'scheme:id:permiss*"),
        ("json", '{"/a": {"acl": ["x:y:rr"]}}', "/a: acl: 'x:y:rr' ends with 'rr'; expected *"),
        ("json", '{"/a": {"ephemeral": 1}}', "/a: ephemeral: expected true or false, not the *"),
        ("json", '{"/a": {"ttl": 0}}', "/a: ttl: expected milliseconds, from 1 to 1099511627775*"),
        ("json", '{"/a": {"ttl": 1, "container": true}}', "/a: it can be one of ephemeral, *"),
        (
            "json",
            '{"/a": {"ephemeral": true}, "/a/b": ""}',
            "/a/b: /a is ephemeral, so nothing can be below it",
        ),
        ("json", '{"/a": {"json": ' + "[" * 100000 + "]" * 100000 + "}}", "it is nested too deep*"),
        ("yaml", "/a: [", "line *, column *: *"),  # PyYAML is in C, or not
        ("yaml", "/a: b\n/a: c", "line 2, column 1: the key '/a' is there twice"),
        ("yaml", "/a: \0", "*#x0000*"),
        ("yaml", "/a: 1.10", "/a: expected text, not the number 1.1; write it in quotes, or *"),
        ("yaml", "/a: {json: {1: 2}}", "/a: json: the key 1 is no text; write it in quotes"),
        ("yaml", "/a: !!binary AAAA", "/a: expected text, not the bytes b'\\x00\\x00\\x00'"),
        ("yaml", "? [/a, /b]\n: c", "line 1, column 3: found unhashable key"),
        ("yaml", "/a: {json: {? {b: c} : d}}", "line 1, column *: found unhashable key"),
        ("yaml", "/a: !!bool x", "line 1, column 5: 'x' cannot be read as !!bool"),
        ("yaml", "/a: !!float ''", "line 1, column 5: '' cannot be read as !!float"),
        ("yaml", "/a: !!timestamp x", "line 1, column 5: 'x' cannot be read as !!timestamp"),
        ("yaml", "/a: {ttl: " + "9" * 5000 + "}", "line 1, column 11: '9*9...' cannot be read as*"),
        ("yaml", "/a: !!python/name:os.system x", "line 1, column 5: could not determine a *"),
        ("toml", '"/a" = 1', "/a: expected text, not the number 1; write it in quotes, or *"),
        ("toml", '"/a" = "1"\n"/a" = "2"', "*"),
        ("toml", '"/a" = {json = 2026-01-01}', "/a: json: JSON cannot say the date 2026-01-01; *"),
    ],
)
def test_what_is_wrong(format_: str, text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / f"shop.{format_}"
    file.write_text(text)
    with pytest.raises(TreeFileError) as told:
        files.read(file)
    name, _, rest = str(told.value).partition(": ")
    assert name == str(file)
    assert re.fullmatch(re.escape(said).replace(r"\*", ".*"), rest), rest
    assert "\n" not in rest


def test_yaml_is_read_as_version_1_2() -> None:
    text = "/a: no\n/b: 2026-01-01\n/c: 1:30\n/d: {json: [yes, 08, 0x1f, 1e3, ~]}\n"
    text += "base: &base {ttl: 5}\n"
    with pytest.raises(TreeFileError, match="'base' is not a path"):
        files.parse(text, "yaml")
    text = text.replace("base: &base", "/base: &base") + "/e: {<<: *base, text: x}\n"
    found = {path: znode.data for path, znode in files.parse(text, "yaml").items()}
    assert found == {
        "/a": b"no",
        "/b": b"2026-01-01",
        "/c": b"1:30",
        "/d": b'["yes",8,31,1000.0,null]',
        "/base": b"",
        "/e": b"x",
    }
    assert files.parse(text, "yaml")["/e"].reap == 5


def test_formats_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TreeFileError, match=r"^x\.txt: expected a name that ends in \.json, "):
        files.read("x.txt")
    with pytest.raises(OSError, match="No such file"):
        files.read(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b'{"/a": "\xff"}')
    with pytest.raises(TreeFileError, match=r"x\.json: byte 8 is not UTF-8"):
        files.read(tmp_path / "x.json")
    with pytest.raises(TreeFileError, match="TOML is read, not written; choose JSON or YAML"):
        files.write(tmp_path / "x.toml", [])
    (tmp_path / "x.YML").write_text("/a: b")
    assert files.read(tmp_path / "x.YML") == {"/a": PlainZnode(b"b")}
    for module in ("yaml", "tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TreeFileError, match=r'x\.YML: YAML needs PyYAML: pip install "zkdict\['):
        files.read(tmp_path / "x.YML")
    (tmp_path / "x.toml").write_text("")
    with pytest.raises(TreeFileError, match=r'TOML needs Python 3\.11, or tomli: pip install "zk'):
        files.read(tmp_path / "x.toml")


def test_a_file_that_cannot_be_written_whole_stays(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    files.write(file, [("/a", PlainZnode(b"1"))])

    def broken() -> object:
        yield "/a", PlainZnode(b"2")
        raise KeyError

    with pytest.raises(KeyError):
        files.write(file, broken())  # type: ignore[arg-type]
    assert files.read(file) == {"/a": PlainZnode(b"1")}
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    """The name of the file beside it can be foreseen."""
    file, other = tmp_path / "x.json", tmp_path / "other"
    other.write_text("mine")
    (tmp_path / f".x.json.{os.getpid()}").symlink_to(other)
    files.write(file, [("/a", PlainZnode(b"1"))])
    assert files.read(file) == {"/a": PlainZnode(b"1")}
    assert not file.is_symlink()
    assert other.read_text() == "mine"


# -- in a server's hands

SHOP = """\
/shop: {/limits: {json: {orders: 5}}, /w: {ephemeral: true}}
/shop/secret: {text: tea, acl: ["digest:bob:fyVmFCwVbTJYrznoSu1koqYEYF0=:cdrwa"]}
/shop/locks: {container: true}
/: {text: root, acl: ["world:anyone:cr"]}
"""


def test_a_file_and_a_server(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    wanted = files.read(file)
    del wanted["/shop/w"]
    for servers in (1, 3):
        with FakeZooKeeper(servers=servers) as server:
            server.load(file)
            assert seeding.export(server._ensemble) == wanted
            server.load({"/shop/secret": b"milk"})
            found = seeding.export(server._ensemble, "/shop")
            assert found["/secret"] == wanted["/shop/secret"]._replace(data=b"milk")
            server.load({"/shop/secret": wanted["/shop/secret"]._replace(acl=EMPTY.acl)})
            assert server.znodes["/shop/secret"].acl == EMPTY.acl


def test_what_servers_do_not_accept() -> None:
    world = World()
    seeds = {"/good": PlainZnode(b""), "/a": PlainZnode(b"", reap=5)}
    with pytest.raises(ValueError, match="/a: a ttl needs the setting ext"):
        seeding.load(world.ensemble, seeds)
    assert not seeding.export(world.ensemble)
    with FakeZooKeeper(settings={"extendedTypesEnabled": True}) as server:
        server.load(seeds)
        assert seeding.export(server._ensemble) == seeds
    wrong = {"/good": PlainZnode(b""), "/a": PlainZnode(b"", (Acl(31, "auth", ""),))}
    with pytest.raises(ValueError, match="/a: the servers do not accept the ACL auth::"):
        seeding.load(world.ensemble, wrong)
    assert not seeding.export(world.ensemble)


ASKS = (
    "import os; from kazoo.client import KazooClient as C; c = C(os.environ['ZK_HOSTS']); "
    "c.start(); print(c.get('/shop/limits')[0], c.exists('/shop/w')); c.stop(); c.close()"
)


def test_a_command_with_seeds(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    (tmp_path / "zkfake.toml").write_text('load = "shop.yaml"\n')
    words = [sys.executable, "-m", "zkfake", "run"]
    for options in (["--load", "shop.yaml", "--no-toml"], []):
        said = subprocess.run(
            [*words, *options, "--", sys.executable, "-c", ASKS],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (said.stdout, said.stderr) == ("b'{\"orders\":5}' None\n", "")


@posix
def test_a_server_with_seeds_and_a_state(tmp_path: Path) -> None:
    """The seeds are there to begin with: what has changed since then stays."""
    file, state = tmp_path / "seeds.json", tmp_path / "state"
    for seeds, found in (("1", b"1"), ("2", b"1")):
        file.write_text(json.dumps({"/a": seeds}))
        options = ("--port", "0", "--load", str(file), "--data-dir", str(state))
        with program("serve", *options) as server:
            client = KazooClient(first_line(server.stdout))
            client.start(120)
            assert client.get("/a")[0] == found
            client.stop()
            client.close()
            server.terminate()
            assert server.wait(120) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"/a": 1}', "/a: expected text, not the number 1; write *"),
        ('{"/a": {"ttl": 5}}', "/a: a ttl needs the setting extendedTypesEnabled=true"),
    ],
)
def test_seeds_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "seeds.json"
    file.write_text(text)
    pattern = rf"zkfake: (?:.*seeds\.json: )?{re.escape(said).replace(chr(92) + '*', '.*')}\n"
    assert main(["serve", "--port", "0", "--load", str(file)]) == 2
    assert re.fullmatch(pattern, capsys.readouterr().err)
    assert main(["run", "--load", str(file), "--", "true"]) == 125
    assert re.fullmatch(pattern, capsys.readouterr().err)
