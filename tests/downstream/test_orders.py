# test_orders.py
from orders import Orders


def test_an_order_is_there_once_though_its_reply_is_lost(zk_client, zk_faults):
    orders = Orders(zk_client)
    with zk_faults.drop_before_reply(zk_client, operation="create") as fault:
        orders.put(b"tea")
    assert fault.hits  # it did strike
    orders.put(b"milk")
    assert orders.all() == [b"tea", b"milk"]


def test_an_order_is_there_though_its_request_is_lost(zk_client, zk_faults):
    orders = Orders(zk_client)
    with zk_faults.drop_before_request(zk_client, operation="create") as fault:
        orders.put(b"tea")
    assert fault.hits
    assert orders.all() == [b"tea"]
