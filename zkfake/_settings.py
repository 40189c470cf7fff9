"""The server's settings, under the names that ZooKeeper's configuration and system properties give
them.

`Settings.parse` takes those names (a ``zookeeper.`` in front is dropped) and says clearly what it
cannot take. Every setting has the server's own default, but `tickTime`, which is 2000 as in the
configuration that every package ships.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from zkfake._auth.providers import DIGEST_ALGORITHMS, AuthProvider
from zkfake._versions import DEFAULT, VERSIONS, Version


def _integer(lowest: int, highest: int = 0x7FFFFFFF) -> Callable[[object], int]:
    def parse(value: object) -> int:
        with suppress(ValueError):
            number = int(value) if isinstance(value, (int, str)) else lowest - 1
            if not isinstance(value, bool) and lowest <= number <= highest:
                return number
        raise ValueError(f"expected an integer from {lowest} to {highest}")

    return parse


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "yes", "false", "no"):
        return value.lower() in ("true", "yes")
    raise ValueError("expected True, False, 'true', 'false', 'yes' or 'no'")


def _digest(value: object) -> str:
    if isinstance(value, str) and value.count(":") == 1:
        return value
    raise ValueError(
        "expected 'user:base64(sha1(user:password))', as DigestAuthenticationProvider makes it"
    )


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected text")


def _texts(value: object) -> tuple[str, ...]:
    return (_text(value),)


def _algorithm(value: object) -> str:
    for name in DIGEST_ALGORITHMS:
        if isinstance(value, str) and value.upper() in (name, name.replace("SHA1", "SHA-1")):
            return name
    raise ValueError(f"expected one of {', '.join(DIGEST_ALGORITHMS)}")


def _schemes(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value:
        return tuple(word.strip() for word in value.split(","))
    raise ValueError("expected schemes with commas between them")


_PACKAGE = "org.apache.zookeeper.server.auth"
_PROVIDERS = {
    "DigestAuthenticationProvider": "digest",
    "EnsembleAuthenticationProvider": "ensemble",
    "IPAuthenticationProvider": "ip",
    "SASLAuthenticationProvider": "sasl",
    "X509AuthenticationProvider": "x509",
}


def _provider(value: object) -> tuple[str | AuthProvider, ...]:
    if isinstance(value, AuthProvider):
        return (value,)
    if isinstance(value, str) and is_provider(value):
        return (_PROVIDERS[value.rpartition(".")[2]],)
    known = ", ".join(_PROVIDERS)
    raise ValueError(f"expected a zkfake.AuthProvider, or {_PACKAGE}. and one of {known}")


def _words(value: object) -> frozenset[str]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(w, str) for w in value):
        return frozenset(value)
    raise ValueError("expected words with commas between them, or '*'")


def _users(value: object) -> Mapping[str, str]:
    if isinstance(value, Mapping) and all(isinstance(x, str) for p in value.items() for x in p):
        return dict(value)
    raise ValueError("expected a mapping from user name to password")


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are milliseconds, sizes bytes. -1: a default that depends on `tick_time`."""

    version: Version = VERSIONS[DEFAULT]
    tick_time: int = 2000
    """The unit of session expiry, in milliseconds."""
    init_limit: int = 10
    """Ticks that a new leader waits for a quorum to have its log."""
    sync_limit: int = 5
    """Ticks of silence after which a server closes its connection to another one."""
    commit_log_count: int = 500
    """Transactions that a server keeps for servers that lag; a server that lags further gets the
    whole tree.
    """
    min_session_timeout: int = -1
    """The shortest session timeout that is granted, in milliseconds; -1: two ticks."""
    max_session_timeout: int = -1
    """The longest session timeout that is granted, in milliseconds; -1: twenty ticks."""
    max_client_connections: int = 60
    """Connections that one address may have to one server; 0: any number."""
    max_connections: int = 0
    """Connections that one server may have; 0: any number."""
    handshake_timeout: int = 10_000
    """Milliseconds after which a connection that sent no connect request is dropped; it may take up
    to twice as long.
    """
    jute_max_buffer: int = 0xFFFFF
    """The longest request, in bytes; a longer one ends the connection."""
    extended_types: bool = False
    """Whether there are TTL znodes."""
    super_digest: str | None = None
    """``user:base64(sha1(user:password))`` of a user who may do everything."""
    digest_enabled: bool = True
    """Whether there is the scheme `digest`."""
    digest_algorithm: str = "SHA1"
    """The hash algorithm of the scheme `digest`, by Java's name."""
    sasl_super_users: tuple[str, ...] = ()
    """A user of SASL who may do everything; `superUser.1` and so on name more."""
    let_any_sasl_user: str | None = None
    """An id of the scheme `sasl` that matches every SASL user in ACLs."""
    x509_super_user: str | None = None
    """The subject of a certificate whose owner may do everything."""
    auth_providers: tuple[str | AuthProvider, ...] = ()
    """A provider of authentication: the name of one of ZooKeeper's own classes, or a
    `zkfake.AuthProvider`. `N` is any text.
    """
    ensemble_names: tuple[str, ...] | None = None
    """The names of the ensemble. A client that authenticates by the scheme `ensemble` with another
    name is disconnected; needs the class `EnsembleAuthenticationProvider`.
    """
    enforce_auth: bool = False
    """Whether only authenticated connections are served."""
    enforce_auth_schemes: tuple[str, ...] = ()
    """The schemes that count for `enforce.auth.enabled`."""
    require_sasl: bool = False
    """As `enforce.auth.enabled` with the scheme `sasl`."""
    allow_sasl_failed: bool = False
    """Whether a client whose SASL authentication fails stays connected, unless SASL is required."""
    skip_acl: bool = False
    """Whether everybody may do everything."""
    eager_acl_check: bool = False
    """Whether each server of an ensemble checks ACLs in its own tree and refuses writes without a
    transaction.
    """
    read_only_mode: bool = False
    """Whether a server without a quorum serves read-only clients."""
    four_letter_whitelist: frozenset[str] = frozenset(("srvr",))
    """The four-letter words that are answered; ``*``: all."""
    container_check_interval: int = 60_000
    """Milliseconds between two checks for empty containers and expired TTL znodes."""
    container_never_used: int = 0
    """Milliseconds after which a container that never had a child is deleted; 0: never."""
    container_max_per_minute: int = 10_000
    """The most containers and TTL znodes that are deleted per minute."""
    enforce_quota: bool = False
    """Whether hard quotas refuse writes."""
    sasl_users: Mapping[str, str] | None = None
    """Users and passwords of SASL DIGEST-MD5, which the real server reads from a JAAS file; none:
    no SASL.
    """
    tls: bool = False
    """Whether there are TLS connections, and so identities of the x509 scheme."""
    reconfig_enabled: bool = False
    """Whether the members of an ensemble can be changed."""
    local_sessions: bool = False
    """Whether sessions of an ensemble stay local to their server."""
    local_sessions_upgrading: bool = False
    """Whether a local session becomes a global one when it creates an ephemeral znode."""
    keep_log: int | None = 0
    """Committed transactions to keep; ``None``: all."""

    @classmethod
    def parse(
        cls,
        settings: Mapping[str, object] | None = None,
        version: str = DEFAULT,
        *,
        tls: bool = False,
    ) -> "Settings":
        """Settings from their real names. Raises `ValueError`: an unknown name, a bad value, an
        unknown version, values that do not go together.
        """
        if version not in VERSIONS:
            known = ", ".join(sorted(VERSIONS))
            raise ValueError(f"version {version!r} is not known; choose one of {known}")
        found: dict[str, Any] = {"version": VERSIONS[version], "tls": tls}
        for name, value in (settings or {}).items():
            field, parsed = read(name, value)
            found[field] = found.get(field, ()) + parsed if field in _MANY else parsed
        made = replace(cls(), **found)
        made.check()
        return made

    def check(self) -> None:
        """Raises `ValueError` where values do not go together."""
        low, high = self.session_timeouts
        if low > high:
            raise ValueError(
                f"minSessionTimeout {low} is above maxSessionTimeout {high}; unless they are set, "
                "they are 2 and 20 times tickTime"
            )
        if self.enforce_auth and not self.required_schemes:
            raise ValueError("enforce.auth.enabled needs enforce.auth.schemes")
        for scheme in self.required_schemes:
            if scheme not in self.auth_schemes:
                name = "enforce.auth.schemes"
                if self.require_sasl:
                    name = "sessionRequireClientSASLAuth"
                raise ValueError(
                    f"{name}: there is no provider for the scheme {scheme!r}; "
                    "sasl.users, tls= or authProvider.N gives one"
                )

    @property
    def auth_schemes(self) -> tuple[str, ...]:
        """The schemes that there is a provider for."""
        made = [made if isinstance(made, str) else made.scheme for made in self.auth_providers]
        there = {
            "digest": self.digest_enabled,
            "sasl": self.sasl_users is not None,
            "x509": self.tls,
        }
        return tuple(
            dict.fromkeys(["ip", *(scheme for scheme, has in there.items() if has), *made])
        )

    @property
    def required_schemes(self) -> tuple[str, ...]:
        """A connection has to have an identity of one of these; without any it has not."""
        if self.require_sasl:
            return ("sasl",)
        return self.enforce_auth_schemes if self.enforce_auth else ()

    @property
    def session_timeouts(self) -> tuple[int, int]:
        """The shortest and the longest session timeout: 2 and 20 ticks unless set."""
        low, high = self.min_session_timeout, self.max_session_timeout
        tick = self.tick_time
        return (2 * tick if low < 0 else low, 20 * tick if high < 0 else high)


