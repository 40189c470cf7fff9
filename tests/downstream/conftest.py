# conftest.py
from pytest_zkdict import factories

quick = factories.server(settings={"tickTime": 100}, load={"/seed": b"1"})
quick_client = factories.client("quick", load={"/own": b"2"})
ensemble = factories.server(servers=3)
ensemble_client = factories.client("ensemble")
module_client = factories.client(scope="module", name="shared_client")
prices = factories.dict("ensemble_client", path="/prices")
async_prices = factories.dict("quick_client", path="/prices", asynchronous=True)
