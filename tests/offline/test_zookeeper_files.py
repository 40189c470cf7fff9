"""The files of a real ZooKeeper: what is read from them is what its server shows."""

from __future__ import annotations

import gzip
import struct
import zlib
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient
from kazoo.exceptions import NotEmptyError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from pytest_zkdict.live import LiveZooKeeper
from zkfake._auth.providers import SUPER
from zkfake._database.acl import OPEN, READ_ONLY
from zkfake._database.log import Delete, SetData, Transaction
from zkfake._database.tree import Tree
from zkfake._protocol.records import (
    Acl,
    CreateRequest,
    MultiRequest,
    Op,
    Request,
    SetAclRequest,
    SetDataRequest,
    SubRequest,
    VersionedPath,
)
from zkfake._zookeeper_files.directory import read_data_dir

from ..support import wire
from ..support.client import Client
from ..support.core import World
from .written_files import START, Written, create, data_dir, shown, stored

SNAPPY = "-Dzookeeper.snapshot.compression.method=snappy"


def everything(client: KazooClient, port: int) -> None:
    """Writes of all kinds."""
    bob = make_digest_acl("bob", "secret", all=True)
    top = f"/{len(client.get_children('/'))}"
    client.create(top, b"top")
    for n in range(12):
        client.create(f"{top}/s-", b"%d" % n, sequence=True)
    client.create(f"{top}/none", None)
    client.create(
        f"{top}/\u00fc\u4e2d", "\u00fc".encode(), acl=[bob, make_acl("ip", "10.0.0.0/8", read=True)]
    )
    client.set(f"{top}/none", b"some")
    client.set(f"{top}/none", None)
    client.set_acls(f"{top}/none", [*OPEN_ACL_UNSAFE, bob])
    client.delete(f"{top}/s-0000000003")
    with pytest.raises(NotEmptyError):
        client.delete(top)
    for version in (0, 7):
        multi = client.transaction()
        multi.create(f"{top}/multi{version}", b"1")
        multi.create(f"{top}/multi{version}/below", b"2")
        multi.check(f"{top}/s-0000000001", version)
        multi.set_data(f"{top}/s-0000000001", b"3")
        multi.delete(f"{top}/s-0000000002")
        multi.commit()
    client.create(f"{top}/e-", b"ours", ephemeral=True, sequence=True)
    other = Client(port)
    flags = wire.create(f"{top}/gone", b"", flags=1)
    assert other.call("create", flags).error == 0
    assert other.call("createContainer", wire.create(f"{top}/c", b"", flags=4)).error == 0
    assert other.call("createContainer", wire.create(f"{top}/c2", b"c", flags=4)).error == 0
    assert other.call("create2", wire.create(f"{top}/c/below", b"")).error == 0
    assert (
        other.call(
            "createTTL", wire.create_ttl(f"{top}/ttl", None, wire.OPEN_ACL, 5, 123456789)
        ).error
        == 0
    )
    assert other.call("closeSession").error == 0
    other.close()


@pytest.mark.needs_java
def test_what_a_server_has_written(live_home: str | None) -> None:
    """Read beside a server that runs: at first its log, later snapshots of both kinds."""
    with (
        LiveZooKeeper(live_home, settings={"extendedTypesEnabled": True}) as server,
        ExitStack() as exits,
    ):
        client = KazooClient(server.hosts, timeout=60)
        exits.callback(client.close)
        exits.callback(client.stop)
        client.start(60)
        client.add_auth("digest", "bob:secret")
        for start in ("the first", "the second", "with snappy"):
            if start != "the first":
                server.stop()
                if start == "with snappy":
                    (member,) = server.members
                    java, *others = member._command
                    member._command = (java, SNAPPY, *others)
                server.start()
                client.retry(client.exists, "/")
            everything(client, server.members[0].port)
            state = read_data_dir(data_dir(server))
            assert stored(state) == dict(shown(client))
            assert set(state.sessions) == {client.client_id[0]}
            assert state.notes == []
        kinds = {file.suffix for file in data_dir(server).glob("version-2/snapshot.*")}
        assert ".snappy" in kinds


# -- what a server may have written

SECRET = (Acl(31, "digest", "bob:hash"), Acl(1, "world", "anyone"))
PATHS = st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/a/b/a"])
DATA = st.none() | st.binary(max_size=3)
PAUSES = st.sampled_from([0, 0, 1, 2, 5])
ACLS = st.sampled_from([OPEN, READ_ONLY, SECRET])


