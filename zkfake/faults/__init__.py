"""Faults: what can be done to the clients and the servers of a fake, by name, and when.

The rooms that both drivers share: telling requests apart on a wire (`frames`), rules that wait for
their requests (`rules`, `requests`), what lasts until it is healed (`outages`), and what can happen
to servers and the links between them (`servers`). The rooms of real sockets: one client's
connection (`wire`) and the faults of a `FakeZooKeeper` (`realtime`).
"""

from zkfake.faults.outages import Outage
from zkfake.faults.realtime import Faults, Hold
from zkfake.faults.rules import Rule

__all__ = ["Faults", "Hold", "Outage", "Rule"]
