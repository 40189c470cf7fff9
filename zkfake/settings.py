"""The server's settings, under the names that ZooKeeper's configuration and system properties give
them.

`Settings.parse` takes those names (a ``zookeeper.`` in front is dropped) and says clearly what it
cannot take. Every setting has the server's own default, but `tickTime`, which is 2000 as in the
configuration that every package ships.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from zkfake.versions import DEFAULT, VERSIONS, Version


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
    """Times are milliseconds, sizes bytes. -1 stands for a default that depends on `tick_time`."""

    version: Version = VERSIONS[DEFAULT]
    tick_time: int = 2000
    """The unit of session expiry, in milliseconds."""
    min_session_timeout: int = -1
    """The shortest session timeout that is granted, in milliseconds; -1: two ticks."""
    max_session_timeout: int = -1
    """The longest session timeout that is granted, in milliseconds; -1: twenty ticks."""
    max_client_connections: int = 60
    """Connections that one address may have to one server; 0: any number."""
    jute_max_buffer: int = 0xFFFFF
    """The longest request, in bytes; a longer one ends the connection."""
    extended_types: bool = False
    """Whether there are TTL znodes."""
    super_digest: str | None = None
    """``user:base64(sha1(user:password))`` of who may do everything."""
    skip_acl: bool = False
    """Whether everybody may do everything."""
    read_only_mode: bool = False
    """Whether a server without a quorum serves read-only clients."""
    four_letter_whitelist: frozenset[str] = frozenset(("srvr",))
    """The four-letter words that are answered; ``*``: all."""
    container_check_interval: int = 60_000
    """Milliseconds between two looks for containers and TTL znodes that are over."""
    enforce_quota: bool = False
    """Whether hard quotas refuse writes."""
    sasl_users: Mapping[str, str] | None = None
    """Users and passwords of SASL DIGEST-MD5, what a JAAS file is to the real server; none: a
    server without SASL.
    """
    tls: bool = False
    """Whether there are TLS connections, and so identities of the x509 scheme."""
    reconfig_enabled: bool = False
    """Whether the members of an ensemble can be changed."""
    local_sessions: bool = False
    """Whether sessions of an ensemble stay local to their server."""
    local_sessions_upgrading: bool = False
    """Whether a local session becomes a global one when it makes an ephemeral znode."""
    keep_log: int | None = 0
    """Transactions to remember; ``None`` for all."""

    @classmethod
    def parse(
        cls, settings: Mapping[str, object] | None = None, version: str = DEFAULT
    ) -> "Settings":
        """Settings from their real names. Raises `ValueError`: an unknown name, a bad value, an
        unknown version.
        """
        if version not in VERSIONS:
            known = ", ".join(sorted(VERSIONS))
            raise ValueError(f"version {version!r} is not known; choose one of {known}")
        found: dict[str, Any] = {"version": VERSIONS[version]}
        for name, value in (settings or {}).items():
            row = NAMES.get(name.removeprefix("zookeeper."))
            if row is None:
                known = ", ".join(sorted(NAMES))
                raise ValueError(f"{name!r} is not a setting; known settings: {known}")
            field, parse = row
            try:
                found[field] = parse(value)
            except ValueError as error:
                raise ValueError(f"{name} = {value!r}: {error}") from None
        parsed = replace(cls(), **found)
        if parsed.session_timeouts[0] > parsed.session_timeouts[1]:
            low, high = parsed.session_timeouts
            raise ValueError(f"minSessionTimeout {low} is above maxSessionTimeout {high}")
        return parsed

    @property
    def auth_schemes(self) -> tuple[str, ...]:
        """The schemes beyond world, auth, digest and ip that ACL entries may use."""
        sasl = () if self.sasl_users is None else ("sasl",)
        return (*sasl, "x509") if self.tls else sasl

    @property
    def session_timeouts(self) -> tuple[int, int]:
        """The shortest and the longest session timeout: 2 and 20 ticks unless set."""
        low, high = self.min_session_timeout, self.max_session_timeout
        tick = self.tick_time
        return (2 * tick if low < 0 else low, 20 * tick if high < 0 else high)


NAMES: dict[str, tuple[str, Callable[[object], Any]]] = {
    "tickTime": ("tick_time", _integer(1)),
    "minSessionTimeout": ("min_session_timeout", _integer(-1)),
    "maxSessionTimeout": ("max_session_timeout", _integer(-1)),
    "maxClientCnxns": ("max_client_connections", _integer(0)),
    "jute.maxbuffer": ("jute_max_buffer", _integer(1)),
    "extendedTypesEnabled": ("extended_types", _boolean),
    "DigestAuthenticationProvider.superDigest": ("super_digest", _digest),
    "superDigest": ("super_digest", _digest),
    "skipACL": ("skip_acl", _boolean),
    "readonlymode.enabled": ("read_only_mode", _boolean),
    "4lw.commands.whitelist": ("four_letter_whitelist", _words),
    "znode.container.checkIntervalMs": ("container_check_interval", _integer(1)),
    "enforceQuota": ("enforce_quota", _boolean),
    "sasl.users": ("sasl_users", _users),
    "reconfigEnabled": ("reconfig_enabled", _boolean),
    "localSessionsEnabled": ("local_sessions", _boolean),
    "localSessionsUpgradingEnabled": ("local_sessions_upgrading", _boolean),
}
"""The field and the parser of every setting, by its real name."""
