"""Access control: which entries a znode may get, and who may do what with it.

Schemes: ``world`` (only ``anyone``), ``auth`` (stands for the connection's authenticated
identities), ``digest`` (user and the hash of user and password), ``ip`` (an address, or a network
in slash form), ``x509`` and ``sasl`` (identities that TLS and SASL connections have). Permission
bits are stored as they come, without a check, as the server does.
"""

import hashlib
import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterable

from zkfake.protocol import Acl, Acls, Code, Id, ZooKeeperError

READ, WRITE, CREATE, DELETE, ADMIN = 1, 2, 4, 8, 16
ALL = 31

OPEN: Acls = (Acl(ALL, "world", "anyone"),)
_OPEN_LIST = list(OPEN)
READ_ONLY: Acls = (Acl(READ, "world", "anyone"),)
SUPER = Id("super", "")

_AUTHENTICATED = ("digest", "sasl", "x509")


def digest_of(credentials: str) -> str:
    """``user:password`` as the id that the digest scheme stores:
    ``user:base64(sha1(user:password))``.
    """
    user = credentials.split(":", 1)[0]
    hashed = hashlib.sha1(credentials.encode(), usedforsecurity=False).digest()
    return f"{user}:{b64encode(hashed).decode('ascii')}"


class AccessControl:
    """The rules of one server: they depend on its settings and version."""

    def __init__(
        self,
        *,
        super_digest: str | None = None,
        skip: bool = False,
        ipv6: bool = True,
        schemes: Iterable[str] = (),
    ) -> None:
        """``skip``: let everybody do everything. ``schemes``: of ``sasl`` and ``x509``, those the
        server is set up for.
        """
        self._super_digest = super_digest
        self.skip = skip
        self._ipv6 = ipv6
        self._schemes = frozenset(schemes)

    def authenticate(self, scheme: str | None, auth: bytes | None, address: str) -> list[Id] | None:
        """The identities that ``auth`` adds to a connection from ``address``, or ``None`` where it
        is refused.
        """
        if scheme == "ip":
            return [Id("ip", address)]
        if scheme != "digest" or auth is None:
            return None
        digest = digest_of(auth.decode("utf-8", "zkfake.java"))
        ids = [Id("digest", digest)]
        if digest == self._super_digest:
            ids.append(SUPER)
        return ids

    def fix(self, acl: list[Acl] | None, ids: tuple[Id, ...]) -> Acls:
        """The list as it is stored: duplicates dropped, ``auth`` entries put in words.

        Raises `ZooKeeperError`: InvalidACL, or MarshallingError where the server trips over a null
        id.
        """
        if acl == _OPEN_LIST:
            return OPEN  # the one that nearly every znode has is kept once
        fixed: list[Acl] = []
        for entry in dict.fromkeys(acl or ()):
            if entry.scheme == "auth":
                own = [Acl(entry.perms, *id_) for id_ in ids if id_.scheme in _AUTHENTICATED]
                if not own:
                    raise ZooKeeperError(Code.INVALID_ACL)
                fixed += own
            elif self._is_valid(entry.scheme, entry.id):
                fixed.append(entry)
            else:
                raise ZooKeeperError(Code.INVALID_ACL)
        if not fixed:
            raise ZooKeeperError(Code.INVALID_ACL)
        return tuple(fixed)

    def _is_valid(self, scheme: str | None, id_: str | None) -> bool:
        if scheme in ("world", "digest", "ip") and id_ is None:
            raise ZooKeeperError(Code.MARSHALLING_ERROR)
        if scheme == "world":
            return id_ == "anyone"
        if scheme == "digest":
            return _is_digest(str(id_))
        if scheme == "ip":
            return self._is_network(str(id_))
        return scheme in self._schemes

    def _is_network(self, text: str) -> bool:
        address, slash, bits = text.partition("/")
        if _is_ipv4(address):
            longest = 32
        elif self._ipv6 and _is_ipv6(address):
            longest = 128
        else:
            return False
        return not slash or (bits.isascii() and bits.isdigit() and int(bits) <= longest)

    def check(self, acl: Acls, permission: int, ids: tuple[Id, ...]) -> None:
        """Raises `ZooKeeperError` (NoAuth) unless an entry grants one of the bits in ``permission``
        to one of ``ids``.
        """
        if acl is OPEN or self.skip:
            return
        if not self.allows(acl, permission, ids):
            raise ZooKeeperError(Code.NO_AUTH)

    def allows(self, acl: Acls, permission: int, ids: tuple[Id, ...]) -> bool:
        if self.skip or not acl:
            return True
        if any(id_.scheme == "super" for id_ in ids):
            return True
        for entry in acl:
            if entry.perms & permission:
                if entry.scheme == "world" and entry.id == "anyone":
                    return True
                for id_ in ids:
                    if id_.scheme == entry.scheme and _matches(id_, entry.id or ""):
                        return True
        return False


def _is_digest(text: str) -> bool:
    parts = text.split(":")
    while parts and not parts[-1]:
        parts.pop()
    return len(parts) == 2


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and int(part) <= 255 for part in parts
    )


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _matches(id_: Id, wanted: str) -> bool:
    if id_.scheme != "ip":
        return id_.id == wanted
    network, _, bits = wanted.partition("/")
    try:
        mine, theirs = ipaddress.ip_address(id_.id), ipaddress.ip_address(network)
    except ValueError:
        return False
    if mine.version != theirs.version:
        return False
    shift = mine.max_prefixlen - (int(bits) if bits else mine.max_prefixlen)
    return int(mine) >> shift == int(theirs) >> shift


def mask(acl: Acls) -> Acls:
    """The list as somebody without ADMIN sees it: the hashes of digest ids are hidden."""
    return tuple(
        entry._replace(id=re.sub(":.*", ":x", entry.id or "", count=1))
        if entry.scheme == "digest"
        else entry
        for entry in acl
    )
