"""Which judge sees which mistake of `tests.differential`, which plants them in how requests are
answered.

Each stands here with a short program in which it shows, and the judge that has to see it; or with
the reason why no judge does.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from zkfake import FakeZooKeeper

from ..differential.mistakes import MISTAKES
from ..support import wire
from ..support.client import Client
from ..support.replies import Reply
from .mistakes import said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake.history import Finding, Verdict

__all__ = ["SEEN", "UNJUDGED", "Program", "find", "row", "table", "verdict_of"]

EPHEMERAL, SEQUENTIAL, EPHEMERAL_SEQUENTIAL = 1, 2, 3
RECURSIVE = 1
UNREADABLE = [(30, "world", "anyone")]
"""Everything but to read it."""


class World:
    """One server, and who talks to it."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self._port, self._stack = port, stack

    def client(self, **arguments: int | bytes | None) -> Client:
        return self._stack.enter_context(closing(Client(self._port, **arguments)))


Program: TypeAlias = "Callable[[World], None]"


class Seen(NamedTuple):
    """Where a mistake shows, and to whom."""

    program: Program
    judge: str


SEEN: dict[str, Seen] = {}
UNJUDGED: dict[str, str] = {}
"""The reason why no judge sees it, as it stands in the table."""


def _shows(*mistakes: str, to: str) -> Callable[[Program], Program]:
    def add(program: Program) -> Program:
        SEEN.update(dict.fromkeys(mistakes, Seen(program, to)))
        return program

    return add


def _ask(client: Client, operation: str, body: bytes) -> None:
    """A request, and what comes up to its reply; or up to the end, where there is none."""
    client.send(operation, body)
    while (came := client.take()) is not None and not isinstance(came, Reply):
        pass


def _look(client: Client) -> None:
    """What is told before a reply is told by now."""
    _ask(client, "exists", wire.path_watch("/"))


def _create(client: Client, *paths: str, flags: int = 0) -> None:
    for path in paths:
        _ask(client, "create", wire.create(path, flags=flags))


def _set(client: Client, path: str, version: int = -1) -> None:
    _ask(client, "setData", wire.set_data(path, b"", version))


def _delete(client: Client, path: str) -> None:
    _ask(client, "delete", wire.path_version(path))


# -- watches

WATCHES = "watches are told"


@_shows("events_come_after_the_reply", "one_shot_watches_stay", to=WATCHES)
def watches_what_it_writes(world: World) -> None:
    client = world.client()
    _create(client, "/a")
    _ask(client, "getData", wire.path_watch("/a", 1))
    _set(client, "/a")
    _set(client, "/a")
    _look(client)


@_shows("a_delete_leaves_the_child_watch", "a_delete_is_told_twice_to_two_watches", to=WATCHES)
def watches_what_is_deleted_and_made_anew(world: World) -> None:
    client = world.client()
    _create(client, "/a")
    _ask(client, "getData", wire.path_watch("/a", 1))
    _ask(client, "getChildren", wire.path_watch("/a", 1))
    _delete(client, "/a")
    _create(client, "/a", "/a/x")
    _look(client)


@_shows("exists_does_not_watch_what_is_missing", "get_data_watches_what_is_missing", to=WATCHES)
def watches_what_is_missing(world: World) -> None:
    client = world.client()
    _ask(client, "exists", wire.path_watch("/a", 1))
    _ask(client, "getData", wire.path_watch("/b", 1))
    _create(client, "/a", "/b")
    _look(client)


@_shows("a_delete_leaves_the_parents_pzxid", "set_watches_arms_what_it_told", to=WATCHES)
def comes_back_with_watches(world: World) -> None:
    writer, client = world.client(), world.client()
    _create(writer, "/parent", "/parent/x")
    seen = client.call("sync", wire.string("/")).zxid
    client.close()
    _create(writer, "/came")
    _delete(writer, "/parent/x")
    back = world.client(session=client.session, password=client.password, last_zxid=seen)
    lists: Sequence[Sequence[str]] = ([], ["/came"], ["/parent"])
    _ask(back, "setWatches", wire.i64(seen) + b"".join(map(wire.strings, lists)))
    _set(writer, "/came")
    _look(back)


@_shows("recursive_watches_match_by_prefix", to=WATCHES)
def watches_a_subtree(world: World) -> None:
    client = world.client()
    _ask(client, "addWatch", wire.path_version("/a", RECURSIVE))
    _create(client, "/a", "/ab")
    _look(client)


@_shows("multi_read_sets_watches", to=WATCHES)
def reads_several_at_once(world: World) -> None:
    client = world.client()
    _create(client, "/a")
    _ask(client, "multiRead", wire.multi([(wire.OPS["getData"], wire.path_watch("/a", 1))]))
    _set(client, "/a")
    _look(client)


# -- states

STATES = "states are true"


@_shows("a_create_moves_the_parents_mzxid", "set_acl_moves_mzxid", to=STATES)
def reads_when_a_znode_was_changed(world: World) -> None:
    client = world.client()
    _create(client, "/a", "/a/x")
    _ask(client, "setACL", wire.set_acl("/a/x", wire.OPEN_ACL))
    for path in ("/a", "/a/x"):
        _ask(client, "getData", wire.path_watch(path))


