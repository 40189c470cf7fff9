"""Authentication providers: one for each scheme of identities and of ACL entries.

A provider says what the ``auth`` operation adds to a connection, which ids an ACL may name, and
which identities an entry is meant for. ``ip`` and ``digest`` are there from the start, the others
where a server is configured for them. What a provider does not accept is refused: AuthFailed to a
client that authenticates, InvalidACL to a client that writes an ACL.

Two identities match more than their own entries, as on the real server: ``("sasl", "super")``
matches every ``sasl`` entry, and the certificate that ``X509AuthenticationProvider.superUser``
names matches every ``x509`` entry. The users that ``superUser`` and ``superDigest`` name, and that
certificate, also get the identity ``super``, which may do everything.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from zkfake._auth.x500 import is_distinguished_name
from zkfake._protocol.records import Code, Id, ZooKeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


logger = logging.getLogger("zkfake")

SUPER = Id("super", "")

DIGEST_ALGORITHMS = (
    *("MD5", "SHA1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"),
    *("SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512"),
)


class HangUpError(Exception):
    """The connection is closed without an answer to its ``auth`` request."""


class Provider(Protocol):
    """The rules of one scheme."""

    @property
    def is_authenticated(self) -> bool:
        """Whether an ACL entry of the scheme ``auth`` stands for its identities."""

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        """The identities that ``auth`` adds to a connection from ``address`` that has ``ids``;
        ``None`` where it is refused. Raises `HangUpError`.
        """

    def is_valid(self, id_: str | None) -> bool:
        """Whether an ACL may name ``id_``. Raises `ZooKeeperError` (MarshallingError)."""

    def matches(self, id_: str, wanted: str) -> bool:
        """Whether an entry for ``wanted`` matches the identity ``id_``."""


@dataclass(frozen=True)
class AuthProvider:
    """An authentication provider of one's own: the value of a setting ``authProvider.N``.

    ``authenticate`` is called, on the server's thread, with what a client sends (bytes or ``None``)
    and the address it comes from. It returns the ids that the client has proved, or ``None`` to
    refuse it. ``is_valid`` says whether an ACL may name an id; by default it accepts every id but
    the empty one.

    What one of the three functions raises is logged, and refuses: the client, the list of ACLs
    (MarshallingError, as on the real server), or what the entry would have allowed. Raises
    `ValueError` for a scheme that has a meaning of its own.
    """

    scheme: str
    authenticate: Callable[[bytes | None, str], Iterable[str] | None]
    is_valid: Callable[[str], bool] = bool
    """Whether an ACL may name an id. The default accepts every id but the empty one."""
    matches: Callable[[str, str], bool] = str.__eq__
    """Whether a client's id (first) matches an ACL entry's (second). The default compares them."""
    is_authenticated: bool = True
    """Whether an ACL entry of the scheme ``auth`` stands for its ids."""

    def __post_init__(self) -> None:
        if self.scheme in _TAKEN:
            taken = ", ".join(map(repr, _TAKEN))
            raise ValueError(f"scheme = {self.scheme!r}: expected a scheme other than {taken}")


_TAKEN = ("", "auth", "super", "world")


class Own:
    """The provider that calls an `AuthProvider`."""

    def __init__(self, made: AuthProvider) -> None:
        self._made = made
        self.is_authenticated = made.is_authenticated

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        scheme = self._made.scheme
        try:
            found = self._made.authenticate(auth, address)
            if found is None:
                return None
            ids = [Id(scheme, id_) for id_ in found]
            if isinstance(found, str) or not all(isinstance(id_.id, str) for id_ in ids):
                raise TypeError(f"authenticate returned {found!r}, expected a list of texts")
            return ids
        except Exception:
            self._tell()
            return None

    def is_valid(self, id_: str | None) -> bool:
        id_ = _not_null(id_)
        try:
            return bool(self._made.is_valid(id_))
        except Exception:
            self._tell()
            raise ZooKeeperError(Code.MARSHALLING_ERROR) from None

    def matches(self, id_: str, wanted: str) -> bool:
        try:
            return bool(self._made.matches(id_, wanted))
        except Exception:
            self._tell()
            return False

    def _tell(self) -> None:
        logger.warning("the provider of the scheme %r failed", self._made.scheme, exc_info=True)


class Ip:
    """Addresses, and networks in slash form."""

    is_authenticated = False

    def __init__(self, ipv6: bool) -> None:
        self._ipv6 = ipv6

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        return [Id("ip", address)]

    def is_valid(self, id_: str | None) -> bool:
        address, slash, bits = _not_null(id_).partition("/")
        if _is_ipv4(address):
            longest = 32
        elif self._ipv6 and _is_ipv6(address):
            longest = 128
        else:
            return False
        return not slash or _is_number(bits, longest)

    def matches(self, id_: str, wanted: str) -> bool:
        network, _, bits = wanted.partition("/")
        mine, theirs = _address(id_), _address(network)
        if mine is None or theirs is None or mine.version != theirs.version:
            return False
        shift = mine.max_prefixlen - (int(bits[-4:]) if bits else mine.max_prefixlen)
        return int(mine) >> shift == int(theirs) >> shift


class Digest:
    """Users with passwords, which are stored hashed."""

    is_authenticated = True

    def __init__(self, algorithm: str, super_digest: str | None) -> None:
        self._algorithm = algorithm
        self._super_digest = super_digest

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        if auth is None:
            return None
        digest = digest_of(auth.decode("utf-8", "zkfake.java"), self._algorithm)
        own = Id("digest", digest)
        return [own, SUPER] if digest == self._super_digest else [own]

    def is_valid(self, id_: str | None) -> bool:
        parts = _not_null(id_).split(":")
        while parts and not parts[-1]:
            parts.pop()
        return len(parts) == 2

    def matches(self, id_: str, wanted: str) -> bool:
        return id_ == wanted


class Sasl:
    """Users of SASL."""

    is_authenticated = True

    def __init__(self, let_any_user: str | None) -> None:
        self._let_any_user = let_any_user

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        return None  # SASL has an operation of its own

    def is_valid(self, id_: str | None) -> bool:
        """An id with an ``@`` has to be a Kerberos name: ``service/host@REALM``."""
        name = _not_null(id_)
        return "@" not in name or _KERBEROS_NAME.fullmatch(name) is not None

    def matches(self, id_: str, wanted: str) -> bool:
        return id_ in ("super", wanted) or wanted == self._let_any_user


class X509:
    """The owners of certificates."""

    is_authenticated = True

    def __init__(self, super_user: str | None) -> None:
        self._super_user = super_user

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        """The TLS handshake has checked the certificate: its identities are in ``ids``."""
        return [id_ for id_ in ids if id_.scheme == "x509"] or None

    def is_valid(self, id_: str | None) -> bool:
        return is_distinguished_name(_not_null(id_))

    def matches(self, id_: str, wanted: str) -> bool:
        return id_ in (wanted, self._super_user)


class EnsembleName:
    """Adds no identity. A client names the ensemble it wants; another ensemble disconnects it."""

    is_authenticated = False

    def __init__(self, names: Collection[str] | None) -> None:
        self._names = names

    def authenticate(
        self, auth: bytes | None, address: str, ids: Sequence[Id]
    ) -> Collection[Id] | None:
        wanted = (auth or b"").decode("utf-8", "zkfake.java")
        if wanted and self._names is not None and wanted not in self._names:
            raise HangUpError
        return []

    def is_valid(self, id_: str | None) -> bool:
        return False

    def matches(self, id_: str, wanted: str) -> bool:
        return False


def digest_of(credentials: str, algorithm: str = "SHA1") -> str:
    """``user:password`` as the id that the digest scheme stores:
    ``user:base64(sha1(user:password))``, or with another of `DIGEST_ALGORITHMS`.
    """
    user = credentials.split(":", 1)[0]
    name = algorithm.replace("SHA3-", "sha3_").replace("-", "").lower()
    hashed = hashlib.new(name, credentials.encode(), usedforsecurity=False).digest()
    return f"{user}:{b64encode(hashed).decode('ascii')}"


_KERBEROS_NAME = re.compile(r"[^/@]*(/[^/@]*)?@[^/@]*")


def _not_null(id_: str | None) -> str:
    """The real server fails on a null id where a provider reads it."""
    if id_ is None:
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    return id_


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(_is_number(part, 255) for part in parts)


def _is_number(text: str, highest: int) -> bool:
    """Whether ``text`` is a decimal number up to ``highest``, which has at most three digits. The
    length is checked first: Python refuses to convert thousands of digits.
    """
    if not (text.isascii() and text.isdigit()):
        return False
    digits = text.lstrip("0")
    return len(digits) <= 3 and int(digits or "0") <= highest


@lru_cache(1 << 15)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Cached: an ACL may have thousands of entries, and every request searches it."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
