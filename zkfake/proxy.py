"""A proxy in front of any ZooKeeper: the fake's faults of connections, on a real server.

>>> from zkfake.proxy import ZooKeeperProxy
>>> with ZooKeeperProxy("127.0.0.1:2181") as proxy:  # doctest: +SKIP
...     client = KazooClient(proxy.hosts)
...     client.start()
...     proxy.faults.drop_before_reply(client, operation="create")
"""

from zkfake._proxy.faults import ProxyFaults
from zkfake._proxy.proxy import ZooKeeperProxy

__all__ = ["ProxyFaults", "ZooKeeperProxy"]