def _requests(ttl: int = 10**6) -> st.SearchStrategy[tuple[Op, Any]]:
    flags = st.sampled_from([0, 0, 0, 1, 2, 3])
    return st.one_of(
        st.builds(CreateRequest, PATHS, DATA, ACLS.map(list), flags, st.just(-1)).map(
            lambda r: (Op.CREATE2, r)
        ),
        st.builds(CreateRequest, PATHS, DATA, ACLS.map(list), flags, st.just(-1)).map(
            lambda r: (Op.CREATE, r)
        ),
        st.builds(CreateRequest, PATHS, DATA, ACLS.map(list), st.just(4), st.just(-1)).map(
            lambda r: (Op.CREATE_CONTAINER, r)
        ),
        st.builds(CreateRequest, PATHS, DATA, ACLS.map(list), st.just(5), st.just(ttl)).map(
            lambda r: (Op.CREATE_TTL, r)
        ),
        st.builds(SetDataRequest, PATHS, DATA, st.just(-1)).map(lambda r: (Op.SET_DATA, r)),
        st.builds(SetAclRequest, PATHS, ACLS.map(list), st.just(-1)).map(lambda r: (Op.SET_ACL, r)),
        *[st.builds(VersionedPath, PATHS, st.just(-1)).map(lambda r: (Op.DELETE, r))] * 3,
    )


SINGLE = _requests()
MULTI = st.lists(SINGLE.filter(lambda each: each[0] is not Op.SET_ACL), min_size=1, max_size=3).map(
    lambda parts: (Op.MULTI, MultiRequest(tuple(SubRequest(*part) for part in parts)))
)


@settings(max_examples=40, phases=[Phase.generate])
@given(st.data())
def test_a_snapshot_that_was_written_while_the_server_went_on(data: st.DataObject) -> None:
    """Whatever is in it of what came later: with the log it is the state of the server."""
    world = World({"extendedTypesEnabled": True})
    transactions: list[Transaction] = []
    world.ensemble.log.on_append = transactions.append
    sessions = [world.client().session for _ in range(2)]
    for _ in range(data.draw(st.integers(1, 40))):
        session = data.draw(st.sampled_from(sessions))
        op, record = data.draw(SINGLE | SINGLE | MULTI | st.just((Op.CLOSE_SESSION, None)))
        if op is Op.CLOSE_SESSION:
            world.ensemble.expire(world.ensemble.sessions.get(session))
            sessions[sessions.index(session)] = world.client().session
        else:
            world.ensemble.submit(Request(session, 0, op, record, (SUPER,)))
    files = Written(transactions)
    start = data.draw(st.integers(0, len(transactions)))
    pauses = iter(data.draw(st.lists(PAUSES, min_size=40, max_size=40)))
    trailers = [struct.pack(">qiq", 1, 2, 3), struct.pack(">q", 9)]
    chosen = data.draw(st.sampled_from([trailers, trailers[:1], trailers[1:], []]))
    rotated = data.draw(st.integers(0, len(transactions)))
    with TemporaryDirectory() as name:
        where = Path(name) / "version-2"
        where.mkdir()
        zxid = transactions[start - 1].zxid if start else 0
        snapshot = files.snapshot(start, pauses, chosen)
        if data.draw(st.booleans()):
            (where / f"snapshot.{zxid:x}.gz").write_bytes(gzip.compress(snapshot))
        else:
            (where / f"snapshot.{zxid:x}").write_bytes(snapshot)
        for first, last in ((0, rotated), (rotated, len(transactions))):
            if first < last:
                text = files.log(
                    first, last, digests=data.draw(st.booleans()), closed=data.draw(st.booleans())
                )
                (where / f"log.{transactions[first].zxid:x}").write_bytes(text)
        state = read_data_dir(name)
    whole = world.replica.tree
    assert state.tree.nodes == whole.nodes
    for path in whole.nodes:
        assert set(state.tree.child_names(path)) == set(whole.child_names(path))
    assert state.sessions == {s.id: s.timeout for s in world.ensemble.sessions}
    assert state.zxid == transactions[-1].zxid
    assert state.notes == []


