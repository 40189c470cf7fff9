"""The tests of this directory can fail: each planted mistake is found by the test that is named."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import zkfake.auth
import zkfake.connection
import zkfake.ensemble.decisions
import zkfake.reconfig
import zkfake.replica
import zkfake.sasl
from zkfake import FakeZooKeeper
from zkfake.protocol import Code, Op

from ..support.client import Client
from ..support.mistakes import caught
from . import test_authentication, test_containers, test_ensembles, test_local_sessions

if TYPE_CHECKING:
    from collections.abc import Callable


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


written = zkfake.connection.written


def forgets_the_stat(request: Any, *rest: Any) -> tuple[Code, bytes]:
    error, body = written(request, *rest)
    return error, body[:-68] if request.op is Op.RECONFIG and not error else body


def lets_in_without_a_name(exchange: zkfake.sasl.DigestMd5, token: bytes) -> bytes:
    return b"rspauth="


MISTAKES: dict[str, tuple[object, str, object, Callable[[Any], None], Any]] = {
    "every create wants an ephemeral": (
        *(zkfake.replica, "makes_ephemerals", lambda request: True, with_local_sessions),
        test_local_sessions.test_only_who_wants_ephemerals_becomes_global,
    ),
    "no create wants an ephemeral": (
        *(zkfake.replica, "makes_ephemerals", lambda request: False, with_local_sessions),
        test_local_sessions.test_only_who_wants_ephemerals_becomes_global,
    ),
    "a reconfig changes nothing": (
        *(
            zkfake.reconfig,
            "reconfigured",
            lambda membership, *rest: membership.current,
            in_an_ensemble,
        ),
        test_ensembles.who_may_reconfigure,
    ),
    "the reply to a reconfig has no Stat": (
        *(zkfake.connection, "written", forgets_the_stat, in_an_ensemble),
        test_ensembles.who_may_reconfigure,
    ),
    "a quorum is counted by heads": (
        *(zkfake.reconfig.Configuration, "has_quorum", lambda made, there: True),
        *(in_an_ensemble, test_ensembles.groups_and_weights),
    ),
    "nothing is refused early": (
        *(zkfake.replica, "refusal", lambda *_: Code.OK, in_an_ensemble),
        test_ensembles.what_is_refused_early,
    ),
    "SASL lets in without a name": (
        *(zkfake.sasl.DigestMd5, "_verify", lets_in_without_a_name, serving),
        test_authentication.test_a_sasl_user_super_is_meant_by_every_sasl_entry,
    ),
    "super is a user like others": (
        *(zkfake.auth.Sasl, "matches", lambda own, id_, wanted: id_ == wanted, serving),
        test_authentication.test_a_sasl_user_super_is_meant_by_every_sasl_entry,
    ),
    "every text is a subject": (
        *(zkfake.auth, "is_distinguished_name", lambda text: True, serving),
        test_authentication.test_ids_of_sasl_and_x509_entries,
    ),
    "a minute is short": (
        *(zkfake.ensemble.decisions, "_MINUTE", 0, serving),
        test_containers.test_containers_go_one_by_one,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, attribute, mistake, run, test = MISTAKES[name]
    run(test)
    monkeypatch.setattr(place, attribute, mistake)
    assert caught(partial(run, test))
