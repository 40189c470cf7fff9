"""A real ZooKeeper for the length of a test run, without a container: one server or an ensemble.

>>> with LiveZooKeeper(servers=3) as ensemble:  # doctest: +SKIP
...     client = KazooClient(ensemble.hosts)

`_zookeeper` configures and starts the servers, `_member` runs the process of one, `_words` asks
them, `_ports` draws their ports, `_installation` finds Java and the server. `_times` has what is
the same on the fake. `_proxied` puts a proxy in front of the servers while faults are wanted;
`faults` has what can be done then.
"""

from pytest_zkdict.live._installation import (
    Installation,
    LiveUnavailableError,
    find_installation,
    installed_version,
)
from pytest_zkdict.live._member import LiveMember, LiveStartError
from pytest_zkdict.live._words import four_letter_word
from pytest_zkdict.live._zookeeper import LiveZooKeeper

__all__ = [
    "Installation",
    "LiveMember",
    "LiveStartError",
    "LiveUnavailableError",
    "LiveZooKeeper",
    "find_installation",
    "four_letter_word",
    "installed_version",
]
