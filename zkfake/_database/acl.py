"""Access control: which entries a znode may get, and who may do what with it.

An entry grants permissions to an id of a scheme: ``world`` (only ``anyone``), ``auth`` (stands for
the connection's authenticated identities), or a scheme that has a provider
(`zkfake._auth.providers`).
Permission bits are stored as they come, without a check, as the server does.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from zkfake._auth import providers
from zkfake._auth.providers import SUPER
from zkfake._protocol.records import Acl, Acls, Code, Id, ZooKeeperError
from zkfake._settings import Settings

READ, WRITE, CREATE, DELETE, ADMIN = 1, 2, 4, 8, 16
ALL = 31

OPEN: Acls = (Acl(ALL, "world", "anyone"),)
_OPEN_LIST = list(OPEN)
READ_ONLY: Acls = (Acl(READ, "world", "anyone"),)


class AccessControl:
    """The rules of one server: they depend on its settings and version."""

    def __init__(self, settings: Settings) -> None:
        self.skip = settings.skip_acl
        """Whether everybody may do everything."""
        self._providers = _providers(settings)
        self._super_users = settings.sasl_super_users
        self._super_certificate = settings.x509_super_user
        self._required = settings.required_schemes
        self._answers: dict[tuple[int, int], tuple[Acls, bool]] | None = None
        """The answers of `allows` to the present request, by the id of the list. The list is kept
        with its answer: otherwise another list could get the same id.
        """

    # -- identities

    def authenticate(
        self, scheme: str | None, given: bytes | None, address: str, ids: Sequence[Id]
    ) -> Sequence[Id] | None:
        """The identities that ``given`` adds to a connection from ``address`` that has ``ids``, or
        ``None`` where it is refused. Raises `zkfake._auth.providers.HangUpError`.
        """
        provider = self._providers.get(scheme or "")
        found = None if provider is None else provider.authenticate(given, address, ids)
        return None if found is None else list(found)

    def logged_in(self, user: str) -> Sequence[Id]:
        """The identities of a client that has authenticated as ``user`` by SASL."""
        own = Id("sasl", user)
        return [own, SUPER] if user in self._super_users else [own]

    def certified(self, ids: Sequence[Id]) -> Sequence[Id]:
        """The identities of a client whose certificate stands for ``ids``."""
        mighty = [Id("super", id_.id) for id_ in ids if id_.id == self._super_certificate]
        return [*mighty, *ids]

    def is_admitted(self, ids: Sequence[Id]) -> bool:
        """Whether a connection with these identities may do more than authenticate."""
        return not self._required or any(id_.scheme in self._required for id_ in ids)

    # -- lists

    def fix(self, acl: list[Acl] | None, ids: tuple[Id, ...]) -> Acls:
        """The list as it is stored: without duplicates, ``auth`` entries replaced by the identities
        ``ids``.

        Raises `ZooKeeperError`: InvalidACL, or MarshallingError for a null id, on which the real
        server fails.
        """
        if acl == _OPEN_LIST:
            return OPEN  # the one that nearly every znode has is kept once
        fixed: list[Acl] = []
        for entry in dict.fromkeys(acl or ()):
            if entry.scheme == "auth":
                own = [Acl(entry.perms, *id_) for id_ in ids if self._is_authenticated(id_)]
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

    def _is_authenticated(self, id_: Id) -> bool:
        provider = self._providers.get(id_.scheme)
        return provider is not None and provider.is_authenticated

    def _is_valid(self, scheme: str | None, id_: str | None) -> bool:
        if scheme == "world":
            if id_ is None:
                raise ZooKeeperError(Code.MARSHALLING_ERROR)
            return id_ == "anyone"
        provider = self._providers.get(scheme or "")
        return provider is not None and provider.is_valid(id_)

    def check(self, acl: Acls, permission: int, ids: tuple[Id, ...]) -> None:
        """Raises `ZooKeeperError` (NoAuth) unless an entry grants one of the bits in ``permission``
        to one of ``ids``.
        """
        if acl is OPEN or self.skip:
            return
        if not self.allows(acl, permission, ids):
            raise ZooKeeperError(Code.NO_AUTH)

    @contextmanager
    def one_request(self) -> Iterator[None]:
        """While the parts of one request are checked, each list is searched once."""
        self._answers = {}
        try:
            yield
        finally:
            self._answers = None

    def allows(self, acl: Acls, permission: int, ids: tuple[Id, ...]) -> bool:
        """Whether an entry grants one of the bits in ``permission`` to one of ``ids``. Cost:
        entries times identities.
        """
        answers = self._answers
        if answers is None:
            return self._allows(acl, permission, ids)
        key = id(acl), permission
        if key not in answers:
            answers[key] = acl, self._allows(acl, permission, ids)
        return answers[key][1]

    def _allows(self, acl: Acls, permission: int, ids: tuple[Id, ...]) -> bool:
        if self.skip or not acl:
            return True
        if any(id_.scheme == "super" for id_ in ids):
            return True
        for entry in acl:
            if entry.perms & permission:
                if entry.scheme == "world" and entry.id == "anyone":
                    return True
                provider = self._providers.get(entry.scheme or "")
                if provider is not None:
                    for id_ in ids:
                        if id_.scheme == entry.scheme and provider.matches(id_.id, entry.id or ""):
                            return True
        return False


def _providers(settings: Settings) -> dict[str, providers.Provider]:
    """The providers of a server with these settings, by their schemes."""
    known: dict[str, Callable[[], providers.Provider]] = {
        "ip": lambda: providers.Ip(settings.version.ipv6_acl),
        "digest": lambda: providers.Digest(settings.digest_algorithm, settings.super_digest),
        "sasl": lambda: providers.Sasl(settings.let_any_sasl_user),
        "x509": lambda: providers.X509(settings.x509_super_user),
        "ensemble": lambda: providers.EnsembleName(settings.ensemble_names),
    }
    found = {scheme: known[scheme]() for scheme in settings.auth_schemes if scheme in known}
    for made in settings.auth_providers:
        if isinstance(made, providers.AuthProvider):
            found[made.scheme] = providers.Own(made)
    return found


def mask(acl: Acls) -> Acls:
    """The list as a client without ADMIN gets it: the hashes of digest ids are hidden."""
    return tuple(
        entry._replace(id=re.sub(":.*", ":x", entry.id or "", count=1))
        if entry.scheme == "digest"
        else entry
        for entry in acl
    )
