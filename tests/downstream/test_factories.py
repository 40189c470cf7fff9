"""Each factory."""

import asyncio


def test_server_and_client(quick, quick_client):
    assert quick.tick_time == 100
    assert quick_client.get("/seed")[0] == b"1"
    assert quick_client.get("/own")[0] == b"2"


def test_an_ensemble(ensemble, ensemble_client, prices):
    assert ensemble.hosts.count(",") == 2
    prices["tea"] = 3
    ensemble_client.sync("/prices")
    assert ensemble_client.get_children("/prices") == ["tea"]


def test_a_dict_for_asyncio(async_prices):
    async def program():
        await async_prices.set("tea", 3)
        await async_prices.sync()
        return dict(async_prices.mapping)

    assert asyncio.run(program()) == {"tea": 3}


def test_a_client_of_the_module(shared_client):
    shared_client.ensure_path("/seen")
    shared_client.create("/seen/-", sequence=True)


def test_is_the_same_in_the_next_test(shared_client):
    shared_client.ensure_path("/seen")
    shared_client.create("/seen/-", sequence=True)
    assert shared_client.get_children("/seen")
