"""The raw client of `zkfake compare`, and what only tests need of one."""

from __future__ import annotations

import hashlib
import socket
import weakref

from zkfake._compare import channels
from zkfake._compare.channels import Frames as Frames
from zkfake._compare.channels import RawChannel as RawChannel
from zkfake._compare.channels import SilenceError as SilenceError
from zkfake._compare.wire import *  # noqa: F403  # it says what it has


def digest_md5(challenge: bytes, user: str, password: str) -> bytes:
    """A client's response to a DIGEST-MD5 challenge (RFC 2831) of a ZooKeeper server."""
    nonce = challenge.split(b'nonce="')[1].split(b'"')[0].decode()
    realm, uri, cnonce, count = "zk-sasl-md5", "zookeeper/zk-sasl-md5", "0123456789", "00000001"

    def md5(text: bytes) -> str:
        return hashlib.md5(text).hexdigest()

    login = hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()
    secret = md5(login + f":{nonce}:{cnonce}".encode())
    what = md5(f"AUTHENTICATE:{uri}".encode())
    proof = md5(f"{secret}:{nonce}:{count}:{cnonce}:auth:{what}".encode())
    return (
        f'username="{user}",realm="{realm}",nonce="{nonce}",cnonce="{cnonce}",nc={count},qop=auth,'
        f'digest-uri="{uri}",response={proof},charset=utf-8'
    ).encode()


class SocketChannel(channels.SocketChannel):
    """One that the end of a test closes."""

    @classmethod
    def over(cls, plain: socket.socket, patience: float) -> SocketChannel:
        """One over a socket that is connected already."""
        channel = cls.__new__(cls)
        plain.settimeout(patience)
        channel._begin(plain)
        return channel

    def _begin(self, plain: socket.socket) -> None:
        super()._begin(plain)
        opened.add(self)


opened: weakref.WeakSet[SocketChannel] = weakref.WeakSet()
"""The channels of the running test, closed ones too."""


def close_opened() -> None:
    """For a test that has failed before it closed them. Those of a simulation end with it."""
    for channel in list(opened):
        if isinstance(channel._socket, socket.socket):
            channel.abandon()
