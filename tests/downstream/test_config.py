# test_config.py
from config import Config
from hypothesis import settings
from pytest_zkdict.stateful import MappingMachine, run_machine


class ConfigMachine(MappingMachine):
    ordered = False  # it iterates in no order
    snapshots = False  # and reads one key after the other

    def new_dict(self, client):
        return Config(client, self.path)

    def sync(self, mapping):
        pass  # it reads from the server

    def close_dict(self, mapping):
        pass


def test_a_config_is_a_dict_that_two_share(zk_client_factory):
    few = settings(ConfigMachine.TestCase.settings, max_examples=10)
    run_machine(ConfigMachine, zk_client_factory, settings=few)
