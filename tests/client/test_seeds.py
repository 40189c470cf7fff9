"""What a test begins with, from a tree file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kazoo.security import ACL, Id

if TYPE_CHECKING:
    from kazoo.client import KazooClient

FILE = Path(__file__).with_name("shop.yaml")

pytestmark = pytest.mark.zookeeper(load=FILE)


@pytest.mark.zookeeper(load={"/shop/none": b"something"})
def test_a_tree_file(zk_client: KazooClient) -> None:
    assert zk_client.get("/")[0] == b"top"
    assert sorted(zk_client.get_children("/shop")) == ["deep", "limits", "locks", "none", "secret"]
    assert zk_client.get("/shop/limits")[0] == b'{"orders":5}'
    assert zk_client.get("/shop/none")[0] == b"something"
    assert [zk_client.get(path)[0] for path in ("/shop/deep", "/shop/deep/er")] == [b"", b"\0\xff"]
    acl, stat = zk_client.get_acls("/shop/secret")
    assert acl == [
        ACL(31, Id("world", "anyone")),
        ACL(1, Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")),
    ]
    assert (stat.version, stat.aversion) == (0, 0)
