"""An in-process fake ZooKeeper that speaks the real wire protocol.

`FakeZooKeeper` serves on real sockets; `zkfake.simulation` runs the same ensemble in virtual time;
`zkfake.proxy` is a proxy for any server; `zkfake.history` has what happened. The public names are
those in the `__all__` of these modules; every other module and package has a leading underscore.
"""

from zkfake._auth.providers import AuthProvider
from zkfake._channel.outages import Hold, Outage
from zkfake._channel.rules import Rule
from zkfake._control.seeding import Snapshot
from zkfake._realtime.faults import Faults
from zkfake._realtime.member import Member
from zkfake._realtime.server import FakeZooKeeper

__all__ = [
    "AuthProvider",
    "FakeZooKeeper",
    "Faults",
    "Hold",
    "Member",
    "Outage",
    "Rule",
    "Snapshot",
]
