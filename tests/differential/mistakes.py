"""Mistakes to plant in the fake: each is one a rewrite could make, none may go unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from zkfake._connection import connection
from zkfake._connection.connection import Connection
from zkfake._database import acl
from zkfake._database.acl import AccessControl
from zkfake._database.log import Create
from zkfake._database.rules import Rules
from zkfake._database.tree import Tree, Znode
from zkfake._ensemble import replies
from zkfake._ensemble.replica import Replica
from zkfake._ensemble.replies import Reads
from zkfake._ensemble.sessions import password_of
from zkfake._ensemble.watches import STANDARD, WatchManager, WatchTable
from zkfake._protocol.records import Code, EventType, MultiRequest, Op, Stat, ZooKeeperError

from ..support.mistakes import Mistakes, wrap

if TYPE_CHECKING:
    from ..support.mistakes import Patch

MISTAKES = Mistakes()


# -- decisions -------------------------------------------------------------------------------------


@MISTAKES
def delete_finds_children_before_a_wrong_version(patch: Patch) -> None:
    def delete(
        original: Any, self: Any, view: Any, tree: Any, op: Any, record: Any, *rest: Any
    ) -> Any:
        path = record.path
        if path and view.get(path) and view.child_count(path) and path not in ("/", "/zookeeper"):
            raise ZooKeeperError(Code.NOT_EMPTY)
        return original(self, view, tree, op, record, *rest)

    wrap(patch, Rules, "_delete", delete)


@MISTAKES
def create_finds_a_node_before_a_bad_acl(patch: Patch) -> None:
    def create(
        original: Any, self: Any, view: Any, tree: Any, op: Any, record: Any, *rest: Any
    ) -> Any:
        if record.path and view.get(record.path) and record.flags in (0, 1):
            raise ZooKeeperError(Code.NODE_EXISTS)
        return original(self, view, tree, op, record, *rest)

    wrap(patch, Rules, "_create", create)


@MISTAKES
def a_failed_write_uses_no_zxid(patch: Patch) -> None:
    def prepare(
        original: Any, self: Any, tree: Any, request: Any, zxid: int, time: int, *more: Any
    ) -> Any:
        made = original(self, tree, request, zxid, time, *more)
        return made._replace(zxid=zxid - 1) if made.error else made

    wrap(patch, Rules, "prepare", prepare)


@MISTAKES
def a_failed_multi_is_not_rolled_back(patch: Patch) -> None:
    def prepare(
        original: Any, self: Any, tree: Any, request: Any, zxid: int, time: int, *more: Any
    ) -> Any:
        made = original(self, tree, request, zxid, time, *more)
        if made.failed_at < 2:
            return made
        done = MultiRequest(request.record.operations[: made.failed_at - 1])
        half = original(self, tree, request._replace(record=done), zxid, time, *more)
        return made._replace(operations=half.operations)

    wrap(patch, Rules, "_prepare_multi", prepare)


@MISTAKES
def a_multi_does_not_see_its_own_creates(patch: Patch) -> None:
    from zkfake._database.rules import _Pending

    def accept(original: Any, self: Any, operation: Any, *rest: Any) -> None:
        if not isinstance(operation, Create):
            original(self, operation, *rest)

    wrap(patch, _Pending, "accept", accept)


@MISTAKES
def version_minus_two_matches_any(patch: Patch) -> None:
    from zkfake._database import rules

    def check(original: Any, version: int, expected: int) -> Any:
        return original(version, -1 if expected == -2 else expected)

    wrap(patch, rules, "_check_version", check)


@MISTAKES
def equal_data_leaves_the_version(patch: Patch) -> None:
    def set_data(original: Any, self: Any, view: Any, *rest: Any) -> Any:
        made = original(self, view, *rest)
        old = view.get(made.path)
        return made._replace(version=old.version) if made.data == old.data else made

    wrap(patch, Rules, "_set_data", set_data)


@MISTAKES
def null_data_is_kept_as_empty(patch: Patch) -> None:
    def create(original: Any, *arguments: Any) -> Any:
        made = original(*arguments)
        return made._replace(data=made.data or b"")

    wrap(patch, Rules, "_create", create)


@MISTAKES
def duplicates_stay_in_an_acl(patch: Patch) -> None:
    def fix(original: Any, self: Any, entries: Any, ids: Any) -> Any:
        fixed = original(self, entries, ids)
        twice = len(entries) != len(set(entries)) and len(fixed) == len(set(entries))
        return tuple(entries) if twice else fixed

    wrap(patch, AccessControl, "fix", fix)


@MISTAKES
def sequential_ephemerals_outlive_their_session(patch: Patch) -> None:
    def create(
        original: Any, self: Any, view: Any, tree: Any, op: Any, record: Any, *rest: Any
    ) -> Any:
        made = original(self, view, tree, op, record, *rest)
        return made._replace(owner=0) if record.flags == 3 else made

    wrap(patch, Rules, "_create", create)


# -- the tree --------------------------------------------------------------------------------------


@MISTAKES
def cversion_is_off_by_one_below_children(patch: Patch) -> None:
    def fields(original: Any, *arguments: Any) -> Any:
        made = Stat(*original(*arguments))
        return made._replace(cversion=made.cversion + bool(made.num_children))

    wrap(patch, Znode, "_stat", fields)


@MISTAKES
def a_delete_takes_back_a_sequence_number(patch: Patch) -> None:
    def delete(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        change = original(self, done, transaction)
        above = self.nodes[change.parent]
        self.nodes[change.parent] = above._replace(creates=above.creates - 1)
        return change

    wrap(patch, Tree, "_delete", delete)


@MISTAKES
def a_delete_leaves_the_parents_pzxid(patch: Patch) -> None:
    def delete(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        parent = done.path.rpartition("/")[0] or "/"
        before = self.nodes[parent].pzxid
        change = original(self, done, transaction)
        self.nodes[parent] = self.nodes[parent]._replace(pzxid=before)
        return change

    wrap(patch, Tree, "_delete", delete)


@MISTAKES
def a_create_moves_the_parents_mzxid(patch: Patch) -> None:
    def create(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        change = original(self, done, transaction)
        above = self.nodes[change.parent]
        self.nodes[change.parent] = above._replace(mzxid=transaction.zxid)
        return change

    wrap(patch, Tree, "_create", create)


@MISTAKES
def set_acl_moves_mzxid(patch: Patch) -> None:
    def set_acl(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        original(self, done, transaction)
        self.nodes[done.path] = self.nodes[done.path]._replace(mzxid=transaction.zxid)
        return original(self, done, transaction)

    wrap(patch, Tree, "_set_acl", set_acl)


@MISTAKES
def children_are_listed_by_name(patch: Patch) -> None:
    wrap(patch, Tree, "child_names", lambda original, *rest: iter(sorted(original(*rest))))


@MISTAKES
def ephemerals_go_by_name(patch: Patch) -> None:
    wrap(patch, Tree, "ephemerals_of", lambda original, *rest: sorted(original(*rest)))


# -- watches ---------------------------------------------------------------------------------------


@MISTAKES
def events_come_after_the_reply(patch: Patch) -> None:
    held: dict[Connection, list[tuple[Any, ...]]] = {}

    def notify(original: Any, self: Connection, *event: Any) -> None:
        held.setdefault(self, []).append((original, *event))

    def reply(original: Any, self: Connection, *arguments: Any) -> None:
        original(self, *arguments)
        for late, *event in held.pop(self, ()):
            late(self, *event)

    wrap(patch, Connection, "notify", notify)
    wrap(patch, Connection, "_reply", reply)


@MISTAKES
def a_delete_leaves_the_child_watch(patch: Patch) -> None:
    def trigger(original: Any, self: WatchManager, change: Any, zxid: int) -> None:
        watching = [w for path, w, mode in self.child if path == change.path and mode == STANDARD]
        original(self, change, zxid)
        if change.type is EventType.DELETED:
            for watcher in watching:
                self.child.add(change.path, watcher)

    wrap(patch, WatchManager, "trigger", trigger)


@MISTAKES
def a_delete_is_told_twice_to_two_watches(patch: Patch) -> None:
    def trigger(original: Any, self: WatchManager, change: Any, zxid: int) -> None:
        twice = (
            list(self.child.trigger(EventType.DELETED, change.path))
            if change.type is EventType.DELETED
            else []
        )
        original(self, change, zxid)
        for watcher in twice:
            watcher.notify(EventType.DELETED, change.path, zxid, change.acl)

    wrap(patch, WatchManager, "trigger", trigger)


@MISTAKES
def one_shot_watches_stay(patch: Patch) -> None:
    def trigger(original: Any, self: WatchTable, type_: Any, path: str) -> Any:
        told = original(self, type_, path)
        for watcher in told:
            if not self.modes(path, watcher):
                self.add(path, watcher)
        return told

    wrap(patch, WatchTable, "trigger", trigger)


@MISTAKES
def recursive_watches_match_by_prefix(patch: Patch) -> None:
    from zkfake._ensemble import watches

    def ancestors(original: Any, path: str) -> list[str]:
        found = original(path)
        return [*found, *(above[:-1] for above in found if len(above) > 2)]

    wrap(patch, watches, "ancestors", ancestors)


@MISTAKES
def exists_does_not_watch_what_is_missing(patch: Patch) -> None:
    def exists(original: Any, self: Any, request: Any, record: Any, watcher: Any) -> Any:
        there = record.path is None or self._tree.get(record.path) is not None
        return original(self, request, record if there else record._replace(watch=False), watcher)

    wrap(patch, Reads, "_exists", exists)


@MISTAKES
def get_data_watches_what_is_missing(patch: Patch) -> None:
    def get_data(original: Any, self: Any, request: Any, record: Any, watcher: Any) -> Any:
        if record.watch and record.path:
            self._watches.data.add(record.path, watcher)
        return original(self, request, record, watcher)

    wrap(patch, Reads, "_get_data", get_data)


@MISTAKES
def events_reach_who_may_not_read(patch: Patch) -> None:
    wrap(
        patch,
        Connection,
        "notify",
        lambda original, self, type_, path, zxid, acl: original(self, type_, path, zxid, None),
    )


@MISTAKES
def set_watches_arms_what_it_told(patch: Patch) -> None:
    def set_watches(
        original: Any, self: WatchManager, tree: Any, watcher: Any, zxid: int, lists: Any
    ) -> None:
        original(self, tree, watcher, zxid, lists)
        for path in lists[1] or ():
            if path:
                self.data.add(path, watcher)

    wrap(patch, WatchManager, "set_watches", set_watches)


# -- sessions, identities, replies -----------------------------------------------------------------


@MISTAKES
def any_password_renews_a_session(patch: Patch) -> None:
    def renew(original: Any, self: Any, client: Any, asked: Any, *rest: Any) -> Any:
        right = asked._replace(password=password_of(asked.session_id))
        return original(self, client, right, *rest)

    wrap(patch, Replica, "renew_session", renew)


@MISTAKES
def a_wrong_password_leaves_the_old_connection(patch: Patch) -> None:
    def renew(original: Any, self: Any, client: Any, asked: Any, timeout: int, done: Any) -> Any:
        if asked.password != password_of(asked.session_id):
            return done(None)
        return original(self, client, asked, timeout, done)

    wrap(patch, Replica, "renew_session", renew)


@MISTAKES
def a_client_from_the_future_is_let_in(patch: Patch) -> None:
    def read(original: Any, reader: Any) -> Any:
        return original(reader)._replace(last_zxid_seen=0)

    wrap(patch, connection, "read_connect_request", read)


@MISTAKES
def a_ping_is_answered_with_its_own_xid(patch: Patch) -> None:
    def reply(original: Any, self: Any, operation: Any, cxid: int, *rest: Any) -> Any:
        with mock.patch.object(connection, "PING_XID", cxid):
            return original(self, operation, cxid, *rest)

    wrap(patch, Connection, "_reply", reply)


@MISTAKES
def a_second_identity_takes_the_place_of_the_first(patch: Patch) -> None:
    def add(original: Any, self: Any, ids: Any) -> None:
        self.ids = tuple(id_ for id_ in self.ids if id_.scheme == "ip")
        original(self, ids)

    wrap(patch, Connection, "_add_ids", add)


@MISTAKES
def hashes_are_shown_to_everybody(patch: Patch) -> None:
    patch.setattr(acl, "mask", lambda entries: entries)


@MISTAKES
def who_may_not_read_is_told_there_is_nothing(patch: Patch) -> None:
    def readable(original: Any, *arguments: Any) -> Any:
        try:
            return original(*arguments)
        except ZooKeeperError as error:
            hidden = error.code is Code.NO_AUTH
            raise ZooKeeperError(Code.NO_NODE if hidden else error.code) from None

    wrap(patch, Reads, "_readable", readable)


@MISTAKES
def multi_read_sets_watches(patch: Patch) -> None:
    def read(original: Any, self: Any, request: Any, record: Any, watcher: Any) -> Any:
        for sub in record.operations:
            if sub.op is Op.GET_DATA and sub.record.path and sub.record.watch:
                self._watches.data.add(sub.record.path, watcher)
        return original(self, request, record, watcher)

    wrap(patch, Reads, "_multi_read", read)


@MISTAKES
def an_unknown_session_is_refused_without_an_answer(patch: Patch) -> None:
    def connected(original: Any, self: Any, session: Any) -> Any:
        return self.drop() if session is None else original(self, session)

    wrap(patch, Connection, "_connected", connected)


@MISTAKES
def operations_behind_a_failed_one_fail_alike(patch: Patch) -> None:
    def error(original: Any, code: int) -> Any:
        return original(Code.OK if code == Code.RUNTIME_INCONSISTENCY else code)

    wrap(patch, replies, "pack_multi_error", error)