_Row = tuple[str, Callable[[object], Any]]

NAMES: dict[str, _Row] = {
    "tickTime": ("tick_time", _integer(1)),
    "commitLogCount": ("commit_log_count", _integer(1)),
    "initLimit": ("init_limit", _integer(1)),
    "syncLimit": ("sync_limit", _integer(1)),
    "minSessionTimeout": ("min_session_timeout", _integer(-1)),
    "maxSessionTimeout": ("max_session_timeout", _integer(-1)),
    "maxClientCnxns": ("max_client_connections", _integer(0)),
    "maxCnxns": ("max_connections", _integer(0)),
    "nio.sessionlessCnxnTimeout": ("handshake_timeout", _integer(1)),
    "jute.maxbuffer": ("jute_max_buffer", _integer(1)),
    "extendedTypesEnabled": ("extended_types", _boolean),
    "DigestAuthenticationProvider.superDigest": ("super_digest", _digest),
    "superDigest": ("super_digest", _digest),
    "DigestAuthenticationProvider.enabled": ("digest_enabled", _boolean),
    "DigestAuthenticationProvider.digestAlg": ("digest_algorithm", _algorithm),
    "superUser": ("sasl_super_users", _texts),
    "superUser.N": ("sasl_super_users", _texts),
    "letAnySaslUserDoX": ("let_any_sasl_user", _text),
    "X509AuthenticationProvider.superUser": ("x509_super_user", _text),
    "authProvider.N": ("auth_providers", _provider),
    "ensembleAuthName": ("ensemble_names", _schemes),
    "enforce.auth.enabled": ("enforce_auth", _boolean),
    "enforce.auth.schemes": ("enforce_auth_schemes", _schemes),
    "sessionRequireClientSASLAuth": ("require_sasl", _boolean),
    "allowSaslFailedClients": ("allow_sasl_failed", _boolean),
    "enableEagerACLCheck": ("eager_acl_check", _boolean),
    "skipACL": ("skip_acl", _boolean),
    "readonlymode.enabled": ("read_only_mode", _boolean),
    "4lw.commands.whitelist": ("four_letter_whitelist", _words),
    "znode.container.checkIntervalMs": ("container_check_interval", _integer(1)),
    "znode.container.maxNeverUsedIntervalMs": ("container_never_used", _integer(0)),
    "znode.container.maxPerMinute": ("container_max_per_minute", _integer(1, 60_000)),
    "enforceQuota": ("enforce_quota", _boolean),
    "sasl.users": ("sasl_users", _users),
    "reconfigEnabled": ("reconfig_enabled", _boolean),
    "localSessionsEnabled": ("local_sessions", _boolean),
    "localSessionsUpgradingEnabled": ("local_sessions_upgrading", _boolean),
}
"""The field and the parser of every setting, by its real name."""

