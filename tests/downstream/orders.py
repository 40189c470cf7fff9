# orders.py
from uuid import uuid4

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss


class Orders:
    """A queue of orders, a sequential znode each."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client
        client.ensure_path("/orders")

    def put(self, order: bytes) -> None:
        """Append an order, once, though the connection may break meanwhile."""
        name = uuid4().hex
        while not self._is_there(name):
            try:
                self._client.create(f"/orders/{name}-", order, sequence=True)
            except ConnectionLoss:
                continue  # it may be there, or not
            return

    def _is_there(self, name: str) -> bool:
        retry = self._client.retry
        retry(self._client.sync, "/orders")
        return any(child.startswith(name) for child in retry(self._client.get_children, "/orders"))

    def all(self) -> list[bytes]:
        """Every order, oldest first."""
        children = sorted(self._client.get_children("/orders"), key=lambda child: child[-10:])
        return [self._client.get(f"/orders/{child}")[0] for child in children]
