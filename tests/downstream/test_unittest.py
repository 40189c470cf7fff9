"""unittest, and code of Python's own test runner's age."""

import unittest

import pytest


class TestPrices(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, zk_client_factory, zk_backend):
        self.client = zk_client_factory()
        self.backend = zk_backend

    def test_a_price(self):
        self.client.create("/price", b"3")
        self.assertEqual(self.client.get("/price")[0], b"3")

    @pytest.mark.zk_backend("fake")
    def test_on_the_fake_only(self):
        self.assertEqual(self.backend, "fake")
