# workers.py
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError


class Worker:
    """Works on jobs that nobody else works on."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client
        client.ensure_path("/claims")

    def claim(self, job: str) -> bool:
        """Whether the job is ours from now on, for as long as our session lasts."""
        try:
            self._client.create(f"/claims/{job}", ephemeral=True)
        except NodeExistsError:
            return False
        return True
