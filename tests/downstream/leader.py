# leader.py
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError


class Leader:
    """Leads while it is sure that the znode /leader is its own."""

    def __init__(self, client: KazooClient) -> None:
        self.leads = False
        self._client = client
        client.add_listener(self._on_state)

    def campaign(self) -> None:
        """Become the leader, unless there is one."""
        try:
            self._client.create("/leader", ephemeral=True)
        except NodeExistsError:
            return
        self.leads = True

    def _on_state(self, state: str) -> None:
        if state in ("SUSPENDED", "LOST"):
            self.leads = False
