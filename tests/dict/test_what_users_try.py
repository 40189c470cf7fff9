"""The table of what a dict's user tries, in `docs/zkdict.md`: every line of it."""

from __future__ import annotations

import collections
import copy
import dataclasses
import json
import logging.config
import operator
import pickle
import pprint
import re
import types
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
import yaml

from zkdict import RedisDict, Snapshot, StorageDict, ZooKeeperDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.redis_server import RedisServer

PAGE = (Path(__file__).parents[2] / "docs" / "zkdict.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## What a dict's user tries\n")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in SECTION.splitlines()
    if line.startswith("| `")
]
PRICES = {"tea": 3, "coffee": 4}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the code of the table uses, and what the page defines above it."""
    found = {
        **{
            module.__name__: module
            for module in (copy, dataclasses, json, logging, operator, pickle)
        },
        **{module.__name__: module for module in (pprint, pydantic, types, yaml)},
        **{kind.__name__: kind for kind in (RedisDict, Snapshot, ZooKeeperDict)},
        "ChainMap": collections.ChainMap,
        "Mapping": Mapping,
        "MutableMapping": MutableMapping,
        "__name__": __name__,
    }
    exec(SECTION.partition("```python\n")[2].partition("```")[0], found)
    return found


@pytest.fixture(params=["zookeeper", "snapshot", "redis"])
def tried(
    request: pytest.FixtureRequest, open_dict: Callable[[], ZooKeeperDict[Any]]
) -> Mapping[str, Any]:
    if request.param == "redis":
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        items: StorageDict[Any] = RedisDict(redis_server.client(), "prices")
    else:
        items = open_dict()
    for key, value in PRICES.items():
        items[key] = value
    return items.snapshot() if request.param == "snapshot" else items  # type: ignore[attr-defined]


@pytest.mark.zk_backend("fake")  # the server makes no difference
def test_every_line_does_what_it_says(tried: Mapping[str, Any], names: dict[str, Any]) -> None:
    assert len(ROWS) > 20
    for code, gives, snapshot_gives in ROWS:
        told = snapshot_gives if isinstance(tried, Snapshot) and snapshot_gives else gives
        expected, advice = re.fullmatch("`(.*?)`(.*)", told).groups()  # type: ignore[union-attr]
        expression = code.strip("`")
        if expected.endswith("Error"):
            with pytest.raises(Exception) as caught:  # noqa: PT011  the next line looks
                eval(expression, names, {"d": tried})
            assert type(caught.value).__name__ == expected, code
            assert advice.startswith(": "), code
        else:
            given = repr(eval(expression, names, {"d": tried}))
            assert re.sub(r"zxid=\d+", "zxid=4", given) == expected, code
    assert tried == PRICES


@pytest.mark.zk_backend("fake")
def test_what_cannot_be_pickled_says_what_to_do(tried: Mapping[str, Any]) -> None:
    if isinstance(tried, Snapshot):
        assert pickle.loads(pickle.dumps(tried)) == tried
        return
    with pytest.raises(TypeError, match=r"a \w+Dict cannot be pickled, .*: pickle its copy\(\)"):
        pickle.dumps(tried)


@pytest.mark.zk_backend("fake")
def test_a_logging_configuration_is_taken(open_dict: Callable[[], ZooKeeperDict[Any]]) -> None:
    items = open_dict()
    handler = {"class": "logging.NullHandler"}
    items.update(version=1, disable_existing_loggers=False, incremental=False)
    items.update(handlers={"none": handler}, loggers={"zkdict.tried": {"handlers": ["none"]}})
    logger = logging.getLogger("zkdict.tried")
    for configuration in (items, items.snapshot()):
        logging.config.dictConfig(configuration)  # type: ignore[arg-type]
        assert [type(each) for each in logger.handlers] == [logging.NullHandler]
        logger.handlers.clear()
