"""Mistakes to plant in the fake: each is one a rewrite could make, none may go unnoticed.

`MUTANTS` names them; entering one changes the fake's classes, leaving it changes them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from zkfake import acl, connection, replies
from zkfake.acl import AccessControl
from zkfake.connection import Connection
from zkfake.log import Create
from zkfake.protocol import Code, EventType, MultiRequest, Op, Stat, ZooKeeperError
from zkfake.replica import Replica
from zkfake.replies import Reads
from zkfake.sessions import password_of
from zkfake.transactions import Rules
from zkfake.tree import Tree, Znode
from zkfake.watches import STANDARD, Watches, WatchTable

Mutant = Callable[[], AbstractContextManager[Any]]
MUTANTS: dict[str, Mutant] = {}


def mutant(make: Mutant) -> Mutant:
    MUTANTS[make.__name__] = make
    return make


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> AbstractContextManager[Any]:
    """`owner.name` becomes `around(original, *arguments)`, in `owner`'s dispatch tables too."""
    original = getattr(owner, name)

    def replacement(*arguments: Any, **named: Any) -> Any:
        return around(original, *arguments, **named)

    @contextmanager
    def patched() -> Iterator[None]:
        with mock.patch.object(owner, name, replacement):
            tables = [
                (table, key)
                for table in vars(owner).values()
                if isinstance(table, dict)
                for key, value in table.items()
                if value is original
            ]
            for table, key in tables:
                table[key] = replacement
            try:
                yield
            finally:
                for table, key in tables:
                    table[key] = original

    return patched()


# -- decisions -------------------------------------------------------------------------------------


@mutant
def delete_finds_children_before_a_wrong_version() -> AbstractContextManager[Any]:
    def delete(
        original: Any, self: Any, view: Any, tree: Any, op: Any, record: Any, *rest: Any
    ) -> Any:
        path = record.path
        if path and view.get(path) and view.child_count(path) and path not in ("/", "/zookeeper"):
            raise ZooKeeperError(Code.NOT_EMPTY)
        return original(self, view, tree, op, record, *rest)

    return wrap(Rules, "_delete", delete)


@mutant
def create_finds_a_node_before_a_bad_acl() -> AbstractContextManager[Any]:
    def create(
        original: Any, self: Any, view: Any, tree: Any, op: Any, record: Any, *rest: Any
    ) -> Any:
        if record.path and view.get(record.path) and record.flags in (0, 1):
            raise ZooKeeperError(Code.NODE_EXISTS)
        return original(self, view, tree, op, record, *rest)

    return wrap(Rules, "_create", create)


@mutant
def a_failed_write_uses_no_zxid() -> AbstractContextManager[Any]:
    def prepare(
        original: Any, self: Any, tree: Any, request: Any, zxid: int, time: int, *more: Any
    ) -> Any:
        made = original(self, tree, request, zxid, time, *more)
        return made._replace(zxid=zxid - 1) if made.error else made

    return wrap(Rules, "prepare", prepare)


@mutant
def a_failed_multi_is_not_rolled_back() -> AbstractContextManager[Any]:
    def prepare(
        original: Any, self: Any, tree: Any, request: Any, zxid: int, time: int, *more: Any
    ) -> Any:
        made = original(self, tree, request, zxid, time, *more)
        if made.failed_at < 2:
            return made
        done = MultiRequest(request.record.operations[: made.failed_at - 1])
        half = original(self, tree, request._replace(record=done), zxid, time, *more)
        return made._replace(operations=half.operations)

    return wrap(Rules, "_prepare_multi", prepare)


@mutant
def a_multi_does_not_see_its_own_creates() -> AbstractContextManager[Any]:
    from zkfake.transactions import _Pending

    def accept(original: Any, self: Any, operation: Any, *rest: Any) -> None:
        if not isinstance(operation, Create):
            original(self, operation, *rest)

    return wrap(_Pending, "accept", accept)


@mutant
def version_minus_two_matches_any() -> AbstractContextManager[Any]:
    from zkfake import transactions

    def check(original: Any, version: int, expected: int) -> Any:
        return original(version, -1 if expected == -2 else expected)

    return wrap(transactions, "_check_version", check)


@mutant
def equal_data_leaves_the_version() -> AbstractContextManager[Any]:
    def set_data(original: Any, self: Any, view: Any, *rest: Any) -> Any:
        made = original(self, view, *rest)
        old = view.get(made.path)
        return made._replace(version=old.version) if made.data == old.data else made

    return wrap(Rules, "_set_data", set_data)


@mutant
def null_data_is_kept_as_empty() -> AbstractContextManager[Any]:
    def create(original: Any, *arguments: Any) -> Any:
        made = original(*arguments)
        return made._replace(data=made.data or b"")

    return wrap(Rules, "_create", create)


