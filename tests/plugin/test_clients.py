"""A client that a test makes is waited for, and for how long."""

from __future__ import annotations

import pytest
from kazoo.handlers.threading import KazooTimeoutError

from pytest_zkdict import clients
from pytest_zkdict.clients import ClientFactory
from zkfake import FakeZooKeeper


def test_a_server_that_is_slow_to_answer_is_waited_for() -> None:
    asked: list[int] = []

    def trouble() -> None:
        asked.append(1)
        if len(asked) == 2:
            outage.heal()

    with FakeZooKeeper() as fake:
        outage = fake.faults.partition()
        factory = ClientFactory(fake.hosts, trouble)
        try:
            assert factory().connected
        finally:
            factory.close()
    assert len(asked) >= 2


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "START_LIMIT", 0.0)
    with FakeZooKeeper() as fake, fake.faults.partition():
        factory = ClientFactory(fake.hosts, lambda: None)
        try:
            with pytest.raises(KazooTimeoutError):
                factory()
        finally:
            factory.close()
