"""What the client tests share: a client that dies, and events that arrive in order."""

import queue
import socket
from collections.abc import Callable

import pytest
from kazoo.client import KazooClient
from kazoo.protocol.states import WatchedEvent


@pytest.fixture
def abandon() -> Callable[[KazooClient], None]:
    """Ends a client as the death of its process would: its socket goes, its session stays."""

    def abandon(client: KazooClient) -> None:
        connection = client._connection
        # First the wish to stop, or the client would connect again; kazoo's own stop() would close
        # the session first.
        client._stopped.set()
        connection._socket.shutdown(socket.SHUT_RDWR)
        assert connection.stop(10)
        client.handler.stop()
        client.close()

    return abandon


class Events:
    """A watch function that keeps what it is called with, in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[WatchedEvent] = queue.Queue()

    def __call__(self, event: WatchedEvent) -> None:
        self._queue.put(event)

    def next(self) -> tuple[str, str]:
        """The next event's type and path; waits for it."""
        event = self._queue.get(timeout=30)
        return event.type, event.path

    def none_after(self, client: KazooClient) -> bool:
        """Whether nothing more has come once all that was sent to this client has arrived."""
        client.sync("/")
        # Watches run on one queue: once this has run, every earlier one has.
        passed = client.handler.event_object()
        client.handler.callback_queue.put(passed.set)
        assert passed.wait(30)
        return self._queue.empty()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def new_events() -> type[Events]:
    """For tests with more than one watcher."""
    return Events
