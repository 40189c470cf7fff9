"""The TLS of one socket, without any I/O, and the identities of a client certificate."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zkfake._protocol.records import Id

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Tls", "certificate_ids"]

_RECEIVE = 1 << 16
"""Bytes decrypted at a time."""


class Tls:
    """The TLS of one socket: bytes in, bytes out."""

    def __init__(self, context: ssl.SSLContext, server: str | None = None) -> None:
        """``server``: the server's name if this is the client's side, else ``None``."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server is None,
            server_hostname=server if context.check_hostname else None,
        )
        self.shaken = False
        """Whether the handshake is over."""

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """What ``data`` says, and whether it ends with a goodbye. Raises `OSError` or `ValueError`
        where it is not TLS, or a certificate is not to be trusted.
        """
        self._incoming.write(data)
        parts = []
        ended = False
        try:
            if not self.shaken:
                self.object.do_handshake()
                self.shaken = True
            while part := self.object.read(_RECEIVE):
                parts.append(part)
            ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        return b"".join(parts), ended

    def encrypt(self, packets: Iterable[bytes]) -> bytes:
        """``packets``, each a record of its own, after what the handshake has to say."""
        for packet in packets:
            self.object.write(packet)
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        with suppress(ssl.SSLError):
            self.object.unwrap()
        return self._outgoing.read()


_SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}


def certificate_ids(secured: ssl.SSLObject) -> tuple[Id, ...]:
    """The client certificate's subject as Java's ``X500Principal.getName()`` writes it: RFC 2253,
    the most specific part first, and more characters escaped than that asks for.

    Attributes without a short name there stay as Python names them; Java prints their number.
    """
    certificate: dict[str, Any] = secured.getpeercert() or {}
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in part)
        for part in certificate.get("subject", ())
    ]
    return (Id("x509", ",".join(reversed(parts))),) if parts else ()


def _escape(value: str) -> str:
    start, end = len(value) - len(value.lstrip(" ")), len(value.rstrip(" "))
    return "".join(
        f"\\{character}" if character in ',=+<>#;"\\' or not start <= place < end else character
        for place, character in enumerate(value)
    )
