"""The examples of msaStorageDict 0.0.3's documentation, line by line as they are printed there.

They are quoted from its pages (MIT licence, u2d.ai); the module names in their imports stand for
zkdict, which is the one line that a program changes.
"""

from __future__ import annotations

import ast
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import kazoo.client
import pytest
import redis

import zkdict

if TYPE_CHECKING:
    from pytest_zkdict.clients import ClientFactory

    from ..support.redis_server import RedisServer

ZOOKEEPER = """
from storagedict import MSAZookeeperDict
from kazoo.client import KazooClient
kazoo = KazooClient()
kazoo.start()
zkdict = MSAZookeeperDict(kazoo, '/app/config')
zkdict['exchange_rate'] = 25
zkdict['language'] = 'en-US'
zkdict['exchange_rate']
# 25
zkdict['language']
# 'en-US'
zkdict.pop('exchange_rate')
# 25
zkdict['exchange_rate']

# Traceback ... KeyError: 'exchange_rate'
"""

REDIS = """
from msaStorageDict import MSARedisDict
from redis import Redis

# Construct a new MSARedisDict object
settings = MSARedisDict('settings', Redis())

# Assign and retrieve a value from the dict
settings['foo'] = 'bar'
settings['foo']
# >>> 'bar'

# Assign and retrieve another value
settings['dont'] = 'trick'
settings['dont']
# >>> 'trick'

# Delete a value and access receives a KeyError
del settings['foo']
settings['foo']
# >>> KeyError
"""

MANUAL_SYNC = """
from msaStorageDict import MSARedisDict
from redis import Redis

# Construct a new RedisDict object that does not sync on reads
settings = MSARedisDict('settings', Redis(), autosync=False)
"""


def run_lines(text: str) -> tuple[dict[str, Any], int]:
    """Run a printed example, and compare each value with the comment below it. Returns its names,
    and how many values were told of.
    """
    lines = text.splitlines()
    names: dict[str, Any] = {}
    compared = 0
    for node in ast.parse(text).body:
        code = ast.get_source_segment(text, node)
        assert code is not None
        assert node.end_lineno is not None
        if not isinstance(node, ast.Expr):
            exec(code, names)
            continue
        below = next((line for line in lines[node.end_lineno :] if line), "")
        told = below.removeprefix("#").strip().removeprefix(">>>").strip()
        if "KeyError" in told:
            with pytest.raises(KeyError):
                eval(code, names)
            compared += 1
        elif below.startswith("#"):
            assert repr(eval(code, names)) == told, code
            compared += 1
        else:
            eval(code, names)
    return names, compared


@pytest.fixture(autouse=True)
def _old_module_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("msaStorageDict", "storagedict"):
        old = ModuleType(name)
        old.__getattr__ = lambda each: getattr(zkdict, each)  # type: ignore[method-assign]
        monkeypatch.setitem(sys.modules, name, old)


def test_the_example_of_the_zookeeper_dict(
    zk_client_factory: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = zk_client_factory(start=False)
    monkeypatch.setattr(kazoo.client, "KazooClient", lambda: client)  # the test's own server
    names, compared = run_lines(ZOOKEEPER)
    assert compared == 4
    assert names["zkdict"] == {"language": "en-US"}
    assert client.get_children("/app/config") == ["language"]
    names["zkdict"].close()


def test_the_examples_of_the_redis_dict(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "Redis", redis_server.client)  # the test's own server
    names, compared = run_lines(REDIS)
    assert compared == 3
    assert redis_server.client().hgetall("settings") == {b"dont": b'"trick"'}
    # What its text says of `autosync=False`, in four points.
    names, _ = run_lines(MANUAL_SYNC)
    settings, other = names["settings"], zkdict.RedisDict[Any](redis_server.client(), "settings")
    other["dont"] = "treat"
    assert settings["dont"] == "trick"  # it was loaded by the constructor; reads do not ask
    settings["more"] = 1
    assert other["more"] == settings["more"] == 1  # writes are made at once
    other["less"] = 2
    assert "less" not in settings
    settings.sync()
    assert settings == {"dont": "treat", "more": 1, "less": 2}


def test_the_base_classes_have_their_old_names() -> None:
    for name in ("MSAConnectionStorageDict", "MSAStorageDict", "MSAZookeeperDict"):
        assert name in zkdict.__all__
    assert zkdict.MSAStorageDict is zkdict.StorageDict
    assert zkdict.MSAConnectionStorageDict is zkdict.ConnectionStorageDict
    assert zkdict.MSARedisDict is zkdict.RedisDict
    assert issubclass(zkdict.MSARedisDict, zkdict.MSAConnectionStorageDict)
    assert issubclass(zkdict.MSAZookeeperDict, zkdict.MSAConnectionStorageDict)
