"""Everybody makes the folder if it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def prepare(sim: Simulation, client: KazooClient) -> None:
    if not client.exists("/folder"):
        client.create("/folder")
    client.create("/folder/file-", sequence=True)


def prepare_mended(sim: Simulation, client: KazooClient) -> None:
    client.ensure_path("/folder")
    client.create("/folder/file-", sequence=True)


def wrong(sim: Simulation) -> None:
    together(sim, prepare, "ann", "bob", apart=0.1)


def mended(sim: Simulation) -> None:
    together(sim, prepare_mended, "ann", "bob", apart=0.1)


def check(sim: Simulation) -> None:
    """Nobody has met anything unexpected: `together` sees to that."""
