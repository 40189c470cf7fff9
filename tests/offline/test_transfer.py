"""Trees of znodes on servers: one becomes another, whatever happens to the connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_zkdict.live._ports import free_port
from zkfake import FakeZooKeeper
from zkfake._database.log import CONTAINER
from zkfake._protocol.records import Acl
from zkfake._transfer import loading, reading, writing
from zkfake._transfer.connection import Access, PatientClient, TransferError
from zkfake._transfer.loading import Conflicts, ExistError, load
from zkfake._transfer.reading import read
from zkfake._trees.differences import differences
from zkfake._trees.plain import EMPTY, PlainZnode

from .plain_trees import READ_ALL, TREES, Tree, on_server, whole, without_kinds

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
