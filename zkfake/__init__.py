"""An in-process fake ZooKeeper that speaks the real wire protocol.

`FakeZooKeeper` serves on real sockets; the modules below it are the same ensemble without any I/O.
"""

from zkfake.auth import AuthProvider
from zkfake.member import Member
from zkfake.server import FakeZooKeeper
from zkfake.state import Snapshot

__all__ = ["AuthProvider", "FakeZooKeeper", "Member", "Snapshot"]
