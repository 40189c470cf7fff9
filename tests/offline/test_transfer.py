"""``zkfake dump``, ``load``, ``copy`` and ``diff``: trees between servers and files."""

from __future__ import annotations

import fnmatch
import json
import signal
import socket
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from pytest_zkdict.live._ports import free_port
from zkfake import FakeZooKeeper
from zkfake._cli import main, transfers
from zkfake._control import seeding
from zkfake._database.log import CONTAINER
from zkfake._protocol.records import Acl
from zkfake._transfer import loading, reading, writing
from zkfake._transfer.connection import (
    Access,
    PatientClient,
    TransferError,
    checks_host_names,
    no_answer,
)
from zkfake._transfer.loading import Conflicts, ExistError, load
from zkfake._transfer.places import FilePlace, ServersPlace, place
from zkfake._transfer.reading import read
from zkfake._trees import files
from zkfake._trees.differences import differences, told
from zkfake._trees.plain import EMPTY, PlainZnode, of_tree
from zkfake._zookeeper_files.directory import read_data_dir

from ..support.programs import posix, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kazoo.client import KazooClient

    from pytest_zkdict.live import LiveZooKeeper
    from pytest_zkdict.servers import ZooKeeperServer

Tree = dict[str, PlainZnode]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper(settings={"extendedTypesEnabled": True}) as server:
        yield server


@pytest.fixture(scope="module")
def connection(server: FakeZooKeeper) -> Iterator[PatientClient]:
    with PatientClient(server.hosts, Access(patience=60)) as connection:
        yield connection


def whole(znodes: Tree, before: Tree | None = None) -> Tree:
    """With the parents that nobody speaks of, and the top."""
    found = dict(znodes)
    for path in ["/", *znodes]:
        while path:
            found.setdefault(path, (before or {}).get(path, EMPTY))
            path = path.rpartition("/")[0]
    return found


def without_kinds(znodes: Tree) -> Tree:
    return {path: znode._replace(reap=0) for path, znode in znodes.items()}


def on_server(server: FakeZooKeeper, path: str) -> Tree:
    return {"/": EMPTY, **seeding.export(server._ensemble, path)}


PATHS = st.lists(st.sampled_from("abc"), max_size=3).map(lambda names: "/" + "/".join(names))
READ_ALL = (Acl(31, "world", "anyone"), Acl(1, "ip", "10.0.0.1"))
ZNODES = st.builds(
    PlainZnode,
    st.none() | st.binary(max_size=3),
    st.sampled_from([EMPTY.acl, READ_ALL]),
    reap=st.sampled_from([0, 0, 0, CONTAINER, 10**9]),
)
TREES = st.dictionaries(PATHS, ZNODES, max_size=12)


# -- making one tree of another


@settings(max_examples=25)
@given(TREES, TREES)
def test_one_tree_becomes_another(
    server: FakeZooKeeper, connection: PatientClient, before: Tree, after: Tree
) -> None:
    """In every way; and what is read is what a server has."""
    server.remove("/x")
    load(connection, "/x/y", before)
    there = whole(before)
    assert on_server(server, "/x/y") == there
    zxid = server.last_zxid
    assert load(connection, "/x/y", before) == 0
    assert server.last_zxid == zxid

    there = without_kinds(there)
    if any(there.get(path, znode) != znode for path, znode in without_kinds(after).items()):
        with pytest.raises(ExistError, match=r"and differ; nothing was changed\. --merge"):
            load(connection, "/x/y", after)
        assert server.last_zxid == zxid
    load(connection, "/x/y", after, Conflicts.MERGE)
    there = whole({**there, **without_kinds(after)})
    found = read(connection, "/x/y")
    assert found is not None
    assert found.znodes == there == without_kinds(on_server(server, "/x/y"))

    load(connection, "/x/y", after, Conflicts.REPLACE)
    there = without_kinds(whole({"/": EMPTY, **after}, there))
    found = read(connection, "/x/y")
    assert found is not None
    assert found.znodes == there
    assert not list(differences(found.znodes, there, kinds=False))


ONLY_READ = (Acl(1, "world", "anyone"), Acl(31, "digest", "bob:hash"))
READ_AND_ADMIN = (Acl(17, "world", "anyone"),)


