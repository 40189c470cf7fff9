"""The names that ``mntr`` prints, so that monitoring finds every line it reads by name.

Most of them are about the inner life of the real server's threads, queues, caches and disks. There
is nothing of the kind here, so they are zero, as on a server that has had nothing to do. Not here
are the lines that a server has for each znode below the root that somebody wrote to
(``zk_avg_app_write_per_namespace``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["names"]

_COUNTERS = """
    add_dead_watcher_stall_time approximate_data_size auth_failed_count bytes_received_count
    cnxn_closed_without_zk_server_running commit_count connection_drop_count
    connection_drop_probability connection_rejected connection_request_count
    connection_revalidate_count dead_watchers_cleared dead_watchers_queued diff_count
    digest_mismatches_count ensemble_auth_fail ensemble_auth_skip ensemble_auth_success
    global_sessions insecure_admin_count large_requests_rejected learner_commit_received_count
    learner_proposal_received_count local_sessions looking_count non_mtls_local_conn_count
    non_mtls_remote_conn_count outstanding_changes_queued outstanding_changes_removed
    outstanding_tls_handshake prep_processor_request_queued proposal_count
    quit_leading_due_to_disloyal_voter request_commit_queued request_throttle_wait_count
    requests_not_forwarded_to_commit_processor response_bytes response_packet_cache_hits
    response_packet_cache_misses response_packet_get_children_cache_hits
    response_packet_get_children_cache_misses revalidate_count sessionless_connections_expired
    skip_learner_request_to_next_processor_count snap_count stale_replies stale_requests
    stale_requests_dropped stale_sessions_expired sync_processor_request_queued throttled_ops
    tls_handshake_exceeded unrecoverable_error_count unsuccessful_handshake uptime watch_bytes
    watch_count
"""
_OF_RESTORES = """
    restore_error_count restore_rate_limited_count snapshot_error_count
    snapshot_rate_limited_count
"""
_SUMMARIES = """
    commit_commit_proc_req_queued commit_process_time
    concurrent_request_processing_in_commit_processor connection_token_deficit dbinittime
    election_time follower_sync_time fsynctime inflight_diff_count inflight_snap_count
    leader_unavailable_time learner_request_processor_queue_size netty_queued_buffer_capacity
    node_changed_watch_count node_children_watch_count node_created_watch_count
    node_deleted_watch_count observer_sync_time pending_session_queue_size prep_process_time
    prep_processor_queue_size proposal_process_time read_commit_proc_issued
    read_commit_proc_req_queued reads_after_write_in_session_queue
    reads_issued_from_session_queue requests_in_session_queue session_queues_drained
    snapshottime socket_closing_time startup_snap_load_time startup_txns_load_time
    startup_txns_loaded sync_process_time sync_processor_batch_size sync_processor_queue_size
    time_waiting_empty_pool_in_commit_processor_read_ms unavailable_time
    write_batch_time_in_commit_processor write_commit_proc_issued write_commit_proc_req_queued
"""
_WITH_PERCENTILES = """
    close_session_prep_time commit_propagation_latency dead_watchers_cleaner_latency
    jvm_pause_time_ms local_write_committed_time_ms om_commit_process_time_ms
    om_proposal_process_time_ms prep_processor_queue_time_ms propagation_latency
    proposal_ack_creation_latency proposal_latency quorum_ack_latency read_commitproc_time_ms
    read_final_proc_time_ms readlatency request_throttle_queue_time_ms
    server_write_committed_time_ms sync_processor_queue_and_flush_time_ms
    sync_processor_queue_flush_time_ms sync_processor_queue_time_ms updatelatency
    write_commitproc_time_ms write_final_proc_time_ms
"""
_FIGURES = ("avg", "min", "max", "cnt", "sum")
_PERCENTILES = ("p50", "p95", "p99", "p999")


def names(*, restores: bool, leads: bool, learners: Iterable[int]) -> Iterator[tuple[str, object]]:
    """Each name, without ``zk_``, with what it says on a server that has had nothing to do.

    ``restores``: whether the version tells of restores. ``leads``: whether the server leads, and
    ``learners`` the ids of those that follow it.
    """
    counters, summaries = _COUNTERS.split(), _SUMMARIES.split()
    percentiles, sizes = _WITH_PERCENTILES.split(), ["client_response_size"]
    if restores:
        counters += _OF_RESTORES.split()
        summaries.append("restore_time")
    if leads:
        sizes.append("proposal_size")
    for learner in learners:
        summaries.append(f"{learner}_learner_handler_qp_size")
        percentiles.append(f"{learner}_learner_handler_qp_time_ms")
    for name in counters:
        yield name, 0
    for name in sizes:
        yield from ((f"{figure}_{name}", -1) for figure in ("last", "min", "max"))
    for name in summaries + percentiles:
        more = _PERCENTILES if name in percentiles else ()
        for figure in (*_FIGURES, *more):
            yield f"{figure}_{name}", 0.0 if figure == "avg" else 0
