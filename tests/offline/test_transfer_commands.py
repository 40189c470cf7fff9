"""``zkfake dump``, ``load``, ``copy`` and ``diff``: trees between servers and files."""

from __future__ import annotations

import fnmatch
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypothesis import given, settings
from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from pytest_zkdict.live._ports import free_port
from zkfake import FakeZooKeeper
from zkfake._cli import main, transfers
from zkfake._database.log import CONTAINER
from zkfake._transfer import places
from zkfake._transfer.connection import PatientClient, checks_host_names
from zkfake._transfer.places import FilePlace, ServersPlace, place, servers
from zkfake._trees import files
from zkfake._trees.differences import differences, told
from zkfake._trees.plain import EMPTY, PlainZnode, of_tree
from zkfake._zookeeper_files.directory import read_data_dir

from ..support.programs import posix, program
from .plain_trees import READ_ALL, TREES, Tree, on_server, whole

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_zkdict.live import LiveZooKeeper
    from pytest_zkdict.servers import ZooKeeperServer


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


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "shop.jsn",
            "shop.jsn: there is no such file, and no such host: Name or service not known",
        ),
        ("shop/x", "shop/x: there is no such file, and no such host: Name or service not known"),
        ("zk1:1,zk2:1/x", "zk1:1,zk2:1/x: no such host: Name or service not known"),
        (f"{'x' * 64}/y", f"{'x' * 64}/y: there is no such file, and no such host: * too long)"),
        ("127.0.0.1/x", "127.0.0.1/x: there is no such file, and no server at 127.0.0.1:*"),
    ],
)
def test_nobody_waits_for_what_is_not_there(
    server: FakeZooKeeper,
    word: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whichever of two words it is, and before anything is read."""
    monkeypatch.setattr(places, "_PORT", free_port())
    look_up = socket.getaddrinfo

    def getaddrinfo(name: str, *more: Any, **named: Any) -> Any:
        if name in ("zk1", "zk2", "shop", "shop.jsn"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(name, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    there = f"{server.hosts}/x"
    for words in (
        ("dump", word),
        ("load", there, word),
        ("load", word, "x.json"),
        ("copy", word, there),
        ("copy", there, word),
        ("diff", there, word),
    ):
        found = Said(capsys, *words)
        assert (found.status, found.out) == (2, "")
        assert fnmatch.fnmatchcase(found.err, f"zkfake: {said}\n"), found.err


def test_a_server_without_a_port(server: FakeZooKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one of several hosts is enough."""
    port = int(server.hosts.rpartition(":")[2])
    monkeypatch.setattr(places, "_PORT", port)
    servers("127.0.0.1/x").look_up()
    servers(f"{'x' * 64}:1,127.0.0.1:{port}").look_up()


@settings(max_examples=10)
@given(TREES, TREES)
def test_what_was_loaded_does_not_differ(server: FakeZooKeeper, before: Tree, tree: Tree) -> None:
    """Whether the file speaks of the parents or not, and whatever these are on the server."""
    server.remove("/x")
    server.load({f"/x{path.rstrip('/')}": znode for path, znode in whole(before).items()})
    here = f"{server.hosts}/x"
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "tree.json")
        files.write(file, tree.items())
        assert main(["load", here, file, "--replace", "--quiet"]) == 0
        assert main(["diff", file, here]) == 0
        assert main(["diff", here, file]) == 0


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


def test_an_interrupt_just_before_a_wait(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python notices it when that wait ends. So none is long, however patient the command is."""

    class Slept(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            assert timeout <= 1
            super().wait(timeout)
            raise KeyboardInterrupt

    monkeypatch.setattr(KazooClient, "start_async", lambda _: Slept())
    said = Said(capsys, "dump", "127.0.0.1:1", "--timeout", "300")
    assert (said.status, said.out, said.err) == (130, "", "zkfake: interrupted\n")


@pytest.mark.parametrize("when", ["connecting", "reading"])
def test_an_interrupt_leaves_no_client(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls the command in a process of its own goes on without one."""

    start = KazooClient.start_async

    class Connected:
        def __init__(self, client: KazooClient) -> None:
            self._event = start(client)

        def wait(self, _: float) -> bool:
            assert self._event.wait(60)
            if when == "connecting":
                raise KeyboardInterrupt
            return True

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(KazooClient, "start_async", lambda client: Connected(client))
    monkeypatch.setattr(PatientClient, "result", interrupted)
    with FakeZooKeeper() as server:
        assert main(["dump", server.hosts]) == 130
        while server.sessions:  # there was one
            time.sleep(0.01)


def test_credentials_that_are_refused(
    server: FakeZooKeeper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As kazoo stops to try then, nobody waits."""
    file = tmp_path / "x.json"
    file.write_text("{}")
    for words in (("dump", server.hosts), ("load", server.hosts, str(file))):
        said = Said(capsys, *words, "--auth", "nope:x", "--timeout", "300")
        text = f"zkfake: the servers at {server.hosts} do not accept the credentials\n"
        assert (said.status, said.err) == (2, text)


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