@pytest.mark.parametrize("old", [EMPTY.acl, ONLY_READ, READ_AND_ADMIN])
@pytest.mark.parametrize("new", [EMPTY.acl, ONLY_READ, READ_AND_ADMIN])
def test_an_acl_does_not_stop_the_load_that_sets_it(
    server: FakeZooKeeper,
    connection: PatientClient,
    old: tuple[Acl, ...],
    new: tuple[Acl, ...],
) -> None:
    """Where the old one or the new one allows it, all is done, by a client without credentials."""
    server.remove("/x")
    before = whole({"/a": PlainZnode(b"1", old), "/a/gone": PlainZnode(b"2")})
    after = whole({"/a": PlainZnode(b"3", new), "/a/made": PlainZnode(b"4", ONLY_READ)})
    server.load({f"/x{path.rstrip('/')}": znode for path, znode in before.items()})
    if EMPTY.acl in (old, new) and old != ONLY_READ:
        load(connection, "/x", after, Conflicts.REPLACE)
        assert on_server(server, "/x") == after
        return
    with pytest.raises(TransferError, match="NoAuth; give the credentials of who may"):
        load(connection, "/x", after, Conflicts.REPLACE)


# -- what goes wrong

SHOP = whole({f"/{n}/{m}": PlainZnode(b"%d" % m, READ_ALL) for n in range(3) for m in range(40)})
SHOP["/none"] = PlainZnode(None)
SHOP["/locks"] = PlainZnode(b"", reap=CONTAINER)


@settings(max_examples=10)
@given(st.data())
def test_connections_that_are_lost(server: FakeZooKeeper, data: st.DataObject) -> None:
    """A request may be lost before or after it was carried out: the tree is the same."""
    server.remove("/x")
    faults = server.faults
    drops = st.sampled_from([faults.drop_before_request, faults.drop_before_reply])
    writes = st.sampled_from(["multi", "create", "createContainer", "delete", "setACL", "getData"])
    with (
        PatientClient(server.hosts, Access(patience=60)) as connection,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(writing, "TOGETHER", data.draw(st.sampled_from([1, 7, 100])))
        for tree in (SHOP, {"/0": SHOP["/0"], "/1/3": PlainZnode(b"other")}):
            for operation in data.draw(st.lists(writes, max_size=2)):
                nth, times = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 2))
                data.draw(drops)(operation=operation, nth=nth, times=times)
            load(connection, "/x", tree, Conflicts.REPLACE)
            found = read(connection, "/x")
            assert found is not None
            assert found.znodes == without_kinds(whole({"/": EMPTY, **tree}, SHOP))
            server.faults.heal()


def test_what_is_there_is_looked_at_until_it_is_seen(
    server: FakeZooKeeper, connection: PatientClient
) -> None:
    """The answer to a create is lost, and then those of who asks what is there."""
    server.remove("/x")
    server.load({"/x": b""})
    with (
        server.faults.drop_before_reply(operation="create", path="/x/a") as created,
        server.faults.drop_before_reply(operation="getData", path="/x/a", times=2) as asked,
        server.faults.drop_before_reply(operation="getACL", path="/x/a") as also,
    ):
        load(connection, "/x", {"/a": PlainZnode(b"1", READ_ALL)})
        assert [len(rule.hits) for rule in (created, asked, also)] == [1, 2, 1]
    assert on_server(server, "/x") == {"/": EMPTY, "/a": PlainZnode(b"1", READ_ALL)}


def test_a_session_that_expires(server: FakeZooKeeper) -> None:
    server.remove("/x")
    with PatientClient(server.hosts, Access(patience=60)) as connection:
        server.faults.expire(connection.client)
        load(connection, "/x", SHOP)
    assert on_server(server, "/x") == SHOP


