"""Trees as a test has them: which there are, and what a fake has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from zkfake._control import seeding
from zkfake._database.log import CONTAINER
from zkfake._protocol.records import Acl
from zkfake._trees.plain import EMPTY, PlainZnode

if TYPE_CHECKING:
    from zkfake import FakeZooKeeper

Tree = dict[str, PlainZnode]


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
