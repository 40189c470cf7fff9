"""What a server tells of itself: the figures behind the four-letter words."""

import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import cast

from zkfake._connection.four_letter import ConnectionStatus, parse_whitelist
from zkfake._connection.mntr_names import names
from zkfake._database.reconfig import CONFIG_PATH, server_ports
from zkfake._ensemble.replica import Replica
from zkfake._ensemble.stats import Mode, ServerStats

# What the sample configuration has, in ticks. The fake's servers do not wait for each other.


class ReplicaStatus:
    """A server as the four-letter words ask for it: `ServerStatus`."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._settings = replica.settings

    @property
    def trace_mask(self) -> int:
        return self._replica.trace_mask

    @trace_mask.setter
    def trace_mask(self, mask: int) -> None:
        self._replica.trace_mask = mask

    @property
    def version(self) -> str:
        version = self._settings.version
        return f"{version.name}-{version.built}"

    @property
    def mode(self) -> Mode | None:
        return self._replica.mode

    @property
    def peer_state(self) -> str | None:
        return {
            "leader": "leading - broadcast",
            "follower": "following - broadcast",
            "observer": "observing - broadcast",
        }.get(self.mode or "")

    @property
    def whitelist(self) -> frozenset[str]:
        words = ",".join(self._settings.four_letter_whitelist)
        return parse_whitelist(words, self._settings.read_only_mode)

    @property
    def stats(self) -> ServerStats:
        return self._replica.stats

    @property
    def zxid(self) -> int:
        return self._replica.zxid

    @property
    def outstanding(self) -> int:
        return sum(connection.outstanding for connection in self.connections())

    @property
    def node_count(self) -> int:
        return len(self._replica.tree.nodes) + 1

    @property
    def proposal_sizes(self) -> tuple[int, int, int]:
        return (-1, -1, -1)

    def connections(self) -> Iterable[ConnectionStatus]:
        return cast("Iterable[ConnectionStatus]", list(self._replica.clients))

    def data_watches(self) -> Mapping[int, Iterable[str]]:
        return dict(self._replica.watches.data.by_session())

    def session_sets(self) -> Sequence[tuple[int, Sequence[int]]]:
        return list(self._replica.ensemble.sessions.buckets().items())

    def local_session_sets(self) -> Sequence[tuple[int, Sequence[int]]] | None:
        if not self._settings.local_sessions or self._replica.ensemble.standalone:
            return None
        mine = self._local_sessions()
        buckets = self._replica.ensemble.local_sessions.buckets()
        sets = [(when, [id_ for id_ in ids if id_ in mine]) for when, ids in buckets.items()]
        return [(when, ids) for when, ids in sets if ids]

    def _local_sessions(self) -> set[int]:
        replica = self._replica
        local = replica.ensemble.local_sessions
        return {session.id for session in local if session.server_id == replica.id}

    def global_sessions(self) -> Mapping[int, int]:
        return self._replica.store.sessions

    def connection_sets(self) -> Sequence[tuple[int, Sequence[tuple[str, int]]]]:
        sets: dict[int, list[tuple[str, int]]] = {}
        ensemble = self._replica.ensemble
        for connection in self.connections():
            session = ensemble.session(connection.session_id)
            expires = connection.handshake_due if session is None else session.expires
            sets.setdefault(expires, []).append((connection.address, connection.session_id))
        return sorted(sets.items())

    def ephemerals(self) -> Mapping[int, Iterable[str]]:
        return {owner: list(paths) for owner, paths in self._replica.tree.ephemerals.items()}

    def configuration(self) -> Iterable[tuple[str, object]]:
        settings, replica = self._settings, self._replica
        client_port, secure_port = replica.ports
        low, high = settings.session_timeouts
        lines: list[tuple[str, object]] = [
            ("clientPort", client_port),
            ("secureClientPort", secure_port),
            ("dataDir", "memory"),
            ("dataDirSize", 0),
            ("dataLogDir", "memory"),
            ("dataLogSize", 0),
            ("tickTime", settings.tick_time),
            ("maxClientCnxns", settings.max_client_connections),
            ("minSessionTimeout", low),
            ("maxSessionTimeout", high),
            ("clientPortListenBacklog", -1),
            ("serverId", 0 if replica.ensemble.standalone else replica.id),
        ]
        if not replica.ensemble.standalone:
            spec = replica.store.config.servers.get(replica.id)
            quorum_port, election_port = (
                server_ports(replica.id) if spec is None else (spec.quorum_port, spec.election_port)
            )
            lines += [
                ("initLimit", settings.init_limit),
                ("syncLimit", settings.sync_limit),
                ("electionAlg", 3),
                ("electionPort", election_port),
                ("quorumPort", quorum_port),
                ("peerType", int(replica.observer)),
            ]
        return lines

    def membership(self) -> str | None:
        if self._replica.ensemble.standalone or self.mode == "read-only":
            return None
        node = self._replica.tree.nodes[CONFIG_PATH]
        return (node.data or b"").decode()

    def environment(self) -> Iterable[tuple[str, object]]:
        return [
            ("host.name", "localhost"),
            ("python.version", platform.python_version()),
            ("python.executable", sys.executable),
            ("os.name", platform.system()),
            ("os.arch", platform.machine()),
        ]

    def metrics(self) -> Iterable[tuple[str, object]]:
        """Every line that a server has in this place in its ensemble; what the fake knows nothing
        of is zero (`zkfake._connection.mntr_names`).
        """
        leader = self.mode == "leader"
        lines = dict(
            names(
                restores=self._settings.version.mntr_tells_of_restores,
                leads=leader,
                learners=self._learners() if leader else (),
            )
        )
        lines |= asdict(self._replica.counts)
        lines |= self._own_metrics()
        return lines.items()

    def _learners(self) -> Iterable[int]:
        """Those that follow it, if it leads."""
        return (n for n in self._replica.ensemble.followers if n != self._replica.id)

    def _own_metrics(self) -> dict[str, object]:
        replica, mode = self._replica, self.mode
        nodes = replica.tree.nodes
        size = sum(len(path.encode()) + len(node.data or b"") for path, node in nodes.items())
        lines: dict[str, object] = {
            "approximate_data_size": size,
            "watch_count": len(replica.watches.data) + len(replica.watches.child),
            "global_sessions": len(replica.ensemble.sessions),
            "local_sessions": len(self._local_sessions()),
            "uptime": replica.ensemble.now - replica.since,
            # What the real server says where the system does not tell it.
            "open_file_descriptor_count": -1,
            "max_file_descriptor_count": -1,
        }
        if not replica.ensemble.standalone and mode != "read-only":
            lines.update(self._ensemble_metrics())
        return lines

    def _ensemble_metrics(self) -> list[tuple[str, object]]:
        replica, ensemble = self._replica, self._replica.ensemble
        leader = ensemble.leader
        lines: list[tuple[str, object]] = [("quorum_size", len(replica.store.config.voters))]
        if self.mode == "observer" and leader is not None:
            lines.append(("observer_master_id", leader.id))
        if self.mode == "leader":
            following = [m for m in ensemble.replicas if m.id in ensemble.followers]
            observers = sum(member.observer for member in following)
            learners = len(following) - 1
            voters = replica.store.config.voters
            guests = sum(not m.observer and m.id not in voters for m in following)
            lines += [
                ("learners", learners),
                ("synced_followers", learners - observers),
                ("synced_observers", observers),
                ("synced_non_voting_followers", guests),
                ("pending_syncs", 0),
                ("last_proposal_size", -1),
                ("leader_uptime", ensemble.now - replica.since),
            ]
        return lines

    def directory_sizes(self) -> tuple[int, int]:
        return (0, 0)

    def digests(self) -> Iterable[tuple[int, int]]:
        return ()
