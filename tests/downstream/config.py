# config.py
import json
from collections.abc import Iterator, MutableMapping
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError


class Config(MutableMapping[str, Any]):
    """Settings, a znode with JSON each, as the server has them."""

    def __init__(self, client: KazooClient, path: str = "/config") -> None:
        self._client = client
        self._path = path
        client.ensure_path(path)

    def __getitem__(self, name: str) -> Any:
        try:
            data, _ = self._client.get(f"{self._path}/{name}")
        except NoNodeError:
            raise KeyError(name) from None
        return json.loads(data) if data else None

    def __setitem__(self, name: str, value: Any) -> None:
        data = b"" if value is None else json.dumps(value).encode()
        try:
            self._client.set(f"{self._path}/{name}", data)
        except NoNodeError:
            self._client.create(f"{self._path}/{name}", data)

    def __delitem__(self, name: str) -> None:
        try:
            self._client.delete(f"{self._path}/{name}")
        except NoNodeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._client.get_children(self._path))

    def __len__(self) -> int:
        return len(self._client.get_children(self._path))
