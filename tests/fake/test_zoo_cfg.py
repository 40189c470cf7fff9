"""``zoo.cfg``: read as Java reads properties, and what the fake makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake import _zoo_cfg as zoo_cfg
from zkfake._settings import NAMES, Settings
from zkfake._zoo_cfg import ConfigFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


class Writer:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, text: str, name: str = "zoo.cfg") -> str:
        path = self.directory / name
        path.write_bytes(text.encode("latin-1"))
        return str(path)


def test_the_file_that_every_package_ships(write: Writer) -> None:
    path = write("""
        # The number of milliseconds of each tick
        tickTime=2000
        initLimit=10
        syncLimit=5
        dataDir=/var/lib/zookeeper
        clientPort=2181
        #maxClientCnxns=60
        autopurge.purgeInterval=1
    """)
    assert zoo_cfg.read(path) == ConfigFile(
        settings={"tickTime": "2000", "initLimit": "10", "syncLimit": "5"},
        port=2181,
        ignored=["dataDir", "autopurge.purgeInterval"],
    )


def test_settings_of_any_number_and_some_that_need_each_other(write: Writer) -> None:
    classes = "org.apache.zookeeper.server.auth."
    found = zoo_cfg.read(
        write(f"""
        enforce.auth.enabled=true
        enforce.auth.schemes=sasl
        authProvider.1={classes}SASLAuthenticationProvider
        superUser=bob
        superUser.1=eve
    """)
    )
    assert found.ignored == []
    made = Settings.parse(found.settings)
    assert (made.required_schemes, made.sasl_super_users) == (("sasl",), ("bob", "eve"))


def test_an_ensemble_with_tls(write: Writer) -> None:
    path = write("""
        clientPortAddress = 127.0.0.2
        clientPort 2182
        secureClientPort: 2282
        zookeeper.extendedTypesEnabled=true
        4lw.commands.whitelist=srvr, \\
            ruok
        server.1=zoo1:2888:3888
        server.2=zoo2:2888:3888:participant;0.0.0.0:2191
        server.10=[fe80::1]:2888:3888:observer;2192
        server.11=zoo11:2888:3888|zoo11b:2888:3888:OBSERVER
        ssl.keyStore.location=/etc/zookeeper/store.jks
    """)
    found = zoo_cfg.read(path)
    assert found == ConfigFile(
        settings={
            "zookeeper.extendedTypesEnabled": "true",
            "4lw.commands.whitelist": "srvr, ruok",
        },
        host="127.0.0.2",
        port=2182,
        secure_port=2282,
        voters=[None, 2191],
        observers=[2192, None],
        ignored=["ssl.keyStore.location"],
    )
    settings = Settings.parse(found.settings)
    assert settings.extended_types
    assert settings.four_letter_whitelist == {"srvr", "ruok"}


def test_a_dynamic_configuration(write: Writer) -> None:
    dynamic = write("server.1=a:1:2;2181\nserver.2=b:1:2:observer;2182\nversion=1\n", "dynamic")
    found = zoo_cfg.read(write(f"dynamicConfigFile={dynamic}\nstandaloneEnabled=false\n"))
    assert (found.voters, found.observers) == ([2181], [2182])
    assert found.ignored == ["version", "standaloneEnabled"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\ntickTime=fast", r"zoo\.cfg, line 3: tickTime = 'fast': expected an integer"),
        ("clientPort=many", r"line 1: clientPort = 'many': expected a port, 0 to 65535"),
        ("secureClientPort=65536", r"line 1: secureClientPort = '65536': expected a port"),
        ("clientPortAddress=", r"line 1: clientPortAddress is empty: expected an address"),
        ("# x\nserver.1=a:1:2;x", r"line 2: server\.1 = 'x': expected a port"),
        ("x=1\nserver.1=a", r"line 2: server\.1 = 'a': expected host:port:port, as zoo1:2888:3888"),
        ("server.1=a:2888", r"line 1: server\.1 = 'a:2888': expected host:port:port"),
        ("server.1=a:2888:x", r"line 1: server\.1 = 'a:2888:x': expected host:port:port"),
        ("server.1=a:1:2|b", r"line 1: server\.1 = 'a:1:2\|b': expected host:port:port"),
        ("server.1=a:1:2:boss", r"line 1: server\.1 = 'a:1:2:boss': expected host:port:port"),
        ("server.1=", r"line 1: server\.1 = '': expected host:port:port"),
        ("skipACL=\\\n  maybe\n", r"line 1: skipACL = 'maybe': expected True"),
    ],
)
def test_a_value_that_cannot_be(write: Writer, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        zoo_cfg.read(write(text))


def test_files_that_cannot_be(write: Writer) -> None:
    with pytest.raises(FileNotFoundError):
        zoo_cfg.read(str(write.directory / "none"))
    with pytest.raises(FileNotFoundError):
        zoo_cfg.read(write("dynamicConfigFile=/no/such/file"))
    wrong = write("version=1\nserver.1=a\n", "dynamic")
    with pytest.raises(ValueError, match=r"zoo\.cfg, line 1: .*dynamic, line 2: server\.1 = 'a'"):
        zoo_cfg.read(write(f"dynamicConfigFile={wrong}"))
    itself = write("", "itself")
    write(f"dynamicConfigFile={itself}", "itself")
    with pytest.raises(
        ValueError, match=r"zoo\.cfg, line 1: .*itself, line 1: a dynamicConfigFile must not"
    ):
        zoo_cfg.read(write(f"dynamicConfigFile={itself}"))


@pytest.mark.parametrize(
    "name", ["sasl.users", "authProvider.1", "zookeeper.authProvider.sasl", "tickTime2", "", "é"]
)
def test_what_is_no_setting_of_a_file_is_ignored(write: Writer, name: str) -> None:
    assert zoo_cfg.read(write(f"{name}=x")) == ConfigFile(ignored=[name])


@pytest.mark.parametrize(
    ("text", "properties"),
    # What java.util.Properties makes of each, with values trimmed as the server does.
    [
        ("a=1\rb=2\r\nc=3\n", {"a": "1", "b": "2", "c": "3"}),
        ("a = b = c", {"a": "b = c"}),
        ("a\tb:c", {"a": "b:c"}),
        ("a\\:b\\=\\ c=d", {"a:b= c": "d"}),
        ("  \f#a=b\n!c=d\n", {}),
        ("a=1\na=2", {"a": "2"}),
        ("a=1\\\n   2\\\\\nb=3", {"a": "12\\", "b": "3"}),
        ("a=1\\\n#2\n", {"a": "1#2"}),
        ("a=1\\", {"a": "1"}),
        ("\\\n#a\nb", {"b": ""}),
        ("a=\\t\\u0041\\q", {"a": "Aq"}),
        ("a=\x85\xa0 \n", {"a": "\x85\xa0"}),
        ("a\x0bb=\x0b1", {"a\x0bb": "1"}),
    ],
)
def test_properties_are_javas(write: Writer, text: str, properties: dict[str, str]) -> None:
    found = zoo_cfg._properties(write(text))
    assert {entry.name: entry.value for entry in found} == properties


@given(st.data())
def test_whatever_a_file_has_every_name_of_it_is_somewhere(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = [*NAMES, "clientPort", "secureClientPort", "server.1", "dataDir", "tick", "x.y"]
    lines = data.draw(
        st.dictionaries(st.sampled_from(names), st.text("0129ab:; \\=é\x85", max_size=8))
    )
    text = "".join(f"{name}={value}\n" for name, value in lines.items())
    write = Writer(tmp_path_factory.mktemp("cfg"))
    path = write(text)
    try:
        found = zoo_cfg.read(path)
    except ValueError as error:
        found, said = None, str(error)
    if found is None:
        assert said.startswith(f"{path}, line ")
        return
    taken = len(found.settings) + len(found.voters) + len(found.observers)
    taken += (found.port is not None) + (found.secure_port is not None)
    properties = {entry.name for entry in zoo_cfg._properties(path)}
    assert taken + len(found.ignored) == len(properties)
    Settings.parse(found.settings | {"maxSessionTimeout": 0x7FFFFFFF})
