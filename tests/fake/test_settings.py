"""Settings: real names, clear errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake import AuthProvider, FakeZooKeeper
from zkfake._settings import Settings

CLASSES = "org.apache.zookeeper.server.auth."
TOKEN = AuthProvider("token", lambda auth, address: [])
GOOD: dict[str, list[tuple[object, str, object]]] = {
    "tickTime": [(500, "tick_time", 500), ("500", "tick_time", 500)],
    "commitLogCount": [(2, "commit_log_count", 2)],
    "initLimit": [("5", "init_limit", 5)],
    "syncLimit": [(2, "sync_limit", 2)],
    "minSessionTimeout": [(1, "min_session_timeout", 1)],
    "maxSessionTimeout": [(99_000, "max_session_timeout", 99_000)],
    "maxClientCnxns": [(0, "max_client_connections", 0)],
    "jute.maxbuffer": [("4194304", "jute_max_buffer", 4_194_304)],
    "extendedTypesEnabled": [(True, "extended_types", True), ("TRUE", "extended_types", True)],
    "superDigest": [("super:abc=", "super_digest", "super:abc=")],
    "DigestAuthenticationProvider.superDigest": [("super:abc=", "super_digest", "super:abc=")],
    "DigestAuthenticationProvider.enabled": [("false", "digest_enabled", False)],
    "DigestAuthenticationProvider.digestAlg": [
        ("sha-1", "digest_algorithm", "SHA1"),
        ("SHA3-512", "digest_algorithm", "SHA3-512"),
    ],
    "superUser": [("bob", "sasl_super_users", ("bob",))],
    "superUser.N": [("eve", "sasl_super_users", ("eve",))],
    "letAnySaslUserDoX": [("anyone", "let_any_sasl_user", "anyone")],
    "X509AuthenticationProvider.superUser": [("CN=bob", "x509_super_user", "CN=bob")],
    "authProvider.N": [
        (CLASSES + "SASLAuthenticationProvider", "auth_providers", ("sasl",)),
        (TOKEN, "auth_providers", (TOKEN,)),
    ],
    "ensembleAuthName": [(" one, two", "ensemble_names", ("one", "two"))],
    "enforce.auth.enabled": [("false", "enforce_auth", False)],
    "enforce.auth.schemes": [("sasl,digest ", "enforce_auth_schemes", ("sasl", "digest"))],
    "sessionRequireClientSASLAuth": [("false", "require_sasl", False)],
    "allowSaslFailedClients": [(True, "allow_sasl_failed", True)],
    "enableEagerACLCheck": [(True, "eager_acl_check", True)],
    "maxCnxns": [(5, "max_connections", 5)],
    "nio.sessionlessCnxnTimeout": [(500, "handshake_timeout", 500)],
    "znode.container.maxNeverUsedIntervalMs": [(0, "container_never_used", 0)],
    "znode.container.maxPerMinute": [("60", "container_max_per_minute", 60)],
    "skipACL": [("yes", "skip_acl", True), ("no", "skip_acl", False)],
    "readonlymode.enabled": [("false", "read_only_mode", False)],
    "4lw.commands.whitelist": [
        ("ruok, stat", "four_letter_whitelist", {"ruok", "stat"}),
        (["ruok"], "four_letter_whitelist", {"ruok"}),
        ("*", "four_letter_whitelist", {"*"}),
    ],
    "znode.container.checkIntervalMs": [(1, "container_check_interval", 1)],
    "enforceQuota": [(True, "enforce_quota", True)],
    "sasl.users": [({"bob": "secret"}, "sasl_users", {"bob": "secret"})],
    "reconfigEnabled": [(True, "reconfig_enabled", True)],
    "localSessionsEnabled": [(True, "local_sessions", True)],
    "localSessionsUpgradingEnabled": [(True, "local_sessions_upgrading", True)],
}


def known_names() -> set[str]:
    with pytest.raises(ValueError, match="known settings: ") as caught:
        Settings.parse({"": 1})
    return set(str(caught.value).partition("known settings: ")[2].split(", "))


def test_every_setting_is_tried_here() -> None:
    assert set(GOOD) == known_names()


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [(name, *row) for name, rows in GOOD.items() for row in rows],
)
@pytest.mark.parametrize("prefix", ["", "zookeeper."])
def test_good_values(prefix: str, name: str, value: object, field: str, expected: object) -> None:
    assert getattr(Settings.parse({prefix + name: value}), field) == expected


@given(
    st.sampled_from(sorted(GOOD)),
    st.one_of(
        st.none(),
        st.floats(),
        st.integers(max_value=-2),
        st.integers(min_value=2**31),
        st.binary(),
        st.text(),
        st.lists(st.integers(), min_size=1),
        st.dictionaries(st.text(), st.integers(), min_size=1),
    ),
)
def test_any_value_is_taken_or_refused_with_name_and_reason(name: str, value: object) -> None:
    try:
        Settings.parse({name: value})
    except ValueError as error:
        text = str(error)
        assert text.startswith((f"{name} = {value!r}: expected ", "minSessionTimeout "))
    else:
        assert isinstance(value, (str, int))


TEXTS = {
    *("4lw.commands.whitelist", "superUser", "superUser.N", "letAnySaslUserDoX"),
    *("X509AuthenticationProvider.superUser", "ensembleAuthName", "enforce.auth.schemes"),
}
"""What takes any text."""


@pytest.mark.parametrize("name", sorted(set(GOOD) - TEXTS))
def test_nonsense_is_refused_everywhere(name: str) -> None:
    for value in (None, 1.5, object(), "nonsense", [1], {"a": 1}):
        with pytest.raises(ValueError, match=f"{name} = .*: expected "):
            Settings.parse({name: value})


def test_unknown_names_and_versions() -> None:
    with pytest.raises(
        ValueError, match=r"'ticktime' is not a setting; did you mean 'tickTime'\?$"
    ):
        Settings.parse({"ticktime": 1})
    with pytest.raises(ValueError, match=r"'x' is not a setting; known settings: .*tickTime"):
        Settings.parse({"x": 1})
    with pytest.raises(ValueError, match=r"version '3.7' is not known; choose one of 3.8, 3.9"):
        Settings.parse({}, "3.7")
    with pytest.raises(ValueError, match="minSessionTimeout 9000 is above maxSessionTimeout 5000"):
        Settings.parse({"minSessionTimeout": 9000, "maxSessionTimeout": 5000})


def test_defaults_are_the_servers() -> None:
    settings = Settings.parse()
    assert settings.session_timeouts == (4000, 40_000)
    assert Settings.parse({"tickTime": 100}).session_timeouts == (200, 2000)
    assert settings.jute_max_buffer == 1_048_575
    assert settings.max_client_connections == 60
    assert settings.four_letter_whitelist == {"srvr"}
    assert settings.auth_schemes == ("ip", "digest")
    secured = Settings.parse({"sasl.users": {}}, tls=True)
    assert secured.auth_schemes == ("ip", "digest", "sasl", "x509")


def test_settings_that_are_given_several_times() -> None:
    made = Settings.parse({"superUser": "a", "superUser.1": "b", "zookeeper.superUser.x": "c"})
    assert made.sasl_super_users == ("a", "b", "c")
    for name in ("authProvider", "superUser.", "znode.N"):
        with pytest.raises(ValueError, match=r"is not a setting|expected"):
            Settings.parse({name: "" if name == "superUser." else "x"})


def test_a_fake_says_so_before_it_binds_anything() -> None:
    with pytest.raises(ValueError, match="tickTime = 0: expected an integer from 1"):
        FakeZooKeeper(settings={"tickTime": 0})
    for servers in (0, 255, -1):
        with pytest.raises(ValueError, match=f"servers = {servers}"):
            FakeZooKeeper(servers=servers)
