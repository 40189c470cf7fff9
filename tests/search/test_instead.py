"""The applications that do the work of kazoo's recipes: sound, by checks that can fail."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from kazoo.exceptions import ConnectionLoss

from .corpus.measuring import false_alarms
from .corpus.recipes import RECIPES, instead
from .corpus.recipes.instead import INSTEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

HERE = [each for each in INSTEAD if each.mended.__module__ == instead.__name__]


def test_every_recipe_has_an_application_that_does_its_work() -> None:
    assert {name for each in INSTEAD for name in each.recipes} == {
        each.name.partition("_")[0] for each in RECIPES
    }


@pytest.mark.parametrize("application", HERE, ids=lambda each: each.name)
def test_it_is_sound(application: instead.Instead) -> None:
    false_alarms(application, 15).raise_if_failed()


def give_back_perhaps(sim: Simulation, client: KazooClient, path: str) -> None:
    with suppress(ConnectionLoss):
        if instead.has(client, path):
            client.delete(path)


def put_again(client: KazooClient, job: int) -> None:
    if client.exists(f"/queue/{job}") is None:
        client.create(f"/queue/{job}")


def make_another(sim: Simulation, client: KazooClient, path: str) -> None:
    instead.answered(sim, lambda: client.create(path, sequence=True))


def take_over_blindly(client: KazooClient, holder: str, version: int) -> None:
    client.set("/rental", holder.encode())


@pytest.mark.parametrize(
    ("name", "part", "mistake"),
    [
        ("leases", "give_back", give_back_perhaps),
        ("queue", "put", put_again),
        ("shares", "give_back", give_back_perhaps),
        ("gate", "ask_a_quorum", lambda _client: None),
        ("meeting", "make", make_another),
        ("rental", "take_over", take_over_blindly),
    ],
)
def test_its_check_can_fail(
    name: str, part: str, mistake: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instead, part, mistake)
    (application,) = (each for each in HERE if each.name == name)
    found = false_alarms(application, 300, stop_after=1)
    assert found.failures, str(found)
