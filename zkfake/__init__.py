"""An in-process fake ZooKeeper that speaks the real wire protocol.

`FakeZooKeeper` serves on real sockets; `zkfake.simulation` runs the same ensemble in virtual time;
`zkfake.proxy` is a proxy for any server; `zkfake.history` has what happened. The public names are
those in the `__all__` of these modules; every other module and package has a leading underscore.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = {
    "AuthProvider": "zkfake._auth.providers",
    "FakeZooKeeper": "zkfake._realtime.server",
    "Faults": "zkfake._realtime.faults",
    "Hold": "zkfake._channel.outages",
    "Member": "zkfake._realtime.member",
    "Outage": "zkfake._channel.outages",
    "Rule": "zkfake._channel.rules",
    "Snapshot": "zkfake._control.seeding",
}


def __getattr__(name: str) -> object:
    # The command imports this package before it can handle Ctrl-C, so nothing may take time here.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