def test_a_place_that_is_taken_meanwhile(
    server: FakeZooKeeper, connection: PatientClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once all was compared, and before anything is written."""
    server.remove("/x")

    def write(*arguments: Any, **more: Any) -> int:
        server.load(taken)
        return writing.write(*arguments, **more)

    monkeypatch.setattr(loading, "write", write)
    tree = {"/a": PlainZnode(b"1"), "/b": PlainZnode(b"2"), "/c": PlainZnode(b"3")}
    taken = {"/x/a": b"1"}
    load(connection, "/x", tree)
    assert on_server(server, "/x") == whole(tree)
    server.remove("/x")
    taken = {"/x/b": b"3"}
    text = "^/x/b: somebody else has created it meanwhile, differently; 2 of 4 are done"
    with pytest.raises(TransferError, match=text):
        load(connection, "/x", tree)


def test_a_znode_that_is_too_big(server: FakeZooKeeper) -> None:
    server.remove("/x")
    tree = {"/a": PlainZnode(b"1"), "/b": PlainZnode(bytes(1_200_000)), "/c": PlainZnode(b"2")}
    with (
        PatientClient(server.hosts, Access(patience=60)) as connection,
        pytest.raises(TransferError, match=r"/x/b is written: it has 1,200,\d+ bytes, and .* jute"),
    ):
        load(connection, "/x", tree)
    assert server.dump("/x") == {"/x": b"", "/x/a": b"1"}


def test_many_children_and_much_data(server: FakeZooKeeper, connection: PatientClient) -> None:
    """The names of the children have more bytes than a request may have, and so has the whole."""
    server.remove("/x")
    tree = {f"/{'n' * 2000}{n}": PlainZnode(b"%d" % n) for n in range(600)}
    tree |= {f"/big{n}": PlainZnode(bytes(900_000)) for n in range(3)}
    load(connection, "/x", tree, acls=False)
    found = read(connection, "/x", acls=False)
    assert found is not None
    assert found.znodes == whole(tree)


def test_what_is_deleted_while_it_is_read(
    server: FakeZooKeeper, connection: PatientClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.remove("/x")
    server.load({"/x/a": b"1", "/x/b/c": b"2", "/x/d": b"3"})
    monkeypatch.setattr(reading, "WINDOW", 1)
    gone = iter(["/x/a", "/x/b/c"])
    found = read(connection, "/x", progress=lambda *_: server.remove(next(gone, "/none")))
    assert found is not None
    assert set(found.znodes) == {"/", "/b", "/d"}
    assert read(connection, "/y") is None


def test_no_server_answers() -> None:
    hosts = f"127.0.0.1:{free_port()}"
    with pytest.raises(TransferError, match=rf"no server at {hosts} answers, for 0\.1 s"):
        PatientClient(hosts, Access(patience=0.1)).__enter__()


def test_a_file_that_is_not_there() -> None:
    assert no_answer("shop.jsn", 30) == (
        "no server at shop.jsn answers, for 30 s; if a file is meant: there is no file of this name"
    )


def test_a_time_to_live_without_the_setting() -> None:
    text = (
        "cannot create /t/a: Unimplemented; the server needs the setting "
        "extendedTypesEnabled=true for a time to live; 1 of 2 are done"
    )
    znodes = {"/a": PlainZnode(b"", reap=60000)}
    with (
        FakeZooKeeper() as server,
        PatientClient(server.hosts, Access(patience=60)) as connection,
        pytest.raises(TransferError, match=f"^{text}$"),
    ):
        load(connection, "/t", znodes)


def test_a_server_that_does_not_come_back() -> None:
    text = r"was lost, and no server has answered for 0\.1 s"
    with FakeZooKeeper() as server, PatientClient(server.hosts, Access(patience=60)) as connection:
        server.load({"/x": b""})
        connection._patience = 0.1
        stop = server.members[0].stop
        with pytest.raises(TransferError, match=text):
            load(connection, "/x", SHOP, reading=lambda *_: stop())


# -- the commands


class Said:
    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.status = main(list(arguments))
        self.out, self.err = capsys.readouterr()


def test_there_and_back(
    zk_server: ZooKeeperServer,
    zk_client: KazooClient,
    zk_chroot: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Between files and any server, and from one place of a server to another."""
    here = zk_server.hosts + zk_chroot
    secret = make_digest_acl("bob", "secret", all=True)
    zk_client.create("/from", b"top")
    zk_client.create("/from/a", b'{"a":1}', acl=[*OPEN_ACL_UNSAFE, secret])
    zk_client.create("/from/a/b", None)
    zk_client.create("/from/w", b"\0", ephemeral=True)
    file = tmp_path / "from.yaml"
    said = Said(capsys, "dump", f"{here}/from", "-o", str(file))
    assert (said.status, said.out, said.err) == (0, "", "zkfake: 4 znodes\n")
    digest = secret.id.id
    assert file.read_text() == (
        "/: top\n"
        f"/a:\n  json: {{a: 1}}\n  acl: ['world:anyone:cdrwa', 'digest:{digest}:cdrwa']\n"
        "/a/b: null\n"
        "/w: {base64: AA==, ephemeral: true}\n"
    )
    said = Said(capsys, "load", f"{here}/new/to", str(file))
    assert (said.status, said.out) == (0, "")
    assert said.err == "zkfake: 3 changes, 3 znodes in all; left out: 1 ephemeral\n"
    assert zk_client.get("/new/to/a/b")[0] is None
    assert zk_client.get_acls("/new/to/a")[0] == [*OPEN_ACL_UNSAFE, secret]
    for one, other in ((f"{here}/from", f"{here}/new/to"), (str(file), f"{here}/new/to")):
        assert Said(capsys, "diff", one, other).status == 0

    zk_client.set("/new/to", b"changed")
    zk_client.create("/new/to/more", b"x" * 100)
    said = Said(capsys, "diff", f"{here}/from", f"{here}/new/to")
    assert (said.status, said.err) == (1, "")
    assert said.out == f'! /: "top" -> "changed"\n+ /more: "{"x" * 57}..."\n'
    assert Said(capsys, "diff", f"{here}/new/to", str(file), "--brief").out == ""
    said = Said(capsys, "copy", f"{here}/from", f"{here}/new/to")
    assert said.status == 1
    top = f"{zk_chroot}/new/to"
    assert said.err.startswith(f"zkfake: {top} exists already, and differ; nothing was changed. --")
    assert Said(capsys, "copy", f"{here}/from", f"{here}/new/to", "--merge").status == 0
    assert zk_client.get("/new/to")[0] == b"top"
    assert zk_client.exists("/new/to/more")
    said = Said(capsys, "copy", f"{here}/from", f"{here}/new/to", "--replace", "--quiet")
    assert (said.status, said.err) == (0, "")
    assert not zk_client.exists("/new/to/more")
    assert Said(capsys, "diff", f"{here}/from", f"{here}/new/to").status == 0


def test_what_may_not_be_read(
    zk_server: ZooKeeperServer,
    zk_client: KazooClient,
    zk_chroot: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here, file = zk_server.hosts + zk_chroot, tmp_path / "x.json"
    zk_client.add_auth("digest", "bob:secret")
    bob = make_digest_acl("bob", "secret", all=True)
    reader = make_acl("world", "anyone", read=True)
    zk_client.create("/a", b"1")
    zk_client.create("/b", b"2", acl=[bob, reader])
    zk_client.create("/c", b"3", acl=[bob])
    zk_client.create("/c/d", b"4")
    said = Said(capsys, "dump", here, "-o", str(file))
    assert said.status == 1
    assert said.err.startswith(f"zkfake: {zk_chroot}/c may not be read; give the credentials of ")
    assert not file.exists()
    said = Said(capsys, "dump", here, "-o", str(file), "--skip-unreadable", "--quiet")
    assert said.status == 0
    assert said.err.startswith(
        f"zkfake: {zk_chroot}/c may not be read\n"
        f"zkfake: warning: {zk_chroot}/b: the hashes in the ACL are hidden; give the credentials"
    )
    assert set(files.read(file)) == {"/a", "/b"}
    said = Said(capsys, "dump", here, "--auth", "digest:bob:secret")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out)["/c"] == {"text": "3", "acl": [f"digest:{bob.id.id}:cdrwa"]}
    assert json.loads(said.out)["/c/d"] == "4"
    said = Said(capsys, "copy", f"{here}/b", f"{here}/copy")
    assert said.status == 2
    assert "/: the hashes in the ACL were hidden from who has read it" in said.err
    assert not zk_client.exists("/copy")
    text = Said(capsys, "dump", here, "--no-acl", "--auth", "digest:bob:secret").out
    assert json.loads(text) == {"/a": "1", "/b": "2", "/c": "3", "/c/d": "4"}

    file.write_text('{"/e": "5", "/c/d/e": "6"}')
    said = Said(capsys, "load", here, str(file), "--no-acl")
    assert said.status == 2
    assert said.err.startswith(f"zkfake: {zk_chroot}/c may not be read; give the credentials of ")
    file.write_text('{"/b/e": "6", "/e": "7"}')
    said = Said(capsys, "load", here, str(file))
    assert said.status == 2
    assert said.err.startswith(f"zkfake: cannot create {zk_chroot}/b/e: NoAuth; give the creden")
    assert Said(capsys, "load", here, str(file), "--auth", "digest:bob:secret").status == 0
    assert zk_client.get("/b/e")[0] == b"6"


def test_kinds_and_standard_streams(
    server: FakeZooKeeper, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.remove("/x")
    tree = {"/c": PlainZnode(b"", reap=CONTAINER), "/t": PlainZnode(None, reap=5000)}
    text = "".join(files.render(tree.items(), "yaml"))

    class Input:
        @staticmethod
        def read() -> str:
            return text

    monkeypatch.setattr(sys, "stdin", Input)
    assert Said(capsys, "copy", "-", f"{server.hosts}/x", "--format", "yaml").status == 0
    assert on_server(server, "/x") == {"/": EMPTY, **tree}
    assert Said(capsys, "diff", "-", f"{server.hosts}/x", "--format", "yaml").status == 0
    said = Said(capsys, "diff", "-", f"{server.hosts}/x")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("zkfake: standard input: Expecting value: line 1")


def test_differences_in_words() -> None:
    old = {
        "/a": PlainZnode(b"1"),
        "/b": PlainZnode(b"2", READ_ALL),
        "/c": PlainZnode(b"\xff" * 100, reap=CONTAINER),
        "/e": PlainZnode(b"", ephemeral=True),
        "/f": PlainZnode(b"", ephemeral=True),
    }
    new = {"/b": PlainZnode(b"2"), "/c": PlainZnode(b"\xff" * 100), "/d": EMPTY, "/f": EMPTY}
    long = "/" * 57 + "..."
    assert [told(each) for each in differences(old, new)] == [
        '- /a: "1"',
        '! /b: {"text": "2", "acl": ["world:anyone:cdrwa", "ip:10.0.0.1:r"]} -> "2"',
        f'! /c: {{"base64": "{long}", "container": true}} -> {{"base64": "{long}"}}',
        '+ /d: ""',
        '! /f: {"ephemeral": true} -> ""',
    ]
    same = [{"/a": PlainZnode(b"x" * 70 + end)} for end in (b"1", b"2", b"")]
    long = "x" * 57 + "..."
    for other in same[1:]:
        (only,) = differences(same[0], other)
        assert told(only) == f'! /a: "{long}" differs from byte 70 on'
    left = differences(old, new, acls=False, kinds=False)
    assert [each.path for each in left] == ["/a", "/d", "/f"]
    twice = {"/b": PlainZnode(b"2", READ_ALL * 2)}
    assert not list(differences(twice, {"/b": old["/b"]}))


def test_over_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = trustme.CA()
    ca, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
    with program("serve", "--port", "0", "--tls-cert", str(own)) as serving:
        assert serving.stdout is not None
        _, hosts = (serving.stdout.readline().strip() for _ in range(2))
        said = Said(capsys, "dump", hosts, "--server-ca", str(ca))
        if not checks_host_names():  # an old kazoo
            assert said.err.startswith(
                "zkfake: --server-tls needs a kazoo that checks the servers'"
            )
            return
        assert (said.status, said.out, said.err) == (0, "{\n}\n", "")
        said = Said(capsys, "dump", hosts, "--server-cert", str(own))
        assert (said.status, said.err) == (
            2,
            "zkfake: --server-cert and --server-key need each other\n",
        )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["load", "x.yaml", "x.yaml"],
            "x.yaml is a file: expected HOST:PORT,.../PATH; 'zkfake *",
        ),
        (["dump", "a b"], "'a b' is neither a file nor HOST:PORT,.../PATH, such as zk1:2181,zk2*"),
        (["dump", "zk1:99999"], "'zk1:99999' is neither a file nor HOST:PORT,.../PATH, such as *"),
        (["dump", "zk1//a"], "'zk1//a': '//a' is not a valid path of a znode"),
        (["dump", "./no.json"], "no.json: No such file or directory"),
        (["dump", "zk1", "-o", "x.toml"], "x.toml: TOML is read, not written; choose JSON or YAML"),
        (["dump", "zk1", "-o", "x.txt"], "x.txt: expected a name that ends in .json, .yaml, *"),
        (["dump", "zk1", "-o", "/no/x.json"], "/no: No such file or directory"),
        (["dump", "zk1", "--auth", "bob"], "*expected SCHEME:CREDENTIALS, such as digest:bob:se*"),
        (["dump", "zk1", "--timeout", "0"], "*'0': expected a number of seconds*"),
        (["load", "zk1", "x.json", "--data-log-dir", "x"], "--data-log-dir needs --from-data-dir"),
        (["copy", "zk1", "zk2", "--merge", "--replace"], "*not allowed with argument*"),
    ],
)
def test_words_that_cannot_be(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Said(capsys, *words)
    assert (found.status, found.out) == (2, "")
    assert fnmatch.fnmatchcase(found.err, f"zkfake*: {said}\n".replace("[", "[[]")), found.err


def test_what_words_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zk1").touch()
    assert place("zk1") == FilePlace("zk1", "json")
    assert place("zk1:2181") == ServersPlace("zk1:2181", "/")
    assert place("zk2,[::1]:1/a/b/") == ServersPlace("zk2,[::1]:1", "/a/b")
    assert place("x/y.YAML") == FilePlace("x/y.YAML", "json")
    assert place("-", "yaml") == FilePlace("-", "yaml")
    assert str(place("a:1,b:2/c")) == "a:1,b:2/c"


# -- at a terminal


@posix
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with program("dump", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "300") as dump:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(4)
                dump.send_signal(signal.SIGINT)
                assert dump.communicate(timeout=120) == ("", "zkfake: interrupted\n")
        assert dump.returncode == 130


def test_an_interrupt_later(
    server: FakeZooKeeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that was there stays as it was."""
    server.remove("/x")
    server.load({"/x/a": b"1"})
    file = tmp_path / "x.json"
    file.write_text("{}")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write", interrupted)
        said = Said(capsys, "dump", f"{server.hosts}/x", "-o", str(file))
    assert (said.status, said.err) == (130, "zkfake: interrupted, 2 znodes done\n")
    assert file.read_text() == "{}"


def test_progress(server: FakeZooKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    server.remove("/x")
    server.load({"/x/a": b"1"})
    shown: list[str] = []

    class Terminal:
        isatty = staticmethod(lambda: True)
        write = staticmethod(shown.append)
        flush = staticmethod(lambda: None)

    monkeypatch.setattr(sys, "stderr", Terminal)
    monkeypatch.setattr(transfers, "monotonic", count().__next__)
    source = f"{server.hosts}/x"
    assert main(["diff", source, source, "--brief"]) == 0
    text = "".join(shown)
    assert "\rreading [####################] 2 of 2 (" in text
    assert text.endswith("\r\x1b[K"), "the line is gone when it is over"
    shown.clear()
    assert main(["diff", source, source, "--brief", "--quiet"]) == 0
    assert not shown


# -- all the way round


@pytest.mark.zk_backend("live")
def test_a_round_trip(
    zk_server: LiveZooKeeper, zk_chroot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a file through a fake and a live server, whose own files are read, into files."""
    tree = whole({f"/{n % 7}/{n}": PlainZnode(b"%d" % n, READ_ALL) for n in range(300)})
    tree["/none"], tree["/0/json"] = PlainZnode(None), PlainZnode(b'{"a":[1.5,"\xc3\xbc"]}')
    first, second, third = (str(tmp_path / name) for name in ("1.json", "2.yaml", "3.json"))
    files.write(first, tree.items())
    with FakeZooKeeper() as fake:
        live = f"{zk_server.hosts}{zk_chroot}/all"
        for words in (
            ("load", fake.hosts, first),
            ("dump", fake.hosts, "-o", second),
            ("copy", fake.hosts, live),
            ("dump", live, "-o", third),
            ("diff", first, live),
        ):
            assert Said(capsys, *words).status == 0, words
    del tree["/"]
    assert files.read(first) == {**tree, "/": EMPTY}
    assert files.read(second) == files.read(third) == tree
    stored = read_data_dir(zk_server.members[0]._directory / "data").tree
    assert dict(of_tree(stored, f"{zk_chroot}/all")) == tree
