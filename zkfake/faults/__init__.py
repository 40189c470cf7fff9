"""Faults: what can be done to the clients and the servers of a fake, by name, and when.

Both drivers share: telling requests apart in a byte stream (`frames`), rules that wait for their
requests (`rules`, `requests`), what lasts until it is healed (`outages`), and what can happen to
servers and the links between them (`servers`). Of real sockets are: one client's connection
(`wire`), the faults of connections (`connections`) and the faults of a `FakeZooKeeper`
(`realtime`).
"""

from zkfake.faults.connections import Hold
from zkfake.faults.outages import Outage
from zkfake.faults.realtime import Faults
from zkfake.faults.rules import Rule

__all__ = ["Faults", "Hold", "Outage", "Rule"]
