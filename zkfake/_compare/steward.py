"""Who makes the room for the programs on somebody else's server, and takes it away.

Rules that live here: one znode is made, with a name that nobody has, and nothing but that and what
is below it is ever deleted.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from zkfake._compare import wire
from zkfake._compare.channels import SilenceError, SocketChannel
from zkfake._compare.drawing import CREDENTIAL
from zkfake._compare.replies import names_of
from zkfake._compare.wire import OPS
from zkfake._history.shown import error_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from zkfake._compare.channels import RawChannel

__all__ = ["RefusedError", "Steward", "version_of"]

_NO_NODE = -101


class RefusedError(Exception):
    """The server does not do what has to be done first, or last; says what."""


class Steward:
    """A connection with a session of its own, which one request at a time is sent on."""

    def __init__(self, channel: RawChannel, auth: Sequence[tuple[str, str]] = ()) -> None:
        """``auth``: schemes and credentials."""
        self._channel = channel
        self._auth = auth
        self._xid = 0

    def __enter__(self) -> Self:
        """Raises `RefusedError`."""
        try:
            self._begin()
        except BaseException:
            self._channel.abandon()
            raise
        return self

    def _begin(self) -> None:
        self._channel.send(wire.frame(wire.connect()))
        try:
            frames, _ = self._channel.read_frame()
        except SilenceError:
            raise RefusedError("the server does not answer a handshake") from None
        if not frames or not any(frames[0][8:16]):
            raise RefusedError("the server gives no session")
        for scheme, credential in (("digest", CREDENTIAL), *self._auth):
            if self._ask("auth", wire.auth(scheme, credential.encode()))[0]:
                raise RefusedError(f"the server refuses the {scheme} credential")

    def __exit__(self, *_: object) -> None:
        with suppress(RefusedError):
            self._ask("closeSession", b"")
        self._channel.abandon()

    def make(self, path: str) -> None:
        """Make a znode. Raises `RefusedError`."""
        error, _ = self._ask("create", wire.create(path, b"of zkfake compare"))
        if error:
            raise RefusedError(f"cannot create {path}: {error_name(error)}")

    def remove(self, path: str) -> None:
        """Delete a znode and all below it, if there is one. Raises `RefusedError`."""
        _, payload = self._ask("getChildren", wire.path_watch(path))
        for name in names_of(payload):
            self.remove(f"{path}/{name}")
        error, _ = self._ask("delete", wire.path_version(path))
        if error not in (0, _NO_NODE):
            raise RefusedError(f"cannot delete {path}: {error_name(error)}")

    def _ask(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """The error, and the answer. Raises `RefusedError`."""
        self._xid += 1
        self._channel.send(wire.request(self._xid, OPS[operation], body))
        try:
            frames, _ = self._channel.read_frame()
        except SilenceError:
            raise RefusedError(f"the server does not answer {operation}") from None
        if not frames or len(frames[0]) < 16:
            raise RefusedError(f"the server closes the connection at {operation}")
        (error,) = struct.unpack_from(">i", frames[0], 12)
        return error, frames[0]


def version_of(address: tuple[str, int], patience: float) -> str | None:
    """What a server says that it is; ``None`` if it does not. Raises `OSError`."""
    channel = SocketChannel(address, patience)
    channel.send(b"srvr")
    with suppress(SilenceError):
        found = re.match(rb"(.*?version: [^-,\n]+)", channel.read_raw())
        if found is not None:
            return found[1].decode("utf-8", "replace").replace("Zookeeper version: ", "ZooKeeper ")
    channel.abandon()
    return None