_MANY = ("sasl_super_users", "auth_providers")
"""The fields that several settings add to."""


def is_setting(name: str) -> bool:
    """Whether there is such a setting."""
    return _row(name) is not None


def is_provider(name: str) -> bool:
    """Whether this is a class of ZooKeeper's that the fake has."""
    package, _, plain = name.rpartition(".")
    return package == _PACKAGE and plain in _PROVIDERS


def read(name: str, value: object) -> tuple[str, Any]:
    """The field of `Settings` that one setting is about, and its value there. Raises `ValueError`:
    no such setting, or a value that cannot be.
    """
    row = _row(name)
    if row is None:
        lower = {known.lower(): known for known in NAMES}
        close = get_close_matches(name.lower(), lower, n=1)
        if close:
            raise ValueError(f"{name!r} is not a setting; did you mean {lower[close[0]]!r}?")
        known = ", ".join(sorted(NAMES))
        raise ValueError(f"{name!r} is not a setting; known settings: {known}")
    field, parse = row
    try:
        return field, parse(value)
    except ValueError as error:
        raise ValueError(f"{name} = {value!r}: {error}") from None


def _row(name: str) -> _Row | None:
    plain = name.removeprefix("zookeeper.")
    head, dot, _ = plain.partition(".")
    return NAMES.get(plain) or (NAMES.get(f"{head}.N") if dot else None)