@mutant
def duplicates_stay_in_an_acl() -> AbstractContextManager[Any]:
    def fix(original: Any, self: Any, entries: Any, ids: Any) -> Any:
        fixed = original(self, entries, ids)
        twice = len(entries) != len(set(entries)) and len(fixed) == len(set(entries))
        return tuple(entries) if twice else fixed

    return wrap(AccessControl, "fix", fix)


@mutant
def sequential_ephemerals_outlive_their_session() -> AbstractContextManager[Any]:
    def create(
        original: Any, self: Any, view: Any, tree: Any, op: Any, record: Any, *rest: Any
    ) -> Any:
        made = original(self, view, tree, op, record, *rest)
        return made._replace(owner=0) if record.flags == 3 else made

    return wrap(Rules, "_create", create)


# -- the tree --------------------------------------------------------------------------------------


@mutant
def cversion_is_off_by_one_below_children() -> AbstractContextManager[Any]:
    def fields(original: Any, *arguments: Any) -> Any:
        made = Stat(*original(*arguments))
        return made._replace(cversion=made.cversion + bool(made.num_children))

    return wrap(Znode, "_stat", fields)


@mutant
def a_delete_takes_back_a_sequence_number() -> AbstractContextManager[Any]:
    def delete(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        change = original(self, done, transaction)
        above = self.nodes[change.parent]
        self.nodes[change.parent] = above._replace(creates=above.creates - 1)
        return change

    return wrap(Tree, "_delete", delete)


@mutant
def a_delete_leaves_the_parents_pzxid() -> AbstractContextManager[Any]:
    def delete(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        parent = done.path.rpartition("/")[0] or "/"
        before = self.nodes[parent].pzxid
        change = original(self, done, transaction)
        self.nodes[parent] = self.nodes[parent]._replace(pzxid=before)
        return change

    return wrap(Tree, "_delete", delete)


@mutant
def a_create_moves_the_parents_mzxid() -> AbstractContextManager[Any]:
    def create(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        change = original(self, done, transaction)
        above = self.nodes[change.parent]
        self.nodes[change.parent] = above._replace(mzxid=transaction.zxid)
        return change

    return wrap(Tree, "_create", create)


@mutant
def set_acl_moves_mzxid() -> AbstractContextManager[Any]:
    def set_acl(original: Any, self: Any, done: Any, transaction: Any) -> Any:
        original(self, done, transaction)
        self.nodes[done.path] = self.nodes[done.path]._replace(mzxid=transaction.zxid)
        return original(self, done, transaction)

    return wrap(Tree, "_set_acl", set_acl)


@mutant
def children_are_listed_by_name() -> AbstractContextManager[Any]:
    return wrap(Tree, "child_names", lambda original, *rest: iter(sorted(original(*rest))))


@mutant
def ephemerals_go_by_name() -> AbstractContextManager[Any]:
    return wrap(Tree, "ephemerals_of", lambda original, *rest: sorted(original(*rest)))


# -- watches ---------------------------------------------------------------------------------------


@mutant
def events_come_after_the_reply() -> AbstractContextManager[Any]:
    held: dict[Connection, list[tuple[Any, ...]]] = {}

    def notify(original: Any, self: Connection, *event: Any) -> None:
        held.setdefault(self, []).append((original, *event))

    def reply(original: Any, self: Connection, *arguments: Any) -> None:
        original(self, *arguments)
        for late, *event in held.pop(self, ()):
            late(self, *event)

    @contextmanager
    def both() -> Iterator[None]:
        with wrap(Connection, "notify", notify), wrap(Connection, "_reply", reply):
            yield

    return both()


@mutant
def a_delete_leaves_the_child_watch() -> AbstractContextManager[Any]:
    def trigger(original: Any, self: Watches, change: Any, zxid: int) -> None:
        watching = [w for path, w, mode in self.child if path == change.path and mode == STANDARD]
        original(self, change, zxid)
        if change.type is EventType.DELETED:
            for watcher in watching:
                self.child.add(change.path, watcher)

    return wrap(Watches, "trigger", trigger)


@mutant
def a_delete_is_told_twice_to_two_watches() -> AbstractContextManager[Any]:
    def trigger(original: Any, self: Watches, change: Any, zxid: int) -> None:
        twice = (
            list(self.child.trigger(EventType.DELETED, change.path))
            if change.type is EventType.DELETED
            else []
        )
        original(self, change, zxid)
        for watcher in twice:
            watcher.notify(EventType.DELETED, change.path, zxid, change.acl)

    return wrap(Watches, "trigger", trigger)


@mutant
def one_shot_watches_stay() -> AbstractContextManager[Any]:
    def trigger(original: Any, self: WatchTable, type_: Any, path: str) -> Any:
        told = original(self, type_, path)
        for watcher in told:
            if not self.modes(path, watcher):
                self.add(path, watcher)
        return told

    return wrap(WatchTable, "trigger", trigger)


@mutant
def recursive_watches_match_by_prefix() -> AbstractContextManager[Any]:
    from zkfake import watches

    def ancestors(original: Any, path: str) -> list[str]:
        found = original(path)
        return [*found, *(above[:-1] for above in found if len(above) > 2)]

    return wrap(watches, "ancestors", ancestors)


@mutant
def exists_does_not_watch_what_is_missing() -> AbstractContextManager[Any]:
    def exists(original: Any, self: Any, request: Any, record: Any, watcher: Any) -> Any:
        there = record.path is None or self._tree.get(record.path) is not None
        return original(self, request, record if there else record._replace(watch=False), watcher)

    return wrap(Reads, "_exists", exists)


@mutant
def get_data_watches_what_is_missing() -> AbstractContextManager[Any]:
    def get_data(original: Any, self: Any, request: Any, record: Any, watcher: Any) -> Any:
        if record.watch and record.path:
            self._watches.data.add(record.path, watcher)
        return original(self, request, record, watcher)

    return wrap(Reads, "_get_data", get_data)


@mutant
def events_reach_who_may_not_read() -> AbstractContextManager[Any]:
    return wrap(
        Connection,
        "notify",
        lambda original, self, type_, path, zxid, acl: original(self, type_, path, zxid, None),
    )


@mutant
def set_watches_arms_what_it_told() -> AbstractContextManager[Any]:
    def set_watches(
        original: Any, self: Watches, tree: Any, watcher: Any, zxid: int, lists: Any
    ) -> None:
        original(self, tree, watcher, zxid, lists)
        for path in lists[1] or ():
            if path:
                self.data.add(path, watcher)

    return wrap(Watches, "set_watches", set_watches)


# -- sessions, identities, replies -----------------------------------------------------------------


@mutant
def any_password_renews_a_session() -> AbstractContextManager[Any]:
    def renew(original: Any, self: Any, client: Any, asked: Any, *rest: Any) -> Any:
        right = asked._replace(password=password_of(asked.session_id))
        return original(self, client, right, *rest)

    return wrap(Replica, "renew_session", renew)


@mutant
def a_wrong_password_leaves_the_old_connection() -> AbstractContextManager[Any]:
    def renew(original: Any, self: Any, client: Any, asked: Any, timeout: int, done: Any) -> Any:
        if asked.password != password_of(asked.session_id):
            return done(None)
        return original(self, client, asked, timeout, done)

    return wrap(Replica, "renew_session", renew)


@mutant
def a_client_from_the_future_is_let_in() -> AbstractContextManager[Any]:
    def read(original: Any, reader: Any) -> Any:
        return original(reader)._replace(last_zxid_seen=0)

    return wrap(connection, "read_connect_request", read)


@mutant
def a_ping_is_answered_with_its_own_xid() -> AbstractContextManager[Any]:
    def reply(original: Any, self: Any, operation: Any, cxid: int, *rest: Any) -> Any:
        with mock.patch.object(connection, "PING_XID", cxid):
            return original(self, operation, cxid, *rest)

    return wrap(Connection, "_reply", reply)


@mutant
def a_second_identity_takes_the_place_of_the_first() -> AbstractContextManager[Any]:
    def add(original: Any, self: Any, ids: Any) -> None:
        self.ids = tuple(id_ for id_ in self.ids if id_.scheme == "ip")
        original(self, ids)

    return wrap(Connection, "_add_ids", add)


@mutant
def hashes_are_shown_to_everybody() -> AbstractContextManager[Any]:
    return mock.patch.object(acl, "mask", lambda entries: entries)


@mutant
def who_may_not_read_is_told_there_is_nothing() -> AbstractContextManager[Any]:
    def readable(original: Any, *arguments: Any) -> Any:
        try:
            return original(*arguments)
        except ZooKeeperError as error:
            hidden = error.code is Code.NO_AUTH
            raise ZooKeeperError(Code.NO_NODE if hidden else error.code) from None

    return wrap(Reads, "_readable", readable)


@mutant
def multi_read_sets_watches() -> AbstractContextManager[Any]:
    def read(original: Any, self: Any, request: Any, record: Any, watcher: Any) -> Any:
        for sub in record.operations:
            if sub.op is Op.GET_DATA and sub.record.path and sub.record.watch:
                self._watches.data.add(sub.record.path, watcher)
        return original(self, request, record, watcher)

    return wrap(Reads, "_multi_read", read)


@mutant
def an_unknown_session_is_refused_without_an_answer() -> AbstractContextManager[Any]:
    def connected(original: Any, self: Any, session: Any) -> Any:
        return self.drop() if session is None else original(self, session)

    return wrap(Connection, "_connected", connected)


@mutant
def operations_behind_a_failed_one_fail_alike() -> AbstractContextManager[Any]:
    def error(original: Any, code: int) -> Any:
        return original(Code.OK if code == Code.RUNTIME_INCONSISTENCY else code)

    return wrap(replies, "pack_multi_error", error)