@pytest.mark.parametrize(
    "transactions",
    [
        # The znode is written when it has heard of the last one: it does not go back.
        [
            create(1, "/a", 1),
            create(2, "/a/x", 1),
            Transaction(3, START, 9, Op.DELETE, (Delete("/a/x"),)),
            create(4, "/a/y", 2),
        ],
        # A child goes with its session, and is made again by another, once its parent is written.
        [
            create(1, "/a", 1),
            create(2, "/a/e", 1, session=1),
            Transaction(3, START, 1, Op.CLOSE_SESSION, (Delete("/a/e"),)),
            create(4, "/a/e", 2, session=2),
        ],
    ],
)
@pytest.mark.parametrize("before", [(0, 4), (0, 3, 1), (0, 0, 4), (0, 1, 0, 3), (4,)])
def test_counts_and_zxids_only_rise(
    transactions: list[Transaction], before: tuple[int, ...], tmp_path: Path
) -> None:
    opened = [Transaction(0, START, session, Op.CREATE_SESSION) for session in (1, 2)]
    files = Written([*opened, *transactions])
    data = files.snapshot(4, iter([*before, *[0] * 9]), ())
    (tmp_path / "snapshot.2").write_bytes(data)
    (tmp_path / "log.1").write_bytes(files.log(2, 6, digests=True, closed=False))
    tree = Tree()
    for transaction in transactions:
        tree.apply(transaction)
    assert read_data_dir(tmp_path).tree.nodes == tree.nodes


def delete(zxid: int, path: str) -> Transaction:
    return Transaction(zxid, START, 9, Op.DELETE, (Delete(path),))


@pytest.mark.parametrize(
    "transactions",
    [
        [create(1, "/a", 1), delete(2, "/a"), create(3, "/a", 2), create(4, "/a/y", 1)],
        [
            create(1, "/a", 1),
            delete(2, "/a"),
            create(3, "/a", 2),
            create(4, "/a/y", 1),
            delete(5, "/a/y"),
        ],
        [
            create(1, "/a", 1),
            create(2, "/a/x", 1),
            delete(3, "/a/x"),
            delete(4, "/a"),
            create(5, "/a", 2),
            create(6, "/a/y", 1, session=1),
            create(7, "/a/z", 2),
            create(8, "/a/z/y", 1),
        ],
    ],
)
def test_a_znode_that_was_deleted_and_created_again_with_children(
    transactions: list[Transaction], tmp_path: Path
) -> None:
    """The snapshot has the children of the second one, and the log begins with the first."""
    opened = [Transaction(0, START, session, Op.CREATE_SESSION) for session in (1, 9)]
    files = Written([*opened, *transactions])
    tree = Tree()
    for transaction in transactions:
        tree.apply(transaction)
    log = files.log(2, len(files.transactions), digests=True, closed=False)
    (tmp_path / "log.1").write_bytes(log)
    for place in range(8):
        for many in range(1, len(transactions)):
            pauses = iter([*[0] * place, many, *[0] * 20])
            (tmp_path / "snapshot.1").write_bytes(files.snapshot(3, pauses, ()))
            found = read_data_dir(tmp_path).tree
            assert found.nodes == tree.nodes
            assert found.ephemerals.keys() == tree.ephemerals.keys()
            for path in tree.nodes:
                assert set(found.child_names(path)) == set(tree.child_names(path))


def test_a_reconfiguration_and_a_create_of_version_3_3(tmp_path: Path) -> None:
    """The latter has no count of the parent's creates; the next one is taken."""
    config = SetData("/zookeeper/config", b"server.1=...", 3)
    made = [
        create(1, "/a", 1),
        create(2, "/b", 2),
        Transaction(3, START, 9, Op.RECONFIG, (config,)),
    ]
    log = Written(made).log(0, 3, digests=False, closed=True)
    body = wire.i64(9) + wire.i32(7) + wire.i64(4) + wire.i64(START) + wire.i32(Op.CREATE)
    body += wire.create("/c", b"4")[:-4] + b"\0"
    entry = wire.i64(zlib.adler32(body)) + wire.buffer(body) + b"B"
    (tmp_path / "log.1").write_bytes(log[:-64] + entry)
    state = read_data_dir(tmp_path)
    assert state.tree.nodes["/zookeeper/config"].data == b"server.1=..."
    assert state.tree.nodes["/"].creates == 3
    assert (state.tree.nodes["/c"].data, state.zxid, state.notes) == (b"4", 4, [])
