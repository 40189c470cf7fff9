"""A connection to one ZooKeeper, for as long as a tree is read or written.

The rules that live here: a lost connection, or session, is waited for, as kazoo connects again by
itself; nothing here belongs to a session. Without a connection for so many seconds it is given up.
kazoo's own log lines are nobody's business.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    ConnectionLoss,
    KazooException,
    OperationTimeoutError,
    SessionExpiredError,
    WriterNotClosedException,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

__all__ = [
    "LOST",
    "Access",
    "AnsweredError",
    "PatientClient",
    "TransferError",
    "checks_host_names",
    "named",
]

LOST = (ConnectionLoss, ConnectionClosedError, OperationTimeoutError, SessionExpiredError)
"""What a request fails with that may or may not have been carried out."""

_LOOK = 0.5
"""Seconds between two looks at a connection while an answer is missing."""

_PAUSE = 0.01
"""The same while there is no connection."""

_logger = logging.getLogger("zkfake.transfer")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False


class TransferError(Exception):
    """A tree cannot be read or written; the text says why."""


AnsweredError = KazooException
"""What servers answer, for those who do not import kazoo."""


def checks_host_names() -> bool:
    """Whether kazoo can compare a server's certificate with its name."""
    return "check_hostname" in signature(KazooClient.__init__).parameters


def named(error: KazooException) -> str:
    """ZooKeeper's name of an error, such as ``NoAuth``."""
    return type(error).__name__.removesuffix("Error").removesuffix("Exception")


class Access(NamedTuple):
    """How servers are reached. ``auth``: schemes and credentials. ``patience``: the longest time
    without a connection, in seconds. ``tls``: further arguments of `KazooClient`.
    """

    auth: Sequence[tuple[str, str]] = ()
    patience: float = 30.0
    tls: dict[str, Any] = {}  # noqa: RUF012  # a default that nobody changes


class PatientClient:
    """A started client. Raises `TransferError` where no server answers."""

    def __init__(self, hosts: str, access: Access) -> None:
        self.hosts = hosts
        self._patience = access.patience
        self.client = KazooClient(
            hosts, auth_data=list(access.auth) or None, logger=_logger, **access.tls
        )
        self._connected_at = time.monotonic()
        self._refused = False
        self.client.add_listener(self._listen)

    def _listen(self, _: str) -> None:
        # kazoo gives up then. A moment later its state is "CLOSED", which does not tell why.
        self._refused = self._refused or self.client.client_state == "AUTH_FAILED"

    def __enter__(self) -> Self:
        # Not kazoo's start(), which waits once: Python notices an interrupt that comes just before
        # a wait only when that wait ends.
        give_up = time.monotonic() + self._patience
        try:
            connected = self.client.start_async()
            while not connected.wait(min(_LOOK, max(give_up - time.monotonic(), 0.0))):
                self._check_credentials()
                if time.monotonic() >= give_up:
                    raise TransferError(
                        f"no server at {self.hosts} answers, for {self._patience:g} s"
                    )
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            # kazoo waits for seconds where the server does not answer, and a user does not.
            threading.Thread(target=self._end, daemon=True).start()
        else:
            self._end()

    def _end(self) -> None:
        with suppress(WriterNotClosedException):  # no server answers; the session ends by itself
            self.client.stop()
            self.client.close()

    def result(self, request: Any) -> Any:
        """The answer to a request of the client's, or what it has failed with. Raises
        `TransferError` where there is no connection for too long.
        """
        while not request.wait(_LOOK):
            self.check()
        if isinstance(request.exception, AuthFailedError):
            self._refused = True
            self._check_credentials()
        return request.get_nowait()

    def settle(self) -> None:
        """Waits for the next connection, after a loss. Raises `TransferError`."""
        while not self.client.connected:
            self.check()
            time.sleep(_PAUSE)

    def check(self) -> None:
        """Raises `TransferError` where there has been no connection for too long."""
        now = time.monotonic()
        if self.client.connected:
            self._connected_at = now
        elif now - self._connected_at > self._patience:
            raise TransferError(
                f"the connection to {self.hosts} was lost, and no server has answered for "
                f"{self._patience:g} s"
            )
        self._check_credentials()

    def _check_credentials(self) -> None:
        if self._refused:
            raise TransferError(f"the servers at {self.hosts} do not accept the credentials")
