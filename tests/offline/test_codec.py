"""Transactions and znodes as bytes: what was packed comes back, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._data_dir.codec import (
    DamagedError,
    Source,
    pack_sessions,
    pack_transaction,
    pack_znode,
    unpack_sessions,
    unpack_transaction,
    unpack_znode,
)
from zkfake._database.log import Check, Create, Delete, SetAcl, SetData, Transaction
from zkfake._database.tree import Tree, Znode
from zkfake._protocol.records import Acl, Code, Op

from ..fake.test_tree import TreeMachine

LONG = st.integers(-(2**63), 2**63 - 1)
INT = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(codec=None), max_size=10)  # lone surrogates, too
DATA = st.none() | st.binary(max_size=20)
ACLS = st.lists(st.builds(Acl, INT, st.none() | TEXT, st.none() | TEXT), max_size=3).map(tuple)
OPERATIONS = st.one_of(
    st.builds(Create, TEXT, DATA, ACLS, LONG, LONG, LONG),
    st.builds(Delete, TEXT),
    st.builds(SetData, TEXT, DATA, INT),
    st.builds(SetAcl, TEXT, ACLS, INT),
    st.builds(Check, TEXT),
)
TRANSACTIONS = st.builds(
    Transaction,
    LONG,
    LONG,
    LONG,
    st.sampled_from(Op),
    st.lists(OPERATIONS, max_size=4).map(tuple),
    st.sampled_from(Code),
    INT,
    INT,
)
ZNODES = st.builds(Znode, DATA, ACLS, *[LONG] * 10)


@given(TRANSACTIONS)
def test_transactions_come_back(transaction: Transaction) -> None:
    assert unpack_transaction(transaction.zxid, pack_transaction(transaction)) == transaction


@given(st.lists(st.tuples(TEXT, ZNODES), max_size=4), st.dictionaries(LONG, INT, max_size=4))
def test_znodes_and_sessions_come_back(
    znodes: list[tuple[str, Znode]], sessions: dict[int, int]
) -> None:
    packed = pack_sessions(sessions) + b"".join(pack_znode(*each) for each in znodes)
    source = Source(packed)
    assert unpack_sessions(source) == sessions
    assert [unpack_znode(source) for _ in znodes] == znodes
    assert source.at_end


@given(TRANSACTIONS, st.data())
def test_other_bytes_are_damaged_or_another_transaction(
    transaction: Transaction, data: st.DataObject
) -> None:
    """Their checksum has failed by then; all the same nothing else is raised."""
    packed = bytearray(pack_transaction(transaction))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    else:
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack_transaction(transaction.zxid, bytes(packed))
    except DamagedError:
        return
    assert pack_transaction(found) == packed


def test_a_znode_without_a_path() -> None:
    with pytest.raises(DamagedError, match="a path is missing"):
        Source(b"\xff\xff\xff\xff").text()


class KeptTreeMachine(TreeMachine):
    """A tree of its znodes is the same tree, but for the order of Java's sets: a real server that
    reads a snapshot makes its sets anew, too.
    """

    def teardown(self) -> None:
        nodes = self.tree.nodes
        packed = b"".join(pack_znode(path, nodes[path]) for path in ("/", *self.tree.below("/")))
        source = Source(packed)
        kept = Tree.of([unpack_znode(source) for _ in nodes], self.tree.zxid)
        assert _sets(kept) == _sets(self.tree)
        for transaction in self.log.after(0):
            packed = pack_transaction(transaction)
            assert unpack_transaction(transaction.zxid, packed) == transaction


def _sets(tree: Tree) -> dict[str, Any]:
    return {
        "nodes": tree.nodes,
        "children": {path: set(names) for path, names in tree.children.items() if len(names)},
        "ephemerals": {owner: set(each) for owner, each in tree.ephemerals.items() if len(each)},
        "reapable": set(tree.reapable),
        "quotas": set(tree.quotas),
        "zxid": tree.zxid,
    }


TestKeptTree = KeptTreeMachine.TestCase
