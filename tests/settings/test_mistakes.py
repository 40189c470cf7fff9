"""The tests of this directory can fail: each planted mistake is found by the test that is named."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import zkfake._auth.providers
import zkfake._auth.sasl
import zkfake._connection.connection
import zkfake._database.reconfig
import zkfake._ensemble.decisions
import zkfake._ensemble.replica
from zkfake import FakeZooKeeper
from zkfake._protocol.records import Code, Op

from ..support.client import Client
from ..support.mistakes import Mistakes
from . import test_authentication, test_containers, test_ensembles, test_local_sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.mistakes import Mistake, Patch


def serving(test: Callable[[Any], None]) -> None:
    """Runs a test of one server."""
    with ExitStack() as exits:

        def serve(settings: dict[str, object]) -> Callable[[], Client]:
            server = exits.enter_context(FakeZooKeeper(settings={"tickTime": 200, **settings}))

            def connect(**arguments: Any) -> Client:
                client = Client(server.members[0].port, **arguments)
                exits.callback(client.close)
                return client

            return connect

        test(serve)


def in_an_ensemble(part: Callable[[test_ensembles.Servers], None]) -> None:
    settings = test_ensembles.SETTINGS
    with FakeZooKeeper(servers=3, observers=1, settings=settings) as running:
        servers = test_ensembles.Servers(running)
        try:
            part(servers)
        finally:
            servers.let_go()


def with_local_sessions(test: Callable[[list[int]], None]) -> None:
    with FakeZooKeeper(servers=2, settings=test_local_sessions.SETTINGS) as running:
        test([member.port for member in running.members])


MISTAKES = Mistakes()

who_wants_ephemerals = partial(
    with_local_sessions, test_local_sessions.test_only_who_wants_ephemerals_becomes_global
)
who_may_reconfigure = partial(in_an_ensemble, test_ensembles.who_may_reconfigure)
who_is_super = partial(
    serving, test_authentication.test_a_sasl_user_super_is_meant_by_every_sasl_entry
)


@MISTAKES.found_by(who_wants_ephemerals)
def every_create_wants_an_ephemeral(patch: Patch) -> None:
    patch.setattr(zkfake._ensemble.replica, "makes_ephemerals", lambda request: True)


@MISTAKES.found_by(who_wants_ephemerals)
def no_create_wants_an_ephemeral(patch: Patch) -> None:
    patch.setattr(zkfake._ensemble.replica, "makes_ephemerals", lambda request: False)


@MISTAKES.found_by(who_may_reconfigure)
def a_reconfig_changes_nothing(patch: Patch) -> None:
    patch.setattr(
        zkfake._database.reconfig, "reconfigured", lambda membership, *rest: membership.current
    )


@MISTAKES.found_by(who_may_reconfigure)
def the_reply_to_a_reconfig_has_no_stat(patch: Patch) -> None:
    written = zkfake._connection.connection.written

    def forgets_the_stat(request: Any, *rest: Any) -> tuple[Code, bytes]:
        error, body = written(request, *rest)
        return error, body[:-68] if request.op is Op.RECONFIG and not error else body

    patch.setattr(zkfake._connection.connection, "written", forgets_the_stat)


@MISTAKES.found_by(partial(in_an_ensemble, test_ensembles.groups_and_weights))
def a_quorum_is_counted_by_heads(patch: Patch) -> None:
    patch.setattr(zkfake._database.reconfig.Configuration, "has_quorum", lambda made, there: True)


@MISTAKES.found_by(partial(in_an_ensemble, test_ensembles.what_is_refused_early))
def nothing_is_refused_early(patch: Patch) -> None:
    patch.setattr(zkfake._ensemble.replica, "refusal", lambda *_: Code.OK)


@MISTAKES.found_by(who_is_super)
def sasl_lets_in_without_a_name(patch: Patch) -> None:
    patch.setattr(zkfake._auth.sasl.DigestMd5, "_verify", lambda exchange, token: b"rspauth=")


@MISTAKES.found_by(who_is_super)
def super_is_a_user_like_others(patch: Patch) -> None:
    patch.setattr(zkfake._auth.providers.Sasl, "matches", lambda own, id_, wanted: id_ == wanted)


@MISTAKES.found_by(partial(serving, test_authentication.test_ids_of_sasl_and_x509_entries))
def every_text_is_a_subject(patch: Patch) -> None:
    patch.setattr(zkfake._auth.providers, "is_distinguished_name", lambda text: True)


@MISTAKES.found_by(partial(serving, test_containers.test_containers_go_one_by_one))
def a_minute_is_short(patch: Patch) -> None:
    patch.setattr(zkfake._ensemble.decisions, "_MINUTE", 0)


@MISTAKES.each
def test_a_mistake_is_found(mistake: Mistake) -> None:
    mistake.found_by()
    assert mistake.is_found([mistake.found_by])