@_shows("cversion_is_off_by_one_below_children", to=STATES)
def reads_how_often_children_have_changed(world: World) -> None:
    client = world.client()
    _create(client, "/a", "/a/x", "/a/y")
    _ask(client, "exists", wire.path_watch("/a"))
    _delete(client, "/a/y")
    _ask(client, "exists", wire.path_watch("/a"))
    _delete(client, "/a/x")
    _delete(client, "/a")
    _create(client, "/a")
    _ask(client, "exists", wire.path_watch("/a"))


@_shows("who_may_not_read_is_told_there_is_nothing", to=STATES)
def reads_what_it_may_not(world: World) -> None:
    client = world.client()
    client.create("/a", UNREADABLE)
    _ask(client, "getData", wire.path_watch("/a"))


# -- writes

LOG = "acknowledged writes are in the log"


@_shows("null_data_is_kept_as_empty", to=LOG)
def creates_without_data(world: World) -> None:
    _ask(world.client(), "create", wire.create("/a", None))


@_shows("sequential_ephemerals_outlive_their_session", to=LOG)
def creates_a_sequential_ephemeral(world: World) -> None:
    client = world.client()
    _create(client, "/a", flags=EPHEMERAL_SEQUENTIAL)
    _ask(client, "createContainer", wire.create("/b", flags=EPHEMERAL))


@_shows("equal_data_leaves_the_version", "version_minus_two_matches_any", to=LOG)
def writes_to_a_version(world: World) -> None:
    client = world.client()
    _create(client, "/a")
    _set(client, "/a", version=0)
    _set(client, "/a", version=-2)


@_shows("a_failed_multi_is_not_rolled_back", to=LOG)
def fails_at_the_third_part(world: World) -> None:
    parts = [(wire.OPS["create"], wire.create(path)) for path in ("/a", "/b", "/gone/c")]
    _ask(world.client(), "multi", wire.multi(parts))


NUMBERS = "sequence numbers grow"


@_shows("a_delete_takes_back_a_sequence_number", "a_multi_does_not_see_its_own_creates", to=NUMBERS)
def creates_sequential_znodes(world: World) -> None:
    client = world.client()
    _create(client, "/a")
    _create(client, "/a/n-", "/a/n-", flags=SEQUENTIAL)
    _delete(client, "/a/n-0000000001")
    part = wire.OPS["create"], wire.create("/a/n-", flags=SEQUENTIAL)
    _ask(client, "multi", wire.multi([part, part]))
    # A parent that is made twice within one multi counts from the beginning again.
    parent = wire.OPS["create"], wire.create("/b")
    child = wire.OPS["create"], wire.create("/b/n-", flags=SEQUENTIAL)
    gone = [(wire.OPS["delete"], wire.path_version(path)) for path in ("/b/n-0000000000", "/b")]
    _ask(client, "multi", wire.multi([parent, child, *gone, parent, child]))


# -- sessions


@_shows("a_client_from_the_future_is_let_in", to="never back")
def has_seen_what_the_server_has_not(world: World) -> None:
    client = world.client(last_zxid=1 << 40)
    if client.response is not None:
        _look(client)


@_shows("any_password_renews_a_session", to="told of an end that was")
def comes_back_with_a_wrong_password(world: World) -> None:
    client = world.client()
    world.client(session=client.session, password=bytes(16))


# -- what no judge sees

_FIRST = "no guarantee says which error comes first"
_ORDER = "no guarantee says in which order names come"
_REFUSED = "no guarantee says what is refused"

UNJUDGED.update(
    delete_finds_children_before_a_wrong_version=_FIRST,
    create_finds_a_node_before_a_bad_acl=_FIRST,
    a_failed_write_uses_no_zxid="no guarantee says that what failed has a zxid",
    duplicates_stay_in_an_acl="no guarantee says how an ACL is kept that names somebody twice",
    children_are_listed_by_name=_ORDER,
    ephemerals_go_by_name=_ORDER,
    events_reach_who_may_not_read="some versions of the server tell such events",
    a_wrong_password_leaves_the_old_connection="no guarantee says what it does to the connection",
    a_ping_is_answered_with_its_own_xid="histories have no pings",
    a_second_identity_takes_the_place_of_the_first=_REFUSED,
    hashes_are_shown_to_everybody="no guarantee says who is shown the hashes in an ACL",
    an_unknown_session_is_refused_without_an_answer="no guarantee says that a refusal is answered",
    operations_behind_a_failed_one_fail_alike="no guarantee says what error the parts behind the "
    "failed one have",
)


def verdict_of(program: Program) -> Verdict:
    """What the judges say of a program."""
    with FakeZooKeeper(history=True) as server:
        with ExitStack() as stack:
            program(World(server.members[0].port, stack))
        history = server.history
    assert history is not None
    return history.check()


def find(name: str) -> Finding | None:
    """The first finding of the judge that has to see the mistake."""
    seen = SEEN[name]
    with MISTAKES[name].planted():
        broken = verdict_of(seen.program).broken
    return next((each for each in broken if each.judge == seen.judge), None)


def row(name: str, finding: Finding | None) -> str:
    """A row of the page."""
    words = said(MISTAKES[name])
    if finding is None:
        return f"| {words} | none: {UNJUDGED[name]}; the differential tests see it | |"
    return f"| {words} | {finding.judge} | {len(finding.evidence)} |"


def table() -> str:
    """The second table of the page. Takes a second."""
    lines = ["| planted mistake | seen by | evidence, events |", "| --- | --- | --- |"]
    for name in MISTAKES:
        finding = find(name) if name in SEEN else None
        assert finding is not None or name in UNJUDGED, name
        lines.append(row(name, finding))
    return "\n".join(lines)
